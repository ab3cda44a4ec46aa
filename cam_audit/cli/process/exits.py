"""Exit codes, the same for every command."""

from __future__ import annotations

import os
import sys
from enum import IntEnum
from typing import TYPE_CHECKING, NoReturn

from cam_audit.findings.codes import FAILING

if TYPE_CHECKING:
    from cam_audit.records import AuditReport


class Exit(IntEnum):
    """What a command's end means to a shell or a CI job."""

    CLEAN = 0
    FINDINGS = 1
    USAGE = 2
    INCOMPLETE = 3
    CRASHED = 70
    INTERRUPTED = 130
    TERMINATED = 143


class Terminated(KeyboardInterrupt):
    """SIGTERM, which a cancelled CI job gets: it ends everything as Ctrl-C does."""


class Interrupted(Exception):
    """The user interrupted; the message says how to go on. No KeyboardInterrupt, as click makes its own of those."""


def exit_of(report: AuditReport, errors: int, fail_on: str) -> Exit:
    """FINDINGS where any is as grave as `fail_on`, else INCOMPLETE where images could not be read, else CLEAN."""
    if any(finding.severity in FAILING[fail_on] for finding in report.findings):
        return Exit.FINDINGS
    return Exit.INCOMPLETE if errors else Exit.CLEAN


def end(code: int) -> NoReturn:
    """End the process at once.

    An orderly end would wait for images that are under way, perhaps for many seconds, and take OpenCV and onnxruntime
    down piece by piece, for a tenth of a second, in which they may crash.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
