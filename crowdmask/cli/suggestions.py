"""Stands between the shell and the commands: a mistyped command or option is answered with the nearest that exists."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import click

CLOSE_ENOUGH = 0.6  # of difflib's ratio: "anlayze" is 0.86 to analyze, "watch" 0.55 to batch
MOST_OPTIONS = 3


class CommandsListed(click.UsageError):
    """A command was expected and none that exists was given: its message has a line for each one there is."""


class SuggestingGroup(click.Group):
    """A group that names the nearest command, and lists all of them where none is near or none was given."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args and not self.invoke_without_command and not ctx.resilient_parsing:
            raise CommandsListed(f"give one of these commands:\n{self.listed(ctx)}", ctx)
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = str(args[0])
        if self.get_command(ctx, name) is None and not name.startswith("-") and not ctx.resilient_parsing:
            raise self._unknown(ctx, name)
        return super().resolve_command(ctx, args)

    def summaries(self, ctx: click.Context) -> list[tuple[str, str]]:
        """Each command with the first sentence of its help."""
        found = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        return [(name, one.get_short_help_str(limit=200)) for name, one in found if one is not None]

    def listed(self, ctx: click.Context) -> str:
        rows = self.summaries(ctx)
        width = max(len(name) for name, _ in rows)
        return "\n".join(f"  {name:<{width}}  {text}" for name, text in rows)

    def _unknown(self, ctx: click.Context, name: str) -> click.UsageError:
        near = nearest(name, self.list_commands(ctx))
        if near is not None:
            return click.UsageError(f"there is no command {name!r}: did you mean `{ctx.command_path} {near}`?", ctx)
        if ctx.parent is None and (Path(name).exists() or "://" in name):
            return click.UsageError(f"{name} is no command: did you mean `{ctx.command_path} analyze {name}`?", ctx)
        return CommandsListed(f"there is no command {name!r}; the commands are:\n{self.listed(ctx)}", ctx)


def nearest(name: str, known: Iterable[str]) -> str | None:
    close = difflib.get_close_matches(name.casefold(), list(known), n=1, cutoff=CLOSE_ENOUGH)
    return close[0] if close else None


def nearest_options(given: str, known: Sequence[str]) -> list[str]:
    """The options that begin as the given one does, else those that are spelled alike; the nearest first."""
    alike = [name for name in known if name.startswith(given)]
    if not alike:
        alike = difflib.get_close_matches(given, known, n=MOST_OPTIONS, cutoff=CLOSE_ENOUGH)
    return sorted(alike, key=lambda name: -difflib.SequenceMatcher(None, given, name).ratio())[:MOST_OPTIONS]


def unknown_option(error: click.NoSuchOption, elsewhere: Callable[[str], str | None]) -> str:
    """What to say of an option that the command does not have; `elsewhere` names a command that has it."""
    command = error.ctx.command if error.ctx is not None else None
    where = f" in `{error.ctx.command_path}`" if error.ctx is not None else ""
    fault = f"there is no option {error.option_name}{where}"
    owner = elsewhere(error.option_name)
    if owner is not None:
        return f"{fault}: {error.option_name} is an option of `crowdmask {owner}`"
    near = nearest_options(error.option_name, option_names(command) if command is not None else [])
    return f"{fault}: did you mean {' or '.join(near)}?" if near else fault


def option_names(command: click.Command) -> list[str]:
    options = [param for param in command.params if isinstance(param, click.Option)]
    return [name for option in options for name in (*option.opts, *option.secondary_opts) if name.startswith("--")]
