"""The comparison's charts: learning curves of all in one figure, confusion matrices, accuracy against cost."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from crowdmask.evaluation.plots import COLOURS, MARKS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Row = Mapping[str, Any]


def charts(classifiers: Sequence[Row], detectors: Sequence[Row]) -> dict[str, bytes]:
    """PNGs by name; those that there is something to show in."""
    done, found = _whole(classifiers), _whole(detectors)
    drawn: dict[str, Figure] = {}
    if done:
        trained = [row for row in done if row["curve"]]  # one that ships was not trained here
        drawn |= {"learning-curves": learning_curves(trained)} if trained else {}
        drawn["confusion"] = confusion(done)
        drawn |= {"accuracy-against-cost": against_cost(done), "calibration": reliability(done)}
        drawn["accuracy-by-size"] = accuracy_by_size(done)
    if found:
        drawn |= {"recall-by-size": recall_by_size(found), "precision-against-time": detectors_against_time(found)}
    return {f"{name}.png": _png(figure) for name, figure in drawn.items()}


def _whole(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if "failed" not in row]


def learning_curves(rows: Sequence[Row]) -> Figure:
    figure, axes = _panels(1, 2, (10, 4.2))
    for axis, key in zip(axes, ("val_loss", "val_accuracy"), strict=True):
        for i, row in enumerate(rows):
            points = [(p["trained_s"], p[key]) for p in row["curve"] if p.get(key) is not None]
            axis.plot(*zip(*points, strict=True), label=row["name"], **_style(i))
        axis.set(xlabel="seconds of training", ylabel=key.replace("val_", "held-out "))
        axis.grid(alpha=0.3)
    axes[0].set_yscale("log")
    axes[1].legend(fontsize=8)
    return figure


def confusion(rows: Sequence[Row]) -> Figure:
    columns = min(4, len(rows))
    lines = -(-len(rows) // columns)
    figure, axes = _panels(lines, columns, (2.6 * columns, 2.7 * lines))
    words = ("masked", "unmasked")
    for axis in axes[len(rows) :]:
        axis.axis("off")
    for axis, row in zip(axes, rows, strict=False):
        table = row["measures"]["confusion"]
        shares = [[n / max(1, sum(line)) for n in line] for line in table]
        axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for y, line in enumerate(table):
            for x, n in enumerate(line):
                axis.text(x, y, str(n), ha="center", va="center", color="white" if shares[y][x] > 0.5 else "black")
        axis.set(title=row["name"], xticks=(0, 1), yticks=(0, 1), xticklabels=words, yticklabels=words)
    figure.supxlabel("said", fontsize=9)
    figure.supylabel("labelled", fontsize=9)
    return figure


def against_cost(rows: Sequence[Row]) -> Figure:
    figure, (axis,) = _panels(1, 1, (7, 4.6))
    for i, row in enumerate(rows):
        if not row["ms_a_crop"]:
            continue
        cost = min(row["ms_a_crop"].values())
        axis.plot(cost, row["measures"]["accuracy"], **{**_style(i), "linestyle": ""})
        axis.annotate(row["name"], (cost, row["measures"]["accuracy"]), textcoords="offset points", xytext=(6, 4))
    axis.set(xscale="log", xlabel="milliseconds a crop, in its fastest runtime", ylabel="accuracy on held-out faces")
    axis.grid(alpha=0.3, which="both")
    return figure


def reliability(rows: Sequence[Row]) -> Figure:
    """What share was unmasked among faces of about one probability: on the diagonal where it can be believed."""
    figure, (axis,) = _panels(1, 1, (6, 5.4))
    axis.plot((0, 1), (0, 1), color="#999999", linewidth=1)
    for i, row in enumerate(rows):
        bins = row["measures"]["reliability"]
        axis.plot(
            [b["probability"] for b in bins],
            [b["unmasked"] for b in bins],
            markersize=5,
            label=row["name"],
            **_style(i),
        )
    axis.set(xlabel="probability of unmasked", ylabel="share that is unmasked", xlim=(0, 1), ylim=(-0.02, 1.02))
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8)
    return figure


def accuracy_by_size(rows: Sequence[Row]) -> Figure:
    figure, (axis,) = _panels(1, 1, (8, 4.4))
    names = list(dict.fromkeys(name for row in rows for name in row["measures"]["by_size"]))
    for i, row in enumerate(rows):
        found = row["measures"]["by_size"]
        points = [(place, found[name]["accuracy"]) for place, name in enumerate(names) if name in found]
        axis.plot(*zip(*points, strict=True), label=row["name"], **_style(i))
    faces = rows[0]["measures"]["by_size"]
    axis.set(xlabel="face size (px), and how many faces", ylabel="accuracy", ylim=(-0.02, 1.02))
    axis.set_xticks(
        range(len(names)), [f"{name}\n({faces[name]['faces']})" if name in faces else name for name in names]
    )
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8)
    return figure


def recall_by_size(rows: Sequence[Row]) -> Figure:
    figure, (axis,) = _panels(1, 1, (8, 4.4))
    names = list(dict.fromkeys(name for row in rows for name in row["by_size"]))
    for i, row in enumerate(rows):
        shares = [(row["by_size"].get(name) or {}).get("recall") for name in names]
        points = [(place, share) for place, share in enumerate(shares) if share is not None]
        axis.plot(*zip(*points, strict=True), label=row["name"], **_style(i))
    axis.set(xlabel="face size (px)", ylabel="recall at the confidence in use", ylim=(-0.02, 1.02))
    axis.set_xticks(range(len(names)), names)
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8)
    return figure


def detectors_against_time(rows: Sequence[Row]) -> Figure:
    figure, (axis,) = _panels(1, 1, (7, 4.6))
    for i, row in enumerate(rows):
        place = row["ms_a_frame"], row["ap"]
        axis.plot(*place, **{**_style(i), "linestyle": ""})
        axis.annotate(row["name"], place, textcoords="offset points", xytext=(6, 4))
    axis.set(xscale="log", xlabel="milliseconds a frame", ylabel="face AP50", ylim=(-0.02, 1.02))
    axis.grid(alpha=0.3, which="both")
    return figure


def _panels(lines: int, columns: int, size: tuple[float, float]) -> tuple[Figure, list[Any]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=110, layout="constrained")
    return figure, list(figure.subplots(lines, columns, squeeze=False).ravel())


def _style(i: int) -> dict[str, Any]:
    """Colour, mark and line: those after the seventh have a colour again, and neither its mark nor its line."""
    turn, place = divmod(i, len(COLOURS))
    lines = ("-", "--", ":")
    return {"color": COLOURS[place], "marker": MARKS[(place + turn) % len(MARKS)], "linestyle": lines[turn % 3]}


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
