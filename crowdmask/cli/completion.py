"""`crowdmask completion`: prints the line that a shell's start-up file evaluates to complete commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from crowdmask.errors import CrowdmaskError

SHELLS = ("bash", "zsh", "fish")


@click.command(name="completion")
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the completion script for a shell.

    \b
    bash:  echo 'eval "$(crowdmask completion bash)"' >> ~/.bashrc
    zsh:   echo 'eval "$(crowdmask completion zsh)"' >> ~/.zshrc
    fish:  crowdmask completion fish > ~/.config/fish/completions/crowdmask.fish
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise CrowdmaskError(f"{shell}: the installed click has no completion for it; update click")
    try:
        click.echo(kind(ctx.find_root().command, {}, "crowdmask", "_CROWDMASK_COMPLETE").source())
    except RuntimeError as error:  # click asks bash for its version
        raise CrowdmaskError(f"{shell}: {error}") from error
