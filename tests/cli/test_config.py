"""Which source of settings wins, and how each one's mistakes are named."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from crowdmask.cli.config import build, settle, variable_of
from crowdmask.cli.main import COMMANDS
from crowdmask.cli.options import fields_of, key_of
from crowdmask.errors import SettingsError
from crowdmask.jobs.destinations import Destinations
from crowdmask.settings import AnalysisSettings, OutputSettings, RuntimeSettings

KINDS = (AnalysisSettings, RuntimeSettings, OutputSettings, Destinations)


@pytest.fixture(autouse=True)
def _nothing_else_configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))


def settled(given: dict[str, Any], environ: Mapping[str, str] | None = None, file: str | None = None) -> dict[str, Any]:
    return settle(given, *KINDS, command="analyze", commands=COMMANDS, file=file, environ=environ or {})


def write(text: str, path: str = "crowdmask.toml") -> str:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)
    return path


def test_nothing_given_is_nothing_settled() -> None:
    assert settled({"confidence": None}) == {}
    assert build(AnalysisSettings, {}) == AnalysisSettings()


def test_the_nearest_source_wins() -> None:
    write("[analyze]\nconfidence = 0.2\nwindow = 2\ncrf = 20")
    got = settled({"confidence": 0.4}, {"CROWDMASK_CONFIDENCE": "0.3", "CROWDMASK_WINDOW": "3"})
    assert got == {"confidence": 0.4, "window": 3, "crf": 20}
    assert build(RuntimeSettings, got) == RuntimeSettings(window=3)


def test_a_named_file_beats_the_folders_which_beats_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    write("[analyze]\ncrf = 1", "home/crowdmask/crowdmask.toml")
    assert settled({}) == {"crf": 1}
    write("[analyze]\ncrf = 2")
    assert settled({}) == {"crf": 2}
    named = write("[analyze]\ncrf = 3", "other.toml")
    assert settled({}, {"CROWDMASK_CONFIG": named}) == {"crf": 3}
    assert settled({}, {"CROWDMASK_CONFIG": "crowdmask.toml"}, file=named) == {"crf": 3}


def test_every_setting_has_a_variable_and_a_key_of_the_same_name() -> None:
    for f in fields_of(*KINDS):
        assert variable_of(f) == "CROWDMASK_" + key_of(f).upper().replace("-", "_")
    names = [key_of(f) for f in fields_of(*KINDS)]
    assert len(names) == len(set(names))


def test_keys_may_have_hyphens_or_underscores_and_times_any_form() -> None:
    write('[analyze]\nmask-threshold = 0.6\nunsure_band = 0.2\nstart = "1:30"\nend = 00:02:00.5\nout-dir = "x"')
    expected = {"mask_threshold": 0.6, "unsure_band": 0.2, "start_s": 90.0, "end_s": 120.5, "out_dir": "x"}
    assert settled({}) == expected


@pytest.mark.parametrize(("text", "value"), [("1", True), ("Yes", True), ("off", False), ("false", False)])
def test_variables_for_switches(text: str, value: bool) -> None:
    assert settled({}, {"CROWDMASK_BLUR": text}) == {"blur": value}


def test_an_empty_variable_is_as_none() -> None:
    assert settled({}, {"CROWDMASK_CONFIDENCE": ""}) == {}


def test_the_variables_of_the_weights_are_left_alone() -> None:
    assert settled({}, {"CROWDMASK_CACHE": "/x", "CROWDMASK_OFFLINE": "1"}) == {}


def test_the_variables_of_other_commands_are_left_alone() -> None:
    for name in ("CROWDMASK_CRF", "CROWDMASK_OUT_DIR"):
        assert settle({}, AnalysisSettings, command="evaluate", commands=COMMANDS, environ={name: "1"}) == {}


def test_tables_of_other_commands_are_left_alone() -> None:
    write("[weights]\nanything = 1\n[analyze]\ncrf = 9")
    assert settled({}) == {"crf": 9}


def test_a_nearer_duration_takes_back_the_end() -> None:
    write("[analyze]\nend = 60")
    assert settled({"duration_s": 5.0}) == {"duration_s": 5.0}
    with pytest.raises(SettingsError, match="end and duration contradict"):
        build(AnalysisSettings, settled({"duration_s": 5.0, "end_s": 9.0}))


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"CROWDMASK_CONFIDENCE": "high"}, "CROWDMASK_CONFIDENCE is 'high': it must be a number"),
        ({"CROWDMASK_CONFIDENCE": "7"}, "CROWDMASK_CONFIDENCE is '7': it must be 0.01 to 0.99"),
        ({"CROWDMASK_EVERY": "1.5"}, "CROWDMASK_EVERY is '1.5': it must be a whole number"),
        ({"CROWDMASK_BLUR": "maybe"}, "CROWDMASK_BLUR is 'maybe': it must be true or false"),
        ({"CROWDMASK_START": "noon"}, "CROWDMASK_START is 'noon': it must be seconds or hh:mm:ss"),
        ({"CROWDMASK_DEVICE": "tpu"}, "CROWDMASK_DEVICE is 'tpu': choose one of auto, cpu, gpu"),
        (
            {"CROWDMASK_CONFIDENC": "1"},
            "CROWDMASK_CONFIDENC: there is no such setting .did you mean CROWDMASK_CONFIDENCE",
        ),
        ({"CROWDMASK_CONFIG": "none.toml"}, "none.toml: there is no such config file"),
    ],
)
def test_mistakes_in_variables_name_the_variable(variables: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        settled({}, variables)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[analyze]\nconfidence = 7", r"crowdmask.toml: confidence in \[analyze\] is 7: it must be 0.01 to 0.99"),
        ('[analyze]\nconfidence = "0.5"', r"confidence in \[analyze\] is '0.5': it must be a number"),
        ("[analyze]\nevery = true", r"every in \[analyze\] is True: it must be a whole number"),
        ("[analyze]\nblur = 1", r"blur in \[analyze\] is 1: it must be true or false"),
        ('[analyze]\nstart = "noon"', r"start in \[analyze\] is 'noon': it must be seconds or hh:mm:ss"),
        ("[analyze]\nconfidenec = 1", r"confidenec in \[analyze\]: there is no such setting .did you mean confidence"),
        ("[analyse]\ncrf = 1", r"analyse: there is no such table .did you mean analyze"),
        ("crf = 1", r"crf: settings stand in tables, as in \[analyze\]"),
        ("analyze = 1", r"analyze must be a table"),
        ("[analyze", "crowdmask.toml: it is not valid TOML"),
    ],
)
def test_mistakes_in_a_file_name_the_file_and_the_key(text: str, words: str) -> None:
    write(text)
    with pytest.raises(SettingsError, match=words):
        settled({})


def test_a_named_file_must_be_there() -> None:
    with pytest.raises(SettingsError, match=r"none\.toml: there is no such config file"):
        settled({}, file="none.toml")


def test_a_file_of_other_bytes_is_not_toml() -> None:
    Path("crowdmask.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="not valid TOML"):
        settled({})
