"""A TIFF of any layout becomes the picture that its numbers are, or an error that names what it is."""

from __future__ import annotations

import io
import itertools

import numpy as np
import pytest
from numpy.typing import NDArray
from pictures import encode, gradient
from PIL import Image, ImageOps
from tiff_files import BLACK_IS_ZERO, CIELAB, CMYK, MASK, PALETTE, RGB, WHITE_IS_ZERO, YCBCR, tiff

from cam_audit.errors import ImageError
from cam_audit.images.decode import decode, decode_picture
from cam_audit.images.tiff import tiff_layout

RGB_8 = gradient(48, 32)
SHARES = RGB_8 / 255
GREY = SHARES[..., 0]


def stored(shares: NDArray[np.float64], dtype: str) -> NDArray[np.generic]:
    """Shares as a file keeps them: whole numbers over their whole range, fractions as they are."""
    if dtype[0] == "f":
        return shares.astype(dtype)
    limits = np.iinfo(dtype)
    return (float(limits.min) + shares * (float(limits.max) - float(limits.min))).astype(dtype)


def expected(shares: NDArray[np.float64], dtype: str) -> NDArray[np.float64]:
    """What is to be seen of it: where nothing tells the range, the one that is used is stretched."""
    if dtype in ("u1", "u2", "f4", "f8"):
        return shares * 255
    low, high = shares.min(), shares.max()
    return (shares - low) / (high - low) * 255


def seen(data: bytes) -> NDArray[np.int_]:
    return decode(data)[0].astype(int)


@pytest.mark.parametrize("dtype", ["u1", "u2", "u4", "i2", "i4", "f4", "f8"])
@pytest.mark.parametrize(("order", "big"), [("<", False), (">", False), ("<", True)])
def test_numbers_of_every_kind_become_the_same_picture(dtype: str, order: str, big: bool) -> None:
    grey = np.repeat(GREY[..., None], 3, axis=2)
    for photometric, values, shown in (
        (BLACK_IS_ZERO, GREY, expected(grey, dtype)),
        (WHITE_IS_ZERO, GREY, 255 - expected(grey, dtype)),
        (RGB, SHARES, expected(SHARES, dtype)),
    ):
        data = tiff(stored(values, dtype), photometric, order=order, big=big)
        assert np.abs(seen(data) - shown).max() <= 2, photometric


@pytest.mark.parametrize("bits", [10, 12, 14])
@pytest.mark.parametrize("light", [1.0, 0.2])
def test_packed_bits_are_as_bright_as_their_depth_says(bits: int, light: float) -> None:
    values = np.floor(SHARES * light * ((1 << bits) - 1)).astype("u2")
    picture = decode_picture(tiff(values, RGB, bits=bits, order=">"))
    np.testing.assert_array_equal(picture.rgb, values >> (bits - 8))
    assert picture.reading == f"{bits}-bit values"


@pytest.mark.parametrize("depth", [10, 12, 14])
def test_few_bits_in_16_are_no_black_picture(depth: int) -> None:
    values = np.floor(SHARES * ((1 << depth) - 1)).astype("u2")
    for data in (tiff(values, RGB), encode(Image.fromarray(values[..., 0])), pnm(values)):
        picture = decode_picture(data)
        assert picture.reading == f"16-bit values that fill {depth} bits"
        assert (picture.rgb[..., 0] == values[..., 0] >> (depth - 8)).all()


def pnm(values: NDArray[np.uint16]) -> bytes:
    return b"P6 # deep\n%d %d\n65535\n" % values.shape[1::-1] + values.astype(">u2").tobytes()


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_grey_of_few_bits(bits: int) -> None:
    most = (1 << bits) - 1
    values = np.rint(GREY * most).astype("u1")
    for photometric, shown in ((BLACK_IS_ZERO, values / most), (WHITE_IS_ZERO, 1 - values / most)):
        got = seen(tiff(values, photometric, bits=bits))
        assert np.abs(got - np.repeat(shown[..., None], 3, axis=2) * 255).max() <= 1


@pytest.mark.parametrize("bits", [4, 8])
def test_palettes_have_16_bits_a_colour(bits: int) -> None:
    colours = np.random.default_rng(bits).integers(0, 65536, (3, 1 << bits)).astype("u2")
    values = np.rint(GREY * ((1 << bits) - 1)).astype("u1")
    got = seen(tiff(values, PALETTE, bits=bits, colours=colours))
    assert np.abs(got - (colours[:, values] >> 8).transpose(1, 2, 0)).max() <= 1


@pytest.mark.parametrize("dtype", ["u1", "u2"])
def test_cmyk_is_what_ink_leaves_of_white(dtype: str) -> None:
    inks = np.dstack([1 - SHARES, np.zeros_like(GREY)])
    assert np.abs(seen(tiff(stored(inks, dtype), CMYK)) - RGB_8).max() <= 2
    black = np.dstack([np.zeros_like(SHARES), 1 - GREY])
    assert np.abs(seen(tiff(stored(black, dtype), CMYK)) - np.repeat(GREY[..., None], 3, axis=2) * 255).max() <= 2


def test_ycbcr_is_that_of_ccir_601() -> None:
    red, green, blue = np.moveaxis(RGB_8.astype(float), 2, 0)
    y = 0.299 * red + 0.587 * green + 0.114 * blue
    stored_as = np.dstack([y, 128 + (blue - y) / 1.772, 128 + (red - y) / 1.402]).round().clip(0, 255).astype("u1")
    assert np.abs(seen(tiff(stored_as, YCBCR)) - RGB_8).max() <= 2
    pillow = encode(Image.fromarray(RGB_8), "TIFF", compression="jpeg", quality=100)
    assert np.abs(seen(pillow) - RGB_8).max() <= 6


def lab_of(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    """sRGB, 0..1, as CIELab under D50, by the columns of ICC's sRGB profile: other numbers than those that are used."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    to_d50 = np.array([[0.43607, 0.38515, 0.14307], [0.22249, 0.71689, 0.06062], [0.01392, 0.09708, 0.71410]])
    ratios = linear @ to_d50.T / np.array([0.96429, 1, 0.82510])
    x, y, z = np.moveaxis(np.where(ratios > 216 / 24389, np.cbrt(ratios), (24389 / 27 * ratios + 16) / 116), 2, 0)
    return np.dstack([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_cielab_is_under_d50() -> None:
    lightness, a, b = np.moveaxis(lab_of(SHARES), 2, 0)
    signed = [np.rint(channel).astype(np.int8).view(np.uint8) for channel in (a, b)]
    got = seen(tiff(np.dstack([np.rint(lightness * 2.55).astype("u1"), *signed]), CIELAB))
    # a step of a or b is several of blue where it is dark
    assert np.abs(got - RGB_8).max() <= 8
    assert np.abs(got - RGB_8).mean() < 1


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
def test_alpha_is_dropped(dtype: str) -> None:
    data = tiff(stored(np.dstack([SHARES, GREY]), dtype), RGB, extra=2)
    assert np.abs(seen(data) - RGB_8).max() <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_numbers_and_lab_are_turned_upright(orientation: int) -> None:
    as_8_bits = Image.open(io.BytesIO(tiff(RGB_8, RGB, orientation=orientation)))
    upright = np.asarray(ImageOps.exif_transpose(as_8_bits)).astype(int)
    assert upright.shape == ((32, 48, 3) if orientation < 5 else (48, 32, 3))
    for dtype in ("u2", "f4"):
        assert np.abs(seen(tiff(stored(SHARES, dtype), RGB, orientation=orientation)) - upright).max() <= 1
    flat = np.zeros_like(RGB_8)
    flat[..., 0] = RGB_8[..., 1]
    got = seen(tiff(flat, CIELAB, orientation=orientation))
    assert np.corrcoef(got[..., 0].ravel(), upright[..., 1].ravel())[0, 1] > 0.98


NAMED = {
    "32-bit float RGB of 3 channels in separate planes": tiff(SHARES.astype("f4"), RGB, planar=True),
    "16-bit RGB of 3 channels in separate planes": tiff(stored(SHARES, "u2"), RGB, planar=True),
    "16-bit float grey": tiff(GREY.astype("f2"), BLACK_IS_ZERO),
    "8-bit signed grey": tiff(stored(GREY, "i1"), BLACK_IS_ZERO),
    "16-bit grey of 2 channels": tiff(stored(SHARES[..., :2], "u2"), BLACK_IS_ZERO, extra=2),
    "16-bit RGB of 4 channels, premultiplied": tiff(stored(np.dstack([SHARES, GREY]), "u2"), RGB, extra=1),
    "8-bit grey of 7 channels": tiff(np.dstack([RGB_8, RGB_8, RGB_8[..., :1]]), BLACK_IS_ZERO, extra=0),
    "16-bit CIELab of 3 channels": tiff(stored(SHARES, "u2"), CIELAB),
    "8-bit ICCLab of 3 channels": tiff(RGB_8, 9),
    "8-bit ITULab of 3 channels": tiff(RGB_8, 10),
    "16-bit colour filter array": tiff(stored(GREY, "u2"), 32803),
    "16-bit linear raw of 3 channels": tiff(stored(SHARES, "u2"), 34892),
    "8-bit LogL": tiff(RGB_8[..., 0], 32844),
    "1-bit transparency": tiff((GREY > 0.5).astype("u1"), MASK, bits=1),
    "8-bit photometric 77": tiff(RGB_8[..., 0], 77),
    "32-bit CMYK of 4 channels": tiff(stored(np.dstack([SHARES, GREY]), "u4"), CMYK),
    "6-bit grey": tiff((GREY * 63).astype("u1"), BLACK_IS_ZERO, bits=6),
}


@pytest.mark.parametrize("kind", NAMED)
def test_what_is_not_read_is_called_by_its_name(kind: str) -> None:
    with pytest.raises(ImageError) as error:
        decode(NAMED[kind])
    assert str(error.value) == f"a TIFF of {kind}, which is not read, or it is damaged or truncated"


def test_no_layout_becomes_another_picture() -> None:
    """Every combination is either right or an error: a decoder that guesses would be seen here."""
    read = 0
    for dtype, samples, planar, extra in itertools.product(
        ("u1", "u2", "i2", "f4"), (1, 3, 4), (False, True), (0, 1, 2)
    ):
        shares = np.dstack([SHARES, np.ones_like(GREY)])[..., :samples]
        photometric = BLACK_IS_ZERO if samples == 1 else RGB
        data = tiff(stored(shares, dtype), photometric, planar=planar, extra=extra if samples == 4 else None)
        shown = expected(shares if dtype != "i2" or samples != 4 else shares[..., :3], dtype)
        shown = np.repeat(shown, 3, axis=2) if samples == 1 else shown[..., :3]
        try:
            got = seen(data)
        except ImageError:
            continue
        assert np.abs(got - shown).max() <= 2, (dtype, samples, planar, extra)
        read += 1
    assert read >= 30


def test_a_directory_that_lies_is_no_layout() -> None:
    data = tiff(RGB_8, RGB)
    for cut in range(0, 300, 7):
        tiff_layout(data[:cut])
    assert tiff_layout(b"II*\0" + b"\xff" * 4) is None
    assert tiff_layout(b"II*\0\x08\0\0\0" + b"\xff" * 200) is None
    assert tiff_layout(b"GIF89a") is None
