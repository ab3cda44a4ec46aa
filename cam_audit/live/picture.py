"""Draw the window's picture: the camera's, the map over it, scores and state, at the size that the window has."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from cam_audit.images.resize import resize
from cam_audit.images.rgb import RgbImage
from cam_audit.live.view import KEYS, View
from cam_audit.live.watch import Seen
from cam_audit.models.model import Model
from cam_audit.overlay import cam_overlay
from cam_audit.scan.image import top_scores
from cam_audit.sheets import BOLD, REGULAR, text_width, write_text

TOP = 3
# The window's size at which text and gaps have the sizes below; in others, both grow and shrink with it.
DESIGN_WIDTH, DESIGN_HEIGHT = 1000, 520
MIN_UNIT, MAX_UNIT = 0.7, 3.0
MARGIN, LINE, CAPTION = 12, 24, 22
TEXT_SIZE, SMALL_SIZE = 16, 13
SCORE_WIDTH = 60
# Panels less high than this share of the window leave no room for words.
MIN_PANEL_SHARE = 0.3

# one number for all channels, as that fills a page ten times as fast
PAPER = 26
BOX = 48
INK = (236, 236, 238)
FAINT_INK = (158, 160, 166)
CHOSEN_INK = (255, 209, 102)
NOTICE_INK = (255, 150, 130)


@dataclass(frozen=True)
class Status:
    """What the window says besides: frames per second, what is wrong (or ""), what was done (or ""), the smoothing.

    Another rate alone does not make it another status: it is told with the next picture.
    """

    rate: float = field(default=0.0, compare=False)
    notice: str = ""
    message: str = ""
    smooth: float = 0.0


@dataclass(frozen=True)
class _Page:
    """A picture being drawn, and the factor of its sizes."""

    pixels: RgbImage
    width: int
    height: int
    unit: float

    def scaled(self, length: int) -> int:
        return round(length * self.unit)

    def write(
        self,
        words: str,
        left: int,
        top: int,
        right: int,
        *,
        size: int = TEXT_SIZE,
        ink: tuple[int, int, int] = INK,
        bold: bool = False,
        align_right: bool = False,
    ) -> None:
        """Text between `left` and `right`, on the base line of a line of TEXT_SIZE whose upper edge is at `top`."""
        pixels, weight = self.scaled(size), BOLD if bold else REGULAR
        if align_right:
            left = max(left, right - text_width(words, pixels, weight))
        if right > left:
            baseline = top + self.scaled(TEXT_SIZE)
            write_text(self.pixels, words, left, baseline, right - left, size=pixels, weight=weight, ink=ink)

    def paint(self, picture: RgbImage, left: int, top: int) -> None:
        height, width = picture.shape[:2]
        self.pixels[top : top + height, left : left + width] = picture[: self.height - top, : self.width - left]


def draw(model: Model, seen: Seen, view: View, status: Status, width: int, height: int) -> RgbImage:
    """The window's picture, uint8 (height, width, 3) RGB, drawn for that size, so that it is sharp at any."""
    unit = min(max(min(width / DESIGN_WIDTH, height / DESIGN_HEIGHT), MIN_UNIT), MAX_UNIT)
    page = _Page(np.full((height, width, 3), PAPER, np.uint8), width, height, unit)
    probabilities = model.probabilities(seen.prediction.logits)
    scores = top_scores(model, probabilities, TOP)
    ranked = scores[min(view.rank, len(scores) - 1)]
    panels: list[tuple[str, int | None]] = [("camera", None), (f"map of {ranked.class_name}", ranked.class_index)]
    if view.compare is not None:
        compared = f"compared with {model.class_names[view.compare]}, {probabilities[view.compare]:.1%}"
        panels.append((compared, view.compare))

    margin = page.scaled(MARGIN)
    head = margin + TOP * page.scaled(LINE) + page.scaled(CAPTION)
    foot = page.scaled(LINE) + margin
    worded = height - head - foot >= MIN_PANEL_SHARE * height
    if not worded:
        margin = head = foot = 0
    column = max(1, (width - margin) // len(panels) - margin)
    rgb = seen.frame.rgb
    scale = min(column / rgb.shape[1], max(1, height - head - foot) / rgb.shape[0])
    image = panel(rgb, max(1, round(rgb.shape[1] * scale)), max(1, round(rgb.shape[0] * scale)))
    left = (width - len(panels) * (image.shape[1] + margin) + margin) // 2
    top = head + (height - head - foot - image.shape[0]) // 2
    for caption, index in panels:
        page.paint(image if index is None else cam_overlay(image, model.cam(seen.shown, index)), left, max(0, top))
        if worded:
            page.write(caption, left, top - page.scaled(CAPTION), left + image.shape[1], size=SMALL_SIZE, ink=FAINT_INK)
        left += image.shape[1] + margin
    if worded:
        _write_head(page, model, seen, view, status, [(s.class_name, s.probability) for s in scores])
        _write_foot(page, model, view, status)
    if view.help:
        _write_keys(page)
    return page.pixels


def panel(rgb: RgbImage, width: int, height: int) -> RgbImage:
    """A picture at exactly `width` x `height`, in a fraction of the time that `images.resize` takes to be exact."""
    if width < rgb.shape[1] / 2:
        return resize(rgb, width, height)
    return cv2.resize(rgb, (width, height), interpolation=cv2.INTER_LINEAR)  # type: ignore[return-value]


def _write_head(
    page: _Page, model: Model, seen: Seen, view: View, status: Status, scores: list[tuple[str, float]]
) -> None:
    margin, line = page.scaled(MARGIN), page.scaled(LINE)
    middle = page.width * 2 // 3
    for rank, (name, probability) in enumerate(scores):
        top = margin + rank * line
        ink = CHOSEN_INK if rank == min(view.rank, len(scores) - 1) else INK
        after_number = margin + page.scaled(18)
        after_score = after_number + page.scaled(SCORE_WIDTH)
        page.write(str(rank + 1), margin, top, after_number, size=SMALL_SIZE, ink=FAINT_INK)
        page.write(f"{probability:.1%}", after_number, top, after_score, ink=ink, bold=rank == 0, align_right=True)
        page.write(name, after_score + margin, top, middle, ink=ink, bold=rank == 0)
    cells, net = seen.shown.activations.shape, seen.fitted.shape
    right = page.width - margin
    rate = "frozen" if view.frozen else f"{status.rate:.1f} frames/s"
    page.write(rate, middle, margin, right, ink=CHOSEN_INK if view.frozen else INK, bold=True, align_right=True)
    size = f"{model.net} at {net[1]}x{net[0]}, map {cells[2]}x{cells[1]}"
    page.write(size, middle, margin + line, right, size=SMALL_SIZE, ink=FAINT_INK, align_right=True)
    if status.smooth:
        words = f"maps smoothed by {status.smooth:g}"
        page.write(words, middle, margin + 2 * line, right, size=SMALL_SIZE, ink=CHOSEN_INK, align_right=True)


def _write_foot(page: _Page, model: Model, view: View, status: Status) -> None:
    margin = page.scaled(MARGIN)
    right = page.width - margin
    top = page.height - page.scaled(LINE) - margin // 2
    if view.prompt is not None:
        chosen = view.prompt.chosen(model.class_names)
        fitting = len(view.prompt.fitting(model.class_names))
        found = "no such class" if not fitting else "" if chosen is None else model.class_names[chosen]
        hint = f"{fitting} fit; Tab: next, Enter: take, Esc: leave"
        page.write(f"compare with: {view.prompt.typed}_   {found}", margin, top, right * 3 // 5, ink=CHOSEN_INK)
        page.write(hint, right * 3 // 5, top, right, size=SMALL_SIZE, ink=FAINT_INK, align_right=True)
    elif status.notice:
        page.write(status.notice, margin, top, right, ink=NOTICE_INK)
    elif status.message:
        page.write(status.message, margin, top, right, ink=INK)
    else:
        page.write("h: keys", margin, top, right, size=SMALL_SIZE, ink=FAINT_INK)


def _write_keys(page: _Page) -> None:
    margin, line = page.scaled(MARGIN), page.scaled(LINE)
    words = page.scaled(80)
    longest = max(text_width(meaning, page.scaled(TEXT_SIZE), REGULAR) for _, meaning in KEYS)
    width, height = min(page.width, words + longest + 3 * margin), len(KEYS) * line + 2 * margin
    left, top = (page.width - width) // 2, max(0, (page.height - height) // 2)
    page.pixels[top : top + height, left : left + width] = BOX
    for row, (key, meaning) in enumerate(KEYS):
        upper = top + margin + row * line
        page.write(key, left + margin, upper, left + margin + words, ink=CHOSEN_INK)
        page.write(meaning, left + margin + words, upper, left + width - margin)
