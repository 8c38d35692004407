"""`crowdmask zones`: draws what a file of zones means into a picture, to check it before anything is counted by it."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np


@click.command(name="zones", context_settings={"max_content_width": 110})
@click.argument("picture", metavar="FRAME_OR_VIDEO")
@click.option(
    "--zones",
    "path",
    required=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The zones: polygons and lines in parts of the frame.",
)
@click.option(
    "--out", required=True, metavar="FILE", type=click.Path(path_type=Path), help="The picture to write: .png or .jpg."
)
@click.option("--camera", help="Take the zones of this camera; without it those for the file's folder.")
@click.option(
    "--at", type=click.FloatRange(min=0), help="Second of the video whose frame is drawn on; the first without it."
)
@click.option("--overwrite", is_flag=True, help="Replace FILE if it is there.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
def command(
    *, picture: str, path: Path, out: Path, camera: str | None, at: float | None, overwrite: bool, quiet: bool
) -> int:
    """Draw the zones and lines of FILE into a frame, to see whether they lie where they are meant to.

    An arrow shows which way across a line is `in`. People are taken to stand where their feet are: below the face box
    by `feet_below` times its height.
    """
    from crowdmask.errors import OutputError, SettingsError
    from crowdmask.media.camera_names import camera_of
    from crowdmask.media.opening import shown
    from crowdmask.media.pictures import write_picture
    from crowdmask.results.zone_drawing import draw_zones
    from crowdmask.tracking.zones_file import read_zones

    if out.exists() and not overwrite:
        raise OutputError(f"{out} is already there: give --overwrite to replace it")
    file = read_zones(path)
    name = camera if camera is not None else camera_of(picture)
    zones = file.of(name)
    if zones is None:
        patterns = ", ".join(repr(one.pattern) for one in file.cameras)
        raise SettingsError(f"{path}: no pattern matches the camera {name!r} (there are {patterns}): give --camera")
    write_picture(out, draw_zones(_frame(picture, at), zones))
    if not quiet:
        listed = [*(f"zone {z.name}" for z in zones.zones), *(f"line {line.name}" for line in zones.lines)]
        click.echo(f"crowdmask: {', '.join(listed)} of {shown(picture)} drawn in {out}", err=True)
    return 0


def _frame(picture: str, at: float | None) -> np.ndarray:
    from crowdmask.errors import SourceError
    from crowdmask.media.sources import open_source
    from crowdmask.settings import AnalysisSettings

    with open_source(picture, AnalysisSettings(start_s=at)) as source:
        for frame in source:
            return frame.image
    raise SourceError(f"{picture} has no frame{'' if at is None else f' at second {at:g}'} to draw on")
