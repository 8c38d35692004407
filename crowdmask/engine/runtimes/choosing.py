"""Which runtime and which arithmetic the settings come to on this machine, before any network is loaded."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Callable
from dataclasses import dataclass

from crowdmask.engine.runtimes.cpu import has_fast_bfloat16, lacks_avx2, openvino_runs_bfloat16
from crowdmask.engine.runtimes.network import Network, Wanted
from crowdmask.errors import SettingsError
from crowdmask.settings import AnalysisSettings, RuntimeSettings

log = logging.getLogger(__name__)

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
        if lacks_avx2():
            log.warning("this CPU has no AVX2 (Intel has it since 2013, AMD since 2015): the networks will be slow")
    elif settings.precision == "int8":
        raise SettingsError("precision is 'int8', which only the runtime openvino has: choose that, or auto precision")
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
