"""A run's record: lines that survive a kill, event files that TensorFlow reads back, copies found by sight."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from crowdmask.errors import DatasetError
from crowdmask.runs.fingerprint import copies, fingerprint, seen_as
from crowdmask.runs.record import RunRecord, read_metrics, read_record


def test_a_run_that_goes_on_keeps_its_beginning(tmp_path: Path) -> None:
    first = RunRecord(tmp_path)
    first.begin("training", {"network": "cnn3"})
    begun = read_record(tmp_path)
    assert begun["state"] == "running"
    again = RunRecord(tmp_path)
    again.begin("training", {"network": "cnn3"})
    again.end({"steps": 4})
    told = read_record(tmp_path)
    assert told["begun_at"] == begun["begun_at"]
    assert len(told["resumed_at"]) == 1
    assert (told["state"], told["result"]) == ("finished", {"steps": 4})
    assert told["code"]["crowdmask"]


def test_metrics_survive_a_line_cut_in_two_and_a_step_done_twice(tmp_path: Path) -> None:
    record = RunRecord(tmp_path)
    record.note(10, {"loss": 2.0})
    record.note(20, {"loss": 1.5})
    with record.metrics.open("a") as file:
        file.write('{"step": 30, "lo')
    assert [(r["step"], r["loss"]) for r in read_metrics(tmp_path)] == [(10, 2.0), (20, 1.5)]
    with record.metrics.open("a") as file:
        file.write("\n")
    record.note(20, {"loss": 1.4})
    assert [(r["step"], r["loss"]) for r in read_metrics(tmp_path)] == [(10, 2.0), (20, 1.4)]
    assert read_metrics(tmp_path / "none") == []


def test_tensorboard_reads_the_same_scalars(tmp_path: Path) -> None:
    import tensorflow as tf

    RunRecord(tmp_path).note(7, {"loss": 0.5, "val_accuracy": 0.75})
    (path,) = tmp_path.glob("events.out.tfevents.*")
    events = [tf.compat.v1.Event.FromString(r.numpy()) for r in tf.data.TFRecordDataset(str(path))]
    assert events[0].file_version == "brain.Event:2"
    scalars = {v.tag: v.simple_value for v in events[1].summary.value}
    assert events[1].step == 7
    assert scalars == {"loss": 0.5, "val_accuracy": 0.75}


def test_what_is_no_record_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="cannot be read"):
        read_record(tmp_path)
    (tmp_path / "run.json").write_text(json.dumps({"kind": "something else"}))
    with pytest.raises(DatasetError, match="no record of a crowdmask run"):
        read_record(tmp_path)


def scene(seed: int, side: int = 120) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return cv2.resize(rng.integers(0, 256, (7, 7, 3)).astype(np.uint8), (side, side), interpolation=cv2.INTER_CUBIC)


def test_a_copy_in_another_size_and_quality_is_found(tmp_path: Path) -> None:
    for i in range(6):
        cv2.imwrite(str(tmp_path / f"{i}.png"), scene(i))
    cv2.imwrite(str(tmp_path / "copy.jpg"), cv2.resize(scene(3), (70, 70)), [cv2.IMWRITE_JPEG_QUALITY, 40])
    cv2.imwrite(str(tmp_path / "other.jpg"), scene(99))
    (tmp_path / "junk.jpg").write_bytes(b"no picture")
    (tmp_path / "empty.jpg").touch()
    cv2.imwrite(str(tmp_path / "flat.png"), np.full((40, 40, 3), 90, np.uint8))
    cv2.imwrite(str(tmp_path / "flat2.png"), np.full((40, 40, 3), 91, np.uint8))
    training = [tmp_path / f"{i}.png" for i in range(6)] + [tmp_path / "flat.png"]
    held_out = [tmp_path / n for n in ("copy.jpg", "other.jpg", "junk.jpg", "empty.jpg", "flat2.png")]
    assert [(c.held_out.name, c.training.name) for c in copies(training, held_out)] == [("copy.jpg", "3.png")]
    assert seen_as(tmp_path / "junk.jpg") is None
    assert copies([], held_out) == []


def test_the_fingerprint_follows_content_and_split(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).write_text(name)
    a, b = tmp_path / "a", tmp_path / "b"
    one = fingerprint({"training": [a], "validation": [b]})
    assert one["splits"]["training"]["files"] == 1
    assert one["digest"] == fingerprint({"training": [a, a], "validation": [b]})["digest"]
    assert one["digest"] != fingerprint({"training": [b], "validation": [a]})["digest"]
    a.write_text("changed")
    assert one["digest"] != fingerprint({"training": [a], "validation": [b]})["digest"]
