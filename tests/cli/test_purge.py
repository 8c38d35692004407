"""`crowdmask purge`, in-process on hand-made runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from crowdmask.cli.main import main
from tests.unit.results.frames_csvs import Row, write_run


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    folder = write_run(tmp_path / "run", [Row("2020-01-01T00:00:00+00:00", 1, source="a.jpg")])
    (folder / "annotated").mkdir()
    (folder / "annotated" / "a.jpg").write_bytes(b"picture")
    return folder


def run(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        main(["purge", *map(str, args)])
    out, err = capsys.readouterr()
    assert isinstance(left.value.code, int)
    return left.value.code, out, err


def test_a_dry_run_lists_and_deletes_nothing(run_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, run_folder, "--older-than", "30d", "--dry-run")
    assert code == 0 and "annotated/a.jpg" in out and "nothing was deleted" in err
    assert (run_folder / "annotated/a.jpg").is_file() and not (run_folder / "purge.log").exists()


def test_without_a_terminal_it_wants_a_yes(run_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, run_folder, "--older-than", "30d")
    assert code == 2 and "--yes" in err and (run_folder / "annotated/a.jpg").is_file()


def test_with_a_yes_it_deletes_and_tells(run_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, run_folder, "--older-than", "30d", "--yes")
    assert code == 0 and "1 annotated pictures and videos" in out and "purge.log" in err
    assert not (run_folder / "annotated").exists()
    assert run(capsys, run_folder, "--older-than", "30d", "--yes", "-q") == (0, "", "")


def test_what_could_not_be_deleted_gives_code_3(
    run_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str, **kwargs: int) -> None:
        raise PermissionError(1, "Operation not permitted", path)

    monkeypatch.setattr(os, "unlink", refuse)
    code, _, err = run(capsys, run_folder, "--older-than", "30d", "--yes")
    assert code == 3 and "not permitted" in err


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("{run}",), 2, "older-than"),
        (("{run}", "--older-than", "soon"), 2, "30d"),
        (("{run}/annotated", "--older-than", "1d"), 1, "no run folder"),
        (("{run}/none", "--older-than", "1d"), 1, "no such folder"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    run_folder: Path, capsys: pytest.CaptureFixture[str], args: tuple[str, ...], code: int, said: str
) -> None:
    found, out, err = run(capsys, *(arg.replace("{run}", str(run_folder)) for arg in args))
    assert (found, out) == (code, "") and said in err and len(err.strip().splitlines()) == 1
