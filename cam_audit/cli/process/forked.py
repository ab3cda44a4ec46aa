"""Forks a process, passes on to it what users tell this one, and says how it ended and what it was decoding then."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import NoReturn

from cam_audit.images import being_decoded
from cam_audit.images.being_decoded import CrashLog, Decoding

# How a process ends when something is wrong in its C code.
FAULTS = ("SIGSEGV", "SIGBUS", "SIGABRT", "SIGILL", "SIGFPE")
PASSED_ON = (signal.SIGINT, signal.SIGTERM)
# The slowest of what is read, noise as JPEG 2000 without loss, takes 0.4 seconds a megapixel; the largest has 179.
DECODE_SECONDS = 120


@dataclass(frozen=True)
class Ending:
    """How a process ended: with an exit code, or by the signal of a name, and which files it was decoding then.

    `overdue`: it was killed because decoding these took too long.
    """

    code: int
    signal: str
    decoding: tuple[Decoding, ...]
    overdue: bool

    @property
    def is_fault(self) -> bool:
        """Whether C code crashed or hung."""
        return self.overdue or self.signal in FAULTS

    @property
    def effect(self) -> str:
        """What decoding did to the process."""
        return f"took more than {DECODE_SECONDS} seconds" if self.overdue else f"ended the process by {self.signal}"


def can_fork() -> bool:
    """Whether this process can be forked: Windows can't, and a child would lack all threads but one."""
    return hasattr(os, "fork") and threading.active_count() == 1


def be_told() -> None:
    """Let what is PASSED_ON come to this process, if it was forked, and what came already."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON)


def run_forked(process: Callable[[], NoReturn], log: CrashLog) -> Ending:
    """Run `process` in a child and wait for its end; what is PASSED_ON waits for that to call `be_told`.

    The child ends when this process does, however that ends, and is killed where a decode takes DECODE_SECONDS.
    """
    reading, writing = os.pipe()
    signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON)
    child = os.fork()
    if not child:
        os.close(writing)
        threading.Thread(target=_end_with_parent, args=(reading,), daemon=True).start()
        being_decoded.write_to(log)
        process()
    os.close(reading)
    status, overdue = _wait(child, log)
    os.close(writing)
    code = os.waitstatus_to_exitcode(status)
    decoding = log.under_way()
    return Ending(
        code,
        signal.Signals(-code).name if code < 0 else "",
        tuple(file for number, file in decoding.items() if not overdue or number in overdue),
        bool(overdue),
    )


def _end_with_parent(pipe: int) -> None:
    """Wait until the parent ends, whose end of the pipe is closed then, and end at once, with all threads."""
    os.read(pipe, 1)
    os.kill(os.getpid(), signal.SIGKILL)


def _wait(child: int, log: CrashLog) -> tuple[int, set[int]]:
    """How a child ended, as `os.waitpid` has it, and the numbers of the decodes for which it was killed.

    What is PASSED_ON is blocked before and after, so that it waits for the next child where it finds none.
    """
    ages: dict[int, int] = {}
    overdue: set[int] = set()

    def tick(_: int, __: FrameType | None) -> None:
        nonlocal ages
        # counted here, as clocks go on while the two are stopped
        ages = {number: ages.get(number, -1) + 1 for number in log.numbers()}
        overdue.update(number for number, age in ages.items() if age >= DECODE_SECONDS)
        if overdue:
            pass_on(signal.SIGKILL, None)

    def pass_on(number: int, _: FrameType | None) -> None:
        # it may have ended just now
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, number)

    handlers = {number: pass_on for number in PASSED_ON if signal.getsignal(number) is not signal.SIG_IGN}
    before = {number: signal.signal(number, handler) for number, handler in {**handlers, signal.SIGALRM: tick}.items()}
    signal.setitimer(signal.ITIMER_REAL, 1, 1)
    be_told()
    _, status = os.waitpid(child, 0)
    signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON)
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number, handler in before.items():
        signal.signal(number, handler)
    return status, overdue
