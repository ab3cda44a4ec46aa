"""Runs a scan in a process of its own, so that a decoder that crashes or hangs does not end the scan.

Before anything else is imported, this process forks: the child scans, the parent waits. The child notes what it decodes
in memory that both share. Should a fault in C code end it, or a decode take too long, the parent decodes those files,
each in a process of its own: those that do it again are fatal, and a new child goes on from the journal without them.
"""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Callable
from functools import partial
from typing import NoReturn

from cam_audit.cli.process.allocation import keep_freed_memory
from cam_audit.cli.process.exits import Exit, end
from cam_audit.cli.process.forked import FAULTS, PASSED_ON, Ending, be_told, run_forked
from cam_audit.cli.process.libraries import set_environment
from cam_audit.cli.process.resuming import resuming_arguments, resuming_command
from cam_audit.images.being_decoded import CrashLog, Decoding

# What a child ends with for FINDINGS: OpenBLAS ends a process by 1 itself, where it gets no memory.
FINDINGS_OF_CHILD = 71


def supervise(scan: Callable[[], int]) -> int:
    """The exit code of a scan, which does what `sys.argv` says, without the files whose decoding would end it."""
    fatal: dict[str, str] = {}
    harmless: set[str] = set()
    ending = run_forked(partial(_scan, scan), CrashLog(fatal, harmless))
    # a crash that no file causes alone may be chance, but only once; a slow decode may be due to a busy machine
    unexplained = 0
    while ending.is_fault and ending.decoding:
        from cam_audit.cli.terminal import end_progress, note

        end_progress()
        causes = {}
        for file in ending.decoding:
            alone = run_forked(partial(_decode, file), CrashLog({}, ()))
            if alone.is_fault:
                causes[file.path] = f"decoding it {alone.effect}"
            elif alone.code:
                return _code_of(alone)
            else:
                harmless.add(file.path)
        unexplained = 0 if causes or ending.overdue else unexplained + 1
        if unexplained > 1:
            break
        for path, reason in causes.items():
            note(f"{path}: {reason}; the scan goes on without it")
        if not causes:
            paths = ", ".join(file.path for file in ending.decoding)
            note(f"decoding {paths} {ending.effect}, but not when nothing else was done; the scan goes on")
        fatal.update(causes)
        sys.argv[1:] = resuming_arguments()
        ending = run_forked(partial(_go_on, scan), CrashLog(fatal, harmless))
    return _code_of(ending)


def _decode(file: Decoding) -> NoReturn:
    """Decode a file as a scan does, to see what becomes of the process."""
    for number in PASSED_ON:
        signal.signal(number, signal.SIG_DFL)
    be_told()
    from cam_audit.cli.terminal import quiet_libraries
    from cam_audit.images.decode import read_image
    from cam_audit.images.mask import read_mask

    set_environment()
    keep_freed_memory(1)
    # libraries have their say on damaged files, and to be refused is harmless
    with quiet_libraries(), contextlib.suppress(Exception):
        if file.is_mask:
            read_mask(file.path)
        else:
            read_image(file.path, needed=file.needed)
    end(Exit.CLEAN)


def _scan(scan: Callable[[], int]) -> NoReturn:
    end(scan(), findings=FINDINGS_OF_CHILD)


def _go_on(scan: Callable[[], int]) -> NoReturn:
    from cam_audit.cli.terminal import hush

    # what there is to tell has been told
    hush()
    _scan(scan)


def _code_of(ending: Ending) -> int:
    """The exit code for how a scan ended at last; tells on stderr where that was by a signal."""
    if ending.code == FINDINGS_OF_CHILD:
        return Exit.FINDINGS
    if not ending.signal and ending.code != Exit.FINDINGS:
        return ending.code
    from cam_audit.cli.terminal import complain, end_progress

    end_progress()
    if -ending.code in PASSED_ON:
        what = "interrupted"
    elif not ending.signal:
        what = "a library ended the scan, most likely because memory ran out; fewer --workers take less"
    elif ending.signal == "SIGKILL":
        what = "the scan was killed, most likely because memory ran out; fewer --workers take less"
    else:
        what = f"the scan was ended by {ending.signal}"
        what += ", which is most likely a fault in OpenCV or onnxruntime" if ending.signal in FAULTS else ""
    complain(f"{what}; what was finished is kept; go on with {resuming_command()}")
    return Exit.CRASHED if ending.signal in FAULTS or not ending.signal else 128 - ending.code
