"""What went into a decoder and did not come out is told, where it is told, and nothing else is."""

from __future__ import annotations

from crowdmask.media.losses import LossAccount
from crowdmask.records import Gap


def account(exact: bool = True) -> LossAccount:
    return LossAccount(lambda stamp: stamp / 25, exact=exact)


def test_nothing_fed_nothing_lost() -> None:
    assert account().ended(None) == []


def test_all_that_comes_out_of_order_of_feeding_is_no_loss() -> None:
    losses = account()
    for stamp in (0, 4, 2, 1, 3):
        losses.fed(stamp)
    assert [losses.came(stamp, stamp - 1) for stamp in range(5)] == [[]] * 5
    assert losses.ended(4) == []


def test_a_frame_passed_over_is_lost() -> None:
    losses = account()
    for stamp in range(5):
        losses.fed(stamp)
    assert losses.came(0, None) == []
    losses.failed("bad data")
    assert losses.came(3, 0) == [Gap(0, 1 / 25, "2 frames could not be decoded: bad data")]
    assert losses.came(4, 1) == []
    assert losses.ended(2) == []


def test_lost_without_a_word_of_the_decoder() -> None:
    losses = account()
    losses.fed(0)
    losses.fed(1)
    assert losses.came(1, None) == [Gap(None, 0.0, "1 frame could not be decoded")]


def test_lost_at_the_end() -> None:
    losses = account()
    for stamp in range(3):
        losses.fed(stamp)
    losses.came(0, None)
    assert losses.unfinished
    assert losses.ended(0) == [Gap(0, 1 / 25, "2 frames could not be decoded")]
    assert not losses.unfinished


def test_packets_that_hide_frames_are_no_loss_without_an_error() -> None:
    losses = account(exact=False)
    for stamp in range(3):
        losses.fed(stamp)
    assert losses.came(0, None) == []
    assert losses.came(2, 0) == []
    losses.failed("bad data")
    losses.fed(3)
    losses.fed(4)
    assert losses.came(4, 1) == [Gap(1, 3 / 25, "1 frame could not be decoded: bad data")]


def test_without_stamps_errors_are_counted() -> None:
    losses = account()
    losses.fed(None)
    losses.failed("bad data")
    losses.failed("worse data")
    assert losses.came(None, 7) == [Gap(7, None, "2 frames could not be decoded: bad data")]
    assert losses.came(None, 8) == []
    losses.failed("bad again")
    assert losses.ended(8) == [Gap(8, None, "1 frame could not be decoded: bad again")]
