"""Run the command line as a user does, in a process and a folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cam_audit

ROOT = Path(cam_audit.__file__).parents[1]


def environment() -> dict[str, str]:
    """The variables for a process of ours, which finds this checkout wherever it starts."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def run(
    folder: Path, *arguments: str, code: int = 0, encoding: str = "utf-8:strict"
) -> subprocess.CompletedProcess[str]:
    """Run `cam-audit` with `folder` as the current one; anything but the exit code `code` fails the test."""
    variables = {
        **environment(),
        "XDG_CACHE_HOME": str(folder),
        "PYTHONIOENCODING": encoding,
    }
    variables.pop("CAM_AUDIT_MODELS", None)
    result = subprocess.run(
        [sys.executable, "-m", "cam_audit", *arguments],
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
        errors="surrogateescape",
        timeout=60,
        check=False,
    )
    assert result.returncode == code, result.stderr
    assert "Traceback" not in result.stderr
    return result
