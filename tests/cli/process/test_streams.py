"""stdout and stderr that are closed, full, or read by nobody end no command by 1, and cost no file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from commands import environment
from data_sets import draw, net, stamp_in_the_corner

SCAN = ("scan", "photos", "--model", "cheat.onnx", "--overlays", "none", "--fail-on", "warning")
FULL = "cam-audit: cannot write to stdout: No space left on device\n"
needs_a_full_device = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device is always full here")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of three classes and a net, which are only read."""
    root = tmp_path_factory.mktemp("streams")
    draw(root / "photos", stamp_in_the_corner, (3, 3, 3))
    net(red=100, ant=0).write(root / "cheat.onnx")
    return root


def ended(folder: Path, redirected: str, *command: str) -> tuple[int, str]:
    """How a command ends, and its words on stderr; redirected: as a shell has it."""
    result = subprocess.run(
        ["sh", "-c", f'exec "$@" {redirected}', "sh", sys.executable, "-m", "cam_audit", *command],
        cwd=folder,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        timeout=240,
        check=False,
    )
    return result.returncode, result.stderr


@needs_a_full_device
@pytest.mark.parametrize(
    ("redirected", "code", "words"),
    [
        (">/dev/full", 2, FULL),
        (">&-", 0, ""),
        ("2>/dev/full", 0, ""),
        ("<&- >&- 2>&-", 0, ""),
        (">/dev/full 2>/dev/full", 2, ""),
    ],
)
def test_a_scan_is_finished_whatever_its_streams_are(
    redirected: str, code: int, words: str, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    csv = tmp_path / "again.csv"
    assert ended(folder, redirected, *SCAN, "-o", str(out), "--output", f"csv={csv}") == (code, words)
    assert (out / "report.html").is_file()
    assert csv.read_bytes() == (out / "results.csv").read_bytes()
    # nothing that was opened meanwhile got the number of a closed stream, and what is printed to it
    assert (out / "results.csv").read_text(encoding="utf-8").startswith("path,status,")


@needs_a_full_device
@pytest.mark.parametrize("command", [("--help",), ("models", "list"), ("models", "info", "cheat.onnx"), ("scan", "-h")])
def test_other_commands_say_so_too(command: tuple[str, ...], folder: Path) -> None:
    assert ended(folder, ">/dev/full", *command) == (2, FULL)
    assert ended(folder, ">&- 2>&-", *command) == (0, "")
    assert ended(folder, ">&- 2>&-", "nonsense") == (2, "")


def test_lines_of_a_camera_end_when_nobody_reads_them(folder: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    picture = next((folder / "photos" / "ant").iterdir())
    import cv2

    clip = cv2.VideoWriter(str(folder / "clip.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 64))
    for _ in range(3):
        clip.write(cv2.resize(cv2.imread(str(picture)), (64, 64)))
    clip.release()
    command = ("live", "--camera", "clip.avi", "--loop", "--no-window", "--model", "cheat.onnx")
    result = subprocess.run(
        [sys.executable, "-m", "cam_audit", *command],
        cwd=folder, env=environment(), stdout=writing, stderr=subprocess.PIPE, text=True, timeout=240, check=False,
    )  # fmt: skip
    os.close(writing)
    assert result.returncode == 141
