"""The parts of all classes of a scan, with where they lie and the images that show most of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cam_audit.findings.audited_net import AuditedNet
from cam_audit.findings.cues.records import sample_of
from cam_audit.findings.foreground import UNKNOWN, ratio, where
from cam_audit.findings.parts import Cells, Floats, Pieces, ScoreSplit, pieces_of, shares_in
from cam_audit.findings.relu_gates import gate, split_weight
from cam_audit.findings.sample import MIN_IMAGES, Observation
from cam_audit.findings.wander import wanderings
from cam_audit.models.model import Prediction
from cam_audit.records import PARTS_FOLDER, Box, Example, Part, PartMap, PartMaps
from cam_audit.workers import Each

# So many images of a part are shown, those that show most of it.
EXAMPLES = 6
# Other processors add in another order, which changes the sixth digit of what is told of most nets.
DECIMALS = 4
# A class is held against so many images of other classes, of all alike.
MAX_OTHERS = 120
# The box around a part holds the cells that have at least so much of its peak.
_IN_BOX = 0.5


@dataclass(frozen=True, eq=False)
class ClassParts:
    """A class taken to parts.

    `class_index`: the net's class whose score is split. `own`: the images in which they were found; `others`: those of
    other classes that they were held against; `weight`: float32 (C,), as in `relu_gates.split_weight`; `parts`: what is
    told of each of the split's pieces.
    """

    label: str
    class_index: int
    own: Sequence[Observation]
    others: Sequence[Observation]
    weight: Floats
    split: ScoreSplit
    parts: tuple[Part, ...]

    def on(self, place: str) -> list[Pieces]:
        """The pieces that speak for the class and lie on the object, in the surroundings, or nobody knows where."""
        return [
            piece
            for piece, part in zip(self.split.pieces, self.parts, strict=True)
            if part.where == place and piece.share > 0
        ]

    def share_on(self, place: str, cells: Cells) -> float:
        """The share of the class's score that such pieces have in one image, 0..1."""
        shares = shares_in(cells, self.split.directions, self.weight)
        return float(sum(max(0.0, float(shares[piece.factor])) for piece in self.on(place)))

    @property
    def maps(self) -> dict[str, PartMaps]:
        """By the sheet of a part, its map in each image, those with most of it first."""
        return {
            part.sheet: PartMaps(
                piece.direction,
                tuple(PartMap(self.own[index].source.name, piece.maps[index]) for index in _by_presence(piece)),
            )
            for piece, part in zip(self.split.pieces, self.parts, strict=True)
        }


def class_parts(net: AuditedNet, each: Each) -> list[ClassParts]:
    """Each class that can be taken to parts, in the order of their names; each: as in `examine`.

    Classes of fewer than MIN_IMAGES images whose activations were kept are left out.
    """
    groups = {label: kept for label, group in net.groups.items() if len(kept := _kept(group)) >= MIN_IMAGES}

    def parts_in(label: str) -> ClassParts | None:
        class_index = net.class_of[label]
        foreign = [others for other, others in groups.items() if net.class_of[other] != class_index]
        if not foreign:
            return None
        own, others = groups[label], sample_of(foreign, MAX_OTHERS)
        weight = split_weight(net.model, class_index)
        split = pieces_of(
            [cells_of(one, class_index) for one in own], weight, [cells_of(one, class_index) for one in others]
        )
        return ClassParts(label, class_index, own, others, weight, split, _parts(label, own, split))

    return [found for found in each(parts_in, sorted(groups)) if found]


def parts_of(found: Sequence[ClassParts]) -> tuple[tuple[Part, ...], Mapping[str, PartMaps]]:
    """The parts of all classes, those with the largest share first, and their maps by sheet.

    Their numbers have DECIMALS.
    """
    parts = sorted(
        (_rounded(part) for of_class in found for part in of_class.parts),
        key=lambda part: (-abs(part.share), part.label, part.number),
    )
    return tuple(parts), {sheet: maps for of_class in found for sheet, maps in of_class.maps.items()}


def _rounded(part: Part) -> Part:
    ratio = part.foreground_ratio
    return replace(
        part,
        share=round(part.share, DECIMALS),
        beyond=round(part.beyond, DECIMALS),
        foreground_ratio=None if ratio is None else round(ratio, DECIMALS),
        wander=round(part.wander, DECIMALS),
    )


def cells_of(observation: Observation, class_index: int) -> Cells:
    """The cells of an image whose activations were kept, and where they count for the score of a class."""
    assert observation.activations is not None
    assert observation.kept is not None
    kept = observation.kept
    values = observation.activations[:, kept].T.astype(np.float32)
    return Cells(values, gate(observation, class_index)[kept], kept)


def cells_in(prediction: Prediction, kept: NDArray[np.bool_], class_index: int) -> Cells:
    """The same of a prediction that holds features, where the net offers them; kept: bool (h, w), what is picture."""
    features = prediction.features
    if features is None:
        return Cells(prediction.activations[:, kept].T, np.ones(int(kept.sum()), bool), kept)
    return Cells(features[:, kept].T, prediction.activations[class_index][kept] != 0, kept)


def _parts(label: str, own: Sequence[Observation], split: ScoreSplit) -> tuple[Part, ...]:
    foregrounds = [one.foreground for one in own if one.foreground is not None]
    told = len(foregrounds) == len(own)
    ratios = [ratio(piece, foregrounds) if told else None for piece in split.pieces]
    places = where([each for each in ratios if each is not None]) if told else [UNKNOWN] * len(ratios)
    return tuple(
        Part(
            label=label,
            number=number,
            share=piece.share,
            beyond=piece.beyond,
            images=int(piece.shown.sum()),
            looked_at=len(own),
            others=int(piece.others.sum()),
            others_looked_at=len(piece.others),
            where=place,
            foreground_ratio=of_piece,
            wander=far,
            sheet=f"{PARTS_FOLDER}/{label}/{number}.jpg",
            examples=tuple(
                Example(own[index].source.name, _box(piece.maps[index]))
                for index in _by_presence(piece)[:EXAMPLES]
                if piece.shown[index]
            ),
        )
        for number, (piece, place, of_piece, far) in enumerate(
            zip(split.pieces, places, ratios, wanderings(split.pieces), strict=True), 1
        )
    )


def _by_presence(piece: Pieces) -> list[int]:
    return [int(index) for index in np.argsort(-piece.presence, kind="stable")]


def _box(values: Floats) -> Box:
    height, width = values.shape
    rows, columns = np.nonzero(values >= _IN_BOX * values.max())
    left, right = columns.min() / width, (columns.max() + 1) / width
    return float(left), float(rows.min() / height), float(right), float((rows.max() + 1) / height)


def _kept(group: Sequence[Observation]) -> list[Observation]:
    return [observation for observation in group if observation.activations is not None]
