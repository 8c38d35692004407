"""What this machine's CPU can do, as far as it decides how the networks run on it."""

from __future__ import annotations

import logging
import os
import platform
from functools import lru_cache
from pathlib import Path

from crowdmask.errors import SettingsError
from crowdmask.nets.openvino_library import openvino

log = logging.getLogger(__name__)

WITHOUT_BFLOAT16 = {"SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX512_CORE", "AVX512_CORE_VNNI"}  # of ONEDNN_MAX_CPU_ISA


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
    return not is_held_back() and bool((flags() or frozenset()) & {"avx512_bf16", "amx_bf16"})


def is_held_back() -> bool:
    """Whether oneDNN, in both runtimes, is kept by its variable from what this CPU has for bfloat16."""
    most = os.environ.get("ONEDNN_MAX_CPU_ISA") or os.environ.get("DNNL_MAX_CPU_ISA") or ""
    return most.upper() in WITHOUT_BFLOAT16


def openvino_runs_bfloat16() -> bool:
    """Whether OpenVINO finds it too; told to use it where it is held back from it, it would end with a crash.

    OpenVINO is loaded to be asked, but not where the CPU has none for certain.
    """
    possible = has_fast_bfloat16() or (flags() is None and not is_held_back())
    return possible and "BF16" in openvino_capabilities()


@lru_cache(maxsize=1)
def openvino_capabilities() -> frozenset[str]:
    """What OpenVINO says that it makes use of on this CPU."""
    return frozenset(openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"))


def lacks_avx2() -> bool:
    """Only where it is certain: another architecture has other instructions, and other systems do not say."""
    known = flags()
    return platform.machine().lower() in {"x86_64", "amd64"} and known is not None and "avx2" not in known


def tensorflow_needs_avx2(remedy: str = "do this on another machine") -> None:
    """SettingsError where TensorFlow would end the process without a word: ask before it is imported."""
    if lacks_avx2():
        raise SettingsError(
            f"TensorFlow needs a CPU with AVX2 (Intel since 2013, AMD since 2015), and this one has none: {remedy}"
        )


@lru_cache(maxsize=1)
def warn_without_avx2() -> None:
    """Once for a process: OpenVINO runs without it."""
    if lacks_avx2():
        log.warning("this CPU has no AVX2 (Intel has it since 2013, AMD since 2015): the networks will be slow")
