"""What a live view shows, and a camera that is read, for the tests of both."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np
from pictures import Rgb

from cam_audit.live.camera import Camera, Frame
from cam_audit.live.picture import PAPER
from cam_audit.live.pipeline import Newest
from cam_audit.live.source import Source
from cam_audit.live.watch import Seen
from cam_audit.models.model import Model


@contextmanager
def reading(source: Source, **options: bool) -> Iterator[Camera]:
    """A camera while it is read."""
    camera = Camera(source, Newest(), **options)
    with camera.running():
        yield camera


def looked_at(model: Model, picture: Rgb) -> Seen:
    fitted = model.fit(picture)
    prediction = model.run(fitted)
    return Seen(Frame(picture, 0, time.perf_counter()), None, fitted, prediction, prediction)


def shrunk(picture: Rgb, width: int, height: int) -> Rgb:
    """A picture at about its own size, as windows show it."""
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_LINEAR)


def holds(page: Rgb, part: Rgb) -> bool:
    """Whether `part` lies anywhere in the page, pixel for pixel."""
    height, width = part.shape[:2]
    windows = np.lib.stride_tricks.sliding_window_view(page[..., 0], (1, width))[:, :, 0]
    for row, column in np.argwhere((windows == part[0, :, 0]).all(axis=-1)):
        if np.array_equal(page[row : row + height, column : column + width], part):
            return True
    return False


def panel_size(page: Rgb) -> tuple[int, int] | None:
    """(width, height) of the first panel, found by its first row that is not paper from margin to margin.

    None where the page shows no panels: a window is black until its first frame is drawn.
    """
    paper = (page == PAPER).all(axis=-1)
    rows = np.flatnonzero((~paper[:, : page.shape[1] // 2]).mean(axis=1) > 0.9)
    if not rows.size:
        return None
    columns = np.flatnonzero(~paper[rows[len(rows) // 2]])
    gaps = np.flatnonzero(np.diff(columns) > 1)
    if not gaps.size:
        return None
    gap = columns[gaps[0]]
    return int(gap - columns[0] + 1), int(rows[-1] - rows[0] + 1)
