"""The command line as a shell sees it: exit codes, one line for a mistake, never a traceback."""

from __future__ import annotations

import contextlib
import csv
import importlib.util
import os
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import click
import cv2
import numpy as np
import pytest
from commands import ROOT, run
from pictures import RED, encode, square
from PIL import Image
from tiny_net import colour_net

import cam_audit
from cam_audit.cli.process.program import COMMANDS
from cam_audit.cli.process.program import cam_audit as commands
from cam_audit.cli.summary import summary
from cam_audit.records import ConfusedImage, Disagreement
from cam_audit.reports.scan_report import ImageRow, ScanReport


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_scan_writes_a_row_and_an_overlay_an_image_and_sums_up(folder: Path) -> None:
    result = run(folder, "scan", "photos", "--net", "tiny")
    out = folder / "cam-audit-out"
    table = rows(out / "results.csv")
    assert [row["path"] for row in table] == [f"{name}/{i}.png" for name in ("blue", "green", "red") for i in (0, 1)]
    for row in table:
        assert row["status"] == "ok"
        assert row["label"] == row["top1_class"] == row["cam_class"]
        overlay = out / row["overlay"]
        sheet = np.asarray(Image.open(overlay).convert("RGB"))
        np.testing.assert_array_equal(cv2.imread(str(overlay))[..., ::-1], sheet)
    assert {"overlays", "results.csv", "run.json"} <= {path.name for path in out.iterdir()}
    assert "6 images, 0 errors" in result.stdout
    assert "prediction = folder in 6 of 6 (100.0%)" in result.stdout
    assert "cam-audit-out/overlays" in result.stdout
    assert "cam-audit-out/results.csv" in result.stdout
    assert result.stderr == ""


def test_an_output_inside_the_data_set_is_not_scanned_next_time(folder: Path) -> None:
    for out in ("photos/first", "photos/second", "photos/second"):
        run(folder, "scan", "photos", "--model", "onnx_models/tiny.onnx", "-o", out, "--workers", "1")
    first, second = ((folder / "photos" / name / "results.csv").read_bytes() for name in ("first", "second"))
    assert first == second
    assert first.count(b"\n") == 7


def test_bad_files_and_odd_names_end_in_code_3_with_every_row(folder: Path) -> None:
    data = encode(square(RED, 0, 0), "TIFF", compression="tiff_deflate")
    red = folder / "photos" / "red"
    (red / "cut\n\u0436.tif").write_bytes(data[: len(data) - 60])
    (red / "empty.jpg").touch()
    with open(os.fsencode(red) + b"/\xff.png", "wb") as file:
        file.write(encode(square(RED, 0, 0)))
    result = run(folder, "scan", "photos", "--net", "tiny", code=3)
    table = {row["path"]: row for row in rows(folder / "cam-audit-out" / "results.csv")}
    assert len(table) == 9
    assert table["red/empty.jpg"]["error"] == "the file is empty"
    assert table["red/cut\n\u0436.tif"]["status"] == "error"
    assert table[r"red/\udcff.png"]["top1_class"] == "red"
    assert "9 images, 2 errors" in result.stdout
    assert "1 x the file is empty" in result.stdout
    assert result.stderr == ""


def test_folders_that_stand_for_no_class_and_links_outside_are_mentioned(folder: Path) -> None:
    (folder / "photos" / "red").rename(folder / "photos" / "rouge")
    (folder / "photos" / "link.png").symlink_to(folder / "outside.png")
    (folder / "outside.png").write_bytes(encode(square(RED, 0, 0)))
    (folder / "map.csv").write_text("rouge,green\n")
    result = run(folder, "scan", "photos", "--net", "tiny", "--overlays", "none")
    assert "1 of 3 folders is named like no class of the net (rouge)" in result.stderr
    assert "1 links that lead outside photos" in result.stderr
    assert "prediction = folder in 4 of 4" in result.stdout
    assert "overlays" not in result.stdout
    result = run(folder, "scan", "photos", "--net", "tiny", "--labels", "map.csv", "--follow-links")
    assert result.stderr == "note: 1 of 7 images has no class, as no folder or file name gives it (link.png)\n"
    # it is the net's green now, as that folder is
    assert "green: 2 of 4 right; taken for red 2 x" in result.stdout


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("scan fotos --net tiny", "fotos: no such folder; did you mean photos?"),
        ("scan nowhere/at/all --net tiny", "nowhere/at/all: no such folder"),
        ("scan nowhere --model photos/red/0.png", "nowhere: no such folder"),
        ("scan photos --model photos/red/0.png --output csv=gone/a", "there is no folder gone"),
        ("scan empty --model photos/red/0.png", "photos/red/0.png: not an ONNX file"),
        (f"scan {'p' * 300} --net tiny", "no such folder"),
        ("scan empty --net tiny", "empty: no images in this folder or below it"),
        ("scan photos --net resnet18", "`python scripts/export_onnx.py --net resnet18`"),
        ("scan photos --net resnet81", "did you mean resnet18?"),
        ("scan photos --net onnx_models/tiny.onnx", "use --model onnx_models/tiny.onnx"),
        ("scan photos --model gone.onnx", "gone.onnx: no such model file"),
        ("scan photos --model photos/red/0.png", "photos/red/0.png: not an ONNX file"),
        ("scan photos --model plain.onnx", "plain.onnx: not CAM-ready, it has no output 'activations'"),
        ("scan photos --net tiny -o file/out", "output folder file/out: Not a directory"),
        ("scan photos --net tiny -o file", "output folder file: "),
        ("scan photos --net tiny --target rad", "--target: the net has no class 'rad'; did you mean 'red'?"),
        ("scan photos --net tiny --labels bad.csv", "bad.csv, line 2: the net has no class 'rad'"),
        ("scan photos --net tiny --labels gone.csv", "gone.csv: cannot be read"),
        ("scan photos --net tiny --model tiny.onnx", "either --net NAME or --model FILE"),
        ("scan", "Missing argument 'DATASET'"),
        ("scan photos --net tiny --top 0", "--top"),
        ("scan photos --nett tiny", "there is no option --nett; did you mean --net?"),
        ("models lst", "there is no command 'lst'; did you mean list?"),
        ("skan", "there is no command 'skan'; did you mean scan?"),
        ("xyz", f"there is no command 'xyz'; there are {', '.join(COMMANDS)} (see"),
    ],
    ids=lambda value: value[:50],
)
def test_a_mistake_is_one_line_on_stderr_and_code_2(folder: Path, line: str, message: str) -> None:
    (folder / "file").write_text("x")
    (folder / "bad.csv").write_text("folder,class\nred,rad\n")
    plain = colour_net().proto()
    del plain.graph.output[1:]
    (folder / "plain.onnx").write_bytes(plain.SerializeToString())
    result = run(folder, *line.split(), code=2)
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("cam-audit: ")
    assert message in result.stderr
    assert not (folder / "cam-audit-out").exists()


def test_a_missing_system_library_of_opencv_is_named_with_its_package(folder: Path) -> None:
    (folder / "cv2.py").write_text("raise ImportError('libGL.so.1: cannot open shared object file')")
    message = run(folder, "scan", "photos", "--net", "tiny", code=2, importing=True).stderr
    assert message.count("\n") == 1
    assert "libGL.so.1" in message
    assert "apt-get install libgl1" in message
    assert "opencv-python-headless" in message


def test_a_name_with_a_newline_does_not_break_the_one_line(folder: Path) -> None:
    assert run(folder, "scan", "no\nsuch", "--net", "tiny", code=2).stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("encoding", "shown"), [("utf-8:strict", r"\udcff"), ("cp1252:strict", r"\udcff"), ("ascii", "?")]
)
def test_names_that_the_terminal_does_not_take_are_escaped(folder: Path, encoding: str, shown: str) -> None:
    (folder / "photos" / "red").rename(folder / "photos" / "\u0436")
    (folder / "photos" / "green").rename(folder / "photos" / "other")
    (folder / "map.csv").write_text("\u0436,green\n", encoding="utf-8")
    options = ["--net", "tiny", "--labels", "map.csv", "-o", "\udcff"]
    result = run(folder, "scan", "photos", *options, encoding=encoding)
    assert (folder / "\udcff" / "results.csv").is_file()
    assert f" {shown}/results.csv\n" in result.stdout
    assert "0 of 2 right" in result.stdout


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_says_what_every_command_and_option_does(folder: Path, command: str) -> None:
    result = run(folder, *([command] if command else []), "--help")
    assert result.stderr == ""
    assert f"Usage: cam-audit{' ' + command if command else ''} " in result.stdout
    parameters = commands.get_command(click.Context(commands), command).params if command else []
    for parameter in parameters:
        if parameter.param_type_name == "option":
            assert parameter.help, parameter.name
            assert max(parameter.opts, key=len) in result.stdout


def told_at_its_end(folder: Path, arguments: list[str], what: str) -> set[str]:
    """The words that a command's process has to say of itself when it is done: the value of an expression."""
    code = (
        "import os, sys\n"
        f"sys.argv[1:] = {arguments}\n"
        "from cam_audit.cli import main\n"
        "end = os._exit\n"
        f"os._exit = lambda code: (print(*{what}, sep='\\n', file=sys.stderr, flush=True), end(code))\n"
        "main()"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("OPENBLAS_NUM_THREADS", None)
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    return set(result.stderr.split())


@pytest.mark.parametrize("arguments", [["--help"], ["scan", "--help"], ["--version"]], ids=" ".join)
def test_help_loads_nothing_heavy(tmp_path: Path, arguments: list[str]) -> None:
    loaded = told_at_its_end(tmp_path, arguments, "sys.modules")
    assert "click" in loaded
    assert not loaded & {"numpy", "cv2", "onnxruntime", "onnx", "PIL", "isal", "tqdm", "torch"}


def test_a_scan_of_one_image_loads_nothing_that_only_others_need(folder: Path) -> None:
    arguments = ["scan", "photos/red/0.png", "--net", "tiny"]
    loaded = told_at_its_end(folder, arguments, "sys.modules")
    assert {"cv2", "onnxruntime", "cam_audit.scan.audit_images"} <= loaded
    names = (
        "findings.examine findings.cues.features scan.annotations models.download models.torch_file models.adapt "
        "reports.sarif reports.baseline cli.adapt"
    )
    ours = {f"cam_audit.{name}" for name in names.split()}
    assert all(map(importlib.util.find_spec, ours)), "a module that is gone is never loaded"
    assert not loaded & ours
    assert not loaded & {"tqdm", "importlib.metadata", "numpy.random", "onnx"}


def test_numpy_has_no_threads_of_its_own_beside_the_workers(folder: Path) -> None:
    arguments = ["scan", "photos/red/0.png", "--net", "tiny"]
    pools = (
        "[pool['num_threads'] for pool in __import__('threadpoolctl').threadpool_info() if pool['user_api'] == 'blas']"
    )
    assert told_at_its_end(folder, arguments, pools) == {"1"}


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_a_terminal_gets_a_progress_bar(folder: Path) -> None:
    import fcntl
    import pty
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    command = [sys.executable, "-m", "cam_audit", "scan", "photos", "--net", "tiny"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        # reading from a terminal that nobody writes to any more is an error
        with contextlib.suppress(OSError):
            while block := os.read(ours, 4096):
                shown += block
    os.close(ours)
    assert process.returncode == 0
    last = [line for line in shown.decode().splitlines() if line.strip()][-1]
    assert last.startswith("100%")
    assert "6/6" in last
    assert "errors=0" in last


def test_version_and_no_command(folder: Path) -> None:
    assert run(folder, "--version").stdout == f"cam-audit, version {cam_audit.__version__}\n"
    assert "Commands:" in run(folder, code=2).stdout


def result_of(label: str, label_class: int | None, predicted: int) -> ImageRow:
    names = ("cat", "dog", "owl")
    return ImageRow(
        path=f"{label}/x.jpg",
        label=label,
        top=((names[predicted], 1.0),),
        label_score=None if label_class is None else 0.5,
        flags=("CA104",) if label_class not in (None, predicted) else (),
    )


def torn(reason: str = "torn") -> ImageRow:
    return ImageRow("a", "", error=reason)


def summary_of(*images: ImageRow, seconds: float = 1.0) -> list[str]:
    """The begin of a summary: what concerns the images, without the confused pairs."""
    images = tuple(replace(image, path=f"{number}/{image.path}") for number, image in enumerate(images))
    confused = tuple(
        ConfusedImage(image.path, image.label, image.top[0][0], Disagreement(None, (0, 0), (0, 0)))
        for image in images
        if "CA104" in image.flags
    )
    run = {"seconds": seconds, "settings": {"out": "out"}}
    report = ScanReport(run, (), frozenset(), confused, (), images, folder="out")
    lines = summary(report).splitlines()
    ends = [number for number, line in enumerate(lines) if not line or line.startswith("confused pairs")]
    return lines[: ends[0]]


def test_the_summary_counts_errors_and_agreement_and_names_the_worst_classes() -> None:
    cats = [*[result_of("cat", 0, 0)] * 3, result_of("cat", 0, 1)]
    dogs = [*[result_of("dog", 1, 2)] * 2, result_of("dog", 1, 0), result_of("dog", 1, 1)]
    others = [result_of("owl", 2, 2), result_of("other", None, 2)]
    assert summary_of(*cats, *dogs, *others, torn(), torn(), seconds=2.0) == [
        "12 images, 2 errors, 6.0 images/s",
        "  2 x torn",
        "prediction = folder in 5 of 9 (55.6%)",
        "worst classes:",
        "  dog: 1 of 4 right; taken for owl 2 x",
        "  cat: 3 of 4 right; taken for dog 1 x",
    ]


def test_the_summary_of_many_wrong_classes_stays_short() -> None:
    wrong = [result_of(f"folder {index}", 0, 1) for index in range(9)]
    skipped = [torn(f"reason {index}") for index in range(9)]
    lines = summary_of(*wrong, *skipped)
    assert len(lines) == 1 + 3 + 1 + 1 + 5 + 1
    assert lines[-1] == "  and 4 more with wrong predictions"


def test_the_summary_without_labels_has_no_agreement() -> None:
    assert summary_of(result_of("", None, 1), seconds=0)[0] == "1 image, 0 errors, 0.0 images/s"
