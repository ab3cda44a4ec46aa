"""The parts of all classes of a scan, with where they lie and the images that show most of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cam_audit.findings.audited_net import AuditedNet
from cam_audit.findings.foreground import UNKNOWN, ratio, where
from cam_audit.findings.gates import gate, split_weight
from cam_audit.findings.parts import Floats, Pieces, pieces_of
from cam_audit.findings.sample import MIN_IMAGES, Observation
from cam_audit.records import PARTS_FOLDER, Box, Example, Part, PartMap
from cam_audit.workers import Each

# So many images of a part are shown, those that show most of it.
EXAMPLES = 6
# The box around a part holds the cells that have at least so much of its peak.
_IN_BOX = 0.5

Found = tuple[Part, tuple[PartMap, ...]]


def class_parts(net: AuditedNet, each: Each) -> list[Found]:
    """The parts of each class, the largest first, with their maps in the examples; each: as in `examine`.

    Classes of fewer than MIN_IMAGES images whose activations were kept are left out.
    """
    groups = {label: kept for label, group in net.groups.items() if len(kept := _kept(group)) >= MIN_IMAGES}
    classes = sorted({net.class_of[label] for label in groups})
    means = {label: _means(group, classes) for label, group in groups.items()}

    def parts_in(label: str) -> list[Found]:
        group = groups[label]
        class_index = net.class_of[label]
        others = [of_classes[class_index] for other, of_classes in means.items() if net.class_of[other] != class_index]
        if not others:
            return []
        pieces, _ = pieces_of(
            [_activations(one) for one in group],
            [_cells(one) for one in group],
            split_weight(net.model, class_index),
            np.mean(others, axis=0, dtype=np.float32),
            [gate(one, class_index) for one in group],
        )
        foregrounds = [one.foreground for one in group if one.foreground is not None]
        ratios = [ratio(piece, foregrounds) for piece in pieces] if len(foregrounds) == len(group) else []
        places = where(ratios) if ratios else [UNKNOWN] * len(pieces)
        return [
            _part(label, number, piece, group, place, ratios[number - 1] if ratios else None)
            for number, (piece, place) in enumerate(zip(pieces, places, strict=True), 1)
        ]

    return [found for of_class in each(parts_in, sorted(groups)) for found in of_class]


def _part(
    label: str, number: int, piece: Pieces, group: Sequence[Observation], place: str, foreground_ratio: float | None
) -> Found:
    most = [index for index in np.argsort(-piece.presence, kind="stable")[:EXAMPLES] if piece.shown[index]]
    maps = tuple(PartMap(group[index].source.name, piece.maps[index]) for index in most)
    part = Part(
        label=label,
        number=number,
        share=piece.share,
        beyond=piece.beyond,
        images=int(piece.shown.sum()),
        looked_at=len(group),
        where=place,
        foreground_ratio=foreground_ratio,
        sheet=f"{PARTS_FOLDER}/{label}/{number}.jpg",
        examples=tuple(Example(each.path, _box(each.values)) for each in maps),
    )
    return part, maps


def _box(values: Floats) -> Box:
    height, width = values.shape
    rows, columns = np.nonzero(values >= _IN_BOX * values.max())
    left, right = columns.min() / width, (columns.max() + 1) / width
    return float(left), float(rows.min() / height), float(right), float((rows.max() + 1) / height)


def _kept(group: Sequence[Observation]) -> list[Observation]:
    return [observation for observation in group if observation.activations is not None]


def _activations(observation: Observation) -> Floats:
    assert observation.activations is not None
    return observation.activations.astype(np.float32)


def _means(group: Sequence[Observation], classes: Sequence[int]) -> Mapping[int, Floats]:
    """The mean activations of some images where the score of a class is let through: float32 (C,), by class."""
    means = []
    for one in group:
        let_through = np.stack([gate(one, class_index).ravel() for class_index in classes], axis=1)
        activations = _activations(one)
        means.append(activations.reshape(len(activations), -1) @ let_through.astype(np.float32) / len(let_through))
    return dict(zip(classes, np.mean(means, axis=0).T, strict=True))


def _cells(observation: Observation) -> NDArray[np.bool_]:
    assert observation.kept is not None
    return observation.kept


def split(found: Sequence[Found]) -> tuple[tuple[Part, ...], Mapping[str, tuple[PartMap, ...]]]:
    """The parts, those with the largest share first, and the maps of their examples by the part's sheet."""
    parts = sorted((part for part, _ in found), key=lambda part: (-abs(part.share), part.label, part.number))
    return tuple(parts), {part.sheet: maps for part, maps in found}
