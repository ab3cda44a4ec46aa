"""What the machine lacks is told in one line, with what mends it, and never as findings or as a fault of ours."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from commands import environment
from data_sets import draw, net, stamp_in_the_corner

from cam_audit.cli.process.lacking import lacking

SCAN = ("scan", "photos", "--model", "cheat.onnx", "--overlays", "none", "-o")
# a library that stands in for a system that starts no more than MOST threads of a process, and no process at all
NO_THREADS = """#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/types.h>
typedef int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
static int begun;
int pthread_create(pthread_t *thread, const pthread_attr_t *how, void *(*run)(void *), void *with) {
  if (begun++ >= atoi(getenv("MOST"))) return EAGAIN;
  return ((create)dlsym(RTLD_NEXT, "pthread_create"))(thread, how, run, with);
}
pid_t fork(void) {
  if (getenv("NO_FORK")) { errno = EAGAIN; return -1; }
  return ((pid_t (*)(void))dlsym(RTLD_NEXT, "fork"))();
}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of three classes and a net, which are only read."""
    root = tmp_path_factory.mktemp("lacking")
    draw(root / "photos", stamp_in_the_corner, (3, 3, 3))
    net(red=100, ant=0).write(root / "cheat.onnx")
    return root


def ended(folder: Path, *command: str, before: str = "", **variables: str) -> tuple[int, str]:
    result = subprocess.run(
        ["sh", "-c", f'{before}\nexec "$@"', "sh", sys.executable, "-m", "cam_audit", *command],
        cwd=folder,
        env={**environment(), **variables},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    return result.returncode, result.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the limit is not kept")
@pytest.mark.parametrize("megabytes", [200, 300, 450])
def test_a_limit_of_memory_is_named_and_no_library_is_blamed(megabytes: int, folder: Path, tmp_path: Path) -> None:
    code, words = ended(folder, *SCAN, str(tmp_path / "out"), before=f"ulimit -v {megabytes << 10}")
    assert code == 2
    assert words.startswith("cam-audit: memory ")
    assert f"this process may take {megabytes} MB of addresses, see `ulimit -v`" in words
    assert words.count("\n") == 1


@pytest.mark.skipif(not shutil.which("gcc"), reason="a library that starts no threads is compiled")
@pytest.mark.parametrize("variables", [{"MOST": "0"}, {"MOST": "1"}, {"MOST": "2"}, {"MOST": "99", "NO_FORK": "1"}])
def test_a_system_that_starts_no_thread_or_process_is_named(
    variables: dict[str, str], folder: Path, tmp_path: Path
) -> None:
    source, library = tmp_path / "none.c", tmp_path / "none.so"
    source.write_text(NO_THREADS)
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    out = str(tmp_path / "out")
    # not for the shell, which forks
    command = f"export LD_PRELOAD={library} {' '.join(f'{name}={value}' for name, value in variables.items())}"
    code, words = ended(folder, *SCAN, out, "--workers", "8", before=command)
    assert (code, words.count("\n")) == (2, 1)
    assert words.startswith("cam-audit: the system starts no further thread or process; raise that limit")


@pytest.mark.skipif(os.name != "posix", reason="elsewhere it can't be removed")
def test_a_current_folder_that_was_deleted_is_named_where_it_is_needed(folder: Path, tmp_path: Path) -> None:
    def from_nowhere(*command: str) -> tuple[int, str]:
        return ended(folder, *command, before=f'mkdir "{tmp_path}/gone"; cd "{tmp_path}/gone"; rmdir "{tmp_path}/gone"')

    scan = ("scan", str(folder / "photos"), "--model", str(folder / "cheat.onnx"), "-o", str(tmp_path / "out"))
    assert from_nowhere(*scan) == (0, "")
    for command in (("report", "out"), ("challenge", str(tmp_path / "out"), "-o", "new"), ("demo",), scan[:-2]):
        code, words = from_nowhere(*command)
        assert (code, words.count("\n")) == (2, 1)


def test_other_errors_are_not_explained_away() -> None:
    assert lacking(ValueError("no such thing")) == ""
    assert lacking(FileNotFoundError("a.txt")) == ""
    assert lacking(ImportError("libGL.so.1: cannot open shared object file: No such file or directory")) == ""
    assert "memory ran out" in lacking(MemoryError())
