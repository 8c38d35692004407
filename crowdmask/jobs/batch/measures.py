"""How many frames a video has, before anything of it is decoded: for the forecast, and for nothing else."""

from __future__ import annotations

from crowdmask.errors import CrowdmaskError
from crowdmask.jobs.batch.entries import Entry
from crowdmask.jobs.batch.units import Plan
from crowdmask.media.describing import frames_announced

OPENED = 200  # videos; of the others the size is enough, as the files of a night are alike
FRAMES_PER_BYTE = 25 / 250_000  # of a camera of 2 Mbit/s, until a file says otherwise


class Measures:
    def __init__(self, plan: Plan) -> None:
        self._analysis = plan.analysis
        self._opened = self._frames = self._bytes = 0

    def frames_of(self, entry: Entry) -> int:
        """What its container says, or what files of its size have."""
        if self._opened < OPENED:
            self._opened += 1
            try:
                frames = frames_announced(entry.path, self._analysis)
            except (CrowdmaskError, OSError):
                return 0  # its failure takes no time
            if frames is not None:
                self._frames, self._bytes = self._frames + frames, self._bytes + entry.identity.size
                return frames
        each = self._frames / self._bytes if self._bytes else FRAMES_PER_BYTE
        return round(each * entry.identity.size)
