"""Brings weights that do not ship into the cache: streamed, resumed where they broke off, checked, renamed."""

from __future__ import annotations

import http.client
import os
import re
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from crowdmask import __version__
from crowdmask.errors import SettingsError, WeightsError
from crowdmask.nets.weights import Entry, Manifest, fault_in

try:
    import fcntl
except ImportError:  # Windows: two fetches at once would disturb each other there, and the checksum would tell
    fcntl = None  # type: ignore[assignment]

TIMEOUT_S = 30.0  # without a byte
TRIES = 4  # without getting further, per address
CHUNK = 1 << 18

Progress = Callable[[int, int], None]  # bytes there, bytes in all


class _RefusedError(Exception):
    """This address will not give the file, however often it is asked."""


class _BrokeOffError(Exception):
    """The transfer ended early; what came is kept and the rest can be asked for."""


def offline() -> bool:
    """Whether the variable forbids fetching; what is neither yes nor no is refused: it may have been meant as yes."""
    word = os.environ.get("CROWDMASK_OFFLINE", "").strip().lower()
    if word in {"1", "true", "yes", "on"}:
        return True
    if word in {"", "0", "false", "no", "off"}:
        return False
    raise SettingsError(f"CROWDMASK_OFFLINE is {word!r}: give 1 to forbid fetching, 0 or nothing to allow it")


def fetch(
    name: str,
    *,
    url: str | None = None,
    opener: urllib.request.OpenerDirector | None = None,
    progress: Progress | None = None,
    force: bool = False,
    manifest: Manifest | None = None,
    pause_s: float = 1.0,
) -> Path:
    """The checked weights of `name`, downloaded from `url` or the manifest's addresses where no whole file is there."""
    manifest = Manifest.load() if manifest is None else manifest
    entry = manifest.entry(name)
    present = manifest.find(name)
    if present is not None and not force and fault_in(present, entry) is None:
        return present
    addresses = (url,) if url else entry.urls
    if not addresses:
        return manifest.verify(name)  # says what to do about a shipped file that is missing or damaged
    if offline() and not all(address.startswith("file:") for address in addresses):
        raise WeightsError(f"CROWDMASK_OFFLINE is set, so {name} is not fetched: unset it, or {manifest.by_hand(name)}")
    opener = urllib.request.build_opener() if opener is None else opener
    target = manifest.home(name)
    reasons = []
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _alone(target.with_name(target.name + ".part")) as part:
            if not force and target.is_file() and fault_in(target, entry) is None:
                return target  # another process brought it while this one waited
            for address in addresses:
                try:
                    _download(part, address, entry, opener=opener, progress=progress, pause_s=pause_s)
                except (_RefusedError, _BrokeOffError) as error:
                    reasons.append(f"{address}: {error}")
                else:
                    os.fsync(part.fileno())
                    os.replace(part.name, target)
                    return target
    except OSError as error:
        raise WeightsError(
            f"{error.filename or target}: the weights of {name} cannot be written ({error.strerror or error}): "
            "make room there, or set CROWDMASK_CACHE to another folder"
        ) from error
    raise WeightsError(f"{name} could not be fetched ({'; '.join(reasons)}). Try again, or {manifest.by_hand(name)}")


@contextmanager
def _alone(path: Path) -> Iterator[IO[bytes]]:
    """The part file, open for this process alone; what is in it stays, to go on from, unless it got its name."""
    while True:
        file = path.open("a+b")
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX)
        if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
            break
        file.close()  # who held it has given it its name meanwhile
    with file:
        yield file
        file.flush()
        if path.exists() and path.stat().st_size == 0:
            path.unlink()


def _download(
    part: IO[bytes],
    address: str,
    entry: Entry,
    *,
    opener: urllib.request.OpenerDirector,
    progress: Progress | None,
    pause_s: float,
) -> None:
    """Fill `part` from `address` until it is whole and its checksum right."""
    left = TRIES
    have = part.seek(0, os.SEEK_END)
    from_earlier = have > 0
    while True:
        before = have
        try:
            for at, chunk in _chunks(opener, address, have, entry) if have < entry.size else ():
                if at != have:
                    part.truncate(at)
                part.write(chunk)
                have = at + len(chunk)
                if progress:
                    progress(have, entry.size)
        except _BrokeOffError as error:
            left = TRIES if have > before else left - 1
            if not left:
                kept = f"; {have} of {entry.size} bytes are kept to go on from" if have else ""
                raise _BrokeOffError(f"{error}, {TRIES} times{kept}") from error
            time.sleep(pause_s * (TRIES - left))
            continue
        part.flush()
        fault = fault_in(Path(part.name), entry)
        if fault is None:
            return
        part.truncate(0)
        have = 0
        if not from_earlier:
            raise _RefusedError(f"what came is not the file that the manifest names: {fault}")
        from_earlier = False  # an earlier fetch left the beginning, perhaps of something else: once more from the start


def _chunks(
    opener: urllib.request.OpenerDirector, address: str, have: int, entry: Entry
) -> Iterator[tuple[int, bytes]]:
    """One request for what is missing: pieces and their places in the file, from 0 where the server has no ranges."""
    headers = {"User-Agent": f"crowdmask/{__version__}", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    try:
        with opener.open(urllib.request.Request(address, headers=headers), timeout=TIMEOUT_S) as response:
            at = _start(response, have, entry)
            while chunk := response.read(CHUNK):
                if at + len(chunk) > entry.size:
                    raise _RefusedError(f"it sends more than the {entry.size} bytes that the manifest names")
                yield at, chunk
                at += len(chunk)
    except urllib.error.HTTPError as error:
        answer = f"it answered {error.code} {error.reason}"
        transient = error.code in (408, 425, 429) or error.code >= 500
        raise (_BrokeOffError if transient else _RefusedError)(answer) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        final = isinstance(reason, (str, ValueError, socket.gaierror, ssl.SSLCertVerificationError, FileNotFoundError))
        raise (_RefusedError if final else _BrokeOffError)(str(reason) or type(reason).__name__) from error
    if at < entry.size:
        raise _BrokeOffError(f"the connection was cut after {at} of {entry.size} bytes")


def _start(response: Any, have: int, entry: Entry) -> int:
    """The place of the response's first byte; refuses what cannot be the file before fetching it."""
    start = 0
    if getattr(response, "status", None) == http.client.PARTIAL_CONTENT:
        given = re.fullmatch(r"bytes (\d+)-\d+/(?:\d+|\*)", response.headers.get("Content-Range", "").strip())
        if given is None or int(given[1]) != have:
            raise _RefusedError("its Content-Range is not what was asked for")
        start = have
    length = response.headers.get("Content-Length") or ""
    if length.isdigit() and start + int(length) != entry.size:
        raise _RefusedError(f"it offers {start + int(length)} bytes, the manifest names {entry.size}")
    return start
