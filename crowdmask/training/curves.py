"""Draws a run's learning curves from its CSV."""

from __future__ import annotations

import csv
from pathlib import Path


def draw_curves(table: Path) -> Path | None:
    """A PNG beside the CSV: losses left, all else right; None where matplotlib or the CSV is missing."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return None
    if not table.exists():
        return None
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    steps = [int(row["step"]) for row in rows]
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    losses, others = figure.subplots(1, 2)
    for name in rows[0] if rows else ():
        if name != "step":
            axis = losses if name.endswith("loss") else others
            axis.plot(steps, [float(row[name]) for row in rows], marker=".", label=name.replace("_", " "))
    for axis in (losses, others):
        axis.set_xlabel("step")
        axis.grid(alpha=0.3)
        axis.legend(frameon=False)
    path = table.with_suffix(".png")
    figure.savefig(path, dpi=120)
    return path
