"""A batch with fake networks: what it counts, what it goes on from, what it tells, and that nothing stops the night."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from crowdmask.errors import OutputError, SettingsError, SourceError, WeightsError
from crowdmask.jobs.batch import running
from crowdmask.jobs.batch.running import DISK_FULL, FINISHED, INTERRUPTED, BatchOutcome
from crowdmask.jobs.manifest.claims import RunLock, holder_of
from crowdmask.jobs.manifest.database import Manifest
from crowdmask.jobs.manifest.entries import State
from crowdmask.jobs.networks import Pair
from crowdmask.jobs.purging import plan_all, purge_all
from crowdmask.jobs.stopping import Stop
from crowdmask.records import Counts, Faces
from crowdmask.results.run_folder import RunFolder
from crowdmask.settings import AnalysisSettings, RuntimeSettings, TimeAndPlaceSettings
from tests.factories import FakeClassifier, FakeDetector, read_index
from tests.unit.jobs.batch.cctv import PLACE, aged, batch, clip, fakes, night, rows, sources, still, wait_for


def expected_counts(indices: Sequence[int]) -> Counts:
    """What is in pictures of the factories: index % 3 + 1 faces, every second of them unmasked."""
    faces = [index % 3 + 1 for index in indices]
    return Counts(sum((n + 1) // 2 for n in faces), sum(n // 2 for n in faces))


def entries(run: Path) -> dict[str, Any]:
    with Manifest.reading(run / "manifest.sqlite") as manifest:
        return {entry.source: entry for entry in manifest.in_order(*State)}


def test_everything_is_counted_once_and_in_order(tmp_path: Path) -> None:
    outcome = batch(night(tmp_path / "in"), tmp_path / "run")
    assert outcome.ending == FINISHED and outcome.failures == ()
    stills = [f"cam1/{n}.png" for n in range(0, 12, 2)] + [f"cam2/{n}.png" for n in range(1, 12, 2)]
    assert sources(tmp_path / "run") == [*stills, "cam10/v.mp4"]
    counts = expected_counts([*range(12), *range(6)])
    assert outcome.stats.counts == counts and outcome.totals.counts == counts
    assert (outcome.totals.done, outcome.totals.frames, outcome.tally.frames) == (13, 18, 18)
    written = rows(tmp_path / "run" / "frames.csv")
    assert sum(int(row["unmasked"]) for row in written) == counts.unmasked
    assert written[1] == {
        "frame": "0",
        "time_s": "0.000000",
        "faces": "3",
        "masked": "2",
        "unmasked": "1",
        "unknown": "0",
        "compliance": "0.6667",
        "source": "cam1/2.png",
        "camera": "cam1",
        "captured_at": "2023-11-14T23:13:22.000+01:00",
        "captured_from": "file",
        "incorrect": "0",
    }
    video = [row for row in written if row["source"] == "cam10/v.mp4"]
    assert [row["frame"] for row in video] == [str(n) for n in range(6)]
    assert [row["captured_at"][17:23] for row in video] == ["19.760", "19.800", "19.840", "19.880", "19.920", "19.960"]


def test_the_video_has_a_csv_of_its_own_with_the_same_rows(tmp_path: Path) -> None:
    batch(night(tmp_path / "in", stills=2), tmp_path / "run")
    own = rows(tmp_path / "run" / "videos" / "cam10" / "v.mp4.csv")
    in_run = [row for row in rows(tmp_path / "run" / "frames.csv") if row["source"] == "cam10/v.mp4"]
    assert own == [{name: row[name] for name in own[0]} for row in in_run] and len(own) == 6
    told = json.loads((tmp_path / "run" / "videos" / "cam10" / "v.mp4.json").read_text())
    assert told["counts"]["frames"] == 6


@pytest.mark.parametrize(
    ("mode", "stills", "videos"),
    [(None, ["1.png", "2.png", "4.png", "5.png"], 1), ("all", [f"{n}.png" for n in range(6)], 1), ("none", [], 0)],
)
def test_annotated_copies_mirror_the_tree(tmp_path: Path, mode: str | None, stills: list[str], videos: int) -> None:
    batch(night(tmp_path / "in", stills=6), tmp_path / "run", annotate=mode)
    found = sorted((tmp_path / "run" / "annotated").rglob("*.png"), key=lambda path: path.name)
    assert [path.name for path in found] == stills
    assert {path.parent.name for path in found} <= {"cam1", "cam2"}
    assert len(list((tmp_path / "run" / "annotated").rglob("v.mp4"))) == videos
    assert not list((tmp_path / "run").rglob("*.part"))


def test_a_video_without_unmasked_faces_gets_no_copy_where_only_those_are_asked_for(tmp_path: Path) -> None:
    clip(tmp_path / "in" / "v.mp4", frames=1)
    batch(tmp_path / "in", tmp_path / "run", annotate="unmasked")
    assert list((tmp_path / "run").rglob("*.mp4")) == []


@pytest.mark.parametrize("window", [1, 3, 64])
def test_the_window_changes_nothing(tmp_path: Path, window: int) -> None:
    folder = night(tmp_path / "in", stills=9)
    (folder / "cam1" / "4.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    aged(folder / "cam1" / "4.png")
    batch(folder, tmp_path / "a", window=window)
    batch(folder, tmp_path / "b", window=2)
    assert (tmp_path / "a" / "frames.csv").read_bytes() == (tmp_path / "b" / "frames.csv").read_bytes()
    assert len(rows(tmp_path / "a" / "frames.csv")) == 14


def test_pictures_go_through_the_detector_together(tmp_path: Path) -> None:
    detector = FakeDetector()
    batch(
        night(tmp_path / "in", stills=10, frames=0),
        tmp_path / "run",
        networks=lambda a, r: Pair(detector, FakeClassifier()),
    )
    assert sum(detector.calls) == 10 and len(detector.calls) <= 6  # not each by itself, though found bit by bit


# Going on


class Counting(FakeDetector):
    """Tells which pictures of the factories it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[int] = []

    def detect(self, images: Sequence[NDArray[np.uint8]]) -> list[Faces]:
        self.seen += [read_index(image) for image in images]
        return super().detect(images)


def seen_by(folder: Path, run: Path, **settings: Any) -> tuple[list[int], BatchOutcome]:
    detector = Counting()
    outcome = batch(folder, run, networks=lambda a, r: Pair(detector, FakeClassifier()), **settings)
    return sorted(detector.seen), outcome


def test_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    folder = night(tmp_path / "in", stills=5)
    assert seen_by(folder, tmp_path / "run")[0] == sorted([*range(5), *range(6)])
    before = (tmp_path / "run" / "frames.csv").read_bytes()
    seen, outcome = seen_by(folder, tmp_path / "run")
    assert seen == [] and outcome.tally.done == 0 and outcome.totals.done == 6
    assert (tmp_path / "run" / "frames.csv").read_bytes() == before


def test_new_inputs_are_put_in_their_place(tmp_path: Path) -> None:
    folder = night(tmp_path / "in", stills=3, frames=0)
    batch(folder, tmp_path / "run")
    still(folder / "cam1" / "1.png", 40)
    assert seen_by(folder, tmp_path / "run")[0] == [40]
    assert sources(tmp_path / "run") == ["cam1/0.png", "cam1/1.png", "cam1/2.png", "cam2/1.png"]


def test_inputs_that_are_gone_stay_counted(tmp_path: Path) -> None:
    folder = night(tmp_path / "in", stills=3, frames=0)
    batch(folder, tmp_path / "run")
    (folder / "cam1" / "0.png").unlink()
    assert batch(folder, tmp_path / "run").totals.done == 3


def test_a_changed_input_is_analysed_anew_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = night(tmp_path / "in", stills=4)
    batch(folder, tmp_path / "run")
    status = (folder / "cam1" / "0.png").stat()
    still(folder / "cam1" / "0.png", 41)
    with (folder / "cam2" / "1.png").open("ab") as file:  # same name and time, other size
        file.write(b"more")
    os.utime(folder / "cam2" / "1.png", ns=(status.st_mtime_ns + 10**9, status.st_mtime_ns + 10**9))
    data = bytearray((folder / "cam1" / "2.png").read_bytes())  # size and time as before: only the hash tells
    before = (folder / "cam1" / "2.png").stat()
    data[-1] ^= 1
    (folder / "cam1" / "2.png").write_bytes(data)
    os.utime(folder / "cam1" / "2.png", ns=(before.st_mtime_ns, before.st_mtime_ns))
    seen, outcome = seen_by(folder, tmp_path / "run")
    assert seen == [1, 2, 41] and outcome.totals.done == 5
    assert outcome.stats.counts == expected_counts([41, 1, 2, 3, *range(6)])
    assert "cam1/0.png has changed since it was analysed, and is analysed anew" in caplog.text


def test_changed_settings_analyse_everything_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = night(tmp_path / "in", stills=2)
    batch(folder, tmp_path / "run")
    seen, outcome = seen_by(folder, tmp_path / "run", analysis=AnalysisSettings(smallest_face=500))
    assert seen == sorted([0, 1, *range(6)])
    assert outcome.stats.unknown == outcome.stats.faces > 0
    assert "was analysed with other settings" in caplog.text
    assert not list((tmp_path / "run" / "annotated").rglob("*.png"))  # nobody in them is unmasked any more


def test_another_time_zone_needs_no_second_analysis(tmp_path: Path) -> None:
    folder = night(tmp_path / "in", stills=2)
    batch(folder, tmp_path / "run")
    place = replace(PLACE, timezone="Asia/Tokyo", camera_pattern=r"/(?P<camera>\d)")
    seen, _ = seen_by(folder, tmp_path / "run", place=place)
    assert seen == []
    first, second, *video = rows(tmp_path / "run" / "frames.csv")
    assert (first["captured_at"], first["camera"]) == ("2023-11-15T07:13:20.000+09:00", "0")
    assert second["camera"] == "1" and {row["camera"] for row in video} == {""}


@pytest.mark.parametrize("harm", ["gone", "cut", "changed"])
def test_a_finished_output_is_checked(tmp_path: Path, harm: str, caplog: pytest.LogCaptureFixture) -> None:
    folder = night(tmp_path / "in", stills=3)
    batch(folder, tmp_path / "run")
    before = (tmp_path / "run" / "frames.csv").read_bytes()
    for path in (
        tmp_path / "run" / "annotated" / "cam2" / "1.png",
        tmp_path / "run" / "videos" / "cam10" / "v.mp4.csv",
    ):
        data = path.read_bytes()
        path.unlink() if harm == "gone" else path.write_bytes(data[:-5] if harm == "cut" else data[:-3] + b"999")
    seen, _ = seen_by(folder, tmp_path / "run")
    assert seen == sorted([1, *range(6)])
    assert "has lost a result" in caplog.text
    assert (tmp_path / "run" / "frames.csv").read_bytes() == before


def test_what_was_purged_is_not_made_again(tmp_path: Path) -> None:
    folder = night(tmp_path / "in", stills=3)
    batch(folder, tmp_path / "run", detections="detections.csv")
    before = (tmp_path / "run" / "frames.csv").read_bytes()
    assert purge_all(plan_all(tmp_path / "run", "0d")) == []
    assert not list((tmp_path / "run").rglob("*.png"))
    seen, outcome = seen_by(folder, tmp_path / "run", detections="detections.csv")
    assert seen == [] and outcome.totals.done == 4
    assert (tmp_path / "run" / "frames.csv").read_bytes() == before
    assert rows(tmp_path / "run" / "detections.csv") == [] and not list((tmp_path / "run").rglob("*.png"))


def test_starting_over_puts_the_old_run_aside(tmp_path: Path) -> None:
    folder = night(tmp_path / "in", stills=2)
    batch(folder, tmp_path / "in" / "run")
    seen, outcome = seen_by(folder, tmp_path / "in" / "run", resume=False)
    assert len(seen) == 8 and outcome.totals.done == 3
    aside = RunFolder(tmp_path / "in" / "run" / "before-1")
    assert aside.is_one and aside.frames.read_bytes() == (tmp_path / "in" / "run" / "frames.csv").read_bytes()
    assert (aside.annotated / "cam10" / "v.mp4").is_file()


def test_another_folder_is_another_run(tmp_path: Path) -> None:
    batch(night(tmp_path / "a", stills=1, frames=0), tmp_path / "run")
    with pytest.raises(SettingsError, match=r"holds the run of .*/a: give another --out-dir"):
        batch(night(tmp_path / "b", stills=1, frames=0), tmp_path / "run")


def test_what_is_no_longer_asked_for_is_taken_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = night(tmp_path / "in", stills=4)
    batch(folder, tmp_path / "run")
    seen, _ = seen_by(folder, tmp_path / "run", exclude="cam2,*.mp4")
    assert seen == [] and sources(tmp_path / "run") == ["cam1/0.png", "cam1/2.png"]
    assert "3 inputs that it does not ask for are taken out" in caplog.text
    assert not (tmp_path / "run" / "videos" / "cam10" / "v.mp4.csv").exists()


# What goes wrong


class Stumbling(FakeDetector):
    """Fails at some pictures, so many times each."""

    def __init__(self, times: dict[int, int]) -> None:
        super().__init__()
        self.times = times

    def detect(self, images: Sequence[NDArray[np.uint8]]) -> list[Faces]:
        for index in map(read_index, images):
            if self.times.get(index, 0):
                self.times[index] -= len(images) == 1
                raise RuntimeError("stumbled")
        return super().detect(images)


def test_one_bad_picture_costs_its_window_nothing(tmp_path: Path) -> None:
    folder = night(tmp_path / "in", stills=8, frames=0)
    stumbling = Stumbling({2: 99, 5: 2})
    outcome = batch(folder, tmp_path / "run", networks=lambda a, r: Pair(stumbling, FakeClassifier()), window=8)
    assert outcome.totals.done == 7 and outcome.totals.failed == 1 and outcome.tally.failed == 1
    ((source, reason),) = outcome.failures
    assert source == "cam1/2.png" and "RuntimeError: stumbled" in reason
    known = entries(tmp_path / "run")
    assert known["cam1/2.png"].attempts == 3 and known["cam2/5.png"].attempts == 3
    assert stumbling.times[2] == 99 - 3


def test_bad_files_do_not_stop_the_night(tmp_path: Path) -> None:
    folder = night(tmp_path / "in", stills=3)
    bad = {"empty.jpg": b"", "text.mp4": b"hello\n" * 50, "cut.png": (folder / "cam1" / "0.png").read_bytes()[:60]}
    for name, data in bad.items():
        (folder / name).write_bytes(data)
        aged(folder / name)
    shutil.copy(folder / "cam10" / "v.mp4", folder / "film.jpg")  # a video by its content
    shutil.copy(folder / "cam1" / "0.png", folder / "still.mp4")  # a picture by its content
    outcome = batch(folder, tmp_path / "run", retries=1, settle_s=0.0)
    assert outcome.totals.done == 6 and outcome.totals.frames == 3 + 6 + 6 + 1
    assert dict(outcome.failures).keys() == bad.keys()
    assert "is empty" in dict(outcome.failures)["empty.jpg"] and "is a text" in dict(outcome.failures)["text.mp4"]
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert {f["source"]: f["attempts"] for f in summary["failures"]} == dict.fromkeys(bad, 2)
    assert summary["inputs"] == {"done": 6, "failed": 3, "left": 0, "videos_done": 2}
    seen, again = seen_by(folder, tmp_path / "run", retries=0, settle_s=0.0)
    assert seen == [] and again.totals.failed == 3


def test_a_failure_that_was_mended_is_done_on_the_next_start(tmp_path: Path) -> None:
    folder = night(tmp_path / "in", stills=2, frames=0)
    (folder / "cam1" / "x.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    aged(folder / "cam1" / "x.png")
    assert batch(folder, tmp_path / "run").totals.failed == 1
    still(folder / "cam1" / "x.png", 5)
    outcome = batch(folder, tmp_path / "run")
    assert outcome.totals.failed == 0 and sources(tmp_path / "run") == ["cam1/0.png", "cam1/x.png", "cam2/1.png"]


def test_an_unreadable_folder_is_a_failure_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = night(tmp_path / "in", stills=3, frames=0)
    scandir = os.scandir

    def refusing(path: str) -> Any:
        if path == str(folder / "cam2"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    outcome = batch(folder, tmp_path / "run")
    assert outcome.totals.done == 2 and [source for source, _ in outcome.failures] == ["cam2/"]
    monkeypatch.undo()
    assert batch(folder, tmp_path / "run").totals.failed == 0


def test_a_file_that_changed_just_now_is_left_for_the_end(tmp_path: Path) -> None:
    folder = night(tmp_path / "in", stills=4, frames=0)
    os.utime(folder / "cam1" / "0.png")
    detector = Counting()
    outcome = batch(folder, tmp_path / "run", settle_s=0.5, networks=lambda a, r: Pair(detector, FakeClassifier()))
    assert outcome.totals.done == 4 and detector.seen[-1] == 0 and sorted(detector.seen) == [0, 1, 2, 3]
    assert sources(tmp_path / "run")[0] == "cam1/0.png"


def test_a_file_that_keeps_growing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = night(tmp_path / "in", stills=2, frames=0)
    growing = folder / "cam1" / "0.png"
    os.utime(growing)

    def rest(self: Any, seconds: float) -> None:
        with growing.open("ab") as file:
            file.write(b"more")

    monkeypatch.setattr(running._Batch, "_rest", rest)
    outcome = batch(folder, tmp_path / "run")
    assert outcome.totals.done == 1
    assert "still being written" in dict(outcome.failures)["cam1/0.png"]


def test_a_file_that_changes_while_it_is_analysed_is_done_again(tmp_path: Path) -> None:
    path = clip(tmp_path / "in" / "v.mp4", frames=4)

    class Growing(FakeDetector):
        def detect(self, images: Sequence[NDArray[np.uint8]]) -> list[Faces]:
            if not self.calls:
                clip(path, frames=7)
            return super().detect(images)

    detector = Growing()
    outcome = batch(
        tmp_path / "in", tmp_path / "run", settle_s=0.0, networks=lambda a, r: Pair(detector, FakeClassifier())
    )
    assert outcome.totals.frames == 7 and len(rows(tmp_path / "run" / "frames.csv")) == 7


def test_a_clock_that_went_back_does_not_matter(tmp_path: Path) -> None:
    folder = night(tmp_path / "in", stills=2, frames=0)
    for path in folder.rglob("*.png"):
        os.utime(path, (4_000_000_000, 4_000_000_000))  # a hundred years on
    assert batch(folder, tmp_path / "run").totals.done == 2
    assert batch(folder, tmp_path / "run").tally.done == 0


def test_nothing_to_analyse(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(SourceError, match="no picture and no video"):
        batch(tmp_path / "in", tmp_path / "run")


def test_the_input_folder_is_no_run_folder(tmp_path: Path) -> None:
    folder = night(tmp_path / "in", stills=2, frames=0)
    with pytest.raises(SettingsError, match="input folder itself"):
        batch(folder, folder)
    batch(folder, folder / "run")
    with pytest.raises(SettingsError, match="holds the run of"):
        batch(folder / "run" / "annotated", folder / "run")


def test_own_results_are_no_inputs(tmp_path: Path) -> None:
    folder = night(tmp_path / "in", stills=3)
    batch(folder, folder / "run", annotate="all")
    batch(folder, folder / "second", annotate="all")
    assert batch(folder, folder / "run", annotate="all").totals.done == 4
    assert (
        sources(folder / "run")
        == sources(folder / "second")
        == ["cam1/0.png", "cam1/2.png", "cam2/1.png", "cam10/v.mp4"]
    )


# Ending early


class Stopping(FakeDetector):
    def __init__(self, stop: Stop, after: int) -> None:
        super().__init__()
        self.stop, self.after = stop, after

    def detect(self, images: Sequence[NDArray[np.uint8]]) -> list[Faces]:
        if len(self.calls) == self.after:
            self.stop.ask()
        return super().detect(images)


@pytest.mark.parametrize("after", [0, 2, 5])
def test_an_interrupted_run_is_whole_as_far_as_it_goes_and_goes_on(tmp_path: Path, after: int) -> None:
    folder = night(tmp_path / "in", stills=12)
    batch(folder, tmp_path / "whole")
    stop = Stop()
    networks = lambda a, r: Pair(Stopping(stop, after), FakeClassifier())  # noqa: E731
    outcome = batch(folder, tmp_path / "run", networks=networks, stop=stop, window=2)
    assert outcome.ending == INTERRUPTED and outcome.totals.left > 0
    assert len(rows(tmp_path / "run" / "frames.csv")) == outcome.totals.frames < 18
    assert not list((tmp_path / "run").rglob("*.part"))
    assert batch(folder, tmp_path / "run").ending == FINISHED
    assert (tmp_path / "run" / "frames.csv").read_bytes() == (tmp_path / "whole" / "frames.csv").read_bytes()


def test_a_full_disk_ends_the_run_before_it_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = night(tmp_path / "in", stills=12)
    free = [10**12]
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=free[0]))

    class Filling(FakeDetector):
        def detect(self, images: Sequence[NDArray[np.uint8]]) -> list[Faces]:
            if len(self.calls) == 2:
                free[0] = 10**6
                wait_for(lambda: stop.asked)
            return super().detect(images)

    stop = Stop()
    networks = lambda a, r: Pair(Filling(), FakeClassifier())  # noqa: E731
    outcome = batch(folder, tmp_path / "run", networks=networks, stop=stop, keep_free=100, window=2)
    assert outcome.ending == DISK_FULL and 0 < outcome.totals.done < 13 and outcome.totals.failed == 0
    assert len(rows(tmp_path / "run" / "frames.csv")) == outcome.totals.frames
    stopped = batch(folder, tmp_path / "run", keep_free=100)
    assert stopped.ending == DISK_FULL and stopped.tally.done == 0
    free[0] = 10**12
    assert batch(folder, tmp_path / "run", keep_free=100).ending == FINISHED


def test_a_second_run_is_refused_and_names_the_first(tmp_path: Path) -> None:
    folder = night(tmp_path / "in", stills=1, frames=0)
    with RunLock(tmp_path / "run"):
        holder = holder_of(tmp_path / "run")
        assert holder is not None and holder.pid == os.getpid()
        with pytest.raises(OutputError, match=rf"another run is at work .*process {os.getpid()} on \S+, since 2"):
            batch(folder, tmp_path / "run")
    assert holder_of(tmp_path / "run") is None
    assert batch(folder, tmp_path / "run").totals.done == 1


# Detections, the log, the summary


@pytest.mark.parametrize("name", ["detections.csv", "detections.parquet"])
def test_detections_of_all_inputs_in_one_file(tmp_path: Path, name: str) -> None:
    folder = night(tmp_path / "in", stills=4)
    batch(folder, tmp_path / "run", detections=name)
    path = tmp_path / "run" / name
    found = rows(path) if name.endswith("csv") else pq.read_table(path).to_pylist()
    per_frame = [(row["source"], int(row["frame"])) for row in found]
    wanted = [
        (row["source"], int(row["frame"]))
        for row in rows(tmp_path / "run" / "frames.csv")
        for _ in range(int(row["faces"]))
    ]
    assert per_frame == wanted and len(wanted) == sum(i % 3 + 1 for i in [*range(4), *range(6)])
    first = path.read_bytes()
    still(folder / "cam1" / "00.png", 9)
    batch(folder, tmp_path / "run", detections=name)
    (folder / "cam1" / "00.png").unlink()
    batch(folder, tmp_path / "run", detections=name, exclude="00.png")
    assert path.read_bytes() == first


@pytest.mark.parametrize("as_json", [False, True])
def test_the_log_tells_what_happened(tmp_path: Path, as_json: bool) -> None:
    folder = night(tmp_path / "in", stills=1)
    (folder / "bad.jpg").write_bytes(b"")
    aged(folder / "bad.jpg")
    batch(folder, tmp_path / "run", log_json=as_json, retries=0)
    (path,) = (tmp_path / "run" / "log").glob("batch.*")
    lines = path.read_text().splitlines()
    if as_json:
        told = [json.loads(line) for line in lines]
        assert [line["event"] for line in told][0::4] == ["begins", "ends"]
        assert {"source", "frames"} <= next(line for line in told if line["event"] == "done").keys()
    assert sum("bad.jpg is empty" in line for line in lines) == 1 and len(lines) == 5  # and one of their times


def test_the_summary_tells_how_it_was_made(tmp_path: Path) -> None:
    place = TimeAndPlaceSettings(timezone="Europe/Paris", camera_pattern=r"(?P<camera>nothing like it)")
    batch(night(tmp_path / "in", stills=2), tmp_path / "run", place=place, analysis=AnalysisSettings(confidence=0.6))
    told = RunFolder(tmp_path / "run").read_summary()
    assert told["input_root"] == str(tmp_path / "in") and told["timezone"] == "Europe/Paris"
    assert told["settings"]["analysis"]["confidence"] == 0.6 and told["captured_from"] == {"file": 3}
    assert told["started_at"] <= told["finished_at"] and told["state"] == FINISHED
    assert told["counts"]["frames"] == 8 and told["versions"]["crowdmask"]
    assert any("matches none of the 3 files" in note for note in told["notes"])


def test_a_smooth_run_says_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    still(tmp_path / "in" / "cam1_2026-11-20_22-05-13.png", 1)
    batch(tmp_path / "in", tmp_path / "run")
    assert caplog.text == ""


def test_networks_that_cannot_be_loaded_end_the_run(tmp_path: Path) -> None:
    def broken(analysis: AnalysisSettings, runtime: RuntimeSettings) -> Pair:
        raise WeightsError("there are none")

    folder = night(tmp_path / "in", stills=2, frames=0)
    with pytest.raises(WeightsError, match="there are none"):
        batch(folder, tmp_path / "run", networks=broken)
    assert batch(folder, tmp_path / "run", networks=fakes).totals.done == 2
