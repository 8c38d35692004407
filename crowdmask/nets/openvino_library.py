"""Imports OpenVINO without the part of it that could send usage data: crowdmask connects to nothing on its own."""

from __future__ import annotations

import sys
from typing import Any

TELEMETRY = "openvino_telemetry"


def openvino() -> Any:
    """The library. It has a stand-in of its own for where the telemetry is not installed; here it takes that always."""
    if "openvino" in sys.modules:
        return sys.modules["openvino"]
    before = sys.modules.get(TELEMETRY)
    sys.modules[TELEMETRY] = None  # type: ignore[assignment]
    try:
        import openvino as library
    finally:
        if before is None:
            del sys.modules[TELEMETRY]
        else:
            sys.modules[TELEMETRY] = before
    return library
