"""Ants, bees and cows, with meadows around the ants, and nets that know all of it by hand.

Every cell of 8 x 8 pixels is grey noise that the net does not see. Objects are nine red cells at a random place with
the pattern of their class, and meadows squares of cells with a pattern of their own: the net takes both for an ant. A
foreground net knows objects by their red. Place, size and colour tell nothing, so no finder of pixels sees a meadow.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from data_sets import CLASSES, SIDE, Rgb, patterns_unseen, sources_of
from numpy.typing import NDArray
from pictures import encode
from tiny_net import CELL, TinyNet, colour_net

from cam_audit.models.model import Model
from cam_audit.records import AuditResult
from cam_audit.scan.audit_images import audit_images
from cam_audit.scan.chunk import threads
from cam_audit.scan.image import ScanJob, ScanSettings

CELLS = SIDE // CELL
OBJECT = 3
MEADOW = 3
LEVEL = 30.0
# Waves that are their own mirror images, so that a mirrored texture is seen as well, and have nothing in common.
SLOW, FAST = np.array([1, 1, -1, -1, -1, -1, 1, 1.0]), np.array([1, -1, -1, 1, 1, -1, -1, 1.0])
FLAT = np.ones(CELL)
PATTERNS = [np.outer(*waves) for waves in ((SLOW, FLAT), (FLAT, SLOW), (FAST, FLAT), (FLAT, FAST))]


def meadow_net(meadow: float = 100) -> TinyNet:
    """Each pattern has two channels: one is 1 in its cells, the other in those of its negative.

    A meadow everywhere would add `meadow` to the logit of ant.
    """
    signed = np.stack([sign * pattern for pattern in PATTERNS for sign in (1, -1)])
    conv = np.repeat(signed[:, None], 3, axis=1) * 255 / LEVEL / 3 / CELL**2
    linear = np.repeat(100 * np.eye(3, 4), 2, axis=1)
    linear[0, 2 * MEADOW :] = meadow
    metadata = {"input_size": f"[{SIDE}, {SIDE}]"}
    return TinyNet(
        conv.astype(np.float32), linear.astype(np.float32), np.zeros(3, np.float32), CLASSES, metadata=metadata
    )


def red_net() -> TinyNet:
    """A foreground net, to which red is an object."""
    return colour_net(metadata={"input_size": f"[{SIDE}, {SIDE}]"})


def unseen(random: np.random.Generator) -> NDArray[np.float64]:
    """Noise of a whole picture without any of the patterns in any of its cells."""
    cells = 25 * random.normal(size=(CELLS, CELLS, CELL, CELL))
    for pattern in PATTERNS:
        cells -= (cells * pattern).mean((2, 3), keepdims=True) * pattern
    return cells.transpose(0, 2, 1, 3).reshape(SIDE, SIDE)


def pattern(random: np.random.Generator, kind: int, cells: int) -> NDArray[np.float64]:
    """So many cells each way with a pattern, or its negative: in the mean of many images there is none."""
    signs = random.choice([-LEVEL, LEVEL], (cells, cells))
    return np.kron(signs, PATTERNS[kind])


def picture(random: np.random.Generator, kind: int, meadow: int = 0) -> Rgb:
    """An object of a class, and apart from it a square meadow of so many cells each way, if any."""
    grey = random.uniform(115, 140) + unseen(random)
    while True:
        x, y = random.integers(0, CELLS - OBJECT + 1, 2)
        left, top = random.integers(0, CELLS - meadow + 1, 2)
        if not meadow or left + meadow <= x or x + OBJECT <= left or top + meadow <= y or y + OBJECT <= top:
            break
    thing, around = (
        np.s_[CELL * row : CELL * (row + size), CELL * column : CELL * (column + size)]
        for row, column, size in ((y, x, OBJECT), (top, left, meadow))
    )
    grey[around] += pattern(random, MEADOW, meadow)
    grey[thing] += pattern(random, kind, OBJECT)
    rgb = np.repeat(grey[..., None], 3, axis=2)
    rgb[thing] += (60, -30, -30)
    return np.clip(np.rint(rgb), 0, 255).astype(np.uint8)


LARGE, SMALL = 5, 2


def size_of(name: str) -> int:
    """How many cells each way the meadow of an image has, by the image's number: large and small ones take turns."""
    return SMALL if int(name[-6:-4]) % 2 else LARGE


def draw_meadows(root: Path, counts: Sequence[int] = (26, 26, 26), around: Sequence[str] = ("ant",)) -> Path:
    """A folder per class, `around`: those of which each image has a meadow."""
    random = np.random.default_rng(11)
    for kind, (name, count) in enumerate(zip(CLASSES, counts, strict=True)):
        (root / name).mkdir(parents=True)
        for file in (f"{index:02}.png" for index in range(count)):
            meadow = size_of(file) if name in around else 0
            (root / name / file).write_bytes(encode(picture(random, kind, meadow)))
    return root


def share_of(meadow: int) -> float:
    """The share of an ant's score that a meadow of so many cells each way has, by as much for a cell as an object's."""
    return meadow**2 / (meadow**2 + OBJECT**2)


def audited(
    model: Model, root: Path, *, foreground: Model | None = None, workers: int = 2, **options: Any
) -> AuditResult:
    """The audit of such a folder, by all finders that see no patterns."""
    job = ScanJob(model, ScanSettings(), None, foreground=foreground)
    with patterns_unseen():
        return audit_images(job, sources_of(root), threads(workers), **options)
