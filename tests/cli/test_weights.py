"""`crowdmask weights`, in-process on a manifest of its own."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from crowdmask.cli.main import main
from crowdmask.nets import weights as registry

GOOD = b"good"
WHOLE = {"size": 4, "sha256": hashlib.sha256(GOOD).hexdigest(), "source": "a test", "licence": "MIT"}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two networks that ship and one to be fetched, which is not there."""
    networks = {
        "one": {**WHOLE, "file": "one.npz", "graph": {"width": 0.5}},
        "two": {**WHOLE, "file": "two.npz"},
        "far": {**WHOLE, "file": "far.h5", "urls": [(tmp_path / "far away.h5").as_uri()]},
    }
    (tmp_path / "manifest.json").write_text(json.dumps({"schema": 1, "networks": networks}))
    (tmp_path / "one.npz").write_bytes(GOOD)
    (tmp_path / "two.npz").write_bytes(GOOD)
    monkeypatch.setattr(registry, "shipped_folder", lambda: tmp_path)
    monkeypatch.setenv("CROWDMASK_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CROWDMASK_OFFLINE", raising=False)
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        main(["weights", *args])
    out, err = capsys.readouterr()
    assert isinstance(left.value.code, int)
    return left.value.code, out, err


def test_list_names_every_file_and_whether_it_is_here(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "list")
    assert code == 0
    heads = [line.split("  ") for line in out.splitlines() if not line.startswith(" ")]
    assert [(h[0], h[1], h[-1]) for h in heads] == [
        ("one", "one.npz", "present"),
        ("two", "two.npz", "present"),
        ("far", "far.h5", "not fetched"),
    ]
    assert out.count(str(WHOLE["sha256"])) == 3
    assert out.count("MIT") == 3


def test_list_as_json_gives_all_of_the_manifest(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    code, out, _ = run(capsys, "list", "--json")
    one, _two, far = json.loads(out)["weights"]
    assert code == 0
    assert one == {
        "name": "one",
        "file": "one.npz",
        **WHOLE,
        "graph": {"width": 0.5},
        "ships": True,
        "path": str(folder / "one.npz"),
    }
    assert (far["ships"], far["path"], len(far["urls"])) == (False, None, 1)


def test_verify_passes_over_what_was_never_fetched(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "verify")
    assert (code, err) == (0, "")
    assert [line.split(" (")[0] for line in out.splitlines()] == ["one: good", "two: good", "far: not fetched"]


def test_verify_tells_some_from_all(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    (folder / "two.npz").write_bytes(b"evil")
    code, out, err = run(capsys, "verify")
    assert code == 3
    assert "one: good" in out
    assert str(folder / "two.npz") in err
    (folder / "one.npz").unlink()
    assert run(capsys, "verify")[0] == 1
    assert run(capsys, "verify", "two")[0] == 1


def test_verify_of_a_named_file_that_is_missing_fails_with_the_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "verify", "far")
    assert code == 1
    assert "crowdmask weights fetch far" in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("verb", ["verify", "fetch", "path"])
def test_an_unknown_name_is_bad_usage(capsys: pytest.CaptureFixture[str], verb: str) -> None:
    code, _, err = run(capsys, verb, "three")
    assert code == 2
    assert "one, two, far" in err


def test_fetch_brings_what_does_not_ship(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    (folder / "far away.h5").write_bytes(GOOD)
    code, out, err = run(capsys, "fetch")
    assert (code, err) == (0, "")
    assert out == f"far: good ({folder / 'cache' / 'far.h5'})\n"
    assert run(capsys, "path", "far")[1] == f"{folder / 'cache' / 'far.h5'}\n"
    assert run(capsys, "verify", "far")[0] == 0


def test_fetch_that_fails_says_where_from_and_how_by_hand(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    code, _, err = run(capsys, "fetch", "far")
    assert code == 1
    assert (folder / "far away.h5").as_uri() in err
    assert str(folder / "cache" / "far.h5") in err
    assert run(capsys, "fetch", "one", "far")[0] == 3


def test_fetch_from_another_address(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    (folder / "stick.h5").write_bytes(GOOD)
    assert run(capsys, "fetch", "far", "--url", (folder / "stick.h5").as_uri())[0] == 0
    assert run(capsys, "fetch", "--url", "http://127.0.0.1/")[0] == 2


def test_fetch_offline_is_refused(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROWDMASK_OFFLINE", "1")
    code, _, err = run(capsys, "fetch", "far", "--url", "http://127.0.0.1:9/far.h5")
    assert code == 1
    assert "CROWDMASK_OFFLINE" in err


def test_path_prints_the_file_or_the_cache(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    assert run(capsys, "path", "one") == (0, f"{folder / 'one.npz'}\n", "")
    assert run(capsys, "path") == (0, f"{folder / 'cache'}\n", "")
    assert run(capsys, "path", "far")[0] == 1


def test_a_damaged_manifest_is_one_line(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    (folder / "manifest.json").write_text("{")
    code, _, err = run(capsys, "list")
    assert code == 1
    assert str(folder / "manifest.json") in err
    assert len(err.splitlines()) == 1
