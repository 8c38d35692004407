"""The user's stderr is for the user: what native libraries say of themselves does not reach it."""

from __future__ import annotations

import logging
import os
import subprocess
import sys

import pytest

from crowdmask.cli.noise import hush, native_stderr_shut


def test_what_is_written_meanwhile_is_dropped_and_nothing_else(capfd: pytest.CaptureFixture[str]) -> None:
    os.write(2, b"before ")
    with native_stderr_shut():
        os.write(2, b"oneDNN custom operations are on ")
    os.write(2, b"after")
    assert capfd.readouterr().err == "before after"


def test_an_error_meanwhile_opens_it_again(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError), native_stderr_shut():
        raise ValueError
    os.write(2, b"after")
    assert capfd.readouterr().err == "after"


def test_what_the_user_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    before = logging.getLogger("tensorflow").level
    hush()
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "0"
    logging.getLogger("tensorflow").setLevel(before)


def test_tensorflow_is_loaded_without_a_word() -> None:
    code = (
        "from crowdmask.cli.noise import hush, native_stderr_shut\n"
        "hush()\n"
        "with native_stderr_shut():\n"
        "    import tensorflow as tf\n"
        "    tf.config.list_physical_devices('GPU')\n"
        "print(int(tf.reduce_sum(tf.function(lambda x: x * 2)(tf.ones((4, 4))))))"
    )
    env = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    ran = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert (ran.stdout.strip(), ran.stderr) == ("32", "")
