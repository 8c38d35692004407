"""What the classifier asks of its network: every crop once, unsure ones mirrored too, in passes of one size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from crowdmask.engine.classifier import SURE_LOGIT, XceptionClassifier, passes
from crowdmask.errors import WeightsError
from crowdmask.nets.facts import Calibration, Facts
from crowdmask.verdicts import Outcome


@given(st.integers(0, 60), st.integers(1, 70))
def test_passes_have_one_size_and_hold_every_crop_in_order(count: int, batch: int) -> None:
    crops = np.arange(count * 12, dtype=np.uint8).reshape(count, 2, 2, 3)
    found = passes(crops, batch)
    assert all(len(some) == batch for some in found)
    assert len(found) == -(-count // batch)
    assert np.array_equal(np.concatenate([*found, crops[:0]])[:count], crops)
    assert all(np.shares_memory(some, crops) for some in found[: count // batch])  # only the last is a copy


class Brightness:
    """A network whose logit is the red of the first pixel, from -12.7 to 12.8; remembers the batches it was given."""

    facts = Facts(("unmasked",), input_size=2)

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def __call__(self, bgr: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        self.sizes.append(len(bgr))
        return {"unmasked": (bgr[:, 0, 0, 2].astype(np.float32) - 127) / 10}


def crops_of(first_red: list[int], last_red: list[int]) -> NDArray[np.uint8]:
    """Crops 1 high and 2 wide; mirrored, the last pixel comes first. The other colours would give other answers."""
    crops = np.full((len(first_red), 1, 2, 3), 77, np.uint8)
    crops[:, 0, 0, 2], crops[:, 0, 1, 2] = first_red, last_red
    return crops


def classifier_of(network: Brightness, batch: int = 16, **calibration: float) -> XceptionClassifier:
    return XceptionClassifier(network, Calibration(**calibration), batch=batch, workers=2)


def probability(logit: float) -> float:
    return 1 / (1 + np.exp(-logit))


def test_a_sure_crop_is_asked_once_and_an_unsure_one_is_the_mean_of_both_sides() -> None:
    network = Brightness()
    # logits 7.3, -1 and mirrored 2: the second one's mean is 0.5
    answers = classifier_of(network).probabilities(crops_of([200, 117], [0, 147]))
    np.testing.assert_allclose(answers[:, Outcome.UNMASKED], [probability(7.3), probability(0.5)], atol=1e-4)
    assert network.sizes == [16, 16]  # two crops, then one of them again, each pass filled up


def test_whether_a_crop_is_sure_is_asked_of_the_calibrated_logit() -> None:
    network = Brightness()
    answers = classifier_of(network, slope=0.5, offset=0.25).probabilities(crops_of([157], [127]))
    # 3 becomes 1.75, which is unsure; mirrored 0 becomes 0.25
    assert 1.75 < SURE_LOGIT < 3
    np.testing.assert_allclose(answers[:, Outcome.UNMASKED], [probability(1.0)], atol=1e-4)


def test_no_crops_need_no_network() -> None:
    network = Brightness()
    answers = classifier_of(network).probabilities(np.zeros((0, 2, 2, 3), np.uint8))
    assert answers.shape == (0, 4)
    assert answers.dtype == np.float32
    assert network.sizes == []


@given(st.lists(st.tuples(st.integers(0, 255), st.integers(0, 255)), max_size=40), st.integers(1, 64))
def test_any_batch_size_gives_the_same_answers(reds: list[tuple[int, int]], batch: int) -> None:
    crops = crops_of([first for first, _ in reds], [last for _, last in reds])
    one_by_one = classifier_of(Brightness(), 1).probabilities(crops)
    network = Brightness()
    assert classifier_of(network, batch).probabilities(crops).tolist() == one_by_one.tolist()
    assert set(network.sizes) <= {batch}


@pytest.mark.parametrize("logit", [np.nan, np.inf, -np.inf])
def test_weights_that_give_no_numbers_are_named(logit: float) -> None:
    class Broken(Brightness):
        def __call__(self, bgr: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
            return {"unmasked": np.full(len(bgr), logit, np.float32)}

    with pytest.raises(WeightsError, match=r"xception\.npz: its weights give no numbers"):
        XceptionClassifier(Broken(), Calibration(), batch=4, origin="xception.npz").probabilities(crops_of([1], [2]))
