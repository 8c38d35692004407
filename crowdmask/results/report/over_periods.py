"""The cells of an aggregate-only run: the rows of its aggregate.csv, as far as they say something."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

from crowdmask.results.report.cells import UNTIMED, Cells, Data
from crowdmask.results.report.inputs import Input
from crowdmask.results.report.over_clock import bucket_of
from crowdmask.results.report.zone_cells import ZoneCells
from crowdmask.results.run_folder import sets_apart
from crowdmask.results.timeline.frames_table import Totals
from crowdmask.results.timeline.people_rows import PEOPLE_WORDS
from crowdmask.results.timeline.period_rows import read_rows
from crowdmask.results.timeline.zone_columns import WAYS, zone_names
from crowdmask.results.zone_stats import ZoneStats, ZoneSums
from crowdmask.tracking.zones import ZoneNames
from crowdmask.verdicts import WORDS, Counts
from crowdmask.words import natural


def of_periods(one: Input, zone: ZoneInfo) -> Data:
    """An aggregate-only run: its rows are the cells; those of which something was left out are only counted."""
    rows = read_rows(one.aggregate)
    names = zone_names([list(rows[0])] if rows else [])
    cameras = sorted({row["camera"] for row in rows}, key=natural)
    spans = sorted({(row["bucket_start"], row["bucket_end"]) for row in rows if row["bucket_start"]}, key=_instants)
    buckets = [bucket_of(*(datetime.fromisoformat(end).astimezone(zone) for end in span)) for span in spans]
    at = {span: i for i, span in enumerate(spans)}
    separate = sets_apart([one.frames])
    cells, places = Cells(), ZoneCells()
    left_out = places_left_out = frames = followed = 0
    whole, people = Counts(separate=separate), Counts(separate=separate)
    for row in rows:
        frames += int(row["frames"] or 0)
        followed += _followed(row)
        if row["masked"] == "":
            left_out += 1
            continue
        counts, came = (_counts(row, before, separate) for before in ("", "people_"))
        people += came
        whole += counts
        numbers: dict[str, float] = {"frames": int(row["frames"] or 0), "faces": counts.faces, **counts.by_word}
        numbers |= {"for_ms": counts.supporting, "against_ms": counts.against, "recorded_ms": int(row["frames"] or 0)}
        bucket = at.get((row["bucket_start"], row["bucket_end"]), UNTIMED)
        numbers["covered_s"] = buckets[bucket].end - buckets[bucket].start if bucket >= 0 else 0
        numbers |= {"followed": _followed(row), **dict(zip(PEOPLE_WORDS, came.in_order, strict=True))}
        at_camera = cameras.index(row["camera"])
        cells.add(at_camera, bucket, numbers)
        found, missing = _places(row, names, separate)
        places.add(at_camera, bucket, found)
        places_left_out += missing
    first = datetime.fromtimestamp(buckets[0].start, timezone.utc) if buckets else None
    last = datetime.fromtimestamp(buckets[-1].end, timezone.utc) if buckets else None
    totals = Totals(frames, 0, whole, 0, 0, 0, 0, first, last, people, followed)
    width = f"{round((buckets[0].end - buckets[0].start) / 60)} min" if buckets else ""
    return Data(
        "periods", tuple(cameras), tuple(buckets), cells, Cells(), (None,) * len(cameras), None, totals, 0, width,
        None, left_out=left_out, places=places, places_left_out=places_left_out,
    )  # fmt: skip


def _followed(row: Mapping[str, str]) -> int:
    """Its frames, where the row counts people."""
    return int(row["frames"] or 0) if row.get("weighted_by") == "people" else 0


def _counts(row: Mapping[str, str], before: str, separate: bool) -> Counts:
    return Counts.shown((int(row.get(before + word) or 0) for word in WORDS), separate=separate)


def _places(row: Mapping[str, str], names: ZoneNames, separate: bool) -> tuple[ZoneStats, int]:
    """The zones and lines of a row, and how many of them are not told in full."""
    places, missing = ZoneStats(), 0
    for zone in names.zones:
        if row[f"zone_{zone}_{'people_masked' if _followed(row) else 'masked'}"]:
            faces, people = (_counts(row, f"zone_{zone}_{before}", separate) for before in ("", "people_"))
            places.zones[zone] = ZoneSums(faces, people)
        else:  # or the camera has no such zone, and says nothing of its faces either
            missing += bool(row[f"zone_{zone}_faces"])
    for line in names.lines:
        told = [row[f"line_{line}_{way}_masked"] for way in WAYS]
        if all(told):
            places.lines[line] = {way: _counts(row, f"line_{line}_{way}_", separate) for way in WAYS}
        missing += any(told) and not all(told)
    return places, missing


def _instants(span: tuple[str, str]) -> tuple[datetime, datetime]:
    return datetime.fromisoformat(span[0]), datetime.fromisoformat(span[1])
