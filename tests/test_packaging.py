"""The wheel as a stranger gets it: built, put into a clean environment, run from another folder, its weights inside."""

from __future__ import annotations

import configparser
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("setuptools", "77", reason="building a wheel without the network needs the test extra's setuptools")

ROOT = Path(__file__).parents[1]
MODULES = {path.relative_to(ROOT).as_posix() for path in (ROOT / "crowdmask").rglob("*.py")}


def pip(*args: str | Path) -> None:
    """pip with neither an index nor the user's settings."""
    quiet = [sys.executable, "-m", "pip", "--quiet", "--isolated", "--disable-pip-version-check"]
    subprocess.run([*quiet, *map(str, args)], check=True, timeout=120)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that nothing an earlier build left in the checkout gets in."""
    source = tmp_path_factory.mktemp("source")
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("crowdmask", "weights"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.part"))
    pip("wheel", "--no-index", "--no-deps", "--no-build-isolation", "--wheel-dir", source / "dist", source)
    (built,) = (source / "dist").glob("crowdmask-*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment with the wheel in it; the libraries it needs are looked up in the one that runs the tests."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    pip("--python", folder / "bin" / "python", "install", "--no-index", "--no-deps", wheel)
    (site,) = (folder / "lib").glob("python*/site-packages")
    # Only now: pip would otherwise take a crowdmask that is installed there for the one to be installed here.
    (site / "libraries.pth").write_text("\n".join({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}))
    return folder


def run(environment: Path, folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    clean = {"PATH": os.defpath, "HOME": str(folder), "CROWDMASK_CACHE": str(folder / "cache")}
    program = [str(environment / "bin" / args[0]), *args[1:]]
    return subprocess.run(program, cwd=folder, env=clean, capture_output=True, text=True, check=False, timeout=120)


def test_the_wheel_holds_every_module_and_the_weights(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name for name in names if name.endswith(".py")} == MODULES
    manifest = json.loads((ROOT / "weights" / "manifest.json").read_text())
    shipped = {"manifest.json"} | {raw["file"] for raw in manifest["networks"].values() if not raw.get("urls")}
    forms = [form for raw in manifest["networks"].values() for form in raw.get("openvino", {}).values()]
    assert forms, "what ships runs without TensorFlow"
    shipped |= {file for form in forms for file in form["files"]}
    shipped |= {path.name for path in (ROOT / "weights").iterdir() if path.suffix in (".md", ".txt")}
    assert {Path(name).name for name in names if name.startswith("crowdmask/_weights/")} == shipped


def test_the_installed_command_finds_its_weights_from_another_folder(environment: Path, tmp_path: Path) -> None:
    verified = run(environment, tmp_path, "crowdmask", "weights", "verify")
    assert (verified.returncode, verified.stderr) == (0, "")
    listed = run(environment, tmp_path, "crowdmask", "weights", "list", "--json")
    (inside,) = (environment / "lib").glob("python*/site-packages/crowdmask/_weights")
    for row in json.loads(listed.stdout)["weights"]:
        assert f"{row['name']}: " in verified.stdout
        assert not row["ships"] or Path(row["path"]).parent == inside


def test_damage_to_the_installed_weights_is_noticed(environment: Path, tmp_path: Path) -> None:
    """Guards the test above: it passes because the files are whole, not because nobody looked."""
    (manifest,) = (environment / "lib").glob("python*/site-packages/crowdmask/_weights/manifest.json")
    whole = manifest.read_text()
    content = json.loads(whole)
    content["networks"]["extra"] = {"file": "x.npz", "size": 1, "sha256": "0" * 64, "source": "-", "licence": "-"}
    manifest.write_text(json.dumps(content))
    try:
        verified = run(environment, tmp_path, "crowdmask", "weights", "verify")
    finally:
        manifest.write_text(whole)
    assert verified.returncode in (1, 3)
    assert str(manifest.with_name("x.npz")) in verified.stderr


def test_the_installed_package_runs_as_a_module_and_tells_its_version(environment: Path, tmp_path: Path) -> None:
    told = run(environment, tmp_path, "python", "-m", "crowdmask", "--version")
    version = run(
        environment, tmp_path, "python", "-c", "import crowdmask; print(crowdmask.__version__, crowdmask.__file__)"
    )
    number, place = version.stdout.split()
    assert told.stdout.strip().endswith(number)
    assert Path(place).is_relative_to(environment)


def test_a_server_without_libgl_or_display_can_import_the_picture_libraries(environment: Path, tmp_path: Path) -> None:
    code = "import cv2, av; print('libGL.so' in open('/proc/self/maps').read())"
    assert run(environment, tmp_path, "python", "-c", code).stdout.strip() == "False"


def test_every_room_is_listed_for_the_wheel() -> None:
    """`find:` cannot stand beside the folder of weights, so the list is kept by hand, and held here."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    rooms = {path.rpartition("/")[0].replace("/", ".") for path in MODULES}
    assert set(config["options"]["packages"].split()) == rooms | {"crowdmask._weights"}
