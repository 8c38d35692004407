"""`crowdmask evaluate` end to end on fakes: tables, files, lists, regions, bad input, and runs side by side."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from crowdmask.settings import AnalysisSettings
from tests.cli.conftest import Crowdmask
from tests.unit.evaluation.scenes import write_voc


def run(crowdmask: Crowdmask, *args: str | Path) -> tuple[int, str, str]:
    ran = crowdmask("evaluate", *args)
    return ran.code, ran.out, ran.err


def saved(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def test_help_names_every_option(crowdmask: Crowdmask) -> None:
    code, out, _ = run(crowdmask, "--help")
    assert code == 0
    for word in ("--list", "--ignore", "--label", "--format", "--compare", "--out", "--match-iou", "--confidence"):
        assert word in out


def test_no_folder_is_a_usage_error(crowdmask: Crowdmask) -> None:
    assert run(crowdmask)[0] == 2


@pytest.mark.parametrize(("make", "reason"), [(False, "no such folder"), (True, "holds no pictures")])
def test_folder_with_nothing_is_named(tmp_path: Path, crowdmask: Crowdmask, make: bool, reason: str) -> None:
    folder = tmp_path / "empty"
    if make:
        folder.mkdir()
    code, _, err = run(crowdmask, folder)
    assert code == 1 and f"{folder}: " in err and reason in err


def test_one_folder_to_tables_and_files(tmp_path: Path, crowdmask: Crowdmask) -> None:
    folder, out = write_voc(tmp_path / "set", wrong=(1,)), tmp_path / "out"
    code, told, _ = run(crowdmask, folder, "--out", out, "--smallest-face", "5")
    assert code == 0
    assert "Average precision at IoU 0.5" in told and "set: by face size" in told
    content = saved(out / "evaluation.json")
    (only,) = content["sets"]
    assert only["name"] == "set" and only["folder"] == str(folder)
    assert only["evaluation"]["faces"] == {
        "right": 12, "wrong": 0, "missed": 0, "precision": 1.0, "recall": 1.0, "f1": 1.0
    }  # fmt: skip
    assert only["evaluation"]["verdicts"]["confusion"]["masked"] == {"masked": 7, "unmasked": 1, "unknown": 0}
    assert content["settings"]["analysis"]["smallest_face"] == 5 and content["all"] is None
    assert content["settings"]["analysis"]["confidence"] == AnalysisSettings().confidence
    assert {p["name"]: p["wrong_verdicts"] for p in only["pictures"]}["00001"] == 2
    assert only["timings"]["pictures_per_s"] > 0
    files = {p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()}
    record = {"run.json", "settings.json", "data.json", "metrics.jsonl"}  # by which `crowdmask runs` finds it again
    assert {name for name in files - record if not name.startswith("events.out.tfevents")} == {
        "evaluation.json",
        "roc.png",
        "precision-recall.png",
        "calibration.png",
        "recall-by-size.png",
        "worst/set-001-00001.png",
        "worst/set-wrong-verdicts.png",
    }
    assert record <= files


def test_nothing_is_written_without_out(tmp_path: Path, crowdmask: Crowdmask) -> None:
    folder = write_voc(tmp_path / "set")
    before = sorted(tmp_path.rglob("*"))
    code, out, _ = run(crowdmask, folder, "-q")
    assert code == 0 and out == "" and sorted(tmp_path.rglob("*")) == before


def test_earlier_evaluation_is_kept_unless_told_otherwise(tmp_path: Path, crowdmask: Crowdmask) -> None:
    folder, out = write_voc(tmp_path / "set", 2), tmp_path / "out"
    assert run(crowdmask, folder, "--out", out)[0] == 0
    code, _, err = run(crowdmask, folder, "--out", out)
    assert code == 1 and "evaluation.json exists already" in err
    assert run(crowdmask, folder, "--out", out, "--overwrite")[0] == 0


def test_lists_and_regions_for_each_folder(tmp_path: Path, crowdmask: Crowdmask) -> None:
    a, b = write_voc(tmp_path / "a"), write_voc(tmp_path / "b")
    Path("list.txt").write_text("# two\n00001\n00002\n")
    Path("regions.csv").write_text("number,x1,y1,x2,y2\n00005,0,0,9,9\n")
    out = tmp_path / "out"
    code, told, _ = run(
        crowdmask, a, b, "--list", "list.txt", "--list", "-", "--ignore", "-", "--ignore", "regions.csv", "--out", out
    )
    assert code == 0 and "all" in told.splitlines()[0].split()
    content = saved(out / "evaluation.json")
    first, second = (s["evaluation"] for s in content["sets"])
    assert (first["pictures"], second["pictures"], content["all"]["pictures"]) == (2, 6, 8)
    assert (first["labelled"]["ignore"], second["labelled"]["ignore"]) == (0, 1)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--list", "a.txt", "--list", "b.txt"), "--list is given 2 time(s) for 1 folder(s)"),
        (("--list", "absent.txt"), "absent.txt: the list of pictures cannot be read"),
        (("--ignore", "absent.csv"), "absent.csv: the list of regions to ignore cannot be read"),
        (("--label", "scarf"), "--label scarf"),
        (("--format", "coco"), "no picture has labels that can be used"),
        (("--confidence", "2"), "must be"),
    ],
)
def test_bad_options_are_named(tmp_path: Path, crowdmask: Crowdmask, options: tuple[str, ...], reason: str) -> None:
    code, _, err = run(crowdmask, write_voc(tmp_path / "set", 1), *options)
    assert code in (1, 2) and reason in err


def test_folder_given_twice_is_refused(tmp_path: Path, crowdmask: Crowdmask) -> None:
    folder = write_voc(tmp_path / "set", 1)
    code, _, err = run(crowdmask, folder, folder)
    assert code == 2 and "given twice" in err


def test_folders_of_one_name_are_told_apart(tmp_path: Path, crowdmask: Crowdmask) -> None:
    out = tmp_path / "out"
    run(crowdmask, write_voc(tmp_path / "a" / "set", 1), write_voc(tmp_path / "b" / "set", 1), "--out", out)
    assert [s["name"] for s in saved(out / "evaluation.json")["sets"]] == ["set", "b/set"]


def test_problems_are_named_and_counted(tmp_path: Path, crowdmask: Crowdmask) -> None:
    folder, out = write_voc(tmp_path / "set"), tmp_path / "out"
    (folder / "annotations" / "00001.xml").write_text("<annotation>")
    (folder / "images" / "00002.png").write_bytes(b"no picture")
    visor = folder / "annotations" / "00000.xml"
    visor.write_text(visor.read_text().replace("with_mask", "visor"))
    code, _, err = run(crowdmask, folder, "--out", out)
    assert code == 0
    assert f"{folder / 'annotations' / '00001.xml'}: the annotation file does not parse" in err
    assert f"{folder / 'images' / '00002.png'}: the picture cannot be read" in err
    assert f"{visor}: class 'visor' is not known: 1 box counts for nothing" in err
    assert f"{folder}: left out 1 picture and 1 box" in err
    assert {p["left_out"] for p in saved(out / "evaluation.json")["sets"][0]["problems"]} == {"picture", "box"}
    assert "visor" not in run(crowdmask, folder, "--label", "visor=masked")[2]


def test_many_problems_are_summed_up(tmp_path: Path, crowdmask: Crowdmask) -> None:
    folder = write_voc(tmp_path / "set", 14)
    for i in range(13):
        (folder / "annotations" / f"{i:05d}.xml").write_text("")
    assert "and 3 more such problems; -v names them all" in run(crowdmask, folder)[2]
    assert "00012.xml" in run(crowdmask, folder, "-v")[2]


def test_names_of_which_none_is_known_end_in_one_line(tmp_path: Path, crowdmask: Crowdmask) -> None:
    folder = write_voc(tmp_path / "set", 2)
    for path in (folder / "annotations").glob("*.xml"):
        path.write_text(re.sub("<name>.*?</name>", "<name>visor</name>", path.read_text()))
    code, told, err = run(crowdmask, folder)
    assert code == 1 and told == "" and len(err.strip().splitlines()) == 1
    assert "none of its 3 boxes is labelled masked or unmasked" in err
    assert "'visor' (3)" in err and "--label visor=unmasked" in err
    assert run(crowdmask, folder, "--label", "visor=unmasked")[0] == 0


def test_left_out_boxes_are_counted_not_the_files_they_are_in(tmp_path: Path, crowdmask: Crowdmask) -> None:
    """One file with three boxes of an unknown name leaves out three boxes."""
    folder = write_voc(tmp_path / "set", 2)
    path = folder / "annotations" / "00000.xml"
    text = path.read_text()
    one = text[text.index("<object>") : text.index("</object>") + len("</object>")]
    path.write_text(text.replace(one, one.replace("with_mask", "visor") * 3))
    err = run(crowdmask, folder)[2]
    assert "class 'visor' is not known: 3 boxes count for nothing" in err and "left out 3 boxes" in err


@pytest.mark.parametrize("option", ["--every", "--start", "--end", "--duration"])
def test_options_of_videos_are_none_of_evaluate(tmp_path: Path, crowdmask: Crowdmask, option: str) -> None:
    code, _, err = run(crowdmask, write_voc(tmp_path / "set", 1), option, "5")
    assert (
        code == 2 and f"there is no option {option}" in err and f"{option} is an option of `crowdmask analyze`" in err
    )


def test_a_variable_of_videos_is_left_to_analyze(
    tmp_path: Path, crowdmask: Crowdmask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROWDMASK_EVERY", "5")
    out = tmp_path / "out"
    assert run(crowdmask, write_voc(tmp_path / "set", 1), "--out", out)[0] == 0
    assert saved(out / "evaluation.json")["settings"]["analysis"]["every"] == 1


@pytest.mark.parametrize("option", [("--out", "x"), ("--label", "visor=masked"), ("--confidence", "0.5")])
def test_compare_refuses_what_means_nothing_beside_it(
    tmp_path: Path, crowdmask: Crowdmask, option: tuple[str, str]
) -> None:
    code, _, err = run(crowdmask, "--compare", "a.json", "b.json", *option)
    assert code == 2 and f"{option[0]} means nothing beside it" in err


def test_set_with_one_class_goes_on_and_says_so(tmp_path: Path, crowdmask: Crowdmask) -> None:
    folder = write_voc(tmp_path / "set", 1)
    code, told, err = run(crowdmask, folder)
    assert code == 0 and err.count(f"{folder}: no face is labelled unmasked") == 1
    assert "mean of the two" in told


def test_curves_are_left_out_without_matplotlib(
    tmp_path: Path, crowdmask: Crowdmask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crowdmask.evaluation.plots.available", lambda: False)
    out = tmp_path / "out"
    code, _, err = run(crowdmask, write_voc(tmp_path / "set", 2), "--out", out)
    assert code == 0 and "crowdmask[train]" in err
    assert (out / "evaluation.json").exists() and not list(out.glob("*.png"))


def test_runs_side_by_side(tmp_path: Path, crowdmask: Crowdmask) -> None:
    folder = write_voc(tmp_path / "set", wrong=(1, 2))
    run(crowdmask, folder, "--out", tmp_path / "before")
    write_voc(folder)
    run(crowdmask, folder, "--out", tmp_path / "after")
    files = [tmp_path / name / "evaluation.json" for name in ("before", "after")]
    code, told, _ = run(crowdmask, "--compare", *files)
    assert code == 0
    lines = told.splitlines()
    assert lines[0] == "set" and lines[2].split() == ["before", "after", "change"]
    right = next(line for line in lines if line.split()[:1] == ["right"])
    assert right.split() == ["right", "0.583", "1.000", "+0.417"]


def test_comparing_needs_two_evaluations(tmp_path: Path, crowdmask: Crowdmask) -> None:
    path = tmp_path / "e.json"
    path.write_text("{}")
    assert "two evaluation.json files or more" in run(crowdmask, "--compare", path)[2]
    assert "given twice" in run(crowdmask, "--compare", path, path)[2]
    code, _, err = run(crowdmask, "--compare", path, tmp_path / "absent.json")
    assert code == 1 and f"{path}: this is no evaluation.json" in err


def test_pictures_without_faces_are_judged_beside_the_labelled_ones(tmp_path: Path, crowdmask: Crowdmask) -> None:
    labelled, empty, out = write_voc(tmp_path / "set"), write_voc(tmp_path / "scenes"), tmp_path / "out"
    code, _, error = run(crowdmask, labelled, "--faceless", empty, "--out", out, "--smallest-face", "5")
    assert code == 0 and "no face is labelled" not in error, error
    content = saved(out / "evaluation.json")
    of_set, of_scenes = (s["evaluation"] for s in content["sets"])
    # the fakes find their drawn faces there too, and every one of them is a false find with a verdict
    assert of_set["judged_false_finds"] == 0
    assert of_scenes["judged_false_finds"] == of_scenes["faces"]["wrong"] == 12
    assert content["all"] is None
    assert (out / "worst" / "scenes-false-finds.png").exists()


def test_three_classes_where_asked(tmp_path: Path, crowdmask: Crowdmask) -> None:
    folder = write_voc(tmp_path / "set")
    assert "three classes" in run(crowdmask, folder, "--three-class", "--smallest-face", "5")[1]
    assert "three classes" not in run(crowdmask, folder, "--smallest-face", "5")[1]
