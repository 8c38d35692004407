"""Where the user wants the results; apart from naming.py, so that `--help` need not load what reads media."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from crowdmask.errors import SettingsError
from crowdmask.settings import Checked, setting


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
        if self.out is not None and self.out_dir is not None:
            raise SettingsError("--out and --out-dir contradict each other: give one of them")
        if self.detections is not None and Path(self.detections).suffix.lower() not in (".csv", ".parquet"):
            raise SettingsError(
                f"{self.detections}: detections are written as CSV or Parquet, name it .csv or .parquet"
            )
