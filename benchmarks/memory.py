"""Whether memory stays the same however long the video is: peak resident memory of a short and of a long one.

`python -m benchmarks.memory VIDEO` repeats the video to 1 minute and to 10 (without decoding it), analyses each with
the default settings and prints Markdown. Options after `--` go to `crowdmask analyze`.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.clips import crowdmask, machine, measured, repeat, table


def peak(video: Path, seconds: float, options: Sequence[str]) -> tuple[int, int, float]:
    """Frames, peak bytes and seconds of analysing the video repeated to a length."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        long = folder / "long.mp4"
        repeat(video, long, seconds)
        results = folder / "results"
        ran = measured(crowdmask("analyze", str(long), "--out-dir", str(results), "--quiet", *options))
        (path,) = results.glob("*.json")
        return json.loads(path.read_text())["speed"]["frames"], ran.peak_bytes, ran.seconds


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("--minutes", type=float, nargs="+", default=[1, 10], help="lengths (default: 1 10)")
    words = list(sys.argv[1:] if arguments is None else arguments)
    end = words.index("--") if "--" in words else len(words)
    given, options = parser.parse_args(words[:end]), words[end + 1 :]
    rows, first = [], 0
    for minutes in given.minutes:
        frames, peak_bytes, seconds = peak(given.video, 60 * minutes, options)
        first = first or peak_bytes
        numbers = [f"{frames}", f"{peak_bytes / 1e6:.0f}", f"{peak_bytes / first:.3f}", f"{seconds:.0f}"]
        rows.append([f"{minutes:g} min", *numbers])
    header = ["`" + given.video.name + "` repeated to", "frames", "peak memory, MB", "of the first", "seconds"]
    print(table(header, rows), f"\n{machine()}", sep="\n")


if __name__ == "__main__":
    main()
