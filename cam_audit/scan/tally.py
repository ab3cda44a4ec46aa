"""What a scan counts of its images while they pass: how they were read, and how much of them is annotated."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any

from cam_audit.records import ImageResult, Record
from cam_audit.text import count, some

if TYPE_CHECKING:
    from cam_audit.scan.annotations import Annotations

MAX_NAMED = 3
MAX_CATEGORIES = 10
# So many masks that are all the same are no chance, and of so many images one with a mask is not what was meant.
MANY = 10
FEW = 1 / 100
# From this share of a score on, most of it belongs to no cell.
MUCH = 0.5


@dataclass
class Tally:
    """The counts of a scan.

    `splits`: by split, how many of its images could be read, have a class of the net, and are predicted as that.
    `readings`: how often pixel values became 8 bits in which way. `area`: the sum of the objects' shares of their
    images; `outlines`: how often each is there. `unannotated`: why annotations can't be used, of the first MAX_NAMED
    images, and `unusable`: of how many. `even`: by image, how much of the score shown no cell of its map accounts for.
    """

    images: int = 0
    errors: int = 0
    splits: dict[str, Counter[str]] = field(default_factory=dict)
    readings: Counter[str] = field(default_factory=Counter)
    objects: int = 0
    area: float = 0.0
    outlines: Counter[int] = field(default_factory=Counter)
    unannotated: list[str] = field(default_factory=list)
    unusable: int = 0
    even: array[float] = field(default_factory=lambda: array("d"))

    def add(self, record: Record) -> None:
        """Count an image."""
        self.images += 1
        if not isinstance(record, ImageResult):
            self.errors += 1
            return
        if record.source.split:
            of_split = self.splits.setdefault(record.source.split, Counter(images=0, labelled=0, agreeing=0))
            of_split.update(images=1, labelled=record.agrees is not None, agreeing=bool(record.agrees))
        if record.even_share is not None:
            self.even.append(record.even_share)
        if record.reading:
            self.readings[record.reading] += 1
        if record.object:
            self.objects += 1
            self.area += record.object.area
            self.outlines[record.object.outline] += 1
        if record.unannotated:
            self.unusable += 1
            if self.unusable <= MAX_NAMED:
                self.unannotated.append(record.unannotated)

    def annotations(self, annotations: Annotations | None) -> dict[str, Any] | None:
        """What run.json says of the annotations: of how many images there is an object, and its mean share of them."""
        if annotations is None:
            return None
        return {
            "kind": annotations.kind,
            "images": self.objects,
            "of": self.images - self.errors,
            "mean_area": round(self.area / self.objects, 4) if self.objects else None,
            "left_out": len(annotations.faults) + self.unusable,
        }

    def notes(self, annotations: Annotations | None) -> tuple[str, ...]:
        """What is to be said of the maps and of the annotations."""
        return (*self._notes_on_maps(), *(self._notes_on_annotations(annotations) if annotations else ()))

    def _notes_on_maps(self) -> Iterator[str]:
        """How much of the scores no cell accounts for, where the net's maps are made for each image."""
        if not self.even:
            return
        share = median(self.even)
        little = ", so the maps say little about these scores" if share >= MUCH else ""
        yield (
            "the net's maps are made for each image: biases and gates that belong to no cell make up "
            f"{share:.0%} of the score (the median of the images){little}"
        )

    def _notes_on_annotations(self, annotations: Annotations) -> Sequence[str]:
        """All annotations that were left out, and what makes the others look wrong."""
        kind, notes = annotations.kind, []
        number = len(annotations.faults) + self.unusable
        if number:
            notes.append(f"{kind}: {left_out((*annotations.faults, *self.unannotated), number)}")
        if len(annotations.categories) > 1:
            names = some(annotations.categories, MAX_CATEGORIES)
            notes.append(f"{kind}: all categories count as objects ({names}); --category takes some of them")
        share = f"{100 * self.area / self.objects:.0f}" if self.objects else "0"
        if share in ("0", "100"):
            which = (
                "--mask-value says which value is object" if kind == "masks" else "--category says which are objects"
            )
            notes.append(f"{kind}: objects cover {share} % of the pictures on average, which tells nothing; {which}")
        elif self.objects >= MANY and len(self.outlines) == 1:
            notes.append(f"{kind}: the objects of all {self.objects} annotated images have the same outline")
        elif self.objects <= FEW * (self.images - self.errors):
            notes.append(f"{kind}: only {count(self.objects, 'image')} of {self.images - self.errors:,} has an object")
        return notes


def left_out(faults: Sequence[str], number: int) -> str:
    """In one line, how many annotations are left out, and the first of the reasons."""
    named = faults[:MAX_NAMED]
    rest = f"; and {number - len(named):,} more" if number > len(named) else ""
    return f"{number:,} left out: {'; '.join(named)}{rest}"
