#!/usr/bin/env python3
"""Export classifiers of torchvision and timm, with published or your own weights, as CAM-ready ONNX files.

    python scripts/export_onnx.py --net resnet18
    python scripts/export_onnx.py --net resnet18 --weights finetuned.pth --labels classes.txt
    python scripts/export_onnx.py --all
    python scripts/export_onnx.py --torchvision convnext_tiny
    python scripts/export_onnx.py --timm mobilenetv3_small_100 --weights finetuned.pth --labels classes.txt

Needs `pip install 'cam-audit[export]'`, and --timm `pip install timm`; a scan with the files that it writes needs no
torch.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from library_nets import TIMM, TORCHVISION, load_library_net
from torchvision_nets import NETS, SEVERAL_FULLY_CONNECTED, check_installed, first_line, load_net

from cam_audit.errors import CamAuditError, ModelError
from cam_audit.models import file_format
from cam_audit.models.class_list import ClassList, imagenet_classes, read_class_list
from cam_audit.models.session import run_once

if TYPE_CHECKING:
    import torch

    from cam_audit.models.adapt import AdaptedModel, Preprocessing

INPUT_SIZE = (224, 224)
IMAGENET_COUNT = 1000

# Largest difference from torch's logits, relative to the largest of them.
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Export:
    """What was written, and by how much its logits differ from torch's at each size (H, W), relatively."""

    adapted: AdaptedModel
    differences: Mapping[tuple[int, int], float]


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
    the largest one, on a square, a wide and a tall image, or, if the file takes one size only, on one of that size.

    Raises ModelError where the module has no class activation map or the proof fails.
    """
    check_installed()
    module.eval()
    given = {
        "preprocessing": preprocessing,
        "classes": classes,
        "class_ids": class_ids,
        "net": net,
        "input_size": input_size,
        "licence": licence,
        "source_sha256": source_sha256,
    }
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".export-") as folder:
            # Sizes stay fixed at first, which is four times as fast: `adapt` frees them, and the checks prove it.
            export = _proved(module, Path(folder, "fixed"), given, free=False)
            if not export.adapted.dynamic_size:
                # what a net reshapes to the sides of its map, as ShuffleNet does, is free only if the exporter knows
                with contextlib.suppress(ModelError):
                    freed = _proved(module, Path(folder, "free"), given, free=True)
                    export = freed if freed.adapted.dynamic_size else export
            export.adapted.path.replace(target)
    except ModelError as error:
        raise ModelError(f"{target}: {error}") from None
    except OSError as error:
        raise ModelError(f"{target}: cannot be written: {error.strerror}") from None
    return Export(replace(export.adapted, path=target), export.differences)


def _proved(module: torch.nn.Module, folder: Path, given: Mapping[str, Any], *, free: bool) -> Export:
    """Export and adapt into an own folder, and compare with torch; `given`: what `adapt` takes."""
    from cam_audit.models.adapt import adapt

    folder.mkdir()
    plain, size = folder / "plain.onnx", given["input_size"]
    _export_plain(module, plain, size, free=free)
    try:
        adapted = adapt(plain, folder / "cam.onnx", **given)
    except ModelError as error:
        raise ModelError(str(error).removeprefix(f"{plain}: ")) from None
    sizes = [size, *(_others(size) if adapted.dynamic_size else ())]
    return Export(adapted, {each: _difference(module, adapted.path, given["preprocessing"], each) for each in sizes})


def _others(size: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """A wide and a tall size (H, W)."""
    height, width = size
    return (height, width * 298 // 224), (height * 320 // 224, width)


def _export_plain(module: torch.nn.Module, target: Path, input_size: tuple[int, int], *, free: bool) -> None:
    import torch

    names = {"input_names": ["pixels"], "output_names": ["scores"]}
    images = (torch.zeros(1, 3, *input_size),)
    new = {"dynamo": True, "external_data": False, "verbose": False}
    old = {"dynamo": False}
    # of free sizes, the old exporter is the faster one
    ways = [old | {"dynamic_axes": {"pixels": {2: "H", 3: "W"}}}] if free else [new, old]
    errors = []
    with _quiet():
        for way in ways:
            try:
                torch.onnx.export(module, images, target, **names, **way)
                return
            except Exception as error:
                # neither can trace all that the other can, and they raise whatever the net's own code does
                errors.append(first_line(error))
    raise ModelError(f"torch can't export it to ONNX: {errors[0]}")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hold back what torch's exporter tells its developers."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


def _difference(module: torch.nn.Module, exported: Path, preprocessing: Preprocessing, size: tuple[int, int]) -> float:
    """The largest difference of the exported logits from torch's, relative to the largest of these."""
    import torch

    rgb = np.random.default_rng(0).integers(0, 256, (1, *size, 3), np.uint8)
    logits = run_once(exported, {file_format.IMAGE: rgb}, [file_format.LOGITS])[file_format.LOGITS]
    pixels = torch.from_numpy(preprocessing.apply(rgb).transpose(0, 3, 1, 2).astype(np.float32))
    with torch.inference_mode():
        expected = module(pixels).numpy()
    difference = float(np.abs(logits - expected).max())
    largest = float(np.abs(expected).max())
    if not difference <= TOLERANCE * largest:
        raise ModelError(f"the exported logits differ from torch's by {difference:.1e} at {size[1]}x{size[0]}")
    return difference / largest if largest else 0.0


def export_library_net(library: str, name: str, weights: Path | None, labels_file: Path | None, folder: Path) -> None:
    """Export a net of torchvision or timm to folder/name.onnx, printing one line a check."""
    loaded = load_library_net(library, name, weights)
    labels = _class_list(labels_file, loaded.classes)
    names = labels.names if labels else loaded.names
    export = export_module(
        loaded.module,
        folder / f"{name}.onnx",
        net=name,
        preprocessing=loaded.preprocessing,
        classes=names,
        class_ids=labels.ids if labels else None,
        input_size=loaded.input_size,
        licence=loaded.licence,
        source_sha256=loaded.sha256,
    )
    _tell(name, export, named=names is not None)


def export_net(net: str, weights: Path | None, labels_file: Path | None, folder: Path, transform_input: bool) -> None:
    """Export one net of torchvision to folder/net.onnx, printing one line a check."""
    loaded = load_net(net, weights, transform_input=transform_input)
    for note in loaded.notes:
        click.echo(f"{net}: note: {note}")
    labels = _class_list(labels_file, loaded.classes)
    from cam_audit.models.adapt import PRESETS

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
    _tell(net, export, named=labels is not None)


def _tell(net: str, export: Export, *, named: bool) -> None:
    """Print what was written, and how it was proved."""
    if not named:
        click.echo(f"{net}: note: the classes are called 'class 0', 'class 1', ...; name them with --labels FILE")
    for (height, width), difference in export.differences.items():
        click.echo(f"{net}: logits at {width}x{height} equal torch's, largest difference {difference:.1e}")
    adapted = export.adapted
    if adapted.why_fixed:
        click.echo(f"{net}: note: the file takes no other size: {adapted.why_fixed}")
    if not adapted.exact:
        click.echo(
            f"{net}: note: the map is exact for each image; {adapted.even_share:.0%} of the largest logit belongs to "
            "no cell, on images of noise"
        )
    click.echo(f"{net}: the mean of each class's map plus its bias is the class's logit")
    click.echo(f"{net}: {adapted.head}")
    click.echo(f"{net}: wrote {adapted.path}, {adapted.classes} classes")


def _class_list(file: Path | None, classes: int) -> ClassList | None:
    """The classes in a file, else ImageNet's where there are as many, else None."""
    if file is None:
        return imagenet_classes() if classes == IMAGENET_COUNT else None
    labels = read_class_list(file)
    if len(labels.names) != classes:
        raise ModelError(f"{file}: {len(labels.names)} labels for {classes} classes; give one a class, in their order")
    return labels


def _known(net: str) -> str:
    if net in SEVERAL_FULLY_CONNECTED:
        raise ModelError(
            f"{net} has several fully connected layers over a flattened map, which the paper's class activation map is "
            f"not defined for; use one of {', '.join(NETS)}, or export it to ONNX and run "
            "`cam-audit models adapt --per-image`"
        )
    if net not in NETS:
        raise ModelError(f"unknown net {net!r}; choose from {', '.join(NETS)}")
    return net


@click.command(help=(__doc__ or "").partition("\n")[0])
@click.option("--net", metavar="NET", help=f"One of {', '.join(NETS)}.")
@click.option("--torchvision", metavar="NAME", help="Any classifier of torchvision, by its name there.")
@click.option("--timm", metavar="NAME", help="Any net of timm, by its name there.")
@click.option("--all", "every", is_flag=True, help="All four of --net, with published weights.")
@click.option("--weights", type=click.Path(path_type=Path), help="Your state dict, or else the published weights.")
@click.option("--labels", type=click.Path(path_type=Path), help="One name a line, or CSV: index,wnid,name.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("onnx_models"), show_default=True)
@click.option("--transform-input", is_flag=True, help="For a GoogLeNet fine-tuned from published weights.")
def main(
    net: str | None,
    torchvision: str | None,
    timm: str | None,
    every: bool,
    weights: Path | None,
    labels: Path | None,
    out: Path,
    transform_input: bool,
) -> None:
    if sum([every, *(name is not None for name in (net, torchvision, timm))]) != 1:
        raise click.UsageError("give one of --net, --torchvision, --timm and --all")
    if every and (weights or labels):
        raise click.UsageError("--weights and --labels go with the name of a net")
    try:
        for library, name in ((TORCHVISION, torchvision), (TIMM, timm)):
            if name is not None:
                export_library_net(library, name, weights, labels, out)
                return
        for name in NETS if net is None else (_known(net),):
            export_net(name, weights, labels, out, transform_input)
    except CamAuditError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
