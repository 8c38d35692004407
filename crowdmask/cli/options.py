"""Turns the fields of settings.py into command-line options, and text or TOML values into what the fields hold."""

from __future__ import annotations

import dataclasses
import datetime
import math
import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from crowdmask.errors import SettingsError
from crowdmask.settings import checked, kind_of

Command = TypeVar("Command", bound=Callable[..., Any])
SettingField = dataclasses.Field[Any]

TRUE, FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")
METAVARS = {"float": "NUMBER", "int": "N", "str": "TEXT", "int or time": "N|TIME"}
CLOCK = re.compile(r"(?:(\d+):)?(\d{1,2}):(\d{1,2}(?:\.\d+)?)")


def key_of(f: SettingField) -> str:
    """The name users give a setting: `start_s` is `start`, `mask_threshold` is `mask-threshold`."""
    return f.name.removesuffix("_s").replace("_", "-")


def is_time(f: SettingField) -> bool:
    return f.name.endswith("_s")


def parse_time(text: str) -> float:
    """Seconds from `90`, `90.5`, `1:30` or `00:01:30.5`."""
    clock = CLOCK.fullmatch(text.strip())
    if clock:
        hours, minutes, seconds = int(clock[1] or 0), int(clock[2]), float(clock[3])
        if seconds < 60 and (minutes < 60 or clock[1] is None):
            return hours * 3600 + minutes * 60 + seconds
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or clock:
        raise SettingsError("it must be seconds or hh:mm:ss, such as 90 or 00:01:30.5")
    return number


def from_text(f: SettingField, text: str) -> Any:
    """The field's value from the command line or the environment; a SettingsError that does not name the field."""
    kind, _ = kind_of(f)
    if is_time(f):
        return checked(f, parse_time(text))
    if kind == "bool":
        word = text.strip().lower()
        return word in TRUE if word in TRUE + FALSE else checked(f, text)
    try:
        return checked(f, {"int": int, "float": float}.get(kind, str)(text))
    except SettingsError:
        raise
    except ValueError:
        return checked(f, text)  # refuses it, in the words that every other source of settings uses


def from_toml(f: SettingField, value: Any) -> Any:
    """The field's value from a TOML file, where times may also be text or TOML's own local time."""
    if is_time(f) and isinstance(value, str):
        return checked(f, parse_time(value))
    if is_time(f) and isinstance(value, datetime.time):
        return value.hour * 3600.0 + value.minute * 60 + value.second + value.microsecond / 1e6
    return checked(f, value)


class SettingType(click.ParamType):  # type: ignore[type-arg, unused-ignore]  # generic from click 8.4 on
    """Reads one setting and refuses what its field refuses; completes its choices."""

    def __init__(self, f: SettingField) -> None:
        self.field = f
        self.name = kind_of(f)[0]

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return from_text(self.field, value)
        except SettingsError as error:
            self.fail(f"{value!r}: {error}", param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        if self.field.metadata["path"]:
            return [CompletionItem(incomplete, type=self.field.metadata["path"])]
        return [CompletionItem(c) for c in self.field.metadata["choices"] or () if c.startswith(incomplete)]


class SectionOption(click.Option):
    """An option that knows under which heading `--help` shows it."""

    def __init__(self, *args: Any, section: str = "General", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.section = section


class SectionedCommand(click.Command):
    """A command whose `--help` puts its options under headings, in the order in which they are declared."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if isinstance(param, click.Option) and record is not None:
                sections.setdefault(getattr(param, "section", "General"), []).append(record)
        for section, records in sections.items():
            with formatter.section(section):
                formatter.write_dl(records)


def options_of(section: str) -> Callable[..., Callable[[Command], Command]]:
    """`click.option` for options that stand under this heading."""
    return partial(click.option, cls=SectionOption, section=section)


def label_option(section: str) -> Callable[[Command], Command]:
    text = "What a class name means: masked, unmasked or ignore; or a .toml or .json file of such pairs. Repeatable."
    return options_of(section)("--label", "names", multiple=True, metavar="NAME=WORD", help=text)


def track_option(section: str, what: str, names: Sequence[str]) -> Callable[[Command], Command]:
    text = f"Enter {what} there too, in a local folder unless configured otherwise."
    return options_of(section)("--track", type=click.Choice(names), help=text)


def country_option(section: str) -> Callable[[Command], Command]:
    text = "Where the electricity comes from (three letters), for the estimate of energy."
    return options_of(section)("--country", default="DEU", show_default=True, metavar="CODE", help=text)


def general_options(verbose: str) -> Callable[[Command], Command]:
    """A decorator: the options of every command that has settings; `verbose` says what -v adds."""

    def decorate(command: Command) -> Command:
        for option in (
            click.option("-v", "--verbose", is_flag=True, cls=SectionOption, help=verbose),
            click.option("-q", "--quiet", is_flag=True, cls=SectionOption, help="Say nothing but errors."),
            click.option(
                "--config",
                "config_file",
                metavar="PATH",
                type=click.Path(),
                cls=SectionOption,
                help="Read settings from this file.",
            ),
        ):
            command = option(command)
        return command

    return decorate


def setting_options(settings: type[Any], section: str, leave_out: Sequence[str] = ()) -> Callable[[Command], Command]:
    """A decorator: one option for each field; the values not given arrive as None, and config.py fills them in."""

    def decorate(command: Command) -> Command:
        for f in reversed(dataclasses.fields(settings)):
            if f.name not in leave_out:
                command = _option(f, section)(command)
        return command

    return decorate


def _option(f: SettingField, section: str) -> Callable[[Command], Command]:
    key, help_text = key_of(f), f.metadata["help"]
    if kind_of(f)[0] == "bool":
        note = "  [default: on]" if f.default else ""
        pair = f"--{key}/--no-{key}"
        return click.option(pair, f.name, default=None, help=help_text + note, cls=SectionOption, section=section)
    return click.option(
        f"--{key}",
        f.name,
        type=SettingType(f),
        default=None,
        metavar=_metavar(f),
        help=help_text + _default_note(f),
        cls=SectionOption,
        section=section,
    )


def _metavar(f: SettingField) -> str:
    if f.metadata["choices"]:
        return "[" + "|".join(f.metadata["choices"]) + "]"
    if f.metadata["path"]:
        return "PATH"
    return "TIME" if is_time(f) else METAVARS[kind_of(f)[0]]


def _default_note(f: SettingField) -> str:
    return "" if f.default is None else f"  [default: {f.default}]"


def fields_of(*settings: type[Any]) -> Iterator[SettingField]:
    for kind in settings:
        yield from dataclasses.fields(kind)
