"""The forms for Windows, tried here with what Linux has switched off; they were never run on Windows itself."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from crowdmask.errors import OutputError
from crowdmask.jobs import naming
from crowdmask.jobs.batch import inputs
from crowdmask.jobs.batch.inputs import Inputs
from crowdmask.jobs.manifest.claims import RunLock, holder_of
from crowdmask.jobs.manifest.entries import Kind
from crowdmask.media import locking, parts
from crowdmask.media.parts import commit, open_alone, part_of
from tests.unit.jobs.batch.cctv import batch, night, rows


def windows_locking(handle: int, mode: int, size: int) -> None:
    """`msvcrt.locking` as its documentation has it, by a lock of Linux that is the handle's own as well."""
    assert size == 1 and os.lseek(handle, 0, os.SEEK_CUR) > 1 << 20, "what is locked there cannot be read"
    if mode == 0:
        fcntl.flock(handle, fcntl.LOCK_UN)
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise PermissionError(errno.EACCES, "Permission denied") from None


@pytest.fixture(params=["linux", "windows"])
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "windows":
        monkeypatch.setattr(locking, "fcntl", None)
        monkeypatch.setattr(locking, "msvcrt", SimpleNamespace(locking=windows_locking, LK_NBLCK=2, LK_UNLCK=0))
    return str(request.param)


def test_a_run_folder_has_one_run(tmp_path: Path, system: str) -> None:
    assert holder_of(tmp_path) is None
    with RunLock(tmp_path):
        holder = holder_of(tmp_path)
        assert holder is not None and holder.pid == os.getpid()
        with pytest.raises(OutputError, match=f"another run is at work .*process {os.getpid()}"), RunLock(tmp_path):
            pass
    assert holder_of(tmp_path) is None
    with RunLock(tmp_path):
        pass


def test_a_part_has_one_writer(tmp_path: Path, system: str) -> None:
    handle = open_alone(tmp_path / "a.csv.part")
    with pytest.raises(OutputError, match="another run is writing it"):
        open_alone(tmp_path / "a.csv.part")
    os.close(handle)
    os.close(open_alone(tmp_path / "a.csv.part"))


def test_a_batch_works_with_them(tmp_path: Path, system: str) -> None:
    folder = night(tmp_path / "in", stills=4)
    assert batch(folder, tmp_path / "run").totals.done == 5
    assert len(rows(tmp_path / "run" / "frames.csv")) == 10


def test_all_modules_load_where_linux_has_more() -> None:
    """Without fcntl, without the signals and calls that only Unix has."""
    code = (
        "import os, signal, sys; sys.modules['fcntl'] = None\n"
        "for name in ('pread', 'pwrite', 'O_DIRECTORY', 'getuid', 'fork', 'killpg'):\n"
        "    if hasattr(os, name): delattr(os, name)\n"
        "for name in ('SIGHUP', 'SIGKILL', 'SIGALRM'): delattr(signal, name)\n"
        "import crowdmask.cli.analyze, crowdmask.cli.batch, crowdmask.jobs.batch.running, crowdmask.nets.fetch\n"
        "import crowdmask.jobs.batch.cluster, crowdmask.jobs.long_videos\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)


def test_a_file_that_is_held_open_gets_its_name_a_moment_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = [True, True]
    replace = os.replace

    def busy(source: Any, target: Any) -> None:
        if refused:
            refused.pop()
            raise PermissionError(errno.EACCES, "The process cannot access the file")
        replace(source, target)

    monkeypatch.setattr(parts, "WAITS_S", (0.0, 0.0, 0.0))
    monkeypatch.setattr(parts, "os", SimpleNamespace(**{**vars(os), "name": "nt", "replace": busy}))
    part_of(tmp_path / "a.csv").write_text("whole")
    commit(tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text() == "whole" and not refused


def test_sources_have_slashes_whatever_the_system_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "os", SimpleNamespace(**{**vars(os), "sep": "\\"}))
    given = Inputs(root="C:\\cctv")
    assert given.source_of("C:\\cctv\\cam1\\a.mp4") == "cam1/a.mp4"
    assert given.source_of("D:\\other\\a.mp4") == "D:/other/a.mp4"


def test_no_colon_gets_into_a_name() -> None:
    run = Path("run")
    assert naming.frames_file_of(run, "D:/other/a.mp4") == run / "videos" / "@" / "D" / "other" / "a.mp4.csv"
    assert naming.annotated_file(run, "D:/a.png", Kind.PICTURE) == run / "annotated" / "@" / "D" / "a.png"
    assert naming.frames_file_of(run, "cam1/a.mp4") == run / "videos" / "cam1" / "a.mp4.csv"
