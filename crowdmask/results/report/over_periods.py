"""The cells of an aggregate-only run: the rows of its aggregate.csv, as far as they say something."""

from __future__ import annotations

import csv
from datetime import datetime, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

from crowdmask.errors import SourceError
from crowdmask.results.report.cells import UNTIMED, Cells, Data
from crowdmask.results.report.inputs import Input
from crowdmask.results.report.over_clock import bucket_of
from crowdmask.results.run_folder import sets_apart
from crowdmask.results.timeline.frames_table import Totals
from crowdmask.verdicts import VERDICTS, Counts
from crowdmask.words import natural


def of_periods(one: Input, zone: ZoneInfo) -> Data:
    """An aggregate-only run: its rows are the cells; those of which something was left out are only counted."""
    rows = list(_aggregate_rows(one.aggregate))
    cameras = sorted({row["camera"] for row in rows}, key=natural)
    spans = sorted({(row["bucket_start"], row["bucket_end"]) for row in rows if row["bucket_start"]}, key=_instants)
    buckets = [bucket_of(*(datetime.fromisoformat(end).astimezone(zone) for end in span)) for span in spans]
    at = {span: i for i, span in enumerate(spans)}
    separate = sets_apart([one.frames])
    cells, left_out, whole, frames = Cells(), 0, Counts(separate=separate), 0
    for row in rows:
        frames += int(row["frames"] or 0)
        if row["masked"] == "":
            left_out += 1
            continue
        counts = Counts.of(((shown.verdict, int(row.get(shown.word) or 0)) for shown in VERDICTS), separate=separate)
        whole += counts
        numbers: dict[str, float] = {"frames": int(row["frames"] or 0), "faces": counts.faces, **counts.by_word}
        numbers |= {"for_ms": counts.supporting, "against_ms": counts.against, "recorded_ms": int(row["frames"] or 0)}
        bucket = at.get((row["bucket_start"], row["bucket_end"]), UNTIMED)
        numbers["covered_s"] = buckets[bucket].end - buckets[bucket].start if bucket >= 0 else 0
        cells.add(cameras.index(row["camera"]), bucket, numbers)
    first = datetime.fromtimestamp(buckets[0].start, timezone.utc) if buckets else None
    last = datetime.fromtimestamp(buckets[-1].end, timezone.utc) if buckets else None
    totals = Totals(frames, 0, whole, 0, 0, 0, 0, first, last)
    width = f"{round((buckets[0].end - buckets[0].start) / 60)} min" if buckets else ""
    return Data(
        "periods", tuple(cameras), tuple(buckets), cells, Cells(), (None,) * len(cameras), None, totals, 0, width,
        None, left_out=left_out,
    )  # fmt: skip


def _instants(span: tuple[str, str]) -> tuple[datetime, datetime]:
    return datetime.fromisoformat(span[0]), datetime.fromisoformat(span[1])


def _aggregate_rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        for row in rows:
            _ = row["camera"], row["masked"], int(row["frames"])
            if row["bucket_start"]:
                _instants((row["bucket_start"], row["bucket_end"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SourceError(
            f"{path}: it cannot be read as an aggregate ({error}): run the batch's command again"
        ) from None
    return rows
