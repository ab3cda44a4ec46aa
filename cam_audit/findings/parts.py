"""Parts: a class's score taken to pieces by a factorisation of the activations of its images.

The last layer is linear, so a factorisation X ~ U V of the activations (cells of all images by channels) splits the
score: part j adds mean(U_j) * (W_k . V_j) to it, and what the factorisation leaves over is the rest. U_j, cell by cell,
is the part's map in each image. No gradients, and no further pass. Where a ReLU follows that layer in each cell, it is
linear in the cells that it lets through, so U_j counts in these alone (`relu_gates`).

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
class Cells:
    """The cells of an image that are picture and not padding.

    `values`: float32 (n, C), their activations; `let_through`: bool (n,), where these count for the class's score; a
    part is nowhere else. `kept`: bool (h, w), which cells of the image's map they are.
    """

    values: Floats
    let_through: NDArray[np.bool_]
    kept: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """One part of a class's score.

    `share`: what it adds to the class's score, -1..1; the absolute shares of all parts and of the rest add up to 1.
    `beyond`: the same, less what the part adds in other classes' images. `direction`: float32 (C,), of length 1, of the
    activations, the one numbered `factor` of the split; `worth`: what one unit of presence adds to the logit.
    `maps`: where it is in each image, float32 (h, w) each, 0 or more; `presence`: float32 (images,), its mean over the
    cells that are picture; `shown`: bool (images,), whether an image shows it; `others`: the same for other classes'
    images.
    """

    share: float
    beyond: float
    direction: Floats
    factor: int
    worth: float
    maps: tuple[Floats, ...]
    presence: Floats
    shown: NDArray[np.bool_]
    others: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class ScoreSplit:
    """A class's score taken to pieces.

    `pieces`: the largest first; `rest`: the share of what is in none of them, 0..1. `directions`: float32 (r, C), of
    all parts, also of those too small to be listed.
    """

    pieces: tuple[Pieces, ...]
    rest: float
    directions: Floats


def pieces_of(own: Sequence[Cells], weight: Floats, others: Sequence[Cells]) -> ScoreSplit:
    """The parts of a class's score.

    own, others: the cells of images of the class, and of other classes; weight: float32 (C,), what speaks for the
    class.
    """
    cells = np.concatenate([of_image.values for of_image in own])
    let_through = np.concatenate([of_image.let_through for of_image in own])
    presence, directions = merged(*factorise(cells))
    presence = presence * let_through[:, None]
    worth = directions @ weight
    means = presence.mean(0)
    added = means * worth
    rest = float((let_through * (cells @ weight)).mean() - added.sum())
    theirs = np.stack([presence_in(of_image, directions).mean(0) for of_image in others])
    total = float(np.abs(added).sum() + abs(rest)) or 1.0
    shares, beyond = added / total, (means - theirs.mean(0)) * worth / total
    ends = np.cumsum([len(of_image.values) for of_image in own])[:-1]
    pieces = []
    left = abs(rest) / total
    for j in np.argsort(-np.abs(shares), kind="stable"):
        if abs(shares[j]) < LEAST_SHARE:
            left += float(abs(shares[j]))
            continue
        by_image = np.split(presence[:, j], ends)
        of_images = np.array([of_image.mean() for of_image in by_image], np.float32)
        least = max(_TINY, SHOWN_FROM * float(np.quantile(of_images, 0.9)))
        pieces.append(
            Pieces(
                share=float(shares[j]),
                beyond=float(beyond[j]),
                direction=directions[j],
                factor=int(j),
                worth=float(worth[j]),
                maps=tuple(_on_map(one.kept, of_image) for one, of_image in zip(own, by_image, strict=True)),
                presence=of_images,
                shown=of_images >= least,
                others=theirs[:, j] >= least,
            )
        )
    return ScoreSplit(tuple(pieces), left, directions)


def shares_in(cells: Cells, directions: Floats, weight: Floats) -> Floats:
    """What each part adds to the class's score in one image, as shares that add up to 1 with that of the rest.

    directions, weight: as in `ScoreSplit` and `pieces_of`. Returns float32 (r,), -1..1.
    """
    added = presence_in(cells, directions).mean(0) * (directions @ weight)
    rest = float((cells.let_through * (cells.values @ weight)).mean() - added.sum())
    shares: Floats = added / (float(np.abs(added).sum() + abs(rest)) or 1.0)
    return shares


def presence_in(cells: Cells, directions: Floats) -> Floats:
    """Where each part is in one image, float32 (n, r), 0 or more; directions: float32 (r, C)."""
    return project(cells.values, directions) * cells.let_through[:, None]


def project(cells: Floats, directions: Floats, sweeps: int = SWEEPS) -> Floats:
    """The presence (n, r), 0 or more, of directions (r, C) in cells (n, C), in the least squares sense."""
    gram, products = directions @ directions.T, cells @ directions.T
    presence: Floats = np.maximum(products, 0) / np.maximum(np.diag(gram), _TINY)
    for _ in range(sweeps):
        presence = _updated(presence, products, gram, signed=False)
    return presence


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


def _on_map(kept: NDArray[np.bool_], values: Floats) -> Floats:
    whole = np.zeros(kept.shape, np.float32)
    whole[kept] = values
    return whole


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
