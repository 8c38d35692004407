"""Which of the files that are found are inputs: patterns over names and paths, whatever their case."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from crowdmask.jobs.naming import PICTURES_READ, is_own_output

_VIDEO_ENDINGS = (
    "mp4 m4v mov qt avi divx mkv webm mpg mpeg m2v ts mts m2ts mxf wmv asf flv f4v 3gp 3g2 ogv vob dav h264 264 h265 "
    "265 hevc mjpg mjpeg dv y4m"
)
VIDEOS_READ = tuple(f".{ending}" for ending in _VIDEO_ENDINGS.split())
OF_SYSTEMS = ("@eadir", "#recycle", "$recycle.bin", "system volume information", "lost+found")  # NAS, Windows, ext4


def is_pattern(text: str) -> bool:
    return any(letter in text for letter in "*?[")


def is_hidden(name: str) -> bool:
    """Whether a name is of the kind that people do not mean when they name the folder it lies in."""
    return name.startswith(".") or name.casefold() in OF_SYSTEMS


def is_media(name: str) -> bool:
    """Whether a file's name says that it is a picture or a video, and not one of crowdmask's own."""
    suffix = PurePosixPath(name).suffix.lower()
    return (suffix in PICTURES_READ or suffix in VIDEOS_READ) and not is_own_output(name)


def pattern_re(pattern: str) -> re.Pattern[str]:
    """`*`, `?` and `[...]` within a name, `**` over folders; matches what the pattern names and all that is in it."""
    parts = pattern.strip("/").split("/")
    made = "".join("(?:.*/)?" if part == "**" else _part_re(part) + "/" for part in parts[:-1])
    made += ".*" if parts[-1] == "**" else _part_re(parts[-1])
    return re.compile(rf"{made}(?:/.*)?", re.IGNORECASE | re.DOTALL)


def _part_re(part: str) -> str:
    made, at = "", 0
    while at < len(part):
        letter = part[at]
        end = part.find("]", at + 2) if letter == "[" else -1
        if end > 0:
            inside = part[at + 1 : end]
            inside = ("^/" + inside[1:]) if inside[0] in "!^" else inside
            made += "[" + inside.replace("\\", "\\\\").replace("[", "\\[") + "]"
            at = end
        else:
            made += {"*": "[^/]*", "?": "[^/]"}.get(letter, re.escape(letter))
        at += 1
    return made


@dataclass(frozen=True)
class Selection:
    """What `--include` and `--exclude` leave; patterns without `/` are about names, the others about paths."""

    include: tuple[re.Pattern[str], ...] = ()
    exclude: tuple[re.Pattern[str], ...] = ()
    endings: tuple[str, ...] = ()  # that the patterns of `include` end in

    @classmethod
    def of(cls, include: str | None, exclude: str | None) -> Selection:
        named = tuple(ending for pattern in _split(include) if (ending := _ending(pattern)))
        return cls(_compiled(include), _compiled(exclude), named)

    def takes(self, source: str) -> bool:
        """Whether a file is an input: a picture or video by its ending, or by an ending that a pattern names."""
        if self.refuses(source):
            return False
        if not self.include:
            return is_media(source)
        matching = [pattern for pattern in self.include if pattern.fullmatch(source)]
        return bool(matching) and (is_media(source) or _ending(source) in self.endings)

    def refuses(self, source: str) -> bool:
        """Whether a file or a whole folder is excluded."""
        return any(pattern.fullmatch(source) for pattern in self.exclude)


def _split(patterns: str | None) -> list[str]:
    return [pattern.strip() for pattern in (patterns or "").split(",") if pattern.strip()]


def _ending(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def _compiled(patterns: str | None) -> tuple[re.Pattern[str], ...]:
    # a folder's pattern holds for what is in it, a name's pattern at any depth
    return tuple(pattern_re(p if "/" in p.rstrip("/") else f"**/{p}") for p in _split(patterns))
