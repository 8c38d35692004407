"""Recipes: every value is a setting that exists, and what is given wins."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest

from crowdmask.errors import SettingsError
from crowdmask.nets.registry import CLASSIFIER, architecture, names_of
from crowdmask.training.augment import vary
from crowdmask.training.recipes import BELONGS, RECIPES, graph_settings, recipe
from crowdmask.training.settings import (
    AugmentSettings,
    ClassifierGraphSettings,
    ClassifierLoopSettings,
    SplitSettings,
)

KINDS = (ClassifierLoopSettings, AugmentSettings, SplitSettings, ClassifierGraphSettings)


@pytest.mark.parametrize("name", RECIPES)
def test_every_value_is_a_setting_in_its_range(name: str) -> None:
    left = dict(RECIPES[name])
    for kind in KINDS:
        own = {f.name: left.pop(f.name) for f in dataclasses.fields(kind) if f.name in left}
        kind(**own)
    assert not left


def test_every_architecture_has_one() -> None:
    assert set(BELONGS) <= set(names_of(CLASSIFIER))
    assert recipe(None, "vgg16") is RECIPES["two-stage"]
    assert recipe(None, "xception") is RECIPES["camera"]
    assert recipe("transfer", "cnn3") is RECIPES["transfer"]
    with pytest.raises(SettingsError, match="choose one of camera"):
        recipe("magic", "cnn3")


CLASSIC = {"optimizer": "adam", "schedule": "constant", "average": 0.0, "augment": "plain", "flip": True}
AS_PUBLISHED: dict[str, dict[str, Any]] = {
    "xception-full": {"input_size": 128, "width": 1.0, "middle_blocks": 8, "learning_rate": 1e-4, "batch": 32,
                      "validation_share": 0.1, "stratified": True},
    "cnn3": {"input_size": 150, "batch": 10, "learning_rate": 1e-3, "rotation": 40, "shift": 0.2, "zoom": 0.2,
             "validation_share": 0.2, "patience": 0},
    "cnn4": {"optimizer": "rmsprop", "input_size": 224, "batch": 20, "flip": False, "train_faces": 1000,
             "validation_faces": 500, "test_faces": 500},
    "transfer": {"input_size": 224, "learning_rate": 1e-3, "rotation": 20, "shift": 0.2, "slant": 20},
    "two-stage": {"input_size": 224, "head_share": 0.5, "unfrozen": 15, "validation_share": 0.2, "test_share": 0.2},
}  # fmt: skip


@pytest.mark.parametrize("name", AS_PUBLISHED)
def test_the_field_trains_like_this(name: str) -> None:
    settings: dict[str, Any] = {}
    for kind in KINDS:
        settings |= dataclasses.asdict(
            kind(**{k: v for k, v in RECIPES[name].items() if k in kind.__dataclass_fields__})
        )
    wanted = {**CLASSIC, **AS_PUBLISHED[name]}
    assert {key: settings[key] for key in wanted} == wanted
    if name == "cnn3":
        assert math.tan(math.radians(settings["slant"])) == pytest.approx(0.2, abs=0.005)
    if name == "transfer":
        assert settings["least_gain"] > 0
        assert settings["patience"] > 0


def test_what_is_given_wins_over_the_recipe_and_the_recipe_over_the_graph() -> None:
    kind = architecture("xception").graph_type()
    graph = graph_settings(kind, RECIPES["camera"], {"input_size": 96, "dense": None}, "xception")
    assert (graph.input_size, graph.width, graph.middle_blocks) == (96, 0.5, 4)
    cnn3 = graph_settings(architecture("cnn3").graph_type(), RECIPES["camera"], {}, "cnn3")
    assert (cnn3.input_size, cnn3.dense) == (80, 256)
    with pytest.raises(SettingsError, match="--middle-blocks: cnn3 has no such thing"):
        graph_settings(architecture("cnn3").graph_type(), {}, {"middle_blocks": 2}, "cnn3")


def test_nothing_varied_is_the_crop_itself() -> None:
    crop = np.random.default_rng(0).integers(0, 256, (16, 16, 3)).astype(np.uint8)
    assert np.array_equal(vary(crop, AugmentSettings(flip=False), np.random.default_rng(1)), crop)


def test_a_shift_by_hand() -> None:
    crop = np.zeros((8, 8, 3), np.uint8)
    crop[3, 3] = 255

    class Always:
        """Draws the same number for whatever is asked."""

        def random(self) -> float:
            return 1.0

        def uniform(self, low: float, high: float, size: int | None = None) -> object:
            return high if size is None else np.full(size, high)

    moved = vary(crop, AugmentSettings(flip=False, shift=0.25), Always())  # type: ignore[arg-type]
    assert np.argwhere(moved[..., 0] == 255).tolist() == [[5, 5]]  # a quarter of 8 px, right and down
    assert moved.sum() == crop.sum()


def test_the_same_seed_varies_alike() -> None:
    crop = np.random.default_rng(0).integers(0, 256, (24, 24, 3)).astype(np.uint8)
    settings = AugmentSettings(rotation=40, shift=0.2, slant=11.5, zoom=0.2)
    one, other = (vary(crop, settings, np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(one, other)
    assert not np.array_equal(one, crop)
