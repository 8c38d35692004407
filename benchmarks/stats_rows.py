"""Times `crowdmask stats` on a made-up night of ten million frames: `python -m benchmarks.stats_rows`.

The file is made once: forty cameras, two and a half frames a second, over the night in which the clocks go back, with
sources, times in milliseconds and a rate in every row, as a batch writes them. The time is that of the whole command
in a process of its own, from the start of Python to the finished CSV.
"""

from __future__ import annotations

import argparse
import csv
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb


def make(path: Path, rows: int) -> None:
    """Write the frames with DuckDB: the csv module would take minutes."""
    duckdb.connect().execute(f"""
        COPY (
            SELECT turn AS frame, printf('%.6f', turn * 0.4) AS time_s, m + u + k AS faces, m AS masked, u AS unmasked,
                k AS unknown, CASE WHEN m + u > 0 THEN printf('%.4f', m / (m + u)) END AS compliance,
                printf('%s/2026-10-24/%06d.mp4', camera, turn // 1500) AS source, camera,
                strftime(timezone('Europe/Paris', taken), '%Y-%m-%dT%H:%M:%S.%g')
                    || CASE WHEN taken < TIMESTAMPTZ '2026-10-25 01:00:00+00' THEN '+02:00' ELSE '+01:00' END
                    AS captured_at,
                'container' AS captured_from
            FROM (
                SELECT i // 40 AS turn, printf('cam%02d', i % 40) AS camera, (hash(i) % 7)::INT AS m,
                    (hash(i + 1) % 3)::INT AS u, ((hash(i + 2) % 5) = 0)::INT AS k,
                    TIMESTAMPTZ '2026-10-24 20:00:00+00' + to_milliseconds((i // 40) * 400) AS taken
                FROM range({rows}) AS numbers(i)
            )
        ) TO '{path}' (HEADER)
    """)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--file", type=Path, help="keep the frames here, and use them if they are there")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        frames = args.file or Path(folder) / "frames.csv"
        if not frames.exists():
            make(frames, args.rows)
        print(f"{args.rows:,} rows, {frames.stat().st_size / 1e6:,.0f} MB, {args.threads} threads")
        for _ in range(args.repeat):
            out = Path(folder) / "compliance.csv"
            command = [sys.executable, "-m", "crowdmask", "stats", str(frames), "--every", "20m", "--out", str(out)]
            command += ["--timezone", "Europe/Paris", "--threads", str(args.threads), "--overwrite", "--quiet"]
            before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
            subprocess.run(command, check=True)
            wall, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            with out.open(newline="") as file:
                counted = list(csv.DictReader(file))
            frames_counted = sum(int(row["frames"]) for row in counted)
            assert frames_counted == args.rows, frames_counted
            print(
                f"{wall:6.2f} s wall, {cpu:6.2f} s of CPU, {after.ru_maxrss / 1024:,.0f} MB at most, "
                f"{len(counted):,} rows of statistics; load {os.getloadavg()[0]:.1f}"
            )


if __name__ == "__main__":
    main()
