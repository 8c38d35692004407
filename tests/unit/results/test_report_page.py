"""The report as a page: nothing in it is from outside or runs from outside, and a real browser shows it."""

from __future__ import annotations

import base64
import csv
import functools
import hashlib
import html
import http.server
import io
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

from crowdmask.errors import SourceError
from crowdmask.results.report.data import gather
from crowdmask.results.report.moments import pictures_of
from crowdmask.results.report.page import logo_of, page
from crowdmask.results.timeline.buckets import Width
from crowdmask.results.timeline.frames_table import FramesTable
from crowdmask.results.timeline.precision import precision_of
from crowdmask.results.timeline.statistics_rows import statistics_rows, with_totals
from crowdmask.tracking.zones import Crossing, Trace, Visit
from tests.unit.results.frames_csvs import Row, write_frames, write_persons, write_run
from tests.unit.results.test_stats_zones import NAMES, PEOPLE, M, person, video

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
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
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
    report = gather([run], **options)
    return page(report, pictures_of(report.inputs, report.data.moments))


def with_pictures(run: Path) -> None:
    report = gather([run])
    for moment in report.data.moments:
        path = Path(report.inputs[0].summary["input_root"]) / moment.source
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.full((90, 160, 3), 120, np.uint8))


def test_an_empty_run_is_a_page(tmp_path: Path) -> None:
    words = Elements(made(write_run(tmp_path, []))).words
    assert "There is no frame in this run" in words and "what failed is not known" in words


def test_a_per_frame_csv_without_times_is_a_page(tmp_path: Path) -> None:
    path = tmp_path / "v.crowdmask.csv"
    path.write_text("frame,time_s,faces,masked,unmasked,unknown,compliance\n0,0.0,3,2,1,0,0.6667\n")
    words = Elements(made(path)).words
    assert "when it was recorded is not known" in words and "0.0 s into the file" in words


def test_names_from_outside_never_become_markup(tmp_path: Path) -> None:
    run = night(tmp_path, cameras=(EVIL, "north"))
    elements = Elements(made(run))
    assert len(elements.all("script")) == 2 and [img.get("id") for img in elements.all("img")] == ["large-picture"]
    assert not any(name.startswith("on") for _, attrs in elements.found for name in attrs)
    assert "<script>alert('x')</script>" in elements.words and "is damaged" in elements.words


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
    assert len(elements.all("img")) == 13
    assert all(address.startswith(("data:image/jpeg;base64,", "#")) for address in addresses)
    assert not elements.all("link") and "@import" not in text and "url(" not in text
    policy = next(attrs["content"] for attrs in elements.all("meta") if attrs.get("http-equiv"))
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy == f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"


def test_everything_asked_for_is_on_the_page(tmp_path: Path) -> None:
    text = made(night(tmp_path))
    words = Elements(text).words
    for expected in (
        "Over time", "By camera", "By camera and hour of the day", "Worst moments", "What was not analysed",
        "Times without frames", "Sat 24 Oct 2026, 23:20:00", "is damaged", "cut off", "mask-xception", "ab" * 32,
        "analysis.detector", "retinaface-mobilenet", "Europe/Paris",
    ):  # fmt: skip
        assert expected in words, expected
    assert "By weekday and hour" not in words  # a night has no week
    assert len(text) < 1_000_000


def test_energy_is_called_estimated_with_its_method(tmp_path: Path) -> None:
    run = night(tmp_path, hours=1)
    summary = json.loads((run / "summary.json").read_text())
    used = {"watt_hours": 0.5, "watt_hours_per_video_hour": 22.6899, "method": "a test"}
    used["watt_hours_per_1000_faces"] = None
    summary |= {"energy": used, "weights": [{"name": "mine", "file": "x.npz", "sha256": "ab" * 32}]}
    (run / "summary.json").write_text(json.dumps(summary))
    told = made(run)
    assert "Energy, estimated" in told
    assert "about 0.5 Wh in all, 22.7 Wh for an hour of video. By a test." in told


def test_a_title_and_a_logo_stand_at_the_top(tmp_path: Path) -> None:
    report = gather([night(tmp_path)])
    logo = tmp_path / "logo.svg"
    logo.write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    elements = Elements(page(report, None, title="Ward <4>", logo=logo_of(logo)))
    assert "Ward <4>" in elements.words and elements.all("img")[0]["src"] == logo_of(logo)
    (tmp_path / "logo.txt").touch()
    with pytest.raises(SourceError, match="cannot be a logo"):
        logo_of(tmp_path / "logo.txt")
    logo.write_bytes(b"x" * 300_000)
    with pytest.raises(SourceError, match="at most 200,000"):
        logo_of(logo)


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
    assert len(text) < 1_000_000 and "data-packed" in text
    assert "and 4500 more" in text and "as asked for" in text and "By weekday and hour" in text


PROBE = """
const report = document.querySelector("iframe");
report.addEventListener("load", () => {
  const page = report.contentDocument, tip = page.getElementById("tip"), found = {};
  const {KeyboardEvent, PointerEvent, Event} = report.contentWindow;
  const press = (target, key) => target.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
  const shown = () => (tip.hidden ? null : tip.textContent);
  const text = (selector) => [...page.querySelectorAll(selector)].map((one) => one.textContent);
  const state = () => ({
    headline: text("#headline dd:not(.more)"), more: text("#headline .more"),
    cameras: [...page.querySelectorAll("#cameras-table tbody tr, #cameras-table tfoot tr")].map(
      (row) => [...row.cells].map((cell) => cell.textContent)),
    buckets: page.querySelectorAll("#time-table tbody tr").length,
    hours: [...page.querySelectorAll("#hours-map .cell[data-tip]")].map((cell) => cell.dataset.tip).filter(
      (tip) => !tip.includes("no frames")),
    moments: [...page.querySelectorAll(".moments figure")].filter((one) => !one.hidden).map((one) => one.dataset.path),
    selection: page.getElementById("selection").textContent,
  });
  found.ready = page.documentElement.dataset.ready;
  found.overflow = page.documentElement.scrollWidth - page.documentElement.clientWidth;
  found.before = shown();
  const chart = page.getElementById("chart");
  chart.focus();
  found.focused = page.activeElement === chart;
  press(chart, "ArrowRight"); press(chart, "ArrowRight");
  found.second = shown();
  found.spoken = chart.querySelector(".spoken").textContent;
  press(chart, "End");
  found.last = shown();
  press(chart, "Escape");
  found.escaped = shown();
  const bar = chart.querySelector(".hits i:nth-child(3)"), at = bar.getBoundingClientRect();
  bar.dispatchEvent(new PointerEvent("pointermove", {bubbles: true}));
  found.hovered = shown();
  found.fits = tip.getBoundingClientRect().left >= 0 && tip.getBoundingClientRect().right <= report.clientWidth;
  found.over = page.elementFromPoint(at.left + at.width / 2, at.top + 9) === bar;
  const names = () => text("#cameras-table tbody th");
  const head = () => page.querySelector("#cameras-table thead th");
  head().click(); found.up = names();
  press(head(), "Enter"); found.down = names();
  head().click();
  found.ticks = [...page.querySelectorAll(".tick")].filter((tick) => tick.offsetWidth).map((tick) => {
    const box = tick.getBoundingClientRect(); return [box.left, box.right];
  });
  found.all = state();
  const change = () => page.getElementById("filter").dispatchEvent(new Event("change"));
  const boxes = [...page.querySelectorAll("#cameras-list input")];
  boxes.forEach((box) => { box.checked = box.parentElement.textContent.trim() === "south 2"; });
  change();
  found.camera = state();
  page.getElementById("from").value = "2026-10-24T22:00"; page.getElementById("to").value = "2026-10-25T01:00";
  change();
  found.both = state();
  boxes.forEach((box) => { box.checked = true; });
  change();
  found.range = state();
  const download = page.querySelector('[data-download="cameras-table"]');
  download.click();
  found.csv = download.dataset.made;
  page.getElementById("from").value = ""; page.getElementById("to").value = ""; change();
  const pictures = [...page.querySelectorAll(".moments .open")];
  pictures[0].click();
  const dialog = page.getElementById("large"), path = () => page.getElementById("large-path").textContent;
  found.open = [dialog.open, path(), page.getElementById("large-picture").src === pictures[0].querySelector("img").src];
  page.querySelector('[data-go="1"]').click(); found.next = path();
  page.querySelector('[data-go="-1"]').click(); page.querySelector('[data-go="-1"]').click(); found.previous = path();
  page.getElementById("close").click();
  found.closed = dialog.open;
  document.getElementById("found").textContent = JSON.stringify(found);
});
"""


PLACES = """
const report = document.querySelector("iframe");
report.addEventListener("load", () => {
  const page = report.contentDocument, {Event} = report.contentWindow;
  const rows = (id) => [...page.querySelectorAll(`#${id}-table tbody tr`)].map(
    (row) => [...row.cells].map((cell) => cell.textContent));
  const state = () => ({zones: rows("zones"), lines: rows("lines")}), found = {all: state()};
  const change = () => page.getElementById("filter").dispatchEvent(new Event("change"));
  page.getElementById("from").value = "2026-11-20T20:01"; change();
  found.later = state();
  page.getElementById("from").value = "";
  for (const box of page.querySelectorAll("#cameras-list input")) {
    box.checked = box.parentElement.textContent.trim() === "lift";
  }
  change();
  found.lift = state();
  document.getElementById("found").textContent = JSON.stringify(found);
});
"""


def test_tables_of_zones_and_lines_follow_the_choice_of_cameras_and_time(tmp_path: Path) -> None:
    """Against numbers worked out by hand, as test_stats_zones.py has them."""
    if CHROMIUM is None:
        pytest.skip("no chromium here: apt-get install chromium")
    rows = [*video(120), *video(120, camera="lift", source="lift/b.mp4")]
    write_frames(tmp_path / "run" / "frames.csv", rows, NAMES)
    lift = person(70, M, Trace([Visit("hall", 70, 71.5)], [Crossing("door", "out", 71)]), source="lift/b.mp4")
    write_persons(tmp_path / "run" / "persons.csv", [*PEOPLE, lift])
    (tmp_path / "report.html").write_text(made(tmp_path / "run", every="1m", zone_name="UTC"), encoding="utf-8")
    frame = '<iframe style="width:1280px;height:3000px;border:0"></iframe>'
    start = f'{PLACES}report.src = "report.html";'
    (tmp_path / "look.html").write_text(f'<pre id="found"></pre>{frame}<script>{start}</script>')
    address = f"file://{tmp_path}/look.html"
    shown = chromium(tmp_path, "--allow-file-access-from-files", "--virtual-time-budget=5000", "--dump-dom", address)
    found = json.loads(html.unescape(re.findall(r'<pre id="found">(.*?)</pre>', shown, re.DOTALL)[0]))
    nothing, low, high = "–", "9.5\u00a0%", "90.5\u00a0%"  # Wilson's interval of 1 in 2
    half, all_of_1 = ["50.0\u00a0%", low, high], ["100.0\u00a0%", "20.7\u00a0%", "100.0\u00a0%"]
    assert found["all"]["zones"] == [
        ["hall", "gate", "2", *half, "18\u00a0s", "1", "1", "0", "0", "3", "30\u00a0s", "120"],
        ["hall", "lift", "1", *all_of_1, "2\u00a0s", "1", "0", "0", "0", "1", "2\u00a0s", "120"],
        ["desk 1", "gate", "2", *half, "3\u00a0s", "1", "0", "1", "0", "2", "5\u00a0s", "0"],
        ["desk 1", "lift", "0", nothing, nothing, nothing, nothing, *"00000", nothing, "0"],
    ]
    assert found["all"]["lines"] == [
        ["door", "gate", "in", "2", "0.0\u00a0%", "0", "1", "1", "0"],
        ["door", "gate", "out", "1", "0.0\u00a0%", "0", "1", "0", "0"],
        ["door", "lift", "in", "0", nothing, "0", "0", "0", "0"],
        ["door", "lift", "out", "1", "100.0\u00a0%", "1", "0", "0", "0"],
    ]
    gate, lifted, *_ = found["later"]["zones"]
    assert gate == ["hall", "gate", "0", nothing, nothing, nothing, nothing, *"00000", nothing, "60"]
    assert lifted[2] == "1" and lifted[-1] == "60"
    assert [row[3] for row in found["later"]["lines"]] == ["1", "1", "0", "1"]
    assert found["lift"]["zones"] == [found["all"]["zones"][1], found["all"]["zones"][3]]
    assert found["lift"]["lines"] == found["all"]["lines"][2:]


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


def by_hand(run: Path, camera: str | None = None, since: str = "", before: str = "") -> tuple[str, str, str]:
    """Rate, unmasked in view and sightings out of the rows of frames.csv: every still stands for a minute."""
    with (run / "frames.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if camera is None or row["camera"] == camera]
    if since:
        rows = [row for row in rows if row["captured_at"] and since <= row["captured_at"][:16] < before]
    masked, unmasked, unknown = (sum(int(row[word]) for row in rows) for word in ("masked", "unmasked", "unknown"))
    rate = f"{100 * masked / (masked + unmasked):.1f}\u00a0%"
    return rate, f"{unmasked / len(rows):.2f}", f"{masked + unmasked + unknown:,}"


@pytest.mark.parametrize("window", ["phone", "desk"])
def test_a_browser_shows_it_and_what_is_chosen_changes_every_figure(
    browser_run: Path, server: tuple[str, list[str]], tmp_path: Path, window: str
) -> None:
    address, asked = server
    dom = chromium(tmp_path, "--virtual-time-budget=20000", "--dump-dom", f"{address}/{window}.html")
    text = re.search(r'<pre id="found">(.*?)</pre>', dom, re.DOTALL)
    assert text is not None and text[1], dom[:500]
    found = json.loads(html.unescape(text[1]))
    assert found["ready"] == "true" and found["overflow"] <= 0  # nothing to scroll sideways
    assert found["before"] is None and found["focused"]
    assert found["second"].startswith("Sat 24 Oct 2026, 20:10 to 20:20") and "wore a mask" in found["second"]
    assert found["spoken"] == found["second"] and found["last"] != found["second"] and found["escaped"] is None
    assert "20:20 to 20:30" in found["hovered"] and found["fits"] and found["over"]
    assert found["up"] == ["no camera", "north", "south 2", "south 10"] and found["down"] == found["up"][::-1]
    labels = found["ticks"]
    assert len(labels) >= 2 and all(a[1] <= b[0] + 1 for a, b in pairwise(labels))
    run = browser_run / "run"
    span = ("2026-10-24T22:00", "2026-10-25T01:00")
    for name, expected in {
        "all": by_hand(run),
        "camera": by_hand(run, "south 2"),
        "both": by_hand(run, "south 2", *span),
        "range": by_hand(run, None, *span),
    }.items():
        assert tuple(found[name]["headline"][:3]) == expected, name
    assert found["both"]["buckets"] == 18 and found["range"]["buckets"] == 18 < found["all"]["buckets"]
    assert [row[0] for row in found["both"]["cameras"]] == ["south 2"]
    assert found["both"]["cameras"][0][1] == by_hand(run, "south 2", *span)[0]
    rows = {row[0]: row[1] for row in found["range"]["cameras"]}
    assert rows["north"] == by_hand(run, "north", *span)[0] and rows["all chosen"] == by_hand(run, None, *span)[0]
    assert {tip.split("\n")[0] for tip in found["both"]["hours"]} == {
        f"south 2, {hour:02}:00 to {hour + 1:02}:00" for hour in (22, 23, 0)
    }
    assert found["camera"]["moments"] and all("/south 2/" in path for path in found["camera"]["moments"])
    assert "south 2" in found["both"]["selection"] and "2026-10-24 22:00" in found["both"]["selection"]
    lines = list(csv.reader(io.StringIO(found["csv"])))
    assert lines[0][:2] == ["Camera", "Wore a mask"] and [line[0] for line in lines[1:]] == [
        *(name for name in found["up"] if name), "all chosen",
    ]  # fmt: skip
    paths = found["all"]["moments"]
    assert found["open"] == [True, paths[0], True] and (found["next"], found["previous"]) == (paths[1], paths[-1])
    assert found["closed"] is False
    assert {path for path in asked if "favicon" not in path} <= {f"/{w}.html" for w in ("phone", "desk")} | {
        f"/report.html?{w}" for w in ("phone", "desk")
    }


def test_the_page_computes_intervals_as_the_statistics_do(
    browser_run: Path, server: tuple[str, list[str]], tmp_path: Path
) -> None:
    address, _ = server
    dom = chromium(tmp_path, "--virtual-time-budget=20000", "--dump-dom", f"{address}/report.html?desk")
    shown = re.search(r"95 % interval ([\d.]+) to ([\d.]+)", html.unescape(dom).replace("\u00a0", " "))
    assert shown is not None
    with FramesTable([browser_run / "run" / "frames.csv"], threads=1) as table:
        precision = precision_of(table)
        *_, total = with_totals(statistics_rows(table, Width.parse("10m"), PARIS, precision=precision), precision)
    assert total.interval is not None
    assert (shown[1], shown[2]) == tuple(f"{100 * end:.1f}" for end in total.interval)


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


PROBE_MANY = """
const report = document.querySelector("iframe");
report.addEventListener("load", () => {
  const page = report.contentDocument, table = page.getElementById("hours-table"), found = {};
  const rows = () => table.querySelectorAll("tbody tr").length;
  const choose = (cameras) => {
    [...page.querySelectorAll("#cameras-list input")].forEach((box, i) => { box.checked = i < cameras; });
    page.getElementById("filter").dispatchEvent(new report.contentWindow.Event("change"));
  };
  found.closed = rows();
  const download = page.querySelector('[data-download="hours-table"]');
  download.click();
  found.csv = download.dataset.made.trim().split("\\r\\n").length;
  table.closest("details").open = true;
  setTimeout(() => {
    found.open = rows();
    found.last = table.querySelector("tbody tr:last-child").textContent;
    choose(30);
    found.chosen = rows();
    table.closest("details").open = false;
    choose(100);
    found.again = rows();
    choose(2);
    found.few = rows();
    document.getElementById("found").textContent = JSON.stringify(found);
  }, 50);
});
"""


def test_a_table_of_thousands_of_rows_is_made_when_it_is_opened(
    browser_run: Path, server: tuple[str, list[str]], tmp_path: Path
) -> None:
    """100 cameras of 24 hours: a choice must not build 2,400 rows that nobody looks at; the CSV has them all."""
    start = datetime(2026, 11, 20, tzinfo=PARIS)
    rows = [
        Row((start + timedelta(hours=hour)).isoformat(), 3, camera % 3, 0, f"cam {camera}", f"{camera}/{hour}.jpg")
        for camera in range(100)
        for hour in range(24)
    ]
    (browser_run / "many.html").write_text(made(write_run(tmp_path / "many", rows)), encoding="utf-8")
    probe = f'<pre id="found"></pre><iframe></iframe><script>{PROBE_MANY}report.src = "many.html";</script>'
    (browser_run / "look-at-many.html").write_text(probe)
    dom = chromium(tmp_path, "--virtual-time-budget=20000", "--dump-dom", f"{server[0]}/look-at-many.html")
    text = re.search(r'<pre id="found">(.*?)</pre>', dom, re.DOTALL)
    assert text is not None and text[1], dom[:500]
    found = json.loads(html.unescape(text[1]))
    assert (found["closed"], found["csv"], found["open"]) == (0, 2401, 2001)
    assert found["last"] == "and 400 rows more: sort by another column, or download all as CSV"
    assert (found["chosen"], found["again"], found["few"]) == (30 * 24, 0, 48)
