"""The table of class names: common spellings, and changes by option and file."""

from __future__ import annotations

from pathlib import Path

import pytest

from crowdmask.errors import DatasetError, SettingsError
from crowdmask.labels.records import Label
from crowdmask.labels.table import LabelTable


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("", None),
        ("person", None),
        ("face", None),  # some sets mean any face by it, others a bare one
        ("with_mask", Label.MASKED),
        ("Mask", Label.MASKED),
        ("MASKED", Label.MASKED),
        ("face_mask", Label.MASKED),
        ("without_mask", Label.UNMASKED),
        ("No-Mask", Label.UNMASKED),
        ("no mask", Label.UNMASKED),
        ("face_no_mask", Label.UNMASKED),
        ("mask_weared_incorrect", Label.INCORRECT),
        ("incorrect-mask", Label.INCORRECT),
        ("ignore", Label.IGNORE),
    ],
)
def test_default_spellings(name: str, label: Label | None) -> None:
    assert LabelTable().get(name) is label


def test_options_change_the_table_in_order(tmp_path: Path) -> None:
    toml, js = tmp_path / "t.toml", tmp_path / "t.json"
    toml.write_text('"Face Shield" = "unmasked"\nscarf = "masked"\n')
    js.write_text('{"labels": {"helmet": "Ignore"}}')
    table = LabelTable().with_options(
        [str(toml), str(js), "scarf=unmasked", "mask_weared_incorrect=ignore", "a=b=masked"]
    )
    assert table.get("face-shield") is Label.UNMASKED
    assert table.get("scarf") is Label.UNMASKED
    assert table.get("helmet") is Label.IGNORE
    assert table.get("mask_weared_incorrect") is Label.IGNORE
    assert table.get("a=b") is Label.MASKED
    assert LabelTable().get("scarf") is None


@pytest.mark.parametrize("option", ["scarf", "=masked", "scarf=covered", "scarf="])
def test_bad_options_are_named(option: str) -> None:
    with pytest.raises(SettingsError, match="--label"):
        LabelTable().with_options([option])


@pytest.mark.parametrize(
    ("name", "text"), [("t.toml", "a = "), ("t.json", "{"), ("t.json", "[]"), ("t.toml", ""), ("t.json", None)]
)
def test_bad_files_are_named(tmp_path: Path, name: str, text: str | None) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(DatasetError, match=str(tmp_path / name)):
        LabelTable().with_options([str(tmp_path / name)])


def test_bad_word_in_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text('{"scarf": 1}')
    with pytest.raises(SettingsError, match=r"t\.json: scarf = 1"):
        LabelTable().with_options([str(tmp_path / "t.json")])
