"""A name that no system has room for is the user's to mend."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Crowdmask
from tests.factories import write_clip

LONG = "a" * 5000


@pytest.mark.parametrize("args", [(f"/{LONG}.jpg",), ("a.mp4", "--out-dir", LONG), ("in", "--out-dir", LONG)])
def test_a_path_of_five_thousand_letters_is_called_too_long(crowdmask: Crowdmask, args: tuple[str, ...]) -> None:
    import pathlib

    pathlib.Path("in").mkdir()
    write_clip("a.mp4", frames=2)
    result = crowdmask("analyze", *args)
    assert result.code in (1, 2) and "is longer than a path may be (" in result.err and "check it" in result.err
    assert len(result.err) < 300 and "should not happen" not in result.err
