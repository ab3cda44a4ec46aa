"""The parts of a class with their maps in all of its images, and measures of each part.

They are made again here, as the audit makes them: with the directions of all parts, also of those that it does not
list, as other images are split by all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cam_audit.findings.parts import LEAST_SHARE, SHOWN_FROM, factorise, merged, project
from cam_audit.findings.sample import picture_cells
from cam_audit.findings.wander import centre, wander
from cam_audit.images.decode import read_image
from cam_audit.models.model import Model

Floats = NDArray[np.float32]

_TINY = 1e-9
# An audit shows so many images of a part.
EXAMPLES = 6


@dataclass(frozen=True, eq=False)
class SeenImage:
    """What the net sees of an image: activations float32 (C, h, w); kept: bool (h, w), cells that are no padding."""

    activations: Floats
    kept: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class ClassParts:
    """The parts of a class's score, the largest first.

    `directions`: float32 (r, C); `worth`: float32 (r,), what a unit of each adds to the score; `shares`: float (r,), as
    in `Part.share`; `maps`: float32 (r, h, w) of each image; the first `listed` parts are those that an audit lists.
    """

    directions: Floats
    worth: Floats
    shares: NDArray[np.floating]
    maps: tuple[Floats, ...]

    @property
    def listed(self) -> int:
        """How many parts an audit lists."""
        return int((np.abs(self.shares) >= LEAST_SHARE).sum())

    @property
    def presence(self) -> Floats:
        """How much of each part each image has: float32 (r, images)."""
        return presence_in(self.maps)


def presence_in(maps: Sequence[Floats]) -> Floats:
    """How much of each part each image has: float32 (r, images); maps (r, h, w) an image."""
    return np.stack([of_image.mean(axis=(1, 2)) for of_image in maps], axis=1)


def look(model: Model, path: Path) -> SeenImage:
    """One forward pass over a file, kept as an audit keeps it."""
    rgb, _, _ = read_image(path)
    activations = model.run(model.fit(rgb)).activations
    grid = activations.shape[1], activations.shape[2]
    return SeenImage(activations.astype(np.float16).astype(np.float32), picture_cells(rgb, grid))


def class_parts(looks: Sequence[SeenImage], weight: Floats) -> ClassParts:
    """The parts of a class in its images; weight: float32 (C,), what speaks for the class and not for all."""
    cells = np.concatenate([_cells(each) for each in looks])
    presence, directions = merged(*factorise(cells))
    worth = directions @ weight
    added = presence.mean(0) * worth
    rest = float((cells @ weight).mean() - added.sum())
    shares = added / (float(np.abs(added).sum() + abs(rest)) or 1.0)
    order = np.argsort(-np.abs(shares), kind="stable")
    ends = np.cumsum([int(each.kept.sum()) for each in looks])[:-1]
    maps = [_on_grid(each, part[:, order]) for each, part in zip(looks, np.split(presence, ends), strict=True)]
    return ClassParts(directions[order], worth[order], shares[order], tuple(maps))


def projected(each: SeenImage, directions: Floats) -> Floats:
    """The maps (r, h, w) of parts in an image that they were not made of, by non-negative least squares."""
    return _on_grid(each, project(_cells(each), directions))


def _cells(each: SeenImage) -> Floats:
    return each.activations[:, each.kept].T


def _on_grid(each: SeenImage, presence: Floats) -> Floats:
    maps = np.zeros((presence.shape[1], *each.kept.shape), np.float32)
    maps[:, each.kept] = presence.T
    return maps


def auroc(high: Sequence[float] | Floats, low: Sequence[float] | Floats) -> float:
    """How often a value of `high` exceeds one of `low`, ties half; NaN where either is empty."""
    if not len(high) or not len(low):
        return float("nan")
    difference = np.sign(np.asarray(high, float)[:, None] - np.asarray(low, float)[None])
    return float((difference.mean() + 1) / 2)


def lift(maps: Sequence[Floats], covers: Sequence[Floats]) -> float:
    """How much more of a part, maps (h, w), lies on places, covers (h, w) of 0..1, than if it were anywhere."""
    inside = sum(float((of_map * cover).sum()) for of_map, cover in zip(maps, covers, strict=True))
    anywhere = sum(float(of_map.sum()) * float(cover.mean()) for of_map, cover in zip(maps, covers, strict=True))
    return inside / max(anywhere, _TINY)


def measured(parts: ClassParts, number: int) -> dict[str, float]:
    """Each of MEASURES of a listed part; number: its place, from 0."""
    return {name: measure(parts, number) for name, measure in MEASURES.items()}


def shown_in(presence: Floats) -> NDArray[np.bool_]:
    """Whether each image shows a part, as an audit counts; presence (images,)."""
    shown: NDArray[np.bool_] = presence >= max(_TINY, SHOWN_FROM * float(np.quantile(presence, 0.9)))
    return shown


def _absent(parts: ClassParts, number: int) -> float:
    """The share of the images that do not show it."""
    return 1 - float(shown_in(parts.presence[number]).mean())


def _uneven(parts: ClassParts, number: int) -> float:
    """How much its presence differs from image to image: standard deviation over mean."""
    presence = parts.presence[number]
    return float(presence.std() / max(float(presence.mean()), _TINY))


def _apart(parts: ClassParts, number: int) -> float:
    """How far it lies from the rest of the class's score, in spreads of that rest, where it is shown."""
    return _weighted(parts, number, lambda own, rest: _distance(own, rest) / max(_spread(rest), _TINY))


def _separate(parts: ClassParts, number: int) -> float:
    """How little of it lies in cells where the rest of the score is: 1 less the cosine of the maps."""
    return _weighted(parts, number, lambda own, rest: 1 - float((own * rest).sum()) / _norms(own, rest))


def _roams(parts: ClassParts, number: int) -> float:
    """How far from its usual place it lies: the spread of its centre over images, over that of the rest."""
    presence = parts.presence[number]
    shown = np.flatnonzero(shown_in(presence))
    own = [centre(parts.maps[i][number]) for i in shown.tolist()]
    rest = [centre(_rest(parts, number, i)) for i in shown.tolist()]
    return _scatter(own) / max(_scatter(rest), 0.01)


def _wanders(parts: ClassParts, number: int) -> float:
    """How much its place beside the rest of the score varies."""
    shown = np.flatnonzero(shown_in(parts.presence[number])).tolist()
    return wander([parts.maps[i][number] for i in shown], [_rest(parts, number, i) for i in shown])


def _unrelated(parts: ClassParts, number: int) -> float:
    """Less the correlation of its presence with the rest of the score, over images."""
    rest = np.array([_rest(parts, number, i).mean() for i in range(len(parts.maps))])
    own = parts.presence[number]
    if own.std() < _TINY or rest.std() < _TINY:
        return 0.0
    return -float(np.corrcoef(own, rest)[0, 1])


# Candidates for what tells that a part does not belong to the object; larger is more suspicious.
MEASURES: Mapping[str, Callable[[ClassParts, int], float]] = {
    "absent": _absent,
    "uneven": _uneven,
    "apart": _apart,
    "separate": _separate,
    "roams": _roams,
    "wanders": _wanders,
    "unrelated": _unrelated,
    "apart x uneven": lambda parts, number: _apart(parts, number) * _uneven(parts, number),
}


def _weighted(parts: ClassParts, number: int, of_image: Callable[[Floats, Floats], float]) -> float:
    """The mean of a measure of the part's map and the rest's, weighted by presence, over the images that show it."""
    presence = parts.presence[number]
    shown = np.flatnonzero(shown_in(presence))
    values = [of_image(parts.maps[i][number], _rest(parts, number, i)) for i in shown.tolist()]
    return float(np.average(values, weights=presence[shown])) if len(shown) else 0.0


def _rest(parts: ClassParts, number: int, image: int) -> Floats:
    """Where the rest of the score lies: the other listed parts that speak for the class, by their worth, (h, w)."""
    worth = np.maximum(parts.worth[: parts.listed], 0)
    worth = np.where(np.arange(parts.listed) == number, 0, worth)
    return np.asarray(np.tensordot(worth, parts.maps[image][: parts.listed], axes=1), np.float32)


def _spread(of_map: Floats) -> float:
    """The root mean square distance of a map from its centre, as a share of the sides."""
    height, width = of_map.shape
    x, y = np.meshgrid((np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height)
    middle = centre(of_map)
    squared = (x - middle[0]) ** 2 + (y - middle[1]) ** 2
    return float(np.sqrt((of_map * squared).sum() / max(float(of_map.sum()), _TINY)))


def _distance(own: Floats, rest: Floats) -> float:
    return float(np.linalg.norm(centre(own) - centre(rest)))


def _scatter(centres: Sequence[NDArray[np.float64]]) -> float:
    return float(np.sqrt(np.var(np.stack(centres), axis=0).sum())) if centres else 0.0


def _norms(own: Floats, rest: Floats) -> float:
    return max(float(np.linalg.norm(own) * np.linalg.norm(rest)), _TINY)
