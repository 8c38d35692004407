"""`crowdmask report`, in-process on hand-made runs."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from crowdmask.cli.main import main
from crowdmask.results.report.moments import PICTURE_MARK
from tests.unit.results.frames_csvs import Row, write_run


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """One still of which the picture is there."""
    folder = write_run(tmp_path / "run", [Row("2026-11-20T20:00:00+01:00", 1, 3, 0, "n", "n/a.png")])
    (folder / "summary.json").write_text(json.dumps({"input_root": str(tmp_path / "in"), "timezone": "Europe/Paris"}))
    (tmp_path / "in" / "n").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "in" / "n" / "a.png"), np.full((60, 80, 3), 99, np.uint8))
    return folder


def run(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        main(["report", *map(str, args)])
    out, err = capsys.readouterr()
    assert isinstance(left.value.code, int)
    return left.value.code, out, err


def test_the_page_lies_in_the_run_and_is_not_overwritten(run_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, run_folder)
    page = run_folder / "report.html"
    assert code == 0 and "1 frame, 1 picture with faces blurred" in err
    assert PICTURE_MARK in page.read_text()
    (note,) = (run_folder / "reports.jsonl").read_text().splitlines()
    assert json.loads(note)["report"] == str(page)
    code, _, err = run(capsys, run_folder)
    assert code == 1 and "--overwrite" in err
    assert run(capsys, run_folder, "--overwrite", "-q") == (0, "", "")


def test_pictures_can_be_shown_or_left_out(
    run_folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, _, err = run(capsys, run_folder, "--out", tmp_path / "a.html", "--show-faces")
    assert code == 0 and "with faces to be seen" in err
    code, _, err = run(capsys, run_folder, "--out", tmp_path / "b.html", "--no-pictures")
    assert code == 0 and ", 1 picture" not in err and PICTURE_MARK not in (tmp_path / "b.html").read_text()
    assert "the run kept none" not in (tmp_path / "b.html").read_text()
    assert run(capsys, run_folder, "--out", tmp_path / "c.html", "--moments", "0", "-q")[0] == 0
    assert "No unmasked face was seen" not in (tmp_path / "c.html").read_text()


def test_a_purge_takes_the_pictures_out_again(run_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, run_folder)
    with pytest.raises(SystemExit) as left:
        main(["purge", str(run_folder), "--older-than", "0d", "--yes"])
    text = (run_folder / "report.html").read_text()
    assert left.value.code == 0 and PICTURE_MARK not in text and "picture deleted" in text


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        ((), 2, "RUN"),
        (("{run}/none",), 1, "no such run folder"),
        (("{run}", "--every", "9s"), 2, "every is '9s'"),
        (("{run}", "--timezone", "Mars"), 2, "Mars"),
        (("{run}", "--out", "{run}/frames.csv", "--overwrite"), 1, "input itself"),
        (("{run}", "--out", "{run}"), 1, "it is a folder"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    run_folder: Path, capsys: pytest.CaptureFixture[str], args: tuple[str, ...], code: int, said: str
) -> None:
    found, out, err = run(capsys, *(arg.replace("{run}", str(run_folder)) for arg in args))
    assert (found, out) == (code, "") and said in err and len(err.strip().splitlines()) == 1
