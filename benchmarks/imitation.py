"""Runs a benchmark as on a CPU whose best instructions are AVX2, where this one has more: see avx2_only.c."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

SOURCE = Path(__file__).with_name("avx2_only.c")
MARK = "BENCHMARK_IMITATES"


def as_avx2(module: str, arguments: Sequence[str]) -> None:
    """Runs the module again, it and all that it starts held to AVX2, and ends with it; returns where that is so."""
    if os.environ.get(MARK) == "avx2":
        return
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "avx2_only.so"
        compiler = os.environ.get("CC", "cc")
        subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", str(library), str(SOURCE)], check=True)
        held = {**os.environ, "LD_PRELOAD": str(library), MARK: "avx2"}
        raise SystemExit(subprocess.run([sys.executable, "-m", module, *arguments], env=held, check=False).returncode)


def imitated() -> str:
    """For the line under a table; empty where the CPU is what it says."""
    return "held to AVX2 by answering CPUID for it; " if os.environ.get(MARK) == "avx2" else ""
