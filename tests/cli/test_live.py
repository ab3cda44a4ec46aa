"""`cam-audit live` without a window, as a shell sees it."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import onnxruntime as ort
import pytest
from commands import ROOT, run
from pictures import BLUE, GREEN, RED, seen_by_pillow, square
from streams import flat, streaming, write_video
from tiny_net import colour_net

from cam_audit.images.resize import resize
from cam_audit.live import window as window_module
from cam_audit.live.window import why_no_window
from cam_audit.reports.output_folder import read_results

PICTURES = [square(colour, left, 8, width=64, height=48) for colour in (RED, GREEN, BLUE) for left in range(0, 48, 4)]


@pytest.fixture(autouse=True)
def _no_display(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working folder with a film of coloured squares, and a net called tiny."""
    write_video(tmp_path / "film.avi", PICTURES, rate=50)
    (tmp_path / "onnx_models").mkdir()
    colour_net().write(tmp_path / "onnx_models" / "tiny.onnx")
    return tmp_path


def started(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """`cam-audit live` still running."""
    return subprocess.Popen(
        [sys.executable, "-m", "cam_audit", "live", "--net", "tiny", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_each_picture_is_a_line_of_its_number_classes_and_scores(folder: Path) -> None:
    result = run(folder, "live", "--net", "tiny", "film.avi", "--no-window")
    assert result.stderr == ""
    lines = [line.split("\t") for line in result.stdout.splitlines()]
    numbers = [int(line[0]) for line in lines]
    assert numbers == sorted(set(numbers))
    assert set(numbers) <= set(range(len(PICTURES)))
    assert len(numbers) > len(PICTURES) // 2
    for line in lines:
        rgb = PICTURES[int(line[0])]
        logits, _ = colour_net().forward(resize(rgb, 43, 32))
        powers = np.exp(logits - logits.max())
        probabilities = powers / powers.sum()
        order = np.argsort(-probabilities, kind="stable")[:3]
        assert line[1] == ("red", "green", "blue", "other")[order[0]]
        # the film is compressed, and so not exactly the pictures
        np.testing.assert_allclose([float(score) for score in line[2::2]], probabilities[order], atol=0.02)


@pytest.mark.window
def test_without_a_display_there_is_no_window_which_is_said(folder: Path) -> None:
    result = run(folder, "live", "--net", "tiny", "--camera", "film.avi", "--frames", "3")
    assert "note: no window, as there is no display" in result.stderr
    assert result.stderr.count("\n") == 1
    assert len(result.stdout.splitlines()) == 3


@pytest.mark.skipif("AzureExecutionProvider" not in ort.get_available_providers(), reason="needs another provider")
def test_a_provider_that_leaves_the_net_to_the_cpu_is_said(folder: Path) -> None:
    result = run(
        folder,
        *("live", "--net", "tiny", "--camera", "film.avi", "--frames", "1", "--no-window"),
        "--provider",
        "azure",
    )
    assert result.stderr.startswith("note: Azure can't do all steps of the net; ")
    assert result.stderr.count("\n") == 1


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="displays of X11")
@pytest.mark.window
def test_a_display_that_does_not_answer_is_no_reason_to_abort(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", "no-such-host:9")
    result = run(folder, "live", "--net", "tiny", "--camera", "film.avi", "--frames", "1")
    assert "note: no window, as the display no-such-host:9 cannot be used" in result.stderr
    assert len(result.stdout.splitlines()) == 1


def test_an_opencv_without_windows_says_which_package_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "currentUIFramework", lambda: "")
    assert "`pip install --force-reinstall --no-deps opencv-python`" in (why_no_window() or "")


def test_where_displays_are_always_there_none_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "currentUIFramework", lambda: "COCOA")
    monkeypatch.setattr(window_module.sys, "platform", "darwin")
    assert why_no_window() is None


def test_snapshots_are_what_a_scan_of_them_gives(folder: Path) -> None:
    result = run(
        folder, "live", "--net", "tiny", "--camera", "film.avi", "--no-window", "--save", "shots", "--frames", "6"
    )
    assert result.stderr == "6 snapshots in shots\n"
    names = [row["path"] for row in rows(folder / "shots" / "results.csv")]
    assert result.stdout.splitlines() == [f"shots/{name}" for name in names]
    assert names == sorted(names)
    run(folder, "scan", "shots", "--net", "tiny", "-o", "out")
    for file in ("results.csv", *(f"overlays/{name}.png" for name in names)):
        assert (folder / "shots" / file).read_bytes() == (folder / "out" / file).read_bytes(), file
    first = seen_by_pillow((folder / "shots" / names[0]).read_bytes())
    # a slow machine leaves pictures of the film out, so the first one need not be the film's first
    film = cv2.VideoCapture(str(folder / "film.avi"))
    frames = [film.read()[1][..., ::-1] for _ in PICTURES]
    assert any(np.array_equal(first, frame) for frame in frames)


def test_the_folder_reads_like_a_scans_output(folder: Path) -> None:
    run(folder, "live", "--net", "tiny", "--camera", "film.avi", "--no-window", "--save", "shots", "--frames", "2")
    report = read_results(folder / "shots")
    assert len(report.images) == report.run["images"] == 2
    assert report.findings == ()
    assert report.run["command"] == "live"
    assert report.run["settings"]["camera"] == "film.avi"
    assert {"tool", "version", "model", "versions", "started", "seconds", "errors"} <= report.run.keys()
    assert "sort them into class folders" in report.notes[0]
    assert not list((folder / "shots").rglob("*.part"))


def test_snapshots_sorted_into_class_folders_are_a_data_set(folder: Path) -> None:
    run(folder, "live", "--net", "tiny", "--camera", "film.avi", "--no-window", "--save", "shots")
    shots = folder / "shots"
    for row in rows(shots / "results.csv"):
        (shots / row["top1_class"]).mkdir(exist_ok=True)
        (shots / row["path"]).rename(shots / row["top1_class"] / row["path"])
    result = run(folder, "scan", "shots", "--net", "tiny", "-o", "out", "--fail-on", "never")
    table = rows(folder / "out" / "results.csv")
    assert {row["label"] for row in table} == {"red", "green", "blue"}
    assert len(table) == len(rows(shots / "results.csv"))
    assert f"prediction = folder in {len(table)} of {len(table)}" in result.stdout


def test_every_so_many_seconds_a_snapshot(folder: Path) -> None:
    line = "live --net tiny --camera film.avi --no-window --loop --frames 60 --save shots --every 0.4"
    run(folder, *line.split())
    moments = [
        datetime.strptime(row["path"].removesuffix(".png") + "000", "%Y%m%d-%H%M%S-%f")
        for row in rows(folder / "shots" / "results.csv")
    ]
    assert 2 <= len(moments) < 30
    gaps = [after - before for before, after in pairwise(moments)]
    # a name is the moment at which it was saved, which comes a little after it was due
    assert all(gap > timedelta(seconds=0.3) for gap in gaps)


def test_earlier_snapshots_stay_and_the_results_of_a_scan_are_refused(folder: Path) -> None:
    line = "live --net tiny --camera film.avi --no-window --frames 2 --save".split()
    run(folder, *line, "shots")
    before = (folder / "shots" / "results.csv").read_bytes()
    run(folder, *line, "shots")
    table = (folder / "shots" / "results.csv").read_bytes()
    assert table.startswith(before)
    assert len(rows(folder / "shots" / "results.csv")) == 4
    assert json.loads((folder / "shots" / "run.json").read_text())["images"] == 4
    run(folder, "scan", "shots", "--net", "tiny", "-o", "out")
    kept = {path: path.read_bytes() for path in (folder / "out").rglob("*") if path.is_file()}
    result = run(folder, *line, "out", code=2)
    assert "out: holds the results of a scan; name another folder with --save" in result.stderr
    assert {path: path.read_bytes() for path in (folder / "out").rglob("*") if path.is_file()} == kept


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--camera fiml.avi", "fiml.avi: no such file; a camera is a number"),
        ("fiml.avi", "fiml.avi: no such file; a camera is a number"),
        ("film.avi --camera 0", "name the camera by either SOURCE or --camera"),
        ("--camera 57", "camera 57: no such camera, there is no /dev/video57; cameras that open: "),
        ("--camera /dev/video57", "/dev/video57: no such camera; cameras that open: "),
        ("--camera /dev/null", "/dev/null: not a camera, or another program uses it; cameras that open: "),
        ("--camera http://127.0.0.1:9/x", "http://127.0.0.1:9/x: nothing answers there, or not with a video; cameras"),
        ("--camera rtsp://u:secret@127.0.0.1:9/x", "rtsp://u:***@127.0.0.1:9/x: nothing answers there"),
        ("--camera onnx_models/tiny.onnx", "onnx_models/tiny.onnx: not a video that can be read"),
        ("--camera film.avi --every 2", "--every says how often to save; say where to with --save DIR"),
        ("--camera film.avi --every 0 --save x", "--every"),
        ("--camera film.avi --frames 0", "--frames"),
        ("--camera film.avi --smooth 2", "--smooth"),
        ("--camera film.avi --save film.avi", "film.avi"),
        ("--camera film.avi --model other.onnx", "either --net NAME or --model FILE"),
    ],
)
def test_a_mistake_is_one_line_on_stderr_and_code_2(folder: Path, line: str, message: str) -> None:
    result = run(folder, "live", "--net", "tiny", "--no-window", *line.split(), code=2)
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("cam-audit: ")
    assert message in result.stderr
    assert "secret" not in result.stderr
    assert not (folder / "x").exists()


def test_a_size_that_the_net_does_not_take_is_a_mistake(folder: Path) -> None:
    colour_net(fixed_size=(32, 32)).write(folder / "onnx_models" / "fixed.onnx")
    result = run(folder, *"live --net fixed --camera film.avi --no-window --size 64".split(), code=2)
    assert "this net takes only 32x32 pixels; leave out --size" in result.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_signals_release_the_camera_and_leave_whole_files(folder: Path, number: int, code: int) -> None:
    with streaming(flat(RED)) as stream:
        process = started(folder, "--no-window", "--camera", stream.address, "--save", "shots")
        assert process.stdout is not None
        for _ in range(3):
            assert process.stdout.readline().startswith("shots/")
        assert stream.viewers == 1
        process.send_signal(number)
        _, messages = process.communicate(timeout=30)
        assert process.returncode == code
        assert "Traceback" not in messages
        assert " snapshots in shots" in messages
        wait_for(lambda: stream.viewers == 0)
    assert len(read_results(folder / "shots").images) >= 3


def test_who_reads_only_the_first_lines_ends_it_quietly(folder: Path) -> None:
    process = started(folder, "--no-window", "--camera", "film.avi", "--loop")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(30) == 141
    assert process.stderr.read() == ""
    process.stderr.close()


def test_a_stream_that_is_lost_is_told_tried_again_and_ends_in_code_2_with_the_other_cameras(folder: Path) -> None:
    with streaming(flat(RED)) as stream:
        process = started(folder, "--no-window", "--camera", stream.address)
        assert process.stdout is not None
        process.stdout.readline()
        stream.cut()
        _, messages = process.communicate(timeout=60)
    assert process.returncode == 2
    *notes, last = messages.splitlines()
    assert notes == [f"note: {stream.address}: no picture; trying again ({n} of 5)" for n in range(1, 6)]
    assert last.startswith(
        f"cam-audit: {stream.address}: the picture was lost, and did not come back in 5 tries; cameras"
    )
