"""How text becomes a setting."""

from __future__ import annotations

import pytest

from crowdmask.cli.options import parse_time
from crowdmask.errors import SettingsError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("90", 90.0),
        ("90.5", 90.5),
        ("1:30", 90.0),
        ("75:00", 4500.0),
        ("00:01:30", 90.0),
        ("01:02:03.250", 3723.25),
        (" 100:00:00 ", 360000.0),
    ],
)
def test_times(text: str, seconds: float) -> None:
    assert parse_time(text) == seconds


@pytest.mark.parametrize("text", ["", "noon", "1:60", "1:60:00", "1:2:3:4", "1h", "nan", "inf", "00:01:30,5", "1::2"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(SettingsError, match="seconds or hh:mm:ss"):
        parse_time(text)
