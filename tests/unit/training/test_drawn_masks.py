"""Masks drawn by landmarks: they cover what they must and leave the rest as it was."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from crowdmask.training.drawn_masks import draw_mask, recloth, scarf

SIDE = 96
# a face seen from the front: eyes, nose, corners of the mouth
FRONT = np.array([[34, 38], [62, 38], [48, 54], [38, 66], [58, 66]], np.float32)
LEFT = np.array([[30, 38], [46, 38], [28, 54], [32, 66], [44, 66]], np.float32)


def face() -> NDArray[np.uint8]:
    grain = np.random.default_rng(0).normal(0, 3, (SIDE, SIDE, 3))
    return np.asarray(np.clip(np.array([130, 160, 210]) + grain, 0, 255), np.uint8)


def changed(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return np.asarray(np.abs(before.astype(int) - after.astype(int)).sum(axis=2) > 0)


def at(where: NDArray[np.bool_], point: NDArray[np.float32], reach: int = 2) -> float:
    x, y = (int(v) for v in point)
    return float(where[y - reach : y + reach + 1, x - reach : x + reach + 1].mean())


@pytest.mark.parametrize("points", [FRONT, LEFT])
@pytest.mark.parametrize("seed", range(12))
def test_worn_as_it_should_be_it_covers_nose_and_mouth_and_no_eye(points: NDArray[np.float32], seed: int) -> None:
    before = face()
    where = changed(before, draw_mask(before, points, np.random.default_rng(seed), worn_wrongly=False))
    assert at(where, points[2]) > 0.9 and at(where, points[3:].mean(0)) > 0.9
    # straps pass at the eyes' height, outside of them
    assert at(where, points[:2].mean(0)) == 0.0


@pytest.mark.parametrize("seed", range(12))
def test_worn_wrongly_it_leaves_the_nose_free_and_reaches_the_chin(seed: int) -> None:
    before = face()
    where = changed(before, draw_mask(before, FRONT, np.random.default_rng(seed), worn_wrongly=True))
    assert at(where, FRONT[2] - (0, 2)) == 0.0
    assert at(where, np.array([48, 77], np.float32)) > 0.5


@pytest.mark.parametrize("seed", range(6))
def test_another_cloth_stays_where_the_mask_was(seed: int) -> None:
    before = face()
    before[48:84, 28:68] = (230, 230, 235)
    where = changed(before, recloth(before, FRONT, np.random.default_rng(seed)))
    assert at(where, np.array([48, 64], np.float32), 6) > 0.9
    assert not where[:30].any()


@pytest.mark.parametrize("seed", range(6))
def test_a_scarf_lies_below_the_mouth(seed: int) -> None:
    before = face()
    where = changed(before, scarf(before, FRONT, np.random.default_rng(seed)))
    assert not where[:68].any() and where[-3:].any()


def test_the_same_seed_draws_the_same() -> None:
    first, again = (draw_mask(face(), FRONT, np.random.default_rng(3), worn_wrongly=False) for _ in range(2))
    assert np.array_equal(first, again)


def test_points_outside_of_the_crop_do_no_harm() -> None:
    away = FRONT + np.float32(300)
    for seed in range(4):
        rng = np.random.default_rng(seed)
        for drawn in (
            draw_mask(face(), away, rng, worn_wrongly=False),
            recloth(face(), away, rng),
            scarf(face(), away, rng),
        ):
            assert drawn.shape == (SIDE, SIDE, 3) and drawn.dtype == np.uint8
