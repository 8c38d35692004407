"""Class names to masked, unmasked or ignore: the table that every label reader asks, and that the user can change."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from crowdmask.errors import DatasetError, SettingsError
from crowdmask.labels.records import Label

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_MASKED = """
    with_mask mask masked mask_on face_mask face_with_mask wearing_mask withmask correct_mask mask_correct
    correctly_masked mask_weared_correct mask_worn_correctly correctly_worn_mask masked_face proper_mask
"""
_UNMASKED = """
    without_mask no_mask nomask mask_off unmasked face_no_mask face_without_mask not_masked not_wearing_mask withoutmask
    non_mask no_face_mask unmasked_face
"""
_WRONGLY_WORN = """
    mask_weared_incorrect incorrect_mask mask_incorrect mask_worn_incorrectly incorrectly_worn_mask incorrect
    with_incorrect_mask face_with_mask_incorrect improperly_worn_mask improper_mask wrong_mask mask_wrong partially_worn
    weared_incorrect incorrectly_masked mask_incorrectly_worn uncovered_nose nose_out wrong
"""
_NO_FACE = "no_face noface not_a_face"
_IGNORED = "ignore ignored difficult dontcare dont_care unknown unsure invalid_face face_other_covering"


def _defaults() -> dict[str, Label]:
    table = dict.fromkeys(_MASKED.split(), Label.MASKED)
    table |= dict.fromkeys(_UNMASKED.split(), Label.UNMASKED)
    table |= dict.fromkeys(_WRONGLY_WORN.split(), Label.INCORRECT)
    table |= dict.fromkeys(_NO_FACE.split(), Label.NO_FACE)
    return table | dict.fromkeys(_IGNORED.split(), Label.IGNORE)


def normal(name: str) -> str:
    """A class name freed of case, blanks and hyphens: `No-Mask` and `no mask` are both `no_mask`."""
    return "_".join(name.replace("-", " ").replace("_", " ").casefold().split())


@dataclass(frozen=True)
class LabelTable:
    """Looks a class name up; a wrongly worn mask has a label of its own, which counts as unmasked unless one asks."""

    labels: Mapping[str, Label] = field(default_factory=lambda: MappingProxyType(_defaults()))

    def get(self, name: str) -> Label | None:
        """The label of a class name, None where the table does not know it."""
        return self.labels.get(normal(name))

    def changed(self, changes: Mapping[str, str], origin: str = "--label") -> LabelTable:
        """A table in which these names mean these words; `origin` is named where a word is none of the three."""
        words = {label.word: label for label in Label}
        labels = dict(self.labels)
        for name, word in changes.items():
            if not isinstance(word, str) or word.casefold() not in words:
                raise SettingsError(f"{origin}: {name} = {word!r}: choose one of {', '.join(words)}")
            labels[normal(name)] = words[word.casefold()]
        return LabelTable(MappingProxyType(labels))

    def with_options(self, options: Iterable[str]) -> LabelTable:
        """Changed by `NAME=masked|unmasked|ignore`, or by the path of a TOML or JSON file of such pairs."""
        table = self
        for option in options:
            name, equals, word = option.rpartition("=")
            if equals and name:
                table = table.changed({name: word})
            elif Path(option).suffix.casefold() in (".toml", ".json"):
                table = table.changed(read_table(Path(option)), origin=option)
            else:
                raise SettingsError(
                    f"--label {option}: give NAME=masked, NAME=unmasked, NAME=ignore, or a .toml or .json file"
                )
        return table


def read_table(path: Path) -> dict[str, str]:
    """The pairs of a TOML or JSON file, at its top or under `labels`."""
    try:
        text = path.read_text(encoding="utf-8")
        content = tomllib.loads(text) if path.suffix.casefold() == ".toml" else json.loads(text)
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: the label table cannot be read: {error}") from error
    pairs = content.get("labels", content) if isinstance(content, dict) else None
    if not isinstance(pairs, dict) or not pairs:
        raise DatasetError(f'{path}: no label table: expected lines such as with_mask = "masked"')
    return pairs
