"""Deletes what purge_plan.py found, one thing after the other, and records each in the run's purge.log."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path, PurePosixPath
from typing import TextIO

from crowdmask import __version__
from crowdmask.errors import CrowdmaskError, SourceError
from crowdmask.media.parts import as_output_error
from crowdmask.results import purge_parts
from crowdmask.results.purge_plan import Deletion, Plan
from crowdmask.results.run_folder import deletions

Forget = Callable[[Sequence[str]], object]


def carry_out(found: Plan, forget: Forget | None = None) -> list[tuple[Deletion, str]]:
    """Delete what was planned, and record it; what could not be deleted comes back with the reason.

    `forget` deletes the detections of sources from the run's manifest, which only jobs/ can open.
    """
    failed = []
    with _open_log(found.log) as log:
        for deletion in found.deletions:
            told = {"at": _now(), "older_than": found.older_than, **deletion.as_dict()}
            try:
                _delete(found, deletion, forget)
            except (CrowdmaskError, OSError) as error:
                failed.append((deletion, str(error)))
                told["failed"] = str(error)
            log.write(json.dumps(told, ensure_ascii=False) + "\n")
            log.flush()
        done = {"deleted": len(found.deletions) - len(failed), "failed": len(failed), "left": len(found.left)}
        log.write(json.dumps({"at": _now(), "older_than": found.older_than, "crowdmask": __version__, **done}) + "\n")
    if found.frames is None:
        for folder in (found.run.annotated, found.run.parts):
            _remove_empty(folder)
    return failed


def carry_over(purge_log: Path, to: Path) -> None:
    """Where results become others: what says whose people were purged, so that nobody takes them for none."""
    lines = [json.dumps(told, ensure_ascii=False) + "\n" for told in deletions(purge_log) if told.get("sources")]
    if lines:
        with _open_log(to) as log:
            log.writelines(lines)


def _delete(found: Plan, deletion: Deletion, forget: Forget | None) -> None:
    file = found.run.path / deletion.path
    if not deletion.is_whole_file:
        if file.is_symlink() or file.resolve() != file:
            raise SourceError(f"{file}: it became a link: nothing was deleted")
        written = datetime.fromtimestamp(file.stat().st_mtime, timezone.utc)
        if deletion.kind == "manifest" and forget is not None:
            forget(deletion.sources or ())
        elif deletion.sources is not None:
            purge_parts.drop_rows(file, list(deletion.sources))
        else:
            purge_parts.drop_pictures(file, lambda taken: found.is_old(taken, written))
        return
    handle = os.open(found.run.path, os.O_RDONLY | os.O_DIRECTORY)
    *folders, name = PurePosixPath(deletion.path).parts
    try:
        for folder in folders:  # one by one, so that none of them can be a link
            inner = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=handle)
            os.close(handle)
            handle = inner
        if not stat.S_ISREG(os.stat(name, dir_fd=handle, follow_symlinks=False).st_mode):
            raise SourceError(f"{file}: it became something else than a file: nothing was deleted")
        os.unlink(name, dir_fd=handle)
    finally:
        os.close(handle)


def _open_log(path: Path) -> TextIO:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
    try:
        return open(
            path,
            "a",
            encoding="utf-8",
            errors="backslashreplace",
            opener=lambda path, _: os.open(path, flags, 0o666),
        )
    except OSError as error:
        raise as_output_error(error, path) from error


def _remove_empty(folder: Path) -> None:
    if folder.is_symlink() or not folder.is_dir():
        return
    for inner, _, _ in os.walk(folder, topdown=False):
        try:
            os.rmdir(inner)
        except OSError:
            continue  # not empty: something in it is younger


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
