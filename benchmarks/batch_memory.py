"""Whether a batch's memory stays the same however many stills there are: `python -m benchmarks.batch_memory --fakes`.

Stills are hard links of a few pictures of 640x480, in folders of a thousand. Each number of them is analysed by a
process of its own, without annotated copies, and the largest memory that it ever had is told. The machinery is what
grows or does not: with `--fakes` in place of the networks 100 000 stills take minutes; their own memory is then not in
the numbers, but it does not depend on how many stills there are.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.batch_overhead import LONG_AGO, make_stills
from benchmarks.clips import Ran, crowdmask, machine, measured, table

LINKS_OF_ONE = 10_000  # ext4 allows 65 000
IN_A_FOLDER = 1000


def make_links(folder: Path, stills: int) -> None:
    """That many stills, with their own times but few contents."""
    originals = folder.with_name(f"{folder.name}-originals")
    make_stills(originals, -(-stills // LINKS_OF_ONE), None)
    sources = sorted(originals.iterdir())
    for source in sources:
        os.utime(source, (LONG_AGO, LONG_AGO))
    for n in range(stills):
        inside = folder / f"cam{n // IN_A_FOLDER % 10}" / f"{n // IN_A_FOLDER:04d}"
        if n % IN_A_FOLDER == 0:
            inside.mkdir(parents=True)
        os.link(sources[n // LINKS_OF_ONE], inside / f"{n:07d}.jpg")


def peak(stills: int, *, fakes: bool, options: Sequence[str] = ()) -> Ran:
    """One batch over so many stills."""
    with tempfile.TemporaryDirectory(prefix="memory-") as name:
        folder = Path(name)
        make_links(folder / "in", stills)
        given = ["analyze", str(folder / "in"), "--out-dir", str(folder / "run"), "--annotate", "none", "--quiet"]
        given += ["--keep-free", "0", *options]
        ran = measured([sys.executable, "-m", "benchmarks.fake_networks", *given] if fakes else crowdmask(*given))
        done = json.loads((folder / "run" / "summary.json").read_text())["inputs"]["done"]
        if done != stills:
            raise SystemExit(f"{done} of {stills} stills were done")
        return ran


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stills", type=int, nargs="+", default=[1000, 100_000])
    parser.add_argument("--fakes", action="store_true", help="fake networks")
    parser.add_argument("options", nargs="*", help="options of crowdmask analyze, after --")
    given = parser.parse_args(arguments)
    rows, first = [], 0
    for stills in given.stills:
        ran = peak(stills, fakes=given.fakes, options=given.options)
        first = first or ran.peak_bytes
        numbers = [f"{ran.peak_bytes / 1e6:.0f}", f"{ran.peak_bytes / first:.3f}", f"{ran.seconds:.0f}"]
        rows.append([f"{stills:,}", *numbers, f"{1000 * ran.seconds / stills:.2f}"])
    print(table(["stills", "peak memory, MB", "of the first", "seconds", "ms a still"], rows))
    print(f"\n{'Fake networks' if given.fakes else 'The networks of weights/'}; stills of 640x480\n{machine()}")


if __name__ == "__main__":
    main()
