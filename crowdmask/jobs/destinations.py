"""Where the user wants the results; apart from naming.py, so that `--help` need not load what reads media."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from crowdmask.errors import SettingsError
from crowdmask.settings import Checked, setting

_ADDRESS = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+://")


@dataclass(frozen=True)
class Destinations(Checked):
    """Where the results are to go; nothing given means beside the input."""

    out: str | None = setting(None, "Name of the annotated video or picture (one input only).", path="file")
    out_dir: str | None = setting(None, "Folder for all results; made where it is missing.", path="dir")
    detections: str | None = setting(
        None, "Write every face of all inputs to this file (.csv or .parquet).", path="file"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for option, given in (("--out", self.out), ("--out-dir", self.out_dir), ("--detections", self.detections)):
            if given is not None and _ADDRESS.match(given):
                raise SettingsError(
                    f"{option} names an address ({given.partition('://')[0]}://…), and results are written to this "
                    "machine's file systems only: name a folder, or mount the store"
                )
        if self.out is not None and self.out_dir is not None:
            raise SettingsError("--out and --out-dir contradict each other: give one of them")
        if self.detections is not None and Path(self.detections).suffix.lower() not in (".csv", ".parquet"):
            raise SettingsError(
                f"{self.detections}: detections are written as CSV or Parquet, name it .csv or .parquet"
            )
