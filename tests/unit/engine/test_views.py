"""At which sizes a picture is looked at, by hand."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from crowdmask.engine.views import PASSES, views_of
from crowdmask.settings import AnalysisSettings

SETTINGS = AnalysisSettings(detection_size=1280, detection_upscale=3.0)


def test_a_large_frame_is_shrunk_to_the_detection_size() -> None:
    finest = views_of((3840, 2160), SETTINGS)[0]
    assert finest.size_wh == (1280, 720)
    assert finest.canvas_wh == (1280, 736)


def test_a_small_picture_is_enlarged_but_not_beyond_the_limit() -> None:
    assert views_of((320, 240), SETTINGS)[0].size_wh == (960, 720)
    assert views_of((640, 480), SETTINGS)[0].size_wh == (1280, 960)


def test_one_pixel_has_views() -> None:
    assert all(v.canvas_wh == (32, 32) for v in views_of((1, 1), SETTINGS))


def test_tiles_keep_the_pixels_of_a_large_frame() -> None:
    views = views_of((3840, 2160), AnalysisSettings(detection_size=1280, tiles=3))
    tiles = views[: -len(PASSES)]
    assert len(tiles) == 3 * 2  # 2160 / 1280 is nearest to 2
    assert views[-len(PASSES)].size_wh == (1280, 720)
    assert all(t.scale > 0.85 for t in tiles)
    # a face as large as a tile answers for lies whole in one tile or another
    assert all(t.largest <= 0.15 * 1280 for t in tiles)


@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(1, 6))
def test_the_views_cover_the_picture(width: int, height: int, tiles: int) -> None:
    settings = AnalysisSettings(tiles=tiles)
    for view in views_of((width, height), settings):
        assert 0 <= view.left < view.right <= width
        assert 0 <= view.top < view.bottom <= height
        assert max(view.size_wh) <= settings.detection_size + 1
        assert all(side % 32 == 0 for side in view.canvas_wh)
    whole = views_of((width, height), settings)[-1]
    assert (whole.left, whole.top, whole.right, whole.bottom) == (0, 0, width, height)
