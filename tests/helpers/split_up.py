"""A class's score taken to pieces, from activations and masks as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cam_audit.findings.parts import Cells, Pieces, ScoreSplit, pieces_of


def split_of(
    activations: Sequence[np.ndarray],
    kept: Sequence[np.ndarray],
    weight: np.ndarray,
    others: Sequence[np.ndarray],
    gates: Sequence[np.ndarray] | None = None,
) -> ScoreSplit:
    """The score of a class taken to pieces.

    activations: float32 (C, h, w) of each image; kept, gates: bool (h, w) of each; others: float32 (C, n) each.
    """
    own = [cells_of(*of_image) for of_image in zip(activations, kept, gates or kept, strict=True)]
    return pieces_of(own, weight, [cells_of(each[:, None], np.ones((1, each.shape[1]), bool)) for each in others])


def taken_apart(*arrays: Any) -> tuple[list[Pieces], float]:
    """The pieces and the share of the rest; arrays: as in `split_of`."""
    split = split_of(*arrays)
    return list(split.pieces), split.rest


def cells_of(activations: np.ndarray, kept: np.ndarray, gate: np.ndarray | None = None) -> Cells:
    """The cells of an image; activations: float32 (C, h, w); kept, gate: bool (h, w), all let through if None."""
    let_through = np.ones(int(kept.sum()), bool) if gate is None else gate[kept]
    return Cells(activations[:, kept].T, let_through, kept)
