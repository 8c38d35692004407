"""`crowdmask draw`: what was kept gives the very picture that the analysis drew, and others."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from tests.cli.conftest import Crowdmask
from tests.factories import write_clip
from tests.people import LENGTH, SCENE, picture


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    frames = [picture(SCENE, i) for i in range(LENGTH)]
    return Path(write_clip(tmp_path_factory.mktemp("walk") / "walk.mp4", (256, 160), frames, audio="aac"))


@pytest.fixture(autouse=True)
def clip(walk: Path, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CROWDMASK_FOLLOW")
    shutil.copy(walk, here)


def pictures(path: str) -> list[np.ndarray]:
    with av.open(path) as made:
        return [frame.to_ndarray(format="bgr24") for frame in made.decode(video=0)]


@pytest.mark.parametrize("faces", ["faces.csv", "faces.parquet"])
@pytest.mark.parametrize("how", [(), ("--every", 3, "--start", 1, "--no-follow")])
def test_the_same_settings_give_the_same_pictures(faces: str, how: tuple[object, ...], crowdmask: Crowdmask) -> None:
    assert crowdmask("analyze", "walk.mp4", "--detections", faces, "--crf", 5, *how).code == 0
    ran = crowdmask("draw", "walk.crowdmask.json", "--out", "again.mp4", "--crf", 5)
    assert (ran.code, ran.out) == (0, "")
    once, again = pictures("walk.crowdmask.mp4"), pictures("again.mp4")
    assert len(once) == len(again) == (80 if not how else 18)
    for one, other in zip(once, again, strict=True):
        # the encoder alone is between them: its threads may differ
        assert np.abs(one.astype(int) - other).mean() < 0.5
    with av.open("again.mp4") as made:
        assert len(made.streams.audio) == 1


def test_other_colours_blur_and_numbers(crowdmask: Crowdmask) -> None:
    crowdmask("analyze", "walk.mp4", "--detections", "faces.csv", "--no-video")
    assert crowdmask("draw", "walk.crowdmask.persons.csv", "--palette", "classic", "--blur", "--show-numbers").code == 0
    drawn, plain = pictures("walk.crowdmask.mp4"), pictures("walk.mp4")
    assert len(drawn) == LENGTH
    inside = np.s_[105:123, 105:123]  # of the one who stands, also while the detector has lost it
    for i in (20, 41):
        assert np.abs(drawn[i][inside].astype(int) - plain[i][inside]).mean() > 2


def test_blur_follows_and_looks_ahead_as_the_analysis_does(crowdmask: Crowdmask) -> None:
    """One who is found from frame 20 on is hidden half a second before; nobody is open while lost."""
    assert crowdmask("analyze", "walk.mp4", "--detections", "faces.csv", "--crf", 5, "--blur").code == 0
    assert crowdmask("draw", "walk.crowdmask.json", "--out", "again.mp4", "--crf", 5, "--blur").code == 0
    assert crowdmask("draw", "walk.crowdmask.json", "--out", "open.mp4", "--crf", 5).code == 0
    once, again, shown = (pictures(name) for name in ("walk.crowdmask.mp4", "again.mp4", "open.mp4"))
    assert len(once) == len(again) == LENGTH
    for one, other in zip(once, again, strict=True):
        assert np.abs(one.astype(int) - other).mean() < 0.5  # the encoder alone is between them
    about = np.s_[100:150, 210:256]  # where somebody comes in with frame 20; the ramp's columns differ before
    ramp = [np.abs(again[i][about].astype(int) - shown[i][about]).mean() for i in (5, 15)]
    assert ramp[0] < 0.1 < ramp[1]


def test_nothing_is_replaced_unasked(crowdmask: Crowdmask) -> None:
    crowdmask("analyze", "walk.mp4", "--detections", "faces.csv")
    before = Path("walk.crowdmask.mp4").read_bytes()
    ran = crowdmask("draw", "walk.crowdmask.json")
    assert ran.code == 1 and "--overwrite" in ran.err and len(ran.lines) == 1
    assert Path("walk.crowdmask.mp4").read_bytes() == before
    ran = crowdmask("draw", "walk.crowdmask.json", "--out", "walk.mp4", "--overwrite")
    assert ran.code == 1 and "is the input itself" in ran.err


def test_a_still(crowdmask: Crowdmask) -> None:
    cv2.imwrite("still.png", picture(SCENE, 25))
    crowdmask("analyze", "still.png", "--detections", "faces.csv")
    once = cv2.imread("still.crowdmask.png")
    assert crowdmask("draw", "still.crowdmask.json", "--overwrite").code == 0
    assert np.array_equal(cv2.imread("still.crowdmask.png"), once)


REFUSED = {
    ("nothing.json",): "there is no summary beside it",
    ("walk.mp4",): "there is no summary beside it",
    ("other.json",): "it is no summary of an analysis",
    ("walk.crowdmask.json",): "no detections were kept of it",
    ("walk.crowdmask.json", "--detections", "no.csv"): "there is no such detections file",
    ("walk.crowdmask.json", "--detections", "walk.crowdmask.csv"): "the column 'source' is missing",
    ("walk.crowdmask.json", "--detections", "empty.csv"): "it has no face of walk.mp4",
}


def test_what_cannot_be_drawn_is_said_in_one_line(crowdmask: Crowdmask) -> None:
    Path("other.json").write_text(json.dumps({"a": 1}))
    crowdmask("analyze", "walk.mp4", "--no-video", "--detections", "faces.csv", "--end", 0.01)
    Path("empty.csv").write_text(Path("faces.csv").read_text().splitlines()[0] + "\n")
    crowdmask("analyze", "walk.mp4", "--no-video", "--overwrite")
    for given, said in REFUSED.items():
        ran = crowdmask("draw", *given, "--out", "x.mp4")
        assert ran.code in (1, 2) and len(ran.lines) == 1 and said in ran.err, given
        assert not Path("x.mp4").exists() and not Path("x.mp4.part").exists(), given


ZONES = "[[zone]]\nname = 'hall'\npolygon = [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]\n"


def test_zones_are_outlined_as_the_analysis_does(crowdmask: Crowdmask) -> None:
    Path("zones.toml").write_text(ZONES)
    crowdmask("analyze", "walk.mp4", "--detections", "faces.csv", "--crf", 5, "--zones", "zones.toml")
    assert crowdmask("draw", "walk.crowdmask.json", "--out", "again.mp4", "--crf", 5).code == 0
    once, again = pictures("walk.crowdmask.mp4")[9].astype(int), pictures("again.mp4")[9].astype(int)
    assert np.abs(once - again).mean() < 0.5
    edge, ground = np.s_[20:90, 127:129], np.s_[20:90, 133:135]
    assert np.abs(again[edge].mean(axis=0) - again[ground].mean(axis=0)).max() > 15
    Path("zones.toml").rename("moved.toml")
    ran = crowdmask("draw", "walk.crowdmask.json", "--out", "third.mp4")
    assert ran.code == 2 and "name the file with --zones" in ran.err and len(ran.lines) == 1
    Path("moved.toml").write_text(ZONES.replace("0.5", "0.75"))
    assert crowdmask("draw", "walk.crowdmask.json", "--zones", "moved.toml", "--out", "third.mp4", "--crf", 5).code == 0
    other = pictures("third.mp4")[9].astype(int)
    assert np.abs(other[20:90, 191:193] - again[20:90, 191:193]).max() > 15


def test_zones_of_a_run_are_those_of_its_camera(crowdmask: Crowdmask) -> None:
    Path("zones.toml").write_text("[[camera]]\npattern = 'gate'\n" + ZONES.replace("[[zone]]", "[[camera.zone]]"))
    Path("in/gate").mkdir(parents=True)
    Path("walk.mp4").rename("in/gate/walk.mp4")
    ran = crowdmask("analyze", "in", "--out-dir", "run", "--zones", "zones.toml", "--detections", "d.csv", "--no-video")
    assert ran.code == 0, ran.err
    assert crowdmask("draw", "run/videos/gate/walk.mp4.json", "--out", "again.mp4", "--crf", 5).code == 0
    plain = crowdmask("draw", "run/videos/gate/walk.mp4.json", "--out", "x.mp4", "--zones", "no.toml")
    assert plain.code != 0 and "no.toml" in plain.err and len(plain.lines) == 1
    drawn = pictures("again.mp4")[9].astype(int)
    assert np.abs(drawn[20:90, 127:129].mean(axis=0) - drawn[20:90, 133:135].mean(axis=0)).max() > 15
