"""Threads give their results in the order of the items and never have many under way; and how many cores there are.

Cores are counted by affinity and by the quota of control groups, read from files as the kernel writes them.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from cam_audit import workers as cores
from cam_audit.workers import WINDOW_PER_WORKER, available_cores, cpu_quota, in_order, one_by_one


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_results_come_in_the_order_of_the_items(workers: int) -> None:
    def slow_first(item: int) -> int:
        time.sleep(0.02 if item % 5 == 0 else 0)
        return item * item

    assert list(in_order(workers, slow_first, range(40))) == [item * item for item in range(40)]
    assert list(one_by_one(slow_first, range(3))) == [0, 1, 4]
    assert list(in_order(workers, slow_first, [])) == []


def test_items_do_not_pile_up() -> None:
    taken: list[int] = []
    # each item notes that it was taken
    items = (taken.append(item) or item for item in range(200))
    for number, _ in enumerate(in_order(2, abs, items), 1):
        assert len(taken) <= number + 2 * WINDOW_PER_WORKER


def test_several_items_are_worked_on_at_a_time() -> None:
    together = threading.Barrier(3, timeout=10)
    list(in_order(3, lambda _: together.wait(), range(3)))


def test_an_error_ends_it_and_leaves_no_thread() -> None:
    before = threading.active_count()
    with pytest.raises(ZeroDivisionError):
        list(in_order(2, lambda item: 1 // (item - 3), range(100)))
    assert threading.active_count() == before


def test_numpy_starts_no_threads_of_its_own_below_the_workers() -> None:
    def threads(_: object = None) -> set[int]:
        return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}

    with threadpool_limits(limits=2, user_api="blas"):
        assert list(in_order(2, threads, range(2))) == [{1}] * 2
        assert threads() == {2}


def test_what_is_under_way_when_one_interrupts_is_computed_as_ever() -> None:
    """The journal keeps it, and sums by several threads would round otherwise."""
    begun, interrupted, ended = threading.Event(), threading.Event(), threading.Event()
    seen: list[set[int]] = []

    def interrupt_or_look(item: int) -> None:
        if item == 0:
            begun.wait(10)
            raise KeyboardInterrupt
        begun.set()
        interrupted.wait(10)
        seen.append({library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"})
        ended.set()

    with threadpool_limits(limits=2, user_api="blas"):
        with pytest.raises(KeyboardInterrupt):
            list(in_order(2, interrupt_or_look, range(2)))
        interrupted.set()
        assert ended.wait(10)
    assert seen == [{1}]


def quota(folder: Path, membership: str, files: dict[str, str]) -> float | None:
    for name, content in files.items():
        path = folder / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    (folder / "membership").write_text(membership)
    return cpu_quota(folder / "membership", folder / "cgroup")


@pytest.mark.parametrize(
    ("membership", "files", "expected"),
    [
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 1.5),
        ("0::/\n", {"cpu.max": "max 100000\n"}, None),
        ("0::/\n", {}, None),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "50000 100000\n"}, 0.5),
        ("0::/a/b\n", {"a/b/cpu.max": "300000 100000\n", "a/cpu.max": "200000 100000\n"}, 2),
        ("0::/the/hosts/path\n", {"cpu.max": "400000 200000\n"}, 2),
        ("4:cpu,cpuacct:/x\n", {"cpu,cpuacct/x/cpu.cfs_quota_us": "250000\n",
                                "cpu,cpuacct/x/cpu.cfs_period_us": "100000\n"}, 2.5),
        ("1:cpu:/\n0::/\n", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ("3:cpuset:/\n2:memory:/\n", {"cpu.max": "100000 100000\n"}, None),
        ("0::/\n", {"cpu.max": "what is this\n"}, None),
        ("0::/\n", {"cpu.max": "100000 0\n"}, None),
    ],
)  # fmt: skip
def test_the_quota_is_the_least_of_a_group_and_those_above_it(
    tmp_path: Path, membership: str, files: dict[str, str], expected: float | None
) -> None:
    assert quota(tmp_path, membership, files) == expected


def test_there_is_no_quota_where_there_are_no_control_groups(tmp_path: Path) -> None:
    assert cpu_quota(tmp_path / "missing", tmp_path) is None


@pytest.mark.parametrize(("quota", "expected"), [(None, 8), (0.25, 1), (1.0, 1), (1.5, 2), (3.0, 3), (64.0, 8)])
def test_cores_are_those_of_the_affinity_as_far_as_the_quota_goes(
    monkeypatch: pytest.MonkeyPatch, quota: float | None, expected: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(cores, "cpu_quota", lambda: quota)
    assert available_cores() == expected


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="affinity is not set here")
def test_a_process_pinned_to_one_core_has_one() -> None:
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert available_cores() == 1
    finally:
        os.sched_setaffinity(0, before)
