"""`cam-audit demo`: the whole story on drawings of our own."""

from __future__ import annotations

import click


@click.command()
def demo() -> None:
    """Draw a data set with planted shortcuts and audit a net that learnt them."""
