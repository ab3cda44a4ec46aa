"""A mask in any file format is 1 where the file says object."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from annotated import BLOCK, HEIGHT, WIDTH, write
from numpy.typing import NDArray
from pictures import encode
from PIL import Image

from cam_audit.errors import ImageError
from cam_audit.images.mask import read_mask


def palette(mask: NDArray[np.uint8], colours: list[int]) -> Image.Image:
    image = Image.fromarray(mask, "P")
    image.putpalette(colours)
    return image


WHITE_BACKGROUND = [255, 255, 255, 0, 0, 0]
RGBA = np.dstack([BLOCK * 7, BLOCK * 0, BLOCK * 0, np.full_like(BLOCK, 255)])
MASK_FILES = {
    "grey, 255": encode(BLOCK * 255),
    "grey, 1": encode(BLOCK),
    "1 bit": encode(Image.fromarray(BLOCK * 255).convert("1")),
    "16 bit, low byte": encode(Image.fromarray(BLOCK.astype(np.uint16) * 3)),
    "16 bit, high byte": encode(Image.fromarray(BLOCK.astype(np.uint16) * 256)),
    "palette of dark ink on white": encode(palette(BLOCK, WHITE_BACKGROUND)),
    "rgb, blue only": encode(np.dstack([BLOCK * 0, BLOCK * 0, BLOCK])),
    "rgba, opaque throughout": encode(RGBA),
    "grey alpha": encode(Image.merge("LA", [Image.fromarray(BLOCK), Image.new("L", (WIDTH, HEIGHT), 255)])),
    "gif": encode(palette(BLOCK, WHITE_BACKGROUND), "GIF"),
    "tiff": encode(Image.fromarray(BLOCK * 255), "TIFF"),
    "float tiff": encode(Image.fromarray(BLOCK * np.float32(0.25)), "TIFF"),
    "bmp": encode(Image.fromarray(BLOCK * 255), "BMP"),
    "webp": encode(Image.fromarray(BLOCK * 255), "WEBP", lossless=True),
    "jpeg": encode(Image.fromarray(BLOCK * 255), "JPEG", quality=60),
    "jpeg rgb": encode(np.dstack([BLOCK * 255] * 3), "JPEG", quality=60, subsampling=0),
}


@pytest.mark.parametrize("kind", MASK_FILES)
def test_a_mask_of_any_format_is_1_where_the_file_is_not_0(kind: str, tmp_path: Path) -> None:
    mask = read_mask(write(tmp_path / "mask", MASK_FILES[kind]))
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, BLOCK)


def test_void_of_pascal_voc_is_object(tmp_path: Path) -> None:
    labels = BLOCK * 13
    labels[2, 5:9] = 255
    file = write(tmp_path / "mask.png", encode(palette(labels, [0, 0, 0] + [200] * 765)))
    np.testing.assert_array_equal(read_mask(file), BLOCK)


def test_a_mask_is_turned_as_its_exif_says(tmp_path: Path) -> None:
    np.testing.assert_array_equal(
        read_mask(write(tmp_path / "mask.png", encode(BLOCK * 255, orientation=3))), BLOCK[::-1, ::-1]
    )


def test_a_value_must_be_in_all_channels_and_in_a_file_that_keeps_values(tmp_path: Path) -> None:
    colours = np.dstack([BLOCK * 7, BLOCK * 7, BLOCK * 0 + 7])
    np.testing.assert_array_equal(read_mask(write(tmp_path / "a.png", encode(colours)), 7), BLOCK)
    deep = encode(Image.fromarray(BLOCK.astype(np.uint16) * 300))
    np.testing.assert_array_equal(read_mask(write(tmp_path / "b.png", deep), 300), BLOCK)
    with pytest.raises(ImageError, match="a JPEG does not keep the values"):
        read_mask(write(tmp_path / "c.jpg", encode(BLOCK * 255, "JPEG")), 255)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_is_the_mask_where_it_differs(mode: str, tmp_path: Path) -> None:
    # a cut-out: the photo is everywhere, and alpha says where the object is
    cut_out = Image.fromarray(np.full((HEIGHT, WIDTH), 90, np.uint8)).convert(mode)
    cut_out.putalpha(Image.fromarray(BLOCK * 255))
    np.testing.assert_array_equal(read_mask(write(tmp_path / "a.png", encode(cut_out))), BLOCK)
