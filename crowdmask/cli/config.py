"""Settles each setting: command line over CROWDMASK_* variables over a TOML file over the default."""

from __future__ import annotations

import dataclasses
import difflib
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from crowdmask import settings
from crowdmask.cli.options import SettingField, fields_of, from_text, from_toml, key_of
from crowdmask.errors import SettingsError
from crowdmask.jobs.destinations import Destinations

Settings = TypeVar("Settings")

FILE_NAME = "crowdmask.toml"
PREFIX = "CROWDMASK_"
OTHER_VARIABLES = ("CROWDMASK_CACHE", "CROWDMASK_OFFLINE", "CROWDMASK_CONFIG")
ALTERNATIVES = ("end_s", "duration_s")  # a nearer source that gives one takes the other back


@dataclass(frozen=True)
class Layer:
    """What one source of settings gives, by field name."""

    origin: str
    values: Mapping[str, Any]


def find_file(named: str | None, environ: Mapping[str, str]) -> Path | None:
    """The config file to read: the one named, else the current folder's, else the user's."""
    named = named or environ.get(PREFIX + "CONFIG")
    if named:
        if not Path(named).is_file():
            raise SettingsError(f"{named}: there is no such config file")
        return Path(named)
    nearby = (Path(FILE_NAME), Path(click.get_app_dir("crowdmask")) / FILE_NAME)
    return next((path for path in nearby if path.is_file()), None)


def variable_of(f: SettingField) -> str:
    return PREFIX + key_of(f).replace("-", "_").upper()


def variables_of_all_commands() -> set[str]:
    """A variable stands for a setting in every command that has it; the others leave it alone."""
    kinds = [kind for kind in vars(settings).values() if isinstance(kind, type) and issubclass(kind, settings.Checked)]
    return {
        variable_of(f) for f in fields_of(*(kind for kind in kinds if dataclasses.is_dataclass(kind)), Destinations)
    }


def from_environment(fields: Iterable[SettingField], environ: Mapping[str, str]) -> Layer:
    variables = {variable_of(f): f for f in fields}
    values = {}
    for name, text in environ.items():
        if not name.startswith(PREFIX) or name in OTHER_VARIABLES or text == "":
            continue
        if name in variables_of_all_commands() - variables.keys():
            continue
        if name not in variables:
            raise SettingsError(f"{name}: there is no such setting{_nearest(name, variables)}; unset the variable")
        try:
            values[variables[name].name] = from_text(variables[name], text)
        except SettingsError as error:
            raise SettingsError(f"{name} is {text!r}: {error}") from None
    return Layer("environment", values)


def from_file(fields: Iterable[SettingField], path: Path, command: str, commands: Iterable[str]) -> Layer:
    """The command's own table of the file; tables of other commands are left to them."""
    tables = _read_toml(path)
    for name, table in tables.items():
        if name not in commands:
            fault = (
                "there is no such table" if isinstance(table, dict) else f"settings stand in tables, as in [{command}]"
            )
            raise SettingsError(f"{path}: {name}: {fault}{_nearest(name, commands)}")
        if not isinstance(table, dict):
            raise SettingsError(f"{path}: {name} must be a table, [{name}]")
    keys = {key_of(f): f for f in fields}
    values = {}
    for key, value in tables.get(command, {}).items():
        f = keys.get(key.replace("_", "-"))
        if f is None:
            raise SettingsError(f"{path}: {key} in [{command}]: there is no such setting{_nearest(key, keys)}")
        try:
            values[f.name] = from_toml(f, value)
        except SettingsError as error:
            raise SettingsError(f"{path}: {key} in [{command}] is {value!r}: {error}") from None
    return Layer(str(path), values)


def _read_toml(path: Path) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        with path.open("rb") as file:
            tables: dict[str, Any] = tomllib.load(file)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: it is not valid TOML: {error}") from None
    except OSError as error:
        raise SettingsError(f"{path}: it cannot be read: {error.strerror}") from None
    return tables


def _nearest(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def settle(
    command_line: Mapping[str, Any],
    *kinds: type[Any],
    command: str,
    commands: Iterable[str],
    file: str | None = None,
    environ: Mapping[str, str] | None = None,
    leave_out: Sequence[str] = (),
) -> dict[str, Any]:
    """Every setting that any source gives, by field name, the nearest source's word last.

    Those named in `leave_out` are none of the command's.
    """
    environ = os.environ if environ is None else environ
    fields = [f for f in fields_of(*kinds) if f.name not in leave_out]
    layers = []
    path = find_file(file, environ)
    if path is not None:
        layers.append(from_file(fields, path, command, commands))
    layers.append(from_environment(fields, environ))
    layers.append(Layer("command line", {name: value for name, value in command_line.items() if value is not None}))
    settled: dict[str, Any] = {}
    for layer in layers:
        if any(name in layer.values for name in ALTERNATIVES):
            for name in ALTERNATIVES:
                settled.pop(name, None)
        settled.update(layer.values)
    return settled


def build(kind: type[Settings], settled: Mapping[str, Any]) -> Settings:
    """One settings object out of what was settled; all else keeps its default."""
    names = {f.name for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: value for name, value in settled.items() if name in names})
