"""The settings of training: defaults and ranges, declared once like those of settings.py."""

from __future__ import annotations

from dataclasses import dataclass

from crowdmask.settings import Checked, setting


@dataclass(frozen=True)
class LoopSettings(Checked):
    """How long and how fast to learn."""

    steps: int = setting(4000, "Training steps.", low=1)
    batch: int = setting(16, "Crops per step.", low=1, high=4096)
    learning_rate: float = setting(1e-3, "Peak learning rate (AdamW, cosine).", low=1e-7, high=1.0)
    warmup: int = setting(200, "Steps over which the rate rises.", low=0)
    weight_decay: float = setting(1e-4, "AdamW's weight decay.", low=0.0, high=1.0)
    average: float = setting(0.998, "Decay per step of the running average of the weights.", low=0.0, high=0.99999)
    seed: int = setting(0, "Seed of everything random in the training.", low=0)
    validate_every: int = setting(500, "Steps between validations.", low=1)
    patience: int = setting(8, "Validations without a better one before it stops early; 0 never stops.", low=0)
    least_steps: int = setting(2000, "Steps before stopping early is allowed.", low=0)
    checkpoint_every: float = setting(180.0, "Seconds between checkpoints.", low=0.0)
    prepare_threads: int = setting(1, "Threads that prepare crops.", low=1, high=64)


@dataclass(frozen=True)
class ClassifierLoopSettings(LoopSettings):
    """As for the detector, with batches that suit its smaller crops."""

    batch: int = setting(64, "Crops per step.", low=1, high=4096)


@dataclass(frozen=True)
class SplitSettings(Checked):
    """Which pictures are held out to validate on."""

    validation_share: float = setting(0.2, "Share of the pictures held out to validate on.", low=0.01, high=0.9)
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
class ClassifierGraphSettings(Checked):
    """The classifier's size."""

    input_size: int = setting(80, "Side of a face crop in pixels.", low=32, high=512)
    width: float = setting(0.5, "Width multiplier; 1 is the published Xception.", low=0.05, high=2.0)
    middle_blocks: int = setting(4, "Blocks of the middle flow; 8 is the published Xception.", low=0, high=16)
    dropout: float = setting(0.3, "Dropout before the last layer.", low=0.0, high=0.9)
