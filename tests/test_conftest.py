"""What a machine lacks is a skipped test with the reason, and in CI a failure."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import cam_audit

TESTS = """
import pytest
@pytest.mark.shared
def test_of_real_nets(shared): ...
def test_of_an_absent_library(): pytest.importorskip("no_such_library")
@pytest.mark.xfail(strict=True)
def test_of_a_known_bug(): assert False
"""


@pytest.mark.parametrize(
    ("require_all", "outcome"), [("", "2 skipped, 1 xfailed"), ("1", "1 failed, 1 xfailed, 1 error")]
)
def test_skipped_tests_fail_where_all_are_required(tmp_path: Path, require_all: str, outcome: str) -> None:
    here = Path(__file__).parent
    folder = tmp_path / "repository" / "tests"
    folder.mkdir(parents=True)
    shutil.copy(here / "conftest.py", folder)
    shutil.copytree(here / "helpers", folder / "helpers")
    shutil.copy(here.parent / "pyproject.toml", folder.parent)
    (folder / "test_some.py").write_text(TESTS)
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q"],
        cwd=folder.parent,
        env={
            **os.environ,
            "CAM_AUDIT_REQUIRE_ALL": require_all,
            "PYTHONPATH": str(Path(cam_audit.__file__).parents[1]),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome in result.stdout
    assert f"no folder {tmp_path / 'shared'} with real nets and photos" in result.stdout
