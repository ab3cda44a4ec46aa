"""Parts: a class's score taken to pieces by a factorisation of the activations of its images.

The last layer is linear, so a factorisation X ~ U V of the activations (cells of all images by channels) splits the
score: part j adds mean(U_j) * (W_k . V_j) to it, and what the factorisation leaves over is the rest. U_j, cell by cell,
is the part's map in each image. No gradients, and no further pass. Where a ReLU follows that layer in each cell, it is
linear in the cells that it lets through, so U_j counts in these alone (`gates`).

Source: factorising activations for concepts, Zhang et al., "Invertible Concept-based Explanations" (AAAI 2021), and Fel
et al., "CRAFT" (CVPR 2023); for signed activations the semi-non-negative variant of Ding, Li and Jordan (2010).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

RANK = 6
SWEEPS = 40
# Parts whose directions are so alike (cosine) are one.
SAME = 0.9
# Parts that carry less than this share of the score are summed up as the rest.
LEAST_SHARE = 0.05
# An image shows a part from this share of what the strongest tenth of the images have.
SHOWN_FROM = 0.2
_TINY = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """One part of a class's score.

    `share`: what it adds to the class's score, -1..1; the absolute shares of all parts and of the rest add up to 1.
    `beyond`: the same, less what the part adds in other classes' images. `maps`: where it is in each image, float32
    (h, w) each, 0 or more; `presence`: float32 (images,), the mean of each map; `shown`: bool (images,), whether an
    image shows it.
    """

    share: float
    beyond: float
    maps: tuple[Floats, ...]
    presence: Floats
    shown: NDArray[np.bool_]


def pieces_of(
    activations: Sequence[Floats],
    kept: Sequence[NDArray[np.bool_]],
    weight: Floats,
    others: Floats,
    gates: Sequence[NDArray[np.bool_]] | None = None,
) -> tuple[list[Pieces], float]:
    """The parts of a class's score, the largest first, and the share of the rest, 0..1.

    activations: float32 (C, h, w) of each image of the class; kept: bool (h, w) of each, the cells that are picture and
    not padding; weight: float32 (C,), what speaks for the class and not for all; others: float32 (C,), the mean
    activations of other classes' images, counted where the class's score is let through; gates: bool (h, w) of each
    image, the cells where it is, None for all. A part is nowhere else.
    """
    cells = np.concatenate([a[:, k].T for a, k in zip(activations, kept, strict=True)]).astype(np.float32)
    # without gates, all that is kept is let through
    let_through = np.concatenate([g[k] for g, k in zip(gates or kept, kept, strict=True)])
    presence, directions = merged(*factorise(cells))
    presence = presence * let_through[:, None]
    worth = directions @ weight
    means = presence.mean(0)
    added = means * worth
    rest = float((let_through * (cells @ weight)).mean() - added.sum())
    # what the same parts give other classes' images: the least squares fit of their mean, nowhere negative
    theirs = np.maximum(np.linalg.lstsq(directions.T, others, rcond=None)[0], 0)
    total = float(np.abs(added).sum() + abs(rest)) or 1.0
    shares, beyond = added / total, (means - theirs) * worth / total
    ends = np.cumsum([int(k.sum()) for k in kept])[:-1]
    pieces = []
    left = abs(rest) / total
    for j in np.argsort(-np.abs(shares), kind="stable"):
        if abs(shares[j]) < LEAST_SHARE:
            left += float(abs(shares[j]))
            continue
        maps = []
        for k, of_image in zip(kept, np.split(presence[:, j], ends), strict=True):
            whole = np.zeros(k.shape, np.float32)
            whole[k] = of_image
            maps.append(whole)
        of_images = np.array([of_map.mean() for of_map in maps], np.float32)
        shown = of_images >= max(_TINY, SHOWN_FROM * float(np.quantile(of_images, 0.9)))
        pieces.append(Pieces(float(shares[j]), float(beyond[j]), tuple(maps), of_images, shown))
    return pieces, left


def factorise(cells: Floats, rank: int = RANK, sweeps: int = SWEEPS) -> tuple[Floats, Floats]:
    """Cells (n, C) as presence (n, r), 0 or more, times directions (r, C) of length 1, in the least squares sense.

    Directions are 0 or more where the cells are (NMF), else free (semi-NMF). Hierarchical alternating least squares
    (Cichocki and Phan 2009), begun at cells far from one another: no chance is involved.
    """
    rank = min(rank, *cells.shape)
    directions = _far_apart(cells, rank)
    signed = bool((cells < 0).any())
    presence = np.maximum(cells @ directions.T, 0) / np.maximum((directions**2).sum(1), _TINY)
    for _ in range(sweeps):
        presence = _updated(presence, cells @ directions.T, directions @ directions.T, signed=False)
        directions = _updated(directions.T, cells.T @ presence, presence.T @ presence, signed=signed).T
    lengths = np.maximum(np.linalg.norm(directions, axis=1), _TINY)
    return presence * lengths, directions / lengths[:, None]


def merged(presence: Floats, directions: Floats) -> tuple[Floats, Floats]:
    """The factors with near-equal parts made one: presence (n, r) summed, directions (r, C) averaged by presence."""
    groups: list[list[int]] = []
    for j in np.argsort(-presence.sum(0), kind="stable"):
        alike = next((group for group in groups if directions[group[0]] @ directions[j] >= SAME), None)
        if alike is None:
            groups.append([int(j)])
        else:
            alike.append(int(j))
    sums = [presence[:, group] @ directions[group] for group in groups if len(group) > 1]
    if not sums:
        return presence, directions
    joined_presence, joined = [], []
    for group in groups:
        mean = presence[:, group].sum(0) @ directions[group]
        direction = mean / max(float(np.linalg.norm(mean)), _TINY)
        # along the common direction, so that what the parts add together stays what it was
        joined_presence.append(presence[:, group] @ (directions[group] @ direction))
        joined.append(direction)
    return np.stack(joined_presence, 1).astype(np.float32), np.stack(joined).astype(np.float32)


def _updated(factor: Floats, products: Floats, gram: Floats, *, signed: bool) -> Floats:
    factor = np.ascontiguousarray(factor)
    for j in range(factor.shape[1]):
        column = factor[:, j] + (products[:, j] - factor @ gram[:, j]) / max(float(gram[j, j]), _TINY)
        factor[:, j] = column if signed else np.maximum(column, 0)
    return factor


def _far_apart(cells: Floats, rank: int) -> Floats:
    """Strong cells that point in different directions, (rank, C)."""
    lengths = np.linalg.norm(cells, axis=1)
    units = cells / np.maximum(lengths, _TINY)[:, None]
    chosen = [int(lengths.argmax())]
    nearest = units @ units[chosen[0]]
    while len(chosen) < rank:
        chosen.append(int((np.maximum(1 - nearest, 0) ** 2 * lengths).argmax()))
        nearest = np.maximum(nearest, units @ units[chosen[-1]])
    return cells[chosen].copy()
