"""The settings of a comparison, declared once like those of settings.py."""

from __future__ import annotations

from dataclasses import dataclass

from crowdmask.settings import Checked, setting


@dataclass(frozen=True)
class ComparisonSettings(Checked):
    """The same for every contestant, so that only the networks differ."""

    input_size: int = setting(96, "Side of a face crop in pixels, for all.", low=16, high=512)
    steps: int = setting(0, "Train each for so many steps; 0 lets the budget decide.", low=0)
    clock: str = setting(
        "wall",
        "What the budget counts: time that passes (wall), or this process' own (cpu), for busy machines.",
        choices=("wall", "cpu"),
    )
    batch: int = setting(32, "Crops per step.", low=1, high=4096)
    validation_share: float = setting(0.2, "Share of the pictures that no network learns from.", low=0.01, high=0.9)
    test_share: float = setting(0.5, "Share of those that is kept for the table.", low=0.1, high=0.9)
    stratified: bool = setting(True, "Hold out the same share of each class.")
    split_seed: int = setting(4, "Seed of the split; the same seed holds out the same pictures.", low=0)
    seed: int = setting(0, "Seed of everything random in the training.", low=0)
    validations: int = setting(8, "How often each is judged on the way, evenly over its budget.", low=1, high=1000)
    validation_faces: int = setting(200, "At most so many faces of each class to choose the best step by.", low=10)
    test_faces: int = setting(1000, "At most so many faces of each class for the table.", low=10)
    test_pictures: int = setting(200, "At most so many photographs to judge detectors on.", low=1)
    repeats: int = setting(15, "How often each network is timed; the least of them counts.", low=3, high=1000)
