from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crowdmask.tracking.zones import Crossing, Line, Visit, Zone, Zones, ZoneWatch, beside, inside, standing

SQUARE = ((0.2, 0.2), (0.6, 0.2), (0.6, 0.6), (0.2, 0.6))
DOOR = Line("door", (0.2, 0.5), (0.8, 0.5))  # from left to right: who walks down the picture comes in
SIZE_WH = (1000, 500)


def box(x: float, y: float, height: float = 20) -> list[float]:
    """A face box whose bottom centre is at these parts of the frame."""
    cx, bottom = x * SIZE_WH[0], y * SIZE_WH[1]
    return [cx - height / 2, bottom - height, cx + height / 2, bottom]


def walk(zones: Zones, way: list[tuple[float, float] | None], rate: float = 10) -> ZoneWatch:
    """Person 1 goes there, frame by frame; None is a frame without them."""
    watch = ZoneWatch(zones, SIZE_WH)
    for k, at in enumerate(way):
        there = np.array([box(*at)] if at else [], np.float32).reshape(-1, 4)
        watch.frame(k / rate, np.array([1] * len(there), np.int32), there)
    return watch


def test_a_person_stands_below_the_face() -> None:
    boxes = np.array([[90, 100, 110, 120], [0, 450, 20, 480]], np.float32)
    feet = standing(boxes, SIZE_WH, 3.0)
    assert feet[0] == pytest.approx([0.1, (120 + 60) / 500])
    assert feet[1, 1] == pytest.approx(1.0) and feet[1, 1] < 1.0  # feet below the picture count at its edge


def test_inside_a_polygon_with_a_notch() -> None:
    notched = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 0.4), (0.0, 1.0))
    points = np.array([[0.5, 0.2], [0.5, 0.6], [0.1, 0.7], [0.9, 0.7], [1.2, 0.5]])
    assert inside(notched, points).tolist() == [True, False, True, True, False]


@given(st.floats(0, 1), st.floats(0, 1))
def test_two_halves_share_no_point_and_leave_none_out(x: float, y: float) -> None:
    point = np.array([[x * 0.999, y * 0.999]])
    left = inside(((0, 0), (0.5, 0), (0.5, 1), (0, 1)), point)[0]
    right = inside(((0.5, 0), (1, 0), (1, 1), (0.5, 1)), point)[0]
    assert left != right


def test_right_of_a_line_is_where_the_arrow_points() -> None:
    right, along = beside(DOOR, np.array([[0.5, 0.7], [0.5, 0.3], [0.9, 0.5]]), aspect=2.0)
    assert right == pytest.approx([0.2, -0.2, 0.0]) and along[0] == pytest.approx(0.5) and along[2] > 1


def test_a_visit_and_its_dwell() -> None:
    zones = Zones((Zone("hall", SQUARE),), (), feet_below=0.0)
    way: list[tuple[float, float] | None] = [(0.1, 0.4)] * 10 + [(0.4, 0.4)] * 21 + [(0.7, 0.4)] * 20
    trace = walk(zones, way).take(1)
    assert trace.visits == [Visit("hall", 1.0, 3.0)] and trace.dwell_s("hall") == pytest.approx(2.0)


def test_out_for_a_moment_is_the_same_visit_and_for_longer_another() -> None:
    zones = Zones((Zone("hall", SQUARE),), (), feet_below=0.0)
    there: list[tuple[float, float] | None] = [(0.4, 0.4)] * 10
    briefly = walk(zones, there + [(0.61, 0.4)] * 5 + there).take(1)
    assert len(briefly.visits) == 1
    longer = walk(zones, there + [(0.7, 0.4)] * 15 + there).take(1)
    assert [v.first_s for v in longer.visits] == [0.0, 2.5]
    assert longer.dwell_s("hall") == pytest.approx(1.8)


def test_crossing_down_is_in_and_back_is_out() -> None:
    zones = Zones((), (DOOR,), feet_below=0.0)
    down: list[tuple[float, float] | None] = [(0.5, 0.3 + 0.02 * k) for k in range(21)]
    trace = walk(zones, down + down[::-1]).take(1)
    assert [(c.line, c.way) for c in trace.crossings] == [("door", "in"), ("door", "out")]
    assert trace.crossings[0].seconds == pytest.approx(1.1, abs=0.15)


def test_past_the_end_of_a_line_is_no_crossing() -> None:
    zones = Zones((), (DOOR,), feet_below=0.0)
    assert walk(zones, [(0.9, 0.3 + 0.02 * k) for k in range(21)]).take(1).crossings == []


def test_trembling_on_a_line_is_no_crossing() -> None:
    zones = Zones((), (DOOR,), feet_below=0.0)
    trembling: list[tuple[float, float] | None] = [(0.5, 0.3)] + [(0.5, 0.5 + 0.005 * (-1) ** k) for k in range(50)]
    assert walk(zones, trembling).take(1).crossings == []
    assert walk(zones, [*trembling, (0.5, 0.7)]).take(1).crossings == [Crossing("door", "in", 5.1)]


def test_a_crossing_while_hidden_counts_where_the_face_comes_back() -> None:
    zones = Zones((), (DOOR,), feet_below=0.0)
    trace = walk(zones, [(0.5, 0.3)] * 3 + [None] * 5 + [(0.5, 0.7)] * 3).take(1)
    assert [c.way for c in trace.crossings] == ["in"]


def test_whoever_was_taken_is_forgotten() -> None:
    watch = walk(Zones((Zone("hall", SQUARE),), (DOOR,), 0.0), [(0.4, 0.4)] * 5)
    assert watch.take(1).visits and not watch.take(1).visits
    assert not vars(watch)["_sides"]


@given(st.lists(st.tuples(st.floats(0.05, 0.95), st.floats(0.05, 0.95)), max_size=30))
def test_mirrored_people_cross_mirrored_lines_the_other_way(way: list[tuple[float, float]]) -> None:
    zones = Zones((Zone("hall", SQUARE),), (DOOR,), 0.0)
    turned = Zones((Zone("hall", tuple((1 - x, y) for x, y in SQUARE)),), (Line("door", (0.8, 0.5), (0.2, 0.5)),), 0.0)
    there = walk(zones, list(way)).take(1)
    mirrored = walk(turned, [(1 - x, y) for x, y in way]).take(1)
    assert len(there.crossings) == len(mirrored.crossings)
    assert all(a.way != b.way for a, b in zip(there.crossings, mirrored.crossings, strict=True))
