"""The parts of all classes of a scan, with where they lie and the images that show most of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cam_audit.findings.audited_net import AuditedNet
from cam_audit.findings.cues.records import sample_of
from cam_audit.findings.foreground import UNKNOWN, ratio, where
from cam_audit.findings.map_use import centred_weight
from cam_audit.findings.parts import Floats, Pieces, pieces_of
from cam_audit.findings.sample import MIN_IMAGES, Observation
from cam_audit.records import PARTS_FOLDER, Box, Example, Part, PartMap, PartMaps
from cam_audit.workers import Each

# So many images of a part are shown, those that show most of it.
EXAMPLES = 6
# A class is held against so many images of other classes, of all alike.
MAX_OTHERS = 120
# The box around a part holds the cells that have at least so much of its peak.
_IN_BOX = 0.5

Found = tuple[Part, PartMaps]


def class_parts(net: AuditedNet, each: Each) -> list[Found]:
    """The parts of each class, the largest first, with their maps, the examples' first; each: as in `examine`.

    Classes of fewer than MIN_IMAGES images whose activations were kept are left out.
    """
    groups = {label: kept for label, group in net.groups.items() if len(kept := _kept(group)) >= MIN_IMAGES}

    def parts_in(label: str) -> list[Found]:
        group = groups[label]
        class_index = net.class_of[label]
        foreign = [others for other, others in groups.items() if net.class_of[other] != class_index]
        if not foreign:
            return []
        others = sample_of(foreign, MAX_OTHERS)
        pieces, _ = pieces_of(
            [_activations(one) for one in group],
            [_cells(one) for one in group],
            centred_weight(net.model, class_index),
            [_activations(one)[:, _cells(one)] for one in others],
        )
        foregrounds = [one.foreground for one in group if one.foreground is not None]
        ratios = [ratio(piece, foregrounds) for piece in pieces] if len(foregrounds) == len(group) else []
        places = where(ratios) if ratios else [UNKNOWN] * len(pieces)
        return [
            _part(label, number, piece, group, len(others), place, ratios[number - 1] if ratios else None)
            for number, (piece, place) in enumerate(zip(pieces, places, strict=True), 1)
        ]

    return [found for of_class in each(parts_in, sorted(groups)) for found in of_class]


def _part(
    label: str,
    number: int,
    piece: Pieces,
    group: Sequence[Observation],
    others_looked_at: int,
    place: str,
    foreground_ratio: float | None,
) -> Found:
    order = np.argsort(-piece.presence, kind="stable")
    maps = tuple(PartMap(group[index].source.name, piece.maps[index]) for index in order)
    part = Part(
        label=label,
        number=number,
        share=piece.share,
        beyond=piece.beyond,
        images=int(piece.shown.sum()),
        looked_at=len(group),
        others=piece.others,
        others_looked_at=others_looked_at,
        where=place,
        foreground_ratio=foreground_ratio,
        sheet=f"{PARTS_FOLDER}/{label}/{number}.jpg",
        examples=tuple(Example(each.path, _box(each.values)) for each in maps[: min(EXAMPLES, piece.shown.sum())]),
    )
    return part, PartMaps(piece.direction, maps)


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


def _cells(observation: Observation) -> NDArray[np.bool_]:
    assert observation.kept is not None
    return observation.kept


def split(found: Sequence[Found]) -> tuple[tuple[Part, ...], Mapping[str, PartMaps]]:
    """The parts, those with the largest share first, and their maps by sheet."""
    parts = sorted((part for part, _ in found), key=lambda part: (-abs(part.share), part.label, part.number))
    return tuple(parts), {part.sheet: maps for part, maps in found}
