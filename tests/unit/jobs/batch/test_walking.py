"""Inputs are found in natural order, each once, whatever links, patterns and unreadable folders there are."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from crowdmask.errors import SettingsError, SourceError
from crowdmask.jobs.batch import inputs
from crowdmask.jobs.batch.inputs import Found, Inputs, Lost, Selection, Walk, asks_for_batch
from crowdmask.jobs.manifest.entries import Kind
from tests.unit.jobs.batch.cctv import batch, still


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")


def walk(*given: object, listed: bytes = b"", run: str = "/nowhere", **settings: str | None) -> list[Found | Lost]:
    inputs = Inputs.of([str(one) for one in given], io.BytesIO(listed))
    return list(Walk(inputs, Selection.of(settings.get("include"), settings.get("exclude")), run=run))


def names(*given: object, **settings: object) -> list[str]:
    return [found.source for found in walk(*given, **settings)]  # type: ignore[arg-type]


def test_an_empty_folder(tmp_path: Path) -> None:
    assert walk(tmp_path) == []


def test_natural_order_and_kinds(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "cam10/1.jpg",
        "cam2/10.JPG",
        "cam2/9.jpg",
        "a.mp4",
        "b.txt",
        "cam2/9.jpg.part",
        ".hid/1.jpg",
        "._1.jpg",
    )
    touch(tmp_path, "@eaDir/t.jpg", "x.crowdmask.mp4")
    found = walk(tmp_path)
    assert [one.source for one in found] == ["a.mp4", "cam2/9.jpg", "cam2/10.JPG", "cam10/1.jpg"]
    assert [one.kind for one in found] == [Kind.VIDEO, Kind.PICTURE, Kind.PICTURE, Kind.PICTURE]
    assert isinstance(found[0], Found) and found[0].size == 1 and found[0].path == str(tmp_path / "a.mp4")


def test_large_folders_come_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "BLOCK", 4)
    touch(tmp_path, *(f"{n}.jpg" for n in range(10)))
    found = names(tmp_path)
    assert sorted(found) == sorted(f"{n}.jpg" for n in range(10))
    for start in (0, 4, 8):
        assert found[start : start + 4] == sorted(found[start : start + 4])


@pytest.mark.parametrize(
    ("include", "exclude", "left"),
    [
        (None, None, ["a.jpg", "c1/a.jpg", "c1/night/b.jpg", "c2/v.mp4"]),
        ("*.JPG", None, ["a.jpg", "c1/a.jpg", "c1/night/b.jpg"]),
        ("c1", None, ["c1/a.jpg", "c1/night/b.jpg"]),
        ("c?/*.mp4, b.*", None, ["c1/night/b.jpg", "c2/v.mp4"]),
        ("*.txt", None, ["c1/no.txt"]),
        (None, "night", ["a.jpg", "c1/a.jpg", "c2/v.mp4"]),
        (None, "c1/**", ["a.jpg", "c2/v.mp4"]),
        (None, "c[!2]/a.jpg,*.mp4", ["a.jpg", "c1/night/b.jpg"]),
        ("**/b.jpg", None, ["c1/night/b.jpg"]),
    ],
)
def test_patterns(tmp_path: Path, include: str | None, exclude: str | None, left: list[str]) -> None:
    touch(tmp_path, "a.jpg", "c1/a.jpg", "c1/night/b.jpg", "c1/no.txt", "c2/v.mp4")
    assert names(tmp_path, include=include, exclude=exclude) == left


def test_globs_that_the_shell_left(tmp_path: Path) -> None:
    touch(tmp_path, "c1/a.jpg", "c1/x/b.jpg", "c2/a.jpg", "d/a.jpg", "e[1].jpg")
    assert names(tmp_path / "c*") == ["c1/a.jpg", "c1/x/b.jpg", "c2/a.jpg"]
    assert names(tmp_path / "*" / "a.jpg") == ["c1/a.jpg", "c2/a.jpg", "d/a.jpg"]
    assert names(tmp_path / "**" / "b.jpg") == ["c1/x/b.jpg"]
    assert asks_for_batch([str(tmp_path / "c*")]) and not asks_for_batch([str(tmp_path / "e[1].jpg")])
    (lost,) = walk(tmp_path / "none" / "*.jpg")
    assert isinstance(lost, Lost) and "does not exist" in lost.reason


def test_a_list_on_stdin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "b.jpg", "a b.jpg", "d/1.jpg", "other.png")
    monkeypatch.chdir(tmp_path)
    assert names("-", listed=b"b.jpg\na b.jpg\r\nd\n\nb.jpg\n") == ["b.jpg", "a b.jpg", "d/1.jpg"]
    assert names("-", listed=b"b.jpg\0a b.jpg\0") == ["b.jpg", "a b.jpg"]
    (lost,) = walk("-", listed=b"gone.jpg")
    assert isinstance(lost, Lost) and lost.source == "gone.jpg"
    assert asks_for_batch(["-"])


def test_several_inputs_are_told_from_their_common_folder(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.jpg", "a/in/2.jpg", "b/3.jpg", "b/4.jpg")
    assert names(tmp_path / "a", tmp_path / "b" / "3.jpg", tmp_path / "a" / "in", tmp_path / "a" / "1.jpg") == [
        "b/3.jpg",
        "a/1.jpg",
        "a/in/2.jpg",
    ]


def test_each_file_once_whatever_the_links(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    touch(inside, "a/1.jpg", "z/2.jpg")
    touch(outside, "3.jpg", "d/4.jpg")
    (inside / "a" / "up").symlink_to(inside)
    (inside / "a" / "over").symlink_to(tmp_path)
    (inside / "a" / "self").symlink_to("self")
    (inside / "b").symlink_to(inside / "z")
    (inside / "a" / "same.jpg").symlink_to(inside / "z" / "2.jpg")
    (inside / "c").symlink_to(outside / "d")
    (inside / "c2").symlink_to(outside / "d")
    (inside / "l1.jpg").symlink_to(outside / "3.jpg")
    (inside / "l2.jpg").symlink_to(outside / "3.jpg")
    os.link(inside / "z" / "2.jpg", inside / "z" / "hard.jpg")
    assert names(inside) == ["a/1.jpg", "c/4.jpg", "l1.jpg", "z/2.jpg", "z/hard.jpg"]


def test_links_into_a_hidden_store_are_followed(tmp_path: Path) -> None:
    touch(tmp_path, ".store/x1")
    (tmp_path / "a.jpg").symlink_to(tmp_path / ".store" / "x1")
    (tmp_path / "b.jpg").symlink_to(tmp_path / "gone")
    found = walk(tmp_path)
    assert [one.source for one in found] == ["a.jpg", "b.jpg"]
    assert isinstance(found[1], Lost) and "leads nowhere" in found[1].reason


def test_run_folders_are_left_out(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "run/annotated/a.jpg", "old/annotated/a.jpg", "old/manifest.sqlite")
    passed: list[str] = []
    walk_ = Walk(Inputs.of([str(tmp_path)]), Selection(), run=str(tmp_path / "run"), passed_over=passed.append)
    assert [found.source for found in walk_] == ["a.jpg"]
    assert passed == [str(tmp_path / "old")]


def test_an_unreadable_folder_is_told_and_passed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "a/1.jpg", "b/2.jpg")
    scandir = os.scandir

    def refusing(path: str) -> object:
        if path == str(tmp_path / "a"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    lost, found = walk(tmp_path)
    assert isinstance(lost, Lost) and (lost.source, lost.kind) == ("a/", Kind.FOLDER) and "no permission" in lost.reason
    assert found.source == "b/2.jpg"


def test_shards_share_everything(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{n}.jpg" for n in range(40)))
    parts = [
        {one.source for one in Walk(Inputs.of([str(tmp_path)]), Selection(), run="/nowhere", shard=(i, 3))}
        for i in (1, 2, 3)
    ]
    assert sum(len(part) for part in parts) == 40 and len(set.union(*parts)) == 40 and all(parts)


def test_names_that_are_no_text(tmp_path: Path) -> None:
    touch(tmp_path, os.fsdecode(b"\xe9.jpg"))
    (found,) = walk(tmp_path)
    assert found.source == "\\xe9.jpg" and os.path.exists(found.path)


def test_what_a_walk_would_take(tmp_path: Path) -> None:
    touch(tmp_path, "in/1.jpg")
    taken = Walk(Inputs.of([str(tmp_path / "in")]), Selection.of(None, "c1"), run="/nowhere").takes
    assert taken("gone.jpg") and taken("c2/x.mp4")
    assert not taken("c1/x.mp4") and not taken("x.txt") and not taken("/elsewhere/1.jpg")


def test_streams_are_refused() -> None:
    with pytest.raises(SettingsError, match="cannot be in a batch"):
        Inputs.of(["rtsp://camera/live", "-"])
    with pytest.raises(SourceError, match="s3://bucket/night lies in an object store"):
        Inputs.of(["s3://bucket/night"])


def test_a_pipe_in_the_list_is_a_failure_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "camera.mp4")
    still(tmp_path / "a.png", 1)
    outcome = batch([str(tmp_path / "camera.mp4"), str(tmp_path / "a.png")], tmp_path / "run")
    assert (outcome.totals.done, outcome.totals.failed) == (1, 1)
    assert "a pipe" in outcome.failures[0][1]
