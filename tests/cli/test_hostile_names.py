"""Names of files, folders and classes that a terminal, a spreadsheet or a file system would obey are only shown."""

from __future__ import annotations

import csv
import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from commands import ROOT, run
from data_sets import table
from pictures import GREEN, RED, encode, square
from tiny_net import colour_net

ESCAPES = "\x1b[31m\x1b]0;owned\x07\x1b[2J\x9b2J\u202egnp.\u2028"
NAMES = (
    f"{ESCAPES}.png",
    "line\nbreak\r\t.png",
    "=cmd()!A1.png",
    "@SUM(1).png",
    "<script>alert(1)<!--.png",
    "..png",
    "%2e%2e%2f.png",
    "a\\..\\..\\b.png",
    "A.png",
    "a.png",
    "\udcff\udcfe.png",
    "n" * 251 + ".png",
    "\u0436" * 125 + ".png",
    "::error file=x::y.png",
    "-rf.png",
)
CONTROLS = [chr(code) for code in (*range(32), *range(127, 160), 0x202E, 0x2028) if chr(code) != "\n"]


def write_all(folder: Path, names: tuple[str, ...] = NAMES) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        with open(os.path.join(folder, name), "wb") as file:
            file.write(encode(square(RED, 0, 0)))


def files_outside(folder: Path) -> set[str]:
    return {str(path) for path in folder.rglob("*") if "cam-audit-out" not in path.parts}


def assert_inert(text: str) -> None:
    assert not [control for control in CONTROLS if control in text], repr(text)


def test_every_hostile_name_has_a_row_and_an_overlay_inside_the_output_folder(folder: Path) -> None:
    for label in ("red", f"{ESCAPES}", "=1+1", "... .."):
        write_all(folder / "photos" / label)
    before = files_outside(folder)
    # else the foreground net would be built into the user's cache folder, which is this one
    options = ("--foreground", "none")
    result = run(folder, "scan", "photos", "--net", "tiny", *options, encoding="utf-8:backslashreplace")
    assert files_outside(folder) == before
    out = folder / "cam-audit-out"
    with (out / "results.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    # `..png` and the folder `... ..` begin with a dot, and are hidden
    assert len(rows) == 6 + 3 * (len(NAMES) - 1)
    assert {row["status"] for row in rows} == {"ok"}
    assert not [row for row in rows for cell in row.values() if cell.startswith(("=", "@", "+", "-", "\t", "\r"))]
    overlays = [path for path in (out / "overlays").rglob("*") if path.is_file()]
    assert len(overlays) == len(rows)
    assert_inert(result.stdout)
    assert_inert(result.stderr)
    json.loads((out / "findings.json").read_text(encoding="utf-8"))


def test_a_scan_writes_nothing_but_its_output(folder: Path) -> None:
    """`run` makes the working folder the user's cache folder too: no library may keep anything there."""
    before = files_outside(folder)
    run(folder, "scan", "photos", "--net", "tiny")
    assert files_outside(folder) == before


def on_a_terminal(folder: Path, *arguments: str) -> str:
    """What a command writes to a terminal, the progress bar included."""
    ours, its = pty.openpty()
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "XDG_CACHE_HOME": str(folder),
        "NO_COLOR": "1",
        "TERM": "xterm",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "cam_audit", *arguments], cwd=folder, env=environment, stdout=its, stderr=its, stdin=its
    )
    os.close(its)
    written = b""
    while True:
        try:
            block = os.read(ours, 1 << 16)
        except OSError:
            break
        if not block:
            break
        written += block
    process.wait()
    os.close(ours)
    return written.decode("utf-8", "replace")


def hostile_net(folder: Path) -> None:
    classes = (f"red{ESCAPES}", "=green", "blue\nnote: all is well", "\ud800")
    metadata = {"net": f"tiny{ESCAPES}", "licence": ESCAPES, "activation_layer": f"relu{ESCAPES}"}
    net = colour_net(classes=classes, ids=(ESCAPES, "", "", ""), metadata=metadata)
    net.write(folder / "onnx_models" / "hostile.onnx")


# What the progress bar steers the cursor with: carriage return and, on a terminal of unknown width, one line up.
BAR = ("\r", "\x1b[A")


@pytest.mark.parametrize(
    "line",
    [
        "scan photos --model onnx_models/hostile.onnx --labels map.csv",
        "scan photos --model onnx_models/hostile.onnx",
        "scan photos --model onnx_models/hostile.onnx --target redd",
        "scan photos --net tiny --labels odd.csv",
        "scan photos --net tiny --masks masks",
        "scan photos --net tiny --boxes boxes",
        "models info onnx_models/hostile.onnx",
        "models info --classes onnx_models/hostile.onnx",
        "models check onnx_models/hostile.onnx",
        "models check operator.onnx",
        "models list",
    ],
)
def test_nothing_that_steers_a_terminal_reaches_it(folder: Path, line: str) -> None:
    hostile_net(folder)
    write_all(folder / "photos" / f"x{ESCAPES}", (f"{ESCAPES}.png", "broken.png"))
    (folder / "photos" / f"x{ESCAPES}" / f"{ESCAPES}.jpg").write_bytes(b"no image")
    (folder / "photos" / "red" / "0.png").write_bytes(encode(square(GREEN, 0, 0)))
    with (folder / "map.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("red", "0"), ("gone" + ESCAPES, "0")])
    with (folder / "odd.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerow(("red", f"no{ESCAPES}"))
    for kind, ending in (("masks", "png"), ("boxes", "xml")):
        (folder / kind / "red").mkdir(parents=True)
        (folder / kind / "red" / f"0.{ending}").write_text(f"<{'a' * 9}>{ESCAPES[0]}")
    proto = colour_net().proto()
    proto.graph.node[4].op_type, proto.graph.node[4].domain = f"Run{ESCAPES}", f"evil{ESCAPES}"
    (folder / "operator.onnx").write_bytes(proto.SerializeToString())
    shown = on_a_terminal(folder, *line.split())
    assert shown
    assert "Traceback" not in shown
    for allowed in BAR:
        shown = shown.replace(allowed, "")
    assert_inert(shown)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere such names are one")
def test_names_that_differ_only_by_case_keep_their_own_overlays(folder: Path) -> None:
    write_all(folder / "photos" / "red", ("A.png", "a.png", "a.PNG"))
    write_all(folder / "photos" / "RED", ("a.png",))
    run(folder, "scan", "photos", "--net", "tiny")
    overlays = folder / "cam-audit-out" / "overlays"
    for name in ("red/A.png", "red/a.png", "red/a.PNG", "RED/a.png"):
        assert (overlays / f"{name}.png").is_file()


def test_a_path_as_long_as_the_system_allows_is_scanned(folder: Path) -> None:
    deep = folder / "photos" / "red"
    while len(os.fsencode(deep)) + 250 < 4000:
        deep = deep / ("d" * 240)
    write_all(deep, ("a.png", "b" * 100 + ".png"))
    result = run(folder, "scan", "photos", "--net", "tiny")
    assert "8 images, 0 errors" in result.stdout
    assert len(list((folder / "cam-audit-out" / "overlays").rglob("*.png"))) == 8


def test_a_path_longer_than_the_system_allows_is_an_error_row_and_no_traceback(folder: Path) -> None:
    at = os.open(folder / "photos" / "red", os.O_RDONLY)
    for _ in range(18):
        os.mkdir("d" * 240, dir_fd=at)
        inner = os.open("d" * 240, os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = inner
    os.close(at)
    run(folder, "scan", "photos", "--net", "tiny", code=3)
    errors = [row["error"] for row in table(folder / "cam-audit-out") if row["status"] == "error"]
    assert errors == ["the file cannot be read: File name too long"]


def test_a_data_set_that_brings_its_own_output_folder_cannot_lead_the_scan_outside(folder: Path) -> None:
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "mine").touch()
    (folder / "mine.txt").write_text("mine")
    out = folder / "photos" / "cam-audit-out"
    out.mkdir()
    for name in ("results.csv", "results.csv.part", "findings.json", "run.json"):
        (out / name).symlink_to(folder / "mine.txt")
    scan = ("scan", "photos", "--net", "tiny", "-o", "photos/cam-audit-out")
    complaint = run(folder, *scan, code=2).stderr
    assert "holds findings.json, results.csv, results.csv.part and 1 more, which no scan wrote" in complaint
    assert (folder / "mine.txt").read_text() == "mine"
    # it may also pretend that its files were written by a scan
    pretended = json.dumps({"tool": "cam-audit"})
    (folder / "mine.txt").write_text(pretended)
    assert "which no scan wrote" in run(folder, *scan, code=2).stderr, "run.json is a link"
    (out / "run.json").unlink()
    (out / "run.json").write_text(pretended)
    run(folder, *scan)
    assert (folder / "mine.txt").read_text() == pretended
    link = out / "overlays" / "blue" / "link"
    link.symlink_to(elsewhere)
    assert f"{link.relative_to(folder)} is a symbolic link" in run(folder, *scan, code=2).stderr
    link.unlink()
    run(folder, *scan)
    shutil.rmtree(out / "overlays")
    (out / "overlays").symlink_to(elsewhere)
    message = run(folder, *scan, code=2).stderr
    assert "is a symbolic link, which may lead outside; remove it" in message
    assert [path.name for path in elsewhere.iterdir()] == ["mine"]
