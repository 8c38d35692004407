"""The report as a page: nothing in it is from outside or runs from outside, and a real browser shows it."""

from __future__ import annotations

import base64
import functools
import hashlib
import http.server
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import cv2
import numpy as np
import pytest

from crowdmask.results.report.figures import gather
from crowdmask.results.report.moments import pictures_of
from crowdmask.results.report.page import page
from crowdmask.results.run_folder import RunFolder
from tests.unit.results.frames_csvs import Row, write_run

PARIS = ZoneInfo("Europe/Paris")
EVIL = "<script>alert('x')</script>\"'&amp;\n<img src=x onerror=alert(1)>"
CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--no-first-run",
)


class Elements(HTMLParser):
    """Every element with its attributes, and the text outside of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self._inside = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside not in ("script", "style"):
            self.words += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.found if name == tag]


def night(folder: Path, *, cameras: tuple[str, ...] = ("north", "south 2", "south 10"), hours: int = 12) -> Path:
    """A night over the clock change with a worse hour, a camera that fails, failures, gaps, and pictures of it."""
    start = datetime(2026, 10, 24, 20, tzinfo=PARIS).astimezone(ZoneInfo("UTC"))
    rows = []
    for k, camera in enumerate(cameras):
        for minute in range(hours * 60):
            if camera == cameras[-1] and 200 < minute < 320:
                continue
            local = (start + timedelta(minutes=minute)).astimezone(PARIS)
            unmasked = (minute * (k + 3)) % 3 + (4 if local.hour == 1 else 0)
            source = f"{camera}/{local:%Y%m%d_%H%M}{local:%z}.jpg"
            rows.append(Row(local.isoformat(), 6 - k, unmasked, minute % 2, camera, source))
    run = write_run(folder / "run", [*rows, Row("", 1, 1, 0, "", "no time.jpg")])
    summary = {
        "input_root": str(folder / "in"),
        "timezone": "Europe/Paris",
        "settings": {"analysis": {"detector": "retinaface-mobilenet", "every": 1, "note": EVIL}},
        "weights": [{"name": "mask-xception", "file": "x.npz", "sha256": "ab" * 32, "licence": "MIT"}],
        "versions": {"crowdmask": "0.1"},
        "failures": [{"source": EVIL, "reason": f"{EVIL} is damaged", "attempts": 3}],
        "gaps": [{"source": "v.mp4", "after_frame": None, "seconds": 1.5, "reason": "cut off"}],
        "notes": [EVIL],
    }
    (run / "summary.json").write_text(json.dumps(summary))
    return run


def made(run: Path, **options: Any) -> str:
    figures = gather(run, **options)
    return page(figures, pictures_of(RunFolder(run), figures.moments, figures.summary))


def with_pictures(run: Path) -> None:
    figures = gather(run)
    for moment in figures.moments:
        path = Path(figures.summary["input_root"]) / moment.source
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.full((90, 160, 3), 120, np.uint8))


def test_an_empty_run_is_a_page(tmp_path: Path) -> None:
    words = Elements(made(write_run(tmp_path, []))).words
    assert "There is no frame in this run" in words and "summary.json" in words


def test_a_per_frame_csv_without_times_is_a_page(tmp_path: Path) -> None:
    path = tmp_path / "v.crowdmask.csv"
    path.write_text("frame,time_s,faces,masked,unmasked,unknown,compliance\n0,0.0,3,2,1,0,0.6667\n")
    words = Elements(made(path)).words
    assert "66.7 %" in words and "the time of the frames is not known" in words and "0.0 s into the file" in words


def test_names_from_outside_never_become_markup(tmp_path: Path) -> None:
    run = night(tmp_path, cameras=(EVIL, "north"))
    elements = Elements(made(run))
    assert len(elements.all("script")) == 1 and not elements.all("img")
    assert not any(name.startswith("on") for _, attrs in elements.found for name in attrs)
    assert "<script>alert('x')</script>" in elements.words and f"{EVIL} is damaged"[:20] in elements.words


def test_nothing_is_loaded_from_anywhere(tmp_path: Path) -> None:
    run = night(tmp_path)
    with_pictures(run)
    text = made(run)
    elements = Elements(text)
    addresses = [
        attrs[key] or ""
        for _, attrs in elements.found
        for key in ("src", "href", "xlink:href", "action")
        if key in attrs
    ]
    assert len(elements.all("img")) == 12
    assert all(address.startswith(("data:image/jpeg;base64,", "#")) for address in addresses)
    assert not elements.all("link") and "@import" not in text and "url(" not in text
    policy = next(attrs["content"] for attrs in elements.all("meta") if attrs.get("http-equiv"))
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy == f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"


def test_everything_asked_for_is_on_the_page(tmp_path: Path) -> None:
    words = Elements(made(night(tmp_path))).words
    for expected in (
        *(
            "Compliance",
            "Unmasked faces",
            "Over time",
            "By camera",
            "By hour and weekday",
            "Worst moments",
            "What was not analysed",
        ),
        *(
            "south 10",
            "is damaged",
            "cut off",
            "mask-xception",
            "ab" * 32,
            "analysis.detector",
            "retinaface-mobilenet",
            "Europe/Paris",
        ),
    ):
        assert expected in words, expected
    figures = gather(tmp_path / "run")
    assert f"{figures.totals.counts.unmasked:,}" in words


def test_a_long_run_stays_a_light_page(tmp_path: Path) -> None:
    start = datetime(2024, 1, 1, tzinfo=PARIS)
    rows = [
        Row(
            (start + timedelta(hours=hour)).isoformat(), 3, hour % 3, 0, f"cam{hour % 40}", f"cam{hour % 40}/{hour}.jpg"
        )
        for hour in range(0, 20_000, 3)
    ]
    run = write_run(tmp_path / "run", rows)
    failures = [{"source": f"cam1/{i}.jpg", "reason": "is damaged"} for i in range(5000)]
    (run / "summary.json").write_text(json.dumps({"failures": failures}))
    text = made(run, every="1m")
    assert len(text) < 400_000
    assert "and 4,500 more" in text and "as asked for" in text


PROBE = """
const report = document.querySelector("iframe");
report.addEventListener("load", () => {
  const page = report.contentDocument, tip = page.getElementById("tip"), found = {};
  const {KeyboardEvent, PointerEvent, getComputedStyle} = report.contentWindow;
  const press = (target, key) => target.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
  const shown = () => (tip.hidden ? null : tip.textContent);
  found.overflow = page.documentElement.scrollWidth - page.documentElement.clientWidth;
  found.before = shown();
  const chart = page.querySelector(".chart"), heat = page.querySelector(".heat");
  chart.focus();
  found.focused = page.activeElement === chart;
  press(chart, "ArrowRight"); press(chart, "ArrowRight");
  found.second = shown();
  found.spoken = chart.querySelector(".spoken").textContent;
  press(chart, "End");
  found.last = shown();
  press(chart, "Escape");
  found.escaped = shown();
  press(heat, "Home"); press(heat, "ArrowDown");
  found.tuesday = shown();
  const bar = chart.querySelector(".hits i:nth-child(3)"), at = bar.getBoundingClientRect();
  bar.dispatchEvent(new PointerEvent("pointermove", {bubbles: true}));
  found.hovered = shown();
  found.fits = tip.getBoundingClientRect().left >= 0 && tip.getBoundingClientRect().right <= report.clientWidth;
  found.over = page.elementFromPoint(at.left + at.width / 2, at.top + 9) === bar;
  const names = () => [...page.querySelectorAll(".cameras tbody th")].map((head) => head.textContent);
  const head = page.querySelectorAll(".cameras th[data-sort]")[0];
  head.click(); found.up = names();
  press(head, "Enter"); found.down = names();
  page.getElementById("heat-count").click();
  found.maps = ["rate", "count"].map((kind) => getComputedStyle(page.querySelector(".heat." + kind)).display);
  found.ticks = [...page.querySelectorAll(".tick")].filter((tick) => tick.offsetWidth).map((tick) => {
    const box = tick.getBoundingClientRect(); return [box.left, box.right];
  });
  document.getElementById("found").textContent = JSON.stringify(found);
});
"""


@pytest.fixture(scope="module")
def browser_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with report.html, and pages that look at it through a phone's and a desk's window."""
    if CHROMIUM is None:
        pytest.skip("no chromium here: apt-get install chromium")
    folder = tmp_path_factory.mktemp("browser")
    run = night(folder)
    with_pictures(run)
    (folder / "report.html").write_text(made(run), encoding="utf-8")
    for name, width in (("phone", 390), ("desk", 1280)):
        frame = f'<iframe style="width:{width}px;height:6000px;border:0"></iframe>'
        start = f'{PROBE}report.src = "report.html?{name}";'
        (folder / f"{name}.html").write_text(f'<pre id="found"></pre>{frame}<script>{start}</script>')
    return folder


@pytest.fixture(scope="module")
def server(browser_run: Path) -> Iterator[tuple[str, list[str]]]:
    """The folder on loopback, and the paths that were asked for."""
    asked: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_request(self, code: object = "-", size: object = "-") -> None:
            asked.append(self.path)

    serving = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(browser_run)))
    thread = threading.Thread(target=serving.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{serving.server_port}", asked
    serving.shutdown()
    serving.server_close()
    thread.join()


def chromium(folder: Path, *args: str) -> str:
    assert CHROMIUM is not None
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={folder / 'profile'}", *args]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout


@pytest.mark.parametrize("window", ["phone", "desk"])
def test_a_browser_shows_it_and_the_keyboard_asks_it(
    browser_run: Path, server: tuple[str, list[str]], tmp_path: Path, window: str
) -> None:
    address, asked = server
    dom = chromium(tmp_path, "--virtual-time-budget=20000", "--dump-dom", f"{address}/{window}.html")
    text = re.search(r'<pre id="found">(.*?)</pre>', dom, re.DOTALL)
    assert text is not None and text[1], dom[:500]
    found = json.loads(text[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
    assert found["overflow"] <= 0  # nothing to scroll sideways
    assert found["before"] is None and found["focused"]
    assert "Sat 24 Oct 2026, 20:05 to 20:10" in found["second"] and "compliance" in found["second"]
    assert found["spoken"] == found["second"] and found["last"] != found["second"] and found["escaped"] is None
    assert found["tuesday"] == "Tuesday, 00:00 to 01:00\nno frames"
    assert "20:10 to 20:15" in found["hovered"] and found["fits"] and found["over"]
    assert found["up"] == ["no camera", "north", "south 2", "south 10"] and found["down"] == found["up"][::-1]
    assert found["maps"] == ["none", "block"]
    labels = found["ticks"]
    assert len(labels) >= 2 and all(a[1] <= b[0] + 1 for a, b in pairwise(labels))
    assert {path for path in asked if "favicon" not in path} <= {f"/{w}.html" for w in ("phone", "desk")} | {
        f"/report.html?{w}" for w in ("phone", "desk")
    }


def test_a_browser_paints_and_prints_it(browser_run: Path, tmp_path: Path) -> None:
    address = (browser_run / "report.html").as_uri()
    chromium(tmp_path, "--window-size=1280,1400", f"--screenshot={tmp_path / 'desk.png'}", address)
    image = cv2.imread(str(tmp_path / "desk.png"))
    assert image.shape[:2] == (1400, 1280)
    for name, bgr in (("masked", (0xB2, 0x72, 0x00)), ("unmasked", (0x00, 0x4F, 0xC8))):
        painted = np.count_nonzero(np.abs(image.astype(int) - bgr).max(axis=2) < 12)
        assert painted > 500, name
    chromium(tmp_path, f"--print-to-pdf={tmp_path / 'report.pdf'}", address)
    pages = len(re.findall(rb"/Type\s*/Page\b", (tmp_path / "report.pdf").read_bytes()))
    assert 2 <= pages <= 8
