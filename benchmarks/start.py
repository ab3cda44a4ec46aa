"""How long cam-audit takes to start: its help, and a scan of one image beside a bare onnxruntime session and run.

    python benchmarks/start.py PHOTO --net resnet18 --rounds 10

Everything runs in a process of its own, one after the other. The machine may be busy: of the time on the clock and of
the processor's time, the least and the median are printed, and the ratios of the same round.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import click

from cam_audit.models.known import find_net

BARE = """
import sys
import cv2
import numpy as np
import onnxruntime as ort
options = ort.SessionOptions()
options.intra_op_num_threads = 1
session = ort.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
bgr = cv2.imread(sys.argv[2])
scale = 224 / min(bgr.shape[:2])
rgb = cv2.cvtColor(cv2.resize(bgr, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2RGB)
session.run(["logits", "activations"], {"image": rgb[None]})
"""


@click.command()
@click.argument("photo", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--net", default="resnet18", show_default=True)
@click.option("--rounds", default=10, show_default=True)
def main(photo: Path, net: str, rounds: int) -> None:
    """Measure and print."""
    command = [sys.executable, "-m", "cam_audit"]
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(photo, folder)
        out = str(Path(folder, "out"))
        runs = {
            "bare": [sys.executable, "-c", BARE, str(find_net(net)), str(photo)],
            "scan": [*command, "scan", str(Path(folder, photo.name)), "--net", net, "-o", out, "--fail-on", "never"],
            "help": [*command, "--help"],
            "python": [sys.executable, "-c", "pass"],
        }
        taken: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
        for number in range(rounds + 1):
            for name, arguments in runs.items():
                ran = _seconds(arguments)
                if number:
                    taken[name].append(ran)
    for name, values in taken.items():
        clock, processor = zip(*values, strict=True)
        print(f"{name:8} clock {_least(clock)}, processor {_least(processor)}")
    for kind, index in (("clock", 0), ("processor", 1)):
        ratios = [ours[index] / theirs[index] for ours, theirs in zip(taken["scan"], taken["bare"], strict=True)]
        print(f"scan / bare, {kind}: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


def _seconds(arguments: Sequence[str]) -> tuple[float, float]:
    """Seconds on the clock and of the processor of one process."""
    begin = time.perf_counter()
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{arguments[:4]} ended with {process.returncode}")
    return time.perf_counter() - begin, usage.ru_utime + usage.ru_stime


def _least(values: Sequence[float]) -> str:
    return f"{min(values):.3f} s at least, {statistics.median(values):.3f} s median"


if __name__ == "__main__":
    main()
