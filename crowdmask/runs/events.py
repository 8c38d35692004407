"""Scalars for TensorBoard, beside a run's metrics: event files made with TensorFlow's own messages, no TensorBoard."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any


def write_scalars(folder: Path, step: int, values: Mapping[str, float]) -> None:
    """One event with all of a step's scalars, in a file of this process' own."""
    import tensorflow as tf

    messages = [tf.compat.v1.Summary.Value(tag=name, simple_value=float(value)) for name, value in values.items()]
    event = tf.compat.v1.Event(wall_time=time.time(), step=step, summary=tf.compat.v1.Summary(value=messages))
    writer = _writer(folder)
    writer.write(event.SerializeToString())
    writer.flush()


@lru_cache(maxsize=8)
def _writer(folder: Path) -> Any:
    import tensorflow as tf

    path = folder / f"events.out.tfevents.{int(time.time())}.{os.getpid()}"
    writer = tf.io.TFRecordWriter(str(path))
    writer.write(tf.compat.v1.Event(wall_time=time.time(), file_version="brain.Event:2").SerializeToString())
    return writer
