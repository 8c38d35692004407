"""The `crowdmask` command: finds each subcommand in its own module, and turns errors into one line and an exit code."""

from __future__ import annotations

import importlib
import sys

import click

from crowdmask import __version__
from crowdmask.errors import CrowdmaskError, SettingsError

EXIT_FAILED, EXIT_USAGE, EXIT_SOME_FAILED, EXIT_INTERRUPTED = 1, 2, 3, 130

COMMANDS = {  # name: (module, one-line help), so that `--help` imports none of them
    "analyze": ("crowdmask.cli.analyze", "Find and judge every face in videos and pictures."),
    "stats": ("crowdmask.cli.stats", "Compliance statistics over time from finished runs."),
    "report": ("crowdmask.cli.report", "One HTML page about a run."),
    "status": ("crowdmask.cli.status", "How far a batch has come."),
    "merge": ("crowdmask.cli.merge", "Join the runs of several machines."),
    "purge": ("crowdmask.cli.purge", "Delete what can show a person, keep the counts."),
    "weights": ("crowdmask.cli.weights", "List, verify and fetch the networks' weights."),
    "evaluate": ("crowdmask.cli.evaluate", "Judge the networks on labelled pictures."),
    "train": ("crowdmask.cli.train", "Train the networks on your own pictures."),
}


class LazyGroup(click.Group):
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


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="crowdmask")
def crowdmask() -> None:
    """Count masked and unmasked faces in crowd video and CCTV stills."""


def main(args: list[str] | None = None) -> None:
    try:
        code = crowdmask.main(args, prog_name="crowdmask", standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("crowdmask: interrupted", err=True)
        sys.exit(EXIT_INTERRUPTED)
    except CrowdmaskError as error:
        if "-v" in (args if args is not None else sys.argv):
            raise
        click.echo(f"crowdmask: {error}", err=True)
        sys.exit(EXIT_USAGE if isinstance(error, SettingsError) else EXIT_FAILED)
