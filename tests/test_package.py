"""What is published: the source distribution and the wheel, built as the release does, and what is in them."""

from __future__ import annotations

import configparser
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from commands import ROOT

from cam_audit.version import __version__

NAME = f"cam_audit-{__version__}"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both, the wheel made from the source distribution."""
    pytest.importorskip("build", reason="build is not installed: pip install build")
    folder = tmp_path_factory.mktemp("built")
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)],
        cwd=folder, env=variables, capture_output=True, check=True,
    )  # fmt: skip
    return folder


def test_both_are_there_and_their_descriptions_can_be_shown(built: Path) -> None:
    pytest.importorskip("twine", reason="twine is not installed: pip install twine")
    files = sorted(path.name for path in built.iterdir())
    assert files == [f"{NAME}-py3-none-any.whl", f"{NAME}.tar.gz"]
    command = [sys.executable, "-m", "twine", "check", "--strict", *map(str, built.iterdir())]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


def test_the_wheel_has_all_modules_and_data_and_nothing_else(built: Path) -> None:
    names = set(zipfile.ZipFile(built / f"{NAME}-py3-none-any.whl").namelist())
    package = {name for name in names if name.startswith("cam_audit/")}
    tracked = subprocess.run(
        ["git", "ls-files", "cam_audit"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert package == {*tracked, "cam_audit/findings.md"}
    assert {name.split("/")[0] for name in names - package} == {f"{NAME}.dist-info"}
    manual = zipfile.ZipFile(built / f"{NAME}-py3-none-any.whl").read("cam_audit/findings.md")
    assert manual == (ROOT / "docs" / "findings.md").read_bytes()


def test_the_source_has_what_the_wheel_is_made_of(built: Path) -> None:
    with tarfile.open(built / f"{NAME}.tar.gz") as archive:
        names = {name.removeprefix(f"{NAME}/") for name in archive.getnames()}
    assert {
        "setup.py",
        "setup.cfg",
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "CHANGELOG.md",
        "docs/findings.md",
    } <= names
    assert "cam_audit/demo/demo-biased.onnx" in names
    assert not [name for name in names if name.startswith(("tests", "study", ".git", "build"))]


def test_the_core_needs_no_display_and_live_has_an_extra() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    assert "opencv-python-headless>=" in config["options"]["install_requires"]
    assert "opencv-python>=" in config["options.extras_require"]["live"]
    assert "opencv-python>=" not in config["options"]["install_requires"]
