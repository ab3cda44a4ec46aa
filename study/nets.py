"""Which classifiers `cam-audit models adapt` takes, measured on random weights: the table in docs/nets.md.

Each net is exported as people do it, adapted, and its logits are compared with the framework's at its own size and, if
the file takes others, at two of them. `adapt` itself proves that the mean of each map plus the bias is the logit. At
last, six pictures of noise in two folders are scanned, and the predicted classes compared with the framework's.

    python study/nets.py torch --out torch.csv     needs torch, torchvision, timm, transformers, onnx, onnxscript
    python study/nets.py keras --out keras.csv     needs keras, tensorflow, tf2onnx
    python study/nets.py table torch.csv keras.csv
    python study/nets.py places --only transformers    which cell changes most where a cell's pixels are changed

A net that is in the file already is not measured again.
"""

from __future__ import annotations

import argparse
import csv
import importlib
import math
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from cam_audit import audit
from cam_audit.errors import CamAuditError, ModelError
from cam_audit.models.adapt import PRESETS, AdaptedModel, adapt
from cam_audit.models.model import load_model

Logits = Callable[[np.ndarray], np.ndarray]

# Images in each of the two folders that are scanned.
SCANNED = 3


@dataclass(frozen=True)
class Net:
    """A net to try: `export` writes an ONNX file and returns a function that has the framework's logits.

    That function takes RGB, uint8 (H, W, 3).
    """

    group: str
    name: str
    export: Callable[[Path], Logits]
    per_image: bool = False
    preset: str | None = "imagenet"


@dataclass(frozen=True)
class Row:
    """What became of a net.

    `worst` is the largest difference of logits for each size tried, relative to the largest logit; "-" where the
    framework itself does not take that size. `scan` is how many of the scanned images got the framework's class, or the
    error.
    """

    group: str
    name: str
    result: str
    map: str = ""
    sizes: str = ""
    worst: str = ""
    scan: str = ""
    reason: str = ""


def measure(net: Net, folder: Path) -> Row:
    """Export, adapt and compare one net."""
    source = folder / "net.onnx"
    try:
        framework = net.export(source)
    except Exception as error:
        return Row(net.group, net.name, "not exported", reason=str(error).strip().splitlines()[0][:160])
    try:
        found = adapt(
            source,
            folder / "cam.onnx",
            preprocessing=PRESETS[net.preset] if net.preset else None,
            classes=None,
            net="study",
            per_image=net.per_image,
        )
    except ModelError as error:
        return Row(net.group, net.name, "refused", reason=str(error).removeprefix(f"{source}: "))
    worst = ["-" if math.isnan(difference) else f"{difference:.0e}" for difference in _differences(found, framework)]
    kind = "exact" if found.exact else f"per-image, {found.even_share:.0%} even"
    sizes = "any" if found.dynamic_size else "fixed"
    scanned = _scanned(found, framework, folder / "photos")
    return Row(net.group, net.name, "accepted", kind, sizes, " ".join(worst), scanned, found.why_fixed)


def _differences(found: AdaptedModel, framework: Logits) -> Iterator[float]:
    model = load_model(found.path)
    height, width = found.input_size
    others = [(height + 32, width), (height, width + 64)] if found.dynamic_size else []
    for number, size in enumerate([(height, width), *others]):
        rgb = np.random.default_rng(number).integers(0, 256, (*size, 3), np.uint8)
        try:
            expected = framework(rgb)
        except Exception:
            # the framework itself does not take this size
            yield float("nan")
            continue
        logits = model.run(rgb).logits
        if len(logits) == 2 and expected.size == 1:
            logits = logits[1:]
        yield float(np.abs(logits - expected).max() / np.abs(expected).max())


def _scanned(found: AdaptedModel, framework: Logits, photos: Path) -> str:
    """Scan pictures of noise of the net's own size, in folders named like two of its classes."""
    expected = {}
    for number in range(2 * SCANNED):
        rgb = np.random.default_rng(number).integers(0, 256, (*found.input_size, 3), np.uint8)
        picture = Path(found.class_names[number % 2], f"{number}.png")
        (photos / picture.parent).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(photos / picture), rgb[:, :, ::-1])
        logits = framework(rgb)
        expected[picture.as_posix()] = found.class_names[int(logits.argmax() if logits.size > 1 else logits[0] > 0)]
    try:
        report = audit(photos, found.path, foreground="none", workers=1)
    except CamAuditError as error:
        return str(error)
    right = sum(row.top[:1] != () and row.top[0][0] == expected[row.path] for row in report.images)
    return f"{right} of {len(expected)}"


def places(net: Net, folder: Path) -> str:
    """Change the pixels of some cells off the diagonal: how often that cell of the map, or one beside it, changes most.

    The logits don't tell in which order the cells of a map are, so this does.
    """
    source = folder / "net.onnx"
    try:
        net.export(source)
        found = adapt(
            source, folder / "cam.onnx", preprocessing=None, classes=None, net="study", per_image=net.per_image
        )
    except Exception as error:
        return f"- ({str(error).splitlines()[0][:80]})"
    model = load_model(found.path)
    (height, width), (rows, columns) = model.input_size, model.map_size
    rgb = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    before = model.run(rgb).activations
    hits, tried = 0, [(0, columns - 1), (rows - 1, 0), (rows // 4, columns * 3 // 4), (rows * 3 // 4, columns // 4)]
    for row, column in tried:
        changed = rgb.copy()
        top, bottom = row * height // rows, (row + 1) * height // rows
        left, right = column * width // columns, (column + 1) * width // columns
        changed[top:bottom, left:right] = 255 - changed[top:bottom, left:right]
        moved = np.abs(model.run(changed).activations - before).sum(axis=0)
        most = np.unravel_index(int(moved.argmax()), moved.shape)
        hits += max(abs(int(most[0]) - row), abs(int(most[1]) - column)) <= 1
    return f"{hits} of {len(tried)} on {rows}x{columns} cells"


def table(paths: list[Path]) -> str:
    """The rows of some files as Markdown, a net a line, with a count of each group."""
    rows = [Row(**row) for path in paths for row in csv.DictReader(path.open(encoding="utf-8"))]
    lines = []
    for group in dict.fromkeys(row.group for row in rows):
        own = [row for row in rows if row.group == group]
        taken = sum(row.result == "accepted" for row in own)
        lines += [
            "",
            f"**{group}: {taken} of {len(own)}**",
            "",
            "| net | map | sizes | logits differ by | scan | |",
            "|---|---|---|---|---|---|",
        ]
        for row in own:
            what = row.map if row.result == "accepted" else row.result
            reason = _in_short(row.reason)
            lines.append(f"| {row.name} | {what} | {row.sizes} | {row.worst} | {row.scan} | {reason} |")
    return "\n".join(lines[1:])


def _in_short(reason: str) -> str:
    """The first statement of a reason, with layers by their kind alone."""
    kinds = re.sub(r"'[^']*' \((\w+)\)", r"\1", reason.removeprefix("the net: "))
    return re.split(r", and |: |[.;] | \(in ", kinds)[0].replace("|", "/")[:100]


def main() -> None:
    """Measure the nets of a framework, or print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("torch", "keras", "table", "places"))
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--only", default="", help="nets whose group and name have this in them")
    options = parser.parse_args()
    if options.what == "table":
        print(table(options.files))
        return
    if options.what == "places":
        for net in importlib.import_module("nets_of_torch").nets():
            if options.only in f"{net.group}: {net.name}":
                with tempfile.TemporaryDirectory() as folder:
                    print(net.name, places(net, Path(folder)), sep=" | ", flush=True)
        return
    if options.out is None:
        parser.error(f"{options.what} needs --out FILE")
    nets: list[Net] = importlib.import_module(f"nets_of_{options.what}").nets()
    done = (
        {row["name"] for row in csv.DictReader(options.out.open(encoding="utf-8"))} if options.out.exists() else set()
    )
    with options.out.open("a", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [each.name for each in fields(Row)], lineterminator="\n")
        if not done:
            writer.writeheader()
        for net in nets:
            if options.only not in f"{net.group}: {net.name}" or net.name in done:
                continue
            start = time.monotonic()
            with tempfile.TemporaryDirectory() as folder:
                row = measure(net, Path(folder))
            values: dict[str, Any] = asdict(row)
            writer.writerow(values)
            file.flush()
            print(f"{time.monotonic() - start:4.0f} s", *values.values(), sep=" | ", flush=True)


if __name__ == "__main__":
    main()
