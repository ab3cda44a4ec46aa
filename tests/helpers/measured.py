"""Pictures of sixteen cells for the net that knows colours by hand, and what a scan of them observes.

A pure cell adds 0.5 to its colour's logit, and `other` has 0.5 always. In the centred map of a colour, its own cells
have 8 - 2, grey ones 0, and those of other colours -2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from pictures import GREY, Rgb, encode

from cam_audit.findings.sample import Collected, observe
from cam_audit.models.model import Model
from cam_audit.records import ImageSource

COLOUR_OF = {"red": 0, "green": 1, "blue": 2}


def cells(**counts: int) -> Rgb:
    """Grey, 32 x 32 pixels, with so many of the 16 cells in each pure colour, row by row."""
    picture = np.full((32, 32, 3), GREY, np.uint8)
    colours = [COLOUR_OF[colour] for colour, count in counts.items() for _ in range(count)]
    for place, colour in enumerate(colours):
        row, column = divmod(place, 4)
        cell = picture[row * 8 : row * 8 + 8, column * 8 : column * 8 + 8]
        cell[:] = 0
        cell[..., colour] = 255
    return picture


def observed(
    root: Path, model: Model, pictures: Mapping[str, Sequence[Rgb]], classes: Mapping[str, int | None]
) -> Collected:
    """Write pictures as root/<label>/<number>.png; a folder is the class of its name, or the one (or none) given."""
    collected = Collected()
    for label, group in pictures.items():
        (root / label).mkdir(exist_ok=True)
        known = classes[label] if label in classes else model.class_names.index(label)
        for number, rgb in enumerate(group):
            data = encode(rgb)
            (root / label / f"{number}.png").write_bytes(data)
            source = ImageSource(str(root), f"{label}/{number}.png", label, known)
            size = (rgb.shape[1], rgb.shape[0])
            collected.merge(observe(model, source, rgb, data, size, model.run(model.fit(rgb))))
    return collected
