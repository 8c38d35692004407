"""The settings of training: defaults and ranges, declared once like those of settings.py."""

from __future__ import annotations

from dataclasses import dataclass

from crowdmask.settings import Checked, setting


@dataclass(frozen=True)
class LoopSettings(Checked):
    """How long and how fast to learn."""

    steps: int = setting(4000, "Training steps.", low=1)
    batch: int = setting(16, "Crops per step.", low=1, high=4096)
    optimizer: str = setting("adamw", "Optimizer.", choices=("adamw", "adam", "rmsprop"))
    schedule: str = setting(
        "cosine",
        "Learning rate over the run: rising, then falling as a cosine, or constant.",
        choices=("cosine", "constant"),
    )
    learning_rate: float = setting(1e-3, "Peak learning rate.", low=1e-7, high=1.0)
    warmup: int = setting(200, "Steps over which the rate rises.", low=0)
    weight_decay: float = setting(1e-4, "AdamW's weight decay.", low=0.0, high=1.0)
    average: float = setting(0.998, "Decay per step of the running average of the weights.", low=0.0, high=0.99999)
    seed: int = setting(0, "Seed of everything random in the training.", low=0)
    validate_every: int = setting(500, "Steps between validations.", low=1)
    patience: int = setting(8, "Validations without a better one before it stops early; 0 never stops.", low=0)
    least_gain: float = setting(
        0.0, "By how much a validation loss must be lower to be a better one.", low=0.0, high=10.0
    )
    least_steps: int = setting(2000, "Steps before stopping early is allowed.", low=0)
    budget_s: float = setting(
        0.0, "Seconds of training after which it ends, whatever the steps; 0 lets the steps decide.", low=0.0
    )
    clock: str = setting(
        "wall",
        "What a budget counts: time that passes (wall), or this process' own (cpu), for busy machines.",
        choices=("wall", "cpu"),
    )
    validations: int = setting(
        0, "With a budget: validate so many times, evenly over it; 0 goes by the steps.", low=0, high=1000
    )
    head_share: float = setting(
        0.0, "Share of the run in which only the head learns; only with pre-trained weights.", low=0.0, high=0.95
    )
    unfrozen: int = setting(0, "Layers of the backbone that learn after that, from its end; 0 is all of them.", low=0)
    fine_rate: float = setting(0.1, "Learning rate after that, in parts of the first.", low=1e-4, high=1.0)
    checkpoint_every: float = setting(180.0, "Seconds between checkpoints.", low=0.0)
    prepare_threads: int = setting(1, "Threads that prepare crops.", low=1, high=64)


@dataclass(frozen=True)
class ClassifierLoopSettings(LoopSettings):
    """As for the detector, with batches that suit its smaller crops."""

    batch: int = setting(64, "Crops per step.", low=1, high=4096)
    frozen_blocks: int = setting(0, "xception: first blocks that stay as --init has them.", low=0, high=16)


@dataclass(frozen=True)
class DetectorLoopSettings(LoopSettings):
    """As for every network, with a teacher."""

    distilled: float = setting(
        0.0,
        "Learn from the weights in --init as a teacher, less and less over this share of the run, and from labels how "
        "well a box fits; for a leaner graph. 0: the teacher keeps the landmarks alone.",
        low=0.0,
        high=1.0,
    )


@dataclass(frozen=True)
class DetectorGraphSettings(Checked):
    """The detector's size."""

    fine_channels: int | None = setting(
        None, "Channels of neck, context and heads at the finest level; 64 without it.", low=8, high=256
    )
    stem: str = setting("separable", "The first layers; dense is cheaper.", choices=("separable", "dense"))
    mean_off: bool = setting(True, "Take the mean colour off the picture first.")


@dataclass(frozen=True)
class SplitSettings(Checked):
    """Which pictures are held out to validate on."""

    validation_share: float = setting(0.2, "Share of the pictures held out to validate on.", low=0.01, high=0.9)
    test_share: float = setting(
        0.0, "Share of the held-out pictures that is kept for a last test and looked at once.", low=0.0, high=0.9
    )
    stratified: bool = setting(False, "Hold out the same share of each class.")
    split_seed: int = setting(4, "Seed of the split; the same seed holds out the same pictures.", low=0)


@dataclass(frozen=True)
class DetectorCropSettings(Checked):
    """How the detector's crops are drawn."""

    side: int = setting(320, "Side of a training crop in pixels, a multiple of 32.", low=64, high=2048)
    smallest: float = setting(8.0, "Least size in pixels to which a drawn face is brought.", low=2.0, high=1000.0)
    largest: float = setting(360.0, "Greatest size in pixels to which a drawn face is brought.", low=8.0, high=4000.0)
    most_upscale: float = setting(4.0, "How far a picture may be enlarged for it.", low=1.0, high=16.0)
    least_labelled: float = setting(
        6.0, "Faces smaller than this in a crop neither reward nor punish.", low=0.0, high=100.0
    )
    background_share: float = setting(
        0.12, "Share of crops at a random place of a picture, faces or none.", low=0.0, high=1.0
    )
    degraded_share: float = setting(0.5, "Share of crops that are blurred, compressed or coarsened.", low=0.0, high=1.0)


@dataclass(frozen=True)
class AugmentSettings(Checked):
    """How the classifier's training crops are varied, and how many there are."""

    augment: str = setting(
        "camera",
        "camera: boxes moved, pictures spoiled as cameras and people do; plain: turned, shifted and flipped as below.",
        choices=("camera", "plain"),
    )
    rotation: float = setting(0.0, "plain: turned by up to this many degrees.", low=0.0, high=180.0)
    shift: float = setting(0.0, "plain: shifted by up to this part of the side.", low=0.0, high=0.9)
    slant: float = setting(0.0, "plain: slanted (sheared) by up to this many degrees.", low=0.0, high=60.0)
    zoom: float = setting(0.0, "plain: enlarged or shrunk by up to this part.", low=0.0, high=0.9)
    drawn_masks: bool = setting(
        False, "camera: masks drawn on bare faces, and other cloths, where the shipped detector finds eyes and mouth."
    )
    flip: bool = setting(True, "plain: mirrored half of the time.")
    train_faces: int = setting(0, "At most so many faces of each class to train on; 0 is all.", low=0)
    validation_faces: int = setting(0, "At most so many faces of each class to validate on; 0 is all.", low=0)
    test_faces: int = setting(0, "At most so many faces of each class for the last test; 0 is all.", low=0)


@dataclass(frozen=True)
class ClassifierGraphSettings(Checked):
    """The classifier's size; what is not given is the recipe's, or else the architecture's own."""

    input_size: int | None = setting(None, "Side of a face crop in pixels.", low=16, high=512)
    width: float | None = setting(None, "xception: width multiplier; 1 is the published one.", low=0.05, high=2.0)
    middle_blocks: int | None = setting(
        None, "xception: blocks of the middle flow; 8 is the published one.", low=0, high=16
    )
    dense: int | None = setting(None, "Units of the layer before the last, where there is one.", low=1, high=65536)
    dropout: float | None = setting(None, "Dropout before the last layers.", low=0.0, high=0.9)
    outputs: int | None = setting(
        None,
        "4: masked, unmasked, incorrect and no face; 1: masked or unmasked alone. Without it as --init has it, else 1.",
        low=1,
        high=4,
    )
