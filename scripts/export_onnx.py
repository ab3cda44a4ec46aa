#!/usr/bin/env python3
"""Export torchvision's classifiers, with published or your own weights, as CAM-ready ONNX files.

    python scripts/export_onnx.py --net resnet18
    python scripts/export_onnx.py --net resnet18 --weights finetuned.pth --labels classes.txt
    python scripts/export_onnx.py --all

Needs `pip install 'cam-audit[export]'`; a scan with the files that it writes needs no torch.
"""

from __future__ import annotations

import csv
import logging
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np
from torchvision_nets import INSTALL, NETS, SEVERAL_FULLY_CONNECTED, load_net

import cam_audit
from cam_audit import contract
from cam_audit.errors import CamAuditError, ModelError
from cam_audit.model import run_once

if TYPE_CHECKING:
    import torch

    from cam_audit.graph import AdaptedModel, Preprocessing

INPUT_SIZE = (224, 224)
IMAGENET_CLASSES = Path(cam_audit.__file__).parent / "data" / "imagenet_classes.csv"

# Largest difference from torch's logits, relative to the largest of them.
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Export:
    """What was written, and by how much its logits differ from torch's at each size (H, W), relatively."""

    adapted: AdaptedModel
    differences: Mapping[tuple[int, int], float]


@dataclass(frozen=True)
class Labels:
    """Names of the classes in the order of the outputs, and their WordNet ids where known."""

    names: Sequence[str]
    ids: Sequence[str] | None = None


def export_module(
    module: torch.nn.Module,
    target: Path,
    *,
    net: str,
    preprocessing: Preprocessing,
    classes: Sequence[str] | None,
    class_ids: Sequence[str] | None = None,
    input_size: tuple[int, int] = INPUT_SIZE,
    licence: str = "unknown",
    source_sha256: str | None = None,
) -> Export:
    """Write a CAM-ready ONNX file of a torch classifier that takes preprocessed float32 images (N, 3, H, W).

    The file is put in place once it is proved: the identity holds, and its logits equal torch's to 1e-4 of
    the largest one on a square, a wide and a tall image.

    Raises ModelError where the module has no class activation map or the proof fails.
    """
    from cam_audit.graph import adapt

    height, width = input_size
    sizes = [(height, width), (height, width * 298 // 224), (height * 320 // 224, width)]
    module.eval()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".export-") as folder:
            plain, draft = Path(folder, f"{net}.onnx"), Path(folder, target.name)
            _export_plain(module, plain, input_size)
            adapted = adapt(
                plain,
                draft.with_suffix(".cam.onnx"),
                preprocessing=preprocessing,
                classes=classes,
                class_ids=class_ids,
                net=net,
                input_size=input_size,
                licence=licence,
                source_sha256=source_sha256,
            )
            differences = {size: _difference(module, adapted.path, preprocessing, size) for size in sizes}
            adapted.path.replace(target)
    except OSError as error:
        raise ModelError(f"{target}: cannot be written: {error.strerror}") from None
    return Export(adapted, differences)


def _export_plain(module: torch.nn.Module, target: Path, input_size: tuple[int, int]) -> None:
    try:
        import onnxscript  # noqa: F401
        import torch
    except ImportError as error:
        raise ModelError(f"the package {error.name} is missing; {INSTALL}") from None
    height, width = input_size
    dynamic = torch.export.Dim.DYNAMIC
    # The example is oblong because the exporter takes equal sides for one symbol.
    example = torch.zeros(2, 3, height, width * 298 // 224)
    with _quiet():
        torch.onnx.export(
            module,
            (example,),
            target,
            input_names=["pixels"],
            output_names=["scores"],
            dynamo=True,
            dynamic_shapes=({0: dynamic, 2: dynamic, 3: dynamic},),
            external_data=False,
            verbose=False,
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """Hold back what torch's exporter tells its developers."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


def _difference(
    module: torch.nn.Module, exported: Path, preprocessing: Preprocessing, size: tuple[int, int]
) -> float:
    """The largest difference of the exported logits from torch's, relative to the largest of these."""
    import torch

    rgb = np.random.default_rng(0).integers(0, 256, (1, *size, 3), np.uint8)
    logits = run_once(exported, {contract.IMAGE: rgb}, [contract.LOGITS])[contract.LOGITS]
    pixels = torch.from_numpy(preprocessing.apply(rgb).transpose(0, 3, 1, 2).astype(np.float32))
    with torch.inference_mode():
        expected = module(pixels).numpy()
    difference = float(np.abs(logits - expected).max())
    largest = float(np.abs(expected).max())
    if not difference <= TOLERANCE * largest:
        raise ModelError(
            f"the exported logits differ from torch's by {difference:.1e} at {size[1]}x{size[0]}"
        )
    return difference / largest if largest else 0.0


def _labels(path: Path | None, classes: int) -> Labels | None:
    """The labels in a file; those of ImageNet where none is given for 1000 classes; else None."""
    if path is None:
        return _labels(IMAGENET_CLASSES, classes) if classes == 1000 else None
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{path}: cannot be read as UTF-8 text: {error}") from None
    lines = text.splitlines()
    if not lines or "name" not in lines[0].split(","):
        return Labels([line.strip() for line in lines if line.strip()])
    rows = list(csv.DictReader(lines))
    try:
        rows.sort(key=lambda row: int(row["index"]))
        return Labels([row["name"] for row in rows], [row["wnid"] for row in rows])
    except (KeyError, ValueError, TypeError):
        raise ModelError(f"{path}: a CSV of labels needs the columns index,wnid,name") from None


def export_net(
    net: str, weights: Path | None, labels_file: Path | None, folder: Path, transform_input: bool
) -> None:
    """Export one net of torchvision to folder/net.onnx, printing one line a check."""
    from cam_audit.graph import PRESETS

    loaded = load_net(net, weights, transform_input=transform_input)
    for note in loaded.notes:
        click.echo(f"{net}: note: {note}")
    labels = _labels(labels_file, loaded.classes)
    if labels is None:
        click.echo(
            f"{net}: note: the classes are called 'class 0', 'class 1', ...; name them with --labels FILE"
        )
    export = export_module(
        loaded.module,
        folder / f"{net}.onnx",
        net=net,
        preprocessing=PRESETS["imagenet"],
        classes=labels.names if labels else None,
        class_ids=labels.ids if labels else None,
        licence="BSD-3-Clause (torchvision)" if loaded.published else "unknown",
        source_sha256=loaded.sha256,
    )
    for (height, width), difference in export.differences.items():
        click.echo(f"{net}: logits at {width}x{height} equal torch's, largest difference {difference:.1e}")
    click.echo(f"{net}: the mean of each class's map plus its bias is the class's logit")
    click.echo(f"{net}: {export.adapted.head}")
    click.echo(f"{net}: wrote {folder / f'{net}.onnx'}, {loaded.classes} classes")


@click.command(help=(__doc__ or "").partition("\n")[0])
@click.option("--net", metavar="NET", help=f"One of {', '.join(NETS)}.")
@click.option("--all", "every", is_flag=True, help="All of them, with published weights.")
@click.option("--weights", type=click.Path(path_type=Path), help="Your state dict, or else torchvision's.")
@click.option("--labels", type=click.Path(path_type=Path), help="One name a line, or CSV: index,wnid,name.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("onnx_models"), show_default=True)
@click.option("--transform-input", is_flag=True, help="For a GoogLeNet fine-tuned from published weights.")
def main(
    net: str | None, every: bool, weights: Path | None, labels: Path | None, out: Path, transform_input: bool
) -> None:
    if every == (net is not None):
        raise click.UsageError("give either --net or --all")
    if every and (weights or labels):
        raise click.UsageError("--weights and --labels go with --net")
    if net in SEVERAL_FULLY_CONNECTED:
        raise click.UsageError(
            f"{net} has several fully connected layers, for which no class activation map is defined; "
            "use resnet18, or train squeezenet, googlenet, resnet18 or mobilenetv2 on your classes"
        )
    if net is not None and net not in NETS:
        raise click.UsageError(f"unknown net {net!r}; choose from {', '.join(NETS)}")
    try:
        for name in NETS if net is None else (net,):
            export_net(name, weights, labels, out, transform_input)
    except CamAuditError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
