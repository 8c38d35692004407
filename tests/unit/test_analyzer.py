"""The Python API: a generator of results that cleans up after itself."""

from __future__ import annotations

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

from crowdmask import Analyzer
from crowdmask.errors import SourceError
from crowdmask.settings import AnalysisSettings, RuntimeSettings
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
