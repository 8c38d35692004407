"""Makes the tables of docs/ out of the code they describe: `python -m tests.docs_tables` writes them anew.

A table stands between `<!-- table: NAME -->` and `<!-- end of table -->`; test_docs.py fails where it is out of date.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click

from crowdmask.cli.main import COMMANDS
from crowdmask.cli.options import SettingField, SettingType, is_time, key_of, kind_of
from crowdmask.engine.views import View, views_of
from crowdmask.results.detections import DETECTIONS
from crowdmask.results.frames_csv import FRAMES, FRAMES_OF_ONE
from crowdmask.results.persons import PERSONS
from crowdmask.results.timeline.statistics_columns import STATISTICS, zone_meanings
from crowdmask.settings import AnalysisSettings

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"(<!-- table: (?P<name>[\w -]+?) -->\n).*?(<!-- end of table -->)", re.DOTALL)
SHARED = "analyze"  # sections that it has with other commands are told once, there
PLAIN = "Options"  # heading of options that have none
NO_DEFAULT = "–"

Row = tuple[str, str, str, str]


def pages() -> dict[str, str]:
    """The text of README.md and of every page in docs/, by its path."""
    paths = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    return {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in paths}


def commands() -> dict[str, click.Command]:
    """Every command that there is, those of groups by their whole name: `train detector`."""
    found: dict[str, click.Command] = {}
    for name, (module, _) in COMMANDS.items():
        if importlib.util.find_spec(module) is None:
            continue
        command = importlib.import_module(module).command
        if isinstance(command, click.Group):
            found |= {f"{name} {inner}": sub for inner, sub in command.commands.items()}
        else:
            found[name] = command
    return found


def options_of(command: click.Command) -> list[click.Option]:
    return [param for param in command.params if isinstance(param, click.Option)]


def sections_of(command: click.Command) -> dict[str, list[Row]]:
    """The rows of a command's options, under the headings that its `--help` shows."""
    sections: dict[str, list[Row]] = {}
    for option in options_of(command):
        sections.setdefault(getattr(option, "section", PLAIN), []).append(_row(option))
    return sections


def _row(option: click.Option) -> Row:
    if isinstance(option.type, SettingType):
        f = option.type.field
        return f"`--{key_of(f)}`", _shown(f.default), _range_of(f), escaped(f.metadata["help"])
    names = "/".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    text = re.sub(r"\s*\[default: .*?\]$", "", option.help or "")
    noted = re.search(r"\[default: (.*?)\]$", option.help or "")
    if option.required:
        default = "required"
    elif option.is_flag:
        default = "on" if (noted and noted[1] == "on") or option.default is True else "off"
    else:
        default = noted[1] if noted else _shown(option.default)
    return names, default, _kind_of(option), escaped(text)


def _shown(value: Any) -> str:
    if value is None or value == () or type(value).__name__ == "Sentinel":
        return NO_DEFAULT
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _range_of(f: SettingField) -> str:
    low, high = f.metadata["low"], f.metadata["high"]
    if f.metadata["choices"]:
        return ", ".join(f"`{choice}`" for choice in f.metadata["choices"])
    if f.metadata["path"]:
        return {"file": "file", "dir": "folder"}[f.metadata["path"]]
    kinds = {"int": "whole number", "float": "number", "str": "text", "int or time": "whole number or time"}
    kind = kinds[kind_of(f)[0]]
    unit = "time" if is_time(f) else kind
    return unit if low is None else f"{unit}{_from_to(low, high)}"


def _kind_of(option: click.Option) -> str:
    kind = option.type
    if isinstance(kind, click.Choice):
        shown = ", ".join(f"`{choice}`" for choice in kind.choices)
    elif isinstance(kind, (click.IntRange, click.FloatRange)):
        shown = ("whole number" if isinstance(kind, click.IntRange) else "number") + _from_to(kind.min, kind.max)
    elif option.is_flag:
        shown = ""
    else:
        word = (option.metavar or ("PATH" if isinstance(kind, click.Path) else "TEXT")).lower()
        shown = {"dir": "folder"}.get(word, word)
    return f"{shown}, repeatable" if option.multiple else shown


def _from_to(low: float | None, high: float | None) -> str:
    if low is None:
        return ""
    return f", {low:,g} or more" if high is None else f", {_plain(low)} to {_plain(high)}"


def _plain(number: float) -> str:
    return f"{number:g}" if abs(number) < 1e6 else f"{number:.0f}"


def escaped(text: str) -> str:
    """Help as Markdown: what is no markup there is none here."""
    return re.sub(r"([*|<])", r"\\\1", " ".join(text.split()))


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)]) + "\n"


def options_table(name: str) -> str:
    """A table for each section of a command; sections that are those of `analyze` are named only."""
    every = commands()
    told = [] if name == SHARED else list(sections_of(every[SHARED]).items())
    written, shared = [], []
    for section, rows in sections_of(every[name]).items():
        same = next(((heading, theirs) for heading, theirs in told if len(rows) > 1 and set(rows) <= set(theirs)), None)
        if same is not None:
            without = ", ".join(names for names, *_ in same[1] if names not in {row[0] for row in rows})
            shared.append(f"“{same[0]}”" + (f" (but for {without})" if without else ""))
            continue
        heading = "" if section == PLAIN else f"**{section}**\n\n"
        written.append(heading + table(("option", "default", "takes", "what it does"), rows))
    if shared:
        written.append(f"And the options of `crowdmask {SHARED}` under {' and '.join(shared)}.\n")
    return "\n".join(written)


def columns_table(columns: dict[str, str]) -> str:
    return table(("column", "what"), ((f"`{name}`", escaped(meaning)) for name, meaning in columns.items()))


EXAMPLES: tuple[tuple[tuple[int, int], dict[str, int]], ...] = (
    ((320, 240), {}),
    ((640, 480), {}),
    ((1280, 720), {}),
    ((1920, 1080), {}),
    ((3840, 2160), {}),
    ((3840, 2160), {"detection_size": 2560}),
    ((3840, 2160), {"tiles": 3}),
)


def views_table() -> str:
    """At which sizes some pictures are looked at, and what a face of 24 pixels measures in the largest of them."""
    rows = []
    for (width, height), given in EXAMPLES:
        views = views_of((width, height), AnalysisSettings(**given))  # type: ignore[arg-type]
        options = " ".join(f"`--{name.replace('_', '-')} {value}`" for name, value in given.items()) or "none"
        finest = max(view.scale for view in views)
        rows.append((f"{width}×{height}", options, "; ".join(_told(views, (width, height))), f"{24 * finest:.0f} px"))
    return table(("picture", "options", "looked at as", "a face of 24 px is then"), rows)


def _told(views: Sequence[View], picture_wh: tuple[int, int]) -> Iterator[str]:
    sizes: dict[str, int] = {}
    for view in views:
        whole = (view.right - view.left, view.bottom - view.top) == picture_wh
        limits = [f"from {view.smallest:.0f} px"] * (view.smallest > 0)
        limits += [f"up to {view.largest:.0f} px"] * (view.largest != float("inf"))
        text = f"{'whole' if whole else 'tiles'} at {'×'.join(str(side) for side in view.size_wh)}"
        key = text if not whole else f"{text} (faces {' '.join(limits)} there)"
        sizes[key] = sizes.get(key, 0) + 1
    for text, number in sizes.items():
        yield text if number == 1 else f"{number} {text}"


def makers() -> dict[str, Callable[[], str]]:
    """Every table by its name in the pages."""
    options = {
        f"options {name}": partial(options_table, name) for name, command in commands().items() if options_of(command)
    }
    return {
        **options,
        "columns frames": lambda: columns_table(FRAMES_OF_ONE.meanings),
        "columns run": lambda: columns_table({c.name: c.meaning for c in FRAMES.columns if c.of_run}),
        "columns persons": lambda: columns_table(PERSONS.meanings),
        "columns detections": lambda: columns_table(DETECTIONS.meanings),
        "columns statistics": lambda: columns_table(STATISTICS.meanings),
        "columns zones": lambda: columns_table(zone_meanings()),
        "views": views_table,
    }


def made(text: str) -> str:
    """A page with every table as the code has it now."""
    known = makers()

    def renewed(found: re.Match[str]) -> str:
        make = known.get(found["name"])
        return found[0] if make is None else f"{found[1]}\n{make()}\n{found[3]}"

    return BLOCK.sub(renewed, text)


def main() -> None:
    for name, text in pages().items():
        (ROOT / name).write_text(made(text), encoding="utf-8")


if __name__ == "__main__":
    main()
