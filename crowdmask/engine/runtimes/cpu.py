"""What this machine's CPU can do, as far as it decides how the networks run on it."""

from __future__ import annotations

import logging
import platform
from functools import lru_cache
from pathlib import Path

from crowdmask.errors import SettingsError

log = logging.getLogger(__name__)


@lru_cache(maxsize=1)
def flags() -> frozenset[str] | None:
    """The first core's flags, as Linux gives them; None where they cannot be known."""
    try:
        text = Path("/proc/cpuinfo").read_text(errors="replace")
    except OSError:
        return None
    found = next((line for line in text.splitlines() if line.startswith(("flags", "Features"))), None)
    return None if found is None else frozenset(found.partition(":")[2].split())


def has_fast_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 itself; where it is emulated it is slower than float32."""
    return bool((flags() or frozenset()) & {"avx512_bf16", "amx_bf16"})


def lacks_avx2() -> bool:
    """Only where it is certain: another architecture has other instructions, and other systems do not say."""
    known = flags()
    return platform.machine().lower() in {"x86_64", "amd64"} and known is not None and "avx2" not in known


def needs_avx2(who: str) -> None:
    """SettingsError before a library is loaded that would end the process with an illegal instruction."""
    if lacks_avx2():
        raise SettingsError(
            f"{who} needs a CPU with AVX2 (Intel since 2013, AMD since 2015), and this one has none: "
            "choose --runtime openvino, or another machine"
        )
