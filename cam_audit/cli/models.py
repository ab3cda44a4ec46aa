"""`cam-audit models`: list, look into, check, make, download and quantise nets."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from cam_audit.cli.adapt import adapt
from cam_audit.cli.helpful import HelpfulGroup
from cam_audit.cli.net import ZOO_NAMES, provider_option
from cam_audit.cli.net import pull as download
from cam_audit.cli.net_in_words import (
    DYNAMIC,
    FIXED,
    PER_IMAGE,
    SHOWN,
    File,
    features_in_words,
    preprocessing_in_words,
    show,
    target_of,
)
from cam_audit.cli.process.libraries import set_up_libraries
from cam_audit.cli.terminal import fitted, terminal_width
from cam_audit.errors import ModelError
from cam_audit.models import file_format
from cam_audit.text import aligned, printable, some
from cam_audit.workers import available_cores

SCORES = {
    file_format.SOFTMAX: "softmax, one class an image",
    file_format.SIGMOID: "sigmoid, each class for itself; all above .5 are predictions",
}


@click.group(cls=HelpfulGroup, short_help="List, check, make, download and quantise nets.")
def models() -> None:
    """List, look into, check, make, download and quantise nets."""


models.add_command(adapt)


@models.command(name="list")
def list_command() -> None:
    """List the nets that are known by name.

    For each: its published top-1 accuracy on ImageNet, size and licence, and where its file is or the command
    that makes it. Figures are those of the file that this command makes.
    """
    from cam_audit.models.known import NETS, locate, whereabouts

    rows = [("NET", "TOP-1", "SIZE", "LICENCE", "FILE OR COMMAND")]
    for net in NETS.values():
        path = locate(net.name)
        megabytes = path.stat().st_size / 1e6 if path else net.megabytes
        rows.append(
            (
                net.name,
                "-" if net.top1 is None else f"{net.top1:.1f} %",
                "-" if megabytes is None else f"{megabytes:.1f} MB",
                net.licence,
                whereabouts(net),
            )
        )
    click.echo("\n".join(fitted(list(map(printable, aligned(rows, terminal_width()))))))


@models.command()
@click.argument("file", type=File)
@click.option("--classes", is_flag=True, help="Only list the classes, as CSV: index,wnid,name.")
def info(file: Path, classes: bool) -> None:
    """Tell what the CAM-ready FILE is made of: layers, map, preprocessing, classes."""
    from cam_audit.models.model import load_model

    set_up_libraries(available_cores())
    model = load_model(file)
    if classes:
        click.echo(_class_table(model.class_names, model.class_ids), nl=False)
        return
    from cam_audit.models.adapt.contents import read_contents

    contents = read_contents(file)
    height, width = model.input_size
    rows, columns = model.map_size
    operators = [f"{count} {kind}" for kind, count in contents.operators.most_common()]
    channels = len(model.class_names) if model.cam_weight is None else model.cam_weight.shape[1]
    fields = {
        "file": f"{file} ({file.stat().st_size / 1e6:.1f} MB)",
        "sha256": model.sha256,
        "net": model.net,
        "licence": model.licence,
        "layers": f"{some(operators, SHOWN)}; {contents.parameters / 1e6:.1f} million parameters",
        "map": f"{channels} channels of {rows}x{columns} cells at {height}x{width}, made by {model.activation_layer}"
        f"{'' if model.map_kind == file_format.EXACT else PER_IMAGE}",
        "input": f"{height}x{width}{FIXED if model.fixed_size else DYNAMIC}",
        "scores": SCORES[model.scores],
        "preprocessing": preprocessing_in_words(contents.preprocessing),
        "classes": f"{len(model.class_names)}: {some(model.class_names, SHOWN)} (--classes lists all)",
    }
    if model.feature_weight is not None:
        fields["features"] = features_in_words(model.feature_weight.shape[1])
    if file_format.QUANTISATION_KEY in contents.metadata:
        fields |= _noted_quantisation(contents.metadata[file_format.QUANTISATION_KEY])
    show(fields)


@models.command()
@click.argument("file", type=File)
@provider_option
def check(file: Path, provider: tuple[str, ...]) -> None:
    """Check that FILE is CAM-ready: exit code 0 or 2.

    The inputs, outputs and metadata are there, and on two images the mean of each class's map plus the bias is
    the class's logit. With --provider, it runs there, and computes what the CPU does, to a thousandth.
    """
    from cam_audit.models.model import load_model

    set_up_libraries(available_cores())
    model = load_model(file, provider)
    if model.fallback:
        raise ModelError(f"{file}: {model.fallback}")
    where = f", the same on {', '.join(provider)} as on the CPU" if provider else ""
    click.echo(printable(f"{file}: CAM-ready, {model.net} with {len(model.class_names)} classes{where}"))


@models.command()
@click.argument("net", type=click.Choice(ZOO_NAMES))
def pull(net: str) -> None:
    """Download NET from the ONNX Model Zoo, check it, make it CAM-ready, and put it in the cache folder.

    A download that was cut off goes on where it stopped. CAM_AUDIT_MODEL_URL names a mirror: it takes the place of
    https://huggingface.co/onnxmodelzoo in the two addresses that are tried.
    """
    from cam_audit.models.known import cache_folder

    target = cache_folder() / f"{net}.onnx"
    if target.exists():
        click.echo(f"{target} is there already; delete it to pull it again")
        return
    set_up_libraries(available_cores())
    click.echo(f"{download(net)}: ready, scan with --net {net}")


@models.command()
@click.argument("file", type=File)
@click.option("--photos", type=File, required=True, metavar="DIR", help="Photos such as the net will see; 150 do.")
@click.option(
    "-o", "--output-file", "output", type=File, metavar="FILE", help="The int8 file.  [default: FILE's name.int8.onnx]"
)
def quantize(file: Path, photos: Path, output: Path | None) -> None:
    """Make an int8 file of the CAM-ready FILE: smaller and faster, with nearly the same maps.

    One photo of three sets the scales; on the others the result is compared with FILE, and the figures are stored
    in it (`info` shows them). Scans take the int8 file like any other.
    """
    from cam_audit.images.find import find_images
    from cam_audit.models.quantize import quantize
    from cam_audit.reports.output_folder import OUTPUT_MARKS

    set_up_libraries(available_cores())
    target = target_of(file, output, ".int8.onnx")
    found = find_images(photos, marks=OUTPUT_MARKS).names
    base = photos if photos.is_dir() else photos.parent
    quantisation = quantize(file, [base / name for name in found], target)
    size = f"{target.stat().st_size / 1e6:.1f} MB, was {file.stat().st_size / 1e6:.1f} MB"
    show({**_quantisation_in_words(asdict(quantisation)), "size": size, "wrote": str(target)})


def _noted_quantisation(note: str) -> dict[str, str]:
    try:
        return _quantisation_in_words(json.loads(note))
    except (ValueError, KeyError, TypeError, RecursionError):
        return {"int8": "the note about it in the file is damaged"}


def _quantisation_in_words(figures: Mapping[str, Any]) -> dict[str, str]:
    return {
        "int8": f"{figures['measured_photos']} photos measured, calibrated on {figures['calibration_photos']} others",
        "same top-1": f"{figures['top1_agreement']:.1%}",
        "same map": f"correlation {figures['cam_correlation']:.4f}, IoU {figures['cam_iou']:.3f} of the coloured cells",
        "speed": f"{figures['speedup']:.1f} x, on one thread",
    }


def _class_table(names: tuple[str, ...], ids: tuple[str, ...]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(
        [("index", "wnid", "name"), *zip(range(len(names)), map(printable, ids), map(printable, names), strict=True)]
    )
    return text.getvalue()
