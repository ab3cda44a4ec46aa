"""Marks of parts: what a reviewer called a shortcut or fine, kept in the baseline and held against later scans.

A part has no name, so an entry keeps its direction: what of the net's activations it is. In a later scan of the same
net it stands for the part of its class that points most nearly the same way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cam_audit.findings.foreground import SURROUNDINGS
from cam_audit.records import Finding, Part, PartMaps
from cam_audit.reports.fields import exact_text, listed, one_of, real, table
from cam_audit.reports.part_maps import direction_text, parsed_direction
from cam_audit.reports.review import FINE, SHORTCUT, Review
from cam_audit.reports.scan_report import ScanReport
from cam_audit.text import as_utf8

# The cosine from which a part is the one that was marked. What it is measured on stands in docs/ci.md.
ALIKE = 0.75
# A part that was marked a shortcut makes a scan fail from this share of its class's score.
FAILING_SHARE = 0.1
# The code of findings about evidence in the surroundings.
IN_SURROUNDINGS = "CA207"


@dataclass(frozen=True, slots=True, eq=False)
class PartEntry:
    """A part that was marked: its class, SHORTCUT or FINE, and its share, place and direction in the scan it is of.

    `direction`: float32 (C,), of length 1. `examples`: the paths of the images that showed most of it.
    """

    label: str
    verdict: str
    share: float
    where: str
    direction: NDArray[np.float32]
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """The part of a scan that an entry stands for; `cosine`: how alike their directions are."""

    entry: PartEntry
    part: Part
    cosine: float


def part_entries(report: ScanReport, review: Review, part_maps: Mapping[str, PartMaps]) -> tuple[PartEntry, ...]:
    """An entry of each part that a review marks shortcut or fine, by class and number; none without a direction."""
    return tuple(
        PartEntry(
            label=as_utf8(part.label),
            verdict=review.parts[part.fingerprint],
            share=part.share,
            where=part.where,
            direction=part_maps[part.sheet].direction,
            examples=tuple(sorted(as_utf8(example.path) for example in part.examples)),
        )
        for part in sorted(report.parts, key=lambda part: (part.label, part.number))
        if part.sheet in part_maps and review.parts.get(part.fingerprint) in (SHORTCUT, FINE)
    )


def answering(
    entries: Sequence[PartEntry], parts: Iterable[Part], part_maps: Mapping[str, PartMaps]
) -> tuple[Answer, ...]:
    """The parts of a scan of the same net that entries stand for, in the order of the entries.

    An entry stands for one part at most, and a part answers to one entry, the most alike first. part_maps: by a part's
    sheet.
    """
    pairs = [
        (float(entry.direction @ maps.direction), number, part)
        for part in parts
        if (maps := part_maps.get(part.sheet))
        for number, entry in enumerate(entries)
        if entry.label == as_utf8(part.label) and entry.direction.shape == maps.direction.shape
    ]
    found: dict[int, Answer] = {}
    taken: set[str] = set()
    for cosine, number, part in sorted(pairs, key=lambda pair: (-pair[0], pair[1], pair[2].sheet)):
        if cosine >= ALIKE and number not in found and part.sheet not in taken:
            found[number] = Answer(entries[number], part, cosine)
            taken.add(part.sheet)
    return tuple(found[number] for number in sorted(found))


def verdicts(found: Iterable[Answer]) -> dict[str, str]:
    """The verdicts on the parts that answer, by the part's sheet."""
    return {answer.part.sheet: answer.entry.verdict for answer in found}


def carries(part: Part) -> bool:
    """Whether a part carries as much of its class's score as makes one fail that is marked a shortcut."""
    return abs(part.share) >= FAILING_SHARE


def marked_shortcuts(report: ScanReport) -> list[Part]:
    """The parts that the baseline has as a shortcut and that carry enough of their class's score, largest first."""
    return [part for part in report.parts if report.part_marks.get(part.sheet) == SHORTCUT and carries(part)]


def shortcut_message(part: Part) -> str:
    """What a part says that was marked a shortcut and is still there."""
    return (
        f"part {part.number} of {part.label!r}, which a reviewer marked a shortcut, carries {abs(part.share):.0%} of "
        f"the class's score{', against it' if part.share < 0 else ''}; {FAILING_SHARE:.0%} are enough to fail. To do: "
        f"add images of the class without it, or of other classes with it, and train again. It is shown in {part.sheet}"
    )


def surroundings_marked_fine(finding: Finding, parts: Iterable[Part], marks: Mapping[str, str]) -> bool:
    """Whether a finding about a class's evidence in the surroundings is of parts that are all marked fine.

    marks: the verdict by a part's sheet, as in `ScanReport.part_marks`. False where no part lies there.
    """
    there = [part for part in parts if part.label == finding.label and part.where == SURROUNDINGS]
    return bool(there) and all(marks.get(part.sheet) == FINE for part in there)


def contradiction(review: Review, report: ScanReport) -> str | None:
    """The class whose surroundings a review calls a shortcut as a finding, and fine as parts; None without one."""
    verdict_of = {part.sheet: review.parts.get(part.fingerprint, "") for part in report.parts}
    for finding in report.findings:
        if (
            finding.code == IN_SURROUNDINGS
            and review.findings.get(finding.fingerprint) == SHORTCUT
            and surroundings_marked_fine(finding, report.parts, verdict_of)
        ):
            return as_utf8(finding.label)
    return None


def documents(entries: Iterable[PartEntry]) -> Iterator[dict[str, object]]:
    """The entries as JSON has them."""
    for entry in entries:
        yield {
            "class": entry.label,
            "verdict": entry.verdict,
            "share": round(entry.share, 6),
            "where": entry.where,
            "direction": direction_text(entry.direction),
            "examples": list(entry.examples),
        }


def _entry_of(item: dict[str, Any]) -> PartEntry:
    return PartEntry(*(item[name] for name in _FIELDS))


_FIELDS = {
    "class": exact_text,
    "verdict": one_of(SHORTCUT, FINE),
    "share": real(),
    "where": exact_text,
    "direction": parsed_direction,
    "examples": listed(exact_text),
}
# A check, see `fields`: what `documents` made of an entry.
part_entry = table(_FIELDS, make=_entry_of)
