"""Analyzes a folder as a batch and says how far it is."""

import sys

from crowdmask import analyze_folder


def say(done: int, failed: int, found: int) -> None:
    print(f"{done} done, {failed} failed, of {found} found so far")


summary = analyze_folder(sys.argv[1], sys.argv[2], callback=say)
print(summary["counts"])
