"""Chooses how wide buckets are where nobody said: wide enough to hold people, narrow enough to show a night."""

from __future__ import annotations

from crowdmask.results.timeline.buckets import Width
from crowdmask.results.timeline.frames_table import FramesTable, Totals
from crowdmask.results.timeline.precision import MICRO
from crowdmask.verdicts import Share, verdicts_that_are

WIDTHS = tuple(Width.parse(text) for text in ("1m", "5m", "10m", "20m", "1h", "2h", "6h", "1d", "1w", "1mo"))
ENOUGH_JUDGED = 50  # in the median bucket: of fewer, single faces make a rate jump between 0 and 100 %
MOST_BUCKETS = 200  # more do not fit on a screen


def fitting_width(table: FramesTable, by_camera: bool = True, finest: Width | None = None) -> Width:
    """The finest of WIDTHS, and not finer than `finest`, whose median bucket has enough judged people in it.

    People who were followed count once; other faces as precision.py counts trials, each once a minute. At most
    MOST_BUCKETS fit into the time.
    """
    totals = table.totals()
    least = finest or WIDTHS[0]
    allowed = [
        width for width in WIDTHS if width.minutes >= least.minutes and buckets_of(totals, width) <= MOST_BUCKETS
    ]
    for width in allowed:
        judged = _median_judged(table, width, by_camera)
        if judged is None or judged >= ENOUGH_JUDGED:
            return width
        if buckets_of(totals, width) <= 1:
            return width  # a wider one holds no more
    return allowed[-1] if allowed else max((least, WIDTHS[-1]), key=lambda width: width.minutes)


def buckets_of(totals: Totals, width: Width) -> float:
    """Roughly how many of them the time of the frames has."""
    if totals.first is None or totals.last is None:
        return 0.0
    return (totals.last - totals.first).total_seconds() / 60 / width.minutes


def _median_judged(table: FramesTable, width: Width, by_camera: bool) -> float | None:
    camera = "camera" if by_camera else "''"
    judged = [v for share in (Share.FOR, Share.AGAINST) for v in verdicts_that_are(share, separate=table.separate)]
    people = " + ".join(f"people_{verdict.word}" for verdict in judged)
    found = table.execute(f"""
        SELECT median(judged) FROM (
            SELECT sum(CASE WHEN followed_frames = frames THEN ({people}) * {MICRO} ELSE trials_u END) AS judged
            FROM minutes WHERE minute IS NOT NULL
            GROUP BY {camera}, minute // {width.minutes}
        )
    """).fetchall()[0][0]
    return None if found is None else float(found) / MICRO
