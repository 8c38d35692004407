from __future__ import annotations

import csv
import math
import os
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from crowdmask.errors import OutputError, SettingsError
from crowdmask.media import parts
from crowdmask.records import FrameResult
from crowdmask.results.columns import Table
from crowdmask.results.detections import DETECTIONS, DetectionsError, DetectionsFile
from tests.factories import make_result, of

NAN = float("nan")


def two_faces(index: int = 4) -> FrameResult:
    boxes = [(1.234, 2.0, 30.5, 40.006), (-0.001, 0.0, 8.0, 9.0)]
    return make_result(None, boxes, [0.12344, NAN], index=index, seconds=0.16, scores=[0.98766, 0.5])


@pytest.mark.parametrize("name", ["faces.csv", "faces.parquet"])
def test_nobody_found_leaves_a_readable_file_without_rows(tmp_path: Path, name: str) -> None:
    with DetectionsFile(tmp_path / name) as sink:
        sink.write(of("a.mp4", make_result()))
    assert os.listdir(tmp_path) == [name]
    if name.endswith("csv"):
        assert (tmp_path / name).read_text() == ",".join(DETECTIONS.names) + "\n"
    else:
        table = pq.read_table(tmp_path / name)
        assert (table.num_rows, table.column_names) == (0, list(DETECTIONS.names))


def test_csv_rows_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "faces.csv"
    with DetectionsFile(path) as sink:
        sink.write(of("in, a.mp4", two_faces()))
        followed = make_result(None, [(1, 2, 3, 4)], [0.75]).with_columns(
            person=np.array([7], np.int32),
            observed=np.array([False]),
            steady_prob=np.array([0.8125], np.float32),
            incorrect_prob=np.array([0.25], np.float32),
        )
        followed = followed.with_columns(**{f"zone:{name}": np.array([name != "c"]) for name in "acb"})
        sink.write(of("b.jpg", followed))
    assert path.read_text() == (
        "source,frame,time_s,x1,y1,x2,y2,score,unmasked_prob,verdict,person,seen,steady_prob,incorrect_prob,zones,"
        "no_face_prob,vote_weight\n"
        '"in, a.mp4",4,0.160000,1.23,2.00,30.50,40.01,0.9877,0.1234,masked,,observed,,,,,\n'
        '"in, a.mp4",4,0.160000,0.00,0.00,8.00,9.00,0.5000,,unknown,,observed,,,,,\n'
        "b.jpg,0,0.000000,1.00,2.00,3.00,4.00,0.9000,0.7500,unmasked,7,interpolated,0.8125,0.2500,a;b,,\n"
    )


def test_parquet_holds_the_same_with_types(tmp_path: Path) -> None:
    path = tmp_path / "faces.parquet"
    with DetectionsFile(path) as sink:
        sink.write(of("a.mp4", two_faces()))
        sink.write(of("b.jpg", make_result(None, [(1, 2, 3, 4)], [0.75])))
    table = pq.read_table(path)
    assert table.column_names == list(DETECTIONS.names)
    assert [str(table.schema.field(n).type) for n in ("source", "frame", "time_s", "x1", "unmasked_prob")] == [
        "string",
        "int64",
        "double",
        "float",
        "float",
    ]
    rows = table.to_pylist()
    assert [r["source"] for r in rows] == ["a.mp4", "a.mp4", "b.jpg"]
    assert [r["frame"] for r in rows] == [4, 4, 0]
    assert [r["verdict"] for r in rows] == ["masked", "unknown", "unmasked"]
    assert rows[0]["x1"] == pytest.approx(1.234)
    assert rows[0]["unmasked_prob"] == pytest.approx(0.12344)
    assert rows[1]["unmasked_prob"] is None
    assert table.schema.metadata[b"crowdmask.schema_version"] == b"2"


def test_both_formats_agree(tmp_path: Path) -> None:
    results = [two_faces(i) for i in range(5)]
    for name in ("f.csv", "f.parquet"):
        with DetectionsFile(tmp_path / name) as sink:
            for result in results:
                sink.write(of("a.mp4", result))
    with open(tmp_path / "f.csv", newline="") as file:
        plain = list(csv.DictReader(file))
    typed = pq.read_table(tmp_path / "f.parquet").to_pylist()
    assert len(plain) == len(typed) == 10
    for one, other in zip(plain, typed, strict=True):
        assert (one["source"], int(one["frame"]), one["verdict"]) == (other["source"], other["frame"], other["verdict"])
        assert float(one["score"]) == pytest.approx(other["score"], abs=5e-5)
        prob = float(one["unmasked_prob"] or "nan")
        assert prob == pytest.approx(other["unmasked_prob"] or math.nan, abs=1e-4, nan_ok=True)


def test_parquet_keeps_every_digit_and_the_order_of_many_rows(tmp_path: Path) -> None:
    path = tmp_path / "f.parquet"
    rng = np.random.default_rng(0)
    boxes = rng.uniform(0, 4000, (300, 200, 4)).astype(np.float32)
    with DetectionsFile(path) as sink:
        for i, some in enumerate(boxes):
            sink.write(of("a.mp4", make_result(None, np.sort(some, axis=1), [0.1] * 200, index=i, seconds=i / 29.97)))
    table = pq.read_table(path)
    found = np.stack([table.column(name).to_numpy() for name in ("x1", "y1", "x2", "y2")], axis=1)
    assert np.array_equal(found, np.sort(boxes.reshape(-1, 4), axis=1))
    assert np.array_equal(table.column("frame").to_numpy(), np.repeat(np.arange(300), 200))
    assert np.array_equal(table.column("time_s").to_numpy(), np.repeat(np.arange(300) / 29.97, 200))
    assert table.schema.metadata[b"crowdmask.column.verdict"].startswith(b"masked, unmasked, incorrect or unknown;")


NAMES = ["a, b.mp4", 'say "cheese".mp4', "two\nlines.mp4", "名前.mp4", "it's.mp4", " spaced ", "NULL", "1"]


def test_parquet_holds_names_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "it's 100 % [ok]*.parquet"
    with DetectionsFile(path) as sink:
        for name in [*NAMES, os.fsdecode(b"a\xff")]:
            sink.write(of(name, make_result(None, [(1, 2, 3, 4)], [0.75])))
    assert os.listdir(tmp_path) == [path.name]
    assert pq.ParquetFile(path).read().column("source").to_pylist() == [*NAMES, "a\\udcff"]


def test_rows_of_parquet_are_on_disk_as_they_are_made(tmp_path: Path) -> None:
    with DetectionsFile(tmp_path / "f.parquet") as sink:
        for i in range(3):
            sink.write(of("a.mp4", two_faces(i)))
            assert len((tmp_path / "f.parquet.part").read_text().splitlines()) == 1 + 2 * (i + 1)


def test_what_parquet_cannot_be_made_of_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = {**DETECTIONS.sql_kinds, "verdict": "FLOAT"}
    monkeypatch.setattr(Table, "sql_kinds", property(lambda table: kinds))
    path = tmp_path / "f.parquet"
    with pytest.raises(DetectionsError, match=r"f\.parquet\.part.*as CSV"), DetectionsFile(path) as sink:
        sink.write(of("a.mp4", two_faces()))
    assert os.listdir(tmp_path) == ["f.parquet.part"]
    assert len((tmp_path / "f.parquet.part").read_text().splitlines()) == 3


@pytest.mark.parametrize("name", ["f.csv", "f.parquet"])
def test_an_error_keeps_what_was_good_and_readable(tmp_path: Path, name: str) -> None:
    with pytest.raises(RuntimeError, match="half-way"), DetectionsFile(tmp_path / name) as sink:
        sink.write(of("a.mp4", two_faces()))
        raise RuntimeError("half-way")
    assert os.listdir(tmp_path) == [name + ".part"]
    assert len((tmp_path / (name + ".part")).read_text().splitlines()) == 3


@pytest.mark.parametrize("name", ["f.csv", "f.parquet"])
def test_a_missing_folder_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(DetectionsError, match="no-such"), DetectionsFile(tmp_path / "no-such" / name):
        pass


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("name", ["f.csv", "f.parquet"])
def test_a_full_disk_is_an_error_of_the_shared_file(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "forget_link", lambda part: None)
    (tmp_path / (name + ".part")).symlink_to("/dev/full")
    with pytest.raises(DetectionsError, match="full") as caught, DetectionsFile(tmp_path / name) as sink:
        sink.write(of("a.mp4", two_faces()))
    assert isinstance(caught.value, OutputError)
    assert not (tmp_path / name).exists()


def test_another_suffix_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"faces\.xlsx.*\.csv or \.parquet"):
        DetectionsFile("faces.xlsx")
