"""How much energy a piece of work took, estimated by CodeCarbon offline; it comes with crowdmask[energy]."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from crowdmask.errors import SettingsError

EVERY_S = 5  # between two looks at the load
METHODS = {
    "intel_rapl": "the processor's own counters (RAPL)",
    "windows_emi": "the processor's own counters (EMI)",
    "intel_power_gadget": "the processor's own counters (Power Gadget)",
    "cpu_load": "this process' share of the processor's load times its rated power",
    "constant": "the time times a constant power",
}


@dataclass
class Energy:
    """What was used; all zero until the work is over. An estimate, whatever the method."""

    country: str
    watt_hours: float = 0.0
    co2_grams: float = 0.0
    seconds: float = 0.0
    method: str = ""

    def as_dict(self) -> dict[str, Any]:
        return {
            "estimated": True,
            "watt_hours": round(self.watt_hours, 6),
            "co2_grams": round(self.co2_grams, 6),
            "seconds": round(self.seconds, 3),
            "country": self.country,
            "method": self.method,
        }


def available() -> bool:
    return find_spec("codecarbon") is not None


def require(country: str) -> None:
    """Refuses what cannot be estimated, before any work is done."""
    if not available():
        raise SettingsError(
            "energy is estimated by codecarbon, which is not installed: pip install 'crowdmask[energy]'"
        )
    if not (len(country) == 3 and country.isalpha() and country.isupper()):
        raise SettingsError(f"--country {country!r}: give three capital letters, such as DEU or FRA")


@contextmanager
def measured(country: str) -> Iterator[Energy]:
    """Estimates the energy of what is done inside, child processes included; `country` (ISO 3166, three letters)
    decides the grams of CO2."""
    require(country)
    from codecarbon import OfflineEmissionsTracker

    logging.getLogger("codecarbon").setLevel(logging.CRITICAL)  # it speaks before it reads its own log_level

    tracker = OfflineEmissionsTracker(
        country_iso_code=country,
        save_to_file=False,
        log_level="critical",
        tracking_mode="process",
        measure_power_secs=EVERY_S,
        allow_multiple_runs=True,
    )
    tracker.start()
    energy = Energy(country)
    try:
        yield energy
    finally:
        with suppress(Exception):  # an estimate that fails must not cost the work that it is of
            tracker.stop()
            told = tracker.final_emissions_data
            energy.watt_hours = float(told.energy_consumed) * 1000
            energy.co2_grams = float(told.emissions) * 1000
            energy.seconds = float(told.duration)
            energy.method = f"CodeCarbon {told.codecarbon_version}: {_method(tracker)}; memory: a constant power"


def _method(tracker: Any) -> str:
    modes = [getattr(part, "_mode", None) for part in getattr(tracker, "_hardware", [])]
    found = [METHODS.get(mode, mode) for mode in modes if isinstance(mode, str)]
    return ", ".join(found) or "the time times a constant power"
