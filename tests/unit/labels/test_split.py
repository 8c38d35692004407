"""The split never moves: not with the order of names, nor with the version of Python or NumPy."""

from __future__ import annotations

from pathlib import Path

import pytest

from crowdmask.errors import DatasetError, SettingsError
from crowdmask.labels.split import read_names, split, write_names

SPLITS = Path(__file__).parents[3] / "benchmarks" / "splits"


def test_of_nothing() -> None:
    assert split([], 0.5, 1) == ([], [])


def test_known_answer() -> None:
    names = [f"{i:05d}" for i in range(10)]
    rest, chosen = split(names, 0.3, 4)
    assert chosen == ["00000", "00002", "00005"]
    assert sorted(rest + chosen) == names
    assert split(reversed(names), 0.3, 4) == (rest, chosen)
    assert split(names, 0.3, 5)[1] != chosen


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 1.5])
def test_fraction_must_leave_something_on_both_sides(fraction: float) -> None:
    with pytest.raises(SettingsError, match="fraction"):
        split(["a"], fraction, 1)


@pytest.mark.parametrize(
    ("name", "numbers", "chosen"),
    [("crowd", set(range(549)), 110), ("street", set(range(1305)) - {659, 1259}, 261)],
)
def test_the_listed_splits_are_those_of_the_seed(name: str, numbers: set[int], chosen: int) -> None:
    listed = read_names(SPLITS / f"{name}-val.txt")
    assert len(listed) == chosen
    assert listed == split((f"{i:05d}" for i in numbers), 0.2, 4)[1]


def test_lists_are_written_and_read(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    write_names(path, ["1", "2"], "how it was made")
    assert path.read_text() == "# how it was made\n1\n2\n"
    path.write_text("# all\n\n 1 # why\n2\n")
    assert read_names(path) == ["1", "2"]


@pytest.mark.parametrize("content", [None, b"", b"# nothing\n", b"\xff\xfe\x00"])
def test_bad_lists_are_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "list.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DatasetError, match=str(path)):
        read_names(path)
