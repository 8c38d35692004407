"""The directions of the house, held by reading the source: imports go down only, heavy things stay in their rooms."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "crowdmask"
GROUND = {"errors", "geometry", "records", "settings", "verdicts", "words"}
MAY_IMPORT = {
    "errors": set(),
    "geometry": set(),
    "records": {"geometry", "verdicts"},
    "verdicts": set(),
    "settings": {"errors"},
    "words": set(),
    "media": GROUND,
    "nets": GROUND,
    "runs": GROUND | {"media"},
    "labels": GROUND | {"media"},  # to know the size of a picture whose labels are in parts of it
    "tracking": GROUND,  # arrays and seconds only
    "engine": GROUND | {"media", "nets", "tracking"},
    "results": GROUND | {"media", "nets", "tracking", "engine"},
    "jobs": GROUND | {"media", "nets", "tracking", "engine", "results", "runs"},
    # training shares the runtime's way of cutting crops, and nothing else of it
    "training": GROUND | {"media", "nets", "labels", "engine", "runs"},
    "evaluation": GROUND | {"media", "nets", "tracking", "engine", "results", "labels", "runs"},
    "exporting": GROUND | {"media", "nets", "labels", "runs"},
    "comparison": GROUND
    | {"media", "nets", "tracking", "engine", "labels", "runs", "training", "evaluation", "exporting"},
    "cli": GROUND
    | {"media", "nets", "tracking", "engine", "results", "jobs", "labels", "training", "evaluation", "runs"}
    | {"comparison", "exporting"},
    "__init__": set(),
    "__main__": {"cli"},
    "library": GROUND | {"results", "jobs"},
    "analyzer": GROUND | {"media", "nets", "tracking", "engine"},
}
LIGHT = ("errors", "geometry", "records", "settings", "verdicts", "words", "results/statistics")
HEAVY = {"tensorflow", "keras", "cv2", "click", "av", "tf_keras", "retinaface", "openvino"}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").as_posix()


def room_of(path: Path) -> str:
    return name_of(path).split("/")[0]


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported_on_load(tree: ast.Module) -> Iterator[str]:
    """Names imported by merely importing the module, functions' own imports left out."""
    pending: list[ast.AST] = list(tree.body)
    while pending:
        node = pending.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        yield from imported(ast.Module([node], [])) if isinstance(node, (ast.Import, ast.ImportFrom)) else ()
        pending.extend(ast.iter_child_nodes(node))


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_imports_go_down_only(path: Path) -> None:
    room = room_of(path)
    for name in imported(ast.parse(path.read_text())):
        parts = name.split(".")
        if parts[0] != "crowdmask" or len(parts) < 2 or parts[1] == room or parts[1] == "__version__":
            continue
        if room == "__init__" and parts[1] in ("analyzer", "Analyzer", "library"):
            continue
        assert parts[1] in MAY_IMPORT[room], f"{name_of(path)} must not import crowdmask.{parts[1]}"


@pytest.mark.parametrize("name", LIGHT)
def test_ground_floor_is_light(name: str) -> None:
    path = PACKAGE / f"{name}.py"
    roots = {n.split(".")[0] for n in imported(ast.parse(path.read_text()))}
    assert not roots & HEAVY


@pytest.mark.parametrize("path", [p for p in modules() if name_of(p).startswith("jobs/manifest/")], ids=name_of)
def test_what_a_run_remembers_knows_nothing_of_its_work(path: Path) -> None:
    jobs = {name for name in imported(ast.parse(path.read_text())) if name.startswith("crowdmask.jobs.")}
    assert all(name.startswith("crowdmask.jobs.manifest.") for name in jobs)


@pytest.mark.parametrize("path", [p for p in modules() if room_of(p) == "nets"], ids=name_of)
def test_nets_know_no_pictures(path: Path) -> None:
    roots = {n.split(".")[0] for n in imported(ast.parse(path.read_text()))}
    assert not roots & {"cv2", "av", "PIL", "click"}


@pytest.mark.parametrize(
    "path", [p for p in modules() if room_of(p) in ("cli", "jobs", "media", "results")], ids=name_of
)
def test_networks_load_only_when_one_runs(path: Path) -> None:
    roots = {n.split(".")[0] for n in imported_on_load(ast.parse(path.read_text()))}
    assert not roots & {"tensorflow", "keras", "tf_keras", "retinaface", "openvino"}


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, crowdmask.settings, crowdmask; print(sorted(set(sys.modules) & {'tensorflow', 'keras', 'cv2'}))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
