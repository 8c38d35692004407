"""How every classifier ends: one logit of unmasked, or one for each outcome."""

from __future__ import annotations

from typing import Any

from keras import layers


def verdict_head(x: Any, outputs: int) -> Any:
    """1: logits (n,) of being unmasked; more: logits (n, outputs), in the order of `verdicts.Outcome`."""
    if outputs == 1:
        logit = layers.Dense(1, dtype="float32", name="logit")(x)
        return layers.Reshape((), name="unmasked")(logit)
    return layers.Dense(outputs, dtype="float32", name="logits")(x)
