"""`crowdmask zones` in process: the picture it writes, and one line for each mistake."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from click.testing import CliRunner

from crowdmask.cli.zones import command
from crowdmask.errors import CrowdmaskError
from crowdmask.results.zone_drawing import FaintLayer, draw_zones
from crowdmask.tracking.zones import Line, Zone, Zones

SAMPLES = Path(__file__).parents[2] / "samples"
TEXT = """
[[camera]]
pattern = "samples"
[[camera.zone]]
name = "left"
polygon = [[0.0, 0.5], [0.5, 0.5], [0.5, 1.0], [0.0, 1.0]]
[[camera.line]]
name = "gate"
from = [0.6, 0.7]
to = [0.9, 0.7]
"""


def run(folder: Path, *options: str) -> str:
    """The one line it says, or the message of the error."""
    (folder / "zones.toml").write_text(TEXT)
    result = CliRunner().invoke(command, [*options, "--zones", str(folder / "zones.toml")], standalone_mode=False)
    if isinstance(result.exception, CrowdmaskError):
        return str(result.exception)
    assert result.exception is None, result.exception
    return result.output


def test_draws_into_a_picture_and_a_video(tmp_path: Path) -> None:
    for name, size in (("grey.jpg", (480, 640)), ("crossing.mp4", (360, 640))):
        out = tmp_path / f"{name}.png"
        said = run(tmp_path, str(SAMPLES / name), "--out", str(out))
        assert "zone left" in said and "line gate" in said
        drawn = cv2.imread(str(out))
        assert drawn is not None and drawn.shape[:2] == size


def test_a_later_frame_of_a_video(tmp_path: Path) -> None:
    for at in ("0", "4"):
        run(tmp_path, str(SAMPLES / "crossing.mp4"), "--at", at, "--out", str(tmp_path / f"{at}.png"))
    first, later = (cv2.imread(str(tmp_path / f"{at}.png")) for at in ("0", "4"))
    assert first is not None and later is not None and np.abs(first.astype(int) - later).max() > 60


def test_refuses_what_it_should_not_do(tmp_path: Path) -> None:
    out = tmp_path / "check.png"
    out.write_bytes(b"mine")
    picture = str(SAMPLES / "grey.jpg")
    assert "--overwrite" in run(tmp_path, picture, "--out", str(out))
    assert out.read_bytes() == b"mine"
    assert "no pattern matches the camera 'ward'" in run(
        tmp_path, picture, "--out", str(out), "--overwrite", "--camera", "ward"
    )
    assert (
        "no frame" in run(tmp_path, str(SAMPLES / "crossing.mp4"), "--at", "99", "--out", str(out), "--overwrite")
        or out.read_bytes() == b"mine"
    )


def test_the_tint_is_inside_and_the_arrow_on_the_right() -> None:
    grey = np.full((400, 800, 3), 128, np.uint8)
    zones = Zones((Zone("a", ((0.1, 0.2), (0.4, 0.2), (0.4, 0.9), (0.1, 0.9))),), (Line("b", (0.6, 0.5), (0.9, 0.5)),))
    drawn = draw_zones(grey, zones)
    changed = (drawn != grey).any(axis=2)
    assert changed[100, 100] and not changed[20, 20] and not changed[300, 500]
    assert changed[210:225, 600].all() and not changed[170:190, 600].any()  # from left to right, `in` is down
    assert (grey == 128).all()


def test_the_faint_layer_changes_its_places_only_and_not_all_of_the_picture(tmp_path: Path) -> None:
    grey = np.full((400, 800, 3), 128, np.uint8)
    zones = Zones((Zone("a", ((0.1, 0.2), (0.4, 0.3), (0.4, 0.9), (0.1, 0.9))),), (Line("b", (0.6, 0.5), (0.9, 0.5)),))
    layer, drawn = FaintLayer.of(zones, (800, 400)), grey.copy()
    layer.draw(drawn)
    held = np.zeros((400, 800), bool)
    for x1, y1, x2, y2 in layer.places:
        assert not held[y1:y2, x1:x2].any()  # no pixel twice
        held[y1:y2, x1:x2] = True
    changed = (drawn != grey).any(axis=2)
    assert changed.any() and not (changed & ~held).any() and held.mean() < 0.1
    assert not changed[200, 200] and changed[:, 80].any()
    assert changed[200, 480:720].all() and changed[210:220, 600].all()
    plain = draw_zones(grey, zones)
    assert 0 < np.abs(drawn[200, 500].astype(int) - 128).max() < np.abs(plain[200, 500].astype(int) - 128).max()
