"""Aggregate-only mode: right counts by period, nothing else on the disk at any moment, and no kill can tell."""

from __future__ import annotations

import csv
import itertools
import json
import os
import sqlite3
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest

from crowdmask.errors import SettingsError
from crowdmask.jobs.batch.inputs import Inputs
from crowdmask.jobs.batch.periods import PeriodSums
from crowdmask.jobs.batch.running import BatchOutcome, run_batch
from crowdmask.jobs.batch.units import Plan, Worked
from crowdmask.jobs.manifest.database import Manifest
from crowdmask.jobs.manifest.entries import Entry, Identity, Kind, State
from crowdmask.jobs.merging import merge
from crowdmask.jobs.status import Watcher
from crowdmask.records import Counts
from crowdmask.results.aggregate import Cell, Sums
from crowdmask.settings import AggregateSettings, AnalysisSettings, BatchSettings, OutputSettings, RuntimeSettings
from tests.unit.jobs.batch.cctv import PLACE, aged, batch, clip, fakes, night, rows, still

A, B = Cell(1200, 1220, "a"), Cell(1220, 1240, "a")


def worked(source: str, *cells: tuple[Cell, Counts], is_long: bool = False) -> Worked:
    entry = Entry(
        source,
        f"/{source}",
        Kind.PICTURE,
        Identity(1, 1, "d"),
        State.DONE,
        camera="a",
        captured_at=datetime(2026, 11, 20, tzinfo=timezone.utc),
        captured_from="exif",
        frames=1,
        wall_s=2.0,
    )
    return Worked(entry, sums={cell: Sums(1, counts) for cell, counts in cells}, is_long=is_long)


@pytest.fixture
def manifest(tmp_path: Path) -> Iterable[Manifest]:
    with Manifest(tmp_path / "manifest.sqlite") as made:
        yield made


def on_disk(manifest: Manifest) -> dict[Cell, tuple[int, int, int]]:
    found = manifest.select("SELECT start, stop, camera, masked, unmasked, unknown FROM period_sums")
    return {Cell(*row[:3]): row[3:] for row in found}


def done(manifest: Manifest) -> set[str]:
    return {entry.source for entry in manifest.in_order(State.DONE)}


def test_counts_wait_until_what_they_add_is_large(manifest: Manifest) -> None:
    sums = PeriodSums(manifest, 5)
    sums.put([worked("1", (A, Counts(3, 0, 0)))])
    assert on_disk(manifest) == {} and done(manifest) == set()
    sums.put([worked("2", (A, Counts(4, 1, 0)))])
    assert on_disk(manifest) == {}, "three masked alone are few, and of seven one picture would be left alone with one"
    sums.put([worked("3", (A, Counts(2, 0, 0)))])
    assert on_disk(manifest) == {A: (5, 0, 0)} and done(manifest) == {"1", "3"}
    sums.put([worked("4", (A, Counts(4, 4, 0)))])
    assert on_disk(manifest) == {A: (13, 5, 0)} and done(manifest) == {"1", "2", "3", "4"}


def test_of_one_input_alone_nothing_is_written(manifest: Manifest) -> None:
    sums = PeriodSums(manifest, 5)
    sums.put([worked("1", (A, Counts(50, 10, 0)))])
    assert on_disk(manifest) == {}
    sums.put([worked("nobody", (A, Counts()))])
    assert on_disk(manifest) == {A: (0, 0, 0)} and done(manifest) == {"nobody"}
    sums.put([worked("long", (A, Counts(50, 10, 0)), (B, Counts(5, 5, 5)), is_long=True)])
    assert on_disk(manifest) == {A: (100, 20, 0), B: (5, 5, 5)}


def test_an_input_of_two_periods_waits_for_both(manifest: Manifest) -> None:
    sums = PeriodSums(manifest, 5)
    sums.put([worked("1", (A, Counts(9, 0, 0)), (B, Counts(1, 0, 0))), worked("2", (A, Counts(9, 0, 0)))])
    assert on_disk(manifest) == {}
    sums.put([worked("3", (B, Counts(9, 0, 0)))])
    assert on_disk(manifest) == {A: (18, 0, 0), B: (10, 0, 0)}


def test_what_is_finished_is_cut_down_to_what_may_be_told_and_stays_so(manifest: Manifest) -> None:
    sums = PeriodSums(manifest, 5)
    sums.put([worked("1", (A, Counts(9, 2, 0))), worked("2", (B, Counts(1, 0, 0)))])
    sums.finish()
    assert done(manifest) == {"1", "2"}
    assert on_disk(manifest) == {A: (None, None, None), B: (None, None, None)}
    assert {cell: told.faces for cell, told in sums.cells()} == {A: 11, B: None}
    again = PeriodSums(manifest, 5)
    again.put([worked("3", (A, Counts(9, 9, 9))), worked("4", (A, Counts(9, 9, 9)))])
    again.finish()
    assert on_disk(manifest)[A] == (None, None, None), "a later input brought back what had been left out"


def test_a_done_input_keeps_nothing_of_what_was_seen_in_it(manifest: Manifest) -> None:
    sums = PeriodSums(manifest, 1)
    sums.put([worked("1", (A, Counts(1, 0, 0))), worked("2", (A, Counts(2, 0, 0)))])
    for entry in manifest.in_order(State.DONE):
        assert (entry.counts, entry.frames_with_faces, entry.camera, entry.captured_at) == (Counts(), 0, "", None)
        assert entry.wall_s == 0.0 and entry.captured_from == ""


def test_an_input_that_is_done_twice_is_counted_once(manifest: Manifest) -> None:
    sums = PeriodSums(manifest, 5)
    sums.put([worked("1", (A, Counts(9, 0, 0)))])
    sums.put([worked("1", (A, Counts(9, 0, 0)))])
    sums.finish()
    assert on_disk(manifest) == {A: (9, 0, 0)}


# Whole runs


def aggregate(folder: Path, run: Path, *, min_count: int = 3, every: str = "20m", **more: object) -> BatchOutcome:
    inputs = Inputs.of([str(folder)])
    plan = Plan(
        run,
        Path(inputs.root),
        AnalysisSettings(follow=False),
        runtime=RuntimeSettings(window=4, threads=2),
        place=PLACE,
        output=OutputSettings(video=False),
        batch=BatchSettings(keep_free=0),
        aggregate=AggregateSettings(every, min_count),
    )
    return run_batch(inputs, replace(plan, **more), networks=fakes)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two cameras within half an hour, and a video; a file's time is what tells when."""
    folder = night(tmp_path_factory.mktemp("in"), stills=24)
    for n in range(24):
        aged(folder / f"cam{n % 2 + 1}" / f"{n}.png", 60 * n)
    return folder


def test_counts_are_those_of_the_frames(recordings: Path, tmp_path: Path) -> None:
    batch(recordings, tmp_path / "plain", annotate="none")
    outcome = aggregate(recordings, tmp_path / "run", min_count=1)
    expected: dict[str, list[int]] = {}
    for row in rows(tmp_path / "plain/frames.csv"):
        sums = expected.setdefault(row["camera"], [0, 0, 0, 0])
        for i, name in enumerate(("faces", "masked", "unmasked", "unknown")):
            sums[i] += int(row[name])
    found: dict[str, list[int]] = {}
    for row in rows(outcome.run.aggregate):
        sums = found.setdefault(row["camera"], [0, 0, 0, 0])
        for i, name in enumerate(("faces", "masked", "unmasked", "unknown")):
            sums[i] += int(row[name])
        start, stop = (datetime.fromisoformat(row[name]) for name in ("bucket_start", "bucket_end"))
        assert (stop - start).total_seconds() == 1200
    assert found == expected and len(found) == 3


def test_nothing_else_is_in_the_run_folder(recordings: Path, tmp_path: Path) -> None:
    run = aggregate(recordings, tmp_path / "run").run
    assert sorted(path.name for path in run.path.iterdir()) == [
        "aggregate.csv", "lock.json", "log", "manifest.sqlite", "summary.json"
    ]  # fmt: skip
    told = json.loads(run.summary.read_text())
    assert not {"counts", "compliance", "peak", "worst_moments", "gaps"} & told.keys()
    log = (run.log / "batch.log").read_text()
    assert "unmasked" not in log and "faces" not in log
    with Manifest.reading(run.manifest) as manifest:
        assert manifest.totals().counts == Counts() and manifest.totals().frames == 24 + 6
        assert manifest.select("SELECT count(*) FROM faces") == [(0,)]
        assert all(entry.counts == Counts() and entry.captured_at is None for entry in manifest.in_order(State.DONE))
    assert "counts" in Watcher(run.path).look().as_dict() and Watcher(run.path).look().periods_only


def test_no_moment_shows_a_small_sum_or_step(recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After each writing, whoever reads the file finds only sums, and changes of sums, that may be told."""
    seen: list[dict[tuple[int, str], tuple[int, ...]]] = [{}]
    put = Manifest.put
    finishing: list[bool] = []

    def put_and_look(self: Manifest, entries: Iterable[Entry], faces: object = None, also: object = ()) -> None:
        put(self, entries, faces, also)  # type: ignore[arg-type]
        if finishing or not self.select("SELECT 1 FROM sqlite_master WHERE name = 'period_sums'"):
            return
        found = self.select("SELECT start, camera, masked, unmasked, unknown FROM period_sums")
        seen.append({(row[0], row[1]): row[2:] for row in found})

    finish = PeriodSums.finish
    monkeypatch.setattr(Manifest, "put", put_and_look)
    monkeypatch.setattr(PeriodSums, "finish", lambda self: (finishing.append(True), finish(self))[1])
    monkeypatch.setattr("crowdmask.jobs.batch.queue.UNIT_PICTURES", 2)
    aggregate(recordings, tmp_path / "run", min_count=3)
    assert len(seen) > 3 and any(seen)
    for before, after in itertools.pairwise(seen):
        for cell, parts in after.items():
            for part, count in enumerate(parts):
                step = count - before.get(cell, (0, 0, 0))[part]
                assert step == 0 or step >= 3, (cell, before, after)


def test_deleted_rows_and_the_log_are_gone_from_the_disk(recordings: Path, tmp_path: Path) -> None:
    run = aggregate(recordings, tmp_path / "run").run
    assert not list(run.path.glob("manifest.sqlite-*"))
    database = sqlite3.connect(run.manifest)
    assert all(row == (None, None, None) or min(n for n in row if n is not None) != 1 for row in database.execute(
        "SELECT masked, unmasked, unknown FROM period_sums"
    ))  # fmt: skip
    assert database.execute("PRAGMA freelist_count").fetchone()[0] * 4096 < 1_000_000
    database.close()


def test_an_interrupted_run_tells_no_counts_and_goes_on_to_the_same(
    recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = aggregate(recordings, tmp_path / "whole").run.aggregate.read_bytes()

    class Killed(BaseException):
        pass

    put = PeriodSums.put
    left = [0]

    def put_and_die(self: PeriodSums, found: Iterable[Worked]) -> None:
        put(self, found)
        left[0] -= 1
        if left[0] == 0:
            raise Killed

    monkeypatch.setattr(PeriodSums, "put", put_and_die)
    monkeypatch.setattr("crowdmask.jobs.batch.queue.UNIT_PICTURES", 3)
    for until in (1, 3, 5):
        left[0] = until
        with pytest.raises(Killed):
            aggregate(recordings, tmp_path / "run")
        assert not (tmp_path / "run/aggregate.csv").exists()
    left[0] = 0
    assert aggregate(recordings, tmp_path / "run").run.aggregate.read_bytes() == whole
    assert aggregate(recordings, tmp_path / "run").run.aggregate.read_bytes() == whole, "a second look changed it"


def test_inputs_may_be_deleted_once_they_are_counted(tmp_path: Path) -> None:
    for n in range(4):
        still(tmp_path / "in" / f"{n}.png", n)
    before = aggregate(tmp_path / "in", tmp_path / "run").run.aggregate.read_bytes()
    (tmp_path / "in" / "1.png").unlink()
    still(tmp_path / "in" / "2.png", 9)
    assert aggregate(tmp_path / "in", tmp_path / "run").run.aggregate.read_bytes() == before


def test_other_settings_count_all_anew(recordings: Path, tmp_path: Path) -> None:
    aggregate(recordings, tmp_path / "run")
    expected = aggregate(recordings, tmp_path / "fresh", every="1h").run.aggregate.read_bytes()
    assert aggregate(recordings, tmp_path / "run", every="1h").run.aggregate.read_bytes() == expected
    stricter = AnalysisSettings(mask_threshold=0.7, follow=False)
    outcome = aggregate(recordings, tmp_path / "run", every="1h", analysis=stricter)
    assert outcome.tally.done == 25


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ({"detections": Path("d.csv")}, "--detections keeps every face's box"),
        ({"batch": BatchSettings(annotate="all")}, "--annotate all keeps pictures"),
        ({"output": OutputSettings(video=True)}, "--video keeps pictures"),
        ({"aggregate": AggregateSettings("20x")}, "give a number with m, h, d, w or mo"),
    ],
)
def test_what_would_keep_more_is_refused_before_anything_is_made(
    tmp_path: Path, more: dict[str, object], what: str
) -> None:
    still(tmp_path / "in" / "1.png", 1)
    with pytest.raises(SettingsError, match=what):
        aggregate(tmp_path / "in", tmp_path / "run", **more)
    assert not (tmp_path / "run").exists()


def test_a_folder_is_of_one_mode_for_good(tmp_path: Path) -> None:
    still(tmp_path / "in" / "1.png", 1)
    batch(tmp_path / "in", tmp_path / "plain")
    with pytest.raises(SettingsError, match="kept more than counts by period"):
        aggregate(tmp_path / "in", tmp_path / "plain")
    aggregate(tmp_path / "in", tmp_path / "run")
    with pytest.raises(SettingsError, match="keeps counts by period only"):
        batch(tmp_path / "in", tmp_path / "run")


def test_a_damaged_manifest_loses_the_sums_and_all_is_counted_anew(recordings: Path, tmp_path: Path) -> None:
    run = aggregate(recordings, tmp_path / "run").run
    whole = run.aggregate.read_bytes()
    data = bytearray(run.manifest.read_bytes())
    data[4096 * 2 : 4096 * 3] = os.urandom(4096)
    run.manifest.write_bytes(data)
    assert aggregate(recordings, tmp_path / "run").run.aggregate.read_bytes() == whole


def test_shards_join_into_the_counts_of_one_machine(recordings: Path, tmp_path: Path) -> None:
    whole = aggregate(recordings, tmp_path / "whole", min_count=1).run
    for n in (1, 2):
        part = BatchSettings(keep_free=0, shard=f"{n}/2")
        aggregate(recordings, tmp_path / f"part{n}", min_count=1, batch=part)
    merged = merge([tmp_path / "part1", tmp_path / "part2"], tmp_path / "joined").run
    assert merged.aggregate.read_bytes() == whole.aggregate.read_bytes()
    assert not merged.frames.exists() and "counts" not in json.loads(merged.summary.read_text())
    with pytest.raises(SettingsError, match="counted by more than one of the runs"):
        merge([tmp_path / "part1", tmp_path / "whole"], tmp_path / "other")


def test_what_one_shard_leaves_out_stays_left_out(recordings: Path, tmp_path: Path) -> None:
    for n in (1, 2):
        aggregate(recordings, tmp_path / f"part{n}", min_count=6, batch=BatchSettings(keep_free=0, shard=f"{n}/2"))
    merged = merge([tmp_path / "part1", tmp_path / "part2"], tmp_path / "joined").run
    parts = [
        {(row["bucket_start"], row["camera"]): row for row in rows(tmp_path / f"part{n}/aggregate.csv")} for n in (1, 2)
    ]
    hidden = 0
    for row in rows(merged.aggregate):
        of = [
            part[row["bucket_start"], row["camera"]] for part in parts if (row["bucket_start"], row["camera"]) in part
        ]
        if any(one["masked"] == "" for one in of):
            assert row["masked"] == row["unmasked"] == row["compliance"] == ""
            hidden += 1
        else:
            assert int(row["masked"]) == sum(int(one["masked"]) for one in of)
    assert hidden


def test_a_video_counts_in_every_period_it_touches(tmp_path: Path) -> None:
    clip(tmp_path / "in" / "cam" / "20261120_235959.mp4", frames=50)  # two seconds over midnight
    run = aggregate(tmp_path / "in", tmp_path / "run", min_count=1).run
    found = [(row["bucket_start"], row["frames"]) for row in csv.DictReader(run.aggregate.open())]
    assert found == [("2026-11-20T23:40:00+01:00", "25"), ("2026-11-21T00:00:00+01:00", "25")]
