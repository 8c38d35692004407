from __future__ import annotations

from pathlib import Path

import pytest

from crowdmask.errors import SettingsError
from crowdmask.tracking.zones import FEET_BELOW, ZoneNames
from crowdmask.tracking.zones_file import read_zones

GOOD = """
feet_below = 5
[[camera]]
pattern = "hall*"
[[camera.zone]]
name = "queue"
polygon = [[0.1, 0.5], [0.5, 0.5], [0.5, 1.0], [0.1, 1.0]]
[[camera.line]]
name = "door"
from = [0.2, 0.8]
to = [0.7, 0.8]
[[camera]]
pattern = "ward"
feet_below = 7.5
[[camera.zone]]
name = "beds"
polygon = [[0, 0], [1, 0], [0, 1], [0, 0]]
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "zones.toml"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(SettingsError) as error:
        read_zones(written(folder, text))
    message = str(error.value)
    assert message.startswith(str(folder / "zones.toml")) and "\n" not in message
    return message


def test_cameras_by_pattern(tmp_path: Path) -> None:
    file = read_zones(written(tmp_path, GOOD))
    hall, ward = file.of("Hall-2"), file.of("ward")
    assert hall and ward and file.of("kitchen") is None
    assert [z.name for z in hall.zones] == ["queue"] and [line.name for line in hall.lines] == ["door"]
    assert hall.feet_below == 5 and ward.feet_below == 7.5
    assert ward.zones[0].polygon == ((0, 0), (1, 0), (0, 1))  # the first corner written again at the end is one corner
    assert file.names == ZoneNames(("queue", "beds"), ("door",))


def test_zones_without_a_camera_are_for_all(tmp_path: Path) -> None:
    file = read_zones(written(tmp_path, '[[zone]]\nname = "a"\npolygon = [[0, 0], [1, 0], [0, 1]]'))
    zones = file.of("any")
    assert zones and zones.feet_below == FEET_BELOW


ZONE = '[[zone]]\nname = "{}"\npolygon = {}\n'
LINE = '[[line]]\nname = "{}"\nfrom = {}\nto = {}\n'
TRIANGLE = "[[0, 0], [1, 0], [0, 1]]"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no zones"),
        ("[[zone", "not TOML"),
        ("feet_below = 3", "no zones"),
        ('feet_below = "low"\n' + ZONE.format("a", TRIANGLE), "feet_below"),
        ("feet_below = -1\n" + ZONE.format("a", TRIANGLE), "0 to 50"),
        ("colour = 1\n" + ZONE.format("a", TRIANGLE), "'colour'"),
        (ZONE.format("a", TRIANGLE) + "polygone = 3", "'polygone'"),
        ("[[zone]]\npolygon = " + TRIANGLE, "name"),
        (ZONE.format("a;b", TRIANGLE), "letters"),
        (ZONE.format("a", TRIANGLE) + ZONE.format("a", TRIANGLE), "'a' twice"),
        (ZONE.format("a", TRIANGLE) + LINE.format("a", "[0, 0]", "[1, 1]"), "'a' twice"),
        (ZONE.format("a", "[[0, 0], [1, 0]]"), "three corners"),
        (ZONE.format("a", '"everywhere"'), "three corners"),
        (ZONE.format("a", "[[0, 0], [1, 0], [0, 1.2]]"), "outside of the picture"),
        (ZONE.format("a", "[[0, 0], [640, 0], [0, 360]]"), "parts of it, 0 to 1"),
        (ZONE.format("a", "[[0, 0], [1, 0], [nan, 1]]"), "outside of the picture"),
        (ZONE.format("a", "[[0, 0], [1, 0], [0]]"), "a point is [x, y]"),
        (ZONE.format("a", "[[0, 0], [1, 1], [1, 0], [0, 1]]"), "crosses itself"),
        (ZONE.format("a", "[[0, 0], [0.5, 0.5], [1, 1]]"), "no area"),
        (LINE.format("a", "[0, 0]", "[0, 0]"), "no length"),
        ('[[line]]\nname = "a"\nfrom = [0, 0]', "both ends"),
        ("zone = 3", "[[zone]]"),
        ("[[camera]]\n" + "[[camera.zone]]\nname = 'a'\npolygon = " + TRIANGLE, "no pattern"),
        ('[[camera]]\npattern = "x"', "neither a zone nor a line"),
        (GOOD + GOOD.partition("feet_below = 5")[2], "twice"),
        (
            '[[camera]]\npattern = "*"\n[[camera.line]]\nname="b"\nfrom=[0,0]\nto=[1,1]\n' + ZONE.format("a", TRIANGLE),
            "same pictures",
        ),
    ],
)
def test_each_mistake_is_one_line(tmp_path: Path, text: str, says: str) -> None:
    assert says in refusal(tmp_path, text)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        read_zones(tmp_path / "none.toml")


def test_what_matches_nothing_is_named_in_one_line(tmp_path: Path) -> None:
    file = read_zones(written(tmp_path, GOOD))
    assert file.remarks(["hall-1", "ward"]) == []
    unused, without = file.remarks(["kitchen", "hall-1"])
    assert unused.endswith("no camera matches 'ward'") and without.endswith("no zones for the cameras kitchen")
    file.check_used(["kitchen", "hall-1"])
    with pytest.raises(SettingsError, match=r"no camera matches 'hall\*', 'ward': the cameras are kitchen, lift"):
        file.check_used(["lift", "kitchen"])


def test_names_that_differ_in_case_would_be_one_column(tmp_path: Path) -> None:
    other = GOOD + '[[camera]]\npattern = "x"\n[[camera.zone]]\nname = "Beds"\npolygon = ' + TRIANGLE
    assert "'beds' and 'Beds' differ in case only" in refusal(tmp_path, other)
