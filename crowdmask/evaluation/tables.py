"""Evaluations as text to read: measures down, sets or runs across."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from crowdmask.evaluation.saving import Values

NONE = "-"


def grid(rows: Sequence[Sequence[str]], indent: int = 2) -> str:
    """Rows of equal length, the first column to the left and the others to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))]
        lines.append((" " * indent + "  ".join(cells)).rstrip())
    return "\n".join(lines)


def _share(value: float | None) -> str:
    return NONE if value is None else f"{value:.3f}"


def _signed(value: float | None) -> str:
    return NONE if value is None else f"{value:+.2f}"


def _plain(value: float | None) -> str:
    return NONE if value is None else f"{value:.2f}"


def _whole(value: int) -> str:
    return str(value)


def _rows(values: Values) -> list[tuple[str, str, Any, Callable[[Any], str]]]:
    """Section, name, value and wording of every measure of one evaluation."""
    verdicts, counts = values["verdicts"], values["counts"]
    share: Callable[[Any], str] = _share
    whole: Callable[[Any], str] = _whole
    labelled = values["labelled"]
    cut = "at the confidence"
    rows = [
        ("Labelled", "pictures", values["pictures"], whole),
        ("Labelled", "faces masked", labelled["masked"], whole),
        ("Labelled", "faces unmasked", labelled["unmasked"], whole),
        ("Labelled", "masks wrongly worn", labelled["incorrect"], whole),
        ("Labelled", "regions ignored", labelled["ignore"], whole),
        ("Setting", "confidence", values["confidence"], _plain),
    ]
    title = f"Average precision at IoU {values['match_iou']:g}"
    rows += [(title, name, values["ap"][key], share) for name, key in _AP_NAMES]
    rows += [(f"The same, {cut} and above", name, values["ap_at_cut"][key], share) for name, key in _AP_NAMES]
    rows += [(f"Recall by face size (px), {cut}", b["size"], b["recall"], share) for b in values["recall_by_size"]]
    if values["three_class"] is not None:
        title = f"Average precision of three classes at IoU {values['match_iou']:g}"
        rows += [(title, name, values["three_class"][name], share) for name in ("mean", *_THREE)]
    for title, key in (
        (f"Faces, {cut}", "faces"),
        (f"Unmasked, end to end, {cut}", "unmasked"),
        (f"Wrongly worn, end to end, {cut}", "incorrect"),
    ):
        rows += [(title, name, values[key][name], share) for name in ("precision", "recall", "f1")]
    found = "Finds that no label covers"
    judged = values["judged_false_finds"]
    rows.append((found, "with a verdict", judged, whole))
    rows.append(
        (found, "with a verdict, per picture", judged / values["pictures"] if values["pictures"] else None, share)
    )
    title = "Verdicts on the faces found"
    rows += [
        (title, "right", verdicts["accuracy"], share),
        (title, "right, unknown as wrong", verdicts["accuracy_unknown_wrong"], share),
        (title, "unknown", verdicts["unknown_share"], share),
        (title, "area under ROC", values["roc"]["area"], share),
        (title, "calibration error (ECE)", values["calibration"]["expected_error"], share),
    ]
    for key in ("faces", "unmasked"):
        title = "Count error per picture"
        rows.append((title, f"{key}, mean absolute", counts[key]["mean_absolute"], _plain))
        rows.append((title, f"{key}, mean signed", counts[key]["mean_signed"], _signed))
        rows.append((title, f"{key}, pictures exact", counts[key]["exact_share"], share))
    return rows


_THREE = ("masked", "unmasked", "incorrect")
_AP_NAMES = (
    ("mean of the two", "mean"),
    ("masked", "masked"),
    ("unmasked", "unmasked"),
    ("faces", "faces"),
)


def measures(columns: Mapping[str, Values], *, difference: bool = False) -> str:
    """Every measure of several evaluations side by side; with `difference`, the last column less the first."""
    told = {name: _rows(values) for name, values in columns.items()}
    first = next(iter(told.values()))
    rows: list[list[str]] = [["", *columns, *(["change"] if difference else [])]]
    section = ""
    for i, (title, name, _, _) in enumerate(first):
        if title != section:
            section = title
            rows.append([title, *[""] * (len(rows[0]) - 1)])
        cells = [told_rows[i] for told_rows in told.values()]
        texts = [wording(value) for _, _, value, wording in cells]
        if difference:
            texts.append(_change(cells[0][2], cells[-1][2]))
        rows.append([f"  {name}", *texts])
    return grid(rows)


def _change(before: float | None, after: float | None) -> str:
    if before is None or after is None:
        return NONE
    change = after - before
    return f"{change:+d}" if isinstance(change, int) else f"{change:+.3f}"


def confusion(values: Values) -> str:
    """The verdicts on the faces found, and the classification report."""
    table, report = values["verdicts"]["confusion"], values["verdicts"]["report"]
    rows = [["labelled \\ verdict", "masked", "unmasked", "unknown"]]
    rows += [[name, *(str(table[name][column]) for column in rows[0][1:])] for name in ("masked", "unmasked")]
    lines = [["verdict", "precision", "recall", "F1", "faces"]]
    for name in ("masked", "unmasked"):
        of_class = report[name]
        lines.append(
            [name, *(_share(of_class[key]) for key in ("precision", "recall", "f1")), str(of_class["support"])]
        )
    return grid(rows) + "\n\n" + grid(lines)


def class_names(values: Values) -> str:
    """What became of the faces under each name that the label files use."""
    rows = [["name in the labels", "counts as", "labelled", "found", "masked", "unmasked", "unknown"]]
    for row in values["class_names"]:
        rows.append([row["name"], row["label"], *(str(row[key]) for key in rows[0][2:])])
    return grid(rows)


def sizes(values: Values) -> str:
    """Faces found and verdicts right by the size of the face."""
    rows = [["face size (px)", "labelled", "found", "recall", "at any score", "verdict right", "unknown"]]
    for band in values["recall_by_size"]:
        shares = (band[key] for key in ("recall", "recall_at_any_score", "verdict_accuracy", "unknown_share"))
        rows.append([band["size"], str(band["labelled"]), str(band["found"]), *(_share(share) for share in shares)])
    return grid(rows)


def rates(values: Values) -> str:
    """What a recording's result does over time; `values` is the `video` of a set."""
    labelled = values["people_on_labelled"]
    rows = [
        ["seconds", f"{values['seconds']:.1f}"],
        ["frames, labelled ones", f"{values['frames']}, {values['labelled_frames']}"],
        ["people", str(values["people"])],
        ["  with a verdict, per minute", _plain(values["verdicts_per_minute"])],
        ["  changes of a shown verdict, per minute", _plain(values["changes_per_minute"])],
        ["  on no face of the labelled frames that they are in", f"{values['false_people']} of {labelled}"],
        ["false finds, per minute of all frames", _plain(values["false_finds_per_minute"])],
        ["  with a verdict", _plain(values["false_verdicts_per_minute"])],
    ]
    return grid(rows)


def cuts(values: Values) -> str:
    """What other confidences would give; the best F1 of unmasked is marked."""
    rows = [["confidence", "faces P", "faces R", "faces F1", "unmasked P", "unmasked R", "unmasked F1", ""]]
    best = max((cut["unmasked"]["f1"] or 0.0 for cut in values["cuts"]), default=0.0)
    for cut in values["cuts"]:
        told = [_share(cut[of][key]) for of in ("faces", "unmasked") for key in ("precision", "recall", "f1")]
        mark = "best" if best and cut["unmasked"]["f1"] == best else ""
        rows.append([f"{cut['confidence']:.2f}", *told, mark])
    return grid(rows)
