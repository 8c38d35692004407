"""A comparison from the command line on drawn faces: one table for all, gone on with after a kill, found again."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result

from crowdmask.cli import compare, runs
from crowdmask.cli.compare import period
from crowdmask.comparison.measures import measures
from crowdmask.errors import DatasetError, SettingsError

SMALL = ("--steps", "2", "--batch", "2", "--input-size", "32", "--validation-faces", "10", "--repeats", "3",
         "--validations", "2", "-q")  # fmt: skip


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("crops")
    rng = np.random.default_rng(0)
    for name, colour in (("with_mask", (200, 80, 40)), ("without_mask", (60, 90, 210))):
        (root / name).mkdir()
        for i in range(15):
            noise = cv2.resize(rng.integers(0, 90, (8, 8, 3)).astype(np.uint8), (48, 48))
            cv2.imwrite(str(root / name / f"{i}.png"), np.clip(noise + np.array(colour), 0, 255).astype(np.uint8))
    return root


def run(command: object, *arguments: object) -> Result:
    return CliRunner().invoke(command, [str(a) for a in arguments], catch_exceptions=False)  # type: ignore[arg-type]


def test_classifiers_in_one_table_and_a_kill_between_them(
    crops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from crowdmask.comparison import classifiers, cost

    out, real = tmp_path / "out", classifiers.train_classifier
    trained: list[str] = []

    def watched(*args: object, **kwargs: object) -> object:
        trained.append(str(kwargs["name"]))
        if len(trained) == 2:
            raise KeyboardInterrupt
        return real(*args, **kwargs)  # type: ignore[arg-type]

    def installed(*names: str) -> None:
        for module in (classifiers, cost):
            monkeypatch.setattr(module, "runtimes", lambda: list(names))

    monkeypatch.setattr(classifiers, "train_classifier", watched)
    installed("tensorflow")
    asked = ("--data", crops, "--architectures", "cnn3,cnn4", "--out", out, *SMALL)
    run(compare.command, *asked)
    assert not (out / "classifiers.csv").exists()
    run(compare.command, *asked)
    assert trained == ["cnn3", "cnn4", "cnn4"]  # what was finished is not trained again
    with (out / "classifiers.csv").open() as file:
        rows = {row["classifier"]: row for row in csv.DictReader(file)}
    assert set(rows) == {"cnn3", "cnn4"}
    assert 0 <= float(rows["cnn3"]["accuracy"]) <= 1
    assert float(rows["cnn3"]["ms a crop, tensorflow"]) > 0
    assert int(rows["cnn4"]["parameters (million)"]) > 1000
    assert "cnn4" in (out / "comparison.md").read_text()
    page = (out / "comparison.html").read_text()
    assert page.count("data:image/png") == 5
    assert (out / "learning-curves.png").exists()
    assert "ms a crop, openvino" not in rows["cnn3"]
    installed("openvino", "tensorflow")  # one that came since is timed, and nothing trained for it
    run(compare.command, *asked)
    with (out / "classifiers.csv").open() as file:
        assert all(float(row["ms a crop, openvino"]) > 0 for row in csv.DictReader(file))
    assert len(trained) == 3
    record = json.loads((out / "run.json").read_text())
    assert (record["what"], record["state"]) == ("comparison", "finished")
    assert len(record["resumed_at"]) == 2
    with pytest.raises(SettingsError, match="other settings"):
        run(compare.command, *asked, "--split-seed", "9")

    told = run(runs.command, "list", out).output
    assert told.count("training") == 2
    assert told.count("comparison") == 1
    side_by_side = run(runs.command, "compare", out / "cnn3", out / "cnn4").output
    assert "loop.optimizer" in side_by_side
    assert "rmsprop" in side_by_side
    would = run(runs.command, "clean", out).output
    assert would.count("would delete") == 2
    assert (out / "cnn3" / "checkpoint.npz").exists()
    run(runs.command, "clean", out, "--yes")
    assert not (out / "cnn3" / "checkpoint.npz").exists()
    assert (out / "cnn3" / "best.npz").exists()
    assert '"state": "finished"' in run(runs.command, "show", out / "cnn3").output


def test_a_crop_is_timed_in_every_runtime_that_is_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from dataclasses import replace

    from crowdmask.comparison import cost
    from crowdmask.comparison.cost import milliseconds_a_crop, runtimes
    from crowdmask.nets.checkpoint import arrays_of, save_weights
    from crowdmask.nets.registry import architecture
    from crowdmask.nets.shipped import shipped
    from crowdmask.nets.weights import update_entry

    row, graph = architecture("cnn3"), {"input_size": 16, "dense": 4}
    save_weights(tmp_path / "cnn3.npz", arrays_of(row.model(row.graph_type()(**graph))), half=False)
    update_entry("cnn3", tmp_path / "cnn3.npz", folder=tmp_path, architecture="cnn3", graph=graph)
    found = milliseconds_a_crop(shipped("cnn3", tmp_path), tmp_path, "cnn3", 3)
    assert list(found) == runtimes()
    assert {"tensorflow", "tflite"} <= set(found)
    assert all(value > 0 for value in found.values())

    def broken(*_: object) -> None:
        raise RuntimeError("no such layer")

    monkeypatch.setitem(cost.formats.FORMATS, "tflite", replace(cost.formats.FORMATS["tflite"], write=broken))
    monkeypatch.setattr(cost, "runtimes", lambda: ["openvino", "tflite"])
    assert list(milliseconds_a_crop(shipped("cnn3", tmp_path), tmp_path, "cnn3", 3)) == ["openvino"]
    assert "cnn3: no time in tflite: no such layer" in caplog.text


def test_the_one_that_ships_is_judged_beside_them(crops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from crowdmask.comparison import classifiers, cost

    for module in (classifiers, cost):
        monkeypatch.setattr(module, "runtimes", lambda: ["openvino"])
    run(compare.command, "--data", crops, "--shipped", "--out", tmp_path / "out", *SMALL)
    with (tmp_path / "out" / "classifiers.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert row["classifier"] == "xception, shipped"
    assert (row["steps"], row["recipe"]) == ("", "")
    assert float(row["ms a crop, openvino"]) > 0
    assert 0 <= float(row["accuracy"]) <= 1
    assert not (tmp_path / "out" / "learning-curves.png").exists()
    assert (tmp_path / "out" / "calibration.png").exists()


def test_four_outcomes_become_two_by_hand() -> None:
    from types import SimpleNamespace
    from typing import Any

    from crowdmask.comparison.classifiers import _unmasked
    from crowdmask.nets.facts import Calibration

    four: Any = SimpleNamespace(calibration=Calibration(offsets=(0.0, 0.0, 0.0, 5.0)))
    # masked 0.4, unmasked 0.1, worn wrongly 0.1: of 0.6 a third is against, however sure it is that it is no face
    logits = np.log(np.array([[0.4, 0.1, 0.1, 0.4]], np.float32))
    assert _unmasked(four, logits) == pytest.approx([1 / 3], abs=1e-6)
    two: Any = SimpleNamespace(calibration=Calibration(slope=2.0, offset=1.0))
    assert _unmasked(two, np.array([-0.5], np.float32)) == pytest.approx([0.5])


def test_what_cannot_be_tried_is_a_line_and_the_others_go_on(crops: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = run(compare.command, "--data", crops, "--architectures", "inceptionresnetv2,cnn3", "--out", out, *SMALL)
    assert result.exit_code == 0
    text = (out / "comparison.md").read_text()
    assert "inceptionresnetv2 is not in the table: inceptionresnetv2 needs crops of 75 px or more" in text
    assert "| cnn3 |" in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--architectures", "alexnet"), "there is no 'alexnet'"),
        (("--architectures", "cnn3,cnn3"), "given twice"),
        ((), "nothing to compare"),
        (("--architectures", "cnn3", "--budget", "soon"), "--budget 'soon'"),
    ],
)
def test_bad_options(crops: Path, tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        run(compare.command, "--data", crops, "--out", tmp_path / "out", *arguments)


def test_detectors_need_photographs(crops: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="photographs"):
        run(compare.command, "--data", crops, "--detectors", "yunet", "--out", tmp_path / "out", *SMALL)


def test_a_class_without_faces_is_refused(crops: Path, tmp_path: Path) -> None:
    from crowdmask.cli.train import command

    one = tmp_path / "one"
    (one / "without_mask").mkdir(parents=True)
    (one / "with_mask").symlink_to(crops / "with_mask")
    with pytest.raises(DatasetError, match="no unmasked face to train on"):
        run(command, "classifier", one, "--out", tmp_path / "run", "--architecture", "cnn3", "--steps", "1")


def test_budgets() -> None:
    assert [period(text) for text in ("90s", "10m", "1.5h", "45")] == [90, 600, 5400, 45]


def test_measures_by_hand() -> None:
    prob = np.array([0.9, 0.2, 0.6, 0.4])
    unmasked = np.array([True, False, False, True])
    told = measures(prob, unmasked, np.array([10.0, 20.0, 20.0, 0.0]))
    assert told["confusion"] == [[1, 1], [1, 1]]
    assert (told["accuracy"], told["precision"], told["recall"], told["f1"]) == (0.5, 0.5, 0.5, 0.5)
    assert told["auc"] == 0.75  # of four pairs one is the wrong way round
    assert [(b["faces"], b["probability"], b["unmasked"]) for b in told["reliability"]] == [
        (1, pytest.approx(0.2), 0.0),
        (1, pytest.approx(0.4), 1.0),
        (1, pytest.approx(0.6), 0.0),
        (1, pytest.approx(0.9), 1.0),
    ]
    assert told["by_size"] == {
        "unknown": {"faces": 1, "accuracy": 0.0},
        "0-12": {"faces": 1, "accuracy": 1.0},
        "16-24": {"faces": 2, "accuracy": 0.5},
    }
