"""The titled sheets of panels that a scan writes: overlays, maps of a class, and parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from cam_audit.cam import Map, is_flat
from cam_audit.images.resize import resize
from cam_audit.images.rgb import RgbImage
from cam_audit.overlay import JET, cam_overlay, ramped
from cam_audit.records import ClassMaps, Finding, Score
from cam_audit.text import visible

MARGIN = 8
CAPTION_HEIGHT = 22
LINE_HEIGHT = 24
TEXT_SIZE = 15
CAPTION_SIZE = 13
MIN_SHEET_WIDTH = 360
MIN_LONG_SIDE = 256
PAPER = 255
INK = (33, 33, 33)
FAINT_INK = (110, 110, 110)
SCORE_WIDTH = 58
# Below a map: a bar of its colours, and what its ends stand for.
BAR_GAP, BAR_HEIGHT, LEGEND_HEIGHT = 6, 8, 32
MID_GREY = 128
# Sheets of parts: how high the pictures are, the space between them, and the light that is left where a part is not.
PART_HEIGHT = 150
PART_GAP = 4
DIM = 0.25
# Outside the region of a cue its map is grey, of so many levels.
OUTSIDE = 200
OUTLINE = (255, 255, 255)
CLASS_MAP_PANELS = 3
# Class maps are read by how light they are, also in grey.
CLASS_MAP_COLORMAP = "inferno"
WRONG_INK = (176, 0, 32)
RIGHT_INK = (0, 100, 60)
REGULAR, BOLD = 400, 700


@dataclass(frozen=True, slots=True)
class SheetLayout:
    """Where the pictures of an overlay or class map sheet lie, in pixels.

    The pictures are `width` x `height` each and begin at `top`, one at each of `lefts`, in columns of `column`.
    """

    sheet_width: int
    sheet_height: int
    top: int
    lefts: tuple[int, ...]
    width: int
    height: int
    column: int


@dataclass(frozen=True)
class Panel:
    """One picture of an overlay sheet with the words above it; without a map, the image as it is.

    probability: the score of the map's class, 0..1.
    """

    caption: str
    cam: Map | None = None
    ink: tuple[int, int, int] = FAINT_INK
    probability: float | None = None


def overlay_sheet(
    rgb: RgbImage, scores: Sequence[Score], panels: Sequence[Panel], long_side: int, colormap: str = JET
) -> RgbImage:
    """Panels side by side under a title with the top labels and scores: uint8 (H, W, 3) RGB.

    A panel's long side is at most `long_side` pixels and, so that its words can be read, at least MIN_LONG_SIDE. Below
    a map stands what its colours mean: each map has a scale of its own, whose largest value is written there.
    """
    layout = overlay_layout(rgb.shape[1], rgb.shape[0], len(scores), len(panels), long_side)
    image = resize(rgb, layout.width, layout.height)
    sheet = _paper(layout)
    for rank, score in enumerate(scores):
        baseline = MARGIN + LINE_HEIGHT * rank + 17
        weight = BOLD if rank == 0 else REGULAR
        percent = f"{score.probability:.1%}"
        left = MARGIN + SCORE_WIDTH - text_width(percent, TEXT_SIZE, weight)
        write_text(sheet, percent, left, baseline, SCORE_WIDTH, weight=weight)
        left = MARGIN + SCORE_WIDTH + MARGIN
        write_text(sheet, score.class_name, left, baseline, layout.sheet_width - left - MARGIN, weight=weight)
    for left, panel in zip(layout.lefts, panels, strict=True):
        place = _place(sheet, layout, left, panel)
        if panel.cam is None:
            place[:] = image
        else:
            cam_overlay(image, panel.cam, out=place, colormap=colormap)
            _write_legend(sheet, layout, left, panel.cam, colormap)
    return sheet


@lru_cache(maxsize=1024)
def overlay_layout(width: int, height: int, scores: int, panels: int, long_side: int) -> SheetLayout:
    """Where `overlay_sheet` puts the panels of an image of `width` x `height` pixels."""
    scale = min(max(1.0, MIN_LONG_SIDE / max(height, width)), long_side / max(height, width))
    shown = max(1, round(width * scale)), max(1, round(height * scale))
    column = max(shown[0], min(MIN_LONG_SIDE, long_side) // 2)
    legend = LEGEND_HEIGHT if panels > 1 else 0
    return _layout(*shown, lines=scores, panels=panels, column=column, min_width=MIN_SHEET_WIDTH, legend=legend)


def class_map_layout(sheet_width: int, sheet_height: int) -> SheetLayout:
    """Where the maps of a `class_map_sheet` of that size lie."""
    height = sheet_height - _class_map_layout(0, 0).sheet_height
    return _class_map_layout((sheet_width - MARGIN) // CLASS_MAP_PANELS - MARGIN, height)


def _class_map_layout(width: int, height: int) -> SheetLayout:
    return _layout(width, height, lines=1, panels=CLASS_MAP_PANELS, column=width, legend=LEGEND_HEIGHT)


def class_map_sheet(finding: Finding, maps: ClassMaps) -> RgbImage:
    """Where the net looks for a finding's class, in images with the cue and in other classes': uint8 (H, W, 3) RGB.

    The third map is the difference of the two. The region of the cue is outlined: colours go from the smallest value in
    it (black) to the largest, the same for the first two maps. What lies outside is grey, the brighter, the stronger.
    """
    inside = maps.cover >= 0.5 * maps.cover.max()
    shared = np.concatenate([maps.own[inside], maps.others[inside]])
    difference = maps.own - maps.others
    of_region = difference[inside]
    scale = float(shared.min()), float(shared.max())
    scale_of_difference = min(0.0, float(of_region.min())), float(of_region.max())
    top = float(max(maps.own.max(), maps.others.max()))
    panels = [
        ("images with the cue", maps.own, scale),
        ("other classes' images", maps.others, scale),
        ("difference", difference, scale_of_difference),
    ]
    pictures = [_heat(values, *of_map, inside, top) for _, values, of_map in panels]
    height, width = pictures[0].shape[:2]
    layout = _class_map_layout(width, height)
    sheet = _paper(layout)
    title = f"{finding.code} {finding.label}: where the net looks for this class"
    write_text(sheet, title, MARGIN, MARGIN + 17, layout.sheet_width - 2 * MARGIN, weight=BOLD)
    bar = class_map_bar(width)
    for left, (caption, _, (low, high)), picture in zip(layout.lefts, panels, pictures, strict=True):
        _place(sheet, layout, left, Panel(caption))[:] = picture
        _write_scale(sheet, layout, left, bar, f"{low:.2g}", f"{high:.2g}")
    return sheet


def class_map_bar(width: int) -> RgbImage:
    """The colours of class maps from the least to the most: uint8 (BAR_HEIGHT, width, 3) RGB."""
    return np.broadcast_to(_colour_of(np.linspace(0, 1, width)), (BAR_HEIGHT, width, 3))


def part_width(width: int, height: int) -> int:
    """How wide a picture of that size is in a part's sheet, in pixels."""
    return max(1, round(width * PART_HEIGHT / height))


def part_sheet(tiles: Sequence[tuple[RgbImage, NDArray[np.float32]]]) -> RgbImage:
    """Pictures in a row, dimmed but for where a part lies in each: uint8 (PART_HEIGHT, W, 3) RGB.

    tiles: a picture, uint8 (H, W, 3), and the part's map in it, float32 (h, w), 0 or more. The maps share one scale.
    """
    peak = max(float(values.max()) for _, values in tiles) or 1.0
    row = []
    for rgb, values in tiles:
        width = part_width(rgb.shape[1], rgb.shape[0])
        picture = resize(rgb, width, PART_HEIGHT)
        light = cv2.resize(values / peak, (width, PART_HEIGHT), interpolation=cv2.INTER_CUBIC)
        # the root, as the eye sees half the light as three quarters of it
        light = DIM + (1 - DIM) * np.sqrt(np.clip(light, 0, 1))[..., None]
        row += [np.asarray(np.rint(picture * light), np.uint8), np.full((PART_HEIGHT, PART_GAP, 3), PAPER, np.uint8)]
    return np.hstack(row[:-1])


def _layout(
    width: int, height: int, *, lines: int, panels: int, column: int, min_width: int = 0, legend: int = 0
) -> SheetLayout:
    """Lines of title over a row of panels: a caption, a picture of `width` x `height`, and the height of a legend."""
    top = MARGIN + LINE_HEIGHT * lines + CAPTION_HEIGHT
    lefts = tuple(MARGIN + index * (column + MARGIN) for index in range(panels))
    return SheetLayout(
        sheet_width=max(min_width, MARGIN + panels * (column + MARGIN)),
        sheet_height=top + height + legend + MARGIN,
        top=top,
        lefts=lefts,
        width=width,
        height=height,
        column=column,
    )


def _paper(layout: SheetLayout) -> RgbImage:
    """A sheet that is blank but for the places of the pictures, which are not painted yet."""
    sheet: RgbImage = np.empty((layout.sheet_height, layout.sheet_width, 3), np.uint8)
    top, bottom = layout.top, layout.top + layout.height
    sheet[:top] = PAPER
    sheet[bottom:] = PAPER
    rights = [0, *(left + layout.width for left in layout.lefts)]
    for right, left in zip(rights, [*layout.lefts, layout.sheet_width], strict=True):
        sheet[top:bottom, right:left] = PAPER
    return sheet


def _place(sheet: RgbImage, layout: SheetLayout, left: int, panel: Panel) -> RgbImage:
    """The place of a panel's picture, after its caption is written over it."""
    baseline, room = layout.top - CAPTION_HEIGHT + 15, layout.column
    if panel.probability is not None:
        percent = f"{panel.probability:.1%}"
        right = left + layout.column
        room -= text_width(percent, CAPTION_SIZE, BOLD) + MARGIN
        write_text(sheet, percent, left + room + MARGIN, baseline, right, size=CAPTION_SIZE, weight=BOLD, ink=panel.ink)
    write_text(sheet, panel.caption, left, baseline, room, size=CAPTION_SIZE, ink=panel.ink)
    return sheet[layout.top : layout.top + layout.height, left : left + layout.width]


def _write_legend(sheet: RgbImage, layout: SheetLayout, left: int, cam: Map, colormap: str) -> None:
    """What the colours of an overlay mean."""
    if is_flat(cam):
        words, baseline = "flat: no place stands out", _below_bar(layout)
        write_text(sheet, words, left, baseline, layout.column, size=CAPTION_SIZE, ink=FAINT_INK)
        return
    most = f"{float(cam.max()):.3g}"
    wordings = (f"most in this image: {most}", f"most: {most}")
    fitting = (words for words in wordings if text_width(words, CAPTION_SIZE, REGULAR) <= layout.column)
    _write_scale(sheet, layout, left, overlay_bar(layout.column, colormap), "little", next(fitting, most))


def _below_bar(layout: SheetLayout) -> int:
    """The base line of the words below the bar of colours."""
    return layout.top + layout.height + BAR_GAP + BAR_HEIGHT + CAPTION_SIZE + 2


def _write_scale(sheet: RgbImage, layout: SheetLayout, left: int, bar: RgbImage, low: str, high: str) -> None:
    """A bar of colours below a picture, and what its ends stand for; without room, only the high end is named."""
    top, width = layout.top + layout.height + BAR_GAP, bar.shape[1]
    sheet[top : top + BAR_HEIGHT, left : left + width] = bar
    baseline = _below_bar(layout)
    taken = min(width, text_width(high, CAPTION_SIZE, REGULAR))
    write_text(sheet, high, left + width - taken, baseline, taken, size=CAPTION_SIZE, ink=FAINT_INK)
    if text_width(low, CAPTION_SIZE, REGULAR) + MARGIN <= width - taken:
        write_text(sheet, low, left, baseline, width - taken, size=CAPTION_SIZE, ink=FAINT_INK)


@lru_cache(maxsize=64)
def overlay_bar(width: int, colormap: str) -> RgbImage:
    """The colours from the smallest to the largest value of a map, over mid-grey: uint8 (BAR_HEIGHT, width, 3) RGB."""
    rising = np.linspace(0, 1, width, dtype=np.float32)[None]
    return cam_overlay(np.full((BAR_HEIGHT, width, 3), MID_GREY, np.uint8), rising, colormap=colormap)


def _heat(values: NDArray[np.float64], low: float, high: float, inside: NDArray[np.bool_], top: float) -> RgbImage:
    """A map, MIN_LONG_SIDE pixels long: in colour from `low` to `high`, and grey, up to `top`, outside a region."""
    height, width = values.shape
    scale = MIN_LONG_SIDE / max(height, width)
    size = (round(width * scale), round(height * scale))
    heat = cv2.resize(values.astype(np.float32), size, interpolation=cv2.INTER_CUBIC)
    coloured = _colour_of(np.clip((heat - low) / ((high - low) or 1.0), 0, 1))
    region = cv2.resize(inside.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    # in grey, on a scale that has room for what is stronger than anything in the region
    greys = np.clip((heat - low) / ((max(high, top) - low) or 1.0), 0, 1) * OUTSIDE
    coloured[region == 0] = np.rint(greys[region == 0]).astype(np.uint8)[:, None]
    outlines, _ = cv2.findContours(region, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(coloured, outlines, -1, OUTLINE, thickness=2)
    return coloured


def _colour_of(levels: NDArray[np.floating]) -> RgbImage:
    """Levels of 0..1, float (...), in the colours of class maps: uint8 (..., 3) RGB."""
    colours: RgbImage = ramped(CLASS_MAP_COLORMAP)[np.rint(levels * 255).astype(np.uint8), 0]
    return colours


def write_text(
    sheet: RgbImage,
    words: str,
    left: int,
    baseline: int,
    room: int,
    *,
    size: int = TEXT_SIZE,
    weight: int = REGULAR,
    ink: tuple[int, int, int] = INK,
) -> None:
    """Write one line of text, cut with an ellipsis where it would be wider than `room` pixels."""
    text = visible(words[:room])
    if text_width(text, size, weight) > room:
        while text and text_width(text + "…", size, weight) > room:
            text = text[:-1]
        text += "…"
    cv2.putText(sheet, text, (left, baseline), ink, cv2.FontFace("sans"), size, weight)


def text_width(text: str, size: int, weight: int) -> int:
    """The pixels that one line of text takes."""
    box = cv2.getTextSize((0, 0), text, (0, 0), cv2.FontFace("sans"), size, weight)
    return int(box[2])
