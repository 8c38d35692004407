"""Files get their name when they are whole; failures to write name the path and the remedy."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from crowdmask.errors import OutputError
from crowdmask.media.parts import as_output_error, commit, ensure_writable, part_of, refuse_own_input, write_whole


def test_part_lies_beside_its_file() -> None:
    assert part_of("out/ä b.mp4") == Path("out/ä b.mp4.part")


def test_commit_renames_and_replaces(tmp_path: Path) -> None:
    target = tmp_path / "a.csv"
    target.write_text("old")
    part_of(target).write_text("new")
    assert commit(target) == target
    assert target.read_text() == "new"
    assert os.listdir(tmp_path) == ["a.csv"]


def test_commit_without_a_part_says_so(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"a\.csv"):
        commit(tmp_path / "a.csv")


def test_write_whole(tmp_path: Path) -> None:
    write_whole(tmp_path / "s.json", b"{}")
    assert (tmp_path / "s.json").read_bytes() == b"{}"
    assert os.listdir(tmp_path) == ["s.json"]


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "disk is full"),
        (errno.EACCES, "no permission"),
        (errno.EROFS, "read-only"),
        (errno.ENOENT, "folder does not exist"),
        (errno.EISDIR, "is a folder"),
        (errno.EBADF, "Bad file descriptor"),
    ],
)
def test_errors_are_one_line_with_path_and_remedy(number: int, words: str) -> None:
    error = as_output_error(OSError(number, os.strerror(number)), "/data/out.mp4")
    assert isinstance(error, OutputError)
    assert "/data/out.mp4" in str(error)
    assert words in str(error)
    assert "\n" not in str(error)


def test_ensure_writable_makes_the_folder_and_leaves_no_trace(tmp_path: Path) -> None:
    ensure_writable(tmp_path / "new" / "deep" / "a.mp4")
    assert os.listdir(tmp_path / "new" / "deep") == []


def test_ensure_writable_refuses_what_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"x")
    with pytest.raises(OutputError, match="--overwrite"):
        ensure_writable(tmp_path / "a.mp4")
    ensure_writable(tmp_path / "a.mp4", overwrite=True)
    assert (tmp_path / "a.mp4").read_bytes() == b"x"
    with pytest.raises(OutputError, match="is a folder"):
        ensure_writable(tmp_path, overwrite=True)
    with pytest.raises(OutputError, match="not a folder"):
        ensure_writable(tmp_path / "a.mp4" / "b.mp4")


@pytest.mark.skipif(os.geteuid() != 0 and not os.path.isdir("/proc"), reason="needs a folder nobody may write to")
def test_ensure_writable_names_an_unwritable_folder(tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir()
    # root writes anywhere but into /proc
    target = Path("/proc/out.mp4") if os.geteuid() == 0 else folder / "out.mp4"
    if os.geteuid() != 0:
        folder.chmod(0o500)
    with pytest.raises(OutputError, match=r"out\.mp4"):
        ensure_writable(target)


def test_own_input_is_refused_by_any_name(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"x")
    (tmp_path / "link.mp4").symlink_to(clip)
    os.link(clip, tmp_path / "hard.mp4")
    for name in ("clip.mp4", "link.mp4", "hard.mp4", "../" + tmp_path.name + "/clip.mp4"):
        with pytest.raises(OutputError, match="input itself"):
            refuse_own_input(tmp_path / name, clip)
    refuse_own_input(tmp_path / "other.mp4", clip)
    refuse_own_input(tmp_path / "other.mp4", None)
    refuse_own_input(tmp_path / "other.mp4", "rtsp://camera/stream")
