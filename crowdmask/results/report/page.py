"""Puts the report together: one HTML file that holds all it needs, and asks no network for anything.

The template escapes whatever comes from outside (names of files and cameras, reasons, settings), as autoescaping is
on; a content security policy allows nothing but the page's own script, styles and embedded pictures, so that nothing
else could run anyway.
"""

from __future__ import annotations

import base64
import hashlib
import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from crowdmask import __version__
from crowdmask.errors import SourceError
from crowdmask.results.report.best_frames import BestFrame
from crowdmask.results.report.data import Report, payload, span_of, spans_a_week, summaries
from crowdmask.results.report.moments import PICTURE_MARK, Moment, Picture
from crowdmask.words import NOTHING, amount, day_words, duration, moment_words, offset_words, plural

MOST_LISTED = 500  # failures and gaps: the whole list stands in summary.json
PLAIN_BYTES = 300_000  # data larger than this is compressed
LOGO_BYTES = 200_000
LOGOS = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".svg": "image/svg+xml",
    ".webp": "image/webp",
}


@dataclass(frozen=True)
class Card:
    """A worst moment as the page shows it."""

    camera: str
    at: float  # seconds of the page's axis
    when: str
    taken: str
    unmasked: str
    faces: str
    file: str
    path: str
    picture: Picture | None


@dataclass(frozen=True)
class PersonCard:
    """Somebody without a mask as the page shows it."""

    at: Card  # the frame in which it is seen best
    verdict: str
    seen: str
    picture: Picture


def logo_of(path: Path | None) -> str:
    """A picture as an address that holds it."""
    if path is None:
        return ""
    kind = LOGOS.get(path.suffix.lower())
    if kind is None:
        raise SourceError(f"{path}: it cannot be a logo: give a file that ends in {', '.join(LOGOS)}")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SourceError(f"{path}: the logo cannot be read ({error.strerror})") from error
    if len(content) > LOGO_BYTES:
        raise SourceError(f"{path}: the logo has {len(content):,} bytes: give one of at most {LOGO_BYTES:,}")
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def page(
    report: Report,
    pictures: Mapping[Moment, Picture] | None,
    people: Mapping[BestFrame, Picture] | None = None,
    *,
    title: str = "",
    logo: str = "",
) -> str:
    """The whole report as HTML; `pictures` is None where none were asked for, `people` are those of people."""
    script, style = _asset("page.js"), _asset("page.css")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    data, found = payload(report), summaries(report)
    packed = len(data) > PLAIN_BYTES
    names = ", ".join(one.name for one in report.inputs)
    return _environment().get_template("page.html").render(
        policy=f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'",
        style=Markup(style),  # the package's own files
        script=Markup(script),
        # JSON within a script element: no `<` may begin a tag there
        data=Markup(_packed(data) if packed else data.replace("<", "\\u003c")),
        packed=packed,
        version=__version__,
        title=title or names,
        names=names,
        logo=logo,
        report=report,
        span=span_of(report),
        files=plural(report.data.sources, "file"),
        week=spans_a_week(report.data),
        caveats=list(_caveats(report, found)),
        cards=[_card(report, moment, pictures) for moment in report.data.moments],
        people=[_person_card(report, best, people[best]) for best in report.data.people if people and best in people],
        with_pictures=pictures is not None and bool(pictures),
        no_pictures=pictures is not None and not pictures,
        hidden_people=any(picture.hidden for picture in (people or {}).values()),
        hidden=any(picture.hidden for picture in (pictures or {}).values()),
        mark=PICTURE_MARK,
        failures=[_failure(row) for row in found["failures"]],
        gaps=[_gap_words(row) for row in found["gaps"]],
        pauses=[_pause_words(gap.camera, gap.since, gap.upto) for gap in report.data.gaps],
        most=MOST_LISTED,
        found=found,
        licences=any(used.get("licence") for used in found["weights"]),
        settings=list(_flat(found["settings"])),
        energy=[_energy_words(name if len(report.inputs) > 1 else "", used) for name, used in found["energy"]],
        versions=list(_flat(found["versions"])),
        made=f"{day_words(report.made_at)}, {report.made_at:%H:%M} ({offset_words(report.made_at)})",
    )  # fmt: skip


def _environment() -> Environment:
    made = Environment(
        loader=FunctionLoader(_asset), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    made.filters |= {"breakable": _breakable, "width_words": _width_words}
    return made


def _width_words(width: str) -> str:
    """`2h` in words; others, as `5 s`, are words already."""
    found = re.fullmatch(r"(\d+)(m|h|d|w|mo)", width)
    units = {"m": "minute", "h": "hour", "d": "day", "w": "week", "mo": "month"}
    return width if found is None else plural(int(found[1]), units[found[2]])


def _breakable(name: str) -> Markup:
    """A file's name that a narrow screen breaks between its parts, not within a word."""
    return Markup("<wbr>").join(re.split(r"(?<=[_./-])", name))


def _asset(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _packed(data: str) -> str:
    return base64.b64encode(zlib.compress(data.encode(), 9)).decode()


def _caveats(report: Report, found: Mapping[str, Any]) -> Iterable[str]:
    """What a reader must know before believing the headline."""
    data, totals = report.data, report.data.totals
    if found["state"] in ("interrupted", "disk full"):
        yield f"The analysis was ended early ({found['state']}): what follows is only a part."
    if found["failures"]:
        yield f"{plural(len(found['failures']), 'file')} could not be analysed: see “What was not analysed”."
    if data.mode == "clock" and totals.untimed_frames:
        yield (
            f"Nothing says when {plural(totals.untimed_frames, 'frame')} of {plural(totals.untimed_sources, 'file')} "
            "were taken: they are in the figures as long as no time is chosen, and in no figure over time."
        )
    if data.left_out:
        yield (
            f"{plural(data.left_out, 'period')} with too few faces are in none of the figures, which are therefore not "
            "those of everybody."
        )
    if data.places_left_out:
        yield (
            f"{plural(data.places_left_out, 'time')} a zone or a line had too few people in a period: the tables of "
            "zones and lines are not those of everybody."
        )
    if report.against and report.against.weighted_by != data.weighted_by:
        yield "In one of the two not all faces were followed: both are compared by the time for which faces are seen."
    elif data.totals.followed_frames and data.weighted_by != "people" and data.mode != "periods":
        yield (
            "Faces were followed in videos and cannot be in stills: the rate goes by the time for which faces are in "
            "view, and people are those of the videos alone."
        )
    if data.mode == "periods" and data.weighted_by != "people":
        yield "Only sums by period were kept: the rate counts faces frame by frame, and has no interval."
    elif totals.frames and data.overall is None and data.weighted_by == "time":
        yield (
            "There are too few stretches of time, or all faces are alike: each stretch of five minutes counts as one "
            "observation, so the interval is wide."
        )
    if not totals.frames:
        yield "There is no frame in this run."
    elif not totals.counts.judged:
        yield "No face could be judged, so there is no rate."
    yield from dict.fromkeys((*found["time_warnings"], *(str(note) for note in found["notes"])))


def _card(report: Report, moment: Moment, pictures: Mapping[Moment, Picture] | None) -> Card:
    data, several = report.data, len(report.inputs) > 1
    when, taken, at = f"{moment.seconds:,.1f} s into the file", "", moment.seconds
    if moment.at is not None:
        local = moment.at.astimezone(report.zone)
        when, taken, at = moment_words(local), local.isoformat(timespec="seconds"), moment.at.timestamp()
    elif data.mode == "clock":
        at = -1.0
    camera, path = moment.camera, moment.source
    for one in report.inputs:
        if one.is_video and (not several or moment.source == one.prefix):
            camera, path = (one.name if data.mode == "seconds" else camera), next(map(str, one.pictures_from()), path)
        elif one.is_run and not several:
            root = one.summary.get("input_root")
            path = f"{root}/{moment.source}" if root else path
    if data.mode == "seconds" and camera not in data.cameras:
        camera = moment.source
    return Card(
        camera,
        at,
        when,
        taken,
        amount(moment.counts.against),
        plural(moment.counts.faces, "face"),
        f"{Path(path).name}, frame {amount(moment.frame)}",
        path,
        (pictures or {}).get(moment),
    )


def _person_card(report: Report, best: BestFrame, picture: Picture) -> PersonCard:
    card = _card(report, best.moment, None)
    seen = f"in view for {duration(best.seen_s)}" if best.seen_s >= 1 else "in view for less than a second"
    return PersonCard(card, f"{best.verdict.word}", seen, picture)


def _failure(row: Mapping[str, Any]) -> tuple[str, str, str]:
    """The file, and the reason without its name in it."""
    source, reason = str(row.get("source", "")), str(row.get("reason", "")) or "no reason recorded"
    return source, (reason.replace(source, "").strip(" :") if source else reason), str(row.get("attempts", ""))


def _gap_words(gap: Mapping[str, Any]) -> tuple[str, ...]:
    frame, seconds = gap.get("after_frame"), gap.get("seconds")
    at = f"{amount(float(seconds), 1)} s" if isinstance(seconds, (int, float)) else NOTHING
    return str(gap.get("source", "")), "the start" if frame is None else str(frame), at, str(gap.get("reason", ""))


def _pause_words(camera: str, since: Any, upto: Any) -> tuple[str, str, str, str]:
    lasted = duration((upto - since).total_seconds())
    end = f"{upto:%H:%M:%S}" if since.date() == upto.date() else moment_words(upto)
    return camera or "no camera", moment_words(since), end, lasted


def _energy_words(name: str, used: Mapping[str, Any]) -> str:
    """What the analysis took by estimate, and what that is for what was analysed."""
    per = {
        "watt_hours_per_video_hour": "for an hour of video",
        "watt_hours_per_1000_faces": "for a thousand faces (sightings)",
    }
    parts = [f"{float(used['watt_hours']):.3g} Wh in all"]
    parts += [f"{float(used[key]):.3g} Wh {words}" for key, words in per.items() if used.get(key) is not None]
    return f"{name + ': ' if name else ''}about {', '.join(parts)}. By {used['method']}."


def _flat(value: object, name: str = "") -> Iterable[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else str(key))
    elif name:
        yield name, NOTHING if value is None else str(value)
