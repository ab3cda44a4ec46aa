"""What the readers of COCO, VOC and YOLO files share: which objects are wanted, and checked numbers and shapes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cam_audit.records import Box
from cam_audit.scan.outlines import Points, is_in_picture


@dataclass
class Reading:
    """The categories that are `wanted` (all if none is named), and what the files turned out to hold.

    `faults`: what was left out, and why; `categories`: how many objects there are of each, by one name; `named`: all
    names of those.
    """

    wanted: Sequence[str] = ()
    faults: list[str] = field(default_factory=list)
    categories: Counter[str] = field(default_factory=Counter)
    named: set[str] = field(default_factory=set)

    def wants(self, *names: str) -> bool:
        """Whether an object whose category has these names is wanted; it is counted by the last."""
        self.categories[names[-1]] += 1
        self.named.update(names)
        wanted = {name.casefold() for name in self.wanted}
        return not wanted or any(name.casefold() in wanted for name in names)

    @contextmanager
    def leaving_out(self, place: str) -> Iterator[None]:
        """A block that reads an object or a file: if it raises ValueError, `faults` gets `place` and the reason."""
        try:
            yield
        except ValueError as error:
            self.faults.append(f"{place}: {error}")


def as_box(left: float, top: float, right: float, bottom: float, size: tuple[int, int] | None) -> Box:
    """A box in pixels as fractions of a picture of this width and height; unchanged if these are not known."""
    if right < left or bottom < top:
        raise ValueError("the box has a negative width or height")
    if size is None:
        return left, top, right, bottom
    corners = np.array([[left, top], [right, bottom]]) / size
    if not is_in_picture(corners):
        raise ValueError("the box lies outside the image")
    return tuple(corners.clip(0, 1).ravel().tolist())


def as_polygon(corners: Any, size: tuple[int, int] | None) -> Points:
    """The corners x1, y1, x2, y2, ... as `as_box` has them."""
    numbers = np.asarray(corners, np.float64) if isinstance(corners, list | np.ndarray) else np.zeros(0)
    if numbers.ndim != 1 or len(numbers) < 6 or len(numbers) % 2 or not np.isfinite(numbers).all():
        raise ValueError("a polygon must be a list of three or more x y pairs")
    points: Points = (numbers.reshape(-1, 2) / (size or (1, 1))).astype(np.float32)
    if size and not is_in_picture(points):
        raise ValueError("the polygon lies outside the image")
    return points


def as_number(value: Any, what: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{what} must be a number, not {value!r:.40}")
    return number


def as_size(width: Any, height: Any) -> tuple[int, int] | None:
    """Width and height in pixels; None where the file does not tell, as many programs write 0 for it."""
    if not (width and height) or "0" in (width, height):
        return None
    size = int(as_number(width, "the image's width")), int(as_number(height, "the image's height"))
    if min(size) < 1:
        raise ValueError(f"the image's width and height must be positive, not {size[0]} and {size[1]}")
    return size
