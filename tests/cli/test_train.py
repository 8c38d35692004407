"""Training from the command line: a whole run on drawn faces, gone on with after a stop, shipped and run."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from crowdmask.cli.train import command
from crowdmask.errors import DatasetError, SettingsError
from crowdmask.runs.record import read_metrics

VOC = "<annotation><size><width>96</width><height>64</height><depth>3</depth></size>{}</annotation>"
OBJECT = (
    "<object><name>{}</name><difficult>0</difficult><bndbox><xmin>{}</xmin><ymin>{}</ymin>"
    "<xmax>{}</xmax><ymax>{}</ymax></bndbox></object>"
)
SMALL = ("--batch", "2", "--warmup", "0", "--validate-every", "2", "-q")


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve pictures, each with a blue square that wears a mask and a red one that does not."""
    root = tmp_path_factory.mktemp("labelled")
    (root / "images").mkdir()
    (root / "annotations").mkdir()
    rng = np.random.default_rng(0)
    for i in range(12):
        image = rng.integers(90, 140, (64, 96, 3)).astype(np.uint8)
        objects = ""
        for name, left, colour in (("with_mask", 8, (230, 60, 40)), ("without_mask", 56, (40, 60, 230))):
            x, y = left + int(rng.integers(8)), 10 + int(rng.integers(20))
            image[y : y + 24, x : x + 24] = colour
            objects += OBJECT.format(name, x, y, x + 24, y + 24)
        cv2.imwrite(str(root / "images" / f"{i:03}.png"), image)
        (root / "annotations" / f"{i:03}.xml").write_text(VOC.format(objects))
    return root


def run(*arguments: str | Path) -> str:
    result = CliRunner().invoke(command, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def steps_of(folder: Path) -> list[int]:
    return [row["step"] for row in read_metrics(folder)]


def test_classifier_trains_goes_on_ships_and_judges(labelled: Path, tmp_path: Path) -> None:
    out, weights = tmp_path / "run", tmp_path / "weights"
    tiny = ("--input-size", "32", "--width", "0.05", "--middle-blocks", "0")
    first = run("classifier", labelled, "--out", out, "--steps", "4", *tiny, *SMALL)
    assert "4 steps" in first
    assert steps_of(out) == [2, 4]
    assert (out / "curves.png").stat().st_size > 1000
    # a finished run has nothing left to do, whatever asks for it again
    again = run("classifier", labelled, "--out", out, "--steps", "4", *tiny, *SMALL)
    assert "4 steps" in again
    assert steps_of(out) == [2, 4]
    with pytest.raises(SettingsError, match="other settings"):
        run("classifier", labelled, "--out", out, "--steps", "6", *tiny, *SMALL)

    told = run("ship", out, "--name", "xception", "--to", weights, "--calibrate-on", labelled)
    assert "held_out_accuracy" in told
    entry = json.loads((weights / "manifest.json").read_text())["networks"]["xception"]
    assert entry["graph"]["input_size"] == 32
    assert set(entry["graph"]["calibration"]) == {"slope", "offset", "offsets"}

    from crowdmask.engine.load import load_classifier
    from crowdmask.settings import AnalysisSettings, RuntimeSettings

    classifier = load_classifier(AnalysisSettings(weights=str(weights), precision="float32"), RuntimeSettings())
    crops = np.random.default_rng(0).integers(0, 255, (5, 32, 32, 3)).astype(np.uint8)
    together = classifier.probabilities(crops)
    assert together.shape == (5, 4)
    assert np.array_equal(together, np.concatenate([classifier.probabilities(c[None]) for c in crops]))


def test_another_architecture_leaves_a_run_that_analysis_can_use(labelled: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    told = run(
        "classifier", labelled, "--out", out, "--architecture", "cnn4", "--input-size", "32", "--dense", "4",
        "--steps", "2", "--batch", "2", "--validate-every", "1", "--test-share", "0.4", "-q",
    )  # fmt: skip
    assert "model card" in told
    entry = json.loads((out / "manifest.json").read_text())["networks"]["cnn4"]
    assert (entry["architecture"], entry["graph"]["input_size"]) == ("cnn4", 32)
    settings = json.loads((out / "settings.json").read_text())
    assert (settings["recipe"], settings["loop"]["optimizer"], settings["augment"]["augment"]) == (
        "cnn4",
        "rmsprop",
        "plain",
    )
    data = json.loads((out / "data.json").read_text())
    # of 12 pictures 2 of 5 are held out, and 2 of 5 of those kept for the test
    assert {name: split["files"] for name, split in data["splits"].items()} == {
        "training": 7,
        "validation": 3,
        "test": 2,
    }
    card = (out / "model-card.md").read_text()
    assert "random weights" in card
    assert "test: accuracy" in card
    record = json.loads((out / "run.json").read_text())
    assert (record["what"], record["state"], record["network"]) == ("training", "finished", "cnn4")
    assert list(out.glob("events.out.tfevents.*"))


@pytest.mark.parametrize(
    ("name", "graph"),
    [
        ("xception", ("--input-size", "32", "--width", "0.05", "--middle-blocks", "0", "--outputs", "4")),
        ("cnn3", ("--input-size", "24", "--dense", "4")),
        ("mobilenet", ("--input-size", "32", "--dense", "4")),
    ],
)
def test_analysis_runs_what_was_trained(
    name: str, graph: tuple[str, ...], labelled: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from crowdmask.cli.main import crowdmask

    out, picture = tmp_path / "run", Path(__file__).parents[2] / "samples" / "hall.jpg"
    run("classifier", labelled, "--out", out, "--architecture", name, *graph, "--steps", "1", *SMALL)
    # a fifth of the two pictures that are held out is none
    assert ("none is left for the last test" in caplog.text) == (name == "mobilenet")
    asked = [
        "analyze",
        str(picture),
        "--weights",
        str(out),
        "--detection-size",
        "480",
        "--out-dir",
        str(tmp_path),
        "-q",
    ]
    CliRunner().invoke(
        crowdmask,
        [*asked, "--classifier", name, "--unsure-band", "0", "--judge-confidence", "0.6"],
        catch_exceptions=False,
    )
    summary = json.loads((tmp_path / "hall.crowdmask.json").read_text())
    used = {row["name"]: row for row in summary["weights"]}
    assert set(used) == {"retinaface-mobilenet", name}
    assert used[name]["sha256"] == json.loads((out / "manifest.json").read_text())["networks"][name]["sha256"]
    assert summary["counts"]["judged"] + summary["no_faces"] > 0
    # what the run lacks is the network that ships; a run that has nothing of what is asked for was meant otherwise
    other = CliRunner().invoke(crowdmask, [*asked, "--classifier", "vgg16", "--overwrite"], standalone_mode=False)
    told = f"{other.output} {other.exception}"
    assert f"holds {name}, and neither retinaface-mobilenet nor vgg16" in " ".join(told.split())
    assert other.return_value != 0


def test_a_picture_on_both_sides_of_the_split_is_reported(
    labelled: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    twice = tmp_path / "twice"
    for kind in ("images", "annotations"):
        (twice / kind).mkdir(parents=True)
    for path in sorted(labelled.glob("*/*")):
        (twice / path.parent.name / path.name).write_bytes(path.read_bytes())
    for i in range(12):  # every picture again, in other bytes
        name, picture = f"{i + 12:03}", cv2.imread(str(labelled / "images" / f"{i:03}.png"))
        assert picture is not None
        cv2.imwrite(str(twice / "images" / f"{name}.png"), picture[:, ::-1][:, ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 0])
        (twice / "annotations" / f"{name}.xml").write_bytes((labelled / "annotations" / f"{i:03}.xml").read_bytes())
    run("classifier", twice, "--out", tmp_path / "run", "--architecture", "cnn3", "--input-size", "16", "--dense", "2",
        "--steps", "1", *SMALL)  # fmt: skip
    (line,) = [line for line in caplog.messages if "copies of ones to train on" in line]
    found = json.loads((tmp_path / "run" / "data.json").read_text())["copies"]
    assert line.startswith(f"{len(found)} held-out picture(s)")
    assert len(found) >= 3
    assert all(int(Path(c["held_out"]).stem) % 12 == int(Path(c["training"]).stem) % 12 for c in found)


def test_pictures_that_are_none_are_said_once_and_left_out(
    labelled: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    crops = tmp_path / "crops"
    for name, value in (("with_mask", 30), ("without_mask", 220)):
        (crops / name).mkdir(parents=True)
        for i in range(6):
            cv2.imwrite(str(crops / name / f"{i}.png"), np.full((40, 40, 3), value + i, np.uint8))
    (crops / "with_mask" / "junk.png").write_bytes(b"no picture")
    (crops / "with_mask" / "empty.png").touch()
    run("classifier", crops, "--out", tmp_path / "run", "--architecture", "cnn3", "--input-size", "16", "--dense", "2",
        "--steps", "8", "--batch", "4", "--validate-every", "4", "--stratified", "-q")  # fmt: skip
    assert sum("junk.png" in line for line in caplog.text.splitlines()) == 1


@pytest.fixture(scope="module")
def teacher(labelled: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a detector; most of its time goes into the graph, so it is trained once."""
    out = tmp_path_factory.mktemp("teacher")
    run("detector", labelled, "--out", out, "--steps", "2", "--side", "64", "--largest", "60", *SMALL)
    return out


def test_detector_trains_and_ships(teacher: Path, tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    assert steps_of(teacher) == [2]
    run("ship", teacher, "--name", "retinaface-mobilenet", "--to", weights)

    from crowdmask.nets.shipped import shipped

    assert shipped("retinaface-mobilenet", weights).graph.anchors.strides == (8, 16, 32)


def test_a_leaner_detector_learns_from_its_teacher(labelled: Path, teacher: Path, tmp_path: Path) -> None:
    out, weights = tmp_path / "lean", tmp_path / "weights"
    lean = ("--fine-channels", "16", "--stem", "dense", "--no-mean-off", "--distilled", "0.6")
    run("detector", labelled, "--out", out, "--init", teacher / "best.npz", "--steps", "2", "--side", "64",
        "--largest", "60", *lean, *SMALL)  # fmt: skip
    assert steps_of(out) == [2]
    run("ship", out, "--name", "retinaface-mobilenet", "--to", weights)

    from crowdmask.nets.checkpoint import read_arrays
    from crowdmask.nets.shipped import shipped

    graph = shipped("retinaface-mobilenet", weights).graph
    assert (graph.fine_channels, graph.stem, graph.mean_off) == (16, "dense", False)
    begun, learned = read_arrays(teacher / "best.npz"), read_arrays(out / "best.npz")
    # what fits was taken over and has hardly moved in two steps; what does not is new
    name = "stage2_3_point_conv/kernel"
    assert np.abs(learned[name] - begun[name]).max() < 0.02
    assert learned["ssh1_conv3x3_conv/kernel"].shape == (3, 3, 16, 8)
    assert "stage1_1_depth_conv/kernel" not in learned and "fpn_down2_conv/kernel" in learned


def test_a_teacher_must_be_named(labelled: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--distilled needs a teacher"):
        run("detector", labelled, "--out", tmp_path / "run", "--distilled", "0.5")


def test_the_same_seed_gives_the_same_batches(labelled: Path) -> None:
    from crowdmask.labels.reading import read_labels
    from crowdmask.training.detector_crops import DetectorCrops
    from crowdmask.training.pictures import PictureStore
    from crowdmask.training.settings import DetectorCropSettings

    rules = DetectorCropSettings(side=64, largest=60)
    one, other = (DetectorCrops([read_labels(labelled)], PictureStore(), rules) for _ in range(2))
    for seed in range(6):
        a, b = one.draw(np.random.default_rng(seed)), other.draw(np.random.default_rng(seed))
        assert np.array_equal(a.image, b.image)
        assert np.array_equal(a.faces, b.faces)
        assert a.image.shape == (64, 64, 3)
        assert (a.faces >= 0).all()
        assert (a.faces <= 64).all()


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (("--shares", "1,2"), SettingsError, "--shares"),
        (("--shares", "a"), SettingsError, "--shares"),
        (("--leave-out", "-", "--leave-out", "-"), SettingsError, "--leave-out"),
    ],
)
def test_bad_options(
    labelled: Path, tmp_path: Path, arguments: tuple[str, ...], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        run("classifier", labelled, "--out", tmp_path / "run", "--steps", "1", *arguments)


def test_a_folder_without_labels_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=str(tmp_path)):
        run("detector", tmp_path, "--out", tmp_path / "run")


def test_a_set_of_one_class_is_refused(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    for i in range(3):
        cv2.imwrite(str(tmp_path / "set" / f"{i}.png"), np.zeros((64, 96, 3), np.uint8))
        xml = VOC.format(OBJECT.format("with_mask", 10, 10, 40, 40))
        (tmp_path / "set" / f"{i}.xml").write_text(xml)
    with pytest.raises(DatasetError, match="no unmasked face"):
        run("classifier", tmp_path / "set", "--out", tmp_path / "run")


def test_weights_to_start_from_go_by_name_and_bring_their_graph(tmp_path: Path) -> None:
    from crowdmask.cli.train import graph_of, weights_named
    from crowdmask.nets.weights import Manifest

    found = weights_named("xception")
    assert found == Manifest.load().locate("xception") and weights_named(str(found)) == found
    assert weights_named(None) is None and graph_of(str(found), "xception") == {}
    graph = graph_of("xception", "xception")
    assert graph["outputs"] == 4 and "calibration" not in graph
    with pytest.raises(SettingsError, match="these are weights of retinaface"):
        graph_of("retinaface-mobilenet", "xception")
    with pytest.raises(SettingsError, match=r"did you mean xception\?"):
        weights_named("xceptio")
