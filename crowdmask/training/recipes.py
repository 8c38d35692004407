"""Recipes: how each architecture of this field is usually trained, as values for the settings of training.

An option that is given wins over the recipe, and what neither says is the default of its setting.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crowdmask.errors import SettingsError

Recipe = Mapping[str, Any]

# what most of them have in common: a constant rate, no warming up, the weights as they are, spared nothing by a minimum
_CLASSIC: Recipe = {
    "optimizer": "adam",
    "schedule": "constant",
    "warmup": 0,
    "weight_decay": 0.0,
    "average": 0.0,
    "least_steps": 0,
    "augment": "plain",
}

RECIPES: dict[str, Recipe] = {
    # ours: boxes moved and pictures spoiled as cameras do it, AdamW on a cosine, the average of the weights
    "camera": {"input_size": 80, "width": 0.5, "middle_blocks": 4, "dropout": 0.3},
    "xception-full": {
        **_CLASSIC,
        "input_size": 128,
        "width": 1.0,
        "middle_blocks": 8,
        "validation_share": 0.1,
        "stratified": True,
        "batch": 32,
        "learning_rate": 1e-4,
    },
    "cnn3": {
        **_CLASSIC,
        "input_size": 150,
        "batch": 10,
        "validation_share": 0.2,
        "rotation": 40.0,
        "shift": 0.2,
        "slant": 11.5,  # a shear of 0.2
        "zoom": 0.2,
        "patience": 0,
    },
    "cnn4": {
        **_CLASSIC,
        "optimizer": "rmsprop",
        "input_size": 224,
        "learning_rate": 1e-4,
        "batch": 20,
        "flip": False,
        "validation_share": 0.4,
        "test_share": 0.5,
        "stratified": True,
        "train_faces": 1000,
        "validation_faces": 500,
        "test_faces": 500,
    },
    "transfer": {
        **_CLASSIC,
        "input_size": 224,
        "learning_rate": 1e-3,
        "batch": 32,
        "rotation": 20.0,
        "shift": 0.2,
        "slant": 20.0,
        "least_gain": 0.001,
        "patience": 5,
    },
    "two-stage": {
        **_CLASSIC,
        "input_size": 224,
        "learning_rate": 1e-3,
        "batch": 32,
        "validation_share": 0.2,
        "test_share": 0.2,
        "head_share": 0.5,
        "unfrozen": 15,
        "fine_rate": 0.1,
    },
}

# which belongs to an architecture; one that is not here is trained as ours are
BELONGS = {
    "cnn3": "cnn3",
    "cnn4": "cnn4",
    "resnet50v2": "transfer",
    "mobilenetv2": "transfer",
    "inceptionresnetv2": "transfer",
    "vgg16": "two-stage",
    "densenet201": "two-stage",
    "mobilenet": "two-stage",
}


def recipe(name: str | None, architecture: str) -> Recipe:
    """The recipe of this name, or the one that belongs to the architecture."""
    chosen = name or BELONGS.get(architecture, "camera")
    if chosen not in RECIPES:
        raise SettingsError(f"there is no recipe {chosen!r}: choose one of {', '.join(RECIPES)}")
    return RECIPES[chosen]


def graph_settings(kind: type[Any], told: Mapping[str, Any], given: Mapping[str, Any], architecture: str) -> Any:
    """An architecture's graph from a recipe and what was given; a given value that it has no place for is refused."""
    fields = kind.__dataclass_fields__
    for name, value in given.items():
        if value is not None and name not in fields:
            option = "--" + name.replace("_", "-")
            raise SettingsError(f"{option}: {architecture} has no such thing: leave it out")
    values = {k: v for k, v in told.items() if k in fields}
    return kind(**(values | {k: v for k, v in given.items() if v is not None}))
