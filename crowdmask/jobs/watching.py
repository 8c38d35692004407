"""What a run tells its caller while it works; the command line turns it into a progress bar."""

from __future__ import annotations

from crowdmask.jobs.forecast import Progress
from crowdmask.jobs.tasks import Outcome, Task
from crowdmask.records import FrameResult, VideoInfo
from crowdmask.results.statistics import ComplianceStats


class Watch:
    """Hears of each step and does nothing; the methods are there to be replaced."""

    def opened(self, task: Task, info: VideoInfo) -> None:
        """An input could be opened and its analysis begins."""

    def ready(self, task: Task) -> None:
        """The networks are loaded, and its frames are taken."""

    def saw(self, result: FrameResult, stats: ComplianceStats) -> None:
        """A frame is done and written down; `stats` are those of its input so far."""

    def moved(self, task: Task, progress: Progress) -> None:
        """How far a long video is, in place of `opened`, `ready` and `saw`."""

    def ended(self, outcome: Outcome) -> None:
        """An input is done, one way or the other."""
