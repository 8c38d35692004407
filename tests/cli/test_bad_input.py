"""Whatever is wrong with an input or a disk: one line that names the path and the remedy, and nothing good is lost."""

from __future__ import annotations

import csv
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from crowdmask.errors import WeightsError
from crowdmask.jobs.networks import Pair
from crowdmask.settings import AnalysisSettings, RuntimeSettings
from tests.cli.conftest import Crowdmask, Ran
from tests.factories import FakeClassifier, FakeDetector, make_image, write_clip


def rows(path: str | Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def gaps(path: str | Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(Path(path).read_text())["not_analysed"]["gaps"]
    return found


def assert_refused(ran: Ran, path: str, remedy: str) -> None:
    assert ran.code == 1 and ran.out == ""
    assert len(ran.lines) == 1 and "Traceback" not in ran.err
    assert ran.err.startswith("crowdmask: ") and path in ran.err and remedy in ran.err


def test_a_missing_file(crowdmask: Crowdmask) -> None:
    assert_refused(crowdmask("analyze", "none.mp4"), "none.mp4", "check the path")


def test_an_empty_file(crowdmask: Crowdmask) -> None:
    Path("empty.mp4").touch()
    assert_refused(crowdmask("analyze", "empty.mp4"), "empty.mp4", "copy or record it again")


def test_a_text_named_like_a_video(crowdmask: Crowdmask) -> None:
    Path("text.mp4").write_text("It is not a video.\n" * 50)
    assert_refused(crowdmask("analyze", "text.mp4"), "text.mp4", "check that it is the right file")


def test_a_file_without_a_video_stream(crowdmask: Crowdmask) -> None:
    with av.open("sound.mp4", "w") as out:
        stream = out.add_stream("aac", rate=48000)
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), format="fltp", layout="stereo")
        frame.sample_rate, frame.pts = 48000, 0
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    assert_refused(crowdmask("analyze", "sound.mp4"), "sound.mp4", "check that it is the right file")


def test_a_damaged_picture(crowdmask: Crowdmask) -> None:
    cv2.imwrite("whole.jpg", make_image(1, (192, 128)))
    Path("cut.jpg").write_bytes(Path("whole.jpg").read_bytes()[:600])
    assert_refused(crowdmask("analyze", "cut.jpg"), "cut.jpg", "copy it again")
    assert sorted(os.listdir()) == ["cut.jpg", "whole.jpg"]


def test_nothing_is_left_behind_by_what_could_not_begin(crowdmask: Crowdmask) -> None:
    Path("text.mp4").write_text("text")
    crowdmask("analyze", "text.mp4", "none.mp4")
    assert os.listdir() == ["text.mp4"]


def test_a_truncated_video_is_analysed_as_far_as_it_goes(crowdmask: Crowdmask) -> None:
    write_clip("whole.mkv", frames=50, size_wh=(192, 128))
    data = Path("whole.mkv").read_bytes()
    Path("cut.mkv").write_bytes(data[: len(data) * 6 // 10])
    ran = crowdmask("analyze", "cut.mkv")
    assert ran.code == 0
    got = rows("cut.crowdmask.csv")
    assert 10 < len(got) < 50
    first = gaps("cut.crowdmask.json")[0]
    assert first["after_frame"] > 10 and "not read" in ran.out
    whole = range(first["after_frame"])
    assert [int(got[i]["faces"]) for i in whole] == [i % 3 + 1 for i in whole]
    with av.open("cut.crowdmask.mp4") as video:
        assert sum(1 for _ in video.decode(video=0)) == len(got)


def test_among_several_inputs_the_one_with_gaps_is_told_apart(crowdmask: Crowdmask) -> None:
    write_clip("whole.mkv", frames=50, size_wh=(192, 128))
    data = Path("whole.mkv").read_bytes()
    Path("cut.mkv").write_bytes(data[: len(data) * 6 // 10])
    ran = crowdmask("analyze", "whole.mkv", "cut.mkv")
    assert ran.code == 0
    (whole, cut) = (line for line in ran.out.splitlines() if ".mkv:" in line)
    assert "not read" not in whole
    assert f"not read: {gaps('cut.crowdmask.json')[0]['reason']}" in cut


def test_frames_damaged_half_way_are_reported_and_the_rest_analysed(crowdmask: Crowdmask) -> None:
    write_clip("whole.ts", frames=60, size_wh=(192, 128), gop=10)
    data = bytearray(Path("whole.ts").read_bytes())
    middle = len(data) // 2
    data[middle : middle + 4000] = os.urandom(4000)
    Path("hurt.ts").write_bytes(data)
    ran = crowdmask("analyze", "hurt.ts")
    assert ran.code == 0
    assert len(rows("hurt.crowdmask.csv")) > 30
    assert gaps("hurt.crowdmask.json")


def test_a_part_beyond_the_end(crowdmask: Crowdmask) -> None:
    write_clip("a.mp4", frames=5)
    assert_refused(crowdmask("analyze", "a.mp4", "--start", "60"), "a.mp4", "check --start")
    assert os.listdir() == ["a.mp4"]


def test_a_change_of_size_half_way(crowdmask: Crowdmask) -> None:
    for name, size in (("one", (192, 128)), ("two", (96, 64))):
        write_clip(f"{name}.h264", frames=6, size_wh=size)
    Path("both.h264").write_bytes(Path("one.h264").read_bytes() + Path("two.h264").read_bytes())
    ran = crowdmask("analyze", "both.h264")
    assert ran.code == 0
    assert len(rows("both.crowdmask.csv")) == 12
    assert "192x128 to 96x64" in gaps("both.crowdmask.json")[0]["reason"]


@pytest.mark.parametrize("size_wh", [(1, 1), (3, 5), (97, 63), (10_000, 10_000)])
def test_pictures_of_odd_sizes(crowdmask: Crowdmask, size_wh: tuple[int, int]) -> None:
    cv2.imwrite("odd.png", np.full((size_wh[1], size_wh[0], 3), 128, np.uint8))
    ran = crowdmask("analyze", "odd.png")
    assert (ran.code, ran.err) == (0, "")
    assert cv2.imread("odd.crowdmask.png").shape == (size_wh[1], size_wh[0], 3)


@pytest.mark.parametrize("size_wh", [(97, 64), (96, 63), (95, 61)])
def test_videos_of_odd_sizes(crowdmask: Crowdmask, size_wh: tuple[int, int]) -> None:
    write_clip("odd.mkv", frames=4, size_wh=size_wh, codec="ffv1", pix_fmt="bgr0")
    assert crowdmask("analyze", "odd.mkv").code == 0
    assert len(rows("odd.crowdmask.csv")) == 4
    with av.open("odd.crowdmask.mp4") as video:
        assert sum(1 for _ in video.decode(video=0)) == 4


@pytest.mark.parametrize("kind", ["grey", "alpha", "16 bit"])
def test_pictures_of_unusual_kinds(crowdmask: Crowdmask, kind: str) -> None:
    image = make_image(2, (192, 128))
    made = {
        "grey": cv2.cvtColor(image, cv2.COLOR_BGR2GRAY),
        "alpha": np.dstack([image, np.full((128, 192), 60, np.uint8)]),
        "16 bit": image.astype(np.uint16) * 257,
    }[kind]
    cv2.imwrite("still.png", made)
    assert crowdmask("analyze", "still.png").code == 0
    assert rows("still.crowdmask.csv")[0]["faces"] == ("0" if kind == "grey" else "3")


def test_weights_that_are_missing_end_the_run_in_one_line(crowdmask: Crowdmask) -> None:
    def missing(analysis: AnalysisSettings, runtime: RuntimeSettings) -> Pair:
        raise WeightsError("/w/x.npz: the weights of xception are missing: reinstall crowdmask")

    write_clip("a.mp4", frames=3)
    write_clip("b.mp4", frames=3)
    ran = crowdmask("analyze", "a.mp4", "b.mp4", networks=missing)
    assert_refused(ran, "/w/x.npz", "reinstall crowdmask")
    assert sorted(os.listdir()) == ["a.mp4", "b.mp4"]


def test_a_fault_of_our_own_is_one_line_too_and_spares_the_other_inputs(crowdmask: Crowdmask) -> None:
    class Faulty(FakeDetector):
        def detect(self, images: Any) -> Any:
            if images[0].shape[1] == 96:
                raise ZeroDivisionError("of ours")
            return super().detect(images)

    write_clip("a.mp4", frames=3)
    write_clip("b.mp4", frames=3, size_wh=(192, 128))
    ran = crowdmask("analyze", "a.mp4", "b.mp4", networks=lambda a, r: Pair(Faulty(), FakeClassifier()))
    assert ran.code == 3 and len(ran.lines) == 1
    assert "a.mp4: this should not happen" in ran.err and "ZeroDivisionError: of ours" in ran.err
    again = crowdmask("analyze", "a.mp4", "-v", networks=lambda a, r: Pair(Faulty(), FakeClassifier()))
    assert again.code == 1 and "Traceback" in again.err


def test_a_failure_half_way_keeps_the_rows_before_it(crowdmask: Crowdmask) -> None:
    class Dies(FakeDetector):
        def detect(self, images: Any) -> Any:
            if len(self.calls) == 3:
                raise OSError(5, "Input/output error")
            return super().detect(images)

    write_clip("a.mp4", frames=20)
    ran = crowdmask("analyze", "a.mp4", "--window", 4, networks=lambda a, r: Pair(Dies(), FakeClassifier()))
    assert ran.code == 1 and len(ran.lines) == 1
    assert "12 frames, is kept in a.crowdmask.csv.part" in ran.err
    assert [int(row["frame"]) for row in rows("a.crowdmask.csv.part")] == list(range(12))
    assert not Path("a.crowdmask.csv").exists() and not Path("a.crowdmask.json").exists()


def test_all_bad_is_failed_and_some_bad_is_three(crowdmask: Crowdmask) -> None:
    write_clip("good.mp4", frames=2)
    assert crowdmask("analyze", "none.mp4", "nor.mp4").code == 1
    assert crowdmask("analyze", "none.mp4", "good.mp4", "nor.mp4").code == 3
    assert Path("good.crowdmask.csv").exists()


def test_a_file_where_a_folder_should_be(crowdmask: Crowdmask) -> None:
    write_clip("a.mp4", frames=2)
    Path("o").write_text("in the way")
    ran = crowdmask("analyze", "a.mp4", "--out-dir", "o")
    assert_refused(ran, "o/a.crowdmask", "choose another path")


def test_outputs_are_checked_before_any_work(crowdmask: Crowdmask) -> None:
    write_clip("a.mp4", frames=2)
    write_clip("b.mp4", frames=2)
    Path("b.crowdmask.csv").write_text("precious")
    ran = crowdmask("analyze", "a.mp4", "b.mp4")
    assert_refused(ran, "b.crowdmask.csv", "--overwrite")
    assert Path("b.crowdmask.csv").read_text() == "precious" and not Path("a.crowdmask.csv").exists()
    assert crowdmask("analyze", "a.mp4", "b.mp4", "--overwrite").code == 0
    assert len(rows("b.crowdmask.csv")) == 2


def test_an_output_that_is_the_input(crowdmask: Crowdmask) -> None:
    write_clip("a.mp4", frames=2)
    before = Path("a.mp4").read_bytes()
    ran = crowdmask("analyze", "a.mp4", "--out", "a.mp4", "--overwrite")
    assert ran.code == 2 and len(ran.lines) == 1 and "a.mp4: this result would replace an input" in ran.err
    assert Path("a.mp4").read_bytes() == before


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("only root may mount a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_fills_up_half_way(crowdmask: Crowdmask, small_disk: Path) -> None:
    noise = np.random.default_rng(0)
    images = [noise.integers(0, 255, (128, 192, 3), np.uint8) for _ in range(80)]
    write_clip("noise.mp4", frames=images, size_wh=(192, 128))
    ran = crowdmask("analyze", "noise.mp4", "--out-dir", small_disk, "--crf", 0, "--window", 2)
    assert ran.code == 1 and len(ran.lines) == 1
    assert str(small_disk) in ran.err and "free some space" in ran.err
    kept = rows(small_disk / "noise.crowdmask.csv.part")
    assert 0 < len(kept) < 80
    assert not (small_disk / "noise.crowdmask.csv").exists()


def test_a_full_disk_for_the_shared_detections_ends_the_run(crowdmask: Crowdmask, small_disk: Path) -> None:
    (small_disk / "filler").write_bytes(bytes(252 * 1024))
    for name in ("a", "b", "c"):
        write_clip(f"{name}.mp4", frames=60)
    ran = crowdmask("analyze", "a.mp4", "b.mp4", "c.mp4", "--no-video", "--detections", small_disk / "faces.csv")
    assert ran.code == 1 and len(ran.lines) == 1 and "faces.csv" in ran.err and "free some space" in ran.err
    assert not Path("c.crowdmask.csv").exists()
    assert rows(small_disk / "faces.csv.part")


def test_a_disk_that_may_only_be_read(crowdmask: Crowdmask, small_disk: Path) -> None:
    write_clip(small_disk / "a.mp4", frames=3)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    ran = crowdmask("analyze", small_disk / "a.mp4")
    assert_refused(ran, str(small_disk / "a.crowdmask"), "choose another folder")


def test_an_input_that_may_not_be_read_is_a_failure_among_others(
    crowdmask: Crowdmask, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.jpg", "locked.jpg", "z.jpg"):
        cv2.imwrite(name, make_image(1, (96, 64)))
    access, opened = os.access, Path.open

    def refusing(path: Path, *how: object, **more: object) -> object:
        if path.name == "locked.jpg":
            raise PermissionError(13, "Permission denied")
        return opened(path, *how, **more)  # type: ignore[arg-type, call-overload]

    monkeypatch.setattr(os, "access", lambda path, how, **more: "locked" not in str(path) and access(path, how, **more))
    monkeypatch.setattr(Path, "open", refusing)
    ran = crowdmask("analyze", "a.jpg", "locked.jpg", "z.jpg")
    assert ran.code == 3 and "locked.jpg may not be read" in ran.err
    assert Path("a.crowdmask.csv").exists() and Path("z.crowdmask.csv").exists()
