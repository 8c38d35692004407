"""What every face detector keeps to: boxes in the picture's own pixels, best score first, any size of picture."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest

from crowdmask.engine.detectors import LOADERS, WEIGHTS
from crowdmask.engine.detectors.haar import score as haar_score
from crowdmask.engine.detectors.ssd_caffe import SsdDetector, decoded
from crowdmask.engine.detectors.yunet import YunetCells, as_our_outputs
from crowdmask.engine.load import entries_of, load_detector
from crowdmask.engine.protocols import FaceDetector
from crowdmask.errors import SettingsError, WeightsError
from crowdmask.nets.weights import Manifest
from crowdmask.settings import DETECTORS, AnalysisSettings, RuntimeSettings
from tests.contract.made_caffe import write_ssd

SAMPLES = Path(__file__).parents[2] / "samples"
RUNTIME = RuntimeSettings(threads=1)
SMALL = {"detection_size": 320, "precision": "float32", "confidence": 0.3, "follow": False}


def why_not(name: str) -> str:
    """Why a detector cannot be tried here; empty where it can."""
    if name == "haar" and not hasattr(getattr(cv2, "xobjdetect", cv2), "CascadeClassifier"):
        return "OpenCV 5 has the cascades in its contrib package alone"
    if name == "ssd-caffe" and not hasattr(cv2.dnn, "readNetFromCaffe"):
        return "OpenCV 5 reads no Caffe"
    if name == "mtcnn" and find_spec("mtcnn") is None:
        return "needs crowdmask[detectors]"
    if name == "yunet" and find_spec("openvino") is None:
        return "needs openvino"
    missing = [w for w in WEIGHTS.get(name, ()) if Manifest.load().find(w) is None]
    return f"its weights are not fetched: {', '.join(missing)}" if missing else ""


@cache
def detector_of(name: str) -> FaceDetector:
    return load_detector(AnalysisSettings(detector=name, **SMALL), RUNTIME)


@pytest.fixture(params=DETECTORS, scope="module")
def detector(request: pytest.FixtureRequest) -> Iterator[FaceDetector]:
    reason = why_not(request.param)
    if reason:
        pytest.skip(reason)
    yield detector_of(request.param)


@pytest.fixture(scope="module")
def people() -> np.ndarray:
    picture = cv2.imread(str(SAMPLES / "hall.jpg"))
    assert picture is not None
    return np.asarray(picture, np.uint8)


def test_every_name_has_its_loader() -> None:
    assert set(DETECTORS) == {"retinaface-mobilenet", *LOADERS}


def test_faces_are_found_in_the_pictures_own_pixels(detector: FaceDetector, people: np.ndarray) -> None:
    small = np.asarray(cv2.resize(people, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)
    whole, half, none = detector.detect([people, small, np.full((90, 160, 3), 128, np.uint8)])
    assert len(none) == 0
    for faces, image in ((whole, people), (half, small)):
        height, width = image.shape[:2]
        n = len(faces)
        assert faces.boxes.shape == (n, 4)
        assert faces.landmarks.shape == (n, 5, 2)
        assert faces.boxes.dtype == faces.scores.dtype == faces.landmarks.dtype == np.float32
        assert (faces.boxes >= 0).all()
        assert (faces.boxes[:, [0, 2]] <= width).all()
        assert (faces.boxes[:, [1, 3]] <= height).all()
        assert (faces.boxes[:, 2:] > faces.boxes[:, :2]).all()
        assert (np.diff(faces.scores) <= 0).all()
        assert ((faces.scores >= 0.3) & (faces.scores <= 1)).all()
    assert len(whole) > 0


def test_a_picture_gives_the_same_alone_and_among_others(detector: FaceDetector, people: np.ndarray) -> None:
    other = np.ascontiguousarray(people[:, ::-1])
    together, alone = detector.detect([other, people])[1], detector.detect([people])[0]
    assert np.allclose(together.boxes, alone.boxes, atol=0.5)
    assert np.allclose(together.scores, alone.scores, atol=1e-3)


@pytest.mark.parametrize("size_wh", [(1, 1), (3, 200), (200, 2), (33, 31)])
def test_any_size_will_do(detector: FaceDetector, size_wh: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (size_wh[1], size_wh[0], 3)).astype(np.uint8)
    (faces,) = detector.detect([picture])
    assert (faces.boxes[:, [0, 2]] <= size_wh[0]).all()
    assert detector.detect([]) == []


@pytest.mark.parametrize("name", ["haar", "ssd-caffe"])
def test_what_this_opencv_lacks_is_said_with_the_remedy(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(cv2, "CascadeClassifier", raising=False)
    monkeypatch.delattr(cv2, "xobjdetect", raising=False)
    monkeypatch.delattr(cv2.dnn, "readNetFromCaffe", raising=False)
    with pytest.raises(SettingsError, match=rf"{name} needs OpenCV 4.*opencv-python-headless<5"):
        load_detector(AnalysisSettings(detector=name), RUNTIME)


def test_weights_that_are_not_fetched_are_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CROWDMASK_CACHE", str(tmp_path))
    monkeypatch.setattr(cv2.dnn, "readNetFromCaffe", lambda *_: None, raising=False)
    with pytest.raises(WeightsError, match="crowdmask weights fetch ssd-caffe-graph"):
        load_detector(AnalysisSettings(detector="ssd-caffe"), RUNTIME)


def test_the_weights_of_a_detector_are_named() -> None:
    names = [entry.name for entry, _ in entries_of(AnalysisSettings(detector="ssd-caffe"))]
    assert names == ["ssd-caffe", "ssd-caffe-graph", "xception"]
    assert [entry.name for entry, _ in entries_of(AnalysisSettings(detector="haar"))] == ["xception"]


def test_ssd_rows_by_hand() -> None:
    output = np.array([[[[0, 1, 0.9, 0.1, 0.2, 0.5, 0.6], [0, 0, 0.8, 0, 0, 1, 1]]]], np.float32)
    boxes, scores = decoded(output, (200, 100))
    assert boxes.tolist() == [pytest.approx([20, 20, 100, 60])]
    assert scores.tolist() == [pytest.approx(0.9)]


def test_ssd_in_caffes_format_finds_what_its_made_up_weights_know(tmp_path: Path) -> None:
    if not hasattr(cv2.dnn, "readNetFromCaffe"):
        pytest.skip("OpenCV 5 reads no Caffe")
    network = cv2.dnn.readNetFromCaffe(*(str(path) for path in write_ssd(tmp_path)))
    picture = np.full((600, 900, 3), 20, np.uint8)
    picture[200:400, 300:600] = 250
    # enlarged for the detector, squeezed to 300 x 300, and back again
    detector = SsdDetector(network, AnalysisSettings(follow=False, confidence=0.5, detection_size=1280))
    (faces,) = detector.detect([picture])
    assert np.allclose(faces.boxes, [[300, 200, 600, 400]], atol=0.5)
    assert faces.scores == pytest.approx([1.0], abs=1e-3)
    assert np.isnan(faces.landmarks).all()
    assert len(detector.detect([np.full((600, 900, 3), 20, np.uint8)])[0]) == 0


def test_yunet_cells_by_hand() -> None:
    grid = YunetCells()
    anchors = grid.boxes_cxcywh((64, 32))
    assert len(anchors) == 8 * 4 + 4 * 2 + 2
    assert anchors[9].tolist() == [8, 8, 8, 8]  # second row, second cell, counted from its corner
    offsets = np.array([[0.5, 0.25, np.log(2), 0.0]], np.float32)
    assert np.allclose(grid.decode_boxes(offsets, anchors[9:10]), [[8 + 4 - 8, 8 + 2 - 4, 8 + 4 + 8, 8 + 2 + 4]])
    points = grid.decode_landmarks(np.full((1, 10), 0.5, np.float32), anchors[9:10])
    assert np.allclose(points, 12)


def test_yunet_scores_are_the_mean_of_two_answers() -> None:
    level = {"cls": 0.81, "obj": 1.0}
    outputs = {f"{k}_{s}": np.full((1, 2, 1), v, np.float32) for k, v in level.items() for s in (8, 16, 32)}
    outputs |= {f"{k}_{s}": np.zeros((1, 2, n), np.float32) for k, n in (("bbox", 4), ("kps", 10)) for s in (8, 16, 32)}
    face = as_our_outputs(outputs)["face"]
    assert face.shape == (1, 6)
    assert np.allclose(1 / (1 + np.exp(-face)), 0.9, atol=1e-5)


def test_haar_weights_rank() -> None:
    assert haar_score([0.8, 3.5]) == pytest.approx([0.6, 0.85], abs=0.01)
