"""The networks in OpenVINO's form: where it lies, whether it is whole, and whether it is of these very weights.

What ships has it beside the .npz, with both checksums in the manifest. Weights of one's own that lack it get it made
once, in the cache.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crowdmask.errors import WeightsError
from crowdmask.nets.cpu import tensorflow_needs_avx2
from crowdmask.nets.weights import Entry, Manifest, cache_folder, sha256

log = logging.getLogger(__name__)

FLOAT, INT8 = "float", "int8"
REVISION = 1  # of the conversion: raise it where it makes other numbers of the same weights
_RECORD = "record.json"


@dataclass(frozen=True)
class Ir:
    """A graph and its constants, and one checksum over both."""

    xml: Path
    bin: Path
    sha256: str


def ir_of(manifest: Manifest, name: str, kind: str, *, task: str | None = None) -> Ir:
    """The checked files of this kind (float or int8); made in the cache where the weights came without any."""
    entry = manifest.entry(name)
    manifest.verify(name)
    if kind in entry.openvino:
        return _beside(manifest, entry, kind)
    if kind == INT8:
        raise WeightsError(
            f"there is no int8 form of {name} in {manifest.folder}: make it ({_making(manifest, entry, kind)}), "
            "or choose another --precision"
        )
    return _cached(manifest, entry, task)


def form_of(precision: str) -> str:
    """Which form runs in this arithmetic."""
    return INT8 if precision == "int8" else FLOAT


def listed_sha256(entry: Entry, kind: str) -> str | None:
    """The checksum over both files as the manifest has it; None where the weights came without them."""
    listed = entry.openvino.get(kind)
    return None if listed is None else _joint(listed["files"])


def _beside(manifest: Manifest, entry: Entry, kind: str) -> Ir:
    listed = entry.openvino[kind]
    remedy = manifest.remedy(f"run {_making(manifest, entry, kind)}")
    try:
        files, made_of = listed["files"], listed["of"]
        paths = {Path(file).suffix: manifest.folder / Path(file).name for file in files}
        xml, constants = paths[".xml"], paths[".bin"]
        joint = _joint(files)
    except (KeyError, TypeError, AttributeError) as error:
        raise WeightsError(
            f"{manifest.folder}: the manifest's OpenVINO form of {entry.name} is damaged ({error!r}): {remedy}"
        ) from error
    if made_of != entry.sha256:
        raise WeightsError(
            f"{xml}: was made of other weights than {entry.file} ({made_of[:12]}…, not {entry.sha256[:12]}…): {remedy}"
        )
    for file, wanted in files.items():
        fault = _fault(manifest.folder / Path(file).name, wanted)
        if fault:
            raise WeightsError(f"{manifest.folder / Path(file).name}: {fault}: {remedy}")
    return Ir(xml, constants, joint)


def _making(manifest: Manifest, entry: Entry, kind: str) -> str:
    also = " --int8 --calibrate-on FOLDER_OF_LABELLED_PICTURES" if kind == INT8 else ""
    return f"`crowdmask weights convert {entry.name} --folder {manifest.folder}{also}`"


def _fault(path: Path, wanted: Mapping[str, Any]) -> str | None:
    try:
        if path.stat().st_size != wanted["size"]:
            return f"the OpenVINO form is damaged (it has {path.stat().st_size} bytes instead of {wanted['size']})"
        found = sha256(path)
    except FileNotFoundError:
        return "the OpenVINO form is missing"
    except OSError as error:
        return f"the OpenVINO form cannot be read ({error.strerror})"
    return None if found == wanted["sha256"] else "the OpenVINO form is damaged (its SHA-256 is another)"


def _joint(files: Mapping[str, Mapping[str, Any]]) -> str:
    text = "\n".join(sorted(str(file["sha256"]) for file in files.values()))
    return hashlib.sha256(text.encode()).hexdigest()


def described(paths: Mapping[str, Path]) -> dict[str, dict[str, Any]]:
    """Size and checksum of each file, as they stand in a manifest."""
    return {name: {"size": path.stat().st_size, "sha256": sha256(path)} for name, path in paths.items()}


def _cached(manifest: Manifest, entry: Entry, task: str | None) -> Ir:
    graph = hashlib.sha256(json.dumps(dict(entry.graph), sort_keys=True).encode()).hexdigest()
    home = cache_folder() / "openvino" / f"{entry.name}-{entry.sha256[:16]}-{graph[:8]}-{REVISION}"
    found = _whole(home)
    if found is not None:
        return found
    if home.exists():
        log.warning("%s is damaged and is made anew", home)
        shutil.rmtree(home, ignore_errors=True)
    log.warning("making OpenVINO's form of %s once, in %s: this takes TensorFlow and some seconds", entry.name, home)
    tensorflow_needs_avx2(f"run `crowdmask weights convert --folder {manifest.folder}` on another machine")
    try:
        from crowdmask.nets.converting import convert
    except ImportError as error:
        raise WeightsError(
            f"{manifest.folder}: {entry.name} came without OpenVINO's form, and making it needs TensorFlow ({error}): "
            f"install it, or run `crowdmask weights convert --folder {manifest.folder}` on a machine that has it"
        ) from error
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f"{home.name}.part.", dir=home.parent))
        try:
            xml = convert(manifest, entry.name, part, task=task)
            record = described({"network.xml": xml, "network.bin": xml.with_suffix(".bin")})
            xml.with_suffix(".bin").rename(part / "network.bin")
            xml.rename(part / "network.xml")
            (part / _RECORD).write_text(json.dumps(record), encoding="utf-8")
            if not home.exists():  # otherwise another process was quicker, with the same
                os.rename(part, home)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    except OSError as error:
        raise WeightsError(
            f"{error.filename or home}: OpenVINO's form of {entry.name} cannot be written ({error.strerror or error}): "
            "make room there, or set CROWDMASK_CACHE to another folder"
        ) from error
    found = _whole(home)
    if found is None:
        raise WeightsError(f"{home}: OpenVINO's form of {entry.name} was damaged while it was written: try again")
    return found


def _whole(home: Path) -> Ir | None:
    try:
        record = json.loads((home / _RECORD).read_text(encoding="utf-8"))
        faults = [_fault(home / name, record[name]) for name in ("network.xml", "network.bin")]
        return None if any(faults) else Ir(home / "network.xml", home / "network.bin", _joint(record))
    except (OSError, ValueError, KeyError, TypeError):
        return None
