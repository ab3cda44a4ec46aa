"""Images per second of a scan beside bare onnxruntime calls on the same pictures, sizes and threads.

    python benchmarks/throughput.py PHOTOS --net resnet18 --rounds 5

Each round runs one after the other: bare onnxruntime with one single-threaded call a worker (as the scan
does), bare onnxruntime with one session of as many threads, the scan itself with every overlay and the table
written, and the scan with the audit. Bare calls get decoded pictures of the right size from memory. The machine may
be busy: what counts are the ratios, taken round by round, of which the median and the range are printed.
"""

from __future__ import annotations

import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
import cv2
import numpy as np
import onnxruntime as ort

from cam_audit import contract
from cam_audit.auditor import audit
from cam_audit.cores import available_cores
from cam_audit.images import find_images, network_size, read_image, resize
from cam_audit.labels import ClassNames, label_images
from cam_audit.model import Model, load_model
from cam_audit.nets import find_net
from cam_audit.output import replacing
from cam_audit.records import ImageSource
from cam_audit.reports import csv
from cam_audit.scan import ScanSettings, scan

OUTPUTS = [contract.LOGITS, contract.ACTIVATIONS]


@click.command()
@click.argument("photos", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--net", default="resnet18", show_default=True)
@click.option("--rounds", default=5, show_default=True)
@click.option("--workers", default=available_cores(), show_default=True)
@click.option("--limit", default=200, show_default=True, help="Photos a round.")
def main(photos: Path, net: str, rounds: int, workers: int, limit: int) -> None:
    """Measure and print."""
    model = load_model(find_net(net))
    names = find_images(photos).names[:limit]
    sources = label_images(photos, names, ClassNames(model.class_names, model.class_ids), {})
    pictures = [_network_input(model, source) for source in sources]
    wide = _session(model.path, workers)
    runs: dict[str, Callable[[], object]] = {
        f"bare onnxruntime, {workers} calls of 1 thread": lambda: _bare(model.session, pictures, workers),
        f"bare onnxruntime, 1 session of {workers} threads": lambda: _bare(wide, pictures, 1),
        "scan, all overlays and the table": lambda: _scan(model, sources, workers),
        "scan and audit": lambda: _audit(model, sources, workers),
    }
    for run in runs.values():
        run()
    rates: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            begin = time.perf_counter()
            run()
            rates[name].append(len(pictures) / (time.perf_counter() - begin))
    print(f"{net}, {len(pictures)} photos, {workers} workers, {rounds} rounds, {platform.machine()}")
    versions = {"Python": platform.python_version(), "onnxruntime": ort.__version__, "OpenCV": cv2.__version__}
    print(", ".join(f"{name} {version}" for name, version in versions.items()), f"numpy {np.__version__}", sep=", ")
    *bare, scanned, audited = rates.values()
    fastest = [max(pair) for pair in zip(*bare, strict=True)]
    for name, values in rates.items():
        print(f"{name:48} {_spread(values)} images/s")
    ratios = [ours / theirs for ours, theirs in zip(scanned, fastest, strict=True)]
    print(f"{'scan / the faster bare way of the same round':48} {_spread(ratios, 2)}")
    costs = [ours / theirs - 1 for ours, theirs in zip(scanned, audited, strict=True)]
    print(f"{'time that the audit adds to the scan':48} {_spread(costs, 2)}")


def _network_input(model: Model, source: ImageSource) -> np.ndarray:
    rgb, _, _ = read_image(source.path)
    width, height = network_size(rgb.shape[1], rgb.shape[0], min(model.input_size), model.cell)
    return resize(rgb, width, height)


def _session(path: Path, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _bare(session: ort.InferenceSession, pictures: list[np.ndarray], workers: int) -> None:
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(lambda rgb: len(session.run(OUTPUTS, {contract.IMAGE: rgb[None]})), pictures))


def _scan(model: Model, sources: list[ImageSource], workers: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        with replacing(out / "results.csv") as table:
            for record in scan(model, sources, ScanSettings(), overlays=out, workers=workers):
                table.write(csv.row(record))


def _audit(model: Model, sources: list[ImageSource], workers: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        with replacing(out / "results.csv") as table:
            audit(model, sources, overlays=out, workers=workers, on_record=lambda record: table.write(csv.row(record)))


def _spread(values: list[float], digits: int = 1) -> str:
    return f"{statistics.median(values):6.{digits}f}  ({min(values):.{digits}f} to {max(values):.{digits}f})"


if __name__ == "__main__":
    main()
