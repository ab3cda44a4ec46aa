"""What a scan counts of its images while they pass: how they were read, and how much of them is annotated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cam_audit.records import ImageResult, Record
from cam_audit.text import count

if TYPE_CHECKING:
    from cam_audit.scan.annotations import Annotations

MAX_NAMED = 3
MAX_CATEGORIES = 10
# So many masks that are all the same are no chance, and of so many images one with a mask is not what was meant.
MANY = 10
FEW = 1 / 100


@dataclass
class Tally:
    """The counts of a scan.

    `readings`: how often pixel values became 8 bits in which way. `area`: the sum of the objects' shares of their
    images; `outlines`: how often each is there. `unannotated`: why annotations can't be used, of the first MAX_NAMED
    images, and `unusable`: of how many.
    """

    images: int = 0
    errors: int = 0
    readings: Counter[str] = field(default_factory=Counter)
    objects: int = 0
    area: float = 0.0
    outlines: Counter[int] = field(default_factory=Counter)
    unannotated: list[str] = field(default_factory=list)
    unusable: int = 0

    def add(self, record: Record) -> None:
        """Count an image."""
        self.images += 1
        if not isinstance(record, ImageResult):
            self.errors += 1
            return
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
        """What is to be said of the annotations: all that were left out, and what makes them look wrong."""
        if annotations is None:
            return ()
        kind, notes = annotations.kind, []
        number = len(annotations.faults) + self.unusable
        if number:
            notes.append(f"{kind}: {left_out((*annotations.faults, *self.unannotated), number)}")
        if len(annotations.categories) > 1:
            more = ["..."] if len(annotations.categories) > MAX_CATEGORIES else []
            names = ", ".join([*annotations.categories[:MAX_CATEGORIES], *more])
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
        return tuple(notes)


def left_out(faults: Sequence[str], number: int) -> str:
    """In one line, how many annotations are left out, and the first of the reasons."""
    named = faults[:MAX_NAMED]
    rest = f"; and {number - len(named):,} more" if number > len(named) else ""
    return f"{number:,} left out: {'; '.join(named)}{rest}"
