"""The Python API: a generator of results that cleans up after itself."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import crowdmask
from crowdmask import Analyzer
from crowdmask.errors import SourceError
from crowdmask.jobs.networks import Pair
from crowdmask.settings import AnalysisSettings, BatchSettings, RuntimeSettings
from tests.factories import FakeClassifier, FakeDetector, make_image, write_clip


def fake(settings: AnalysisSettings | None = None, runtime: RuntimeSettings | None = None) -> Analyzer:
    each_frame = replace(settings or AnalysisSettings(), follow=False)
    return Analyzer(each_frame, runtime, detector=FakeDetector(), classifier=FakeClassifier())


def our_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("crowdmask")]


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return Path(write_clip(tmp_path / "a.mp4", frames=40, size_wh=(192, 128)))


def test_one_result_for_each_frame_in_order(video: Path) -> None:
    results = list(fake().stream(video))
    assert [r.frame.index for r in results] == list(range(40))
    assert [r.frame.seconds for r in results] == pytest.approx([i / 25 for i in range(40)])
    assert [r.counts.unmasked for r in results] == [(i % 3 + 1) // 2 for i in range(40)]
    assert our_threads() == []


def test_a_picture(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), make_image(2, (192, 128)))
    (result,) = fake().stream(str(tmp_path / "a.png"))
    assert (result.counts.masked, result.counts.unmasked) == (2, 1)


def test_settings_are_honoured(video: Path) -> None:
    settings = AnalysisSettings(start_s=0.4, duration_s=0.4, every=5)
    assert [r.frame.index for r in fake(settings).stream(video)] == [10, 15]


def test_one_analyzer_takes_input_after_input(video: Path) -> None:
    analyzer = fake()
    assert len(list(analyzer.stream(video))) == len(list(analyzer.stream(video))) == 40


def test_closing_early_ends_the_threads_and_the_file_can_go(video: Path) -> None:
    results = fake(runtime=RuntimeSettings(window=4)).stream(video)
    next(results)
    assert our_threads() == ["crowdmask-ahead"]
    results.close()
    assert our_threads() == []
    assert str(video) not in {str(p.resolve()) for p in Path("/proc/self/fd").iterdir() if p.exists()}


def test_leaving_the_loop_ends_the_threads(video: Path) -> None:
    for result in fake(runtime=RuntimeSettings(window=4)).stream(video):
        if result.frame.index == 5:
            break
    del result
    assert our_threads() == []


def test_nothing_is_opened_before_the_first_result_is_asked_for() -> None:
    results = fake().stream("none.mp4")
    with pytest.raises(SourceError, match=r"none\.mp4 does not exist"):
        next(results)


def test_a_fault_of_the_network_comes_through_and_ends_the_threads(video: Path) -> None:
    class Faulty(FakeDetector):
        def detect(self, images: Sequence[np.ndarray[Any, Any]]) -> Any:
            raise RuntimeError("out of order")

    with pytest.raises(RuntimeError, match="out of order"):
        list(Analyzer(detector=Faulty(), classifier=FakeClassifier()).stream(video))
    assert our_threads() == []


def test_importing_it_loads_nothing_heavy() -> None:
    heavy = "{'tensorflow', 'keras', 'cv2', 'av'}"
    code = f"import sys\nfrom crowdmask import Analyzer\nprint(sorted({heavy} & set(sys.modules)))"
    root = Path(__file__).parents[2]
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert ran.stdout.strip() == "[]"


def test_the_package_says_what_it_lacks() -> None:
    import crowdmask

    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = crowdmask.nonsense


def test_arrays_lists_and_open_generators_are_taken(video: Path) -> None:
    images = [make_image(i, (192, 128)) for i in range(7)]
    expected = [result.counts for result in fake().stream(images)]
    assert [counts.faces for counts in expected] == [i % 3 + 1 for i in range(7)]
    assert [result.counts for result in fake().stream(image for image in images)] == expected
    (one,) = fake().stream(images[2])
    assert one.counts == expected[2] and one.frame.seconds == 0.0
    times = [result.frame.seconds for result in fake().stream(images, fps=10.0)]
    assert times == pytest.approx([i / 10 for i in range(7)])
    both = list(fake().stream([video, str(video)]))
    assert len(both) == 80 and both[40].frame.index == 0


def test_followed_arrays_have_their_pictures() -> None:
    images = [make_image(i, (192, 128)) for i in range(30)]
    analyzer = Analyzer(detector=FakeDetector(), classifier=FakeClassifier())
    results = list(analyzer.stream(iter(images)))
    assert [result.frame.index for result in results] == list(range(30))
    assert all(np.array_equal(result.frame.image, image) for result, image in zip(results, images, strict=True))


@pytest.mark.parametrize("given", [5.5, None, b"a.mp4", [2.5], object], ids=str)
def test_what_is_no_source_is_named_with_what_would_be(given: Any) -> None:
    with pytest.raises(SourceError, match=r"is no source: give a path, a camera's number, .* arrays$") as said:
        next(fake().stream(given))
    assert repr(given[0] if isinstance(given, list) else given) in str(said.value) and "\n" not in str(said.value)


def test_what_is_no_picture_is_named() -> None:
    with pytest.raises(SourceError, match=r"uint8 in BGR, it is float64 \(4, 4\)"):
        next(fake().stream(np.zeros((4, 4))))  # type: ignore[arg-type]


def test_what_a_result_says_of_itself(video: Path) -> None:
    result = next(fake().stream(video))
    found = result.to_dict()
    assert found["frame"] == 0 and len(found["faces"]) == sum(found["counts"].values()) == 1
    assert found["faces"][0]["verdict"] == "masked" and len(found["faces"][0]["box_xyxy"]) == 4
    assert repr(result).startswith("FrameResult(frame=0, seconds=0, 1 masked, ") and len(repr(result)) < 120
    assert repr(result.faces) == f"Faces({len(result.faces)})"
    assert repr(result.frame).startswith("Frame(0, seconds=0, ") and len(repr(result.frame)) < 120
    json.dumps(found)
    assert repr(fake()) == "Analyzer(retinaface-mobilenet, loaded)"
    drawn = crowdmask.draw(result)
    assert drawn.shape == result.frame.image.shape and not np.array_equal(drawn, result.frame.image)
    assert set(dir(crowdmask)) == {"Analyzer", "__version__", "analyze_folder", "draw", "faces_frame"}


def test_faces_as_a_table(video: Path) -> None:
    pytest.importorskip("pandas")
    table = crowdmask.faces_frame(fake().stream(video))
    assert len(table) == sum(i % 3 + 1 for i in range(40)) and set(table["verdict"]) == {"masked", "unmasked"}


def test_a_folder_is_a_batch_with_a_callback(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write_clip(tmp_path / "in" / "a.mp4", frames=3)
    heard: list[tuple[int, int, int]] = []
    summary = crowdmask.analyze_folder(
        tmp_path / "in",
        tmp_path / "run",
        callback=lambda *numbers: heard.append(numbers),
        networks=lambda analysis, runtime: Pair(FakeDetector(), FakeClassifier()),
        batch=BatchSettings(settle_s=0.0),
    )
    assert summary["counts"]["frames"] == 3 and heard[-1][0] == 1
    assert (tmp_path / "run" / "frames.csv").is_file()


@pytest.mark.parametrize("name", ["frames", "table", "night"])
def test_the_examples_run(
    name: str, video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("crowdmask.engine.load.load_detector", lambda analysis, runtime: FakeDetector())
    monkeypatch.setattr("crowdmask.engine.load.load_classifier", lambda analysis, runtime: FakeClassifier())
    monkeypatch.setattr("crowdmask.jobs.networks.own_networks", lambda a, r: Pair(FakeDetector(), FakeClassifier()))
    monkeypatch.chdir(tmp_path)
    given = tmp_path if name == "night" else video
    monkeypatch.setattr(sys, "argv", [name, str(given), str(tmp_path / "out")])
    runpy.run_path(str(Path(__file__).parents[2] / "examples" / f"{name}.py"))
    assert capsys.readouterr().out.strip()
