"""How many cores this process may use."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

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
