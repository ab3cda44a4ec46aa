"""`cam-audit models adapt`: make a plain classifier CAM-ready."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from cam_audit.cli.helpful import HelpfulCommand
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
from cam_audit.cli.terminal import note
from cam_audit.text import some
from cam_audit.workers import available_cores

# As in cam_audit.models.adapt.PRESETS, which is too slow to import for --help.
PRESET_NAMES = ("imagenet", "caffe", "tf", "unit", "inception", "clip", "raw")


@click.command(cls=HelpfulCommand)
@click.argument("file", type=File)
@click.option(
    "-o",
    "--output-file",
    "output",
    type=File,
    metavar="FILE",
    help="The CAM-ready file.  [default: FILE's name.cam.onnx]",
)
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
    help="Photos in folders named like the classes; the preset with the most right predictions is taken.",
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
    help="Also take nets that have weights for each cell of the map, such as AlexNet and VGG. Their maps are not the "
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
    found there: give it by --preset or as numbers, (pixel * scale - mean) / std.

    Several layers may follow the pooling. Linear layers become one. Others get the form that they have for each image,
    so that the map is still exact; the line `map` says so, and how much of a logit no cell accounts for.

    \b
    imagenet   RGB / 255, ImageNet's mean and std: torchvision, most of timm, MXNet
    caffe      BGR 0..255 minus 104, 117, 123: Caffe, Keras's ResNet and VGG
    tf         RGB to -1..1: TensorFlow's MobileNet and Inception
    unit       RGB / 255: ultralytics, torchvision's ToTensor alone
    inception  RGB / 255, mean and std 0.5, to -1..1: timm's Inception and ViT
    clip       RGB / 255, CLIP's mean and std: OpenAI, OpenCLIP
    raw        RGB 0..255: Keras's EfficientNet and ConvNeXt, which scale within
    """
    numbers = any(number is not None for number in (mean, std, scale, bgr or None))
    if preset and numbers:
        raise click.UsageError("--preset goes without --mean, --std, --scale and --bgr")
    if photos and (preset or numbers):
        raise click.UsageError("--photos finds the preset: leave out --preset, --mean, --std, --scale and --bgr")
    size = None if input_size is None else _size(input_size)
    factor = _number(scale or "1")
    set_up_libraries(available_cores())
    from cam_audit.models import adapt
    from cam_audit.models.class_list import read_class_list

    preprocessing = None
    if numbers:
        preprocessing = adapt.Preprocessing(factor, mean or (0.0, 0.0, 0.0), std or (1.0, 1.0, 1.0), bgr)
    elif preset:
        preprocessing = adapt.PRESETS[preset]
    target = target_of(file, output, ".cam.onnx")
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
        note("no --preset, so imagenet is taken; a net classifies worse with a wrong one; --photos finds it")
    for sentence in adapted.notes:
        note(sentence)
    height, width = adapted.input_size
    rows, columns = adapted.map_size
    names = some(adapted.class_names, SHOWN) if adapted.named else "unnamed, --labels names them"
    show(
        {
            "head": adapted.head,
            "map": f"{adapted.channels} channels of {rows}x{columns} cells at {height}x{width}"
            f"{'' if adapted.exact else _per_image_in_words(adapted.even_share)}",
            **({"features": features_in_words(adapted.features)} if adapted.features else {}),
            "input": f"{height}x{width}{DYNAMIC if adapted.dynamic_size else _fixed_in_words(adapted.why_fixed)}",
            "preprocessing": preprocessing_in_words(adapted.preprocessing),
            "classes": f"{adapted.classes}: {names}",
            "proved": "the logits are those of the source, the mean of each map plus the bias is the logit",
            "wrote": str(adapted.path),
        }
    )


def _per_image_in_words(even_share: float) -> str:
    share = "<1 %" if even_share < 0.01 else f"{even_share:.0%}".replace("%", " %")
    return f"{PER_IMAGE}; on noise no cell accounts for {share} of the largest logit"


def _fixed_in_words(reason: str) -> str:
    return f"{FIXED}: {reason}" if reason else FIXED


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
