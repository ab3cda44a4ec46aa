"""A class's score taken to pieces, from activations and masks as arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cam_audit.findings.parts import Cells, Pieces, pieces_of


def taken_apart(
    activations: Sequence[np.ndarray],
    kept: Sequence[np.ndarray],
    weight: np.ndarray,
    others: Sequence[np.ndarray],
    gates: Sequence[np.ndarray] | None = None,
) -> tuple[list[Pieces], float]:
    """The pieces and the share of the rest.

    activations: float32 (C, h, w) of each image; kept, gates: bool (h, w) of each; others: float32 (C, n) each.
    """
    own = [
        Cells(one[:, of_picture].T, gate[of_picture], of_picture)
        for one, of_picture, gate in zip(activations, kept, gates or kept, strict=True)
    ]
    split = pieces_of(own, weight, [cells_of(each.T) for each in others])
    return list(split.pieces), split.rest


def cells_of(values: np.ndarray) -> Cells:
    """Cells in a row, all of them picture and let through; values: float32 (n, C)."""
    everywhere = np.ones((1, len(values)), bool)
    return Cells(values, everywhere[0], everywhere)
