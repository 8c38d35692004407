"""`crowdmask merge` joins what `analyze --shard` made, and refuses in one line what does not belong together."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Crowdmask
from tests.unit.jobs.batch.cctv import night


def test_shards_join_into_the_run_of_one_machine(crowdmask: Crowdmask, here: Path) -> None:
    night(here / "in", stills=6, frames=0)
    assert crowdmask("analyze", "in", "--out-dir", "whole", "--timezone", "Europe/Paris", "--keep-free", 0).code == 0
    for n in (1, 2):
        options = ("--out-dir", f"part{n}", "--shard", f"{n}/2", "--timezone", "Europe/Paris", "--keep-free", 0)
        assert crowdmask("analyze", "in", *options).code == 0
    ran = crowdmask("merge", "part1", "part2", "--out", "joined")
    assert ran.code == 0 and ran.err == ""
    assert "2 runs joined: 6 inputs done" in ran.out
    (headline,) = (line for line in ran.out.splitlines() if "wore a mask, by time in view (95 % interval " in line)
    for run in ("whole", "joined"):
        assert headline.strip() in crowdmask("status", run).out
    assert (here / "joined/frames.csv").read_bytes() == (here / "whole/frames.csv").read_bytes()
    again = crowdmask("merge", "part1", "part2", "--out", "joined")
    assert again.code == 1 and len(again.lines) == 1 and "it is there already" in again.err
    missing = crowdmask("merge", "part1", "nowhere", "--out", "other")
    assert missing.code == 1 and len(missing.lines) == 1 and "no batch was started there" in missing.err
