"""The `crowdmask` command: finds each subcommand in its own module, and turns errors into one line and an exit code."""

from __future__ import annotations

import errno
import importlib
import io
import os
import sys
from typing import Any

import click
from click.shell_completion import CompletionItem

from crowdmask import __version__
from crowdmask.cli.suggestions import CommandsListed, SuggestingGroup, option_names, unknown_option
from crowdmask.errors import CrowdmaskError, SettingsError

EXIT_FAILED, EXIT_USAGE, EXIT_SOME_FAILED, EXIT_INTERRUPTED = 1, 2, 3, 130

COMMANDS = {  # name: (module, one-line help), so that `--help` imports none of them
    "analyze": ("crowdmask.cli.analyze", "Find and judge every face in videos and pictures."),
    "status": ("crowdmask.cli.status", "How far a batch is: done, failed, left, time left."),
    "merge": ("crowdmask.cli.merge", "Join the runs of a batch that was split between machines."),
    "stats": ("crowdmask.cli.stats", "Compliance statistics over time from finished runs."),
    "report": ("crowdmask.cli.report", "One HTML page about a run."),
    "draw": ("crowdmask.cli.draw", "Draw a video anew from the faces that were kept."),
    "rejudge": ("crowdmask.cli.rejudge", "Judge anew what was found, with other thresholds."),
    "zones": ("crowdmask.cli.zones", "Draw what a file of zones and lines means into a frame."),
    "purge": ("crowdmask.cli.purge", "Delete what can show a person, keep the counts."),
    "weights": ("crowdmask.cli.weights", "List, verify and fetch the networks' weights."),
    "evaluate": ("crowdmask.cli.evaluate", "Judge the networks on labelled pictures."),
    "train": ("crowdmask.cli.train", "Train the networks on your own pictures."),
    "export": ("crowdmask.cli.export", "Write a network for another runtime."),
    "compare": ("crowdmask.cli.compare", "Train and judge several networks alike, in one table."),
    "runs": ("crowdmask.cli.runs", "Find trainings, comparisons and evaluations again."),
    "completion": ("crowdmask.cli.completion", "Print the shell's completion script (bash, zsh, fish)."),
}


class LazyGroup(SuggestingGroup):
    """Imports a command's module when it is called; each module offers it as `command`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(COMMANDS[cmd_name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def summaries(self, ctx: click.Context) -> list[tuple[str, str]]:
        return [(name, text) for name, (_, text) in COMMANDS.items()]

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        names = [CompletionItem(n, help=text) for n, (_, text) in COMMANDS.items() if n.startswith(incomplete)]
        return names + click.Command.shell_complete(self, ctx, incomplete)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]}, invoke_without_command=True)
@click.version_option(__version__, prog_name="crowdmask")
@click.pass_context
def crowdmask(ctx: click.Context) -> None:
    """Count masked and unmasked faces in crowd video and CCTV stills."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main(args: list[str] | None = None, networks: Any = None) -> None:
    """Runs the command and leaves the process with its exit code; `networks` stand in for those in `weights/`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # paths may hold bytes, and our words letters, that it cannot show
    arguments = sys.argv[1:] if args is None else args
    try:
        code = crowdmask.main(arguments, prog_name="crowdmask", standalone_mode=False, obj=networks)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of our output left, as `head` does: nothing to say, and nothing more to be flushed at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(EXIT_FAILED)
    except (Exception, KeyboardInterrupt) as error:
        if "-v" in arguments or "--verbose" in arguments:
            import traceback

            click.echo(printable("".join(traceback.format_exception(error))), err=True, nl=False)
        message, code = told(error)
        click.echo(f"crowdmask: {message}", err=True)
    sys.exit(code if isinstance(code, int) else 0)


def told(error: BaseException) -> tuple[str, int]:
    """What to say of an error, in one line but where it lists the commands, and the exit code it asks for."""
    if isinstance(error, click.UsageError):
        return usage(error), EXIT_USAGE
    if isinstance(error, (click.Abort, KeyboardInterrupt)):
        return "interrupted", EXIT_INTERRUPTED
    if isinstance(error, click.ClickException):
        return one_line(error.format_message()), error.exit_code
    if isinstance(error, CrowdmaskError):
        return one_line(str(error)), EXIT_USAGE if isinstance(error, SettingsError) else EXIT_FAILED
    return _unforeseen(error), EXIT_FAILED


def _unforeseen(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return "out of memory: try a smaller --window, --batch or --detection-size"
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        name = printable(os.fsdecode(error.filename or ""))
        return f"{name[:40]}… is longer than a path may be ({len(name)} letters): check it"
    fault = one_line(f"{type(error).__name__}: {error}")
    return f"this should not happen, please report it with the output of -v: {fault}"


def usage(error: click.UsageError) -> str:
    if isinstance(error, CommandsListed):
        return error.format_message()
    fault = unknown_option(error, command_with) if isinstance(error, click.NoSuchOption) else error.format_message()
    where = error.ctx.command_path if error.ctx is not None else "crowdmask"
    return f"{one_line(fault)} (see `{where} --help`)"


def command_with(option: str) -> str | None:
    """The first command that has this option."""
    for name, (module, _) in COMMANDS.items():
        command = importlib.import_module(module).command
        if isinstance(command, click.Command) and option in option_names(command):
            return name
    return None


def one_line(text: str) -> str:
    return printable(" ".join(text.split()))


def printable(text: str) -> str:
    """Text without what a terminal would obey: names may hold anything, and passwords are nobody's to read."""
    from crowdmask.media.opening import hide_secrets

    seen = hide_secrets(text) if "://" in text else text
    return "".join(c if c in "\n\t" or c.isprintable() else f"\\x{ord(c):02x}" for c in seen)
