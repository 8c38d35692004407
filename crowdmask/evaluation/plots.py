"""Curves of one or several evaluations as PNG: ROC, precision-recall, calibration, recall by face size."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crowdmask.evaluation.saving import Values
from crowdmask.media.parts import write_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito (2008): told apart with every common colour vision deficiency
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKS = "osD^vPX"
Sets = Mapping[str, Values]


def available() -> bool:
    """Whether matplotlib is installed; it comes with crowdmask[train]."""
    return find_spec("matplotlib") is not None


def write_plots(folder: Path, sets: Sets) -> list[Path]:
    """One PNG for each kind of curve, one line for each set."""
    drawn: dict[str, Callable[[Sets], Figure]] = {
        "roc.png": roc,
        "precision-recall.png": precision_recall,
        "calibration.png": calibration,
        "recall-by-size.png": recall_by_size,
    }
    return [write_whole(folder / name, _png(draw(sets))) for name, draw in drawn.items()]


def roc(sets: Sets) -> Figure:
    figure, (axes,) = _figure(1)
    axes.plot([0, 1], [0, 1], color="#999999", linewidth=1, linestyle="--")
    for i, (name, values) in enumerate(sets.items()):
        curve = values["roc"]
        if curve["area"] is not None:
            told = f"{name}: area {curve['area']:.3f}"
            axes.plot(curve["false_positive_rate"], curve["true_positive_rate"], label=told, **_line(i))
    _finish(
        axes, "Masked faces called unmasked", "Unmasked faces called unmasked", "ROC of the verdict, on the faces found"
    )
    return figure


def precision_recall(sets: Sets) -> Figure:
    figure, panels = _figure(3)
    for axes, of in zip(panels, ("faces", "masked", "unmasked"), strict=True):
        for i, (name, values) in enumerate(sets.items()):
            curve = values["curves"][of]
            if curve["average_precision"] is not None:
                told = f"{name}: AP {curve['average_precision']:.3f}"
                axes.plot(curve["recall"], curve["precision"], label=told, **_line(i))
            if of == "faces" and values["faces"]["precision"] is not None and values["faces"]["recall"] is not None:
                point = (values["faces"]["recall"], values["faces"]["precision"])
                axes.plot(*point, marker=MARKS[i % len(MARKS)], color=_colour(i), markeredgecolor="black")
        note = " (mark: the confidence in use)" if of == "faces" else ""
        _finish(axes, "Recall", "Precision", of.capitalize() + note)
    return figure


def calibration(sets: Sets) -> Figure:
    figure, (axes,) = _figure(1)
    axes.plot([0, 1], [0, 1], color="#999999", linewidth=1, linestyle="--")
    for i, (name, values) in enumerate(sets.items()):
        told = values["calibration"]
        filled = [b for b in told["bins"] if b["faces"]]
        if filled:
            prob, share = ([b[key] for b in filled] for key in ("mean_prob", "unmasked_share"))
            axes.plot(
                prob, share, label=f"{name}: ECE {told['expected_error']:.3f}", marker=MARKS[i % len(MARKS)], **_line(i)
            )
            for b in filled:
                axes.annotate(str(b["faces"]), (b["mean_prob"], b["unmasked_share"]), **_beside(i))
    _finish(axes, "Probability of unmasked, mean of the bin", "Share truly unmasked", "Calibration (faces in each bin)")
    return figure


def recall_by_size(sets: Sets) -> Figure:
    figure, (axes,) = _figure(1)
    width = 0.8 / max(1, len(sets))
    names: list[str] = []
    for i, (name, values) in enumerate(sets.items()):
        bands = values["recall_by_size"]
        names = [band["size"] for band in bands]
        places = [place + (i - (len(sets) - 1) / 2) * width for place in range(len(bands))]
        axes.bar(places, [band["recall"] or 0.0 for band in bands], width, label=name, color=_colour(i))
        for place, band in zip(places, bands, strict=True):
            text = f"{band['recall']:.2f}\nof {band['labelled']}" if band["labelled"] else "none"
            axes.annotate(text, (place, band["recall"] or 0.0), ha="center", va="bottom", fontsize=7)
    _finish(
        axes, "Face size (px, square root of the box's area)", "Recall at the confidence in use", "Recall by face size"
    )
    axes.set_xlim(-0.6, len(names) - 0.4)
    axes.set_xticks(range(len(names)), names)
    axes.set_ylim(0, 1.15)
    return figure


def _figure(panels: int) -> tuple[Figure, list[Axes]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.8 * panels if panels > 1 else 6.4, 4.8), dpi=120, layout="constrained")
    return figure, list(figure.subplots(1, panels, squeeze=False)[0])


def _finish(axes: Axes, across: str, up: str, title: str) -> None:
    axes.set(xlabel=across, ylabel=up, title=title, xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axes.grid(alpha=0.3)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="best", fontsize=8)
    else:
        axes.text(0.5, 0.5, "nothing to show", transform=axes.transAxes, ha="center")


def _line(i: int) -> dict[str, Any]:
    return {"color": _colour(i), "linestyle": ("-", "--", "-.", ":")[i % 4], "linewidth": 1.6}


def _colour(i: int) -> str:
    return COLOURS[i % len(COLOURS)]


def _beside(i: int) -> dict[str, Any]:
    return {"textcoords": "offset points", "xytext": (6, -9 if i % 2 else 4), "fontsize": 7, "color": _colour(i)}


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
