"""Lists a labelled folder's validation pictures: `python make_split.py FOLDER OUT.txt [FRACTION] [SEED]`."""

from __future__ import annotations

import sys
from pathlib import Path

from crowdmask.labels.reading import read_labels
from crowdmask.labels.split import split, write_names


def main(folder: str, out: str, fraction: str = "0.2", seed: str = "4") -> None:
    names = [picture.name for picture in read_labels(Path(folder)).pictures]
    _, chosen = split(names, float(fraction), int(seed))
    how = f"{len(chosen)} of {len(names)} pictures, by crowdmask.labels.split.split(names, {fraction}, seed={seed})"
    write_names(Path(out), chosen, f"{how}: validation only, never trained on")


if __name__ == "__main__":
    main(*sys.argv[1:])
