"""Run the command line as a user does, in a process and a folder of its own."""

from __future__ import annotations

import atexit
import functools
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import cam_audit

ROOT = Path(cam_audit.__file__).parents[1]
SECONDS = 240


def environment() -> dict[str, str]:
    """The variables for a process of ours, which finds this checkout wherever it starts."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def run(
    folder: Path, *arguments: str, code: int = 0, encoding: str = "utf-8:strict", importing: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run `cam-audit` with `folder` as the current one; anything but the exit code `code` fails the test.

    `importing`: in a new Python, for what depends on how modules are imported.
    """
    variables = {
        **environment(),
        "XDG_CACHE_HOME": str(folder),
        "PYTHONIOENCODING": encoding,
    }
    variables.pop("CAM_AUDIT_MODELS", None)
    ran = _in_new_python if importing or not hasattr(os, "fork") else _forked
    result = ran(folder, arguments, variables)
    assert result.returncode == code, result.stderr
    assert "Traceback" not in result.stderr
    return result


def _in_new_python(
    folder: Path, arguments: tuple[str, ...], variables: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cam_audit", *arguments],
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
        errors="surrogateescape",
        timeout=SECONDS,
        check=False,
    )


def _forked(folder: Path, arguments: tuple[str, ...], variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    server = _server()
    assert server.stdin
    assert server.stdout
    with tempfile.TemporaryDirectory() as scratch:
        outputs = [Path(scratch, name) for name in ("stdout", "stderr")]
        request = {
            "arguments": arguments,
            "folder": str(folder.absolute()),
            "variables": variables,
            "outputs": [str(output) for output in outputs],
        }
        server.stdin.write(json.dumps(request) + "\n")
        server.stdin.flush()
        if not select.select([server.stdout], [], [], SECONDS)[0]:
            _server.cache_clear()
            os.killpg(server.pid, signal.SIGKILL)
            raise subprocess.TimeoutExpired(["cam-audit", *arguments], SECONDS)
        code = int(server.stdout.readline())
        words = [output.read_text(encoding="utf-8", errors="surrogateescape") for output in outputs]
    return subprocess.CompletedProcess(["cam-audit", *arguments], code, *words)


@functools.cache
def _server() -> subprocess.Popen[str]:
    """One for all tests of this process; it ends when its input does, and in a group of its own it hears no Ctrl-C."""
    server = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("command_server.py"))],
        env={**environment(), "OPENBLAS_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    atexit.register(server.communicate)
    return server
