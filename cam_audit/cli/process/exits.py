"""Exit codes, the same for every command."""

from __future__ import annotations

import os
import sys
from enum import IntEnum
from typing import TYPE_CHECKING, NoReturn

from cam_audit.cli.process.streams import failure_of_stdout

if TYPE_CHECKING:
    from cam_audit.reports.scan_report import ScanReport


class Exit(IntEnum):
    """What a command's end means to a shell or a CI job."""

    CLEAN = 0
    FINDINGS = 1
    USAGE = 2
    INCOMPLETE = 3
    CRASHED = 70
    INTERRUPTED = 130
    BROKEN_PIPE = 141
    TERMINATED = 143


class Terminated(KeyboardInterrupt):
    """SIGTERM, which a cancelled CI job gets: it ends everything as Ctrl-C does."""


class Interrupted(Exception):
    """The user interrupted; the message says how to go on. No KeyboardInterrupt, as click makes its own of those."""


def exit_of(report: ScanReport) -> Exit:
    """FINDINGS if any, or a part, makes the scan fail, else INCOMPLETE if images could not be read, else CLEAN."""
    from cam_audit.reports.alerts import failing, failing_parts

    if failing(report) or failing_parts(report):
        return Exit.FINDINGS
    return Exit.INCOMPLETE if report.run["errors"] else Exit.CLEAN


def end(code: int, findings: int = Exit.FINDINGS) -> NoReturn:
    """End the process at once.

    An orderly end would wait for images that are under way, perhaps for many seconds, and take OpenCV and onnxruntime
    down piece by piece, for a tenth of a second, in which they may crash. findings: what stands for FINDINGS.
    """
    sys.stdout.flush()
    why = failure_of_stdout()
    if why is not None and code in (Exit.CLEAN, Exit.FINDINGS, Exit.INCOMPLETE):
        # 1 would mean findings to somebody who has read of them
        code = Exit.USAGE
        if isinstance(why, BrokenPipeError):
            # who reads has seen enough, as `head` has
            code = Exit.BROKEN_PIPE
        else:
            print(f"cam-audit: cannot write to stdout: {why.strerror}", file=sys.stderr)
    sys.stderr.flush()
    os._exit(findings if code == Exit.FINDINGS else code)
