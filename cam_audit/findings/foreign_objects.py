"""Drawings of things that belong to no class: a cloth, a page, a hand, a ball, a board, a face, a parcel, a cup.

They are drawn by rule, so that an edit that pastes one can be made again anywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 160
# The edge is softened by a blur of so many pixels.
_SOFT = 1.0
_SKIN = (205, 160, 130)
_DARK = (60, 45, 40)

Floats = NDArray[np.float32]
Mask = NDArray[np.uint8]
Drawing = Callable[[Floats, Mask], None]


@cache
def drawn(number: int) -> tuple[Floats, Floats]:
    """The object of that number, below OBJECTS: its colours, float32 (SIDE, SIDE, 3), 0..255, and where it is, 0..1."""
    picture, mask = np.zeros((SIDE, SIDE, 3), np.float32), np.zeros((SIDE, SIDE), np.uint8)
    _DRAWINGS[number](picture, mask)
    rows, columns = np.mgrid[:SIDE, :SIDE].astype(np.float32) / SIDE
    # light from the upper left, and a grain, as nothing in a photo is even
    light = 1.15 - 0.2 * rows - 0.2 * columns
    grain = np.random.default_rng(number).normal(0, 5, (SIDE, SIDE, 1))
    shaded = np.clip(picture * light[..., None] + grain, 0, 255).astype(np.float32)
    alpha = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), _SOFT)
    return shaded, alpha  # type: ignore[return-value]


def _cloth(picture: Floats, mask: Mask) -> None:
    rows, columns = np.mgrid[:SIDE, :SIDE]
    folds = 12 * np.sin(rows / 14) + 0.4 * rows
    striped = ((columns + folds) // 14).astype(int) % 2 == 0
    picture[:] = np.where(striped[..., None], (70, 90, 170), (225, 220, 205))
    cv2.fillPoly(mask, [np.array([(12, 25), (140, 8), (152, 130), (70, 152), (5, 120)], np.int32)], 1)


def _page(picture: Floats, mask: Mask) -> None:
    picture[:] = (232, 230, 222)
    for line in range(34, 150, 7):
        for column in (18, 86):
            cv2.line(picture, (column, line), (column + 48 + 7 * (line % 3), line), (95, 95, 95), 2)
    cv2.rectangle(picture, (18, 14), (140, 24), _DARK, -1)
    cv2.fillPoly(mask, [np.array([(8, 6), (152, 2), (156, 156), (2, 150)], np.int32)], 1)


def _hand(picture: Floats, mask: Mask) -> None:
    picture[:] = _SKIN
    fingers = [((55, 85), (30, 20)), ((72, 80), (62, 8)), ((92, 80), (96, 8)), ((108, 88), (128, 24))]
    for foot, tip in [*fingers, ((60, 120), (14, 84)), ((85, 120), (90, 158))]:
        cv2.line(mask, foot, tip, 1, 19 if foot[1] < 120 else 30)
    cv2.ellipse(mask, (84, 105), (34, 36), 0, 0, 360, 1, -1)
    for foot, tip in fingers:
        cv2.line(picture, foot, ((foot[0] + tip[0]) // 2, (foot[1] + tip[1]) // 2), (170, 120, 95), 2)


def _ball(picture: Floats, mask: Mask) -> None:
    rows, columns = np.mgrid[:SIDE, :SIDE]
    checked = (rows // 26 + columns // 26) % 2 == 0
    picture[:] = np.where(checked[..., None], (215, 60, 45), (240, 235, 225))
    cv2.circle(mask, (SIDE // 2, SIDE // 2), 72, 1, -1)


def _board(picture: Floats, mask: Mask) -> None:
    rows, columns = np.mgrid[:SIDE, :SIDE]
    rings = 0.5 + 0.5 * np.sin(rows / 3 + 3 * np.sin(columns / 40))
    picture[:] = np.array((150, 105, 60)) + rings[..., None] * np.array((45, 35, 25))
    cv2.fillPoly(mask, [np.array([(2, 60), (146, 18), (158, 96), (14, 142)], np.int32)], 1)


def _face(picture: Floats, mask: Mask) -> None:
    picture[:] = _SKIN
    cv2.ellipse(picture, (80, 40), (62, 40), 0, 0, 360, _DARK, -1)
    cv2.ellipse(picture, (80, 92), (46, 56), 0, 0, 360, _SKIN, -1)
    for x in (62, 98):
        cv2.ellipse(picture, (x, 80), (9, 5), 0, 0, 360, (245, 245, 240), -1)
        cv2.circle(picture, (x, 80), 4, _DARK, -1)
    cv2.line(picture, (80, 86), (76, 104), (165, 120, 95), 3)
    cv2.ellipse(picture, (80, 120), (17, 6), 0, 0, 360, (165, 70, 70), -1)
    cv2.ellipse(mask, (80, 80), (58, 74), 0, 0, 360, 1, -1)


def _parcel(picture: Floats, mask: Mask) -> None:
    picture[:] = (190, 150, 100)
    cv2.rectangle(picture, (70, 0), (88, SIDE), (225, 205, 150), -1)
    cv2.rectangle(picture, (20, 85), (64, 125), (240, 240, 236), -1)
    for line in range(93, 122, 7):
        cv2.line(picture, (25, line), (58, line), (50, 50, 60), 2)
    cv2.rectangle(mask, (8, 22), (150, 142), 1, -1)


def _cup(picture: Floats, mask: Mask) -> None:
    picture[:] = (60, 150, 140)
    for row in range(30, 150, 24):
        for column in range(30, 120, 24):
            cv2.circle(picture, (column, row), 7, (245, 215, 90), -1)
    cv2.ellipse(mask, (118, 80), (30, 34), 0, 0, 360, 1, 12)
    cv2.fillPoly(mask, [np.array([(22, 14), (118, 14), (108, 150), (34, 150)], np.int32)], 1)


_DRAWINGS: tuple[Drawing, ...] = (_cloth, _page, _hand, _ball, _board, _face, _parcel, _cup)
OBJECTS = len(_DRAWINGS)
