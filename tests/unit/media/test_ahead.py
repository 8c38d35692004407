"""The threads beside the networks: whatever happens on either side, both end, in order, and the error arrives."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crowdmask.media.ahead import ahead, behind


class ProducerError(Exception):
    pass


class ConsumerError(Exception):
    pass


def within(seconds: float, work: Callable[[], object]) -> object:
    """The result or error of `work`; a failure of the test where it hangs."""
    outcome: list[object] = []

    def run() -> None:
        try:
            outcome.append(work())
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    assert not thread.is_alive(), "deadlock"
    return outcome[0]


def threads_running() -> int:
    return sum(t.name.startswith("crowdmask-") for t in threading.enumerate())


def counting(count: int, fails_at: int | None, log: list[str]) -> Iterator[int]:
    try:
        for i in range(count):
            if i == fails_at:
                raise ProducerError(i)
            yield i
    finally:
        log.append(threading.current_thread().name)


def test_nothing_comes_out_of_nothing() -> None:
    def work() -> list[int]:
        with ahead(iter(()), 1) as items:
            return list(items)

    assert within(5, work) == []


@pytest.mark.parametrize("depth", [1, 2, 7])
def test_everything_arrives_in_order(depth: int) -> None:
    def work() -> list[int]:
        with ahead(range(100), depth) as items:
            return list(items)

    assert within(5, work) == list(range(100))


def test_depth_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="depth"), ahead(range(3), 0):
        pass


def test_producer_runs_at_most_depth_ahead() -> None:
    made = []

    def source() -> Iterator[int]:
        for i in range(50):
            made.append(i)
            yield i

    with ahead(source(), 3) as items:
        next(items)
        time.sleep(0.2)
        assert len(made) <= 1 + 3 + 1  # taken, waiting, and one in the producer's hand
        assert len(made) >= 4


def test_producer_error_comes_after_the_good_items_and_keeps_its_trace() -> None:
    got: list[int] = []

    def work() -> None:
        with ahead(counting(10, 4, []), 2) as items:
            for item in items:
                got.append(item)

    error = within(5, work)
    assert isinstance(error, ProducerError)
    assert got == [0, 1, 2, 3]
    assert error.__traceback__ is not None
    assert threads_running() == 0


def test_iterator_that_cannot_even_start_raises_in_the_reader() -> None:
    class Broken:
        def __iter__(self) -> Iterator[int]:
            raise ProducerError("no start")

    def work() -> None:
        with ahead(Broken(), 2) as items:
            list(items)

    assert isinstance(within(5, work), ProducerError)


def test_stopping_early_ends_a_blocked_producer_on_its_own_thread() -> None:
    log: list[str] = []

    def work() -> str:
        with ahead(counting(10**6, None, log), 1) as items:
            assert next(items) == 0
        return "left"

    assert within(5, work) == "left"
    assert log == ["crowdmask-ahead"]
    assert threads_running() == 0


def test_an_error_ahead_of_an_early_stop_is_not_raised() -> None:
    def work() -> str:
        with ahead(counting(10, 2, []), 8) as items:
            next(items)
            time.sleep(0.05)
        return "left"

    assert within(5, work) == "left"


def test_an_error_of_closing_is_raised() -> None:
    def source() -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            raise ProducerError("closing")

    def work() -> None:
        with ahead(source(), 1) as items:
            next(items)

    assert isinstance(within(5, work), ProducerError)


def test_when_both_raise_the_body_wins() -> None:
    def work() -> None:
        with ahead(counting(10, 2, []), 8) as items:
            next(items)
            raise ConsumerError

    assert isinstance(within(5, work), ConsumerError)
    assert threads_running() == 0


def test_reading_on_after_the_context_just_ends() -> None:
    with ahead(range(10), 2) as items:
        assert next(items) == 0
    assert within(5, lambda: list(items)) == []


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(0, 12),
    depth=st.integers(1, 5),
    producer_fails=st.none() | st.integers(0, 12),
    consumer_stops=st.none() | st.integers(0, 12),
    consumer_raises=st.booleans(),
)
def test_ahead_is_the_plain_loop(
    count: int, depth: int, producer_fails: int | None, consumer_stops: int | None, consumer_raises: bool
) -> None:
    def loop(items: Iterator[int], got: list[int]) -> None:
        for item in items:
            if item == consumer_stops:
                if consumer_raises:
                    raise ConsumerError
                return
            got.append(item)

    plain: list[int] = []
    threaded: list[int] = []
    expected: type[BaseException] | None = None
    try:
        loop(counting(count, producer_fails, []), plain)
    except (ProducerError, ConsumerError) as error:
        expected = type(error)

    def work() -> None:
        with ahead(counting(count, producer_fails, []), depth) as items:
            loop(items, threaded)

    outcome = within(5, work)
    assert (type(outcome) if isinstance(outcome, BaseException) else None) == expected
    assert threaded == plain
    assert threads_running() == 0


def test_behind_writes_everything_in_order_before_it_ends() -> None:
    got: list[int] = []

    def slow(item: int) -> None:
        time.sleep(0.002)
        got.append(item)

    def work() -> None:
        with behind(slow, 3) as hand_over:
            for i in range(30):
                hand_over(i)

    assert within(5, work) is None
    assert got == list(range(30))
    assert threads_running() == 0


def test_behind_blocks_when_the_writer_is_slow() -> None:
    gate = threading.Event()
    handed: list[int] = []

    def work() -> None:
        with behind(lambda item: gate.wait(5), 2) as hand_over:
            for i in range(10):
                hand_over(i)
                handed.append(i)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    time.sleep(0.2)
    assert len(handed) <= 3
    gate.set()
    thread.join(5)
    assert not thread.is_alive()
    assert len(handed) == 10


@pytest.mark.parametrize("fails_at", [0, 3, 9])
def test_behind_raises_the_writers_error_even_at_the_last_item(fails_at: int) -> None:
    def write(item: int) -> None:
        if item == fails_at:
            raise ConsumerError(item)

    def work() -> None:
        with behind(write, 2) as hand_over:
            for i in range(10):
                hand_over(i)

    assert isinstance(within(5, work), ConsumerError)
    assert threads_running() == 0


def test_behind_keeps_what_was_handed_over_when_the_body_fails() -> None:
    got: list[int] = []

    def work() -> None:
        with behind(lambda item: (time.sleep(0.01), got.append(item)), 5) as hand_over:
            for i in range(5):
                hand_over(i)
            raise ProducerError

    assert isinstance(within(5, work), ProducerError)
    assert got == [0, 1, 2, 3, 4]


def test_behind_when_both_fail_the_body_wins_and_the_other_is_its_context() -> None:
    failing = threading.Event()

    def write(item: int) -> None:
        failing.set()
        raise ConsumerError(item)

    def work() -> None:
        with behind(write, 5) as hand_over:
            hand_over(1)
            failing.wait(5)
            raise ProducerError

    error = within(5, work)
    assert isinstance(error, ProducerError)
    assert isinstance(error.__context__, ConsumerError)
    assert threads_running() == 0


@settings(max_examples=40, deadline=None)
@given(count=st.integers(0, 10), depth=st.integers(1, 4), fails_at=st.none() | st.integers(0, 10))
def test_behind_is_the_plain_loop(count: int, depth: int, fails_at: int | None) -> None:
    got: list[int] = []

    def write(item: int) -> None:
        if item == fails_at:
            raise ConsumerError
        got.append(item)

    def work() -> None:
        with behind(write, depth) as hand_over:
            for i in range(count):
                hand_over(i)

    outcome = within(5, work)
    failed = fails_at is not None and fails_at < count
    assert isinstance(outcome, ConsumerError) == failed
    assert got == list(range(fails_at if failed and fails_at is not None else count))


def test_the_two_together_in_one_loop() -> None:
    got: list[int] = []

    def work() -> None:
        with ahead(counting(200, None, []), 2) as items, behind(got.append, 2) as hand_over:
            for item in items:
                hand_over(item * 2)

    assert within(5, work) is None
    assert got == [2 * i for i in range(200)]
