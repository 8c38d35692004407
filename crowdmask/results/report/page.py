"""Puts the report together: one HTML file that holds all it needs, and asks no network for anything.

Everything that comes from outside (names of files and cameras, reasons, settings) is escaped; a content security
policy allows nothing but the page's own script, styles and embedded pictures, so that nothing else could run anyway.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from html import escape
from importlib import resources

from crowdmask import __version__
from crowdmask.results.report import sections
from crowdmask.results.report.figures import Figures, interval_of
from crowdmask.results.report.heat_map import heat_maps
from crowdmask.results.report.moments import Moment, Picture
from crowdmask.results.report.sections import records, texts
from crowdmask.words import amount, day_words, interval_words, percent, plural


def page(figures: Figures, pictures: Mapping[Moment, Picture] | None) -> str:
    """The whole report as HTML."""
    script = resources.files(__package__).joinpath("page.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    name = figures.run.resolve().name
    content = [
        _section("time", "Over time", sections.time(figures)),
        _section("cameras", "By camera", sections.cameras(figures)),
        _section("hours", "By hour and weekday", heat_maps(figures.by_hour)),
        _section("moments", "Worst moments", sections.moments(figures, pictures)),
        _section("left-out", "What was not analysed", sections.left_out(figures)),
        _section("settings", "Settings and weights", sections.settings(figures.summary)),
        _section("reading", "How to read this", sections.reading(figures)),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="generator" content="crowdmask {escape(__version__)}">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>Mask compliance, {escape(name)}</title><style>{_asset('page.css')}</style></head>\n<body>"
        f"{_header(figures, name)}\n<main>{''.join(content)}</main>\n"
        f'<div id="tip" hidden></div><script>{script}</script></body></html>\n'
    )


def _asset(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _section(anchor: str, title: str, content: str) -> str:
    heading = f'<h2 id="{anchor}-title">{title}</h2>'
    return f'\n<section id="{anchor}" aria-labelledby="{anchor}-title">{heading}{content}</section>'


def _header(figures: Figures, name: str) -> str:
    totals, counts = figures.totals, figures.totals.counts
    cards = (
        ("compliance", "Compliance", percent(counts.compliance), _interval(figures)),
        ("unmasked", "Unmasked faces", amount(counts.unmasked), _per_frame(figures)),
        (
            "faces",
            "Faces seen",
            amount(counts.faces),
            f"{amount(counts.masked)} masked, {amount(counts.unknown)} unknown",
        ),
        ("frames", "Frames analysed", amount(totals.frames), _of_files(figures)),
    )
    shown = "".join(
        f'<div class="card {kind}"><dt>{title}</dt><dd>{value}</dd><dd class="more">{more}</dd></div>'
        for kind, title, value, more in cards
    )
    return (
        f'<header><p class="kind">Mask compliance report</p><h1>{escape(name)}</h1>'
        f'<p class="span">{escape(_span(figures))}</p><dl class="cards">{shown}</dl>{_notices(figures)}</header>'
    )


def _interval(figures: Figures) -> str:
    counts = figures.totals.counts
    return (
        f"95 % interval {interval_words(interval_of(counts))}" if counts.masked + counts.unmasked else "no face judged"
    )


def _per_frame(figures: Figures) -> str:
    totals = figures.totals
    if not totals.frames:
        return "no frames"
    return f"{amount(totals.counts.unmasked / totals.frames, 2)} per frame, at most {totals.peak_unmasked}"


def _of_files(figures: Figures) -> str:
    return f"of {plural(figures.sources, 'file')}, {amount(figures.totals.frames_with_faces)} with faces"


def _span(figures: Figures) -> str:
    totals = figures.totals
    cameras = plural(len(figures.by_camera), "camera")
    if totals.first is None or totals.last is None:
        return f"{cameras}; the time of the frames is not known"
    first, last = (moment.astimezone(figures.zone) for moment in (totals.first, totals.last))
    if first.date() == last.date():
        return f"{cameras}; {day_words(first)}, {first:%H:%M} to {last:%H:%M}, {figures.zone.key}"
    return f"{cameras}; {day_words(first)}, {first:%H:%M} to {day_words(last)}, {last:%H:%M}, {figures.zone.key}"


def _notices(figures: Figures) -> str:
    """What a reader must know before believing the figures."""
    notices = []
    totals = figures.totals
    failures = records(figures.summary.get("failures"))
    if failures:
        notices.append(f'{plural(len(failures), "file")} could not be analysed: <a href="#left-out">see why</a>.')
    if totals.untimed_frames:
        notices.append(
            f"The time of {plural(totals.untimed_frames, 'frame')} of {plural(totals.untimed_sources, 'file')} is not "
            "known: they are in all figures but those over time and by hour."
        )
    if not totals.frames:
        notices.append("There is no frame in this run.")
    elif not totals.counts.masked + totals.counts.unmasked:
        notices.append("No face could be judged, so there is no compliance to tell.")
    notices += [escape(str(note)) for note in texts(figures.summary.get("notes"))]
    return f'<ul class="notices">{"".join(f"<li>{notice}</li>" for notice in notices)}</ul>' if notices else ""
