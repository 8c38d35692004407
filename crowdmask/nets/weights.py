"""The weights registry: which file each network needs, where it lies on this machine, and whether it is whole."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crowdmask.errors import WeightsError

MANIFEST = "manifest.json"
SCHEMA = 1
_PACKAGE = Path(__file__).resolve().parents[1]
_HEX_64 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Entry:
    """One network's weights: shipped beside the manifest, or with `urls` fetched once, on demand."""

    name: str
    file: str  # a bare file name
    size: int  # bytes
    sha256: str
    source: str  # where the parameters come from, for a reader
    licence: str
    architecture: str = ""  # a row of nets/registry.py; empty where another library builds the network
    urls: tuple[str, ...] = ()  # direct addresses, tried in order; the checksum makes a mirror as good as the origin
    graph: Mapping[str, Any] = field(default_factory=dict)  # the settings that rebuild the network
    openvino: Mapping[str, Any] = field(default_factory=dict)  # its form for OpenVINO, float and int8; see nets/ir.py
    trained: Mapping[str, Any] = field(default_factory=dict)
    measured: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.file or Path(self.file).name != self.file:
            raise WeightsError(f"{self.name}: the manifest's file {self.file!r} must be a bare file name")
        if not _HEX_64.fullmatch(str(self.sha256)):
            raise WeightsError(f"{self.name}: the manifest's sha256 {self.sha256!r} is not 64 lower-case hex digits")
        if not isinstance(self.size, int) or self.size <= 0:
            raise WeightsError(f"{self.name}: the manifest's size {self.size!r} is not a number of bytes")

    @property
    def ships(self) -> bool:
        return not self.urls

    def as_dict(self) -> dict[str, Any]:
        """The entry as it stands in the manifest, fields that say nothing left out."""
        every = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "name"}
        said = {
            k: v for k, v in every.items() if v is not None and not (isinstance(v, (str, Mapping, tuple)) and not v)
        }
        return {k: list(v) if isinstance(v, tuple) else v for k, v in said.items()}


@dataclass(frozen=True)
class Manifest:
    """The entries of one manifest file, and the questions asked of them."""

    folder: Path
    entries: Mapping[str, Entry]

    @classmethod
    def load(cls, folder: Path | None = None) -> Manifest:
        """The manifest of `folder`, or the one that ships with crowdmask."""
        folder = shipped_folder() if folder is None else folder
        path = folder / MANIFEST
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise WeightsError(
                f"{path}: the weights manifest cannot be read ({error.strerror}): {_remedy(folder)}"
            ) from error
        except ValueError as error:
            raise WeightsError(f"{path}: the weights manifest is damaged ({error}): {_remedy(folder)}") from error
        if not isinstance(content, dict) or content.get("schema") != SCHEMA:
            raise WeightsError(f"{path}: this crowdmask reads weights manifests of schema {SCHEMA}: {_remedy(folder)}")
        try:
            return cls(folder, {name: _entry_from(name, raw) for name, raw in content["networks"].items()})
        except (KeyError, TypeError, AttributeError) as error:
            raise WeightsError(f"{path}: the weights manifest is damaged ({error!r}): {_remedy(folder)}") from error

    def entry(self, name: str) -> Entry:
        if name not in self.entries:
            known = ", ".join(self.entries) or "none"
            raise WeightsError(f"no weights named {name!r} in {self.folder / MANIFEST}; there are: {known}")
        return self.entries[name]

    def home(self, name: str) -> Path:
        """Where the file belongs, there or not."""
        entry = self.entry(name)
        return (self.folder if entry.ships else cache_folder()) / entry.file

    def find(self, name: str) -> Path | None:
        """The file beside the manifest or else in the cache; None where it is in neither."""
        file = self.entry(name).file
        if (self.folder / file).is_file():
            return self.folder / file
        if self.entry(name).ships:
            return None
        return cache_folder() / file if (cache_folder() / file).is_file() else None

    def locate(self, name: str) -> Path:
        """The file, unchecked; an error that says how to get it where it is missing."""
        found = self.find(name)
        if found is None:
            entry = self.entry(name)
            remedy = (
                _remedy(self.folder)
                if entry.ships
                else f"run `crowdmask weights fetch {name}`, or {self.by_hand(name)}"
            )
            raise WeightsError(f"{self.home(name)}: the weights of {name} are missing: {remedy}")
        return found

    def verify(self, name: str) -> Path:
        """The file, its size and SHA-256 checked against the manifest."""
        path, entry = self.locate(name), self.entry(name)
        fault = fault_in(path, entry)
        if fault:
            remedy = (
                _remedy(self.folder)
                if entry.ships
                else f"run `crowdmask weights fetch --force {name}`, or {self.by_hand(name)}"
            )
            raise WeightsError(f"{path}: the weights of {name} are damaged ({fault}): {remedy}")
        return path

    def remedy(self, own: str) -> str:
        """What to do about a file that belongs beside the manifest; `own` is for weights of the user's own."""
        return _remedy(self.folder, own)

    def by_hand(self, name: str) -> str:
        """How to bring a fetched file from another machine."""
        entry = self.entry(name)
        return (
            f"download {entry.urls[0] if entry.urls else entry.source} elsewhere and put it at {self.home(name)} "
            f"({entry.size:,} bytes, SHA-256 {entry.sha256})"
        )

    def save(self) -> None:
        """Write it back; the old manifest stays until the new one is whole."""
        content = {"schema": SCHEMA, "networks": {name: entry.as_dict() for name, entry in self.entries.items()}}
        text = json.dumps(content, indent=2, ensure_ascii=False, default=_plain) + "\n"
        path = self.folder / MANIFEST
        part = path.with_name(path.name + ".part")
        part.write_text(text, encoding="utf-8")
        os.replace(part, path)


_OWN = "bring it back from where it was made, or give another folder with --weights"
_REINSTALL = "reinstall crowdmask, which carries it (in a checkout: git checkout -- weights)"


def _remedy(folder: Path, own: str = _OWN) -> str:
    """What to do about a file that is not as it ought to be; `own` is for weights of the user's own."""
    return _REINSTALL if folder == shipped_folder() else own


_FORGOTTEN = ("threshold", "unsure_band")  # in manifests of earlier versions; the settings have them


def _entry_from(name: str, raw: Mapping[str, Any]) -> Entry:
    known = {f.name for f in dataclasses.fields(Entry)} - {"name"}
    raw = {key: value for key, value in raw.items() if key not in _FORGOTTEN}
    unknown = set(raw) - known
    if unknown:
        raise TypeError(f"{name} has the unknown fields {', '.join(sorted(unknown))}")
    # manifests of versions before there was more than one architecture for a task say it only of the training
    built_as = raw.get("architecture") or raw.get("trained", {}).get("network", "")
    return Entry(name=name, **{**raw, "urls": tuple(raw.get("urls", ())), "architecture": built_as})


def _plain(value: Any) -> Any:
    """NumPy numbers and arrays as JSON has them."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} does not go into a manifest: {value!r}")


def shipped_folder() -> Path:
    """The weights that came with crowdmask: inside the installed package, or beside it in a checkout."""
    installed = _PACKAGE / "_weights"
    return installed if installed.is_dir() else _PACKAGE.parent / "weights"


def cache_folder() -> Path:
    """Where fetched weights are kept: `CROWDMASK_CACHE`, or this platform's place for caches. Not created here."""
    if os.environ.get("CROWDMASK_CACHE"):
        return Path(os.environ["CROWDMASK_CACHE"]).expanduser().absolute()
    try:
        if sys.platform == "darwin":
            return Path.home() / "Library" / "Caches" / "crowdmask"
        if sys.platform == "win32":
            return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "crowdmask" / "Cache"
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "crowdmask"
    except RuntimeError as error:
        raise WeightsError("this account has no home folder: set CROWDMASK_CACHE to a folder for weights") from error


def sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def fault_in(path: Path, entry: Entry) -> str | None:
    """What is wrong with a file that should be the entry's; None where nothing is."""
    try:
        size = path.stat().st_size
        if size != entry.size:
            return f"it has {size} bytes instead of {entry.size}"
        found = sha256(path)
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    return None if found == entry.sha256 else f"its SHA-256 is {found} instead of {entry.sha256}"


def entries() -> list[Entry]:
    """All networks that crowdmask knows, in the manifest's order."""
    return list(Manifest.load().entries.values())


def entry(name: str) -> Entry:
    return Manifest.load().entry(name)


def locate(name: str) -> Path:
    return Manifest.load().locate(name)


def verify(name: str) -> Path:
    return Manifest.load().verify(name)


def update_entry(name: str, path: Path, *, folder: Path | None = None, **fields: Any) -> Entry:
    """Enter a file just trained under `name`: size and SHA-256 come from the file, `fields` are the rest of `Entry`.

    The file must lie in the manifest's folder; a field that is not given keeps what the manifest had. A folder without
    a manifest gets one, so that a user's own training run is a folder of weights like the shipped one.
    """
    folder = shipped_folder() if folder is None else folder
    if path.resolve().parent != folder.resolve():
        raise WeightsError(f"{path}: weights must lie beside their manifest, in {folder}")
    manifest = Manifest.load(folder) if (folder / MANIFEST).exists() else Manifest(folder, {})
    old = manifest.entries[name].as_dict() if name in manifest.entries else {"source": "trained here", "licence": "MIT"}
    try:
        found = {"file": path.name, "size": path.stat().st_size, "sha256": sha256(path), "urls": ()}
        new = _entry_from(name, {**old, **fields, **found})
    except OSError as error:
        raise WeightsError(f"{path}: the weights cannot be read ({error.strerror})") from error
    except TypeError as error:
        raise WeightsError(f"{name}: {error}") from error
    Manifest(folder, {**manifest.entries, name: new}).save()
    return new
