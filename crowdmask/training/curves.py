"""Draws a run's learning curves from its metrics."""

from __future__ import annotations

from pathlib import Path

from crowdmask.runs.record import read_metrics


def draw_curves(folder: Path) -> Path | None:
    """`curves.png` in the run's folder: losses left, all else right; None without matplotlib or metrics."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return None
    rows = read_metrics(folder)
    if not rows:
        return None
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    losses, others = figure.subplots(1, 2)
    for name in rows[0]:
        if name not in ("step", "trained_s"):
            axis = losses if name.endswith("loss") else others
            shown = [row for row in rows if name in row]
            axis.plot([r["step"] for r in shown], [r[name] for r in shown], marker=".", label=name.replace("_", " "))
    for axis in (losses, others):
        axis.set_xlabel("step")
        axis.grid(alpha=0.3)
        axis.legend(frameon=False)
    path = folder / "curves.png"
    figure.savefig(path, dpi=120)
    return path
