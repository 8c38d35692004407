"""Which runtime and which arithmetic the settings come to on this machine, before any network is loaded."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass

from crowdmask.engine.runtimes.network import Network, Wanted
from crowdmask.errors import SettingsError
from crowdmask.nets.cpu import has_fast_bfloat16, openvino_runs_bfloat16, tensorflow_needs_avx2, warn_without_avx2
from crowdmask.settings import AnalysisSettings, RuntimeSettings

OPENVINO, TENSORFLOW = "openvino", "tensorflow"


@dataclass(frozen=True)
class Chosen:
    """The runtime's name, and float32, bfloat16 or int8."""

    runtime: str
    precision: str


def choose(settings: AnalysisSettings, runtime: RuntimeSettings) -> Chosen:
    """What `auto` comes to; SettingsError where the settings contradict each other or this machine."""
    name = settings.runtime
    if name == "auto":
        name = TENSORFLOW if runtime.device == "gpu" else OPENVINO
    if name == OPENVINO:
        if runtime.device == "gpu":
            raise SettingsError(
                "runtime is 'openvino', which runs on the CPU here: for a GPU choose tensorflow or auto"
            )
        if importlib.util.find_spec("openvino") is None:
            raise SettingsError("OpenVINO is not installed: pip install openvino, or choose --runtime tensorflow")
        warn_without_avx2()
    elif settings.precision == "int8":
        raise SettingsError("precision is 'int8', which only the runtime openvino has: choose that, or auto precision")
    else:
        tensorflow_needs_avx2("choose --runtime openvino and a detector that it runs, or another machine")
    precision = settings.precision
    if precision == "auto":
        fast = openvino_runs_bfloat16() if name == OPENVINO else runtime.device != "gpu" and has_fast_bfloat16()
        precision = "bfloat16" if fast else "float32"
    elif precision == "bfloat16" and name == OPENVINO and not openvino_runs_bfloat16():
        raise SettingsError("precision is 'bfloat16', which this CPU does not have: choose auto, float32 or int8")
    return Chosen(name, precision)


def compiler(runtime: str) -> Callable[[Wanted], Network]:
    """The runtime's `compile_network`; the library is imported here and not before."""
    if runtime == OPENVINO:
        from crowdmask.engine.runtimes import with_openvino

        return with_openvino.compile_network
    from crowdmask.engine.runtimes import with_tensorflow

    return with_tensorflow.compile_network
