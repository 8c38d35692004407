"""The report's sections below the headline: over time, by camera, worst moments, what was left out, settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from crowdmask import __version__
from crowdmask.results.report.charts import missing, over_time, tip_lines
from crowdmask.results.report.figures import CameraFigures, Figures, failures_by_reason, interval_of
from crowdmask.results.report.moments import Moment, Picture
from crowdmask.results.statistics import wilson_interval
from crowdmask.words import (
    NOTHING,
    amount,
    day_words,
    duration,
    interval_words,
    moment_words,
    offset_words,
    percent,
    plural,
)

MOST_LISTED = 500  # failures and gaps: the whole list stands in summary.json
PICTURE_MARK = "data-crowdmask-picture"  # by which purge finds the pictures again, with the time they were taken


def time(figures: Figures) -> str:
    note = f"<p>Buckets of {escape(figures.width.text)}."
    if figures.asked_width is not None:
        note += f" At {escape(figures.asked_width.text)}, as asked for, there would be too many to see; "
        note += "<code>crowdmask stats</code> gives them all."
    rows = [
        (
            tip_lines(row, of)[0],
            percent(row.counts.compliance),
            interval_words(interval_of(row.counts)) if row.frames else "",
            *(amount(n) for n in (row.counts.unmasked, row.counts.masked, row.counts.unknown, row.frames)),
            amount(row.peak_unmasked),
            percent(missing(row, of), 0) if missing(row, of) else "",
        )
        for row, of in zip(figures.over_time, figures.coverage, strict=True)
    ]
    heads = ("Time", "Compliance", "95 % interval", "Unmasked", "Masked", "Unknown", "Frames", "Peak", "In gaps")
    chart = over_time(figures.over_time, figures.coverage, figures.width)
    return f"{note}</p>{chart}{_details('As a table', _table(heads, rows))}"


def cameras(figures: Figures) -> str:
    heads = ("Camera", "Compliance", "", "Unmasked", "Faces", "Frames", "Peak", "Gaps")
    head = "".join(f"<th scope='col'{_sort(i, title)}>{escape(title)}</th>" for i, title in enumerate(heads))
    body = "".join(_camera_row(camera) for camera in figures.by_camera)
    table = f'<table class="cameras" data-sortable><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
    return f'<div class="wide">{table}</div>'


def _sort(column: int, title: str) -> str:
    return f' data-sort="{column}"' if title else ""


def _camera_row(camera: CameraFigures) -> str:
    counts = camera.counts
    rate = counts.compliance
    name = escape(camera.camera) if camera.camera else "<em>no camera</em>"
    cells = [
        f'<th scope="row" data-value="{escape(camera.camera)}">{name}</th>',
        f'<td data-value="{-1 if rate is None else rate:.6f}" class="rate">{percent(rate)}</td>',
        f'<td class="bar">{_rate_bar(camera)}</td>',
    ]
    for number in (counts.unmasked, counts.faces, camera.frames, camera.peak_unmasked):
        cells.append(f'<td class="number" data-value="{number}">{amount(number)}</td>')
    gap = duration(camera.gap_s) if camera.gap_s else NOTHING
    cells.append(f'<td class="number" data-value="{camera.gap_s:.0f}">{gap}</td>')
    return f"<tr>{''.join(cells)}</tr>"


def _rate_bar(camera: CameraFigures) -> str:
    interval = wilson_interval(camera.counts.masked, camera.counts.masked + camera.counts.unmasked)
    if interval is None:
        return ""
    rate, (low, high), words = (
        camera.counts.compliance or 0.0,
        interval,
        escape(interval_words(interval)),
    )
    return (
        f'<svg viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label="95 % interval {words}">'
        f'<title>{words}</title><rect class="ground" width="100" height="10"/>'
        f'<rect class="value" width="{100 * rate:.2f}" height="10"/>'
        f'<path class="whisker" d="M{100 * low:.2f} 5H{100 * high:.2f}"/></svg>'
    )


def moments(figures: Figures, pictures: Mapping[Moment, Picture] | None) -> str:
    """Cards of the worst moments; without pictures (None) where none were asked for."""
    if not figures.moments:
        return (
            f'<p class="none">{"None shown." if figures.totals.counts.unmasked else "No unmasked face was seen."}</p>'
        )
    note = "The frames with the most unmasked faces, at least a minute apart."
    if pictures and any(picture.hidden for picture in pictures.values()):
        note += " Faces are blurred."
    if pictures is not None and not pictures:
        note += " There are no pictures of them: the run kept none, and the inputs are not where they were."
    cards = "".join(_moment(figures, moment, pictures) for moment in figures.moments)
    return f'<p>{note}</p><div class="moments">{cards}</div>'


def _moment(figures: Figures, moment: Moment, pictures: Mapping[Moment, Picture] | None) -> str:
    when = f"{moment.seconds:,.1f} s into the file"
    taken = ""
    if moment.at is not None:
        local = moment.at.astimezone(figures.zone)
        when, taken = moment_words(local), local.isoformat(timespec="seconds")
    shown, picture = "", None if pictures is None else pictures.get(moment)
    if pictures:
        shown = '<div class="no-picture">no picture</div>'
    if picture is not None:
        words = f"{moment.counts.unmasked} unmasked faces, {when}"
        shown = f'<img {PICTURE_MARK}="{escape(taken)}" src="{picture.data_uri}" alt="{escape(words)}" loading="lazy">'
    where = f"{escape(moment.camera)}, " if moment.camera else ""
    seen = f"<b>{amount(moment.counts.unmasked)} unmasked</b> of {plural(moment.counts.faces, 'face')}"
    file = f"<small>{escape(moment.source)}, frame {amount(moment.frame)}</small>"
    return f"<figure>{shown}<figcaption>{seen}<br>{where}{escape(when)}<br>{file}</figcaption></figure>"


def left_out(figures: Figures) -> str:
    failures, gaps = (records(figures.summary.get(key)) for key in ("failures", "gaps"))
    parts = []
    if failures:
        reasons = [(reason, amount(number)) for reason, number in failures_by_reason(failures)]
        parts.append(f"<h3>{plural(len(failures), 'file')} that gave no result</h3>")
        parts.append(_table(("Reason", "Files"), reasons[:MOST_LISTED]))
        listed = [(str(f.get("source", "")), str(f.get("reason", "")), str(f.get("attempts", ""))) for f in failures]
        parts.append(
            _details("Every file", _table(("File", "Reason", "Attempts"), listed[:MOST_LISTED]) + _more(listed))
        )
    if gaps:
        stretches = [_gap_words(gap) for gap in gaps]
        parts.append(f"<h3>{plural(len(gaps), 'stretch', 'stretches')} that could not be decoded</h3>")
        parts.append(_table(("File", "After frame", "At", "Reason"), stretches[:MOST_LISTED]) + _more(stretches))
    uncovered = [camera for camera in figures.by_camera if camera.gap_s > 0]
    if uncovered:
        lost = [(camera.camera or "no camera", duration(camera.gap_s)) for camera in uncovered]
        parts.append("<h3>Times without frames</h3>" + _table(("Camera", "In gaps"), lost[:MOST_LISTED]) + _more(lost))
    if not figures.summary:
        parts.append('<p class="none">The run has no summary.json: files that failed are not known.</p>')
    return "".join(parts) or '<p class="none">Everything was analysed.</p>'


def _gap_words(gap: Mapping[str, Any]) -> tuple[str, ...]:
    frame, seconds = gap.get("after_frame"), gap.get("seconds")
    at = f"{amount(float(seconds), 1)} s" if isinstance(seconds, (int, float)) else NOTHING
    return str(gap.get("source", "")), "the start" if frame is None else str(frame), at, str(gap.get("reason", ""))


def _more(rows: Sequence[object]) -> str:
    left = len(rows) - MOST_LISTED
    return f"<p>and {amount(left)} more, in summary.json</p>" if left > 0 else ""


def settings(summary: Mapping[str, Any]) -> str:
    parts = []
    weights = records(summary.get("weights"))
    if weights:
        rows = [tuple(str(used.get(key) or "") for key in ("name", "file", "licence", "sha256")) for used in weights]
        parts.append(_table(("Network", "File", "Licence", "SHA-256"), rows))
    flat = list(_flat(summary.get("settings")))
    if flat:
        parts.append(_details("Settings of the run", _table(("Setting", "Value"), flat)))
    versions = list(_flat(summary.get("versions")))
    if versions:
        parts.append(_details("Versions", _table(("Of", "Version"), versions)))
    return "".join(parts) or '<p class="none">The run has no summary.json: its settings are not known.</p>'


def _flat(value: object, name: str = "") -> Iterable[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else str(key))
    elif name:
        yield name, NOTHING if value is None else str(value)


def reading(figures: Figures) -> str:
    made = figures.made_at
    return (
        "<ul><li>A face is counted in every frame it is in: the counts are sightings, not persons.</li>"
        "<li>Compliance is masked / (masked + unmasked). A wrongly worn mask counts as unmasked; faces too small or "
        "too unsure to judge are unknown, and not in it.</li>"
        "<li>The 95 % interval (Wilson) takes every judged face for a trial of its own. As the same person is seen in "
        "many frames, the true uncertainty is larger.</li>"
        "<li>A gap is a pause between frames of a camera of more than a minute and three times its usual pause.</li>"
        "</ul>"
        f"<p class='made'>Made by crowdmask {escape(__version__)} on {escape(day_words(made))}, {made:%H:%M} "
        f"({offset_words(made)}). Times are those of {escape(figures.zone.key)}.</p>"
    )


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{escape(title)}</th>' for title in heads)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _details(title: str, content: str) -> str:
    return f"<details><summary>{escape(title)}</summary>{content}</details>"


def records(value: object) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def texts(value: object) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
