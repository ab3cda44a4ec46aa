"""What Ray costs and brings, and what the process that leads a scan holds as the images grow.

    python benchmarks/scale.py speed --images 20000
    python benchmarks/scale.py driver --sizes 10000,100000,1000000

`speed` scans small JPEGs with as many worker processes of Ray on this machine as threads without it, audit and report
included, each in a process of its own. It prints images/s of the scan's first stage, in which all images pass,
from the first image that is done to the last, as starting Ray and the net takes as long for any number of images; and
the whole time. `driver` gives the real driver made-up results, for empty files in 100 class folders: it prints what
the process holds at its peak and takes, with listing, the journal, results.csv, the search for pictures that are there
twice, and the report.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import click
from growth import make_set

import cam_audit
from cam_audit.findings.sample import Collected
from cam_audit.records import ImageResult, ImageSource, MapStatistics, Record, Score
from cam_audit.scan.chunk import ChunkResult, Workers
from cam_audit.scan.image import ScanJob
from cam_audit.scan.run import _Run
from cam_audit.workers import in_order

CLASSES = 100
LEFT_OUT = 200


class Clock(cam_audit.Observer):
    """Times the first stage of a scan, but for its first images."""

    def __init__(self) -> None:
        self.images = 0
        self.begun = self.ended = 0.0

    def on_record(self, record: Record) -> None:
        self.images += 1
        self.ended = time.perf_counter()
        if self.images == LEFT_OUT:
            self.begun = self.ended

    @property
    def rate(self) -> float:
        """Images a second."""
        return (self.images - LEFT_OUT) / (self.ended - self.begun)


@click.group()
def main() -> None:
    """Measure."""


@main.command()
@click.option("--images", default=20_000, show_default=True)
@click.option("--net", default="demo-biased", show_default=True)
@click.option("--overlays", default="none", show_default=True)
@click.option("--workers", default="1,2", show_default=True)
def speed(images: int, net: str, overlays: str, workers: str) -> None:
    """Images/s with Ray over images/s without, with the same workers; and of more workers over one."""
    with tempfile.TemporaryDirectory() as folder:
        make_set(Path(folder, "images"), images, 10)
        print("| | workers | images/s | whole seconds | load |\n|---|---|---|---|---|")
        rates: dict[tuple[str, int], float] = {}
        for number in map(int, workers.split(",")):
            for name, ray in (("threads", ""), ("Ray", "local")):
                out = tempfile.mkdtemp(dir=folder)
                command = [sys.executable, __file__, "one", f"{folder}/images", net, overlays, str(number), ray, out]
                ran = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1]
                rate, seconds = json.loads(ran)
                rates[name, number] = rate
                print(f"| {name} | {number} | {rate:.1f} | {seconds:.0f} | {os.getloadavg()[0]:.1f} |", flush=True)
        for number in map(int, workers.split(",")):
            print(f"Ray over threads, {number} workers: {rates['Ray', number] / rates['threads', number]:.2f}")
        for name in ("threads", "Ray"):
            few, *_, many = (rate for (kind, _), rate in sorted(rates.items()) if kind == name)
            print(f"{name}, most over fewest workers: {many / few:.2f}")


@main.command(hidden=True)
@click.argument("arguments", nargs=6)
def one(arguments: Sequence[str]) -> None:
    """One scan, in this process."""
    from cam_audit.cli.process.libraries import set_environment, set_up_libraries

    dataset, net, overlays, workers, ray, out = arguments
    set_environment()
    set_up_libraries(int(workers))
    begun, clock = time.perf_counter(), Clock()
    cam_audit.audit(dataset, net, out=out, overlays=overlays, workers=int(workers), ray=ray or None, observer=clock)
    print(json.dumps([clock.rate, time.perf_counter() - begun]))


@main.command()
@click.option("--sizes", default="10000,100000,1000000", show_default=True)
def driver(sizes: str) -> None:
    """Memory and time of the process that leads a scan."""
    print("| images | peak MB | seconds | KB an image | ms an image |\n|---|---|---|---|---|")
    for images in map(int, sizes.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, __file__, "lead", folder, str(images)]
            ran = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1]
            peak, seconds, before = json.loads(ran)
        print(
            f"| {images:,} | {peak:.0f} | {seconds:.1f} | {1024 * (peak - before) / images:.2f} | "
            f"{1000 * seconds / images:.3f} |",
            flush=True,
        )


@main.command(hidden=True)
@click.argument("folder")
@click.argument("images", type=int)
def lead(folder: str, images: int) -> None:
    """One scan with made-up results, in this process."""
    for number in range(images):
        place = Path(folder, "images", f"class {number % CLASSES:02}")
        if number < CLASSES:
            place.mkdir(parents=True)
        os.close(os.open(place / f"{number:07}.jpg", os.O_CREAT))

    @contextlib.contextmanager
    def made_up_workers(self: _Run, _: object) -> Iterator[Workers]:
        each = partial(in_order, 2)
        yield Workers(threads=4, each=each, passes=each, scan=made_up, images=32)

    _Run.workers = made_up_workers  # type: ignore[method-assign]
    model = cam_audit.load_model(Path(cam_audit.__file__).parent / "demo" / "demo-biased.onnx")
    before = peak_mb()
    begun = time.perf_counter()
    cam_audit.audit(f"{folder}/images", model, out=f"{folder}/out", overlays="none", foreground="none")
    print(json.dumps([peak_mb(), time.perf_counter() - begun, before]))


def made_up(job: ScanJob, sources: Sequence[ImageSource]) -> list[ChunkResult]:
    """Results as of real images, but for what is collected of those that are sampled, which has a limit."""
    chance = random.Random(sources[0].name)
    names = job.model.class_names
    results = []
    for source in sources:
        share = chance.random()
        scores = tuple(Score(k, names[k], share / (k + 1)) for k in range(3))
        cam = MapStatistics(chance.random(), chance.random(), share, share)
        record = ImageResult(source, 640, 480, scores, None, names[0], cam, None, picture_hash=chance.getrandbits(64))
        results.append(ChunkResult((record,), Collected()))
    return results


def peak_mb() -> float:
    """The most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
