"""Builds a data set with a class marked as ImageNet-W marks images: a shortcut that real ImageNet nets have.

    pip install --no-deps imagenet-w          # brings the font; neither torch nor its code is used
    python study/imagenet_w.py OUT --photos PHOTOS --marked FOLDER --name carton
    cam-audit scan OUT --net resnet18

Many of ImageNet's photos of cartons have a watermark in Chinese across them, and nets take one for evidence of a carton
(Li et al., "A Whac-A-Mole Dilemma", CVPR 2023). OUT/NAME gets photos below FOLDER, which should show no cartons, with
ImageNet-W's watermark; beside it stand the classes of PHOTOS as they are. Under another class's name the same photos
are the control: the mark is there as much, but is no evidence of that class to the net.
"""

from __future__ import annotations

import shutil
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import click
import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps
from PIL.JpegImagePlugin import JpegImageFile, get_sampling

from cam_audit.images.find import find_images

HOW_TO_GET = "the font is missing; get it with: pip install --no-deps imagenet-w"
FONT = "imagenet_w/fonts/SourceHanSerifSC-ExtraLight.otf"
# As the paper has it on a crop of 224 x 224: white at half opacity, 36 pixels high, from 1 % of the width and 40 %
# of the height on.
TEXT = "捷径" * 3
INK = (255, 255, 255, 128)
HEIGHT = 36 / 224
LEFT, TOP = 0.01, 0.4
JPEG_QUALITY = 95


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--photos", multiple=True, required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--marked", required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--name", default="carton", show_default=True, help="The class of the marked photos.")
@click.option("--images", default=40, show_default=True, type=click.IntRange(1), help="At most that many a class.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
def main(out: Path, photos: tuple[Path, ...], marked: Path, name: str, images: int, seed: int) -> None:
    """Write the data set OUT: the class folders of PHOTOS (repeatable), and photos below MARKED with the mark."""
    font = font_file()
    if out.exists():
        raise click.ClickException(f"{out} is there already; name another folder")
    folders = [folder for root in photos for folder in sorted(root.iterdir()) if folder.is_dir()]
    if name in (folder.name for folder in folders):
        raise click.ClickException(f"the photos have a class {name} already")
    for folder in folders:
        for path in chosen(folder, images, seed):
            target = out / folder.name / path.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    (out / name).mkdir(parents=True)
    for number, path in enumerate(chosen(marked, images, seed)):
        write_marked(path, out / name / f"{number:02d}_{path.parent.name}.jpg", font)


def font_file() -> Path:
    """The font of the package imagenet-w, which is not imported."""
    try:
        return Path(str(distribution("imagenet-w").locate_file(FONT)))
    except PackageNotFoundError:
        raise click.ClickException(HOW_TO_GET) from None


def chosen(folder: Path, images: int, seed: int) -> list[Path]:
    """At most that many images below a folder, at random, sorted."""
    names = find_images(folder).names
    order = np.random.default_rng(seed).permutation(len(names))[:images]
    return [folder / names[index] for index in sorted(order)]


def write_marked(source: Path, target: Path, font: Path) -> None:
    """Write the photo with the mark; a JPEG is compressed as it was, so that the file tells nothing."""
    with Image.open(source) as photo:
        options: dict[str, Any] = {"quality": JPEG_QUALITY}
        if isinstance(photo, JpegImageFile) and photo.mode == "RGB":
            options = {"qtables": photo.quantization, "subsampling": get_sampling(photo)}
        marked_photo(ImageOps.exif_transpose(photo), font).save(target, "JPEG", **options)


def marked_photo(photo: Image.Image, font: Path) -> Image.Image:
    """The photo with the mark, as large to its short side as on a square crop."""
    width, height = photo.size
    layer = Image.new("RGBA", photo.size, (*INK[:3], 0))
    size = round(HEIGHT * min(width, height))
    ImageDraw.Draw(layer).text((LEFT * width, TOP * height), TEXT, INK, ImageFont.truetype(str(font), size))
    return Image.alpha_composite(photo.convert("RGBA"), layer).convert("RGB")


if __name__ == "__main__":
    main()
