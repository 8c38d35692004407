"""The progress bar on stderr, with the running counts; silent where nobody looks at it."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import click
from tqdm import tqdm

from crowdmask.cli.main import printable
from crowdmask.jobs.watching import Watch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crowdmask.jobs.tasks import Outcome, Task
    from crowdmask.records import FrameResult, VideoInfo
    from crowdmask.results.statistics import ComplianceStats

LONGEST_NAME = 28
WITH_END = "{desc} {percentage:3.0f}% {bar} {n_fmt}/{total_fmt}, {rate_noinv_fmt}, {remaining} left{postfix}"


class Progress(Watch):
    """One bar for each video; one for all inputs together where all are pictures."""

    def __init__(self, tasks: Sequence[Task], shown: bool) -> None:
        self._inputs = len(tasks)
        self._begun = 0
        self._shown = shown
        self._whole = self._inputs > 1 and all(task.kind == "picture" for task in tasks)
        self._bar: Any = None
        self._totals: ComplianceStats | None = None  # of the inputs before this one
        if self._whole:
            self._bar = self._make_bar("pictures", self._inputs, " pictures")

    def opened(self, task: Task, info: VideoInfo) -> None:
        self._begun += 1
        if not self._whole:
            name = _short(PurePath(task.name).name or task.name)
            place = f"[{self._begun}/{self._inputs}] " if self._inputs > 1 else ""
            self._bar = self._make_bar(place + name, info.frames_expected, " frames")

    def saw(self, result: FrameResult, stats: ComplianceStats) -> None:
        if self._bar is None:
            return
        running = stats if self._totals is None else self._totals + stats
        self._bar.set_postfix_str(
            f"{running.unmasked} unmasked, {running.masked} masked, {running.unknown} unknown", refresh=False
        )
        if not self._whole:
            self._bar.update()

    def ended(self, outcome: Outcome) -> None:
        if self._whole:
            self._totals = outcome.stats if self._totals is None else self._totals + outcome.stats
            self._bar.update()
        elif self._bar is not None:
            self._bar.close()
            self._bar = None

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _make_bar(self, name: str, total: int | None, unit: str) -> Any:
        return tqdm(
            total=total,
            desc=name,
            unit=unit,
            file=sys.stderr,
            disable=not self._shown,
            leave=False,
            dynamic_ncols=True,
            bar_format=WITH_END if total else None,
        )


def _short(name: str) -> str:
    name = printable(name)
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME // 2 - 1] + "…" + name[-LONGEST_NAME // 2 :]


class _Lines(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        say(self.format(record))


@contextmanager
def logging_to_stderr(level: int) -> Iterator[None]:
    """What the rooms log comes out as lines on stderr, above a bar where there is one."""
    log = logging.getLogger("crowdmask")
    before, handler = log.level, _Lines()
    log.addHandler(handler)
    log.setLevel(level)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before)


def say(message: str) -> None:
    """One line on stderr."""
    with tqdm.external_write_mode(file=sys.stderr):
        click.echo(f"crowdmask: {printable(message)}", err=True)


def say_at_once(message: str) -> None:
    """One line on stderr from a signal handler, where no buffer may be touched that may be half written."""
    clear = "\r\x1b[K" if os.isatty(2) else ""
    with suppress(OSError):
        os.write(2, f"{clear}crowdmask: {message}\n".encode())
