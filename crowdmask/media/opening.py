"""Opens files, addresses and cameras with FFmpeg, and says in one line what is wrong where that fails."""

from __future__ import annotations

import re
import stat
import sys
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import av
import av.container
import av.error

from crowdmask.errors import SourceError
from crowdmask.media.picture_kinds import is_heic
from crowdmask.records import SourceKind

OPEN_TIMEOUT_S, READ_TIMEOUT_S = 15.0, 10.0  # of addresses: a camera that is silent for longer has gone
_ADDRESS = re.compile(r"^[a-zA-Z][a-zA-Z0-9+.-]+://")
_USER = re.compile(r"(?P<scheme>[a-zA-Z][a-zA-Z0-9+.-]+://)(?P<user>\S*)@")
_SECRET = re.compile(
    r"(?i)([?&;/,]|\b)((?:\w*(?:passw(?:or)?d|passwd|pwd|passphrase|secret|token|api_?key|auth|signature)\w*|pass|psw|key|sig)=)"
    r"[^&#;/\s'\"]*"
)
_STORES = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "wasb", "wasbs", "adl", "oss", "b2", "swift", "hdfs")
_NOT_VIDEO = {"tty", "image2", "lrc", "srt", "webvtt", "ass", "subviewer", "microdvd", "sami", "ffmetadata"}


def is_camera(source: str) -> bool:
    return source.isdecimal() and not Path(source).exists()


def is_address(source: str) -> bool:
    return bool(_ADDRESS.match(source)) and not source.lower().startswith("file:")


def refuse_store(source: str) -> None:
    """Raise SourceError for the address of an object store: FFmpeg would only name a protocol that it does not know."""
    if is_address(source) and source.partition("://")[0].lower() in _STORES:
        raise SourceError(
            f"{shown(source)} lies in an object store, which is not read: copy it to this machine, or mount the store"
        )


def local_path(source: str) -> Path:
    """The file a path or file:// address means."""
    if source.lower().startswith("file://"):
        return Path(url2pathname(urlsplit(source).path))
    return Path(source)


def shown(source: str) -> str:
    """The source as it may appear in messages, results and names: an address without its passwords."""
    return hide_secrets(source) if is_address(source) else source


def hide_secrets(text: str) -> str:
    """Any text with *** for what comes before the last @ of an address after its user, and for passwords in its query.

    Rather too much is hidden than too little: a password may hold /, # and ? as they are.
    """
    return _SECRET.sub(r"\1\2***", _USER.sub(_user_alone, text))


def _user_alone(match: re.Match[str]) -> str:
    user, colon, _ = match["user"].partition(":")
    return f"{match['scheme']}{user}:***@" if colon else match[0]


def open_container(source: str) -> tuple[av.container.InputContainer, SourceKind]:
    """FFmpeg's container of a source, its kind, or a SourceError."""
    if is_camera(source):
        return _open_camera(source), SourceKind.STREAM
    if is_address(source):
        return _open_address(source), SourceKind.STREAM
    return _open_file(local_path(source)), SourceKind.VIDEO


def is_ordinary(path: Path) -> bool:
    """Whether it is a file: to open a pipe waits for somebody to write into it, perhaps for ever."""
    return stat.S_ISREG(path.stat().st_mode)


def check_file(path: Path) -> None:
    """Raise SourceError unless there is a file to read, with something in it."""
    try:
        if path.is_dir():
            raise SourceError(f"{path} is a folder, not a video or picture: name the files in it")
        if not is_ordinary(path):
            raise SourceError(f"{path} is no file but a pipe or a device: save what it gives as a file first")
        with path.open("rb") as file:
            if not file.read(1):
                raise SourceError(f"{path} is empty: copy or record it again")
    except FileNotFoundError as error:
        raise SourceError(f"{path} does not exist: check the path") from error
    except PermissionError as error:
        raise SourceError(f"{path} may not be read: check its permissions") from error
    except SourceError:
        raise
    except (OSError, ValueError) as error:
        raise SourceError(f"{path} cannot be read ({error}): check the path and the disk") from error


def _open_file(path: Path) -> av.container.InputContainer:
    check_file(path)
    with path.open("rb") as file:
        if is_heic(file.read(16)):
            raise SourceError(f"{path} is a HEIF picture, in tiles that cannot be put together here: save it as JPEG")
    try:
        # "file:" keeps FFmpeg from taking a colon in the name for a protocol
        container = av.open(f"file:{path}", "r", metadata_errors="replace")
    except av.error.InvalidDataError as error:
        raise SourceError(f"{path} {_why_not(path)}") from error
    except av.error.FFmpegError as error:
        raise SourceError(f"{path} cannot be read ({error.strerror}): check the file and the disk") from error
    if container.format.name in _NOT_VIDEO:
        container.close()
        raise SourceError(f"{path} {_why_not(path)}")
    return container


def _why_not(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(4096)
    if head[4:8] == b"ftyp":
        return "has no index, as when a recording was cut off: repair it or copy it again"
    if not any(byte < 9 or (byte > 126 and byte < 160) for byte in head):
        return "is a text, not a video or picture: check that it is the right file"
    return "is no video or picture that can be read, or it is damaged: play it or copy it again"


def _open_address(address: str) -> av.container.InputContainer:
    refuse_store(address)
    options = {"rtsp_transport": "tcp"} if address.lower().startswith("rtsp") else {}
    try:
        return av.open(
            address, "r", options=options, timeout=(OPEN_TIMEOUT_S, READ_TIMEOUT_S), metadata_errors="replace"
        )
    except av.error.ExitError as error:
        raise SourceError(f"{shown(address)} does not answer: check the address and the network") from error
    except (av.error.FFmpegError, OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise SourceError(f"{shown(address)} cannot be opened ({why}): check the address and the network") from error


def _open_camera(index: str) -> av.container.InputContainer:
    mac = sys.platform == "darwin"
    format_name, device = ("avfoundation", index) if mac else ("v4l2", f"/dev/video{index}")
    options = {"framerate": "30"} if mac else {}
    try:
        return av.open(device, "r", format=format_name, options=options, timeout=(OPEN_TIMEOUT_S, READ_TIMEOUT_S))
    except (av.error.FFmpegError, OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise SourceError(
            f"camera {index} ({device}) cannot be opened ({why}): check that it is plugged in and free"
        ) from error
