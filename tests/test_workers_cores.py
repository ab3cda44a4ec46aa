"""Cores are counted by affinity and by the quota of control groups, read from files as the kernel writes them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cam_audit import workers as cores
from cam_audit.workers import available_cores, cpu_quota


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
