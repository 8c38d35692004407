"""The manifest keeps every field, orders naturally, queues in order of arrival, and says when it is damaged."""

from __future__ import annotations

import random
import sqlite3
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest

from crowdmask.errors import SourceError
from crowdmask.jobs.manifest.database import DamagedManifestError, Manifest
from crowdmask.jobs.manifest.entries import (
    Entry,
    Identity,
    Kind,
    OutputFile,
    Session,
    State,
    Totals,
    natural_key,
    shard_of,
)
from crowdmask.jobs.manifest.rows import PUT_META, meta_row
from crowdmask.records import Counts, Gap

FULL = Entry(
    "cam 1/ä.mp4",
    "/in/cam 1/\udce4.mp4",
    Kind.VIDEO,
    Identity(12, 1_700_000_000_123_456_789, "ab12"),
    State.DONE,
    attempts=2,
    error="",
    settings="s1",
    placed="p1",
    camera="cam 1",
    captured_at=datetime(2026, 11, 20, 22, 15, 1, 250_000, timezone.utc),
    captured_from="name",
    frames=25,
    frames_with_faces=20,
    counts=Counts(30, 10, 2),
    gaps=(Gap(3, 0.12, "torn"), Gap(None, None, "no start")),
    outputs=(OutputFile("annotated/cam 1/ä.mp4", 99, "cd"),),
    note="no sound",
    wall_s=1.5,
)


def waiting(source: str) -> Entry:
    return Entry(source, f"/in/{source}", Kind.PICTURE, Identity(1, 2))


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    return Manifest(tmp_path / "manifest.sqlite")


def test_an_empty_one_holds_nothing(manifest: Manifest) -> None:
    assert manifest.totals() == Totals()
    assert list(manifest.in_order(*State)) == [] and manifest.waiting(0, 10) == [] and manifest.sessions() == []


def test_every_field_comes_back(manifest: Manifest) -> None:
    manifest.put([FULL])
    assert manifest.entries([FULL.source, "other"]) == {FULL.source: FULL}
    assert manifest.totals() == Totals(done=1, frames=25, frames_with_faces=20, counts=Counts(30, 10, 2), videos_done=1)


def test_natural_order(manifest: Manifest) -> None:
    wanted = [
        "a",
        "a/2.jpg",
        "a/010.jpg",
        "a/10.jpg",
        "a b/1.jpg",
        "cam2/9.jpg",
        "Cam2/10.jpg",
        "cam10/1.jpg",
        "x1y2",
        "x1y10",
    ]
    shuffled = random.Random(1).sample(wanted, len(wanted))
    assert sorted(shuffled, key=natural_key) == wanted
    manifest.put([replace(FULL, source=source) for source in shuffled])
    assert [entry.source for entry in manifest.in_order(State.DONE)] == wanted
    assert [entry.source for entry in manifest.in_order(State.DONE, after="cam2/9.jpg")] == wanted[6:]


def test_more_than_a_page(manifest: Manifest) -> None:
    manifest.put([replace(FULL, source=f"{n}.jpg") for n in range(2500)])
    assert [entry.source for entry in manifest.in_order(State.DONE)] == [f"{n}.jpg" for n in range(2500)]


def test_the_queue_is_first_come_first_served(manifest: Manifest) -> None:
    manifest.put([waiting("b"), waiting("a")])
    manifest.put([FULL, waiting("c")])
    assert [(place, entry.source) for place, entry in manifest.waiting(0, 2)] == [(1, "b"), (2, "a")]
    assert [entry.source for _, entry in manifest.waiting(3, 9)] == ["c"]
    manifest.put([replace(waiting("a"), state=State.DONE)])
    manifest.put([waiting("b")])  # again, so at the end
    assert [entry.source for _, entry in manifest.waiting(0, 9)] == ["c", "b"]
    assert manifest.totals().left == 2


def test_the_queue_goes_on_after_reopening(tmp_path: Path) -> None:
    with Manifest(tmp_path / "m") as manifest:
        manifest.put([waiting("a")])
    with Manifest(tmp_path / "m") as manifest:
        start = manifest.queue_end
        manifest.put([waiting("b")])
        assert [entry.source for _, entry in manifest.waiting(start, 9)] == ["b"]


def test_faces_go_with_their_entry(manifest: Manifest) -> None:
    manifest.put([replace(FULL, source="a"), replace(FULL, source="b")], {"a": b"1", "b": b"2"})
    assert manifest.faces_of("a") == b"1" and manifest.faces_of("c") is None
    manifest.update([replace(FULL, source="a", camera="x")])
    assert manifest.faces_of("a") == b"1"
    manifest.put([waiting("a")])
    assert manifest.faces_of("a") is None
    assert manifest.forget_faces(["a", "b"]) == 1 and manifest.faces_of("b") == b""  # gone on purpose, not lost
    assert manifest.forget_faces(["b"]) == 0
    assert manifest.totals().done == 1


def test_what_is_not_put_anew_is_unseen(manifest: Manifest) -> None:
    lost = replace(waiting("lost"), state=State.FAILED)
    manifest.put([waiting("a"), waiting("b"), lost, FULL])
    manifest.doubt_all()
    assert {entry.source for entry in manifest.unseen()} == {"a", "b", "lost"} and manifest.waiting(1, 9) == []
    manifest.put([waiting("b"), lost])
    assert [entry.source for entry in manifest.unseen()] == ["a"]


def test_what_is_dropped_is_gone(manifest: Manifest) -> None:
    manifest.put([FULL], {FULL.source: b"1"})
    manifest.drop([FULL.source])
    assert manifest.totals() == Totals() and manifest.faces_of(FULL.source) is None


def test_sessions(manifest: Manifest) -> None:
    number = manifest.begin_session(42, "here")
    (begun,) = manifest.sessions()
    assert begun == Session(number, begun.started_at, 42, "here")
    manifest.put_session(number, active_s=2.5, listed=True, done=3, failed=1, frames=70, ending="finished")
    (ended,) = manifest.sessions()
    assert (ended.active_s, ended.listed, ended.done, ended.failed, ended.frames) == (2.5, True, 3, 1, 70)
    assert ended.ending == "finished" and ended.ended_at is not None


def test_reading_beside_the_writer(manifest: Manifest) -> None:
    manifest.put([FULL])
    with Manifest.reading(manifest.path) as reader:
        assert reader.totals().done == 1
        manifest.put([waiting("a")])
        assert reader.totals().left == 1


def test_no_batch_there(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no batch was started there"):
        Manifest.reading(tmp_path / "manifest.sqlite")


@pytest.mark.parametrize("bytes_", [b"no database at all" * 100, b""], ids=["text", "empty"])
def test_no_manifest(tmp_path: Path, bytes_: bytes) -> None:
    (tmp_path / "m").write_bytes(bytes_)
    with pytest.raises(DamagedManifestError, match="m is "):
        Manifest(tmp_path / "m", write=False)


def test_damage_in_the_middle_is_found(tmp_path: Path) -> None:
    path = tmp_path / "m"
    with Manifest(path) as manifest:
        manifest.put([replace(FULL, source=f"{n}.jpg") for n in range(2000)])
        manifest.check()
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 4096] = bytes(4096)
    path.write_bytes(data)
    with pytest.raises(DamagedManifestError, match="damaged"), Manifest(path) as manifest:
        manifest.check()


def test_another_schema_is_refused(tmp_path: Path) -> None:
    Manifest(tmp_path / "m").close()
    db = sqlite3.connect(tmp_path / "m")
    db.execute(PUT_META, meta_row("schema_version", "99"))
    db.commit()
    db.close()
    with pytest.raises(SourceError, match=r"schema 99.*go on with that version, or start over"):
        Manifest(tmp_path / "m")


def test_shards_cover_everything_once() -> None:
    found = [shard_of(f"cam/{n}.jpg", 3) for n in range(300)]
    assert set(found) == {1, 2, 3} and min(found.count(i) for i in (1, 2, 3)) > 60
    assert shard_of("cam/1.jpg", 3) == 3  # for ever: runs of other machines depend on it


def test_names_that_differ_in_a_digit_are_spread() -> None:
    found = [shard_of(f"cam{n}.mp4", 2) for n in range(10)]
    assert 3 <= found.count(1) <= 7
