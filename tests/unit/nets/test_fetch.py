"""Fetching, against a server on loopback that cuts connections, lies about its file, or is not there."""

from __future__ import annotations

import hashlib
import json
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from crowdmask.errors import WeightsError
from crowdmask.nets import fetch as fetch_module
from crowdmask.nets.fetch import fetch
from crowdmask.nets.weights import MANIFEST, Manifest

CONTENT = bytes(range(256)) * 4096  # 1 MiB, several chunks


@dataclass
class Script:
    """What the server does next: one plan per request, the last one for all that follow."""

    content: bytes = CONTENT
    cut_after: list[int | None] = field(
        default_factory=lambda: [None]
    )  # bytes of the body before the connection is cut
    ranges: bool = True
    statuses: list[int] = field(default_factory=list)  # errors to answer with first
    length: bool = True  # say how long the body is
    asked: list[str | None] = field(default_factory=list)  # the Range header of each request


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    script: Script

    def do_GET(self) -> None:
        script = self.script
        script.asked.append(self.headers.get("Range"))
        if script.statuses:
            self.send_error(script.statuses.pop(0))
            return
        start = 0
        given = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if given and script.ranges:
            start = int(given[1])
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(script.content) - 1}/{len(script.content)}")
        else:
            self.send_response(200)
        body = script.content[start:]
        if script.length:
            self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        cut = script.cut_after.pop(0) if len(script.cut_after) > 1 else script.cut_after[0]
        self.wfile.write(body[:cut])
        self.close_connection = True

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def url(script: Script) -> Iterator[str]:
    handler = type("Scripted", (Handler,), {"script": script})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/w.h5"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CROWDMASK_CACHE", str(tmp_path / "the cache"))
    monkeypatch.delenv("CROWDMASK_OFFLINE", raising=False)
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path / "the cache"


def manifest_of(folder: Path, *urls: str, content: bytes = CONTENT) -> Manifest:
    raw = {
        "file": "w.h5",
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "source": "s",
        "licence": "l",
    }
    networks = {"net": {**raw, "urls": list(urls)}}
    (folder / MANIFEST).write_text(json.dumps({"schema": 1, "networks": networks}))
    return Manifest.load(folder)


def test_a_file_is_fetched_once(tmp_path: Path, cache: Path, url: str, script: Script) -> None:
    manifest = manifest_of(tmp_path, url)
    seen: list[tuple[int, int]] = []
    path = fetch("net", manifest=manifest, progress=lambda there, total: seen.append((there, total)))
    assert path == cache / "w.h5"
    assert path.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert len(seen) > 1
    assert [p.name for p in cache.iterdir()] == ["w.h5"]
    assert fetch("net", manifest=manifest) == path
    assert script.asked == [None]
    fetch("net", manifest=manifest, force=True)
    assert script.asked == [None, None]


def test_a_cut_connection_is_resumed_where_it_broke(tmp_path: Path, url: str, script: Script) -> None:
    script.cut_after = [300_000, 400_000, None]
    path = fetch("net", manifest=manifest_of(tmp_path, url), pause_s=0)
    assert path.read_bytes() == CONTENT
    assert script.asked == [None, "bytes=300000-", "bytes=700000-"]


def test_without_a_length_a_cut_is_noticed_by_the_size(tmp_path: Path, url: str, script: Script) -> None:
    script.cut_after, script.length = [300_000, None], False
    assert fetch("net", manifest=manifest_of(tmp_path, url), pause_s=0).read_bytes() == CONTENT
    assert script.asked == [None, "bytes=300000-"]


def test_a_later_fetch_goes_on_from_what_an_earlier_one_left(
    tmp_path: Path, cache: Path, url: str, script: Script
) -> None:
    script.cut_after = [300_000, 0]
    manifest = manifest_of(tmp_path, url)
    with pytest.raises(WeightsError) as caught:
        fetch("net", manifest=manifest, pause_s=0)
    for part in (url, f"300000 of {len(CONTENT)} bytes are kept", str(cache / "w.h5"), manifest.entry("net").sha256):
        assert part in str(caught.value)
    assert (cache / "w.h5.part").stat().st_size == 300_000
    assert not (cache / "w.h5").exists()
    script.cut_after = [None]
    script.asked.clear()
    assert fetch("net", manifest=manifest).read_bytes() == CONTENT
    assert script.asked == ["bytes=300000-"]
    assert not (cache / "w.h5.part").exists()


def test_a_server_without_ranges_starts_over(tmp_path: Path, url: str, script: Script) -> None:
    script.cut_after, script.ranges = [300_000, None], False
    assert fetch("net", manifest=manifest_of(tmp_path, url), pause_s=0).read_bytes() == CONTENT


def test_the_beginning_of_another_file_is_thrown_away(tmp_path: Path, cache: Path, url: str, script: Script) -> None:
    cache.mkdir()
    (cache / "w.h5.part").write_bytes(b"x" * 1000)
    assert fetch("net", manifest=manifest_of(tmp_path, url), pause_s=0).read_bytes() == CONTENT
    assert script.asked == ["bytes=1000-", None]


def test_a_part_that_is_already_whole_needs_no_server(tmp_path: Path, cache: Path) -> None:
    cache.mkdir()
    (cache / "w.h5.part").write_bytes(CONTENT)
    assert fetch("net", manifest=manifest_of(tmp_path, "http://127.0.0.1:9/w.h5")).read_bytes() == CONTENT


def test_a_wrong_checksum_is_refused_and_leaves_nothing(tmp_path: Path, cache: Path, url: str, script: Script) -> None:
    script.content = CONTENT[::-1]
    with pytest.raises(WeightsError, match="SHA-256 is") as caught:
        fetch("net", manifest=manifest_of(tmp_path, url), pause_s=0)
    assert str(cache / "w.h5") in str(caught.value)
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize("length", [True, False])
def test_a_file_of_another_size_is_refused(tmp_path: Path, cache: Path, url: str, script: Script, length: bool) -> None:
    script.content, script.length = CONTENT + b"more", length
    with pytest.raises(WeightsError, match=r"offers 1048580 bytes|more than the 1048576 bytes"):
        fetch("net", manifest=manifest_of(tmp_path, url), pause_s=0)
    assert not (cache / "w.h5").exists()


def test_a_missing_page_is_not_asked_for_twice(tmp_path: Path, url: str, script: Script) -> None:
    script.statuses = [404, 404]
    with pytest.raises(WeightsError, match="it answered 404") as caught:
        fetch("net", manifest=manifest_of(tmp_path, url), pause_s=0)
    assert url in str(caught.value)
    assert script.asked == [None]


def test_a_busy_server_is_asked_again(tmp_path: Path, url: str, script: Script) -> None:
    script.statuses = [503, 429]
    assert fetch("net", manifest=manifest_of(tmp_path, url), pause_s=0).read_bytes() == CONTENT


def test_the_second_address_stands_in_for_the_first(tmp_path: Path, url: str, script: Script) -> None:
    script.statuses = [404]
    assert fetch("net", manifest=manifest_of(tmp_path, url, url + "?mirror"), pause_s=0).read_bytes() == CONTENT


def test_another_url_is_used_instead_and_checked_all_the_same(tmp_path: Path, url: str, script: Script) -> None:
    manifest = manifest_of(tmp_path, "http://127.0.0.1:9/never")
    assert fetch("net", manifest=manifest, url=url).read_bytes() == CONTENT


def test_a_file_address_brings_it_from_a_disk_even_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROWDMASK_OFFLINE", "1")
    stick = tmp_path / "a stick.h5"
    stick.write_bytes(CONTENT)
    manifest = manifest_of(tmp_path, "http://127.0.0.1:9/never")
    assert fetch("net", manifest=manifest, url=stick.as_uri()).read_bytes() == CONTENT
    with pytest.raises(WeightsError, match="No such file"):
        fetch("net", manifest=manifest, url=(tmp_path / "none").as_uri(), force=True)


def test_offline_nothing_is_asked(
    tmp_path: Path, cache: Path, url: str, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROWDMASK_OFFLINE", "1")
    with pytest.raises(WeightsError, match="CROWDMASK_OFFLINE") as caught:
        fetch("net", manifest=manifest_of(tmp_path, url))
    assert str(cache / "w.h5") in str(caught.value)
    assert script.asked == []
    cache.mkdir()
    (cache / "w.h5").write_bytes(CONTENT)
    assert fetch("net", manifest=manifest_of(tmp_path, url)) == cache / "w.h5"


def test_nobody_listening_is_said_with_the_address(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}/w.h5"
        with pytest.raises(WeightsError, match="refused") as caught:
            fetch("net", manifest=manifest_of(tmp_path, address), pause_s=0)
    assert address in str(caught.value)


def test_a_server_that_falls_silent_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_module, "TIMEOUT_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/w.h5"
        with pytest.raises(WeightsError, match="timed out"):
            fetch("net", manifest=manifest_of(tmp_path, address), pause_s=0)


@pytest.mark.parametrize("address", ["nonsense", "gopher://127.0.0.1/w.h5"])
def test_no_address_at_all_is_said_at_once(tmp_path: Path, address: str) -> None:
    with pytest.raises(WeightsError, match="unknown url type"):
        fetch("net", manifest=manifest_of(tmp_path, address), pause_s=1000)


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path, cache: Path, url: str) -> None:
    cache.write_text("a file where the folder should be")
    with pytest.raises(WeightsError, match="CROWDMASK_CACHE") as caught:
        fetch("net", manifest=manifest_of(tmp_path, url))
    assert str(cache) in str(caught.value)


def test_two_fetches_at_once_download_once(tmp_path: Path, url: str, script: Script) -> None:
    manifest = manifest_of(tmp_path, url)
    start = threading.Barrier(2)
    paths: list[Path] = []

    def run() -> None:
        start.wait()
        paths.append(fetch("net", manifest=manifest))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [path.read_bytes() == CONTENT for path in paths] == [True, True]
    assert script.asked == [None]


def test_shipped_weights_are_never_fetched(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="are missing: bring it back from where it was made"):
        fetch("net", manifest=manifest_of(tmp_path))
