"""`crowdmask analyze` end to end with fake networks: what is written, said and returned."""

from __future__ import annotations

import csv
import functools
import json
import os
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest

from crowdmask.cli.config import fields_of
from crowdmask.cli.options import key_of, kind_of
from crowdmask.jobs.destinations import Destinations
from crowdmask.settings import AnalysisSettings, OutputSettings, RuntimeSettings
from tests.cli.conftest import Crowdmask, fake_networks
from tests.factories import make_image, write_clip
from tests.schemas import assert_fits

COLUMNS = ["frame", "time_s", "faces", "masked", "unmasked", "unknown", "compliance", "incorrect"]


def rows(path: str | Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def summary(path: str | Path) -> Any:
    return json.loads(Path(path).read_text())


def frames_in(path: str | Path) -> int:
    with av.open(str(path)) as video:
        return sum(1 for _ in video.decode(video=0))


def test_a_video_gives_a_video_a_csv_and_a_summary(crowdmask: Crowdmask) -> None:
    write_clip("crowd.mp4", frames=10, size_wh=(192, 128), audio="aac")
    ran = crowdmask("analyze", "crowd.mp4")
    assert (ran.code, ran.err) == (0, "")
    found = sorted(os.listdir())
    assert found == ["crowd.crowdmask.csv", "crowd.crowdmask.json", "crowd.crowdmask.mp4", "crowd.mp4"]
    got = rows("crowd.crowdmask.csv")
    assert list(got[0]) == COLUMNS
    assert [int(row["frame"]) for row in got] == list(range(10))
    assert [float(row["time_s"]) for row in got] == pytest.approx([i / 25 for i in range(10)])
    assert [int(row["faces"]) for row in got] == [i % 3 + 1 for i in range(10)]
    assert [int(row["unmasked"]) for row in got] == [(i % 3 + 1) // 2 for i in range(10)]
    assert frames_in("crowd.crowdmask.mp4") == 10
    told = summary("crowd.crowdmask.json")
    assert told["state"] == "whole" and told["counts"]["frames"] == 10
    assert told["counts"]["faces"] == sum(i % 3 + 1 for i in range(10))
    assert told["source"]["path"] == "crowd.mp4"


@pytest.mark.parametrize(("option", "value"), [("--shard", "1/2"), ("--cluster", "auto")])
def test_what_only_a_batch_can_do_is_not_ignored(option: str, value: str, crowdmask: Crowdmask) -> None:
    write_clip("crowd.mp4", frames=6, size_wh=(192, 128))
    ran = crowdmask("analyze", "crowd.mp4", option, value)
    assert ran.code == 2 and len(ran.lines) == 1 and f"{option} goes with a batch: give a folder, or --run" in ran.err
    assert not Path("crowd.crowdmask.csv").exists()


def test_what_is_said_at_the_end(crowdmask: Crowdmask) -> None:
    write_clip("crowd.mp4", frames=6, size_wh=(192, 128))
    out = crowdmask("analyze", "crowd.mp4").out
    for words in ("crowd.mp4", "6 frames", "12: 8 masked, 4 unmasked, 0 unknown", "66.7 % of 12 judged faces",
                  "crowd.crowdmask.mp4", "crowd.crowdmask.csv", "crowd.crowdmask.json"):  # fmt: skip
        assert words in out


def test_quiet_says_nothing(crowdmask: Crowdmask) -> None:
    write_clip("crowd.mp4", frames=3)
    assert crowdmask("analyze", "crowd.mp4", "-q").out == ""


def test_verbose_says_where_the_time_goes(crowdmask: Crowdmask) -> None:
    write_clip("crowd.mp4", frames=3)
    ran = crowdmask("analyze", "crowd.mp4", "-v")
    for stage in ("decode", "detect", "classify", "draw", "encode", "other"):
        assert f"\n  {stage} " in ran.err


def test_json_prints_the_summary_and_nothing_else(crowdmask: Crowdmask) -> None:
    write_clip("crowd.mp4", frames=3)
    ran = crowdmask("analyze", "crowd.mp4", "--json")
    found = json.loads(ran.out)
    assert found["results"] == [summary("crowd.crowdmask.json")] and ran.err == ""
    assert found["inputs"] == {"done": 1, "failed": 0, "left": 0} and found["run"] is None
    assert found["counts"] == found["results"][0]["counts"] and found["exit_code"] == 0
    assert_fits("analyze", found)


def test_json_of_several_has_the_same_shape_with_the_failures_in_it(crowdmask: Crowdmask) -> None:
    write_clip("crowd.mp4", frames=3)
    ran = crowdmask("analyze", "none.mp4", "crowd.mp4", "--json")
    found = json.loads(ran.out)
    (failed,), (good,) = found["failures"], found["results"]
    assert ran.code == found["exit_code"] == 3 and failed["source"] == "none.mp4"
    assert "does not exist" in failed["reason"] and good["counts"]["frames"] == 3 == found["counts"]["frames"]
    assert_fits("analyze", found)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "bmp", "tiff"])
def test_a_picture_gives_a_picture_of_its_own_kind(crowdmask: Crowdmask, suffix: str) -> None:
    cv2.imwrite(f"still.{suffix}", make_image(2, (192, 128)))
    ran = crowdmask("analyze", f"still.{suffix}")
    assert (ran.code, ran.err) == (0, "")
    annotated = cv2.imread(f"still.crowdmask.{suffix}")
    assert annotated is not None and annotated.shape == (128, 192, 3)
    assert [row["faces"] for row in rows("still.crowdmask.csv")] == ["3"]


def test_a_picture_is_known_by_its_content(crowdmask: Crowdmask) -> None:
    cv2.imwrite("still.png", make_image(2, (192, 128)))
    os.rename("still.png", "still.mp4")
    assert crowdmask("analyze", "still.mp4").code == 0
    assert cv2.imread("still.crowdmask.jpg") is not None


def test_no_video_writes_numbers_only(crowdmask: Crowdmask) -> None:
    write_clip("crowd.mp4", frames=3)
    assert crowdmask("analyze", "crowd.mp4", "--no-video").code == 0
    assert sorted(os.listdir()) == ["crowd.crowdmask.csv", "crowd.crowdmask.json", "crowd.mp4"]


def test_out_names_the_results(crowdmask: Crowdmask) -> None:
    write_clip("crowd.mp4", frames=3)
    assert crowdmask("analyze", "crowd.mp4", "--out", "new/best.mp4").code == 0
    assert sorted(os.listdir("new")) == ["best.csv", "best.json", "best.mp4"]


def test_spaces_and_other_alphabets(crowdmask: Crowdmask, here: Path) -> None:
    folder = here / "Bahnhof Süd 北"
    folder.mkdir()
    write_clip(folder / "menge à 8h – été.mp4", frames=3)
    ran = crowdmask("analyze", folder / "menge à 8h – été.mp4", "--out-dir", "résultats 1")
    assert ran.code == 0
    assert sorted(os.listdir("résultats 1"))[0] == "menge à 8h – été.crowdmask.csv"


def test_a_name_that_is_no_text(crowdmask: Crowdmask, here: Path) -> None:
    write_clip("a.mp4", frames=3)
    os.rename(b"a.mp4", b"a\xff.mp4")
    ran = crowdmask("analyze", os.fsdecode(b"a\xff.mp4"))
    assert ran.code == 0 and os.path.exists(b"a\xff.crowdmask.csv")
    assert json.loads(Path(os.fsdecode(b"a\xff.crowdmask.json")).read_text(encoding="utf-8"))


def test_two_inputs_of_one_name_have_results_of_their_own(crowdmask: Crowdmask) -> None:
    for folder, frames in (("c1", 3), ("c2", 5)):
        os.mkdir(folder)
        write_clip(f"{folder}/a.mp4", frames=frames)
    assert crowdmask("analyze", "c1/a.mp4", "c2/a.mp4", "--out-dir", "o").code == 0
    assert [len(rows(f"o/{folder}/a.crowdmask.csv")) for folder in ("c1", "c2")] == [3, 5]


@pytest.mark.parametrize("name", ["faces.csv", "faces.parquet"])
def test_detections_of_all_inputs_in_one_file(crowdmask: Crowdmask, name: str) -> None:
    write_clip("a.mp4", frames=3)
    write_clip("b.mp4", frames=2)
    ran = crowdmask("analyze", "a.mp4", "missing.mp4", "b.mp4", "--detections", name, "--no-video")
    assert ran.code == 3
    if name.endswith(".csv"):
        sources = [row["source"] for row in rows(name)]
    else:
        sources = pq.read_table(name).column("source").to_pylist()
    assert sources == ["a.mp4"] * 6 + ["b.mp4"] * 3


def test_a_second_run_takes_its_own_outputs_for_no_inputs(crowdmask: Crowdmask) -> None:
    write_clip("a.mp4", frames=3)
    crowdmask("analyze", "a.mp4")
    ran = crowdmask("analyze", "a.crowdmask.mp4", "a.mp4", "--overwrite")
    assert ran.code == 0 and "a.crowdmask.mp4: left out, crowdmask wrote it" in ran.err
    assert not Path("a.crowdmask.crowdmask.csv").exists()


def test_start_end_and_every(crowdmask: Crowdmask) -> None:
    write_clip("a.mp4", frames=25)
    assert crowdmask("analyze", "a.mp4", "--start", "00:00:00.2", "--end", "0.6", "--every", "2").code == 0
    assert [int(row["frame"]) for row in rows("a.crowdmask.csv")] == [6, 8, 10, 12, 14]


def test_settings_come_from_everywhere_and_are_kept(crowdmask: Crowdmask, monkeypatch: pytest.MonkeyPatch) -> None:
    write_clip("a.mp4", frames=2)
    Path("crowdmask.toml").write_text('[analyze]\nconfidence = 0.2\nwindow = 3\nunsure-band = 0.05\nout-dir = "o"')
    monkeypatch.setenv("CROWDMASK_CONFIDENCE", "0.3")
    monkeypatch.setenv("CROWDMASK_WINDOW", "4")
    assert crowdmask("analyze", "a.mp4", "--confidence", "0.4").code == 0
    kept = summary("o/a.crowdmask.json")["settings"]
    assert kept["analysis"]["confidence"] == 0.4
    assert kept["runtime"]["window"] == 4
    assert kept["analysis"]["unsure_band"] == 0.05
    assert kept["analysis"]["mask_threshold"] == AnalysisSettings().mask_threshold


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ([], "Missing argument 'INPUTS...'"),
        (["a.mp4", "--nonsense"], "--nonsense"),
        (["a.mp4", "--start", "5", "--end", "3"], "the end (3 s) must come after the start (5 s)"),
        (["a.mp4", "--end", "5", "--duration", "3"], "end and duration contradict"),
        (["a.mp4", "--duration", "0"], "the duration is 0"),
        (["a.mp4", "--out", "b.mp4", "--out-dir", "c"], "--out and --out-dir contradict"),
        (["a.mp4", "b.mp4", "--out", "c.mp4"], "--out names one result and there are 2 inputs"),
        (["a.mp4", "--out", "c.avi"], "c.avi: the annotated video is written as .mp4"),
        (["a.mp4", "--detections", "c.txt"], "c.txt: detections are written as CSV or Parquet"),
        (["a.mp4", "--config", "none.toml"], "none.toml: there is no such config file"),
        (["."], "a batch needs a folder for its results"),
        (["x.crowdmask.mp4"], "nothing to analyse"),
    ],
)
def test_wrong_use(crowdmask: Crowdmask, args: list[str], words: str) -> None:
    ran = crowdmask("analyze", *args)
    assert ran.code == 2 and words in ran.err and len(ran.lines) == (2 if "x.crowdmask.mp4" in args else 1)


def out_of_range() -> list[tuple[str, str]]:
    wrong = []
    for f in fields_of(AnalysisSettings, RuntimeSettings, OutputSettings, Destinations):
        kind, low, high = kind_of(f)[0], f.metadata["low"], f.metadata["high"]
        if f.metadata["choices"]:
            wrong.append((key_of(f), "nonsense"))
        if kind in ("int", "float"):
            wrong += [(key_of(f), "nonsense"), (key_of(f), str(low - 1))]
        if high is not None:
            wrong.append((key_of(f), str(high + 1)))
    return wrong


@pytest.mark.parametrize(("key", "value"), out_of_range())
def test_every_option_refuses_what_is_out_of_its_range(crowdmask: Crowdmask, key: str, value: str) -> None:
    ran = crowdmask("analyze", "a.mp4", f"--{key}", value)
    assert ran.code == 2 and len(ran.lines) == 1
    assert f"'--{key}': '{value}': " in ran.err and "crowdmask analyze --help" in ran.err


@pytest.mark.parametrize(
    "setting", [{"window": 1, "threads": 1}, {"window": 3, "batch": 2}, {"window": 64, "threads": 2}]
)
def test_how_the_work_is_done_changes_no_row(crowdmask: Crowdmask, setting: dict[str, int]) -> None:
    write_clip("a.mp4", frames=23, size_wh=(192, 128))
    crowdmask("analyze", "a.mp4", "--no-video")
    options = [part for name, value in setting.items() for part in (f"--{name}", value)]
    assert crowdmask("analyze", "a.mp4", "--no-video", "--out-dir", "o", *options).code == 0
    assert Path("o/a.crowdmask.csv").read_bytes() == Path("a.crowdmask.csv").read_bytes()


def test_networks_are_loaded_once_and_not_for_inputs_that_cannot_be_read(crowdmask: Crowdmask) -> None:
    loaded = []

    def counting(analysis: AnalysisSettings, runtime: RuntimeSettings) -> Any:
        loaded.append(analysis)
        return fake_networks(analysis, runtime)

    assert crowdmask("analyze", "none.mp4", networks=counting).code == 1
    assert loaded == []


def test_pictures_of_noise_have_no_faces(crowdmask: Crowdmask) -> None:
    cv2.imwrite("grey.png", np.full((64, 96, 3), 128, np.uint8))
    ran = crowdmask("analyze", "grey.png")
    assert ran.code == 0 and "no face could be judged" in ran.out
    assert rows("grey.crowdmask.csv")[0]["compliance"] == ""


@pytest.fixture
def server(here: Path) -> Iterator[str]:
    """An address under which the files of the current folder can be had."""
    handler = functools.partial(QuietHandler, directory=str(here))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as served:
        thread = threading.Thread(target=served.serve_forever)
        thread.start()
        yield f"127.0.0.1:{served.server_port}"
        served.shutdown()
        thread.join()


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *args: Any) -> None:
        """Says nothing."""


def test_an_address_is_analysed_for_a_while_and_its_password_kept_nowhere(crowdmask: Crowdmask, server: str) -> None:
    write_clip("live.ts", frames=50, size_wh=(192, 128))
    ran = crowdmask(
        "analyze",
        f"http://me:secret@{server}/live.ts",
        "--duration",
        "0.4",
        "--out-dir",
        "o",
        "--detections",
        "o/f.csv",
    )
    assert ran.code == 0
    name = server.replace(":", "-") + "-live.ts.crowdmask"
    assert sorted(os.listdir("o")) == sorted([f"{name}.csv", f"{name}.json", f"{name}.mp4", "f.csv"])
    assert len(rows(f"o/{name}.csv")) == 10
    assert "secret" not in ran.out + ran.err
    assert not [path for path in Path("o").iterdir() if b"secret" in path.read_bytes()]


def test_an_address_without_an_answer(crowdmask: Crowdmask, server: str) -> None:
    ran = crowdmask("analyze", f"http://me:secret@{server}/none.ts")
    assert ran.code == 1 and len(ran.lines) == 1 and "secret" not in ran.err
    assert "none.ts" in ran.err and "check the address" in ran.err


def test_what_became_of_the_sound_is_said_at_the_end_and_in_the_summary(crowdmask: Crowdmask) -> None:
    write_clip("in.avi", (192, 128), 5, codec="mjpeg", pix_fmt="yuvj420p", audio="pcm_s16le")
    ran = crowdmask("analyze", "in.avi")
    assert ran.code == 0
    assert "encoded to AAC: MP4 cannot hold pcm_s16le" in ran.out
    (note,) = json.loads(Path("in.crowdmask.json").read_text())["notes"]
    assert "pcm_s16le" in note


def test_an_overlay_beside_the_untouched_video(crowdmask: Crowdmask) -> None:
    write_clip("in.mp4", (192, 128), 5)
    ran = crowdmask("analyze", "in.mp4", "--video-overlay")
    assert ran.code == 0
    assert "in.crowdmask.mkv" in ran.out
    assert Path("in.crowdmask.mkv").is_file() and not Path("in.crowdmask.mp4").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("in.mp4", "--video-overlay", "--blur"), "every face in it"),
        (("rtsp://camera.invalid/1", "--video-overlay"), "can be read only once"),
        ((".", "--video-overlay", "--out-dir", "run"), "not with a batch"),
    ],
)
def test_where_an_overlay_cannot_be(arguments: tuple[str, ...], said: str, crowdmask: Crowdmask) -> None:
    write_clip("in.mp4", (192, 128), 2)
    ran = crowdmask("analyze", *arguments)
    assert ran.code == 2
    assert said in ran.lines[-1]
