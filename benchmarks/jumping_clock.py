"""`crowdmask` on a clock that is set again and again: by up to a day in either direction, every two seconds."""

from __future__ import annotations

import random
import sys
import time

from crowdmask.cli.main import main

DAY_S, EVERY_S = 86_400.0, 2.0
_real, _begun = time.time, time.monotonic()


def jumping() -> float:
    """What `time.time` gives here."""
    return _real() + random.Random((time.monotonic() - _begun) // EVERY_S).uniform(-DAY_S, DAY_S)


if __name__ == "__main__":
    time.time = jumping
    main(sys.argv[1:])
