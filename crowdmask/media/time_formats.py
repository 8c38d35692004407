"""Finds a time in a file name by the format the user gave: strptime's directives, anywhere in the name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import PurePosixPath

from crowdmask.errors import SettingsError

_DIGITS = {"Y": 4, "m": 2, "d": 2, "H": 2, "I": 2, "M": 2, "S": 2, "y": 2, "j": 3}
_WORDS = {"b": r"[^\W\d_]{3,4}\.?", "B": r"[^\W\d_]{3,12}", "p": r"[AaPp][Mm]", "z": r"(?:Z|[+-]\d\d:?\d\d)", "%": "%"}
_DATES = ({"Y", "m", "d"}, {"y", "m", "d"}, {"Y", "b", "d"}, {"Y", "B", "d"}, {"Y", "j"}, {"y", "b", "d"}, {"y", "j"})
UNIX = {"unix": (r"(?<!\d)\d{9,10}(?!\d)", 1), "unixms": (r"(?<!\d)\d{12,13}(?!\d)", 1000)}


@dataclass(frozen=True)
class TimeFormat:
    """A format ready for use: what it looks like in a name, and how many parts of the path it covers."""

    text: str
    pattern: re.Pattern[str]
    depth: int

    def find(self, source: str) -> datetime | None:
        """The first time in the name (or the last parts of the path, if the format holds `/`); naive without %z."""
        path = PurePosixPath(source)
        where = "/".join((*path.parts[-self.depth : -1], path.stem if not path.suffix[1:].isdigit() else path.name))
        for match in self.pattern.finditer(where):
            try:
                if self.text in UNIX:
                    return datetime.fromtimestamp(int(match[0]) / UNIX[self.text][1], timezone.utc)
                return datetime.strptime(match[0], self.text)
            except (ValueError, OverflowError, OSError):
                continue  # looks like one, but is no date: month 13, say
        return None


def time_format(text: str) -> TimeFormat:
    """Check and prepare a format: strptime's, or `unix` or `unixms` for seconds or milliseconds since 1970."""
    if text in UNIX:
        return TimeFormat(text, re.compile(UNIX[text][0]), 1)
    parts, used = [], set()
    for directive, literal in re.findall(r"%(.?)|([^%]+)", text, re.DOTALL):
        if literal:
            parts.append(re.escape(literal))
            continue
        used.add(directive)
        parts.append(_looks(directive, text))
    if not any(date <= used for date in _DATES):
        raise SettingsError(f"time_format is {text!r}: it must hold a whole date, such as %Y%m%d_%H%M%S")
    if not used & {"H", "I"}:
        raise SettingsError(f"time_format is {text!r}: it must hold the time of day, such as %Y%m%d_%H%M%S")
    if "I" in used and "p" not in used:
        raise SettingsError(f"time_format is {text!r}: %I needs %p beside it, to tell morning from evening")
    before = r"(?<!\d)" if _is_number(text[:2]) else ""
    after = r"(?!\d)" if _is_number(text[-2:]) else ""
    return TimeFormat(text, re.compile(before + "".join(parts) + after), text.count("/") + 1)


def _looks(directive: str, text: str) -> str:
    if directive in _DIGITS:
        return rf"\d{{{_DIGITS[directive]}}}"
    if directive == "f":
        return r"\d{1,6}"
    if directive in _WORDS:
        return _WORDS[directive]
    known = ", ".join(f"%{d}" for d in (*_DIGITS, "f", "b", "B", "p", "z"))
    raise SettingsError(f"time_format is {text!r}: %{directive} is not among what it may hold: {known}")


def _is_number(directive: str) -> bool:
    return directive[0:1] == "%" and directive[1:] in {*_DIGITS, "f"}
