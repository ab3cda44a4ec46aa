"""What happens to speed and memory as the work grows, in images and in classes.

    python benchmarks/growth.py --net demo-biased
    python benchmarks/growth.py --sizes 200,20000 --classes 10

Makes small JPEGs of smooth noise, in class folders, and scans each set with the command, audit, overlays and report
included, in a process of its own. Prints a Markdown table: images/s on the clock, processor time an image, the peak of
resident memory, and the most open files and threads that were seen. Linux only, for its /proc.
"""

from __future__ import annotations

import contextlib
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import cv2
import numpy as np

SIDE = 64


@click.command()
@click.option("--net", default="demo-biased", show_default=True, help="A small net shows most of what is not the net.")
@click.option("--sizes", default="100,1000,10000", show_default=True)
@click.option("--classes", default="10,1000", show_default=True)
@click.option("--overlays", type=click.Choice(["all", "flagged", "none"]), default="all", show_default=True)
@click.option("--workers", type=int)
def main(net: str, sizes: str, classes: str, overlays: str, workers: int | None) -> None:
    """Make the sets, scan them, and print a row for each."""
    print(f"{net}, overlays {overlays}, workers {workers or 'as many as cores'}, {platform.machine()}\n")
    print("| images | classes | images/s | processor ms an image | peak MB | open files | threads | load |")
    print("|---|---|---|---|---|---|---|---|")
    for count in map(int, classes.split(",")):
        for images in map(int, sizes.split(",")):
            with tempfile.TemporaryDirectory() as folder:
                make_set(Path(folder, "images"), images, min(count, images))
                command = [sys.executable, "-m", "cam_audit", "scan", f"{folder}/images", "--net", net]
                command += ["--overlays", overlays, "--fail-on", "never", "-o", f"{folder}/out"]
                command += ["--workers", str(workers)] if workers else []
                print(f"| {images:,} | {min(count, images):,} | {scan_row(command, images)} |", flush=True)


def scan_row(command: list[str], images: int) -> str:
    """Run a scan and watch it; the cells of its row."""
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    files = threads = 0
    while (ended := os.wait4(process.pid, os.WNOHANG))[0] == 0:
        # it may end at any moment
        with contextlib.suppress(OSError):
            proc = scanning(process.pid)
            files = max(files, len(list((proc / "fd").iterdir())))
            threads = max(threads, len(list((proc / "task").iterdir())))
        time.sleep(0.05)
    seconds = time.perf_counter() - begin
    _, status, usage = ended
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"the scan ended with {process.returncode}")
    processor = 1000 * (usage.ru_utime + usage.ru_stime) / images
    peak = usage.ru_maxrss / 1024
    return f"{images / seconds:.1f} | {processor:.2f} | {peak:.0f} | {files} | {threads} | {os.getloadavg()[0]:.1f}"


def scanning(command: int) -> Path:
    """The process that scans, in /proc: the command's child, once it has one."""
    children = Path(f"/proc/{command}/task/{command}/children").read_text().split()
    return Path("/proc", children[0] if children else str(command))


def make_set(folder: Path, images: int, classes: int) -> None:
    """So many small JPEGs, no two alike, spread evenly over class folders."""
    random = np.random.default_rng(0)
    for number in range(images):
        place = folder / f"class {number % classes:04}"
        place.mkdir(parents=True, exist_ok=True)
        coarse = random.integers(0, 256, (8, 8, 3), np.uint8)
        picture = cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(place / f"{number:06}.jpg"), picture)


if __name__ == "__main__":
    main()
