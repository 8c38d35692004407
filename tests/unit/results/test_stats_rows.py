"""Compliance statistics on hand-made numbers, and that counts add up whatever the times, the zone and the bucket."""

from __future__ import annotations

import csv
import io
import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crowdmask.errors import SettingsError, SourceError
from crowdmask.records import Counts
from crowdmask.results.run_folder import frames_file, frames_files
from crowdmask.results.timeline.buckets import Width
from crowdmask.results.timeline.frames_table import FramesTable
from crowdmask.results.timeline.periods import period, run_zone
from crowdmask.results.timeline.statistics_columns import PEOPLE_SHARES, STATISTICS
from crowdmask.results.timeline.statistics_files import write_csv, write_json
from crowdmask.results.timeline.statistics_rows import StatisticsRow, statistics_rows
from crowdmask.results.timeline.statistics_table import write_markdown, write_table
from crowdmask.verdicts import WORDS, Verdict
from tests.unit.results.frames_csvs import Row, write_frames, write_run

PARIS = ZoneInfo("Europe/Paris")


def count(
    paths: list[Path],
    every: str = "20m",
    by: str = "camera",
    *,
    gap_s: float | None = None,
    empty: bool = True,
    span: tuple[str | None, str | None] = (None, None),
) -> list[StatisticsRow]:
    begin, end = period(*span, PARIS)
    with FramesTable(paths, by_source=by == "source", begin=begin, end=end, threads=1) as table:
        return list(statistics_rows(table, Width.parse(every), PARIS, by, gap_s=gap_s, empty=empty))


def clock(row: StatisticsRow) -> str:
    return "" if row.start is None or row.end is None else f"{row.start:%H:%M%z}-{row.end:%H:%M%z}"


def stills(camera: str, *times: str, unmasked: int = 0) -> list[Row]:
    return [Row(at, 1, unmasked, 0, camera, f"{camera}/{at}.jpg") for at in times]


def test_no_file_is_refused_and_a_file_without_rows_has_no_statistics(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no run"), FramesTable([]):
        pass
    assert count([write_frames(tmp_path / "f.csv", [])]) == []


def test_the_numbers_of_a_bucket(tmp_path: Path) -> None:
    path = write_frames(
        tmp_path / "f.csv",
        [
            Row("2026-11-20T23:00:00.000+01:00", 3, 1, 0),
            Row("2026-11-20T23:00:10.000+01:00", 0, 0, 0),
            Row("2026-11-20T23:00:20.000+01:00", 2, 4, 1),
            Row("2026-11-20T22:20:00.000+00:00", 7, 0, 0),
        ],
    )
    first, second = count([path])
    assert (clock(first), clock(second)) == ("23:00+0100-23:20+0100", "23:20+0100-23:40+0100")
    assert STATISTICS.values(first) == {
        "bucket_start": "2026-11-20T23:00:00+01:00",
        "bucket_end": "2026-11-20T23:20:00+01:00",
        "camera": "north",
        "source": "",
        "frames": 3,
        "frames_with_faces": 2,
        "faces": 11,
        "masked": 5,
        "unmasked": 5,
        "unknown": 1,
        # each frame stands for ten seconds, the last one before the gap too: 50 masked and 50 unmasked face seconds
        "compliance": 0.5,
        # ten faces seen for ten seconds are 100 / 60 trials; two blocks measure no design effect, and one block
        # is worth one observation: 0.5 ± z / sqrt(1 + z²) / 2
        "compliance_low": 0.054621,
        "compliance_high": 0.945379,
        "mean_unmasked_per_frame": 1.666667,
        "peak_unmasked": 4,
        "gap_s": 1180.0,
        "weighted_by": "time",
        "frame_compliance": 0.5,
        "unmasked_in_view": 1.666667,
        "recorded_s": 30.0,
        "coverage": 0.016667,  # 20 of 1200 seconds lie between frames
        "effective_judged": 1.0,
        "incorrect": 0,
        "time_compliance": 0.5,
        "most_at_once": 7,
        "people": None,
        **{f"people_{word}": None for word in WORDS},
        **dict.fromkeys(PEOPLE_SHARES),
    }


def test_a_bucket_without_judged_faces_has_no_rate(tmp_path: Path) -> None:
    (row,) = count([write_frames(tmp_path / "f.csv", [Row("2026-11-20T23:00:00+01:00", 0, 0, 2)])])
    found = STATISTICS.values(row)
    assert (found["compliance"], found["compliance_low"], found["compliance_high"]) == (None, None, None)
    assert (found["faces"], found["mean_unmasked_per_frame"]) == (2, 0.0)


def test_the_repeated_hour_is_not_merged(tmp_path: Path) -> None:
    rows = [Row(f"2026-10-25T02:10:00+{offset}:00", unmasked=n) for offset, n in (("02", 1), ("01", 2))]
    found = count([write_frames(tmp_path / "f.csv", rows)], empty=False)
    assert [(clock(r), r.counts.unmasked) for r in found] == [
        ("02:00+0200-02:20+0200", 1),
        ("02:00+0100-02:20+0100", 2),
    ]


def test_a_camera_that_failed_is_seen_and_no_empty_leaves_it_out(tmp_path: Path) -> None:
    every_ten = [f"2026-11-20T22:{m:02}:{s:02}+01:00" for m in range(60) for s in range(0, 60, 10)]
    path = write_frames(tmp_path / "f.csv", stills("north", *every_ten) + stills("south", *every_ten[:90]))
    found = {(r.camera, clock(r)[:5]): (r.frames, r.gap_s) for r in count([path])}
    assert found == {
        ("north", "22:00"): (120, 0.0),
        ("north", "22:20"): (120, 0.0),
        ("north", "22:40"): (120, 0.0),
        ("south", "22:00"): (90, 0.0),  # it stopped: no pause inside the time that it was recording
        ("south", "22:20"): (0, 0.0),
        ("south", "22:40"): (0, 0.0),
    }
    coverage = {clock(r)[:5]: r.coverage for r in count([path]) if r.camera == "south"}
    assert coverage == {"22:00": 890 / 1200, "22:20": 0.0, "22:40": 0.0}  # the last frame at 22:14:50
    assert [r.frames for r in count([path], empty=False) if r.camera == "south"] == [90]


def test_a_gap_is_longer_than_a_minute_and_than_three_usual_pauses(tmp_path: Path) -> None:
    times = [f"2026-11-20T{h}:{m:02}:00+01:00" for h in (20, 21) for m in range(0, 60, 5)]
    left_out = [t for t in times if not t.startswith(("2026-11-20T20:25", "2026-11-20T20:30", "2026-11-20T20:35"))]
    path = write_frames(tmp_path / "f.csv", stills("slow", *left_out))
    assert [r.gap_s for r in count([path], "1h")] == [1200.0, 0.0]  # 20:20 to 20:40, for five minutes are its pace
    assert [r.gap_s for r in count([path], "1h", gap_s=1500.0)] == [0.0, 0.0]
    assert [r.gap_s for r in count([path], "1h", gap_s=299.0)] == [3600.0, 3300.0]  # the last frame at 21:55


def test_a_gap_over_several_buckets_is_shared_out(tmp_path: Path) -> None:
    path = write_frames(tmp_path / "f.csv", stills("n", "2026-11-20T20:00:00.500+01:00", "2026-11-20T20:59:30+01:00"))
    found = count([path], gap_s=60)
    assert [r.gap_s for r in found] == [1199.5, 1200.0, 1170.0]
    assert sum(r.gap_s or 0 for r in found) == sum(r.gap_s or 0 for r in count([path], "1d", gap_s=60)) == 3569.5


def test_a_pause_without_frames_of_more_than_a_month_is_not_listed(tmp_path: Path) -> None:
    path = write_frames(tmp_path / "f.csv", stills("n", "2000-01-01T00:00:00+01:00", "2026-11-20T20:00:00+01:00"))
    assert [r.start.year for r in count([path], "1m") if r.start] == [2000, 2026]
    assert (
        len(
            count(
                [
                    write_frames(
                        tmp_path / "g.csv", stills("n", "2026-11-01T00:00:00+01:00", "2026-11-20T20:00:00+01:00")
                    )
                ],
                "1d",
            )
        )
        == 20
    )


def test_by_source_each_file_has_its_own_buckets_and_by_none_there_is_one_row(tmp_path: Path) -> None:
    rows = [
        Row("2026-11-20T20:00:00+01:00", 1, camera="n", source="n/a.mp4"),
        Row("2026-11-20T21:30:00+01:00", 1, camera="n", source="n/a.mp4"),
        Row("2026-11-20T23:00:00+01:00", 1, camera="s", source="s/b.mp4"),
    ]
    path = write_frames(tmp_path / "f.csv", rows)
    assert [(r.source, r.camera, clock(r)[:5], r.frames) for r in count([path], "1h", "source")] == [
        ("n/a.mp4", "n", "20:00", 1),
        ("n/a.mp4", "n", "21:00", 1),
        ("s/b.mp4", "s", "23:00", 1),
    ]
    assert [(r.camera, r.frames) for r in count([path], "1h", "none")] == [("", 1), ("", 1), ("", 0), ("", 1)]


def test_frames_without_a_time_go_by_file(tmp_path: Path) -> None:
    rows = [
        Row("", 1, 2, 0, "", "b.mp4", frame=0),
        Row("", 0, 1, 0, "", "b.mp4", frame=1),
        Row("", 0, 0, 1, "", "a.mp4"),
        Row("2026-11-20T20:00:00+01:00", 1),
    ]
    path = write_frames(tmp_path / "f.csv", rows)
    timed, first, second = count([path])
    assert clock(timed)[:5] == "20:00"
    assert (first.source, first.frames, first.start, first.gap_s) == ("a.mp4", 1, None, None)
    assert (second.source, second.frames, second.counts, second.peak_unmasked) == ("b.mp4", 2, Counts(1, 3, 0), 2)


def test_a_plain_per_frame_csv_goes_by_its_name(tmp_path: Path) -> None:
    folders = [tmp_path / "x", tmp_path / "y"]
    for folder in folders:
        folder.mkdir()
        (folder / "v.crowdmask.csv").write_text(
            "frame,time_s,faces,masked,unmasked,unknown,compliance\n0,0.0,2,1,1,0,0.5\n"
        )
    paths = [folder / "v.crowdmask.csv" for folder in folders]
    assert [r.source for r in count(paths[:1])] == ["v.crowdmask.csv"]
    assert [r.source for r in count(paths)] == ["x/v.crowdmask.csv", "y/v.crowdmask.csv"]


def test_many_runs_are_counted_together_and_files_of_the_same_name_kept_apart(tmp_path: Path) -> None:
    runs = [
        write_run(tmp_path / name, [Row("2026-11-20T20:00:00+01:00", 1), Row(source="x.jpg", camera="")])
        for name in "ab"
    ]
    found = count(frames_files(runs))
    assert [(r.camera, r.source, r.frames) for r in found] == [("north", "", 2), ("", "a/x.jpg", 1), ("", "b/x.jpg", 1)]


def test_a_period_counts_what_lies_in_it_and_gaps_end_with_it(tmp_path: Path) -> None:
    times = [f"2026-11-20T{h}:{m:02}:00+01:00" for h in (20, 21) for m in range(60)]
    path = write_frames(tmp_path / "f.csv", [*stills("n", *times), Row(source="untimed.jpg")])
    found = count([path], "1h", span=("2026-11-20T20:30", "2026-11-20T22:10"))
    assert [(clock(r)[:5], r.frames, r.gap_s, r.coverage) for r in found] == [
        ("20:00", 30, 0.0, 1.0),
        ("21:00", 60, 0.0, 3540 / 3600),  # the last frame at 21:59
        ("22:00", 0, 0.0, 3000 / 3600),
    ]
    assert sum(r.frames for r in count([path], "1h", span=("2026-11-21", None))) == 0
    assert sum(r.frames for r in count([path], "1h", span=("2026-11-20", "2026-11-20"))) == 120


@pytest.mark.parametrize(
    ("begin", "end"), [("yesterday", None), (None, "2026-13-01"), ("2026-11-20", "2026-11-19"), ("0001-01-01", None)]
)
def test_periods_that_are_none(begin: str | None, end: str | None) -> None:
    with pytest.raises(SettingsError, match=r"from is|to is"):
        period(begin, end, PARIS)


def test_a_date_is_the_whole_day_and_an_offset_is_heeded() -> None:
    assert period("2026-10-25", "2026-10-25", PARIS) == (
        datetime(2026, 10, 24, 22, tzinfo=timezone.utc),
        datetime(2026, 10, 25, 23, tzinfo=timezone.utc),
    )
    assert period("2026-11-20T23:15Z", None, PARIS)[0] == datetime(2026, 11, 20, 23, 15, tzinfo=timezone.utc)


def test_the_zone_is_the_one_given_else_the_runs_else_the_machines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    runs = [write_run(tmp_path / name, []) for name in "ab"]
    assert run_zone(runs, None).key == "Asia/Tokyo"
    (runs[0] / "summary.json").write_text('{"timezone": "Europe/Paris"}')
    assert run_zone(runs, None).key == "Europe/Paris"
    assert run_zone([runs[0] / "frames.csv"], "UTC").key == "UTC"
    (runs[1] / "summary.json").write_text('{"timezone": "UTC"}')
    with pytest.raises(SettingsError, match="--timezone"):
        run_zone(runs, None)
    (runs[1] / "summary.json").write_text("[")
    with pytest.raises(SourceError, match=r"summary\.json"):
        run_zone(runs, None)


def test_a_run_named_twice_is_refused(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [])
    with pytest.raises(SettingsError, match="twice"):
        frames_files([run, run / "frames.csv"])


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ("nothing", "no such"),
        ("folder", "no run folder"),
        ("manifest.sqlite", "not finished"),
        ("aggregate.csv", "counts per period"),
    ],
)
def test_what_is_no_run_is_told(tmp_path: Path, there: str, said: str) -> None:
    run = tmp_path / "run"
    if there != "nothing":
        run.mkdir()
    if "." in there:
        (run / there).touch()
    with pytest.raises(SourceError, match=said):
        frames_file(run)


HEADER = "frame,time_s,faces,masked,unmasked,unknown,compliance,source,camera,captured_at,captured_from\n"
GOOD = "0,0.0,1,1,0,0,1.0,a,n,2026-11-20T20:00:00.000+01:00,name\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file is empty"),
        ("frame,faces,masked,unknown\n", "line 1: the column 'unmasked' is missing"),
        ("frame;faces;masked;unmasked;unknown\n", "separated by commas"),
        (HEADER.replace("frame", "faces"), "'faces' is there twice"),
        (HEADER + GOOD + "0,0.0,1,1,0\n", "line 3: it has 5 values, the header has 11"),
        (HEADER + GOOD + GOOD.strip() + ",more\n", "line 3: it has 12 values"),
        (HEADER + GOOD * 5 + GOOD.replace(",1,1,", ",one,1,", 1), "line 7, column 'faces': 'one' is no count"),
        (HEADER + GOOD.replace(",1,1,0,0,", ",1,1,0,,"), "line 2, column 'unknown': '' is no count"),
        (HEADER + GOOD.replace(",1,1,0,0,", ",1,2,-1,0,"), "line 2, column 'unmasked': '-1' is no count"),
        (HEADER + GOOD.replace(",1,1,0,0,", ",3,1,1,0,"), "line 2, column 'faces': 3 is not 1 masked"),
        (HEADER + GOOD.replace("+01:00", ""), "line 2, column 'captured_at'"),
        (HEADER + GOOD.replace("T20:00:00.000+01:00", ""), "line 2, column 'captured_at'"),
        (HEADER + GOOD.replace("2026-11", "2026-13"), "line 2, column 'captured_at'"),
        (HEADER + GOOD.replace("2026", "1026"), "line 2, column 'captured_at'"),
        (HEADER + GOOD.replace("a,n", '"a,n'), "line 2"),
        (HEADER + GOOD + GOOD[:20], "line 3: it has"),
    ],
)
def test_damage_is_named_by_path_line_and_column(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "frames.csv"
    path.write_text(text)
    with pytest.raises(SourceError) as caught:
        count([write_frames(tmp_path / "good.csv", [Row("2026-11-20T20:00:00+01:00")]), path])
    assert str(caught.value).startswith(f"{path}: ") and said in str(caught.value)


def test_bytes_that_are_no_text_are_named(tmp_path: Path) -> None:
    path = tmp_path / "frames.csv"
    path.write_bytes((HEADER + GOOD).encode() + GOOD.replace("a,n", "caf\u00e9,n").encode("latin-1"))
    with pytest.raises(SourceError, match="line 3, column 'source': it is not UTF-8"):
        count([path], by="source")


def test_windows_line_ends_a_byte_order_mark_and_columns_in_another_order_are_read(tmp_path: Path) -> None:
    path = tmp_path / "frames.csv"
    lines = ["unmasked,masked,unknown,faces,captured_at,more", "2,1,0,3,2026-11-20T20:00:00Z,x"]
    lines += ["0,0,0,0,2026-11-20 20:00:01+00:00,", ""]
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    (row,) = count([path])
    assert (row.frames, row.counts) == (2, Counts(1, 2, 0))


@pytest.mark.parametrize(
    "name", ["a[1].csv", "b*.csv", "c?.csv", "d'q.csv", "e f.csv", "\u00e9.csv", "-g.csv", "~h.csv"]
)
def test_a_path_means_itself_only(tmp_path: Path, name: str) -> None:
    write_frames(tmp_path / "b1.csv", [Row("2026-11-20T20:00:00+01:00")] * 3)
    assert [r.frames for r in count([write_frames(tmp_path / name, [Row("2026-11-20T20:00:00+01:00")])])] == [1]


@pytest.mark.parametrize(
    "name", ["a,b.jpg", 'a"b.jpg', "a\nb.jpg", "'; DROP TABLE counted; --", "<b>&amp;", "\u00e9\u4e2d.jpg", " x "]
)
def test_names_of_sources_and_cameras_come_back_as_they_were(tmp_path: Path, name: str) -> None:
    path = write_frames(
        tmp_path / "f.csv", [Row("2026-11-20T20:00:00+01:00", camera=name, source=name), Row(source=name)]
    )
    timed, untimed = count([path], by="source")
    assert (timed.camera, timed.source, untimed.source) == (name, name, name)


def test_the_files_of_the_statistics(tmp_path: Path) -> None:
    rows = count(
        [
            write_frames(
                tmp_path / "f.csv", [Row("2026-11-20T20:00:00+01:00", 1, 2, 0, 'c "1"'), Row(source="\x1b[2J.jpg")]
            )
        ]
    )
    text = io.StringIO()
    write_csv(rows, text)
    back = list(csv.DictReader(io.StringIO(text.getvalue())))
    assert tuple(back[0]) == STATISTICS.names
    assert [(r["camera"], r["unmasked"], r["gap_s"], r["bucket_start"]) for r in back] == [
        ('c "1"', "2", "0.0", "2026-11-20T20:00:00+01:00"),
        ("north", "0", "", ""),
    ]
    text = io.StringIO()
    write_json(rows, text)
    assert json.loads(text.getvalue()) == {
        "schema_version": STATISTICS.version,
        "rows": [STATISTICS.values(row) for row in rows],
    }
    text = io.StringIO()
    write_table(rows, text)
    assert "66.7%" not in text.getvalue() and "33.3%" in text.getvalue() and "\x1b" not in text.getvalue()


@pytest.mark.parametrize("write", [write_table, write_markdown])
def test_masks_wrongly_worn_stand_beside_the_unmasked_so_that_the_words_add_up(
    tmp_path: Path, write: Callable[..., None]
) -> None:
    plain = count([write_frames(tmp_path / "f.csv", [Row("2026-11-20T20:00:00+01:00", 1, 7, 3)])])
    text = io.StringIO()
    write(plain, text)
    assert "+" not in text.getvalue() and "incorrect" not in text.getvalue()
    wrong = [replace(row, counts=row.counts + Counts.of([(Verdict.INCORRECT, 2)])) for row in plain]
    text = io.StringIO()
    write(wrong, text)
    assert "faces 1 7+2 3" in " ".join(text.getvalue().replace("|", " ").split())
    assert text.getvalue().endswith("2 whose mask is worn incorrectly\n")
    assert max(map(len, text.getvalue().splitlines())) <= 80


@pytest.mark.parametrize("write", [write_csv, write_json, write_table, write_markdown])
def test_nothing_to_write_is_a_whole_file(write: Callable[..., None]) -> None:
    text = io.StringIO()
    write([], text)
    assert text.getvalue().endswith("\n")
    if write is write_json:
        assert json.loads(text.getvalue())["rows"] == []


moments = st.one_of(
    # a night in which the clocks go back, one in which they go forward, and any time
    st.integers(0, 60 * 60 * 12 * 1000).map(
        lambda ms: datetime(2026, 10, 24, 18, tzinfo=timezone.utc) + timedelta(milliseconds=ms)
    ),
    st.integers(0, 60 * 60 * 12 * 1000).map(
        lambda ms: datetime(2026, 3, 28, 18, tzinfo=timezone.utc) + timedelta(milliseconds=ms)
    ),
    st.integers(0, 2_000_000_000).map(lambda s: datetime.fromtimestamp(s, timezone.utc)),
    st.none(),
)
frames = st.lists(
    st.tuples(
        moments, st.integers(0, 9), st.integers(0, 9), st.integers(0, 9), st.sampled_from("abc"), st.sampled_from("xyz")
    ),
    max_size=40,
)


@settings(max_examples=30, deadline=None)
@given(
    drawn=frames,
    every=st.sampled_from(["1m", "20m", "50m", "1h", "6h", "1d", "1w", "1mo"]),
    zone=st.sampled_from(["UTC", "Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia"]),
    by=st.sampled_from(["camera", "source", "none"]),
    empty=st.booleans(),
    files=st.integers(1, 3),
)
def test_counts_add_up_exactly_to_the_frames(
    tmp_path_factory: pytest.TempPathFactory,
    *,
    drawn: list[tuple[datetime | None, int, int, int, str, str]],
    every: str,
    zone: str,
    by: str,
    empty: bool,
    files: int,
) -> None:
    there = ZoneInfo(zone)
    rows = [
        Row(
            "" if at is None else at.astimezone(there).isoformat(timespec="milliseconds"),
            m,
            u,
            k,
            camera,
            f"{camera}/{source}",
        )
        for at, m, u, k, camera, source in drawn
    ]
    folder = tmp_path_factory.mktemp("drawn")
    paths = [write_frames(folder / f"{i}.csv", rows[i::files]) for i in range(files)]
    with FramesTable(paths, by_source=by == "source", threads=1) as table:
        totals = table.totals()
        found = list(statistics_rows(table, Width.parse(every), there, by, empty=empty))
    whole = sum((row.counts for row in rows), Counts())
    assert sum((row.counts for row in found), Counts()) == totals.counts == whole
    assert sum(row.frames for row in found) == totals.frames == len(rows)
    assert sum(row.frames_with_faces for row in found) == sum(row.counts.faces > 0 for row in rows)
    assert sum((row.time.recorded_s for row in found if row.time), 0.0) >= 0
    for row in found:
        assert (row.compliance is None) == (row.time is None or row.time.masked_s + row.time.unmasked_s == 0)
        low, high = row.interval or (0.0, 1.0)
        assert row.compliance is None or 0 <= low <= row.compliance <= high <= 1
    assert max((row.peak_unmasked for row in found), default=0) == max((row.unmasked for row in rows), default=0)
    timed = [row for row in found if row.start is not None and row.end is not None]
    assert all(0 <= (row.gap_s or 0) <= (row.end - row.start).total_seconds() for row in timed if row.start and row.end)
    keys = [(row.start, row.camera, row.source) for row in timed]
    assert len(set(keys)) == len(keys)
    # by hand: each frame is in the one bucket that holds it
    expected: Counter[tuple[datetime, str]] = Counter()
    for row in rows:
        if row.at:
            at = datetime.fromisoformat(row.at)
            (start,) = {r.start for r in timed if r.start and r.end and r.start <= at < r.end}
            expected[start, "" if by == "none" else row.camera] += row.unmasked
    per_camera: Counter[tuple[datetime, str]] = Counter()
    for row in timed:
        assert row.start is not None
        per_camera[row.start, row.camera] += row.counts.unmasked
    assert +per_camera == +expected


def test_the_order_of_rows_and_the_number_of_threads_change_nothing(tmp_path: Path) -> None:
    draw = random.Random(7)
    start = datetime(2026, 11, 20, tzinfo=timezone.utc)
    rows = [
        Row((start + timedelta(seconds=i)).isoformat(), draw.randrange(4), draw.randrange(3), 0, draw.choice("ab"))
        for i in range(3000)
    ]
    shuffled = draw.sample(rows, len(rows))
    paths = [write_frames(tmp_path / name, r) for name, r in (("a.csv", rows), ("b.csv", shuffled))]
    assert count(paths[:1]) == count(paths[1:])
