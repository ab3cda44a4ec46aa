"""A decoder or onnxruntime that crashes or hangs does not lose the scan; both processes answer signals as one."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from commands import ROOT, environment, run
from data_sets import table
from resume import differences, finished_overlays
from small_scans import SCAN

from cam_audit.reports.output_folder import is_finished

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="scans are supervised where processes can be forked")

# What is done to every process that the command forks: an image whose bytes end so is bad in that way.
CRASH, HANG = b"crash", b"hang"
BAD_DECODER = """
import cv2
decode = cv2.imdecode
def imdecode(data, flags):
    if data.tobytes().endswith(b"crash"):
        ctypes.string_at(0)
    if data.tobytes().endswith(b"hang"):
        open("hanging", "a").write("x")
        time.sleep(1000)
    return decode(data, flags)
cv2.imdecode = imdecode
"""


@pytest.fixture
def folder(drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: photos that the test may change, and what an undisturbed scan finds in them."""
    work = Path(shutil.copytree(drawn, tmp_path / "work"))
    monkeypatch.chdir(work)
    return work


def start(*options: str, sabotage: str = BAD_DECODER, limit: int = 120, before: str = "") -> subprocess.Popen[str]:
    """A scan whose forked processes run `sabotage` when they begin; `before`: what the first process runs."""
    Path("hook").mkdir(exist_ok=True)
    body = "\n".join(f"    {line}" for line in sabotage.splitlines())
    Path("hook/sitecustomize.py").write_text(
        f"import os\nimport cam_audit.cli.process.forked as forked\nforked.DECODE_SECONDS = {limit}\n{before}\n"
        f"def sabotage():\n    import ctypes, os, signal, threading, time\n{body}\n"
        "os.register_at_fork(after_in_child=sabotage)\n"
    )
    return subprocess.Popen(
        [sys.executable, "-m", "cam_audit", *SCAN, *options],
        env={**environment(), "PYTHONPATH": os.pathsep.join(("hook", str(ROOT)))},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # a process group of its own, as a shell gives every command
        start_new_session=True,
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, list[str]]:
    """The exit code and the lines on stderr, once every process that has it open has ended."""
    try:
        _, words = process.communicate(timeout=60)
    finally:
        process.kill()
    return process.returncode, words.splitlines()


def wait_for(condition: object) -> None:
    end = time.monotonic() + 60
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.01)


def require_same_but_for(reasons: dict[str, str]) -> None:
    """The results are those of a scan in which these files are empty, but for the reason."""
    for name in reasons:
        Path("photos", name).write_bytes(b"")
    run(Path.cwd(), *SCAN[:-1], "expected", code=3)
    assert {row["path"]: row["error"] for row in table(Path("out")) if row["error"]} == reasons
    results = Path("out/results.csv").read_bytes()
    for reason in reasons.values():
        results = results.replace(reason.encode(), b"the file is empty")
    Path("out/results.csv").write_bytes(results)
    assert differences(Path("out"), Path("expected")) == ()


@pytest.mark.parametrize("workers", ["1", "3"])
def test_images_that_crash_a_decoder_are_rows_with_the_reason(folder: Path, workers: str) -> None:
    reason = "decoding it ended the process by SIGSEGV"
    bad = {"ant/05.png": reason, "ant/06.png": reason, "cow/new.jpg": reason}
    for name in bad:
        Path("photos", name).write_bytes(CRASH)
    code, lines = ended(start("--workers", workers))
    assert code == 3
    assert sorted(lines) == [f"note: photos/{name}: {reason}; the scan goes on without it" for name in bad]
    require_same_but_for(bad)


def test_an_image_that_hangs_a_decoder_is_a_row_with_the_reason(folder: Path) -> None:
    reason = "decoding it took more than 2 seconds"
    Path("photos/bee/03.png").write_bytes(HANG)
    code, lines = ended(start(limit=2))
    assert code == 3
    assert lines == [f"note: photos/bee/03.png: {reason}; the scan goes on without it"]
    require_same_but_for({"bee/03.png": reason})


def test_what_was_told_of_a_scan_is_not_told_again_when_it_goes_on(folder: Path) -> None:
    Path("photos/bee").rename("photos/wasp")
    Path("photos/cow/13.png").write_bytes(CRASH)
    Path("setup.cfg").write_text("[cam-audit]\nfresh = true\n")
    code, lines = ended(start("--workers", "1"))
    assert code == 3
    assert [line.split()[1] for line in lines] == ["options", "1", "photos/cow/13.png:"]


def test_a_mask_that_crashes_a_decoder_is_named(folder: Path) -> None:
    shutil.copytree("photos", "masks")
    with Path("masks/ant/00.png").open("ab") as file:
        file.write(CRASH)
    sabotage = """
import cam_audit.images.mask as images
decode = images.decode_mask
images.decode_mask = lambda data, value=None: os.abort() if data.endswith(b"crash") else decode(data, value)
"""
    code, lines = ended(start("--masks", "masks", sabotage=sabotage))
    reason = "masks/ant/00.png: decoding it ended the process by SIGABRT"
    assert (code, lines) == (0, [f"note: {reason}; the scan goes on without it"])
    # the image stays in the audit
    assert not [row for row in table(Path("out")) if row["error"]]
    assert f"masks: 1 left out: {reason}" in json.loads(Path("out/findings.json").read_text())["notes"]


# Crashes at one image more each time, at most so often, and never where a file is decoded alone.
AT_ANY = """
import cv2
open("crashes", "a").close()
decode, calls = cv2.imdecode, []
def imdecode(data, flags):
    if threading.current_thread() is not threading.main_thread():
        calls.append(1)
        if os.path.getsize("crashes") < min(len(calls), {most}):
            open("crashes", "a").write("x")
            ctypes.string_at(0)
    return decode(data, flags)
cv2.imdecode = imdecode
"""


def test_a_crash_that_does_not_come_again_costs_nothing(folder: Path) -> None:
    code, lines = ended(start("--workers", "1", sabotage=AT_ANY.format(most=1)))
    assert code == 0
    assert lines == [
        "note: decoding photos/ant/00.png ended the process by SIGSEGV, but not when nothing else was done; the scan "
        "goes on"
    ]
    assert differences(Path("out"), Path("undisturbed")) == ()


def test_a_crash_that_comes_again_but_never_alone_ends_the_scan(folder: Path) -> None:
    process = start("--workers", "1", sabotage=AT_ANY.format(most=9))
    code, lines = ended(process)
    assert code == 70
    assert [line.split()[2] for line in lines[:-1]] == ["photos/ant/00.png"]
    assert lines[-1] == (
        "cam-audit: the scan was ended by SIGSEGV, which is most likely a fault in OpenCV or onnxruntime; what was "
        f"finished is kept; go on with `cam-audit {' '.join(SCAN)} --workers 1 --resume`"
    )


def test_a_crash_of_the_net_ends_the_scan_with_what_was_finished_kept(folder: Path) -> None:
    sabotage = """
import cam_audit.scan.image as scan
run_net, runs = scan.run_net, []
def crash(*arguments, **options):
    runs.append(1)
    if len(runs) > 10:
        os.kill(os.getpid(), signal.SIGILL)
        time.sleep(1000)
    return run_net(*arguments, **options)
scan.run_net = crash
"""
    code, lines = ended(start("--workers", "1", sabotage=sabotage))
    assert code == 70
    assert len(lines) == 1
    assert lines[0].startswith("cam-audit: the scan was ended by SIGILL")
    assert len(finished_overlays(Path("out"))) == 10
    command = lines[0].partition("`cam-audit ")[2].removesuffix("`")
    assert "of which 10 images are done" in run(folder, *command.split()).stderr
    assert differences(Path("out"), Path("undisturbed")) == ()


TELL_PID = 'open("child", "w").write(str(os.getpid()))'


def test_a_scan_that_somebody_kills_is_not_begun_again(folder: Path) -> None:
    process = start("--workers", "1", sabotage=TELL_PID)
    wait_for(lambda: finished_overlays(Path("out")))
    os.kill(int(Path("child").read_text()), signal.SIGKILL)
    code, lines = ended(process)
    assert code == 128 + signal.SIGKILL
    assert len(lines) == 1
    assert "the scan was killed" in lines[0]
    assert "fewer --workers" in lines[0]
    run(folder, *SCAN, "--resume")
    assert differences(Path("out"), Path("undisturbed")) == ()


def test_when_the_command_is_killed_nothing_of_it_is_left(folder: Path) -> None:
    process = start("--workers", "1", sabotage="")
    wait_for(lambda: finished_overlays(Path("out")))
    process.kill()
    process.wait()
    # while what it held, the lock of the folder among that, is still being let go of
    run(folder, *SCAN, "--resume")
    # comes to its end only when the other process has ended too
    assert ended(process) == (-signal.SIGKILL, [])
    assert differences(Path("out"), Path("undisturbed")) == ()


@pytest.mark.parametrize("to_all", [False, True], ids=["to the command alone", "to all its processes"])
@pytest.mark.parametrize(("number", "expected"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_interrupts_once_whoever_gets_it(
    folder: Path, number: signal.Signals, expected: int, to_all: bool
) -> None:
    process = start("--workers", "1", sabotage="")
    wait_for(lambda: finished_overlays(Path("out")))
    (os.killpg if to_all else os.kill)(process.pid, number)
    code, lines = ended(process)
    assert (code, len(lines)) == (expected, 1)
    assert lines[0].startswith("cam-audit: interrupted; go on with `cam-audit scan ")
    assert not is_finished(Path("out"))


def test_a_signal_that_comes_while_modules_are_imported_waits_for_them(folder: Path) -> None:
    code, lines = ended(start(sabotage="os.kill(os.getpid(), signal.SIGINT)"))
    assert (code, [line for line in lines if line]) == (130, ["cam-audit: interrupted"])
    assert not Path("out").exists()


def test_a_signal_interrupts_also_while_a_file_is_tried_alone(folder: Path) -> None:
    Path("photos/bee/03.png").write_bytes(HANG)
    process = start(limit=2)
    wait_for(lambda: Path("hanging").exists() and Path("hanging").read_text() == "xx")
    process.send_signal(signal.SIGINT)
    code, lines = ended(process)
    assert (code, len(lines)) == (130, 1)
    assert lines[0].startswith("cam-audit: interrupted; ")


def test_where_processes_can_not_be_forked_the_scan_is_as_ever(folder: Path) -> None:
    process = start(sabotage="os._exit(9)", before="del os.fork")
    assert ended(process) == (0, [])
    assert differences(Path("out"), Path("undisturbed")) == ()
