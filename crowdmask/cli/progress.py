"""What stderr sees of a call while it works: a bar on a terminal, elsewhere a line a minute, or JSON for programs."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import click
from tqdm import tqdm

from crowdmask.cli.main import printable
from crowdmask.cli.progress_line import Line, line_of, whole_line
from crowdmask.jobs import forecast
from crowdmask.jobs.batch.journal import BatchWatch
from crowdmask.jobs.forecast import Beat, Forecast, Phase, Progress, Work
from crowdmask.jobs.watching import Watch

if TYPE_CHECKING:
    from crowdmask.jobs.tasks import Outcome, Task
    from crowdmask.records import FrameResult, VideoInfo
    from crowdmask.results.statistics import ComplianceStats

DRAW_S, LINE_S, JSON_S = 0.25, 60.0, 1.0
COLUMNS = 80  # where the terminal does not say


class Display:
    """A context manager; what was last shown is shown again and again, with the time left that it is by then."""

    def __init__(self, mode: str) -> None:
        self._first_s = 0.0
        if mode == "auto":
            mode = "bar" if sys.stderr.isatty() else "lines"
            self._first_s = 0.0 if mode == "bar" else LINE_S  # what is over in a minute leaves no trace in a log
        self._mode = mode
        self._shown, self._title, self._of_input = Progress(), "", ""
        self._shown_at = forecast.now()
        self._bar: Any = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._tick, name="crowdmask-progress", daemon=True)

    def __enter__(self) -> Display:
        if self._mode != "none":
            self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        if self._mode != "none":
            self._thread.join()
        if self._bar is not None:
            self._bar.close()
        if self._mode == "json":
            self._shown = replace(self._shown, phase=Phase.ENDED)
            self._write_json()

    def show(self, progress: Progress, title: str = "", of_input: str = "") -> None:
        """Take note of it; it is drawn when it is time to."""
        self._shown, self._title, self._of_input, self._shown_at = progress, title, of_input, forecast.now()

    def _tick(self) -> None:
        wait_s = {"bar": DRAW_S, "lines": LINE_S, "json": JSON_S}[self._mode]
        if self._ended.wait(self._first_s):
            return
        while True:
            if self._mode == "bar":
                self._draw()
            elif self._mode == "json":
                self._write_json()
            else:
                say(whole_line(self._now, self._of_input))
            if self._ended.wait(wait_s):
                return

    @property
    def _now(self) -> Progress:
        shown, passed_s = self._shown, forecast.now() - self._shown_at
        return shown if shown.left_s is None else replace(shown, left_s=max(0.0, shown.left_s - passed_s))

    def _draw(self) -> None:
        columns, progress = _columns(), self._now
        line = _bar_format(line_of(progress, columns - 1, self._title, self._of_input))
        if self._bar is None:
            self._bar = tqdm(total=1.0, file=sys.stderr, leave=False, bar_format=line, ncols=columns)
        self._bar.ncols, self._bar.n, self._bar.bar_format = columns, progress.share or 0.0, line
        self._bar.refresh()

    def _write_json(self) -> None:
        at = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        told = {**self._now.as_dict(), "at": at, "input": self._title}
        with suppress(OSError, ValueError):  # nobody reads it any more
            sys.stderr.write(json.dumps(told, ensure_ascii=False) + "\n")
            sys.stderr.flush()


def _bar_format(line: Line) -> str:
    before, after = (text.replace("{", "{{").replace("}", "}}") for text in (line.before, line.after))
    return f"{before}{{percentage:4.0f}}% {{bar}} {after}" if line.has_bar else before


def _columns() -> int:
    with suppress(OSError, ValueError):
        return os.get_terminal_size(sys.stderr.fileno()).columns or COLUMNS
    return COLUMNS


class BatchProgress(BatchWatch):
    """Of a batch."""

    def __init__(self, display: Display) -> None:
        self._display = display

    def moved(self, progress: Progress) -> None:
        self._display.show(progress)


class InputsProgress(Watch):
    """Of single inputs, one after the other."""

    def __init__(self, tasks: Sequence[Task], display: Display) -> None:
        self._display, self._inputs = display, len(tasks)
        self._pictures = self._inputs > 1 and all(task.kind == "picture" for task in tasks)
        self._forecast = Forecast()
        self._begun = self._done = self._failed = self._frames = self._expected = 0
        self._title, self._phase = "", Phase.LOADING
        self._at = forecast.now()
        self._before: ComplianceStats | None = None  # of the inputs before this one
        self._now: ComplianceStats | None = None
        self._lengths = [_frames_of(task) for task in tasks]
        for number, length in enumerate(self._lengths):
            self._forecast.expect_video(str(number), length or 0)
        self._show()

    def opened(self, task: Task, info: VideoInfo) -> None:
        self._frames, self._expected = 0, info.frames_expected or 0
        if self._expected:
            self._lengths[self._begun] = self._expected
            self._forecast.expect_video(str(self._begun), self._expected)
        self._name(task)
        self._show()

    def _name(self, task: Task) -> None:
        if not self._pictures:
            number = f"[{self._begun + 1}/{self._inputs}] " if self._inputs > 1 else ""
            self._title = number + printable(PurePath(task.name).name or task.name)

    def ready(self, task: Task) -> None:
        self._phase, self._at = Phase.WORKING, forecast.now()
        self._show()

    def saw(self, result: FrameResult, stats: ComplianceStats) -> None:
        now = forecast.now()
        self._forecast.beat(Beat(Work.LOOK, 1, now - self._at, str(self._begun)))
        self._at, self._now, self._frames = now, stats, self._frames + 1
        self._show()

    def moved(self, task: Task, progress: Progress) -> None:
        self._name(task)
        frames = f"{progress.frames} frames" if progress.phase is Phase.WORKING else ""
        self._display.show(progress, self._title, frames)

    def ended(self, outcome: Outcome) -> None:
        self._failed += outcome.state == "failed"
        self._done += outcome.state != "failed"
        self._before, self._now = self._stats, None
        self._forecast.finish_video(str(self._begun))
        self._begun += 1
        self._at = forecast.now()
        self._show()

    @property
    def _stats(self) -> ComplianceStats | None:
        if self._before is None or self._now is None:
            return self._now or self._before
        return self._before + self._now

    def _show(self) -> None:
        stats, ahead = self._stats, self._forecast
        known = all(length is not None for length in self._lengths)
        progress = Progress(
            self._phase,
            done=self._done,
            failed=self._failed,
            found=self._inputs,
            to_do=self._inputs,
            all_found=True,
            frames=0 if stats is None else stats.frames,
            frames_per_s=ahead.frames_per_s,
            share=ahead.share if known else None,
            left_s=ahead.left_s if known else None,
            counts=None if stats is None else stats.counts,
        )
        of_input = ""
        if not self._pictures and self._phase is Phase.WORKING:
            of_input = f"{self._frames}/{self._expected} frames" if self._expected else f"{self._frames} frames"
        self._display.show(progress, self._title, of_input)


def _frames_of(task: Task) -> int | None:
    """How many frames an input has; None where that is not known before its end."""
    from crowdmask.errors import CrowdmaskError
    from crowdmask.media.describing import frames_announced
    from crowdmask.media.opening import local_path

    if task.kind == "picture":
        return 1
    if task.kind == "stream":
        return None
    try:
        return frames_announced(str(local_path(task.source)), task.analysis)
    except (CrowdmaskError, OSError):
        return 0  # its failure takes no time


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
