"""The running log of a batch, RUN/log/: what happened when, in lines for people or in JSON for programs."""

from __future__ import annotations

import json
import logging
import logging.handlers
from pathlib import Path
from types import TracebackType
from typing import Any

from typing_extensions import Self

from crowdmask.jobs.batch.entries import readable
from crowdmask.media.parts import writing

MOST_BYTES, KEPT = 10_000_000, 5

log = logging.getLogger(__name__)


class Journal:
    """A context manager; each event is one line with its fields. The files are rotated, and the oldest go."""

    def __init__(self, folder: Path, *, as_json: bool = False) -> None:
        self._path = folder / ("batch.jsonl" if as_json else "batch.log")
        self._as_json = as_json
        self._logger = logging.Logger("crowdmask.batch")  # outside of the tree: it is for the file and nobody else

    def __enter__(self) -> Self:
        with writing(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            handler = _Rotating(self._path, maxBytes=MOST_BYTES, backupCount=KEPT, encoding="utf-8")
        handler.setFormatter(_Json() if self._as_json else _Line())
        self._logger.addHandler(handler)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for handler in list(self._logger.handlers):
            self._logger.removeHandler(handler)
            handler.close()

    def note(self, event: str, **fields: Any) -> None:
        """For the file only."""
        self._logger.info(event, extra={"fields": fields})

    def tell(self, message: str, **fields: Any) -> None:
        """For the file, and for whoever watches the run."""
        self._logger.warning(message, extra={"fields": fields})
        log.warning("%s", message)


class _Rotating(logging.handlers.RotatingFileHandler):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """A log that cannot be written stops no run: a full disk is found out, and told, by whoever watches it."""


class _Line(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        fields = getattr(record, "fields", {})
        line = super().format(record) + "".join(f"  {name}={value}" for name, value in fields.items())
        return readable(" ".join(line.split("\n")))


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        at = self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z")
        told = {
            "at": at,
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        return readable(json.dumps(told, ensure_ascii=False, default=str))
