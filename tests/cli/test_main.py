"""The command itself: help, completion, and how errors end it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import crowdmask as package
from crowdmask.cli.main import COMMANDS, told
from crowdmask.errors import SettingsError, SourceError
from tests.cli.conftest import Crowdmask


def test_help_names_every_command(crowdmask: Crowdmask) -> None:
    ran = crowdmask("--help")
    assert ran.code == 0 and ran.err == ""
    for name, (_, text) in COMMANDS.items():
        assert name in ran.out and text in ran.out


def test_no_command_is_help(crowdmask: Crowdmask) -> None:
    assert crowdmask() == crowdmask("--help")


def test_version(crowdmask: Crowdmask) -> None:
    assert package.__version__ in crowdmask("--version").out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_that_says_what_it_does(crowdmask: Crowdmask, name: str) -> None:
    ran = crowdmask(name, "--help")
    assert ran.code == 0
    assert f"Usage: crowdmask {name}" in ran.out and len(ran.out.split("\n\n")) > 2


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom crowdmask.cli.main import main\n"
        "try: main(sys.argv[1:])\n"
        "finally: print(sorted(set(sys.modules) & {'tensorflow', 'keras', 'cv2', 'av', 'numpy'}), file=sys.stderr)"
    )
    for args in (["--help"], ["analyze", "--help"]):
        ran = subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True, check=True)
        assert ran.stderr.strip() == "[]"


def test_python_m() -> None:
    ran = subprocess.run([sys.executable, "-m", "crowdmask", "--version"], capture_output=True, text=True, check=True)
    assert ran.stdout.startswith("crowdmask, version")


def test_unknown_command(crowdmask: Crowdmask) -> None:
    ran = crowdmask("analyse")
    assert ran.code == 2 and len(ran.lines) == 1 and "analyse" in ran.err and "crowdmask --help" in ran.err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(crowdmask: Crowdmask, shell: str) -> None:
    ran = crowdmask("completion", shell)
    assert ran.code == 0 and f"_CROWDMASK_COMPLETE={shell}_complete" in ran.out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("crowdmask ana", "plain,analyze"),
        ("crowdmask analyze --pal", "plain,--palette"),
        ("crowdmask analyze --palette ", "plain,safe"),
        ("crowdmask analyze --out-dir ", "dir,"),
        ("crowdmask analyze ", "file,"),
    ],
)
def test_completion_completes(words: str, expected: str) -> None:
    count = len(words.split()) - (not words.endswith(" "))
    told_shell = {"COMP_WORDS": words, "COMP_CWORD": str(count), "_CROWDMASK_COMPLETE": "bash_complete"}
    ran = subprocess.run(
        [sys.executable, "-m", "crowdmask"],
        env={**os.environ, **told_shell},
        capture_output=True,
        text=True,
        check=False,
    )
    assert expected in ran.stdout.splitlines()


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (SourceError("a.mp4 is empty: copy it again"), 1, "a.mp4 is empty: copy it again"),
        (SettingsError("b"), 2, "b"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (MemoryError(), 1, "out of memory: try a smaller --window"),
        (ZeroDivisionError("x\ny"), 1, "please report it with the output of -v: ZeroDivisionError: x y"),
    ],
)
def test_each_error_has_one_line_and_a_code(error: BaseException, code: int, words: str) -> None:
    message, got = told(error)
    assert got == code and words in message and "\n" not in message


def test_a_reader_that_leaves_is_no_error() -> None:
    command = f"{sys.executable} -m crowdmask analyze --help | true"
    ran = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert ran.stderr == ""


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["analyse", "a.mp4"], "did you mean `crowdmask analyze`?"),
        (["anlayze"], "did you mean `crowdmask analyze`?"),
        (["Stats"], "did you mean `crowdmask stats`?"),
        (["train", "detectr"], "did you mean `crowdmask train detector`?"),
        (["analyze", "a.mp4", "--conf", "0.5"], "did you mean --config or --confidence or --confirm-frames?"),
        (["analyze", "a.mp4", "--maskthreshold", "0.5"], "did you mean --mask-threshold?"),
        (["stats", "run", "--timezon", "UTC"], "did you mean --timezone?"),
    ],
)
def test_the_nearest_name_is_offered_in_one_line(crowdmask: Crowdmask, words: list[str], meant: str) -> None:
    ran = crowdmask(*words)
    assert ran.code == 2 and len(ran.lines) == 1 and meant in ran.err and "--help`" in ran.err


def test_a_file_in_place_of_a_command_is_taken_for_an_input(crowdmask: Crowdmask, here: Path) -> None:
    (here / "night.mp4").touch()
    assert "did you mean `crowdmask analyze night.mp4`?" in crowdmask("night.mp4").err


@pytest.mark.parametrize("words", [["xyzzy"], ["train"], ["weights"], ["weights", "xyzzy"]])
def test_without_a_near_name_the_commands_are_listed_line_by_line(crowdmask: Crowdmask, words: list[str]) -> None:
    ran = crowdmask(*words)
    names = {"train": ["classifier", "detector", "ship"], "weights": ["convert", "fetch", "list", "path", "verify"]}
    expected = names.get(words[0], list(COMMANDS))
    assert ran.code == 2 and [line.split()[0] for line in ran.lines[1:]] == expected
    assert all(len(line.split()) > 2 for line in ran.lines[1:])


def test_an_option_with_nothing_near_is_named_alone(crowdmask: Crowdmask) -> None:
    ran = crowdmask("analyze", "a.mp4", "--qqqq")
    assert ran.code == 2 and "--qqqq" in ran.err and "did you mean" not in ran.err
