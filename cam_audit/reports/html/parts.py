"""What the net looks at for each class, part by part, as the page shows it."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from urllib.parse import quote

from cam_audit.records import Part
from cam_audit.reports.scan_report import ScanReport
from cam_audit.sheets import PART_GAP, part_width


@dataclass(frozen=True)
class PartsOfClass:
    """The parts of a class, the largest first; `rest`: the share of the score that is in none of them, 0..1."""

    label: str
    parts: Sequence[Part]
    rest: float

    @property
    def starts(self) -> list[float]:
        """Where each part begins, 0..1, if they are laid end to end."""
        return list(accumulate((abs(part.share) for part in self.parts), initial=0.0))[:-1]

    @property
    def surroundings(self) -> float:
        """The share of the score that parts in the surroundings add to it, 0..1."""
        return sum(max(0.0, part.share) for part in self.parts if part.where == "surroundings")


@dataclass(frozen=True)
class Strip:
    """A part's sheet: its address relative to the page, and in pixels its width and where its pictures are.

    `tiles`: the path of an image, the left edge of its picture and its width. Where the size of an image is not known,
    `width` is 0 and there are no tiles.
    """

    address: str
    width: int
    tiles: tuple[tuple[str, int, int], ...]


def parts_by_class(report: ScanReport) -> list[PartsOfClass]:
    """The classes in the order of their names."""
    by_label: dict[str, list[Part]] = {}
    for part in report.parts:
        by_label.setdefault(part.label, []).append(part)
    return [
        PartsOfClass(
            label,
            sorted(by_label[label], key=lambda part: part.number),
            max(0.0, 1 - sum(abs(part.share) for part in by_label[label])),
        )
        for label in sorted(by_label)
    ]


def strips(report: ScanReport) -> dict[str, Strip]:
    """The sheets of all parts, by the sheet's path."""
    wanted = {example.path for part in report.parts for example in part.examples}
    widths = {
        row.path: part_width(row.width, row.height)
        for row in (report.images if wanted else ())
        if row.path in wanted and row.width and row.height
    }
    return {part.sheet: _strip(report, part, widths) for part in report.parts}


def sheet_address(report: ScanReport, part: Part) -> str:
    """Where a part's sheet is, as an address relative to the page."""
    return quote(posixpath.join(report.folder, part.sheet).encode("utf-8", "surrogateescape"))


def _strip(report: ScanReport, part: Part, widths: dict[str, int]) -> Strip:
    address = sheet_address(report, part)
    if not all(example.path in widths for example in part.examples):
        return Strip(address, 0, ())
    of_part = [widths[example.path] for example in part.examples]
    paths = [example.path for example in part.examples]
    # the last is where one more would begin
    *lefts, end = accumulate((width + PART_GAP for width in of_part), initial=0)
    return Strip(address, max(0, end - PART_GAP), tuple(zip(paths, lefts, of_part, strict=True)))
