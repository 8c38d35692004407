"""The registry: what a manifest may say, where files are looked for, and what is said of a missing or damaged one."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from crowdmask.errors import WeightsError
from crowdmask.nets.weights import (
    MANIFEST,
    Entry,
    Manifest,
    cache_folder,
    entries,
    fault_in,
    sha256,
    shipped_folder,
    update_entry,
)

CONTENT = b"sixteen bytes !!"


def entry_of(content: bytes = CONTENT, **fields: object) -> dict[str, object]:
    digest = hashlib.sha256(content).hexdigest()
    base = {"file": "a.npz", "size": len(content), "sha256": digest, "source": "a test", "licence": "MIT"}
    return {**base, **fields}


def folder_with(tmp_path: Path, **networks: dict[str, object]) -> Path:
    folder = tmp_path / "weights"
    folder.mkdir(exist_ok=True)
    (folder / MANIFEST).write_text(json.dumps({"schema": 1, "networks": networks}))
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CROWDMASK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_the_shipped_manifest_is_sound() -> None:
    names = [entry.name for entry in entries()]
    assert "retinaface-resnet50" in names
    files = [entry.file for entry in entries()]
    assert len(set(files)) == len(files)


def test_shipped_files_are_whole() -> None:
    manifest = Manifest.load()
    for entry in manifest.entries.values():
        if entry.ships:
            assert manifest.verify(entry.name).parent == manifest.folder
    unlisted = {p.name for p in manifest.folder.iterdir()} - {e.file for e in manifest.entries.values()}
    assert not [name for name in unlisted if name.endswith((".npz", ".h5", ".keras"))]


def test_shipped_files_stay_small() -> None:
    shipped = [entry.size for entry in entries() if entry.ships]
    assert sum(shipped) < 45e6


def test_a_file_beside_the_manifest_is_found_and_verified(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, a=entry_of(graph={"width": 0.5}, measured={"ap50": 0.0}))
    (folder / "a.npz").write_bytes(CONTENT)
    manifest = Manifest.load(folder)
    assert manifest.verify("a") == manifest.locate("a") == folder / "a.npz"
    assert manifest.entry("a").ships
    assert manifest.entry("a").graph == {"width": 0.5}
    assert manifest.entry("a").measured == {"ap50": 0.0}


def test_a_shipped_file_that_is_absent_is_no_matter_for_the_cache(tmp_path: Path, cache: Path) -> None:
    cache.mkdir()
    (cache / "a.npz").write_bytes(CONTENT)
    manifest = Manifest.load(folder_with(tmp_path, a=entry_of()))
    with pytest.raises(WeightsError, match="missing: bring it back"):
        manifest.locate("a")
    assert manifest.find("a") is None


def test_a_fetched_file_lies_in_the_cache(tmp_path: Path, cache: Path) -> None:
    manifest = Manifest.load(folder_with(tmp_path, a=entry_of(urls=["https://example.org/a.npz"])))
    with pytest.raises(WeightsError) as caught:
        manifest.locate("a")
    for part in (
        "crowdmask weights fetch a",
        "https://example.org/a.npz",
        str(cache / "a.npz"),
        "16 bytes",
        sha256_of(CONTENT),
    ):
        assert part in str(caught.value)
    cache.mkdir()
    (cache / "a.npz").write_bytes(CONTENT)
    assert manifest.verify("a") == cache / "a.npz"


def sha256_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    ("content", "fault"),
    [(CONTENT[:-1], "15 bytes instead of 16"), (b"", "0 bytes instead of 16"), (CONTENT[::-1], "its SHA-256 is")],
)
def test_a_damaged_file_is_told_from_a_whole_one(tmp_path: Path, content: bytes, fault: str) -> None:
    folder = folder_with(tmp_path, a=entry_of())
    (folder / "a.npz").write_bytes(content)
    with pytest.raises(WeightsError, match=fault) as caught:
        Manifest.load(folder).verify("a")
    assert str(folder / "a.npz") in str(caught.value)
    assert Manifest.load(folder).locate("a") == folder / "a.npz"


def test_an_unknown_name_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="there are: a, b"):
        Manifest.load(folder_with(tmp_path, a=entry_of(), b=entry_of())).entry("c")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is damaged"),
        ("[]", "schema 1"),
        ('{"schema": 2, "networks": {}}', "schema 1"),
        ('{"schema": 1}', "is damaged"),
        ('{"schema": 1, "networks": {"a": {"file": "a.npz"}}}', "is damaged"),
        ('{"schema": 1, "networks": {"a": 3}}', "is damaged"),
    ],
)
def test_a_damaged_manifest_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(WeightsError, match=message) as caught:
        Manifest.load(tmp_path)
    assert str(tmp_path / MANIFEST) in str(caught.value)


def test_a_manifest_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="cannot be read") as caught:
        Manifest.load(tmp_path)
    assert str(tmp_path / MANIFEST) in str(caught.value)


@pytest.mark.parametrize(
    "bad",
    [
        {"file": "../a.npz"},
        {"file": "/a.npz"},
        {"file": ""},
        {"sha256": None},
        {"sha256": "A" * 64},
        {"size": 0},
        {"size": "16"},
    ],
)
def test_an_entry_that_cannot_be_checked_or_leaves_its_folder_is_refused(
    tmp_path: Path, bad: dict[str, object]
) -> None:
    with pytest.raises(WeightsError, match="a: the manifest's"):
        Manifest.load(folder_with(tmp_path, a=entry_of(**bad)))


def test_a_field_that_nobody_reads_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="treshold"):
        Manifest.load(folder_with(tmp_path, a=entry_of(treshold=0.5)))


def test_the_cache_follows_the_environment_when_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CROWDMASK_CACHE", str(tmp_path / "here"))
    assert cache_folder() == tmp_path / "here"
    monkeypatch.delenv("CROWDMASK_CACHE")
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "crowdmask"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "crowdmask"
    monkeypatch.setattr("sys.platform", "darwin")
    assert cache_folder() == tmp_path / "Library" / "Caches" / "crowdmask"


def test_sha256_is_that_of_the_standard(tmp_path: Path) -> None:
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    assert sha256(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, B.1


def test_a_file_that_cannot_be_read_is_a_fault(tmp_path: Path) -> None:
    entry = Entry("a", "a.npz", 16, "0" * 64, "a test", "MIT")
    assert fault_in(tmp_path / "a.npz", entry) == "it cannot be read: No such file or directory"


def test_training_enters_its_file_and_keeps_what_it_does_not_name(tmp_path: Path) -> None:
    folder = folder_with(
        tmp_path, a=entry_of(licence="odd", graph={"width": 0.5}, urls=["https://x"]), b=entry_of(file="b.npz")
    )
    (folder / "new.npz").write_bytes(b"abc")
    made = update_entry(
        "a",
        folder / "new.npz",
        folder=folder,
        trained={"rate": np.float32(0.25)},
        measured={"ap50": np.array([0.5, 0.75])},
    )
    manifest = Manifest.load(folder)
    entry = manifest.entry("a")
    assert (entry.file, entry.size, entry.sha256) == ("new.npz", 3, sha256_of(b"abc"))
    assert (entry.licence, entry.graph, entry.trained, entry.ships) == ("odd", {"width": 0.5}, {"rate": 0.25}, True)
    assert entry.measured == {"ap50": [0.5, 0.75]}
    assert made.sha256 == entry.sha256
    assert list(manifest.entries) == ["a", "b"]
    assert manifest.entry("b") == Manifest.load(folder).entry("b")
    assert manifest.verify("a") == folder / "new.npz"
    assert not list(folder.glob("*.part"))


def test_a_users_own_run_becomes_a_folder_of_weights(tmp_path: Path) -> None:
    (tmp_path / "mine.npz").write_bytes(b"abc")
    update_entry("xception", tmp_path / "mine.npz", folder=tmp_path, graph={"input_size": 96})
    assert Manifest.load(tmp_path).verify("xception") == tmp_path / "mine.npz"


def test_weights_elsewhere_or_missing_or_with_unknown_fields_are_not_entered(tmp_path: Path) -> None:
    folder = folder_with(tmp_path)
    before = (folder / MANIFEST).read_bytes()
    (tmp_path / "a.npz").write_bytes(b"abc")
    with pytest.raises(WeightsError, match="beside their manifest"):
        update_entry("a", tmp_path / "a.npz", folder=folder)
    with pytest.raises(WeightsError, match="cannot be read"):
        update_entry("a", folder / "a.npz", folder=folder)
    (folder / "a.npz").write_bytes(b"abc")
    with pytest.raises(WeightsError, match="colour"):
        update_entry("a", folder / "a.npz", folder=folder, colour="red")
    assert (folder / MANIFEST).read_bytes() == before


def test_a_checkout_ships_its_own_folder() -> None:
    assert shipped_folder() == Path(__file__).parents[3] / "weights"


def test_a_manifest_of_an_earlier_version_is_read_without_what_nothing_read(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, a=entry_of())
    content = json.loads((folder / "manifest.json").read_text())
    content["networks"]["a"] |= {"threshold": 0.5, "unsure_band": 0.1}
    (folder / "manifest.json").write_text(json.dumps(content))
    assert "threshold" not in Manifest.load(folder).entry("a").as_dict()


@pytest.mark.parametrize("harm", ["missing", "torn", "damaged", "another schema"])
def test_nobody_is_asked_to_reinstall_for_weights_of_his_own(tmp_path: Path, harm: str) -> None:
    folder = folder_with(tmp_path, a=entry_of())
    (folder / "a.npz").write_bytes(CONTENT if harm != "damaged" else CONTENT[:-1] + b"?")
    if harm == "missing":
        (folder / "a.npz").unlink()
    elif harm == "torn":
        (folder / "manifest.json").write_text("{")
    elif harm == "another schema":
        (folder / "manifest.json").write_text('{"schema": 99}')
    with pytest.raises(
        WeightsError, match="bring it back from where it was made, or give another folder with --weights"
    ):
        Manifest.load(folder).verify("a")
