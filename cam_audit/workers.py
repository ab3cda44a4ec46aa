"""All workers at once, with results in order; and how many there may be."""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Protocol, TypeVar

from threadpoolctl import ThreadpoolController

Item = TypeVar("Item")
Result = TypeVar("Result")
# Enough items under way that a slow one at the head of the order does not leave the other workers idle.
WINDOW_PER_WORKER = 8


class Each(Protocol):
    """What `map` is: a function applied to each item, one at a time or several, results in the order of the items."""

    def __call__(self, function: Callable[[Item], Result], items: Iterable[Item], /) -> Iterable[Result]: ...


def one_by_one(function: Callable[[Item], Result], items: Iterable[Item], /) -> Iterator[Result]:
    """`map`, for where there is one worker or one item."""
    return map(function, items)


def in_order(workers: int, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """The results of a function in the order of the items, whichever of the workers is done first.

    At no time are more than a few items a worker under way, so that neither items nor results pile up. BLAS has one
    thread meanwhile; after Ctrl-C, which does not wait for what is under way, it keeps that one.
    """
    remaining = iter(items)
    pool = ThreadPoolExecutor(workers)
    window: deque[Future[Result]] = deque()
    wait = True
    # numpy's own threads on top of the workers would fight for the cores
    limited = _libraries().limit(limits=1, user_api="blas")
    try:
        for item in islice(remaining, workers * WINDOW_PER_WORKER):
            window.append(pool.submit(function, item))
        while window:
            result = window.popleft().result()
            for item in islice(remaining, 1):
                window.append(pool.submit(function, item))
            yield result
    except KeyboardInterrupt:
        # who interrupts does not want to wait for what is under way
        wait = False
        raise
    finally:
        pool.shutdown(wait=wait, cancel_futures=True)
        if wait:
            # not while anything is under way: sums by several threads round otherwise, and its result may be kept
            limited.restore_original_limits()


@cache
def _libraries() -> ThreadpoolController:
    return ThreadpoolController()


CGROUPS = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")


def available_cores() -> int:
    """The number of cores that this process may use: by its affinity, and by the quota of its container."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cpu_quota()
    return cores if quota is None else max(1, min(cores, math.ceil(quota)))


def cpu_quota(membership: Path = MEMBERSHIP, cgroups: Path = CGROUPS) -> float | None:
    """The cores' worth of time that Linux's control groups leave this process; None where they set no limit.

    `membership` lists the groups that the process is in, `cgroups` is where they are mounted. The least quota counts
    of a group and those above it.

    Source: the kernel's documentation, cgroup-v2 (`cpu.max`) and scheduler/sched-bwc (`cpu.cfs_quota_us`).
    """
    try:
        lines = membership.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    return min((quota for line in lines for quota in _quotas(line, cgroups)), default=None)


def _quotas(line: str, cgroups: Path) -> Iterator[float]:
    """The quotas of a group, as one line of the membership names it, and of those above it."""
    _, controllers, group = line.split(":", 2)
    if not controllers:
        mounted = cgroups
    elif "cpu" in controllers.split(","):
        mounted = cgroups / controllers
    else:
        return
    # in a container, the path may be the host's, and only the root of the mount be there
    place = mounted / group.lstrip("/")
    for folder in (place, *place.parents):
        quota = _quota_of(folder, whole=not controllers)
        if quota is not None:
            yield quota
        if folder == mounted:
            return


def _quota_of(folder: Path, *, whole: bool) -> float | None:
    """The quota of one group in cores; `whole`: as version 2 writes it, in one file."""
    try:
        if whole:
            quota, period = (folder / "cpu.max").read_text(encoding="ascii").split()
        else:
            quota, period = (
                (folder / f"cpu.cfs_{name}_us").read_text(encoding="ascii") for name in ("quota", "period")
            )
        cores = int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        # no such file, or "max"
        return None
    return cores if cores > 0 else None
