"""The report by people: what a browser shows against rows counted by hand, and pictures in which nobody is known."""

from __future__ import annotations

import csv
import html
import json
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path

import cv2
import numpy as np
import pytest

from crowdmask.engine.following import Person
from crowdmask.records import Faces, Frame, FrameResult, SourceKind, Stream
from crowdmask.results.detections import DetectionsFile
from crowdmask.results.report.best_frames import pictures_of_people, place_around
from crowdmask.results.report.data import gather
from crowdmask.results.report.page import page
from crowdmask.results.statistics import wilson_interval
from crowdmask.results.summary import WeightsUsed
from crowdmask.verdicts import Counts, Verdict
from tests.unit.results.frames_csvs import Row, Somebody, write_frames, write_persons
from tests.unit.results.test_report_page import CHROMIUM, Elements, chromium

EIGHT = datetime(2026, 11, 20, 20, tzinfo=timezone.utc)
M, U, W, X = Verdict.MASKED, Verdict.UNMASKED, Verdict.INCORRECT, Verdict.UNKNOWN
WHERE = {"gate": "gate/a.mp4", "hall": "hall/b.mp4"}

PROBE = """
const report = document.querySelector("iframe");
report.addEventListener("load", () => {
  const page = report.contentDocument, found = {}, {Event} = report.contentWindow;
  const text = (selector) => [...page.querySelectorAll(selector)].map((one) => one.textContent);
  const state = () => ({ headline: text("#headline dd:not(.more)"), more: text("#headline .more"),
    titles: text("#headline dt"), heads: text("#cameras-table thead th"),
    people: [...page.querySelectorAll("#people figure")].filter((one) => !one.hidden).length,
    rows: [...page.querySelectorAll("#cameras-table tbody tr")].map(
      (row) => [...row.cells].map((cell) => cell.textContent)) });
  found.all = state();
  [...page.querySelectorAll("#cameras-list input")].forEach((box) => {
    box.checked = box.parentElement.textContent.trim() === "gate"; });
  page.getElementById("from").value = "2026-11-20T20:05"; page.getElementById("to").value = "2026-11-20T20:10";
  page.getElementById("filter").dispatchEvent(new Event("change"));
  found.chosen = state();
  document.getElementById("found").textContent = JSON.stringify(found);
});
"""


def somebody(minute: float, verdict: Verdict, camera: str, number: int) -> Somebody:
    seconds = minute * 60
    box = (20.0, 20.0, 44.0, 50.0)
    return Somebody(seconds, verdict, WHERE[camera], camera, EIGHT.isoformat(), number, box, int(seconds))


def run_of(folder: Path) -> tuple[Path, list[Somebody]]:
    """Two cameras' videos of 20 minutes, a frame a second; who comes is drawn once, by a rule."""
    run = folder / "run"
    rows = [
        Row((EIGHT + timedelta(seconds=s)).isoformat(), s % 3, s % 2, 0, camera, source, s, float(s))
        for camera, source in WHERE.items()
        for s in range(1200)
    ]
    write_frames(run / "frames.csv", rows)
    verdicts = (M, M, U, M, W, X, M, U)
    people = [
        somebody(k * 0.37 % 20, verdicts[(k * 5 + len(camera)) % 8], camera, k + 1)
        for camera in WHERE
        for k in range(90)
    ]
    write_persons(run / "persons.csv", people)
    used = WeightsUsed("xception", "xception.npz", "ab" * 32, "openvino", "float32", "cd" * 32)
    summary = {
        "timezone": "UTC",
        "input_root": str(folder / "in"),
        "weights": [used.__dict__],
        "times": {"warnings": [{"kind": "file", "inputs": 2, "of": 2, "examples": [], "text": "2 of 2 by their date"}]},
        "notes": ["2 of 2 by their date"],
    }
    (run / "summary.json").write_text(json.dumps(summary))
    return run, people


def by_hand(run: Path, camera: str | None = None, since: float = 0, before: float = 20) -> Counts:
    with (run / "persons.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if camera in (None, row["camera"])]
    chosen = [row["verdict"] for row in rows if since <= float(row["first_s"]) / 60 < before]
    return Counts(*(chosen.count(verdict.word) for verdict in Verdict))


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: apt-get install chromium")
def test_a_browser_leads_with_people_and_counts_those_who_are_chosen(tmp_path: Path) -> None:
    run, _ = run_of(tmp_path)
    (tmp_path / "report.html").write_text(page(gather([run], every="5m"), None), encoding="utf-8")
    start = f'{PROBE}report.src = "report.html";'
    probe = tmp_path / "probe.html"
    probe.write_text(
        f'<pre id="found"></pre><iframe style="width:1200px;height:900px"></iframe><script>{start}</script>'
    )
    dom = chromium(
        tmp_path, "--allow-file-access-from-files", "--virtual-time-budget=20000", "--dump-dom", probe.as_uri()
    )
    text = re.search(r'<pre id="found">(.*?)</pre>', dom, re.DOTALL)
    assert text is not None and text[1], dom[:500]
    found = json.loads(html.unescape(text[1]))
    assert found["all"]["titles"][:3] == ["Wore a mask", "People", "Unmasked in view"]
    for name, counts in (("all", by_hand(run)), ("chosen", by_hand(run, "gate", 5, 10))):
        assert counts.compliance is not None
        rate, number = found[name]["headline"][:2]
        assert (rate, number) == (f"{100 * counts.compliance:.1f}\u00a0%", f"{counts.faces:,}"), name
        low, high = wilson_interval(counts.supporting, counts.judged) or (0, 0)
        assert f"of {counts.judged} judged people" in found[name]["more"][0]
        assert f"{100 * low:.1f} to {100 * high:.1f}\u00a0%" in found[name]["more"][0]
        assert (
            f"{counts.masked} masked, {counts.unmasked} unmasked, {counts.incorrect} incorrect"
            in (found[name]["more"][1])
        )
    (row,) = found["chosen"]["rows"]
    cells = dict(zip((head.strip() for head in found["all"]["heads"]), row, strict=True))
    gate = by_hand(run, "gate", 5, 10)
    assert (cells["People"], cells["Masked"], cells["Unmasked"]) == (
        str(gate.faces),
        str(gate.masked),
        str(gate.unmasked),
    )
    assert cells["Frames"] == "300" and cells["Sightings"] == str(sum(s % 3 + s % 2 for s in range(300, 600)))


def test_the_page_says_once_what_is_wrong_with_times_and_shows_networks_without_a_licence(tmp_path: Path) -> None:
    run, _ = run_of(tmp_path)
    words = Elements(page(gather([run]), None)).words
    assert words.count("2 of 2 by their date") == 1 and "ab" * 32 in words
    assert "A person is one face followed through one recording" in words


def test_videos_without_a_time_show_their_people_over_their_own_seconds(tmp_path: Path) -> None:
    header = "frame,time_s,faces,masked,unmasked,unknown,compliance,incorrect\n"
    (tmp_path / "v.crowdmask.csv").write_text(header + "".join(f"{i},{i / 10:.6f},1,1,0,0,1.0,0\n" for i in range(100)))
    people = [Somebody(s, verdict, "v.mp4", person=i + 1) for i, (s, verdict) in enumerate([(0, M), (3, U), (7.5, M)])]
    write_persons(tmp_path / "v.crowdmask.persons.csv", people, of_run=False)
    data = gather([tmp_path / "v.crowdmask.csv"]).data
    assert data.mode == "seconds" and data.weighted_by == "people" and data.totals.people == Counts(2, 1)
    cells = data.cells.as_dict(with_people=True)
    found = {
        b: m - u for b, m, u in zip(cells["bucket"], cells["people_masked"], cells["people_unmasked"], strict=True)
    }
    assert found == {0: 1, 3: -1, 7: 1, **dict.fromkeys((1, 2, 4, 5, 6, 8, 9), 0)}


def video_in(folder: Path) -> tuple[Path, list[Person]]:
    """A run of one picture that is its own video, with two checkered faces in it."""
    image = np.full((120, 200, 3), 90, np.uint8)
    for x, y in ((30, 30), (90, 34)):
        image[y : y + 24, x : x + 20] = np.indices((24, 20)).sum(axis=0)[..., None] % 2 * 255
    path = folder / "in" / "gate" / "a.png"
    path.parent.mkdir(parents=True)
    cv2.imwrite(str(path), image)
    run = folder / "run"
    rows = [Row("", 0, 2, 0, "gate", "gate/a.png", i, i / 10) for i in range(2)]
    write_frames(run / "frames.csv", rows)
    people = [
        Somebody(0.0, U, "gate/a.png", "gate", "", 1, (30, 30, 50, 54), 0),
        Somebody(0.0, M, "gate/a.png", "gate", "", 2, (90, 34, 110, 58), 0),
    ]
    write_persons(run / "persons.csv", people)
    (run / "summary.json").write_text(json.dumps({"input_root": str(folder / "in")}))
    return run, [one.as_person for one in people]


def checkers(jpeg: bytes) -> float:
    """How much neighbouring pixels differ at most, as a checkered face's do."""
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert image is not None
    return float(cv2.Laplacian(image, cv2.CV_64F).std())


@pytest.mark.parametrize("kept", [2, 1, 0])
def test_every_face_about_a_person_is_hidden_also_where_not_all_are_known(tmp_path: Path, kept: int) -> None:
    """With both faces kept both are blurred; with one or none of them the whole picture is."""
    run, _ = video_in(tmp_path)
    if kept:
        boxes = np.array([[30, 30, 50, 54], [90, 34, 110, 58]], np.float32)[:kept]
        faces = Faces(boxes, np.ones(kept, np.float32), np.zeros((kept, 5, 2), np.float32))
        frame = Frame(0, 0.0, np.zeros((120, 200, 3), np.uint8), stream=Stream("gate/a.png", SourceKind.VIDEO))
        result = FrameResult(frame, faces, np.full(kept, 0.9, np.float32), np.full(kept, U, np.int8))
        with DetectionsFile(run / "detections.parquet") as sink:
            sink.write(result)
    report = gather([run])
    (best,) = report.data.people
    assert (best.person, best.verdict, best.moment.counts.faces) == (1, U, 2)
    open_, hidden = (
        pictures_of_people(report.inputs, report.data.people, show_faces=shown)[best].jpeg for shown in (True, False)
    )
    assert checkers(hidden) < 0.3 * checkers(open_)  # boxes are drawn about faces that are known
    text = page(report, None, pictures_of_people(report.inputs, report.data.people))
    assert "People without a mask" in text and "in view for 2 s" in text


def test_the_part_that_is_shown_lies_in_the_frame() -> None:
    assert place_around((10, 10, 20, 20), (100, 100)) == (0, 0, 45, 58)
    assert place_around((90, 90, 130, 130), (100, 100)) == (0, 40, 100, 100)
