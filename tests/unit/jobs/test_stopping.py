"""Signals break work off at breakable places only, and twice means at once."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from crowdmask.jobs.stopping import Stop, handlers_kept


def test_nothing_asked_nothing_broken_off() -> None:
    stop = Stop()
    with stop.on_signals(), stop.breakable():
        pass
    assert not stop.asked


def test_a_signal_breaks_off_what_may_be_broken_off() -> None:
    said: list[str] = []
    stop = Stop(said.append)
    with stop.on_signals(), pytest.raises(KeyboardInterrupt), stop.breakable():
        os.kill(os.getpid(), signal.SIGTERM)
    assert stop.asked and said == ["finishing the files; a second Ctrl-C aborts at once"]


def test_a_signal_elsewhere_waits_for_the_next_such_place() -> None:
    stop = Stop()
    done = []
    with stop.on_signals():
        os.kill(os.getpid(), signal.SIGINT)
        done.append("a row, written to its end")
        with pytest.raises(KeyboardInterrupt), stop.breakable():
            done.append("not begun")
    assert done == ["a row, written to its end"]


def test_a_library_that_takes_the_signals_does_not_keep_them() -> None:
    stop = Stop()
    with stop.on_signals():
        with handlers_kept():
            signal.signal(signal.SIGTERM, lambda number, frame: pytest.fail("the library answered"))
        os.kill(os.getpid(), signal.SIGTERM)
    assert stop.asked


def test_the_handlers_before_are_put_back() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with Stop().on_signals():
        assert signal.getsignal(signal.SIGINT) != before[0]
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_on_another_thread_signals_are_left_alone() -> None:
    seen = []

    def work() -> None:
        with Stop().on_signals():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGINT)]
