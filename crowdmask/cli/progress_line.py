"""The one line about how far a call is, in the columns that there are; plain text out of plain numbers."""

from __future__ import annotations

from dataclasses import dataclass

from crowdmask.jobs.forecast import Phase, Progress
from crowdmask.words import amount, duration, percent, plural

LEAST_BAR = 10  # columns; texts go before the bar does
PERCENT = 6  # columns of it, with its spaces
SHORTEST_TITLE, LONGEST_TITLE = 12, 40


@dataclass(frozen=True)
class Line:
    """Text before and after a bar, or `before` alone where there is nothing to draw a bar of."""

    before: str
    after: str = ""
    has_bar: bool = False


def line_of(progress: Progress, columns: int, title: str = "", of_input: str = "") -> Line:
    """`title` is the input that is done now; `of_input` is how far that is, such as `8/12 frames`."""
    if progress.phase is not Phase.WORKING or progress.share is None:
        return Line(_cut("; ".join([_waiting(progress), *(text for text in (title, of_input) if text)]), columns))
    before = _cut(title, max(SHORTEST_TITLE, min(LONGEST_TITLE, columns // 3)))
    room = columns - len(before) - PERCENT - LEAST_BAR
    after = ""
    for text in texts_of(progress, of_input):
        longer = f"{after}, {text}" if after else text
        if len(longer) <= room:
            after = longer
    return Line(before, after, True)


def texts_of(progress: Progress, of_input: str = "") -> list[str]:
    """What may be said beside the bar, the weightiest first."""
    inputs = of_input or f"{amount(progress.done + progress.failed)}/{amount(progress.to_do)} inputs"
    texts = [left_words(progress.left_s), inputs]
    if progress.failed:
        texts.append(f"{amount(progress.failed)} failed")
    if progress.frames_per_s:
        texts.append(f"{progress.frames_per_s:.1f} frames/s")
    if progress.counts is not None:
        texts.append(progress.counts.in_words)
    return texts


def whole_line(progress: Progress, of_input: str = "") -> str:
    """All of it in words, for a file or a log."""
    if progress.phase is not Phase.WORKING:
        return _waiting(progress)
    if progress.share is None:
        return f"{_waiting(progress)}, {progress.frames_per_s:.1f} frames/s"
    return f"{percent(progress.share, 0)} done, {', '.join(texts_of(progress, of_input))}"


def left_words(left_s: float | None) -> str:
    if left_s is None:
        return "time left not known yet"
    return f"{duration(left_s)} left" if left_s >= 1 else "almost done"


def _waiting(progress: Progress) -> str:
    so_far = "" if progress.all_found else " so far"
    if progress.phase is Phase.SEARCHING:
        return "looking for inputs" if not progress.found else f"{plural(progress.found, 'input')} found{so_far}"
    if progress.phase is Phase.LOADING:
        return f"loading the networks for {plural(progress.to_do, 'input')}{so_far}"
    if progress.phase is Phase.WORKING:
        done = progress.done + progress.failed
        return f"{amount(done)} of {plural(progress.to_do, 'input')}{so_far} done, {plural(progress.frames, 'frame')}"
    return "putting the results together" if progress.phase is Phase.FINISHING else "ended"


def _cut(text: str, columns: int) -> str:
    if len(text) <= columns:
        return text
    kept = max(1, columns - 1)
    return text[: kept - kept // 2] + "…" + text[len(text) - kept // 2 :]
