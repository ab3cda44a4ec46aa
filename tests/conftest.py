"""Fixtures that several modules share, and the one place that knows what a machine may lack."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from pictures import BLUE, GREEN, RED, encode, square
from tiny_net import INPUT_SIZE, colour_net, random_net

from cam_audit.model import Model, load_model

SHARED = Path(__file__).resolve().parents[2] / "shared"
# CI sets it: there, a test that is skipped for something the machine lacks is a test that nobody runs.
REQUIRE_ALL = os.environ.get("CAM_AUDIT_REQUIRE_ALL") == "1"


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("torch") and not importlib.util.find_spec("torch"):
        pytest.skip("torch is not installed: pip install torch")
    if item.get_closest_marker("browser"):
        if not importlib.util.find_spec("playwright") or not importlib.util.find_spec("axe_playwright_python"):
            pytest.skip("playwright is not installed: pip install playwright axe-playwright-python")
        if not shutil.which("chromium"):
            pytest.skip("chromium is not installed: apt-get install chromium")
    if item.get_closest_marker("shared") and not SHARED.is_dir():
        pytest.skip(f"no folder {SHARED} with real nets and photos")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[None]:
    return _skips_fail((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Iterator[None]:
    return _skips_fail((yield))


def _skips_fail(report):
    if REQUIRE_ALL and report.outcome == "skipped" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped although CAM_AUDIT_REQUIRE_ALL=1: {report.longrepr[2]}"
    return report


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real nets and photos; use it in tests marked `shared`."""
    return SHARED


@pytest.fixture(scope="session")
def nets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of CAM-ready nets: colour, random, bare (no linear layer) and fixed (one input size)."""
    folder = tmp_path_factory.mktemp("nets")
    colour_net().write(folder / "colour.onnx")
    random_net().write(folder / "random.onnx")
    random_net(linear=False).write(folder / "bare.onnx")
    colour_net(fixed_size=(INPUT_SIZE, INPUT_SIZE)).write(folder / "fixed.onnx")
    return folder


@pytest.fixture(scope="session")
def model(nets: Path) -> Model:
    """The colour net, loaded."""
    return load_model(nets / "colour.onnx")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working folder: photos of three classes, an empty folder, and a net called tiny."""
    for name, colour in (("red", RED), ("green", GREEN), ("blue", BLUE)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for index in range(2):
            (tmp_path / "photos" / name / f"{index}.png").write_bytes(encode(square(colour, 8 * index, 8)))
    (tmp_path / "empty").mkdir()
    (tmp_path / "onnx_models").mkdir()
    colour_net().write(tmp_path / "onnx_models" / "tiny.onnx")
    return tmp_path
