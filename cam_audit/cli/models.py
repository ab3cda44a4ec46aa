"""`cam-audit models`: list, look into, check, make, download and quantise nets."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cam_audit.cli.groups import HelpfulGroup
from cam_audit.cli.net import ZOO_NAMES
from cam_audit.cli.net import pull as download
from cam_audit.cli.process.libraries import set_up_libraries
from cam_audit.models import file_format
from cam_audit.text import printable, some
from cam_audit.workers import available_cores

if TYPE_CHECKING:
    from cam_audit.models.adapt import Preprocessing

# Of a long list, how many names are shown.
SHOWN = 8
# As in cam_audit.models.adapt.PRESETS, which is too slow to import for --help.
PRESET_NAMES = ("imagenet", "caffe", "tf", "unit", "inception", "clip", "raw")

DYNAMIC = ", other sizes too"
FIXED = " only; a scan squeezes every image to it"
SCORES = {
    file_format.SOFTMAX: "softmax, one class an image",
    file_format.SIGMOID: "sigmoid, each class for itself; all above .5 are predictions",
}
PER_IMAGE = "; exact for each image, as what follows the pooling is not linear"

File = click.Path(path_type=Path)


@click.group(cls=HelpfulGroup, short_help="List, check, make, download and quantise nets.")
def models() -> None:
    """List, look into, check, make, download and quantise nets."""


@models.command(name="list")
def list_command() -> None:
    """List the nets that are known by name.

    For each: its published top-1 accuracy on ImageNet, size and licence, and where its file is or the command
    that makes it. Figures are those of the file that this command makes.
    """
    from cam_audit.models.known import NETS, locate, whereabouts

    rows = [("NET", "TOP-1", "SIZE", "LICENCE", "FILE, OR THE COMMAND THAT MAKES IT")]
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
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo(printable("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()))


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
        "preprocessing": _in_words(contents.preprocessing),
        "classes": f"{len(model.class_names)}: {some(model.class_names, SHOWN)} (--classes lists all)",
    }
    if model.feature_weight is not None:
        fields["features"] = _features_in_words(model.feature_weight.shape[1])
    if file_format.QUANTISATION_KEY in contents.metadata:
        fields |= _noted_quantisation(contents.metadata[file_format.QUANTISATION_KEY])
    _show(fields)


@models.command()
@click.argument("file", type=File)
def check(file: Path) -> None:
    """Check that FILE is CAM-ready: exit code 0 or 2.

    The inputs, outputs and metadata are there, and on two images the mean of each class's map plus the bias is
    the class's logit.
    """
    from cam_audit.models.model import load_model

    set_up_libraries(available_cores())
    model = load_model(file)
    click.echo(printable(f"{file}: CAM-ready, {model.net} with {len(model.class_names)} classes"))


@models.command()
@click.argument("file", type=File)
@click.option("-o", "--output", type=File, metavar="FILE", help="The CAM-ready file.  [default: FILE's name.cam.onnx]")
@click.option(
    "--labels",
    type=File,
    metavar="FILE",
    help="Class names in the outputs' order: one a line, `index name`, CSV, or a dict in JSON or Python (id2label).",
)
@click.option(
    "--preset", type=click.Choice(PRESET_NAMES),
    help="The preprocessing that the net was trained with.  [default: imagenet]",
)  # fmt: skip
@click.option(
    "--photos",
    type=File,
    metavar="DIR",
    help="Photos in folders named like the classes: the preset is taken by which most predictions are right.",
)
@click.option("--mean", nargs=3, type=float, metavar="R G B", help="Subtracted after scaling.  [default: 0 0 0]")
@click.option("--std", nargs=3, type=float, metavar="R G B", help="Divided by after the mean.  [default: 1 1 1]")
@click.option("--scale", metavar="NUMBER", help="Multiplies a pixel's 0..255 first, e.g. 1/255.  [default: 1]")
@click.option("--bgr", is_flag=True, help="The net takes blue first; mean and std are still given as R G B.")
@click.option("--input-size", metavar="N|HxW", help="Pixels.  [default: the graph's own size, or 224]")
@click.option("--output-name", metavar="NAME", help="The output that has the scores, where FILE has several.")
@click.option(
    "--per-image",
    is_flag=True,
    help="Take nets that read each cell of a map by weights of its own, too: AlexNet, VGG. Their maps are not the "
    "paper's.",
)
def adapt(
    file: Path,
    output: Path | None,
    labels: Path | None,
    preset: str | None,
    photos: Path | None,
    mean: tuple[float, float, float] | None,
    std: tuple[float, float, float] | None,
    scale: str | None,
    bgr: bool,
    input_size: str | None,
    output_name: str | None,
    per_image: bool,
) -> None:
    """Make FILE, any plain ONNX classifier, CAM-ready: scans take only such files.

    The head is found in the graph, and the result proved before it is written: its logits are those of FILE, and
    the mean of each class's map plus the bias is the class's logit. Preprocessing that is not in the graph cannot be
    found there: say which it is, with --preset or as numbers; (pixel * scale - mean) / std.

    What follows the pooling may be several layers: linear ones become one, and others get the form that they have for
    each image, so that the map is still exact; the line `map` says which, and how much of a logit no cell accounts for.

    \b
    imagenet   RGB / 255, ImageNet's mean and std: torchvision, most of timm, MXNet
    caffe      BGR 0..255 minus 104, 117, 123: Caffe, Keras's ResNet and VGG
    tf         RGB to -1..1: TensorFlow's MobileNet and Inception
    unit       RGB / 255: ultralytics, torchvision's ToTensor alone
    inception  RGB / 255, mean and std 0.5, to -1..1: timm's Inception and ViT
    clip       RGB / 255, CLIP's mean and std: OpenAI, OpenCLIP
    raw        RGB 0..255: Keras's EfficientNet and ConvNeXt, which scale within
    """
    numbers = (mean, std, scale, bgr or None)
    if preset and any(number is not None for number in numbers):
        raise click.UsageError("--preset goes without --mean, --std, --scale and --bgr")
    if photos and (preset or any(number is not None for number in numbers)):
        raise click.UsageError("--photos finds the preset: leave out --preset, --mean, --std, --scale and --bgr")
    size = None if input_size is None else _size(input_size)
    factor = _number(scale or "1")
    set_up_libraries(available_cores())
    from cam_audit.models import adapt
    from cam_audit.models.class_list import read_class_list

    preprocessing = None
    if any(number is not None for number in numbers):
        preprocessing = adapt.Preprocessing(factor, mean or (0.0, 0.0, 0.0), std or (1.0, 1.0, 1.0), bgr)
    elif preset:
        preprocessing = adapt.PRESETS[preset]
    target = _target(file, output, ".cam.onnx")
    classes = read_class_list(labels) if labels else None
    make = partial(
        adapt.adapt,
        file,
        classes=classes.names if classes else None,
        class_ids=classes.ids if classes else None,
        net=target.name.removesuffix(".onnx").removesuffix(".cam"),
        input_size=size,
        output=output_name,
        per_image=per_image,
    )
    if photos:
        from cam_audit.cli.presets import choose_preset

        chosen = choose_preset(lambda draft, tried: make(draft, preprocessing=tried), photos)
        preprocessing = adapt.PRESETS[chosen] if chosen else None
    adapted = make(target, preprocessing=preprocessing)
    if preprocessing is None and not adapted.preprocessed_within:
        click.echo(
            "note: no --preset, so imagenet is taken; a net classifies worse with a wrong one; --photos finds it",
            err=True,
        )
    for note in adapted.notes:
        click.echo(printable(f"note: {note}"), err=True)
    height, width = adapted.input_size
    rows, columns = adapted.map_size
    names = some(adapted.class_names, SHOWN) if adapted.named else "unnamed, --labels names them"
    _show(
        {
            "head": adapted.head,
            "map": f"{adapted.channels} channels of {rows}x{columns} cells at {height}x{width}"
            f"{'' if adapted.exact else _per_image_in_words(adapted.even_share)}",
            **({"features": _features_in_words(adapted.features)} if adapted.features else {}),
            "input": f"{height}x{width}{DYNAMIC if adapted.dynamic_size else _fixed_in_words(adapted.why_fixed)}",
            "preprocessing": _in_words(adapted.preprocessing),
            "classes": f"{adapted.classes}: {names}",
            "proved": "the logits are those of the source, the mean of each map plus the bias is the logit",
            "wrote": str(adapted.path),
        }
    )


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
@click.option("-o", "--output", type=File, metavar="FILE", help="The int8 file.  [default: FILE's name.int8.onnx]")
def quantize(file: Path, photos: Path, output: Path | None) -> None:
    """Make an int8 file of the CAM-ready FILE: smaller and faster, with nearly the same maps.

    One photo of three sets the scales; on the others the result is compared with FILE, and the figures are stored
    in it (`info` shows them). Scans take the int8 file like any other.
    """
    from cam_audit.images.find import find_images
    from cam_audit.models.quantize import quantize
    from cam_audit.reports.output_folder import OUTPUT_MARKS

    set_up_libraries(available_cores())
    target = _target(file, output, ".int8.onnx")
    found = find_images(photos, marks=OUTPUT_MARKS).names
    base = photos if photos.is_dir() else photos.parent
    quantisation = quantize(file, [base / name for name in found], target)
    size = f"{target.stat().st_size / 1e6:.1f} MB, was {file.stat().st_size / 1e6:.1f} MB"
    _show({**_quantisation_in_words(asdict(quantisation)), "size": size, "wrote": str(target)})


def _show(fields: dict[str, str]) -> None:
    width = max(map(len, fields))
    for name, text in fields.items():
        click.echo(printable(f"{name:{width}}  {text}"))


def _target(file: Path, output: Path | None, ending: str) -> Path:
    """The file to write: `output`, or FILE's name with another ending beside it."""
    target = output or file.with_name(file.name.removesuffix(".onnx") + ending)
    if target.resolve() == file.resolve():
        raise click.BadParameter(f"it would overwrite {file}", param_hint="--output")
    return target


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


def _features_in_words(channels: int) -> str:
    return f"{channels} channels enter the last convolution, by which classes are taken to parts"


def _per_image_in_words(even_share: float) -> str:
    share = "<1 %" if even_share < 0.01 else f"{even_share:.0%}".replace("%", " %")
    return f"{PER_IMAGE}; on noise no cell accounts for {share} of the largest logit"


def _fixed_in_words(reason: str) -> str:
    return f"{FIXED}: {reason}" if reason else FIXED


def _class_table(names: tuple[str, ...], ids: tuple[str, ...]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(
        [("index", "wnid", "name"), *zip(range(len(names)), map(printable, ids), map(printable, names), strict=True)]
    )
    return text.getvalue()


def _in_words(preprocessing: Preprocessing | None) -> str:
    if preprocessing is None:
        return "in the graph, not in the form that `adapt` gives it"
    mean, std = (
        ", ".join(f"{value / preprocessing.scale:.4g}" for value in values)
        for values in (preprocessing.mean, preprocessing.std)
    )
    order = ", channels then as BGR" if preprocessing.bgr else ""
    return f"RGB 0..255 minus ({mean}), divided by ({std}){order}"


def _size(text: str) -> tuple[int, int]:
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(side.isascii() and side.isdigit() and 8 <= int(side) <= 8192 for side in sides):
        raise click.BadParameter(f"{text!r} is neither N nor HxW with sides of 8 to 8192", param_hint="--input-size")
    return int(sides[0]), int(sides[-1])


def _number(text: str) -> float:
    from fractions import Fraction

    try:
        return float(Fraction(text))
    except (ValueError, ZeroDivisionError):
        raise click.BadParameter(f"{text!r} is no number", param_hint="--scale") from None
