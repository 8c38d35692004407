"""`python -m tests.golden.regenerate` writes the goldens anew; look at what `git diff` says of them before it is kept.

They are made by TensorFlow in float32, the arithmetic in which the networks were trained, whatever the default is.
"""

from __future__ import annotations

import csv
import tempfile
from pathlib import Path

from tests.golden.cases import EXPECTED, FACES, FRAMES, PEOPLE, Row, analyse, follow

REFERENCE = ("--runtime", "tensorflow", "--precision", "float32")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        written = analyse(Path(folder), *REFERENCE)
        people = follow(Path(folder), *REFERENCE)
    EXPECTED.mkdir(exist_ok=True)
    for name, found in ((FACES, written.faces), (FRAMES, written.frames), (PEOPLE, people)):
        save(EXPECTED / name, found)
    print(f"{len(written.faces)} faces in {len(written.frames)} frames, {len(people)} people: {EXPECTED}")


def save(path: Path, found: list[Row]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(found[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(found)


if __name__ == "__main__":
    main()
