"""Counterfactuals: plant a cue in other classes' images, or take it out, and see whether the prediction follows.

The tests and their measured reliability are those of the detection study (see docs/findings.md).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cam_audit.findings.cues.records import Hit
from cam_audit.images.resize import resize
from cam_audit.images.rgb import RgbImage
from cam_audit.records import Box

Edit = Callable[[RgbImage, RgbImage], RgbImage]
Plant = Callable[[RgbImage, RgbImage, RgbImage, Hit], tuple[RgbImage, RgbImage]]

# The ring's width as a share of the short side, and the centre's sides as a share of the picture's.
RING = 12 / 224
CENTRE = 0.6
INPAINT_RADIUS = 3
DARK = 8
# The blur that takes fine detail away, its standard deviation as a share of the short side.
DETAIL = 4 / 224


@dataclass(frozen=True)
class CueTest:
    """A test of a cue: `plant(target, donor, control donor, donor's hit)` gives the planted and the control picture.

    `name`: as in the `codes.Counterfactual` that has its words. `hits`: the images that may be donors. `specific`: as
    in `measure`.
    """

    name: str
    hits: tuple[Hit, ...]
    plant: Plant
    specific: bool = False


@dataclass(frozen=True, eq=False)
class Trial:
    """The logits, float32 (K,), of an image of class `class_index` with the cue planted and with a control.

    `untouched`: the control is the image itself, whose logits the scan knows.
    """

    class_index: int
    planted: NDArray[np.float32]
    control: NDArray[np.float32]
    untouched: bool = False


@dataclass(frozen=True)
class Effect:
    """What planting a cue did, over some images of other classes.

    `gain`: mean change of (logit of the cue's class - logit of the image's own), planted minus control, in correct
    margins. `flip_rate`, `control_flip_rate`: share of images whose prediction became the cue's class, 0..1.
    `untouched`: how many controls were the image itself.
    """

    test: str
    gain: float
    flip_rate: float
    control_flip_rate: float
    images: int
    untouched: int = 0

    @property
    def passes(self) -> int:
        """Forward passes spent."""
        return 2 * self.images - self.untouched


def measure(test: str, class_index: int, trials: Sequence[Trial], scale: float, *, specific: bool = False) -> Effect:
    """What trials come to; `scale` is the median correct margin, in logits.

    With `specific`, a gain counts only as far as the class's logit rises above those of third classes too: or else
    whatever disturbs the image's own class would pass for a cue. Nets of two classes have no third.

    Raises ValueError where there are no trials.
    """
    if not trials:
        raise ValueError("no images to plant a cue in")
    gains, flips, control_flips = [], 0, 0
    for trial in trials:
        change = trial.planted - trial.control
        gain = change[class_index] - change[trial.class_index]
        if specific and change.size > 2:
            thirds = np.delete(change, [class_index, trial.class_index])
            gain = min(gain, change[class_index] - thirds.mean())
        gains.append(gain)
        flips += int(trial.planted.argmax()) == class_index
        control_flips += int(trial.control.argmax()) == class_index
    count, untouched = len(trials), sum(trial.untouched for trial in trials)
    return Effect(test, float(np.mean(gains)) / scale, flips / count, control_flips / count, count, untouched)


def by_donor(edit: Edit) -> Plant:
    """The edit with the donor, and as control with the other donor."""
    return lambda target, donor, control, hit: (edit(target, donor), edit(target, control))


def colour_tests(hits: tuple[Hit, ...], classes: int) -> list[CueTest]:
    """The tests that suit a colour at the border as well as everywhere, for a net of so many classes."""
    # A net that learnt a frame reacts to any flat ring, a control's too, so it is held against the untouched image.
    # Without third classes nothing tells such a reaction from a disturbance, and the control donor must do.
    ring = (
        CueTest("ring", hits, by_donor(paint_ring))
        if classes < 3
        else CueTest("ring", hits, lambda target, donor, _, __: (paint_ring(target, donor), target), specific=True)
    )
    return [
        ring,
        CueTest("chroma", hits, by_donor(shift_chroma)),
        CueTest("channels", hits, by_donor(scale_channels)),
    ]


def paint_ring(target: RgbImage, donor: RgbImage) -> RgbImage:
    """The outer ring of `target` painted flat in the mean colour of the donor's ring."""
    painted = target.copy()
    painted[_ring(target)] = np.rint(donor[_ring(donor)].mean(axis=0))
    return painted


def paint_surroundings(target: RgbImage, donor: RgbImage) -> RgbImage:
    """All but the centre of `target` painted flat in the mean colour of what surrounds the donor's centre."""
    painted = target.copy()
    painted[_surroundings(target)] = np.rint(donor[_surroundings(donor)].mean(axis=0))
    return painted


def shift_chroma(target: RgbImage, donor: RgbImage) -> RgbImage:
    """`target` with its mean a and b (CIE Lab) moved to the donor's; lightness stays."""
    lab = cv2.cvtColor(target.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    other = cv2.cvtColor(donor.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    lab[..., 1:] += other[..., 1:].mean(axis=(0, 1)) - lab[..., 1:].mean(axis=(0, 1))
    rgb = cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)
    return np.rint(np.clip(rgb, 0, 1) * 255).astype(np.uint8)


def scale_channels(target: RgbImage, donor: RgbImage) -> RgbImage:
    """`target` with each of its RGB channels scaled to the donor's mean: another white balance (after von Kries 1902).

    A few grey levels are added to both means, so that a channel near black does not blow up.
    """
    factors = (donor.mean(axis=(0, 1)) + DARK) / (target.mean(axis=(0, 1)) + DARK)
    return np.asarray(np.clip(np.rint(target * factors), 0, 255), np.uint8)


def paste_box(box: Box) -> Edit:
    """An edit that copies what lies in a box (fractions of width and height) of the donor to the same place."""

    def paste(target: RgbImage, donor: RgbImage) -> RgbImage:
        left, top, right, bottom = pixel_box(box, target)
        from_left, from_top, from_right, from_bottom = pixel_box(box, donor)
        pasted = target.copy()
        patch = donor[from_top:from_bottom, from_left:from_right]
        pasted[top:bottom, left:right] = resize(patch, right - left, bottom - top)
        return pasted

    return paste


def strokes_of(overlay: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Where an overlay adds anything, widened by one step each way to take in the rims of strokes: bool (h, w)."""
    return np.asarray(cv2.dilate((overlay != 0).astype(np.uint8), np.ones((3, 3), np.uint8)), bool)


def paste_detail(strokes: NDArray[np.bool_]) -> Edit:
    """An edit that adds the donor's fine detail where `strokes`, bool (h, w) over the whole picture, is set.

    Fine detail is what a blur takes away: the strokes of an overlay, and little of what they lie on.
    """

    def paste(target: RgbImage, donor: RgbImage) -> RgbImage:
        height, width = target.shape[:2]
        fitted = resize(donor, width, height).astype(np.float32)
        detail = fitted - cv2.GaussianBlur(fitted, (0, 0), DETAIL * min(height, width))
        detail[~_fitted(strokes, target)] = 0
        return np.asarray(np.clip(np.rint(target + detail), 0, 255), np.uint8)

    return paste


def without_box(rgb: RgbImage, box: Box) -> RgbImage:
    """The picture with a box painted over from its surroundings (Telea 2004)."""
    left, top, right, bottom = pixel_box(box, rgb)
    mask = np.zeros(rgb.shape[:2], np.uint8)
    mask[top:bottom, left:right] = 1
    return cv2.inpaint(rgb, mask, INPAINT_RADIUS, cv2.INPAINT_TELEA)  # type: ignore[return-value]


def without_strokes(rgb: RgbImage, strokes: NDArray[np.bool_]) -> RgbImage:
    """The picture with strokes, bool (h, w) over the whole picture, painted over from their surroundings."""
    return cv2.inpaint(rgb, _fitted(strokes, rgb).astype(np.uint8), INPAINT_RADIUS, cv2.INPAINT_TELEA)  # type: ignore[return-value]


def _fitted(strokes: NDArray[np.bool_], rgb: RgbImage) -> NDArray[np.bool_]:
    size = (rgb.shape[1], rgb.shape[0])
    return np.asarray(cv2.resize(strokes.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST), bool)


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


def _ring(rgb: RgbImage) -> NDArray[np.bool_]:
    height, width = rgb.shape[:2]
    thickness = max(1, round(RING * min(height, width)))
    return _outside(height, width, thickness, thickness)


def _surroundings(rgb: RgbImage) -> NDArray[np.bool_]:
    height, width = rgb.shape[:2]
    return _outside(height, width, max(1, round(height * (1 - CENTRE) / 2)), max(1, round(width * (1 - CENTRE) / 2)))


def _outside(height: int, width: int, rows: int, columns: int) -> NDArray[np.bool_]:
    mask = np.ones((height, width), bool)
    mask[rows : height - rows, columns : width - columns] = False
    return mask
