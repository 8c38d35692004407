"""Tells when a still or video was taken, and from what that is known; the batch writes it beside every frame.

Asked in this order, the first that answers wins: EXIF DateTimeOriginal (with its offset and fraction), the container's
creation time, the file's name, the file's own time. Years before 1990 are a clock that was never set, those
after 2099 a damaged one, and no answer.

Local times without an offset are read in the given time zone. In the hour that a clock change repeats, the reading
nearer to the file's own time is taken if it lies within three hours of it, else the first (summer time). A time that
the change skipped comes from a clock that nobody put forward, and is read as that clock goes on.

A video's time is that of its first frame. Its file's time is when the recorder closed it, so its length is taken off.
Containers give UTC; a recorder that writes local time there is a hundred percent wrong and nothing shows it: leave
`container` out of the order for such a one.
"""

from __future__ import annotations

import io
import logging
import os
import re
import struct
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import BinaryIO
from zoneinfo import ZoneInfo

import av
import av.error
import exifread

from crowdmask.errors import SettingsError
from crowdmask.media.name_times import name_time, offset
from crowdmask.media.pictures import is_picture
from crowdmask.media.time_formats import TimeFormat, time_format
from crowdmask.media.time_zones import instant_of, machine_zone_name, zone_named

ORDER = ("exif", "container", "name", "file")
FIRST_YEAR, LAST_YEAR = 1990, 2099  # beyond them a clock was never set, or a number is none
EXIF_TIME = re.compile(r"(\d{4})[:/-](\d\d)[:/-](\d\d)[ T](\d\d):(\d\d):(\d\d)")


@dataclass(frozen=True)
class CaptureTime:
    """When the first frame was taken, in UTC, or None; `origin` is one of ORDER or empty; `note` tells of a doubt."""

    instant: datetime | None = None
    origin: str = ""
    note: str = ""


@dataclass(frozen=True)
class CaptureClock:
    """How capture times are read in one run."""

    zone: ZoneInfo
    name_format: TimeFormat | None = None
    order: tuple[str, ...] = ORDER

    @classmethod
    def of(
        cls, zone_name: str | None = None, name_format: str | None = None, order: tuple[str, ...] = ORDER
    ) -> CaptureClock:
        """From what the user gave; without a zone, the machine's own."""
        unknown = [origin for origin in order if origin not in ORDER]
        if unknown:
            raise SettingsError(f"a capture time cannot come from {unknown[0]!r}: choose from {', '.join(ORDER)}")
        zone = zone_named(zone_name or machine_zone_name())
        return cls(zone, time_format(name_format) if name_format else None, order)

    def read(self, path: str | os.PathLike[str], now: datetime | None = None) -> CaptureTime:
        """When the still or video at `path` was taken. A file that cannot be read is no error here: it has no time."""
        return _Reading(Path(path), self, now or datetime.now(timezone.utc)).result()

    def captured_at(self, start: datetime, seconds: float = 0.0) -> str:
        """ISO 8601 with milliseconds and this zone's offset, of a frame `seconds` after the start."""
        return (start + timedelta(seconds=seconds)).astimezone(self.zone).isoformat(timespec="milliseconds")


class _Reading:
    """The reading of one file; what two sources need is read once."""

    def __init__(self, path: Path, clock: CaptureClock, now: datetime) -> None:
        self.path, self.clock, self.now = path, clock, now
        self.notes: list[str] = []
        self.is_picture = False
        try:
            self.is_picture = is_picture(path)
            self.modified: datetime | None = datetime.fromtimestamp(path.stat().st_mtime, timezone.utc)
        except (OSError, OverflowError, ValueError):
            self.modified = None
        self.length = timedelta(0)
        self.metadata: dict[str, str] = {}
        if not self.is_picture and {"container", "file"} & set(clock.order):
            self.metadata, self.length = container_metadata(path)
        self.name = name_time(self.path.absolute().as_posix(), now) if clock.name_format is None else None

    def result(self) -> CaptureTime:
        sources = {"exif": self._exif, "container": self._container, "name": self._name, "file": self._file}
        for origin in self.clock.order:
            found = sources[origin]()
            if found is None or not is_plausible(found):
                continue
            instant = (
                found.astimezone(timezone.utc) if found.tzinfo else instant_of(found, self.clock.zone, self.modified)
            )
            return CaptureTime(instant, origin, "; ".join(self.notes))
        return CaptureTime(note="; ".join(self.notes))

    def _exif(self) -> datetime | None:
        return exif_time(self.path) if self.is_picture else None

    def _container(self) -> datetime | None:
        return creation_time(self.metadata)

    def _name(self) -> datetime | None:
        if self.clock.name_format is not None:
            return self.clock.name_format.find(self.path.absolute().as_posix())
        if self.name is not None and self.name.refused:
            self.notes.append(f"its name is ambiguous ({self.name.refused}): --time-format settles it")
        return self.name.time if self.name else None

    def _file(self) -> datetime | None:
        if self.modified is None:
            return None
        if self.modified > self.now + timedelta(days=1):
            self.notes.append("the file's time lies in the future")
            return None
        start = self.modified - min(self.length, timedelta(days=366))  # a damaged header may tell of millennia
        day = self.name.day if self.name else None
        days = {moment.astimezone(self.clock.zone).date() for moment in (start, self.modified)}
        if day is not None and day not in days:
            self.notes.append(f"its name says {day}, the file's time another day")
            return None
        return start


def exif_time(path: Path) -> datetime | None:
    """DateTimeOriginal with its fraction and, where it is there, its offset; naive without one."""
    logging.getLogger("exifread").setLevel(logging.CRITICAL)  # it warns of every odd tag, a million stills over
    try:
        with path.open("rb") as file:
            tags = exifread.process_file(webp_exif(file) or file, details=False)
    except Exception:  # the library raises whatever a damaged tag makes it stumble over; such a still has no EXIF time
        return None
    match = EXIF_TIME.match(_text(tags, "DateTimeOriginal"))
    if match is None:
        return None
    fraction = re.match(r"\d{1,6}", _text(tags, "SubSecTimeOriginal"))
    try:
        time = datetime.strptime(" ".join(match.groups()), "%Y %m %d %H %M %S")
        time = time.replace(microsecond=int(fraction[0].ljust(6, "0")) if fraction else 0)
    except ValueError:
        return None
    try:
        return time.replace(tzinfo=offset(_text(tags, "OffsetTimeOriginal")))
    except ValueError:
        return time


def _text(tags: dict[str, object], name: str) -> str:
    return str(tags.get(f"EXIF {name}", "")).strip("\0 ")


def webp_exif(file: BinaryIO) -> BinaryIO | None:
    """The EXIF block of a WebP file, which the library does not find in the form that most writers give it."""
    head = file.read(12)
    if head[:4] == b"RIFF" and head[8:] == b"WEBP":
        while len(chunk := file.read(8)) == 8:
            (size,) = struct.unpack("<I", chunk[4:])
            if chunk[:4] == b"EXIF":
                return io.BytesIO(file.read(min(size, 1 << 20)).removeprefix(b"Exif\0\0"))
            file.seek(size + size % 2, io.SEEK_CUR)
    file.seek(0)
    return None


def container_metadata(path: Path) -> tuple[dict[str, str], timedelta]:
    """The tags of a video's container, its first video stream's below them, and its length; nothing if unreadable."""
    try:
        with av.open(str(path), metadata_errors="replace") as container:
            streams = container.streams.video
            tags = {**(streams[0].metadata if streams else {}), **container.metadata}
            return tags, timedelta(microseconds=container.duration or 0)
    except (av.error.FFmpegError, OSError, ValueError, OverflowError):
        return {}, timedelta(0)


def creation_time(tags: dict[str, str]) -> datetime | None:
    """The container's word: Apple's date, which has an offset, before the plain creation time, which is UTC."""
    lower = {key.lower(): value for key, value in tags.items()}
    for key in ("com.apple.quicktime.creationdate", "creation_time", "date_time_original"):
        match = re.match(r"([\d-]{10})[T ]([\d:]{8})(\.\d{1,6})?\d*\s*(Z|[+-]\d\d:?\d\d)?", lower.get(key, ""))
        if match is None:
            continue
        try:
            time = datetime.strptime(f"{match[1]} {match[2]}", "%Y-%m-%d %H:%M:%S")
            time = time.replace(microsecond=round(float(match[3] or 0) * 1e6), tzinfo=offset(match[4] or "Z"))
        except ValueError:
            continue
        if is_plausible(time):
            return time
    return None


def is_plausible(time: datetime) -> bool:
    return FIRST_YEAR <= time.year <= LAST_YEAR
