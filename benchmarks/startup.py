"""How soon `crowdmask --help` answers: `python -m benchmarks.startup` prints the best and the median of some runs."""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.clips import crowdmask, machine, measured, table


def installed_command() -> list[str]:
    """The installed script beside this Python, or the module where it is not installed."""
    script = Path(sys.executable).with_name("crowdmask")
    return [str(script)] if script.exists() else crowdmask()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20, help="runs of each (default: %(default)s)")
    given = parser.parse_args(arguments)
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "crowdmask --help": [*installed_command(), "--help"],
        "crowdmask analyze --help": [*installed_command(), "analyze", "--help"],
    }
    rows = []
    for name, command in commands.items():
        measured(command)  # fills the disk cache and writes the byte code
        times = [measured(command).seconds for _ in range(given.runs)]
        rows.append([f"`{name}`", f"{min(times):.3f}", f"{statistics.median(times):.3f}"])
    print(table([f"seconds, of {given.runs} runs", "best", "median"], rows), f"\n{machine()}", sep="\n")


if __name__ == "__main__":
    main()
