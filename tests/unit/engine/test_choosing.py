"""What the settings come to: by hand, for each kind of CPU, and where they contradict each other."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from crowdmask.engine.runtimes import choosing
from crowdmask.engine.runtimes.choosing import Chosen, choose
from crowdmask.errors import SettingsError
from crowdmask.nets import cpu
from crowdmask.settings import AnalysisSettings, RuntimeSettings

MODERN, USUAL, OLD = {"avx2", "avx512_bf16"}, {"avx2", "fma"}, {"sse4_2"}


@pytest.fixture
def cpu_with(monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    def set_flags(
        flags: set[str] | None, machine: str = "x86_64", capabilities: tuple[str, ...] = ("BF16", "FP32")
    ) -> None:
        monkeypatch.setattr(cpu, "flags", lambda: None if flags is None else frozenset(flags))
        monkeypatch.setattr(cpu.platform, "machine", lambda: machine)
        monkeypatch.setattr(cpu, "openvino_capabilities", lambda: frozenset(capabilities))
        cpu.warn_without_avx2.cache_clear()

    return set_flags


@pytest.mark.parametrize(
    ("flags", "asked", "wanted"),
    [
        (MODERN, ("auto", "auto", "auto"), Chosen("openvino", "bfloat16")),
        (USUAL, ("auto", "auto", "auto"), Chosen("openvino", "float32")),
        (None, ("auto", "auto", "cpu"), Chosen("openvino", "bfloat16")),  # OpenVINO alone can say
        (MODERN, ("auto", "float32", "cpu"), Chosen("openvino", "float32")),
        (MODERN, ("auto", "bfloat16", "cpu"), Chosen("openvino", "bfloat16")),
        (USUAL, ("tensorflow", "bfloat16", "cpu"), Chosen("tensorflow", "bfloat16")),  # emulated, slowly
        (USUAL, ("auto", "int8", "cpu"), Chosen("openvino", "int8")),
        (MODERN, ("auto", "auto", "gpu"), Chosen("tensorflow", "float32")),
        (MODERN, ("tensorflow", "auto", "cpu"), Chosen("tensorflow", "bfloat16")),
        (USUAL, ("tensorflow", "auto", "cpu"), Chosen("tensorflow", "float32")),
    ],
)
def test_by_hand(cpu_with, flags, asked, wanted) -> None:  # type: ignore[no-untyped-def]
    cpu_with(flags)
    runtime, precision, device = asked
    assert choose(AnalysisSettings(runtime=runtime, precision=precision), RuntimeSettings(device=device)) == wanted


@pytest.mark.parametrize(
    ("runtime", "precision", "device", "words"),
    [
        ("openvino", "auto", "gpu", "choose tensorflow or auto"),
        ("tensorflow", "int8", "auto", "only the runtime openvino has"),
        ("auto", "int8", "gpu", "only the runtime openvino has"),
    ],
)
def test_contradictions_say_what_to_choose(runtime: str, precision: str, device: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        choose(AnalysisSettings(runtime=runtime, precision=precision), RuntimeSettings(device=device))


def test_bfloat16_that_openvino_would_run_in_float32_is_refused(cpu_with) -> None:  # type: ignore[no-untyped-def]
    cpu_with(USUAL)
    with pytest.raises(SettingsError, match="which this CPU does not have: choose auto, float32 or int8"):
        choose(AnalysisSettings(precision="bfloat16"), RuntimeSettings())


def test_bfloat16_that_openvino_is_kept_from_is_not_taken(cpu_with) -> None:  # type: ignore[no-untyped-def]
    cpu_with(MODERN, capabilities=("FP32", "INT8"))
    assert choose(AnalysisSettings(), RuntimeSettings()) == Chosen("openvino", "float32")
    assert choose(AnalysisSettings(runtime="tensorflow"), RuntimeSettings()) == Chosen("tensorflow", "bfloat16")
    with pytest.raises(SettingsError, match="which this CPU does not have"):
        choose(AnalysisSettings(precision="bfloat16"), RuntimeSettings())


def test_openvino_held_to_avx2_runs_in_float32() -> None:
    """In a process of its own, for the library reads the variable once. Told to use bfloat16 there it would crash."""
    code = "from crowdmask.engine.runtimes.choosing import choose; from crowdmask.settings import *; "
    code += "print(choose(AnalysisSettings(), RuntimeSettings()).precision)"
    held = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2"}
    said = subprocess.run([sys.executable, "-c", code], env=held, check=True, capture_output=True, text=True)
    assert said.stdout == "float32\n"


def test_without_openvino_it_is_named_and_not_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choosing.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SettingsError, match="pip install openvino, or choose --runtime tensorflow"):
        choose(AnalysisSettings(), RuntimeSettings())


def test_an_old_cpu_is_told_of(cpu_with, caplog: pytest.LogCaptureFixture) -> None:  # type: ignore[no-untyped-def]
    cpu_with(OLD)
    assert choose(AnalysisSettings(), RuntimeSettings()) == Chosen("openvino", "float32")
    choose(AnalysisSettings(), RuntimeSettings())  # as for the second network
    assert caplog.text.count("no AVX2") == 1
    with pytest.raises(SettingsError, match=r"TensorFlow needs a CPU with AVX2 .*: choose --runtime openvino"):
        choose(AnalysisSettings(runtime="tensorflow"), RuntimeSettings())
    with pytest.raises(SettingsError, match=r"TensorFlow needs a CPU with AVX2 .*: choose --runtime openvino"):
        choose(AnalysisSettings(), RuntimeSettings(device="gpu"))
    with pytest.raises(SettingsError, match=r"TensorFlow needs a CPU with AVX2 .*: do this on another machine"):
        cpu.tensorflow_needs_avx2()


@pytest.mark.parametrize(("flags", "machine"), [(OLD, "aarch64"), (None, "x86_64"), (USUAL, "x86_64")])
def test_only_a_cpu_that_certainly_lacks_it_is_refused(cpu_with, flags, machine) -> None:  # type: ignore[no-untyped-def]
    cpu_with(flags, machine)
    assert not cpu.lacks_avx2()
    cpu.tensorflow_needs_avx2()


def test_this_machines_flags_can_be_read() -> None:
    found = cpu.flags()
    assert found is None or len(found) > 5
