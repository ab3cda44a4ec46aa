"""A data set whose class `red` lies on red ground, small enough that a scan of it takes a second."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from pictures import Rgb, encode

SIZE = 32
GROUNDS = {"red": (150, 60, 60), "green": (110, 110, 110), "blue": (110, 110, 110)}
INKS = {"red": (220, 10, 10), "green": (10, 220, 10), "blue": (10, 10, 220)}


def picture(label: str, index: int, ground: tuple[int, int, int]) -> Rgb:
    """A square of the class's colour somewhere on mottled ground."""
    random = np.random.default_rng([sum(label.encode()), index])
    rgb = np.full((SIZE, SIZE, 3), ground, float) + random.uniform(-12, 12, 3)
    left, top = random.integers(8, 16, 2)
    rgb[top : top + 10, left : left + 10] = INKS[label]
    return np.clip(rgb + random.normal(0, 6, rgb.shape), 0, 255).astype(np.uint8)


def write_photos(
    folder: Path,
    indices: Mapping[str, range] | range = range(24),
    grounds: Mapping[str, tuple[int, int, int]] = GROUNDS,
) -> None:
    """Write folder/<class>/<index>.png for the indices, of each class or of all."""
    for label in INKS:
        (folder / label).mkdir(parents=True, exist_ok=True)
        for index in indices if isinstance(indices, range) else indices.get(label, ()):
            path = folder / label / f"{index:03}.png"
            path.write_bytes(encode(picture(label, index, grounds[label])))
