"""Fixtures that several modules share, and the one place that knows what a machine may lack."""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import pytest
from commands import run as run_command
from data_sets import Rgb, draw, frame, net, run, stamp_in_the_corner
from pictures import BLUE, GREEN, RED, encode, square
from red_ground import write_photos
from small_scans import prepare
from threadpoolctl import threadpool_limits
from tiny_net import INPUT_SIZE, colour_net, random_net

from cam_audit.cli.process.allocation import keep_freed_memory
from cam_audit.findings.cues.features import image_features
from cam_audit.findings.cues.records import ImageFeatures
from cam_audit.models.model import Model, load_model
from cam_audit.scan.audit_report import AuditReport

SHARED = Path(__file__).resolve().parents[2] / "shared"
# What a window is tested with, and the Debian packages that bring it.
WINDOW_TOOLS = {"Xvfb": "xvfb", "openbox": "openbox", "xdotool": "xdotool", "import": "imagemagick"}
# CI sets it: there, a test that is skipped for something the machine lacks is a test that nobody runs.
REQUIRE_ALL = os.environ.get("CAM_AUDIT_REQUIRE_ALL") == "1"
# As the command does: OpenBLAS's threads would spin where several tests run at a time, and keypoint tests would spend
# a quarter of their time on memory that is given back and asked for again.
threadpool_limits(limits=1, user_api="blas")
keep_freed_memory(workers=2)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("torch") and not importlib.util.find_spec("torch"):
        pytest.skip("torch is not installed: pip install torch")
    if item.get_closest_marker("scale") and not importlib.util.find_spec("ray"):
        pytest.skip("ray is not installed: pip install ray")
    if item.get_closest_marker("browser"):
        if not importlib.util.find_spec("playwright") or not importlib.util.find_spec("axe_playwright_python"):
            pytest.skip("playwright is not installed: pip install playwright axe-playwright-python")
        if not shutil.which("chromium"):
            pytest.skip("chromium is not installed: apt-get install chromium")
    if item.get_closest_marker("shared") and not SHARED.is_dir():
        pytest.skip(f"no folder {SHARED} with real nets and photos")
    if item.get_closest_marker("window") and not cv2.currentUIFramework():
        pytest.skip("this OpenCV shows no windows: pip install opencv-python")
    if item.get_closest_marker("window") and (missing := [tool for tool in WINDOW_TOOLS if not shutil.which(tool)]):
        pytest.skip(f"no {', '.join(missing)}: apt-get install {' '.join(WINDOW_TOOLS.values())}")


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


@pytest.fixture(scope="session")
def cheat(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return load_model(net(red=100, ant=0).write(tmp_path_factory.mktemp("cheat") / "net.onnx"))


@pytest.fixture(scope="session")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return load_model(net(red=0, ant=125).write(tmp_path_factory.mktemp("honest") / "net.onnx"))


@pytest.fixture(scope="session")
def framed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw(tmp_path_factory.mktemp("framed"), frame)


@pytest.fixture(scope="session")
def stamped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw(tmp_path_factory.mktemp("stamped"), stamp_in_the_corner)


@pytest.fixture(scope="session")
def stamped_by_cheat(stamped: Path, cheat: Model, tmp_path_factory: pytest.TempPathFactory) -> AuditReport:
    return run(stamped, cheat, tmp_path_factory.mktemp("out"), workers=1)


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos, a net, and what an undisturbed scan of them wrote. Tests work on copies."""
    return prepare(tmp_path_factory.mktemp("drawn"))


@pytest.fixture(scope="module")
def described_once() -> Iterator[None]:
    """Keypoints take most of the time and depend on nothing but the file: the same file is described only once."""
    known: dict[bytes, ImageFeatures] = {}

    def described(rgb: Rgb, data: bytes, **options: Any) -> ImageFeatures:
        if data not in known:
            known[data] = image_features(rgb, data, **options)
        changed = {key: options[key] for key in ("name", "label", "drawn") if key in options}
        return dataclasses.replace(known[data], **changed)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cam_audit.findings.cues.features.image_features", described)
        yield


@pytest.fixture(scope="session")
def _scanned_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scanned")
    (folder / "onnx_models").mkdir()
    colour_net().write(folder / "onnx_models" / "tiny.onnx")
    write_photos(folder / "photos")
    run_command(folder, "scan", "photos", "--net", "tiny", "--overlays", "none", code=1)
    return folder


@pytest.fixture
def scanned(tmp_path: Path, _scanned_once: Path) -> Path:
    """A working folder: photos whose class `red` lies on red ground, a net called tiny, and a scan's output."""
    return shutil.copytree(_scanned_once, tmp_path / "scanned")
