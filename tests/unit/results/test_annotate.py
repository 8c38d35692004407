from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from crowdmask.geometry import Rectangle
from crowdmask.records import Counts, Frame, FrameResult, Verdict
from crowdmask.results.annotate import PanelState, annotate, capitals_for, plan_drawing
from crowdmask.results.boxes import draw_box, line_width, reach
from crowdmask.results.captions import place_labels, visible_faces, wordings
from crowdmask.results.lettering import coverage, line_height, plate, plate_wh
from crowdmask.results.palette import PALETTES, contrast, ink_on
from crowdmask.results.panel import rate_text
from crowdmask.settings import OutputSettings
from crowdmask.verdicts import Line
from tests.factories import make_result

PLAIN = OutputSettings(panel=False)
SAFE = PALETTES["safe"]
MASKED = SAFE.of(Verdict.MASKED)
GREY = 90
NAN = float("nan")


def grey_frame(width: int, height: int) -> Frame:
    return Frame(0, 0.0, np.full((height, width, 3), GREY, np.uint8))


def judged(
    size_wh: tuple[int, int], boxes: list[tuple[float, float, float, float]], probs: list[float], verdicts: list[int]
) -> FrameResult:
    return make_result(grey_frame(*size_wh), boxes, probs, verdicts)


def changed(image: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return (image != GREY).any(axis=2)


def drawn(size_wh: tuple[int, int], box: tuple[int, int, int, int], verdict: Verdict, line: int) -> NDArray[np.uint8]:
    image = np.full((size_wh[1], size_wh[0], 3), GREY, np.uint8)
    draw_box(image, box, verdict, SAFE.of(verdict), line)
    return image


def test_an_empty_frame_without_panel_is_a_copy() -> None:
    result = make_result()
    image = annotate(result, Counts(), PLAIN)
    assert np.array_equal(image, result.frame.image)
    assert not np.shares_memory(image, result.frame.image)


@pytest.mark.parametrize("blur", [False, True])
def test_the_frame_is_never_written_to(blur: bool) -> None:
    result = judged((640, 360), [(50, 120, 150, 250), (300, 100, 320, 130)], [0.9, NAN], [1, 2])
    before = result.frame.image.copy()
    result.frame.image.flags.writeable = False
    image = annotate(result, result.counts, OutputSettings(blur=blur))
    assert np.array_equal(result.frame.image, before)
    assert changed(image).any()


@pytest.mark.parametrize("verdict", list(Verdict))
@pytest.mark.parametrize("line", [1, 2, 3, 6])
def test_a_box_lies_outside_of_its_face_and_within_its_reach(verdict: Verdict, line: int) -> None:
    x1, y1, x2, y2 = box = (100, 100, 160, 180)
    touched = changed(drawn((300, 300), box, verdict, line))
    edge = max(1, line // 2)  # the dark edge may lie on the face, the coloured line may not
    assert not touched[y1 + edge : y2 - edge, x1 + edge : x2 - edge].any()
    rows, columns = np.nonzero(touched)
    far = reach(verdict, line)
    assert (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) == (x1 - far, y1 - far, x2 + far, y2 + far)


def test_verdicts_differ_without_any_colour() -> None:
    """Coloured pixels along the top line: all of it, in part with gaps, or with heavy ends."""
    shares = {}
    for verdict in Verdict:
        image = drawn((300, 300), (100, 100, 200, 200), verdict, 2)
        coloured = (image == SAFE.of(verdict)).all(axis=2)
        shares[verdict.row.line] = (coloured[99, 100:200].mean(), coloured[96, 100:200].mean())
    assert shares[Line.SOLID] == (1.0, 0.0)
    assert shares[Line.CORNERED][0] == 1.0
    assert 0.2 < shares[Line.CORNERED][1] < 0.8
    assert 0.3 < shares[Line.DASHED][0] < 0.7
    assert shares[Line.DASHED][1] == 0.0


def test_a_face_of_ten_pixels_keeps_its_cue() -> None:
    images = [drawn((40, 40), (15, 15, 25, 25), verdict, 1) for verdict in Verdict]
    masks = [(image == SAFE.of(v)).all(axis=2) for image, v in zip(images, Verdict, strict=True)]
    counts = [int(mask.sum()) for mask in masks]
    assert counts[Verdict.UNKNOWN] < counts[Verdict.MASKED] < counts[Verdict.UNMASKED]


@pytest.mark.parametrize("name", PALETTES)
def test_labels_can_be_read_and_colours_told_apart(name: str) -> None:
    palette = PALETTES[name]
    colours = [palette.of(v) for v in Verdict]
    assert len(set(colours)) == len(Verdict)
    for colour in colours:
        assert contrast(ink_on(colour), colour) >= 4.5  # WCAG 2, AA


def test_contrast_by_hand() -> None:
    assert contrast((255, 255, 255), (0, 0, 0)) == pytest.approx(21.0)
    assert contrast((10, 20, 30), (10, 20, 30)) == 1.0


@pytest.mark.parametrize(
    ("verdict", "prob", "words"),
    [
        (Verdict.MASKED, 0.03, ("masked 97%", "97%")),
        (Verdict.UNMASKED, 0.88, ("unmasked 88%", "88%")),
        (Verdict.MASKED, 0.0001, ("masked 99%", "99%")),
        (Verdict.UNMASKED, 1.0, ("unmasked 99%", "99%")),
        (Verdict.UNKNOWN, 0.52, ("unknown (unmasked 52%)", "?")),
        (Verdict.UNKNOWN, NAN, ("unknown", "")),
    ],
)
def test_wordings(verdict: Verdict, prob: float, words: tuple[str, str]) -> None:
    assert wordings(verdict, prob) == words


@pytest.mark.parametrize(
    ("totals", "text"),
    [
        (Counts(), "n/a"),
        (Counts(0, 0, 9), "n/a"),
        (Counts(1, 0, 0), "100.0%"),
        (Counts(9999, 1, 0), "99.9%"),
        (Counts(2, 1, 5), "66.6%"),
        (Counts(0, 3, 0), "0.0%"),
    ],
)
def test_rate_text(totals: Counts, text: str) -> None:
    assert rate_text(totals) == text


@pytest.mark.parametrize(
    ("size_wh", "capitals"), [((1, 1), 7), ((320, 240), 7), ((1280, 720), 9), ((1920, 1080), 14), ((3840, 2160), 27)]
)
def test_letters_grow_with_the_frame(size_wh: tuple[int, int], capitals: int) -> None:
    assert capitals_for(size_wh) == capitals


def test_lines_are_thin_about_small_faces() -> None:
    assert line_width((1920, 1080), (0, 0, 200, 200)) == 3
    assert line_width((1920, 1080), (0, 0, 12, 12)) == 1
    assert line_width((320, 240), (0, 0, 200, 200)) == 1


@pytest.mark.parametrize("capitals", [7, 9, 14, 27])
def test_letters_have_the_height_asked_for(capitals: int) -> None:
    covered = coverage("M", capitals)
    assert covered.shape[0] == line_height(capitals)
    inked = np.flatnonzero((covered > 128).any(axis=1))
    assert abs(len(inked) - capitals) <= 1


@pytest.mark.parametrize("text", ["masked 97%", "unknown (50%)", "unmasked"])
def test_a_plate_has_the_size_told_and_both_colours(text: str) -> None:
    image = plate(text, 14, (255, 255, 255), (200, 0, 0))
    assert (image.shape[1], image.shape[0]) == plate_wh(text, 14)
    assert (image == (200, 0, 0)).all(axis=2).mean() > 0.4
    assert (image == (255, 255, 255)).all(axis=2).any()


def test_a_large_face_has_its_label_above() -> None:
    result = judged((1280, 720), [(500, 300, 620, 450)], [0.1], [0])
    image = annotate(result, result.counts, PLAIN)
    touched = changed(image)
    wide, high = plate_wh("masked 90%", capitals_for((1280, 720)))
    gap = reach(Verdict.MASKED, line_width((1280, 720), (500, 300, 620, 450)))
    expected = plate("masked 90%", 9, ink_on(MASKED), MASKED)
    top, left = 300 - gap - high, 500 - gap
    assert np.array_equal(image[top : top + high, left : left + wide], expected)
    assert not touched[:top].any()


def test_a_face_at_the_top_has_its_label_below_and_one_filling_the_frame_none() -> None:
    below = changed(annotate(judged((640, 360), [(200, 0, 330, 100)], [0.1], [0]), Counts(), PLAIN))
    assert below[104:].any()
    (label,) = place_labels(visible_faces(judged((640, 360), [(0, 0, 200, 360)], [0.1], [0])), (640, 360), 7, [])
    assert label.place[0] >= 200  # beside it
    whole = judged((640, 360), [(0, 0, 640, 360)], [0.1], [0])
    assert place_labels(visible_faces(whole), (640, 360), 7, []) == []


def test_small_faces_in_a_crowd_have_their_box_only() -> None:
    boxes = [(20.0 * i, 40.0 * j, 20.0 * i + 10, 40.0 * j + 10) for i in range(1, 15) for j in range(1, 8)]
    result = judged((320, 340), boxes, [0.1] * len(boxes), [0] * len(boxes))
    touched = changed(annotate(result, Counts(), PLAIN))
    far = reach(Verdict.MASKED, 1)
    for x1, y1, x2, y2 in ((int(v) for v in box) for box in boxes):
        touched[y1 - far : y2 + far, x1 - far : x2 + far] = False
    assert not touched.any()


@pytest.mark.parametrize("size_wh", [(1, 1), (1, 300), (300, 1), (17, 33), (3, 2)])
def test_the_smallest_frames_can_be_drawn_on(size_wh: tuple[int, int]) -> None:
    width, height = size_wh
    result = judged(size_wh, [(0, 0, width, height), (-5, -5, 0.4, 0.4)], [0.9, 0.1], [1, 0])
    for blur in (False, True):
        image = annotate(result, result.counts, OutputSettings(blur=blur))
        assert image.shape == (height, width, 3)


def test_boxes_beyond_the_frame_are_drawn_at_its_edge_and_those_without_area_are_not() -> None:
    result = judged((100, 80), [(-50, -50, 20, 20), (200, 200, 300, 300), (40, 40, 40, 60)], [0.1] * 3, [0] * 3)
    touched = changed(annotate(result, Counts(), PLAIN))
    assert touched[:22, :22].any()
    touched[:45, :45] = False  # the box and its label
    assert not touched.any()


edges = st.tuples(st.integers(-20, 620), st.integers(-20, 340), st.integers(1, 160), st.integers(1, 160))
crowds = st.lists(st.tuples(edges, st.sampled_from(list(Verdict)), st.floats(0, 1)), max_size=25)
PANEL = (3, 3, 150, 60)


def overlap(a: Rectangle, b: Rectangle) -> int:
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return max(0, wide) * max(0, high)


@settings(max_examples=200, deadline=None)
@given(crowds)
def test_no_label_covers_another_face_another_label_or_the_panel_or_leaves_the_frame(
    crowd: list[tuple[tuple[int, int, int, int], Verdict, float]],
) -> None:
    boxes = [(float(x), float(y), float(x + w), float(y + h)) for (x, y, w, h), _, _ in crowd]
    result = judged((640, 360), boxes, [p for _, _, p in crowd], [int(v) for _, v, _ in crowd])
    faces = visible_faces(result)
    labels = place_labels(faces, (640, 360), 9, [PANEL])
    assert len(labels) <= len(faces)
    for i, label in enumerate(labels):
        x1, y1, x2, y2 = label.place
        assert (x2 - x1, y2 - y1) == plate_wh(label.text, label.capitals)
        assert x1 >= 0 and y1 >= 0 and x2 <= 640 and y2 <= 360
        assert overlap(label.place, PANEL) == 0
        assert all(overlap(label.place, other.place) == 0 for other in labels[:i])
        assert not any(overlap(label.place, face.box) for face in faces)


def test_unmasked_faces_choose_their_place_first() -> None:
    """Two faces share the room between them; the unmasked one is smaller and takes it all the same."""
    boxes = [(100.0, 0.0, 220.0, 100.0), (110.0, 125.0, 215.0, 225.0)]
    by_verdict = {
        label.verdict: label.place[1]
        for label in place_labels(visible_faces(judged((640, 226), boxes, [0.1, 0.9], [0, 1])), (640, 226), 7, [])
    }
    assert 100 < by_verdict[Verdict.UNMASKED] < 125
    assert by_verdict[Verdict.MASKED] == 0  # inside of its own face: large enough


def test_a_lone_face_of_enough_width_always_has_its_verdict_in_words() -> None:
    for x, y in ((0, 0), (540, 0), (0, 260), (540, 260), (270, 130)):
        result = judged((640, 360), [(x, y, x + 100.0, y + 100.0)], [0.9], [1])
        (label,) = place_labels(visible_faces(result), (640, 360), 9, [])
        assert label.text == "unmasked 90%"


def test_the_panel_tells_counts_and_is_left_out_where_it_has_no_room() -> None:
    small = make_result(grey_frame(100, 60))
    assert not changed(annotate(small, Counts(), OutputSettings())).any()
    large = make_result(grey_frame(640, 360))
    one = annotate(large, Counts(3, 1, 0), OutputSettings())
    other = annotate(large, Counts(1, 1, 0), OutputSettings())
    assert changed(one)[10:40, 10:100].any()
    differ = (one != other).any(axis=2)
    assert differ.any()
    rows, _ = np.nonzero(differ)
    assert rows.max() - rows.min() < line_height(7)  # the line of the rate, nothing else
    assert not changed(one)[:, 321:].any()


def test_the_panel_stands_where_no_face_is_and_stays_there_until_one_comes() -> None:
    corner, elsewhere = [(0.0, 0.0, 60.0, 60.0)], [(300.0, 160.0, 360.0, 220.0)]
    free = plan_drawing(judged((640, 360), elsewhere, [0.1], [0]), Counts(), OutputSettings())
    assert free.panel is not None and free.panel.place[:2] == (3, 3)
    moved = plan_drawing(judged((640, 360), corner, [0.1], [0]), Counts(), OutputSettings())
    assert moved.panel is not None and moved.panel.place[0] > 320 and moved.spot == moved.panel.spot == 1
    state = PanelState(moved.spot, 7)
    stays = plan_drawing(judged((640, 360), elsewhere, [0.1], [0]), Counts(), OutputSettings(), panel_state=state)
    assert stays.panel is not None and stays.panel.place == moved.panel.place
    everywhere = plan_drawing(judged((640, 360), [(0, 0, 640, 360)], [0.1], [0]), Counts(), OutputSettings())
    assert everywhere.panel is None and everywhere.spot == 0


@settings(max_examples=100, deadline=None)
@given(crowds)
def test_the_panel_covers_no_face(crowd: list[tuple[tuple[int, int, int, int], Verdict, float]]) -> None:
    boxes = [(float(x), float(y), float(x + w), float(y + h)) for (x, y, w, h), _, _ in crowd]
    result = judged((640, 360), boxes, [p for _, _, p in crowd], [int(v) for _, v, _ in crowd])
    board = plan_drawing(result, Counts(), OutputSettings()).panel
    if board is not None:
        assert not any(overlap(board.place, face.box) for face in visible_faces(result))
        assert board.place[0] >= 0 and board.place[1] >= 0 and board.place[2] <= 640 and board.place[3] <= 360


def test_the_panel_of_followed_faces_says_how_many_people_there_were() -> None:
    result = judged((640, 360), [(300.0, 160.0, 360.0, 220.0)], [0.1], [0]).with_columns(person=np.array([4], np.int32))
    board = plan_drawing(result, Counts(), OutputSettings(), panel_state=PanelState(0, 9)).panel
    assert board is not None and ("people so far", "9") in [(row.words, row.figures) for row in board.rows]
    board = plan_drawing(result, Counts(), OutputSettings(), panel_state=PanelState(0, 2)).panel
    assert board is not None and ("people so far", "4") in [(row.words, row.figures) for row in board.rows]


def test_no_face_of_any_size_breaks_the_drawing() -> None:
    for size in (1, 2, 3, 5, 8, 13, 50, 400):
        for verdict in Verdict:
            result = judged((640, 480), [(100, 50, 100 + size, 50 + size)], [0.5], [int(verdict)])
            assert changed(annotate(result, Counts(), PLAIN)).any()


def test_classic_palette_is_red_and_green() -> None:
    palette = PALETTES["classic"]
    result = judged((640, 480), [(100, 150, 200, 250)], [0.9], [1])
    image = annotate(result, Counts(), OutputSettings(palette="classic", panel=False))
    assert (image == palette.of(Verdict.UNMASKED)).all(axis=2).any()
    assert palette.of(Verdict.UNMASKED)[2] > 2 * max(palette.of(Verdict.UNMASKED)[:2])
    assert palette.of(Verdict.MASKED)[1] > 2 * max(palette.of(Verdict.MASKED)[0], palette.of(Verdict.MASKED)[2])


def test_nan_never_reaches_a_label() -> None:
    assert all("nan" not in text for v in Verdict for text in wordings(v, math.nan))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(-30, 320), st.integers(-30, 240), st.integers(3, 120), st.integers(3, 120)), max_size=6
    ),
    st.booleans(),
    st.booleans(),
)
def test_nothing_is_drawn_outside_of_the_places_that_are_said(
    found: list[tuple[int, int, int, int]], blur: bool, panel: bool
) -> None:
    rng = np.random.default_rng(len(found))
    frame = Frame(0, 0.0, rng.integers(0, 256, (240, 320, 3)).astype(np.uint8))
    boxes = [(x, y, x + w, y + h) for x, y, w, h in found]
    result = make_result(frame, boxes, [(0.1, 0.9, NAN)[k % 3] for k in range(len(boxes))])
    drawing = plan_drawing(result, result.counts, OutputSettings(blur=blur, panel=panel))
    outside = np.ones(frame.image.shape[:2], bool)
    for x1, y1, x2, y2 in drawing.places:
        assert 0 <= x1 <= x2 <= 320 and 0 <= y1 <= y2 <= 240
        outside[y1:y2, x1:x2] = False
    image = frame.image.copy()
    drawing.draw(image)
    assert (image == frame.image)[outside].all()
