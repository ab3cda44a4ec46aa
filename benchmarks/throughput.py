"""Images per second of `cam-audit scan` beside bare onnxruntime calls and other programs on the same photos.

    python benchmarks/throughput.py PHOTOS --net resnet18 --int8 resnet18.int8.onnx --peers PYTHON --weights FILE

Each round runs, one after the other: bare onnxruntime in two thread settings on decoded pictures of the net's size in
memory; the scan with all overlays, with those of flagged images and with none; the same with an int8 file, if given
(`cam-audit models quantize`); a plain onnxruntime + OpenCV script; torchcam and pytorch-grad-cam with the same
weights, where `--peers` names a Python that has them and torch (on a share of the photos, as they are slow); then the
scan and the plain script on generated 12-megapixel JPEGs. Nets are loaded before, also those of the peers. A scan is
that of the command: audit, tables and report.html are written as well.

The machine may be busy: what counts are the ratios of the same round, by the clock and by the processor's time, of
which median and range are printed, as a table for README.md; `--json FILE` keeps all figures.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import IO

import click
import cv2
import numpy as np
import onnxruntime as ort

from cam_audit import __version__
from cam_audit.cli.process.libraries import set_up_libraries
from cam_audit.images.decode import read_image
from cam_audit.images.find import find_images, spread
from cam_audit.images.resize import network_size, resize
from cam_audit.models import file_format
from cam_audit.models.known import find_net
from cam_audit.models.model import Model, load_model
from cam_audit.scan.audit import audit
from cam_audit.scan.options import ALL, FLAGGED, NONE
from cam_audit.workers import available_cores

OUTPUTS = [file_format.LOGITS, file_format.ACTIVATIONS]
HERE = Path(__file__).parent
CAMERA_SIZE = 4000, 3000
PEERS = "torchcam", "grad-cam"
BARE = "bare onnxruntime"
CAMERA = "12 MP: "


@dataclass(frozen=True)
class Ran:
    """One run over some images: seconds on the clock and of the processor, both per image."""

    clock: float
    processor: float


Run = Callable[[], Ran]


@click.command()
@click.argument("photos", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--net", default="resnet18", show_default=True, help="A net's name or a CAM-ready file.")
@click.option("--int8", type=click.Path(exists=True, path_type=Path), help="The same net in int8.")
@click.option("--peers", type=click.Path(path_type=Path), metavar="PYTHON", help="Has torch, torchcam and grad-cam.")
@click.option("--weights", type=click.Path(path_type=Path), help="The net's weights as a torch state dict.")
@click.option("--shim", type=click.Path(path_type=Path), help="A module that the peers import before torchvision.")
@click.option("--rounds", default=5, show_default=True)
@click.option("--workers", default=available_cores(), show_default=True)
@click.option("--limit", default=200, show_default=True, help="Photos a round.")
@click.option("--peer-limit", default=24, show_default=True, help="Photos a round for the torch peers.")
@click.option("--camera", default=12, show_default=True, help="Generated 12-megapixel JPEGs a round; 0 for none.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write all figures to this file.")
def main(
    photos: Path, net: str, int8: Path | None, peers: Path | None, weights: Path | None, shim: Path | None,
    rounds: int, workers: int, limit: int, peer_limit: int, camera: int, json_file: Path | None,
) -> None:  # fmt: skip
    """Measure and print."""
    # as the command does, and so for the bare calls as well
    set_up_libraries(workers)
    model = load_model(Path(net) if Path(net).is_file() else find_net(net))
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        files = [photos / name for name in spread(find_images(photos).names, limit)]
        chosen = _linked(files, photos, folder / "photos")
        runs: dict[str, Run] = _bare_runs(model, files, workers, BARE)
        runs |= _scan_runs(model, chosen, workers, "scan", folder)
        if int8:
            quantised = load_model(int8)
            runs |= _bare_runs(quantised, files, workers, f"int8: {BARE}")
            runs |= _scan_runs(quantised, chosen, workers, "int8: scan", folder)
        plain = [sys.executable, str(HERE / "plain_script.py"), str(model.path)]
        runs["plain script"] = stack.enter_context(_peer("plain script", plain, files, folder))
        for peer in PEERS:
            if not peers or not weights:
                print(f"{peer} is skipped: --peers PYTHON and --weights FILE name no environment for it")
                continue
            command = [str(peers), str(HERE / "torch_peers.py"), peer, model.net, str(weights)]
            share = spread(files, peer_limit)
            with contextlib.suppress(ChildProcessError):
                runs[peer] = stack.enter_context(_peer(peer, command, share, folder, str(shim or "-")))
        if camera:
            large = _camera_photos(spread(files, camera), folder / "camera")
            runs[f"{CAMERA}scan"] = partial(_scan, model, folder / "camera", workers, ALL, folder)
            runs[f"{CAMERA}plain script"] = stack.enter_context(_peer("plain script", plain, large, folder))
        taken = _measure(runs, rounds)
    settings = {
        "net": model.net, "photos": len(files), "peer photos": peer_limit, "12 MP photos": camera,
        "rounds": rounds, "workers": workers, "cores": available_cores(), "machine": platform.machine(),
        "load before the last round": os.getloadavg()[0],
    }  # fmt: skip
    versions = {
        "cam-audit": __version__, "Python": platform.python_version(), "onnxruntime": ort.__version__,
        "OpenCV": cv2.__version__, "numpy": np.__version__, **(_peer_versions(peers) if peers else {}),
    }  # fmt: skip
    print(", ".join(f"{name} {value}" for name, value in (settings | versions).items()), end="\n\n")
    print(table(taken))
    if json_file:
        figures = {name: [asdict(ran) for ran in values] for name, values in taken.items()}
        document = {"settings": settings, "versions": versions, "seconds per image": figures}
        json_file.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def table(taken: dict[str, list[Ran]]) -> str:
    """A Markdown table: images per second, and times as many as bare onnxruntime's faster way in the same round.

    12-megapixel runs are set beside the plain script on the same pictures.
    """
    ways = [values for name, values in taken.items() if name.startswith(BARE)]
    bare = [Ran(min(r.clock for r in pair), min(r.processor for r in pair)) for pair in zip(*ways, strict=True)]
    lines = [
        "| | images/s | x bare, clock | x bare, processor time |",
        "|---|---|---|---|",
    ]
    for name, values in taken.items():
        base = taken[f"{CAMERA}plain script"] if name.startswith(CAMERA) else bare
        clock = [theirs.clock / ours.clock for ours, theirs in zip(values, base, strict=True)]
        processor = [theirs.processor / ours.processor for ours, theirs in zip(values, base, strict=True)]
        rates = _range([1 / ran.clock for ran in values], 1)
        lines.append(f"| {name} | {rates} | {_range(clock, 2)} | {_range(processor, 2)} |")
    return "\n".join(lines)


def _range(values: Sequence[float], digits: int) -> str:
    low, high = min(values), max(values)
    return f"{statistics.median(values):.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def _measure(runs: dict[str, Run], rounds: int) -> dict[str, list[Ran]]:
    taken: dict[str, list[Ran]] = {name: [] for name in runs}
    for run in runs.values():
        run()
    for _ in range(rounds):
        for name, run in runs.items():
            taken[name].append(run())
    return taken


def _timed(work: Callable[[], object], images: int) -> Ran:
    begin, processor = time.perf_counter(), time.process_time()
    work()
    return Ran((time.perf_counter() - begin) / images, (time.process_time() - processor) / images)


def _bare_runs(model: Model, files: Sequence[Path], workers: int, name: str) -> dict[str, Run]:
    pictures = [_network_input(model, path) for path in files]
    wide = ort.SessionOptions()
    wide.intra_op_num_threads = workers
    one = ort.InferenceSession(str(model.path), wide, providers=["CPUExecutionProvider"])
    return {
        f"{name}, {workers} calls of 1 thread": partial(_bare, model.session, pictures, workers),
        f"{name}, 1 call of {workers} threads": partial(_bare, one, pictures, 1),
    }


def _network_input(model: Model, path: Path) -> np.ndarray:
    rgb, _, _ = read_image(path)
    width, height = network_size(rgb.shape[1], rgb.shape[0], min(model.input_size), model.cell)
    return resize(rgb, width, height)


def _bare(net: ort.InferenceSession, pictures: Sequence[np.ndarray], calls: int) -> Ran:
    def run() -> None:
        with ThreadPoolExecutor(calls) as pool:
            list(pool.map(lambda rgb: len(net.run(OUTPUTS, {file_format.IMAGE: rgb[None]})), pictures))

    return _timed(run, len(pictures))


def _scan_runs(model: Model, photos: Path, workers: int, name: str, folder: Path) -> dict[str, Run]:
    return {
        f"{name}, {overlays} overlays": partial(_scan, model, photos, workers, overlays, folder)
        for overlays in (ALL, FLAGGED, NONE)
    }


def _scan(model: Model, photos: Path, workers: int, overlays: str, folder: Path) -> Ran:
    out = Path(tempfile.mkdtemp(dir=folder))
    scan = partial(audit, photos, model, out=out / "out", overlays=overlays, workers=workers)
    ran = _timed(scan, len(find_images(photos).names))
    # emptied, and not deleted before all is measured: ext4 without a journal is slow to make files where others
    # were deleted in the last minutes
    for file in out.rglob("*"):
        if file.is_file():
            os.truncate(file, 0)
    return ran


@contextlib.contextmanager
def _peer(name: str, command: Sequence[str], files: Sequence[Path], folder: Path, *rest: str) -> Iterator[Run]:
    """A program that does the files again for each line that it gets; raises ChildProcessError where it can't start."""
    out = Path(tempfile.mkdtemp(dir=folder))
    names = out / "photos.txt"
    names.write_text("\n".join(map(str, files)), encoding="utf-8")
    arguments = [*command, str(names), str(out), *rest]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        if process.stdout.readline().strip() != "ready":
            print(f"{name} is skipped: it cannot be run by {command[0]}")
            raise ChildProcessError(name)

        def run(send: IO[str] = process.stdin, answers: IO[str] = process.stdout) -> Ran:
            send.write("\n")
            send.flush()
            answer = answers.readline().split()
            if not answer:
                raise SystemExit(f"{name} ended before its time")
            clock, processor = map(float, answer)
            return Ran(clock / len(files), processor / len(files))

        yield run
        process.stdin.close()


def _peer_versions(python: Path) -> dict[str, str]:
    program = "from importlib.metadata import version as v; print(v('torch'), v('torchcam'), v('grad-cam'))"
    ran = subprocess.run([python, "-c", program], capture_output=True, text=True, check=False)
    return dict(zip(("torch", *PEERS), ran.stdout.split(), strict=False))


def _linked(files: Sequence[Path], root: Path, folder: Path) -> Path:
    """A folder with just these of the photos, in their class folders."""
    for path in files:
        place = folder / path.relative_to(root)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(path.read_bytes())
    return folder


def _camera_photos(files: Sequence[Path], folder: Path) -> list[Path]:
    """Photos enlarged to 12 megapixels, with noise like a camera's, as JPEGs of quality 92."""
    folder.mkdir()
    large = []
    for number, path in enumerate(files):
        rgb = cv2.resize(read_image(path)[0], CAMERA_SIZE, interpolation=cv2.INTER_CUBIC)
        noise = np.random.default_rng(number).normal(0, 4, rgb.shape[:2]).astype(np.float32)[..., None]
        noisy = np.clip(rgb + noise, 0, 255).astype(np.uint8)
        large.append(folder / f"{number}.jpg")
        cv2.imwrite(str(large[-1]), cv2.cvtColor(noisy, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 92])
    return large


if __name__ == "__main__":
    main()
