"""Where the time of a scan goes: the core time of its stages, measured while it runs."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager

# In the order in which an image goes through them; `audit` is what the audit keeps of the image for later.
STAGES = ("decode", "resize", "run", "audit", "map", "draw", "encode", "write")
OTHER, WAIT = "other", "wait"

_UNTIMED = contextlib.nullcontext()


class Profile:
    """Core seconds by stage; any number of threads may be in any stage at the same time."""

    def __init__(self) -> None:
        self.elapsed = 0.0
        self._room = 0.0
        self._used = 0.0
        self._stages = dict.fromkeys(STAGES, 0.0)
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def running(self, workers: int) -> Iterator[None]:
        """A block in which that many workers scan; blocks add up."""
        begin, used = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            elapsed = time.perf_counter() - begin
            self.elapsed += elapsed
            self._room += workers * elapsed
            self._used += time.process_time() - used

    @contextlib.contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """A block whose core time is that of a stage."""
        begin = time.thread_time()
        try:
            yield
        finally:
            seconds = time.thread_time() - begin
            with self._lock:
                self._stages[stage] += seconds

    def rows(self) -> dict[str, float]:
        """Core seconds of each stage, then of all OTHER work, then of WAIT, which add up to all that workers had.

        OTHER is what the process did besides: rows, journal, progress, Python's own work. WAIT is the time in which
        a worker had a core and did not use it, or did not get it: for files, for other threads, for other programs.
        """
        other = max(0.0, self._used - sum(self._stages.values()))
        return {**self._stages, OTHER: other, WAIT: max(0.0, self._room - self._used)}


def timed(profile: Profile | None, stage: str) -> AbstractContextManager[None]:
    """`Profile.timed`, or a block that nothing is measured of where there is no profile."""
    return profile.timed(stage) if profile else _UNTIMED
