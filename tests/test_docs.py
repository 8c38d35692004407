"""README.md and docs/ name every command, option, default, column, exit code and variable, and no other."""

from __future__ import annotations

import configparser
import importlib
import os
import pkgutil
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import crowdmask.cli
from crowdmask.cli import main as cli_main
from crowdmask.cli.config import OTHER_VARIABLES, PREFIX, from_file, variable_of
from crowdmask.cli.options import fields_of, setting_options
from crowdmask.records import SourceKind, VideoInfo
from crowdmask.results import summary
from crowdmask.results.detections import DETECTIONS
from crowdmask.results.frames_csv import FRAMES, FRAMES_OF_ONE
from crowdmask.results.persons import PERSONS
from crowdmask.results.statistics import ComplianceStats
from crowdmask.results.timeline.statistics_columns import STATISTICS
from crowdmask.settings import AnalysisSettings, EvaluationSettings, OutputSettings, RuntimeSettings
from crowdmask.tracking.zones import ZoneNames
from crowdmask.tracking.zones_file import read_zones
from tests import docs_tables
from tests.docs_tables import ROOT, commands, made, makers, options_of, pages
from tests.factories import FakeClassifier, FakeDetector, write_clip
from tests.people import SCENE, picture

PAGES = pages()
WHOLE = "\n".join(PAGES.values())
LINKED = {  # pages whose links must lead somewhere: also those that stand beside what they describe
    **PAGES,
    **{
        name: (ROOT / name).read_text(encoding="utf-8")
        for name in (f"{room}/README.md" for room in ("benchmarks", "outputs", "samples", "weights"))
    },
}
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
BLOCKS = FENCED.findall(WHOLE)
LINKS = [(page, link) for page, text in LINKED.items() for link in re.findall(r"\]\(([^)\s]+)\)", text)]
README_LIMIT = 15_000  # bytes: it leads with what people come for; the rest is in docs/
FOREIGN = {"--address", "--head", "--port", "--no-deps", "--wheel-dir"}  # of pip and Ray


def code_of(kind: str) -> list[str]:
    return [code for language, code in BLOCKS if language == kind]


def section_of(heading: str, page: str) -> str:
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", PAGES[page], re.DOTALL | re.MULTILINE)
    assert found is not None, f"{page} has no section {heading!r}"
    return found[1]


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def calls() -> Iterator[list[str]]:
    """The words after `crowdmask` of every call in the pages, in blocks and within lines."""
    lines = [line.partition("#")[0] for code in code_of("") for line in code.splitlines()]
    lines += re.findall(r"`([^`\n]+)`", FENCED.sub("", WHOLE))
    for line in lines:
        for part in re.split(r"\||\$\(", line):
            found = re.match(r"\s*(?:python -m )?crowdmask (.+)", part)
            if found:
                yield shlex.split(found[1].replace('"', " ").replace("'", " ").replace(")", " "))


def command_of(words: list[str]) -> click.Command | None:
    every = commands()
    return every.get(" ".join(words[:2])) or every.get(words[0])


def test_the_readme_is_short() -> None:
    assert len(PAGES["README.md"].encode()) < README_LIMIT


def test_the_readme_links_every_page() -> None:
    linked = {link.partition("#")[0] for page, link in LINKS if page == "README.md"}
    assert set(PAGES) - {"README.md"} <= linked


@pytest.mark.parametrize("page", PAGES)
def test_the_tables_are_as_the_code_makes_them(page: str) -> None:
    assert made(PAGES[page]) == PAGES[page], "run `python -m tests.docs_tables` and read what it changed"


def test_every_command_and_set_of_columns_has_its_table() -> None:
    told = [found["name"] for found in docs_tables.BLOCK.finditer(WHOLE)]
    assert sorted(told) == sorted(makers())


@pytest.mark.parametrize("name", [name for name, command in commands().items() if options_of(command)])
def test_every_option_of_a_command_stands_in_its_table_or_in_that_of_analyze(name: str) -> None:
    """Guards the tables' maker, which leaves out what `analyze` tells already."""
    tables = {found["name"]: found[0] for found in docs_tables.BLOCK.finditer(WHOLE)}
    told = tables[f"options {name}"]
    shared = re.findall(r"“(.+?)”", told)
    for heading in shared:
        start = tables["options analyze"].index(f"**{heading}**")
        told += re.split(r"\n\*\*", tables["options analyze"][start:])[0]
    for option in options_of(commands()[name]):
        assert f"`{option.opts[-1]}`" in told, option.opts


def test_a_changed_default_or_a_new_option_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    @setting_options(EvaluationSettings, "How it is judged")
    @click.option("--brand-new", default=3)
    def changed(**given: object) -> None: ...

    monkeypatch.setattr(docs_tables, "commands", lambda: {**commands(), "stats": changed})
    page = PAGES["docs/statistics.md"]
    assert "`--brand-new` | `3`" in made(page) and made(page) != page


def test_every_command_is_spoken_of_outside_its_table() -> None:
    prose = docs_tables.BLOCK.sub("", WHOLE)
    for name in commands():
        assert f"crowdmask {name}" in prose, name


def test_the_pages_call_no_command_or_option_that_is_not_there() -> None:
    names = {name.split()[0] for name in commands()}
    seen = 0
    for words in calls():
        if words[0].startswith("-") or not words[0].islower():
            continue
        assert words[0] in names, words
        seen += 1
        command = command_of(words)
        if command is None:
            assert len(words) == 1, words  # the group itself is spoken of
            continue
        known = {name for option in options_of(command) for name in (*option.opts, *option.secondary_opts)}
        given = {word for word in words if re.match(r"--?[a-z]", word)} - {"--help"}
        assert given <= known, (words, given - known)
    assert seen > 20


def test_every_option_that_is_spoken_of_exists() -> None:
    every = {
        name for command in commands().values() for o in options_of(command) for name in (*o.opts, *o.secondary_opts)
    }
    told = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+[a-z0-9]", WHOLE))
    assert told - every - FOREIGN - {"--help"} == set()


def anchors_of(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", FENCED.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(("page", "link"), sorted({(p, link) for p, link in LINKS if "://" not in link}))
def test_links_lead_somewhere(page: str, link: str) -> None:
    name, _, anchor = link.partition("#")
    target = (ROOT / page).parent / name if name else ROOT / page
    assert target.exists()
    assert not anchor or anchor in anchors_of(target.read_text(encoding="utf-8"))


def test_some_links_lead_to_a_heading() -> None:
    assert any("#" in link and "://" not in link for _, link in LINKS)


def test_every_column_is_named() -> None:
    assert f"`{','.join(FRAMES_OF_ONE.names)}`" in PAGES["docs/outputs.md"]
    told = "".join(found[0] for found in docs_tables.BLOCK.finditer(WHOLE) if found["name"].startswith("columns"))
    for column in (*FRAMES.names, *DETECTIONS.names, *PERSONS.names):
        assert f"| `{column}` |" in told
    for column in STATISTICS.names:
        assert f"| `{column}` |" in PAGES["docs/statistics.md"]


def test_every_field_of_the_summary_is_named() -> None:
    written = summary.summarise(
        VideoInfo("a.mp4", SourceKind.VIDEO, 96, 64),
        ComplianceStats(),
        summary.Work(1.0),
        analysis=AnalysisSettings(),
        runtime=RuntimeSettings(),
        output=OutputSettings(),
    )
    part = section_of("The summary", "docs/outputs.md")
    heads = [cells(line)[0] for line in part.splitlines() if line.startswith("| `")]
    assert re.findall(r"`(\w+)`", " ".join(heads)) == list(written)


def test_the_exit_codes_are_those_of_the_command() -> None:
    modules = [
        importlib.import_module(f"crowdmask.cli.{found.name}") for found in pkgutil.iter_modules(crowdmask.cli.__path__)
    ]
    codes = {value for m in modules for name, value in vars(m).items() if name.startswith("EXIT_")}
    assert {cli_main.EXIT_FAILED, cli_main.EXIT_INTERRUPTED} < codes
    rows = [
        cells(line) for line in section_of("Exit codes", "docs/options.md").splitlines() if re.match(r"\| \d", line)
    ]
    assert [int(row[0]) for row in rows] == sorted({0, *codes})


def test_every_variable_that_is_named_is_heeded() -> None:
    told = set(re.findall(r"CROWDMASK_[A-Z_]*[A-Z]", WHOLE))
    known = {variable_of(f) for f in fields_of(AnalysisSettings, OutputSettings, RuntimeSettings)}
    assert told <= known | set(OTHER_VARIABLES)
    assert set(OTHER_VARIABLES) < told and all(name.startswith(PREFIX) for name in told)


def test_the_example_of_zones_is_read(tmp_path: Path) -> None:
    (code,) = (code for code in code_of("toml") if "[[camera]]" in code)
    path = tmp_path / "zones.toml"
    path.write_text(code)
    assert read_zones(path).names == ZoneNames(("waiting area",), ("door",))


def test_every_extra_is_on_the_page_of_installing() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    text = (ROOT / "docs" / "install.md").read_text()
    table = text.split("| extra | for |")[1].split("\n\n")[0]
    named = {name for line in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", line.split("|")[1])}
    assert named == set(setup["options.extras_require"])


def test_the_config_example_is_read(tmp_path: Path) -> None:
    (code,) = (code for code in code_of("toml") if "[[camera]]" not in code)
    path = tmp_path / "crowdmask.toml"
    path.write_text(code)
    for command, kinds in {
        "analyze": (AnalysisSettings, OutputSettings),
        "evaluate": (AnalysisSettings, EvaluationSettings),
    }.items():
        layer = from_file(list(fields_of(*kinds)), path, command, cli_main.COMMANDS)
        assert layer.values, command
    assert from_file(list(fields_of(AnalysisSettings, OutputSettings)), path, "analyze", cli_main.COMMANDS).values == {
        "mask_threshold": 0.6,
        "every": 5,
        "start_s": 600.0,
        "blur": True,
    }


@pytest.mark.parametrize("number", range(len(code_of("python"))))
def test_the_python_examples_run(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("crowdmask.engine.load.load_detector", lambda analysis, runtime: FakeDetector())
    monkeypatch.setattr("crowdmask.engine.load.load_classifier", lambda analysis, runtime: FakeClassifier())
    monkeypatch.chdir(tmp_path)
    write_clip("video.mp4", size_wh=(256, 160), frames=[picture(SCENE, i) for i in range(30)])
    exec(compile(code_of("python")[number], f"docs, example {number}", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    if number == 0:  # one who stands there without a mask, and from frame 20 on a second one
        assert [line.split()[1] for line in lines] == [str(1 + (i >= 20)) for i in range(30)]
    else:
        assert any(line.endswith(" unmasked") for line in lines) and 0 <= float(lines[-1]) < 1


def test_the_example_count_guards_the_examples() -> None:
    assert len(code_of("python")) == 2


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    told = set(re.findall(r"\bmake ([a-z]+)", " ".join(code for _, code in BLOCKS)))
    assert {"demo", "test", "lint"} <= told <= targets


def test_the_pages_name_no_machine_and_no_registry() -> None:
    for page in LINKED.values():
        assert re.search(r"/work/|/root/|/home/|/tmp/|pypi\.org|https?://(?:localhost|127\.)", page) is None
        assert os.linesep == "\n"
