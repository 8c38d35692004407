"""The classifier's graph: the published size, small ones, and that a step lowers its loss."""

from __future__ import annotations

import keras
import numpy as np

from crowdmask.nets.xception import XceptionGraph, build_xception


def test_full_width_is_the_published_network() -> None:
    # 20 861 480 parameters without top, and one logit over 2048 features
    assert build_xception(XceptionGraph(width=1.0, middle_blocks=8)).count_params() == 20_861_480 + 2049


def test_shapes_of_a_small_one() -> None:
    model = build_xception(XceptionGraph(input_size=48, width=0.125, middle_blocks=1))
    assert model.predict_on_batch(np.zeros((3, 48, 48, 3), np.float32)).shape == (3,)


def test_training_lowers_the_loss() -> None:
    keras.utils.set_random_seed(1)
    model = build_xception(XceptionGraph(input_size=32, width=0.1, middle_blocks=0, dropout=0.0))
    model.compile(keras.optimizers.Adam(3e-3), keras.losses.BinaryCrossentropy(from_logits=True))
    rng = np.random.default_rng(0)
    y = np.arange(16) % 2
    x = rng.uniform(0, 80, (16, 32, 32, 3)) + 150 * y[:, None, None, None] * np.array([1.0, 0, 0])
    losses = [float(model.train_on_batch(x.astype(np.float32), y.astype(np.float32))) for _ in range(12)]
    assert losses[-1] < 0.6 * losses[0]
