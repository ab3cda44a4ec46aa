"""What the audit adds to the time of a scan, on drawings without findings and with planted cues.

    python benchmarks/audit_cost.py --net resnet18 --rounds 3
    python benchmarks/audit_cost.py --images 10000 --rounds 1 --memory

Draws the demo's things in settings that no class is tied to, at photo size (short side 400 pixels), into folders
that stand for no class of the net: once as they are, and once with one of the study's eight kinds of cue on every
image of each of `--planted` classes. The scan is that of `cam-audit scan` with all overlays and the table. Each
round runs scan and audit of both sets one after the other: the machine may be busy, so what counts are the ratios of
the same round, of which the median and the range are printed. With `--memory` each runs once, in a process of its
own, and the peak of its resident memory is printed.
"""

from __future__ import annotations

import os
import platform
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import click
import cv2
import numpy as np
import onnxruntime as ort
from photo_sets import SHORT_SIDE, Picture, write_set
from planting import KINDS, design
from tqdm import tqdm

from cam_audit.auditor import audit
from cam_audit.drawing import CLASSES, draw_in, setting_of
from cam_audit.images import find_images, network_size, resize
from cam_audit.labels import ClassNames, label_images
from cam_audit.model import load_model
from cam_audit.nets import find_net
from cam_audit.output import replacing
from cam_audit.records import AuditReport
from cam_audit.reports import csv
from cam_audit.scan import ScanSettings, available_cores, scan

CLEAN, PLANTED = "clean", "planted"


@click.command()
@click.option("--net", default="resnet18", show_default=True, help="A net's name or a CAM-ready file.")
@click.option("--images", default=2000, show_default=True)
@click.option("--classes", default=10, show_default=True)
@click.option("--planted", default=8, show_default=True, help="Classes that get a cue, one kind after the other.")
@click.option("--rounds", default=3, show_default=True)
@click.option("--workers", default=available_cores(), show_default=True)
@click.option("--memory", is_flag=True, help="Print peaks of memory, not times.")
@click.option("--data", type=click.Path(path_type=Path), help="Where the pictures are kept; drawn where absent.")
def main(
    net: str, images: int, classes: int, planted: int, rounds: int, workers: int, memory: bool, data: Path | None
) -> None:
    """Draw, measure and print."""
    net_file = Path(net) if Path(net).is_file() else find_net(net)
    with tempfile.TemporaryDirectory() as temporary:
        folder = data or Path(temporary)
        for name, cues in ((CLEAN, 0), (PLANTED, planted)):
            draw_set(folder / name, images, classes, cues)
        versions = {"Python": platform.python_version(), "onnxruntime": ort.__version__, "OpenCV": cv2.__version__}
        print(f"{net}, {images} images in {classes} classes, cues in {planted}, {workers} workers, {rounds} rounds")
        print(", ".join(f"{name} {version}" for name, version in versions.items()), f"numpy {np.__version__}", sep=", ")
        runs = {
            (way, name): partial(run, folder / name, net_file, workers)
            for name in (CLEAN, PLANTED)
            for way, run in (("scan", scan_set), ("audit", audit_set))
        }
        (_memory if memory else partial(_times, rounds=rounds))(runs)


Runs = dict[tuple[str, str], Callable[[], AuditReport | None]]


def _times(runs: Runs, rounds: int) -> None:
    seconds: dict[tuple[str, str], list[float]] = {key: [] for key in runs}
    for round_number in range(rounds):
        for key, run in runs.items():
            begin = time.perf_counter()
            report = run()
            seconds[key].append(time.perf_counter() - begin)
            if report and not round_number:
                flagged = sum(bool({"CA101", "CA102"} & set(codes)) for codes in report.flags.values())
                print(f"{key[1]}: {len(report.findings)} findings, {report.passes} passes, {flagged} images flagged")
    for (way, name), values in seconds.items():
        print(f"{name + ', ' + way:20} {_spread(values, 1)} s")
    for name in (CLEAN, PLANTED):
        pairs = zip(seconds["scan", name], seconds["audit", name], strict=True)
        print(f"{name + ', added':20} {_spread([audited / scanned - 1 for scanned, audited in pairs], 2)}")


def _memory(runs: Runs) -> None:
    for (way, name), run in runs.items():
        # a fresh process each: the peak of a process never falls
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            print(f"{name + ', ' + way:20} {process.submit(_peak, run).result():7.0f} MB")


def _peak(run: Callable[[], object]) -> float:
    """Megabytes of resident memory at the peak of this process, after a run."""
    run()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if platform.system() == "Darwin" else 1 << 10)


def scan_set(data: Path, net_file: Path, workers: int) -> None:
    """The scan alone, with all that it writes."""
    model = load_model(net_file)
    sources = label_images(data, find_images(data).names, ClassNames(model.class_names, model.class_ids), {})
    with tempfile.TemporaryDirectory() as out, replacing(Path(out) / "results.csv") as table:
        for record in scan(model, sources, ScanSettings(), overlays=Path(out), workers=workers):
            table.write(csv.row(record))


def audit_set(data: Path, net_file: Path, workers: int) -> AuditReport:
    """The same scan with the audit on it."""
    model = load_model(net_file)
    sources = label_images(data, find_images(data).names, ClassNames(model.class_names, model.class_ids), {})
    with tempfile.TemporaryDirectory() as out, replacing(Path(out) / "results.csv") as table:
        return audit(
            model,
            sources,
            overlays=Path(out),
            workers=workers,
            on_record=lambda record: table.write(csv.row(record)),
        )


def draw_set(folder: Path, images: int, classes: int, planted: int) -> None:
    """Draw a set where it is not there yet; every class holds all things, so that only the cues tell the classes."""
    names = tuple(f"class {k:02}" for k in range(classes))
    jobs = [(k, index) for k in range(classes) for index in range(images // classes)]
    if folder.exists():
        return
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as processes:
        pictures = processes.map(partial(_drawn, classes, planted), jobs, chunksize=8)
        write_set(tqdm(pictures, total=len(jobs), unit="drawing", desc=folder.name, leave=False), names, folder)


def _drawn(classes: int, planted: int, job: tuple[int, int]) -> Picture:
    label, index = job
    thing, number = CLASSES[index % len(CLASSES)], index * classes + label
    rgb, mask = draw_in(setting_of(thing, number, shuffled=True), thing, number)
    width, height = network_size(rgb.shape[1], rgb.shape[0], SHORT_SIDE, 1)
    rgb, mask = resize(rgb, width, height), cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST)
    if label < planted:
        cue = design(KINDS[label % len(KINDS)], seed=label)
        rgb, _ = cue.plant(rgb, np.random.default_rng([label, index]), mask)
    return Picture(f"{index:05}", label, rgb)


def _spread(values: list[float], digits: int) -> str:
    return f"{statistics.median(values):7.{digits}f}  ({min(values):.{digits}f} to {max(values):.{digits}f})"


if __name__ == "__main__":
    main()
