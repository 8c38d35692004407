"""Ranges, types and contradictions are refused where the setting is made, whoever makes it."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from crowdmask.errors import SettingsError
from crowdmask.settings import AnalysisSettings, Checked, OutputSettings, RuntimeSettings, kind_of

ALL = (AnalysisSettings, RuntimeSettings, OutputSettings)
ANY_WORD = ("classifier", "country")  # the names of a weights folder, and of ISO 3166
FIELDS = [(kind, f) for kind in ALL for f in dataclasses.fields(kind)]


def named(part: Any) -> str:
    return part.name if isinstance(part, dataclasses.Field) else part.__name__


@pytest.mark.parametrize("kind", ALL)
def test_defaults_are_allowed(kind: type[Checked]) -> None:
    kind()


@pytest.mark.parametrize(("kind", "f"), FIELDS, ids=named)
def test_each_setting_declares_help_and_a_range(kind: type[Checked], f: dataclasses.Field[Any]) -> None:
    assert f.metadata["help"].endswith(".")
    if kind_of(f)[0] in ("int", "float"):
        assert f.metadata["low"] is not None
    if kind_of(f)[0] == "str" and not f.metadata["path"] and f.name not in ANY_WORD:
        assert f.default in f.metadata["choices"]


@pytest.mark.parametrize(("kind", "f"), [x for x in FIELDS if x[1].metadata["low"] is not None], ids=named)
def test_the_ends_of_a_range_are_allowed_and_what_lies_beyond_is_not(kind: Any, f: dataclasses.Field[Any]) -> None:
    low, high = f.metadata["low"], f.metadata["high"]
    if f.name not in ("end_s", "duration_s"):  # these two must be more than nothing
        kind(**{f.name: low})
    with pytest.raises(SettingsError, match=f.name):
        kind(**{f.name: low - 1})
    if high is not None:
        kind(**{f.name: high})
        with pytest.raises(SettingsError, match=f"{f.name} is .* must be .* to"):
            kind(**{f.name: high + 1})


@pytest.mark.parametrize(
    "wrong",
    [
        {"confidence": "0.5"},
        {"confidence": True},
        {"confidence": float("nan")},
        {"confidence": None},
        {"start_s": float("inf")},
        {"every": 1.5},
        {"every": True},
        {"detector": "yolo"},
        {"detector": 3},
    ],
)
def test_wrong_types_and_values_are_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        AnalysisSettings(**wrong)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"end_s": 3, "duration_s": 3}, "contradict"),
        ({"start_s": 5, "end_s": 5}, "the end .5 s. must come after the start .5 s."),
        ({"end_s": 0}, "must come after"),
        ({"duration_s": 0}, "duration is 0"),
    ],
)
def test_contradictions(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        AnalysisSettings(**wrong)


def test_the_digest_tells_settings_apart_and_not_their_spelling() -> None:
    assert AnalysisSettings(start_s=1).digest == AnalysisSettings(start_s=1.0).digest
    assert AnalysisSettings(confidence=np.float64(0.25)).digest == AnalysisSettings(confidence=0.25).digest
    assert AnalysisSettings(confidence=0.25).digest != AnalysisSettings().digest


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        AnalysisSettings().confidence = 0.9  # type: ignore[misc]


@pytest.mark.parametrize(
    ("given", "kept", "apart_s", "nth"),
    [(5, 5, None, 5), ("5", 5, None, 5), ("1s", "1s", 1.0, 1), ("1000ms", "1s", 1.0, 1), (" 2MIN", "120s", 120.0, 1)],
)
def test_every_takes_a_number_or_a_time_written_in_one_way(
    given: object, kept: object, apart_s: float | None, nth: int
) -> None:
    settings = AnalysisSettings(every=given)  # type: ignore[arg-type]
    assert (settings.every, settings.apart_s, settings.every_nth) == (kept, apart_s, nth)


@pytest.mark.parametrize("given", [0, -1, 1_000_001, "0s", "25h", "1.5", "often", "1 frame", True, 2.5, None])
def test_what_every_does_not_take(given: object) -> None:
    with pytest.raises(SettingsError, match=r"^every is "):
        AnalysisSettings(every=given)  # type: ignore[arg-type]


def test_every_and_fps_contradict_each_other() -> None:
    assert AnalysisSettings(fps=2).apart_s == 0.5
    with pytest.raises(SettingsError, match="every and fps contradict each other"):
        AnalysisSettings(fps=2, every=3)
