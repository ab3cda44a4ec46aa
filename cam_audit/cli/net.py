"""The net that --net or --model names."""

from __future__ import annotations

from pathlib import Path

import click

from cam_audit.cli.terminal import note
from cam_audit.models.known import DEFAULT_NET, find_net


def net_file(name: str | None, file: Path | None) -> Path:
    """The file of the net that --net or --model names; the default one if neither does, which is mentioned.

    Raises click.UsageError if both do, CamAuditError if there is no such net.
    """
    if name is not None and file is not None:
        raise click.UsageError("name the net by either --net NAME or --model FILE")
    if name is None and file is None:
        path = find_net(DEFAULT_NET)
        note(f"no --net and no --model, so {DEFAULT_NET} with ImageNet's classes is taken")
        return path
    return file or find_net(name or DEFAULT_NET)
