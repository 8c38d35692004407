"""`crowdmask stats`, in-process on hand-made runs."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from crowdmask.cli.main import main
from crowdmask.results.timeline.statistics_columns import STATISTICS
from tests.unit.results.frames_csvs import Row, write_run


@pytest.fixture(autouse=True)
def zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Paris")


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """Two cameras over the hour that the clock change repeats, and a file without a time."""
    rows = [
        Row("2026-10-25T02:05:00+02:00", 3, 1, 0, "north"),
        Row("2026-10-25T02:05:00+01:00", 1, 1, 1, "north"),
        Row("2026-10-25T02:25:00+01:00", 0, 2, 0, "south"),
        Row("", 5, 0, 0, "", "lost.jpg"),
    ]
    return write_run(tmp_path / "run", rows)


def run(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        main(["stats", *map(str, args)])
    out, err = capsys.readouterr()
    assert isinstance(left.value.code, int)
    return left.value.code, out, err


def test_csv_to_a_pipe_and_what_it_says_beside(run_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, run_folder, "--every", "20m", "--no-empty")
    assert code == 0
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [(r["bucket_start"], r["camera"], r["source"], r["faces"]) for r in rows] == [
        ("2026-10-25T02:00:00+02:00", "north", "", "4"),
        ("2026-10-25T02:00:00+01:00", "north", "", "3"),
        ("2026-10-25T02:20:00+01:00", "south", "", "2"),
        ("", "", "lost.jpg", "5"),
    ]
    assert "4 frames, 14 faces, 2026-10-25 02:05 to 2026-10-25 02:25 in Europe/Paris" in err
    assert "nothing says when 1 frame of 1 file were taken" in err


def test_a_file_is_written_whole_and_not_overwritten(
    run_folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = tmp_path / "new" / "compliance.json"
    assert run(capsys, run_folder, "--out", out, "-q") == (0, "", "")
    whole = out.read_text()
    assert sum(row["faces"] for row in json.loads(whole)["rows"]) == 14
    assert [path.name for path in out.parent.iterdir()] == ["compliance.json"]
    code, _, err = run(capsys, run_folder, "--out", out)
    assert code == 1 and "--overwrite" in err and out.read_text() == whole
    assert run(capsys, run_folder, "--out", out, "--overwrite", "--format", "csv", "-q")[0] == 0
    assert out.read_text().startswith("bucket_start,")


def test_a_run_without_any_time_goes_by_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_run(tmp_path / "run", [Row("", 1, 2, 0, "", name) for name in ("b.jpg", "a.jpg", "a.jpg")])
    code, out, err = run(capsys, folder, "--every", "1mo", "--format", "json")
    assert code == 0
    assert [(r["source"], r["frames"], r["bucket_start"]) for r in json.loads(out)["rows"]] == [
        ("a.jpg", 2, None),
        ("b.jpg", 1, None),
    ]
    assert "counted by file" in err


def test_a_period_leaves_out_and_says_so(run_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(
        capsys, run_folder, "--every", "1h", "--by", "none", "--from", "2026-10-25T02:00+01:00", "--timezone", "UTC"
    )
    assert code == 0
    assert [row["faces"] for row in csv.DictReader(io.StringIO(out))] == ["5"]
    assert "2 frames lie outside the period or without a time" in err


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        ((), 2, "RUN"),
        (("{run}", "--every", "90s"), 2, "every is '90s'"),
        (("{run}", "--every", "2mo"), 2, "1m to 1mo"),
        (("{run}", "--by", "day"), 2, "camera"),
        (("{run}", "--timezone", "Europe/Pariss"), 2, "Europe/Paris"),
        (("{run}", "--gap", "30"), 2, "a minute or more"),
        (("{run}", "--gap", "soon"), 2, "gap is 'soon'"),
        (("{run}", "--to", "tomorrow"), 2, "to is 'tomorrow'"),
        (("{run}", "--out", "x.ods"), 2, ".csv, .json, .parquet, .xlsx, .md, .txt"),
        (("{run}", "--format", "xlsx"), 2, "name a file with --out"),
        (("{run}", "--stands-for", "soon"), 2, "stands-for is 'soon'"),
        (("{run}", "{run}"), 2, "named twice"),
        (("{run}/missing",), 1, "no such run folder"),
        (("{run}", "--out", "{run}/frames.csv", "--overwrite"), 1, "input itself"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    run_folder: Path, capsys: pytest.CaptureFixture[str], args: tuple[str, ...], code: int, said: str
) -> None:
    found, out, err = run(capsys, *(arg.replace("{run}", str(run_folder)) for arg in args))
    assert (found, out) == (code, "")
    assert said in err and len(err.strip().splitlines()) == 1


def test_damage_leaves_no_file_behind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_run(tmp_path / "run", [Row("2026-11-20T20:00:00+01:00", 1)])
    with (folder / "frames.csv").open("a") as file:
        file.write("0,0.0,1\n")
    code, _, err = run(capsys, folder, "--out", tmp_path / "out.csv")
    assert code == 1 and "frames.csv: line 3: it has 3 values" in err
    assert not list(tmp_path.glob("out.csv*"))


def test_a_workbook_has_numbers_percentages_a_frozen_header_and_a_total(
    run_folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    out = tmp_path / "night.xlsx"
    assert run(capsys, run_folder, "--every", "20m", "--no-empty", "--out", out, "-q") == (0, "", "")
    sheet = openpyxl.load_workbook(out).active
    heads = [cell.value for cell in sheet[1]]
    rows = [dict(zip(heads, [cell.value for cell in line], strict=True)) for line in sheet.iter_rows(min_row=2)]
    assert heads == list(STATISTICS.names) and sheet.freeze_panes == "D2"
    assert [(r["camera"], r["faces"]) for r in rows] == [
        ("north", 4), ("north", 3), ("south", 2), ("", 5), ("north", 7), ("total", 14),
    ]  # fmt: skip
    assert rows[0]["compliance"] == 0.75 and sheet.cell(2, heads.index("compliance") + 1).number_format == "0.0 %"


def test_a_name_that_looks_like_a_formula_stays_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    folder = write_run(tmp_path / "run", [Row("2026-11-20T20:00:00+01:00", 1, 0, 0, "=1+1")])
    run(capsys, folder, "--every", "1h", "--out", tmp_path / "x.xlsx", "-q")
    cell = openpyxl.load_workbook(tmp_path / "x.xlsx").active.cell(2, 3)
    assert (cell.value, cell.data_type) == ("=1+1", "s")
    _, out, _ = run(capsys, folder, "--every", "1h", "--format", "csv", "-q")
    assert next(csv.DictReader(io.StringIO(out)))["camera"] == "'=1+1"  # with the mark that keeps it a text


def test_parquet_holds_what_the_csv_holds(run_folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    import duckdb

    for name in ("a.csv", "a.parquet"):
        assert run(capsys, run_folder, "--every", "20m", "--no-empty", "--out", tmp_path / name, "-q")[0] == 0
    back = duckdb.sql(f"SELECT * FROM '{tmp_path / 'a.parquet'}'").fetchall()
    rows = list(csv.reader((tmp_path / "a.csv").open()))[1:]
    assert len(back) == len(rows) == 4
    for line, row in zip(back, rows, strict=True):
        for value, text in zip(line, row, strict=True):
            assert value == (float(text) if isinstance(value, (int, float)) else text or None)
    assert [path.name for path in sorted(tmp_path.glob("a.*"))] == ["a.csv", "a.parquet"]


def test_the_terminal_table_fits_80_columns_with_aligned_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    camera = "a camera with a very long name on the east side"
    rows = [Row(f"2026-11-20T{h}:{m:02}:00+01:00", 900, 99, 7, camera) for h in (20, 21) for m in range(60)]
    folder = write_run(tmp_path / "run", rows)
    code, out, _ = run(capsys, folder, "--every", "1h", "--format", "table")
    lines = out.splitlines()
    assert code == 0 and max(map(len, lines)) <= 80
    assert lines[0].split() == ["from", "camera", "counts", "masked", "unmasked", "unknown", "rate", "95", "%", "cover"]
    assert len(lines) == 4 and len({len(line) for line in lines}) == 1 and "…" in lines[1]
    assert "54,000" in lines[1] and "108,000" in lines[3] and lines[3].split()[2] == "total"


def test_markdown_is_a_table_whatever_the_names_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_run(tmp_path / "run", [Row("2026-11-20T20:00:00+01:00", 1, 1, 0, "a|b")])
    _, out, _ = run(capsys, folder, "--every", "1h", "--format", "md")
    assert [line.replace("\\|", "").count("|") for line in out.splitlines()] == [10, 10, 10]


def test_the_default_bucket_is_chosen_and_named(run_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, run_folder)
    assert code == 0 and "in buckets of " in err
