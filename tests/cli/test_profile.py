"""A profile holds all the time that workers had, stage by stage, and changes nothing of what a scan finds."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from commands import run
from pictures import RED, encode, square

from cam_audit import profile
from cam_audit.cli.summary import stage_table
from cam_audit.profile import OTHER, STAGES, WAIT, Profile, timed


class Clock:
    """Stands for the module `time`: three clocks that are set by hand."""

    def __init__(self) -> None:
        self.now = {"perf_counter": 0.0, "process_time": 0.0, "thread_time": 0.0}

    def __getattr__(self, name: str) -> object:
        return lambda: self.now[name]

    def work(self, seconds: float, *, waited: float = 0.0, apart: bool = False) -> None:
        """Let a thread work, `apart` where it is not the one that is timed, and everybody wait."""
        self.now["perf_counter"] += seconds + waited
        self.now["process_time"] += seconds
        self.now["thread_time"] += 0 if apart else seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(profile, "time", clock)
    return clock


def test_stages_other_work_and_waiting_add_up_to_all_that_the_workers_had(clock: Clock) -> None:
    measured = Profile()
    for _ in range(2):
        with measured.running(workers=3):
            with timed(measured, "run"):
                clock.work(4, waited=1)
            with timed(measured, "write"):
                clock.work(0.5)
            clock.work(2, apart=True)
    clock.work(100)
    rows = measured.rows()
    assert list(rows) == [*STAGES, OTHER, WAIT]
    assert {name: seconds for name, seconds in rows.items() if seconds} == {
        "run": 8,
        "write": 1,
        OTHER: 4,
        WAIT: 2 * (3 * 7.5 - 6.5),
    }
    assert sum(rows.values()) == 3 * measured.elapsed == 3 * 15


def test_a_stage_that_fails_is_counted_and_its_error_passed_on(clock: Clock) -> None:
    measured = Profile()

    def fail() -> None:
        with measured.running(1), timed(measured, "write"):
            clock.work(3)
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        fail()
    assert measured.rows()["write"] == measured.elapsed == 3


def test_without_a_profile_a_stage_is_only_its_block() -> None:
    with timed(None, "no such stage"):
        pass


def test_the_table_has_a_line_a_stage_whose_shares_are_all(clock: Clock) -> None:
    measured = Profile()
    with measured.running(2), timed(measured, "decode"):
        clock.work(1)
    lines = [line.split() for line in stage_table(measured, images=4, seconds=1.5).splitlines()]
    assert lines[1] == ["decode", "250.00", "50.0%"]
    assert lines[-3] == [WAIT, "250.00", "50.0%"]
    assert lines[-2] == ["all", "500.00", "100.0%"]
    assert stage_table(Profile(), images=0, seconds=0)


def outputs(out: Path) -> dict[str, bytes]:
    """The results of a scan by their names, but for what tells the time."""
    files = [path for path in out.rglob("*") if path.is_file() and path.name not in ("run.json", "report.html")]
    return {str(path.relative_to(out)): path.read_bytes() for path in files}


def test_a_real_scan_prints_the_table_and_finds_the_same(folder: Path) -> None:
    for index in range(5):
        (folder / f"{index}.png").write_bytes(encode(square(RED, index, index, height=300, width=200)))
    arguments = ("scan", ".", "--net", "demo-biased")
    plain = run(folder, *arguments, "-o", "plain")
    begin = time.perf_counter()
    ran = run(folder, *arguments, "-o", "profiled", "--profile", "--workers", "2")
    seconds = time.perf_counter() - begin
    rows = {words[0]: words[1:] for words in map(str.split, ran.stdout.partition("\nstage ")[2].splitlines()[1:])}
    shown = [name for name in rows if name in (*STAGES, OTHER, WAIT)]
    assert shown == [*STAGES, OTHER, WAIT]
    assert "stage " not in plain.stdout
    milliseconds = {name: float(rows[name][0]) for name in shown}
    assert all(milliseconds[name] > 0 for name in ("decode", "run", "map", "draw", "encode", "write"))
    np.testing.assert_allclose(sum(milliseconds.values()), float(rows["all"][0]), atol=0.1)
    np.testing.assert_allclose(sum(float(rows[name][1][:-1]) for name in shown), 100, atol=1)
    # two workers, five images
    assert float(rows["all"][0]) / 1000 <= 2 * seconds / 5
    found, expected = outputs(folder / "profiled"), outputs(folder / "plain")
    assert found.keys() == expected.keys() != set()
    assert [name for name in found if found[name] != expected[name]] == []
