from __future__ import annotations

import numpy as np

from crowdmask.tracking.observations import states_of
from crowdmask.tracking.steady_camera import SteadyCamera, in_picture

PAN_LEFT = np.array([[1, 0, -10], [0, 1, 0]], float)  # what stands still is 10 pixels farther left in the next picture
ZOOM = np.array([[2, 0, 0], [0, 2, 0]], float)


def test_what_stands_still_in_the_world_stays_where_it_was() -> None:
    camera = SteadyCamera()
    first = camera.steady(states_of(np.array([[100, 50, 120, 80]])))
    camera.move(PAN_LEFT)
    assert np.allclose(camera.steady(states_of(np.array([[90, 50, 110, 80]]))), first)
    camera.move(ZOOM)
    assert np.allclose(camera.steady(states_of(np.array([[180, 100, 220, 160]]))), first)


def test_the_way_back_is_that_of_the_picture() -> None:
    camera = SteadyCamera()
    camera.move(PAN_LEFT)
    pose = camera.pose
    here = states_of(np.array([[90.0, 50, 110, 80]]))
    steady = camera.steady(here)
    camera.move(ZOOM)
    assert np.allclose(in_picture(steady, pose), here)


def test_what_is_no_motion_of_a_camera_is_not_believed() -> None:
    camera = SteadyCamera()
    for nonsense in (np.full((2, 3), np.nan), np.zeros((2, 3))):
        camera.move(nonsense)
    assert camera.pose == (1, 0)


def test_an_endless_zoom_stays_finite() -> None:
    camera = SteadyCamera()
    for _ in range(500):
        camera.move(ZOOM)
    turn, shift = camera.pose
    assert np.isfinite([abs(turn), abs(shift)]).all() and abs(turn) > 1e-10
