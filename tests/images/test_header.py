"""What a JPEG's header tells, by what it was saved with; nothing of what is damaged, and never a warning."""

from __future__ import annotations

import io
import random
import warnings

import pytest
from pictures import encode, gradient
from PIL import Image

from cam_audit.images.header import JpegHeader, jpeg_header

RGB = gradient(96, 64)
CAMERA = "Nikon D40"
MODEL = 0x0110


def jpeg(camera: str = CAMERA, **options: object) -> bytes:
    exif = Image.Exif()
    exif[0x010F] = "Nikon"
    exif[MODEL] = camera
    return encode(RGB, "JPEG", exif=exif, **options)


def quietly(data: bytes) -> JpegHeader | None:
    """The header, which must come without a warning."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        header = jpeg_header(data)
    assert not caught
    return header


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"quality": 3}, {"orientation": 6}])
def test_the_size_is_that_before_orientation(options: dict) -> None:
    header = quietly(encode(RGB, "JPEG", **options))
    assert header is not None
    assert (header.width, header.height) == (96, 64)


def test_the_luminance_table_is_the_one_it_was_saved_with() -> None:
    steps = random.Random(1).choices(range(1, 256), k=64)
    header = quietly(jpeg(qtables=[steps, [9] * 64]))
    assert header is not None
    assert header.luminance == tuple(steps)


@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "TIFF", "BMP"])
def test_other_files_have_no_such_header(file_format: str) -> None:
    assert quietly(encode(RGB, file_format)) is None
    assert quietly(b"") is None


def test_exif_data_that_pillow_warns_of_cost_nothing_else() -> None:
    whole = jpeg("a longer name of a camera")
    at = whole.index(b"Exif\0\0") + 6
    # the directory's first entry is the maker; of that, the place of its text
    damaged = bytearray(whole)
    damaged[at + 18 : at + 22] = b"\x7f\xff\xff\x7f"
    with pytest.warns(UserWarning, match="EXIF|Truncated|Tag|read"):
        Image.open(io.BytesIO(damaged)).getexif()
    assert quietly(bytes(damaged)) == quietly(whole)


def test_whatever_is_damaged_there_is_no_warning_and_no_exception() -> None:
    whole = jpeg()
    rng = random.Random(4)
    for size in range(700):
        quietly(whole[:size])
    for _ in range(500):
        broken = bytearray(whole)
        for _ in range(rng.randint(1, 30)):
            broken[rng.randrange(2, 400)] = rng.choice((0, 255, rng.randrange(256)))
        quietly(bytes(broken))
