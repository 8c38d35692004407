"""Writes a comparison down: tables as CSV, Markdown and one HTML page that carries its charts in itself."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from crowdmask.comparison import table
from crowdmask.comparison.charts import charts
from crowdmask.evaluation import plots
from crowdmask.media.parts import write_whole

Row = Mapping[str, Any]
STYLE = """body{font:15px/1.5 system-ui,sans-serif;margin:2em auto;max-width:75em;padding:0 1em;color:#222}
table{border-collapse:collapse;display:block;overflow-x:auto}td,th{padding:.3em .7em;border-bottom:1px solid #ddd}
td{text-align:right;white-space:nowrap}td:first-child,th:first-child{text-align:left}img{max-width:100%}"""


def write_comparison(
    out: Path, classifiers: Sequence[Row], detectors: Sequence[Row], about: Sequence[str]
) -> list[Path]:
    """The files written; charts where matplotlib is installed."""
    kinds = {"classifiers": (classifiers, table.classifier_columns), "detectors": (detectors, table.detector_columns)}
    parts, written, page = [], [], []
    for name, (rows, columns_of) in kinds.items():
        if not rows:
            continue
        columns = columns_of([row for row in rows if "failed" not in row])
        written.append(write_whole(out / f"{name}.csv", table.as_csv(rows, columns).encode()))
        parts.append(f"## {name.capitalize()}\n\n{table.as_markdown(rows, columns)}")
        page.append(f"<h2>{name.capitalize()}</h2>{table.as_html(rows, columns)}")
    drawn = charts(classifiers, detectors) if plots.available() else {}
    written += [write_whole(out / name, png) for name, png in drawn.items()]
    intro = "".join(f"- {line}\n" for line in about)
    text = f"# Comparison\n\n{intro}\n" + "\n".join(parts)
    text += "".join(f"\n![{name.removesuffix('.png')}]({name})\n" for name in drawn)
    written.append(write_whole(out / "comparison.md", text.encode()))
    images = "".join(
        f"<h2>{name.removesuffix('.png').replace('-', ' ').capitalize()}</h2>"
        f'<img alt="{name}" src="data:image/png;base64,{base64.b64encode(png).decode()}">'
        for name, png in drawn.items()
    )
    told = "".join(f"<li>{escape(line)}</li>" for line in about)
    html = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Comparison</title><style>{STYLE}</style>'
        f"<h1>Comparison</h1><ul>{told}</ul>{''.join(page)}{images}</html>"
    )
    written.append(write_whole(out / "comparison.html", html.encode()))
    return written
