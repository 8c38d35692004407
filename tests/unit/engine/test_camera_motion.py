from __future__ import annotations

import cv2
import numpy as np

from crowdmask.engine.camera_motion import CameraMotion


def world(seed: int = 0) -> np.ndarray:
    """A large picture with corners everywhere."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 255, (60, 90, 3), np.uint8)
    return np.asarray(cv2.resize(coarse, (1800, 1200), interpolation=cv2.INTER_NEAREST), np.uint8)


def view(x: int, y: int) -> np.ndarray:
    return np.ascontiguousarray(world()[y : y + 540, x : x + 960])


def test_a_camera_that_stands_still_has_no_motion() -> None:
    camera = CameraMotion()
    assert camera.step(view(100, 100)) is None
    assert camera.step(view(100, 100)) is None


def test_a_pan_is_measured_in_pixels_of_the_frame() -> None:
    camera = CameraMotion()
    camera.step(view(100, 100))
    motion = camera.step(view(124, 91))
    assert motion is not None
    assert np.allclose(motion[:, :2], np.eye(2), atol=0.01)
    assert np.allclose(motion @ [480, 270, 1], [480 - 24, 270 + 9], atol=1.0)


def test_people_who_walk_do_not_move_the_camera() -> None:
    camera = CameraMotion()
    face = np.array([[300, 100, 360, 160]], np.float32)
    person = world(7)
    for k in range(3):
        picture = view(100, 100)
        x = 250 + 12 * k
        picture[80:500, x : x + 160] = person[:420, :160]
        motion = camera.step(picture, face + np.array([12 * k, 0, 12 * k, 0], np.float32))
        assert motion is None


def test_a_picture_without_corners_or_of_another_size_says_nothing() -> None:
    camera = CameraMotion()
    grey = np.full((540, 960, 3), 128, np.uint8)
    assert camera.step(grey) is None and camera.step(grey) is None
    camera.step(view(0, 0))
    assert camera.step(view(0, 0)[:270]) is None


def test_the_same_pictures_give_the_same_motion() -> None:
    def run() -> np.ndarray:
        camera = CameraMotion()
        camera.step(view(10, 10))
        motion = camera.step(view(17, 12))
        assert motion is not None
        return motion

    assert np.array_equal(run(), run())
