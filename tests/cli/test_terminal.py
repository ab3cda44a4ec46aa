"""What a terminal gets and a pipe does not: colours, lines that fit, a bar."""

from __future__ import annotations

import contextlib
import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from commands import environment, run

from cam_audit.cli.progress import SECONDS_PER_LINE, Progress
from cam_audit.cli.terminal import fitted
from cam_audit.records import ImageSource, SkippedImage
from cam_audit.text import aligned

ESCAPE = "\x1b["
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")


def on_terminal(folder: Path, *arguments: str, columns: int = 80, **variables: str) -> str:
    """What a terminal of so many columns shows of a command."""
    import fcntl
    import pty
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    plain = {name: value for name, value in environment().items() if name not in ("NO_COLOR", "COLUMNS", "TERM")}
    with subprocess.Popen(
        [sys.executable, "-m", "cam_audit", *arguments],
        cwd=folder, env={**plain, "TERM": "xterm", **variables}, stdout=theirs, stderr=theirs,
    ):  # fmt: skip
        os.close(theirs)
        shown = b""
        # reading from a terminal that nobody writes to any more is an error
        with contextlib.suppress(OSError):
            while block := os.read(ours, 4096):
                shown += block
    os.close(ours)
    return shown.decode()


def test_findings_are_coloured_on_a_terminal_alone(scanned: Path) -> None:
    baseline = ("baseline", "cam-audit-out")
    run(scanned, *baseline)
    # a baseline that accepts nothing of what a second one drops
    empty = json.loads((scanned / ".cam-audit-baseline.json").read_text())
    entry = next(iter(empty["findings"].values()))
    empty["findings"] = {"0" * 32: entry | {"severity": "error"}}
    (scanned / ".cam-audit-baseline.json").write_text(json.dumps(empty))
    shown = on_terminal(scanned, *baseline, columns=200)
    assert f"dropped  {ESCAPE}31m{ESCAPE}1merror{ESCAPE}0m" in shown
    for variables in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        (scanned / ".cam-audit-baseline.json").write_text(json.dumps(empty))
        assert "dropped  error" in on_terminal(scanned, *baseline, columns=200, **variables)
    (scanned / ".cam-audit-baseline.json").write_text(json.dumps(empty))
    assert "dropped  error" in run(scanned, *baseline).stdout


def test_errors_and_notes_are_coloured(tmp_path: Path) -> None:
    assert on_terminal(tmp_path, "scan", "nowhere") == f"{ESCAPE}31mcam-audit:{ESCAPE}0m nowhere: no such folder\r\n"
    assert on_terminal(tmp_path, "scan", "nowhere", NO_COLOR="1") == "cam-audit: nowhere: no such folder\r\n"
    # as https://no-color.org has it
    assert ESCAPE in on_terminal(tmp_path, "scan", "nowhere", NO_COLOR="")


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_tables_and_prose_fit_the_terminal(folder: Path, columns: int) -> None:
    run(folder, "scan", "photos", "--net", "tiny")
    assert max(map(len, run(folder, "explain", "CA207").stdout.splitlines())) > 80
    for command in (
        ("models", "list"),
        ("models", "info", "onnx_models/tiny.onnx"),
        ("compare", "cam-audit-out", "cam-audit-out"),
        ("baseline", "cam-audit-out"),
        ("explain", "CA207"),
        ("scan", "--help"),
    ):
        lines = on_terminal(folder, *command, columns=columns).splitlines()
        # a path or a hash is whole, to be copied
        assert all(len(line) <= columns for line in lines if max(map(len, line.split()), default=0) < 40), command


def test_a_dumb_terminal_gets_no_bar(folder: Path) -> None:
    scan = ("scan", "photos", "--net", "tiny", "--overlays", "none")
    assert "100%" in on_terminal(folder, *scan)
    assert "100%" not in on_terminal(folder, *scan, TERM="dumb")
    assert "100%" not in on_terminal(folder, *scan, "-q")
    assert "100%" not in on_terminal(folder, *scan, "-v")


def test_a_wide_table_becomes_lines() -> None:
    rows = [("name", "where"), ("a", "here"), ("long", "")]
    assert aligned(rows) == ["name  where", "a     here", "long"]
    assert aligned(rows, 11) == ["name  where", "a     here", "long"]
    assert aligned(rows, 10) == ["name:  a", "where: here", "", "name:  long"]


def test_a_long_line_is_broken_at_blanks_and_indented(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cam_audit.cli.terminal.terminal_width", lambda: 40)
    path = "/a/" + "long-" * 12
    assert fitted(["  one two three four five six seven eight nine ten"]) == [
        "  one two three four five six seven",
        "    eight nine ten",
    ]
    assert path in fitted([f"look at {path}"])[1]


def test_without_a_terminal_a_long_scan_prints_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    now = 0.0
    progress = Progress(lambda: now)
    progress.on_stage("scan", 400)
    for number in range(1, 301):
        now = number * SECONDS_PER_LINE / 100
        if number % 150:
            progress.on_image()
        else:
            progress.on_record(SkippedImage(ImageSource("", "a", "", None), "torn"))
    assert capsys.readouterr().err.splitlines() == [
        "scan: 100 of 400 images, 0 errors, 3.3 images/s, 2 min left",
        "scan: 200 of 400 images, 1 error, 3.3 images/s, 1 min left",
        "scan: 300 of 400 images, 2 errors, 3.3 images/s, less than a minute left",
    ]
