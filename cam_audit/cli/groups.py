"""Groups of commands, of which a misspelt one is answered with the nearest."""

from __future__ import annotations

import click

from cam_audit.cli.terminal import which_there_are


class HelpfulGroup(click.Group):
    """A group that says which command may have been meant."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """What click makes of the arguments; raises click.UsageError where there is no such command."""
        name, known = args[0], self.list_commands(ctx)
        if name not in known and not name.startswith("-"):
            ctx.fail(f"there is no command {name!r}; {which_there_are(name, known)}")
        return super().resolve_command(ctx, args)
