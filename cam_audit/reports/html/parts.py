"""What the net looks at for each class, part by part, as the page shows it."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from urllib.parse import quote

from cam_audit.records import Part, ScanReport


@dataclass(frozen=True)
class ClassParts:
    """The parts of a class, the largest first; `rest`: the share of the score that is in none of them, 0..1."""

    label: str
    parts: Sequence[Part]
    rest: float

    @property
    def starts(self) -> list[float]:
        """Where each part begins, 0..1, if they are laid end to end."""
        return list(accumulate((abs(part.share) for part in self.parts), initial=0.0))[:-1]


def parts_by_class(report: ScanReport) -> list[ClassParts]:
    """The classes in the order of their names."""
    by_label: dict[str, list[Part]] = {}
    for part in report.parts:
        by_label.setdefault(part.label, []).append(part)
    return [
        ClassParts(
            label,
            sorted(by_label[label], key=lambda part: part.number),
            max(0.0, 1 - sum(abs(part.share) for part in by_label[label])),
        )
        for label in sorted(by_label)
    ]


def sheet_address(report: ScanReport, part: Part) -> str:
    """Where a part's sheet is, as an address relative to the page."""
    return quote(posixpath.join(report.folder, part.sheet).encode("utf-8", "surrogateescape"))
