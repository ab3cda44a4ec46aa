"""`cam-audit help`: the same as `--help`."""

from __future__ import annotations

import click

from cam_audit.cli.helpful import HelpfulCommand
from cam_audit.cli.process.exits import Exit


@click.command(cls=HelpfulCommand, short_help="Show the help of a command.")
@click.argument("command", nargs=-1, metavar="[COMMAND]...")
@click.pass_context
def help(ctx: click.Context, command: tuple[str, ...]) -> int:
    """Show what `cam-audit COMMAND --help` shows, or without COMMAND all commands."""
    shown = ctx.parent or ctx
    for word in command:
        if not isinstance(shown.command, click.Group):
            raise click.UsageError(f"{shown.command_path} has no commands, so there is no {word!r}", ctx)
        name, found, _ = shown.command.resolve_command(shown, [word])
        shown = click.Context(found or shown.command, parent=shown, info_name=name)
    click.echo(shown.get_help())
    return Exit.CLEAN
