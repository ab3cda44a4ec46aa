"""Edits of a picture that plant a cue or take it away, as data, so that they can be listed and made again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from cam_audit.findings.foreign_objects import OBJECTS, made
from cam_audit.findings.mirroring import BAND, border_places, continued_places, mirrored_places
from cam_audit.images.encode_jpeg import as_jpeg
from cam_audit.images.resize import WORKING_SIDE, at_working_side, resize
from cam_audit.images.rgb import RgbImage
from cam_audit.images.sharpness import BLOCKY_SIDE, blockiness, grey_of, sharpness
from cam_audit.records import Box, Edit

Mask = NDArray[np.bool_]
Factors = tuple[float, float, float]

# What is kept of the picture whose surroundings are filled: an ellipse with these semi-axes, as a share of height and
# width, that fades out over FADE of the squared radius and is blurred by SOFT, a share of the short side.
RADIUS = 0.36
FADE = 0.5
SOFT = 4 / 224
INPAINT_RADIUS = 3
# The blur that takes fine detail away, its standard deviation as a share of the short side.
DETAIL = 4 / 224
# The strongest blur and the strongest sharpening that are tried, in pixels at the working side and as a multiple of the
# detail that is added; and the standard deviation of the blur that tells the detail.
MAX_BLUR = 5.0
MAX_SHARPENING = 8.0
SHARPENED = 1.4
# How small and how large a picture is made on its own background.
FRAMED = (0.4, 2.0)
# So many halvings find how strong an edit must be.
HALVINGS = 8
# Strips at opposite edges take at most so much of a side together, so that something is left beside them.
MAX_STRIPS = 0.75
# The coarsest and the finest JPEG that is tried.
QUALITIES = (2, 95)


def apply(edit: Edit, picture: RgbImage, donor: RgbImage | None) -> RgbImage:
    """The edited picture, uint8 (H, W, 3).

    Raises ValueError without a donor where one takes part, see `needs_donor`.
    """
    if donor is None and needs_donor(edit):
        raise ValueError(f"{edit.name} takes a donor")
    return EDITS[edit.name](edit, picture, picture if donor is None else donor)


def needs_donor(edit: Edit) -> bool:
    """Whether another picture takes part."""
    return edit.name in WITH_DONOR


def surroundings(edit: Edit, picture: RgbImage, donor: RgbImage) -> RgbImage:
    """All but the centre filled with the donor's border band, mirrored inwards: its texture, not its object."""
    height, width = picture.shape[:2]
    keep = _centre(height, width)[..., None]
    filled = resize(donor, width, height)[border_places(height, width)]
    return np.asarray(np.rint(picture * keep + filled * (1 - keep)), np.uint8)


def texture(edit: Edit, picture: RgbImage, donor: RgbImage) -> RgbImage:
    """Where the mask is set, what lies in the donor's box, mirrored outwards from there; with soft edges."""
    assert edit.box
    assert edit.mask is not None
    height, width = picture.shape[:2]
    fitted = resize(donor, width, height)
    left, top, right, bottom = pixel_box(edit.box, fitted)
    filled = fitted[mirrored_places(height, top, bottom)[:, None], mirrored_places(width, left, right)]
    mask = cv2.resize(edit.mask.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    fill = cv2.GaussianBlur(mask, (0, 0), SOFT * min(height, width))[..., None]
    return np.asarray(np.rint(picture * (1 - fill) + filled * fill), np.uint8)


def cast(edit: Edit, picture: RgbImage, donor: RgbImage) -> RgbImage:
    """Each channel multiplied: another white balance or exposure (after von Kries 1902)."""
    return np.asarray(np.clip(np.rint(picture * np.array(edit.factors, np.float32)), 0, 255), np.uint8)


def paste(edit: Edit, picture: RgbImage, donor: RgbImage) -> RgbImage:
    """What lies in the donor's box, at the same place."""
    assert edit.box
    left, top, right, bottom = pixel_box(edit.box, picture)
    from_left, from_top, from_right, from_bottom = pixel_box(edit.box, donor)
    pasted = picture.copy()
    patch = donor[from_top:from_bottom, from_left:from_right]
    pasted[top:bottom, left:right] = resize(patch, right - left, bottom - top)
    return pasted


def strokes(edit: Edit, picture: RgbImage, donor: RgbImage) -> RgbImage:
    """The donor's fine detail added where the mask is set.

    Fine detail is what a blur takes away: the strokes of an overlay, and little of what they lie on.
    """
    assert edit.mask is not None
    height, width = picture.shape[:2]
    fitted = resize(donor, width, height).astype(np.float32)
    detail = fitted - cv2.GaussianBlur(fitted, (0, 0), DETAIL * min(height, width))
    detail[~_fitted(edit.mask, picture)] = 0
    return np.asarray(np.clip(np.rint(picture + detail), 0, 255), np.uint8)


def painted_over(edit: Edit, picture: RgbImage, donor: RgbImage) -> RgbImage:
    """A box, or the strokes of a mask, painted over from the surroundings (Telea 2004)."""
    if edit.mask is not None:
        mask = _fitted(edit.mask, picture).astype(np.uint8)
    else:
        assert edit.box
        left, top, right, bottom = pixel_box(edit.box, picture)
        mask = np.zeros(picture.shape[:2], np.uint8)
        mask[top:bottom, left:right] = 1
    return cv2.inpaint(picture, mask, INPAINT_RADIUS, cv2.INPAINT_TELEA)  # type: ignore[return-value]


def levels(edit: Edit, picture: RgbImage, donor: RgbImage) -> RgbImage:
    """Brighter by so many grey levels, the contrast multiplied around the picture's mean; `amounts`: both."""
    assert edit.amounts
    brighter, contrast = edit.amounts
    mean = float(grey_of(picture).mean())
    return _to_bytes((picture - np.float32(mean)) * np.float32(contrast) + np.float32(mean + brighter))


def saturation(edit: Edit, picture: RgbImage, donor: RgbImage) -> RgbImage:
    """The distance of each pixel from its grey, multiplied; `amounts`: by how much."""
    assert edit.amounts
    greys = grey_of(picture)[..., None]
    return _to_bytes(greys + (picture - greys) * np.float32(edit.amounts[0]))


def matched_sharpness(edit: Edit, picture: RgbImage, donor: RgbImage) -> RgbImage:
    """Blurred or sharpened until it is sharper by the octaves in `amounts`, or less sharp where these are negative."""
    assert edit.amounts
    (sharper,) = edit.amounts
    change = _sharpened if sharper > 0 else _blurred
    greys = grey_of(at_working_side(picture))
    wanted = sharpness(greys) + sharper

    def is_too_much(strength: float) -> bool:
        reached = sharpness(change(greys, strength, 1))
        return reached > wanted if sharper > 0 else reached < wanted

    strength = _strongest(is_too_much, MAX_SHARPENING if sharper > 0 else MAX_BLUR)
    pixel = max(picture.shape[:2]) / WORKING_SIDE
    return _to_bytes(change(picture.astype(np.float32), strength, pixel))


def framed(edit: Edit, picture: RgbImage, donor: RgbImage) -> RgbImage:
    """The picture made so many times as large, with its middle at a place x, y; `amounts`: all three, shares of sides.

    What it leaves empty is filled with its border band, mirrored outwards and blurred, so that it shows no pattern: its
    own background.
    """
    assert edit.amounts
    factor, x, y = edit.amounts
    height, width = picture.shape[:2]
    # who lists an edit may be anybody
    factor = min(max(factor, FRAMED[0]), FRAMED[1])
    x, y = (min(max(place, -1.0), 2.0) for place in (x, y))
    scaled = resize(picture, max(1, round(width * factor)), max(1, round(height * factor)))
    firsts = [
        round(place * side - of_scaled / 2)
        for side, of_scaled, place in zip((height, width), scaled.shape[:2], (y, x), strict=True)
    ]
    rows, columns = map(continued_places, (height, width), scaled.shape[:2], firsts)
    filled = scaled[rows[:, None], columns]
    blurred = cv2.GaussianBlur(filled, (0, 0), BAND / 4 * min(height, width))
    outside = [
        (np.arange(side) < first) | (np.arange(side) >= first + of_scaled)
        for side, first, of_scaled in zip((height, width), firsts, scaled.shape[:2], strict=True)
    ]
    return np.where((outside[0][:, None] | outside[1])[..., None], blurred, filled)


def recompressed(edit: Edit, picture: RgbImage, donor: RgbImage) -> RgbImage:
    """Compressed by JPEG, at a long side of so many pixels, until blockier by so many octaves; `amounts`: both.

    A picture can't become less blocky; if that is asked, it is compressed as little as possible.
    """
    assert edit.amounts
    blockier, side = edit.amounts
    height, width = picture.shape[:2]
    # anybody may list an edit, and in larger pictures no block is seen
    scale = min(max(side, 1), BLOCKY_SIDE) / max(height, width)
    stored = resize(picture, max(1, round(width * scale)), max(1, round(height * scale)))
    wanted = blockiness(grey_of(stored)) + blockier
    best, worst = QUALITIES[1], QUALITIES[0]

    def is_too_much(loss: float) -> bool:
        return blockiness(grey_of(as_jpeg(stored, round(best - loss)))) > wanted

    return resize(as_jpeg(stored, round(best - _strongest(is_too_much, best - worst))), width, height)


def streaked(edit: Edit, picture: RgbImage, donor: RgbImage) -> RgbImage:
    """Strips at the edges in which what lies beside them is repeated.

    `amounts`: their widths at the left, top, right and bottom, as shares of the side that they take from.
    """
    (height, (top, bottom)), (width, (left, right)) = _strips(edit, picture.shape)
    rows = np.arange(height).clip(top, height - 1 - bottom)
    columns = np.arange(width).clip(left, width - 1 - right)
    return np.asarray(picture[rows[:, None], columns])


def mirrored(edit: Edit, picture: RgbImage, donor: RgbImage) -> RgbImage:
    """Strips at the edges filled with what lies beside them, mirrored; `amounts`: widths as in `streaked`."""
    (height, (top, bottom)), (width, (left, right)) = _strips(edit, picture.shape)
    rows, columns = mirrored_places(height, top, height - bottom), mirrored_places(width, left, width - right)
    return np.asarray(picture[rows[:, None], columns])


def barred(edit: Edit, picture: RgbImage, donor: RgbImage) -> RgbImage:
    """Strips at the edges in one colour; `amounts`: widths as in `streaked`, then red, green, blue."""
    assert edit.amounts
    (height, (top, bottom)), (width, (left, right)) = _strips(edit, picture.shape)
    inside = np.s_[top : height - bottom, left : width - right]
    filled = np.empty_like(picture)
    filled[:] = np.clip(np.rint(edit.amounts[4:]), 0, 255)
    filled[inside] = picture[inside]
    return filled


def foreign(edit: Edit, picture: RgbImage, donor: RgbImage) -> RgbImage:
    """The object whose number is the one of `amounts`, laid over the box; numbers beyond the last begin anew."""
    assert edit.box
    assert edit.amounts
    left, top, right, bottom = pixel_box(edit.box, picture)
    size = (right - left, bottom - top)
    colours, alpha = (
        cv2.resize(part, size, interpolation=cv2.INTER_AREA) for part in made(int(edit.amounts[0]) % OBJECTS)
    )
    pasted = picture.copy()
    under = pasted[top:bottom, left:right].astype(np.float32)
    pasted[top:bottom, left:right] = _to_bytes(under + alpha[..., None] * (colours - under))
    return pasted


EDITS: Mapping[str, Callable[[Edit, RgbImage, RgbImage], RgbImage]] = {
    "surroundings": surroundings,
    "texture": texture,
    "cast": cast,
    "paste": paste,
    "strokes": strokes,
    "painted_over": painted_over,
    "levels": levels,
    "saturation": saturation,
    "sharpness": matched_sharpness,
    "recompressed": recompressed,
    "foreign": foreign,
    "streaked": streaked,
    "mirrored": mirrored,
    "barred": barred,
    "framed": framed,
}
# How many `amounts` an edit takes, where it takes any.
AMOUNTS = {
    "levels": 2,
    "saturation": 1,
    "sharpness": 1,
    "recompressed": 2,
    "streaked": 4,
    "mirrored": 4,
    "barred": 7,
    "framed": 3,
    "foreign": 1,
}
WITH_DONOR = frozenset({"surroundings", "texture", "paste", "strokes"})


def strokes_of(overlay: NDArray[np.float32]) -> Mask:
    """Where an overlay adds anything, widened by one step each way to take in the rims of strokes: bool (h, w)."""
    return np.asarray(cv2.dilate((overlay != 0).astype(np.uint8), np.ones((3, 3), np.uint8)), bool)


def pixel_box(box: Box, rgb: RgbImage) -> tuple[int, int, int, int]:
    """A box in fractions as whole pixels (left, top, right, bottom) of a picture, at least one pixel each way."""
    height, width = rgb.shape[:2]
    left = min(max(0, round(box[0] * width)), width - 1)
    top = min(max(0, round(box[1] * height)), height - 1)
    return (
        left,
        top,
        min(width, max(left + 1, round(box[2] * width))),
        min(height, max(top + 1, round(box[3] * height))),
    )


def _strips(edit: Edit, shape: tuple[int, ...]) -> tuple[tuple[int, tuple[int, int]], tuple[int, tuple[int, int]]]:
    """Of height and width: the length, and how many pixels the strips at its two ends take."""
    assert edit.amounts
    left, top, right, bottom = edit.amounts[:4]
    height, width = shape[:2]
    return (height, _whole(height, top, bottom)), (width, _whole(width, left, right))


def _whole(length: int, low: float, high: float) -> tuple[int, int]:
    """Two strips in whole pixels, given as shares of a side. As anybody may list them: together at most MAX_STRIPS."""
    low, high = (min(max(share, 0.0), 1.0) for share in (low, high))
    fitting = min(1.0, MAX_STRIPS / max(low + high, 1e-9))
    first = min(round(low * fitting * length), length - 1)
    return first, min(round(high * fitting * length), length - 1 - first)


def _strongest(is_too_much: Callable[[float], bool], limit: float) -> float:
    """The largest strength, 0..limit, that is not too much, where more is more."""
    low, high = 0.0, limit
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if is_too_much(middle) else (middle, high)
    return low


def _blurred(values: NDArray[np.float32], strength: float, pixel: float) -> NDArray[np.float32]:
    """Blurred by a standard deviation of so many pixels at the working side; pixel: the size of one of them here."""
    return cv2.GaussianBlur(values, (0, 0), strength * pixel) if strength > 0 else values  # type: ignore[return-value]


def _sharpened(values: NDArray[np.float32], strength: float, pixel: float) -> NDArray[np.float32]:
    """Fine detail added so many times; pixel: as in `_blurred`."""
    return values + np.float32(strength) * (values - _blurred(values, SHARPENED, pixel))


def _to_bytes(values: NDArray[np.float32]) -> RgbImage:
    return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)


def _fitted(mask: Mask, rgb: RgbImage) -> Mask:
    size = (rgb.shape[1], rgb.shape[0])
    return np.asarray(cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST), bool)


# most pictures of a data set are of a few sizes
@lru_cache(maxsize=16)
def _centre(height: int, width: int) -> NDArray[np.float32]:
    """1 in the middle, falling softly to 0 outside an ellipse: float32 (height, width)."""
    rows = ((np.arange(height) + 0.5) / height - 0.5) / RADIUS
    columns = ((np.arange(width) + 0.5) / width - 0.5) / RADIUS
    radius = rows[:, None] ** 2 + columns**2
    inside = np.clip((1 + FADE / 2 - radius) / FADE, 0, 1).astype(np.float32)
    return cv2.GaussianBlur(inside, (0, 0), SOFT * min(height, width))  # type: ignore[return-value]
