"""Tells which camera a still or video is from: the folder it lies in, or what the user's pattern finds in its path."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import PurePosixPath

from crowdmask.errors import SettingsError
from crowdmask.media.opening import is_address, is_camera, local_path, shown

# Folders that recorders make for each day and hour: 2026-11-20, 20261120, 2026/11/20, 2026/11/20/23.
_WHEN = re.compile(
    r"(?:^|/)(?:19|20)\d\d(?P<dash>[-_./]?)(?:0[1-9]|1[0-2])(?P=dash)(?:0[1-9]|[12]\d|3[01])(?:/[0-2]\d)*$"
)


def camera_reader(pattern: str | None = None, root_name: str = "") -> Callable[[str], str]:
    """A function from a source (its path below the input root, with `/`) to its camera, empty where none is told.

    With a pattern the camera is what its group named `camera` matches, anywhere in the source. Without, it is the
    folder the file lies in, folders passed over that only say when; for files in the root itself, the root's name.
    """
    if pattern is None:
        return lambda source: parent_folder(source, root_name)
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise SettingsError(f"camera_pattern is {pattern!r}: {error}; it must be a regular expression") from None
    if "camera" not in compiled.groupindex:
        raise SettingsError(f"camera_pattern is {pattern!r}: it needs a group named camera, such as (?P<camera>ch\\d+)")

    def matched(source: str) -> str:
        match = compiled.search(source)
        return (match["camera"] or "") if match else ""

    return matched


def parent_folder(source: str, root_name: str = "") -> str:
    folders = PurePosixPath(root_name, PurePosixPath(source).parent).as_posix()
    left = _WHEN.sub("", folders)
    return PurePosixPath(left).name


def camera_of(source: str) -> str:
    """The camera of an input by itself: the folder its file lies in, or the address of a stream as it is shown."""
    if is_camera(source) or is_address(source):
        return shown(source)
    return parent_folder(local_path(source).absolute().as_posix())


def camera_warning(pattern: str | None, told: int, sources: int) -> str | None:
    """What to say of a pattern that did not match everywhere; None where it did."""
    if pattern is None or told == sources:
        return None
    if told == 0:
        return f"the camera pattern {pattern!r} matches none of the {sources} files: all of them count as one camera"
    return f"the camera pattern {pattern!r} does not match {sources - told} of the {sources} files: they have no camera"
