"""Locks on open files that the system takes back when their holder ends, however it ends: by what the system offers."""

from __future__ import annotations

import os
from types import ModuleType

fcntl: ModuleType | None
msvcrt: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None
try:
    import msvcrt
except ImportError:  # everywhere else
    msvcrt = None

BINARY = getattr(os, "O_BINARY", 0)  # of os.open: Windows would translate the ends of lines
_FAR_AWAY = 1 << 30  # Windows lets nobody read what is locked, so a byte is locked that no file of ours has


def lock(handle: int) -> None:
    """Lock a file for this process alone; BlockingIOError where another holds it. Without any lock, go on."""
    if fcntl is not None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    elif msvcrt is not None:
        _windows_lock(handle, msvcrt, msvcrt.LK_NBLCK)


def is_locked(handle: int) -> bool:
    """Whether another holds the file at this moment; nothing of it stays."""
    try:
        if fcntl is not None:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            fcntl.flock(handle, fcntl.LOCK_UN)
        elif msvcrt is not None:
            _windows_lock(handle, msvcrt, msvcrt.LK_NBLCK)
            _windows_lock(handle, msvcrt, msvcrt.LK_UNLCK)
    except BlockingIOError:
        return True
    except OSError:
        return False  # this disk knows no locks
    return False


def _windows_lock(handle: int, system: ModuleType, mode: int) -> None:
    at = os.lseek(handle, 0, os.SEEK_CUR)
    os.lseek(handle, _FAR_AWAY, os.SEEK_SET)
    try:
        system.locking(handle, mode, 1)
    except PermissionError as error:
        raise BlockingIOError(error.errno, error.strerror) from error
    finally:
        os.lseek(handle, at, os.SEEK_SET)
