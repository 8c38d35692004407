"""A run's model card: what was trained, from what, on what and how well, for whoever finds the weights later."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NOT_FOR = (
    "Identifying, following or fining a person; a decision about one face that no human looks at. Rates by skin tone, "
    "age or sex are not known: measure on your own cameras (`crowdmask evaluate`)."
)


def model_card(told: Mapping[str, Any]) -> str:
    """Markdown from plain values: `settings`, `data`, `result` and `file` of a training run."""
    settings, data, result = told["settings"], told["data"], told["result"]
    rows = [
        ("architecture", settings["network"]),
        ("graph", _listed(settings["graph"])),
        ("recipe", settings.get("recipe") or "camera"),
        ("started from", told["started_from"]),
        ("parameters", f"{told['parameters']:,}"),
        ("file", f"{told['file']}, {told['bytes'] / 1e6:.2f} MB, SHA-256 {told['sha256']}"),
        (
            "trained",
            f"{result['steps']} steps in {result['seconds'] / 60:.1f} minutes, best at step {result['best_step']}",
        ),
        ("energy", _energy(result.get("energy"))),
        ("code", _listed(told["code"])),
    ]
    lines = [f"# {settings['network']}: model card", "", "| | |", "|---|---|"]
    lines += [f"| {name} | {text} |" for name, text in rows]
    lines += ["", "## Data", "", f"Fingerprint `{data['digest']}`; files and hashes are in `data.json`.", ""]
    lines += ["| split | pictures |", "|---|---:|"]
    lines += [f"| {name} | {split['files']} |" for name, split in data["splits"].items()]
    lines += ["", f"Held-out pictures that are copies of one trained on: {len(data.get('copies', []))}."]
    lines += ["", "## Measured on what was held out", "", "| | |", "|---|---:|"]
    lines += [f"| {name} | {value:.4f} |" for name, value in result["best"].items()]
    lines += [f"| test: {name} | {value:.4f} |" for name, value in (result.get("test") or {}).items()]
    lines += ["", "## Not for", "", NOT_FOR, ""]
    return "\n".join(lines)


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _energy(energy: Mapping[str, Any] | None) -> str:
    if not energy:
        return "not estimated (it needs crowdmask[energy])"
    where = f"{energy['co2_grams']:.3g} g CO2, {energy['country']}"
    return f"{energy['watt_hours']:.3g} Wh, estimated ({energy['method']}; {where})"
