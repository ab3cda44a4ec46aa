"""What the audit adds to the time of a scan, on drawings without findings and with planted cues.

    PYTHONPATH=study python benchmarks/audit_cost.py --net resnet18 --rounds 3 --kinds stamprand,frame
    PYTHONPATH=study python benchmarks/audit_cost.py --images 10000 --memory

Draws the demo's things in settings that no class is tied to, at photo size (short side 400 pixels), into folders
that stand for no class of the net: once as they are, and once with a cue of each of `--kinds` on every image of one
class each. The scan is that of `cam-audit scan` with all overlays and the table. Each round runs scan and audit of
both sets one after the other, and prints where the audit's time goes: the scan with what the audit takes of it on
the way; finders and evidence about what they found; and the second look at images that were not sampled. The machine
may be busy: what counts are the ratios of the same round, of which the median and the range are printed, for the
time on the clock and for that of the processor. With `--memory` each runs once, in a process of its own, and the
peak of its resident memory is printed.
"""

from __future__ import annotations

import os
import platform
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import click
import cv2
import numpy as np
import onnxruntime as ort
from designs import KINDS, design
from photo_sets import SHORT_SIDE, Picture, write_set
from tqdm import tqdm

from cam_audit.cli.process.libraries import set_up_libraries
from cam_audit.demo import CLASSES, draw_in, setting_of
from cam_audit.files import replacing
from cam_audit.images.find import find_images
from cam_audit.images.resize import network_size, resize
from cam_audit.models.class_names import ClassNames
from cam_audit.models.known import find_net
from cam_audit.models.model import Model, load_model
from cam_audit.records import AuditResult, ImageSource, Record
from cam_audit.reports import results_csv
from cam_audit.scan.audit_images import audit_images
from cam_audit.scan.chunk import scan, threads
from cam_audit.scan.dataset import label_images
from cam_audit.scan.image import ScanJob, ScanSettings
from cam_audit.workers import available_cores

CLEAN, PLANTED = "clean", "planted"


@click.command()
@click.option("--net", default="resnet18", show_default=True, help="A net's name or a CAM-ready file.")
@click.option("--images", default=2000, show_default=True)
@click.option("--classes", default=10, show_default=True)
@click.option("--kinds", default=",".join(KINDS), show_default=True, help="Kinds of cue, each for one class.")
@click.option("--rounds", default=3, show_default=True)
@click.option("--workers", default=available_cores(), show_default=True)
@click.option("--memory", is_flag=True, help="Print peaks of memory, not times.")
@click.option("--data", type=click.Path(path_type=Path), help="Where the pictures are kept; drawn where absent.")
def main(
    net: str, images: int, classes: int, kinds: str, rounds: int, workers: int, memory: bool, data: Path | None
) -> None:
    """Draw, measure and print."""
    chosen = tuple(kinds.split(","))
    net_file = Path(net) if Path(net).is_file() else find_net(net)
    with tempfile.TemporaryDirectory() as temporary:
        folder = data or Path(temporary)
        for name, cues in ((CLEAN, ()), (PLANTED, chosen)):
            draw_set(folder / name, images, classes, cues)
        versions = {"Python": platform.python_version(), "onnxruntime": ort.__version__, "OpenCV": cv2.__version__}
        print(f"{net}, {images} images in {classes} classes, {kinds}, {workers} workers, {rounds} rounds")
        print(", ".join(f"{name} {version}" for name, version in versions.items()), f"numpy {np.__version__}", sep=", ")
        runs = {
            (way, name): partial(run, folder / name, net_file, workers)
            for name in (CLEAN, PLANTED)
            for way, run in (("scan", scan_set), ("audit", audit_set))
        }
        (_memory if memory else partial(_times, rounds=rounds))(runs)


@dataclass(frozen=True)
class Ran:
    """What a run took, in seconds on the clock and of the processor, and the same by stage of an audit."""

    seconds: float
    processor: float
    stages: dict[str, float]
    report: AuditResult | None = None


Runs = dict[tuple[str, str], Callable[[], Ran]]


def _times(runs: Runs, rounds: int) -> None:
    taken: dict[tuple[str, str], list[Ran]] = {key: [] for key in runs}
    for round_number in range(rounds):
        for key, run in runs.items():
            ran = run()
            taken[key].append(ran)
            if ran.report:
                report = ran.report
                flagged = sum(bool({"CA101", "CA102"} & set(codes)) for codes in report.flags.values())
                stages = ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in ran.stages.items())
                print(
                    f"{key[1]}, round {round_number + 1}: {len(report.findings)} findings, {report.passes} passes, "
                    f"{flagged} images flagged; processor seconds: {stages}"
                )
    for (way, name), values in taken.items():
        clock, processor = [ran.seconds for ran in values], [ran.processor for ran in values]
        print(f"{name + ', ' + way:16} clock {_spread(clock, 1)} s, processor {_spread(processor, 1)} s")
    for name in (CLEAN, PLANTED):
        pairs = list(zip(taken["scan", name], taken["audit", name], strict=True))
        clock = [audited.seconds / scanned.seconds - 1 for scanned, audited in pairs]
        processor = [audited.processor / scanned.processor - 1 for scanned, audited in pairs]
        print(f"{name + ', added':16} clock {_spread(clock, 2)}, processor {_spread(processor, 2)}")


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


def scan_set(data: Path, net_file: Path, workers: int) -> Ran:
    """The scan alone, with all that it writes."""
    model, sources = _prepared(data, net_file)
    with tempfile.TemporaryDirectory() as out, replacing(Path(out) / "results.csv") as table:
        clock = _Clock()
        for record in scan(model, sources, ScanSettings(), overlays=Path(out), workers=workers):
            table.write(results_csv.row(record))
        return clock.ran()


def audit_set(data: Path, net_file: Path, workers: int) -> Ran:
    """The same scan with the audit on it."""
    model, sources = _prepared(data, net_file)
    with tempfile.TemporaryDirectory() as out, replacing(Path(out) / "results.csv") as table:
        clock = _Clock()

        def on_record(record: Record) -> None:
            table.write(results_csv.row(record))
            clock.pass_by("scan")

        report = audit_images(
            ScanJob(model, out=Path(out)),
            sources,
            threads(workers),
            on_record=on_record,
            on_look=lambda number, _: clock.pass_by("finders and evidence" if number == 1 else "second look"),
        )
        return clock.ran(report)


class _Clock:
    """Time since it was made, and by stage; a stage ends where it was last passed."""

    def __init__(self) -> None:
        self._begin, self._processor = time.perf_counter(), time.process_time()
        self._passed: dict[str, float] = {}

    def pass_by(self, stage: str) -> None:
        self._passed[stage] = time.process_time() - self._processor

    def ran(self, report: AuditResult | None = None) -> Ran:
        seconds, processor = time.perf_counter() - self._begin, time.process_time() - self._processor
        ends = {**self._passed, "the rest": processor}
        begins = [0.0, *ends.values()]
        stages = {stage: end - begin for (stage, end), begin in zip(ends.items(), begins, strict=False)}
        return Ran(seconds, processor, stages, report)


def _prepared(data: Path, net_file: Path) -> tuple[Model, list[ImageSource]]:
    # as the command does, in which it halves the time of drawing and of finding keypoints
    set_up_libraries(available_cores())
    model = load_model(net_file)
    return model, label_images(data, find_images(data).names, ClassNames(model.class_names, model.class_ids), {})


def draw_set(folder: Path, images: int, classes: int, kinds: Sequence[str]) -> None:
    """Draw a set where it is not there yet; every class holds all things, so that only the cues tell the classes."""
    names = tuple(f"class {k:02}" for k in range(classes))
    jobs = [(k, index) for k in range(classes) for index in range(images // classes)]
    if folder.exists():
        return
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as processes:
        pictures = processes.map(partial(_drawn, classes, kinds), jobs, chunksize=8)
        write_set(tqdm(pictures, total=len(jobs), unit="drawing", desc=folder.name, leave=False), names, folder)


def _drawn(classes: int, kinds: Sequence[str], job: tuple[int, int]) -> Picture:
    label, index = job
    thing, number = CLASSES[index % len(CLASSES)], index * classes + label
    rgb, mask = draw_in(setting_of(thing, number, shuffled=True), thing, number)
    width, height = network_size(rgb.shape[1], rgb.shape[0], SHORT_SIDE, 1)
    rgb, mask = resize(rgb, width, height), cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST)
    if label < len(kinds):
        cue = design(kinds[label], seed=label)
        rgb, _ = cue.plant(rgb, np.random.default_rng([label, index]), mask)
    return Picture(f"{index:05}", label, rgb)


def _spread(values: list[float], digits: int) -> str:
    return f"{statistics.median(values):7.{digits}f}  ({min(values):.{digits}f} to {max(values):.{digits}f})"


if __name__ == "__main__":
    main()
