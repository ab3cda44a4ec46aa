"""The command line: one module a command; the only place that prints and decides exit codes."""

from __future__ import annotations

import sys
from typing import NoReturn

from cam_audit.cli.process.exits import end
from cam_audit.cli.process.forked import can_fork
from cam_audit.cli.process.streams import open_streams
from cam_audit.cli.process.supervisor import supervise


def main() -> NoReturn:
    """Run the command line, a scan in a process of its own."""
    open_streams()
    try:
        code = supervise(_run) if sys.argv[1:2] == ["scan"] and can_fork() else _run()
    except Exception as error:
        # there may be no process to fork, or in the child no thread
        from cam_audit.cli.process.program import tell

        code = tell(error)
    end(code)


def _run() -> int:
    # only after the fork, which takes the longer the more there is to copy
    from cam_audit.cli.process.program import run

    return run()
