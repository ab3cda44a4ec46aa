"""What a scan looked at and what it did not, in the sentence that ends it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cam_audit.reports.counts import Counts
from cam_audit.reports.scan_report import ScanReport
from cam_audit.text import count

MAX_KINDS = 5


def looked_at(report: ScanReport, counts: Counts) -> str:
    """One sentence: images, classes and splits that were looked at; what was unreadable or left out, by kind."""
    seen = counts.images - counts.errors
    classes = _classes(report, counts) if seen else 0
    where = f" in {count(classes, 'class', 'classes')}" if classes else ""
    splits = [split.name for split in splits_of(report.run)]
    where += f" of {count(len(splits), 'split')} ({', '.join(splits[:MAX_KINDS])})" if splits else ""
    unreadable = [f"{counts.errors:,} unreadable"] if counts.errors else []
    rest = [*unreadable, *left_out(report.run.get("skipped", {}))]
    return f"Looked at {count(seen, 'image')}{where}; not looked at: {', '.join(rest) or 'nothing'}."


def _classes(report: ScanReport, counts: Counts) -> int:
    """How many classes there are; an image of several has them all in its label, with `;` between."""
    labels = counts.labels - {""}
    if report.run.get("several_labels"):
        labels = {one for label in labels for one in label.split(";")}
    return len(labels)


@dataclass(frozen=True, slots=True)
class Split:
    """A split: how many of its images could be read, have a class of the net, and are predicted as that class."""

    name: str
    images: int
    labelled: int
    agreeing: int

    @property
    def words(self) -> str:
        """How many are predicted as their class."""
        if not self.labelled:
            return f"{self.name}: {count(self.images, 'image')}, of no class of the net"
        return f"{self.name}: {self.agreeing:,} of {self.labelled:,} ({self.agreeing / self.labelled:.1%})"


def splits_of(run: Mapping[str, Any]) -> list[Split]:
    """The splits of a data set, by name; `run`: what run.json says, which may be a stranger's."""
    said = run.get("splits")
    numbers = ("images", "labelled", "agreeing")
    return [
        Split(str(name), *(of_split[number] for number in numbers))
        for name, of_split in sorted(said.items() if isinstance(said, dict) else ())
        if isinstance(of_split, dict) and all(isinstance(of_split.get(number), int) for number in numbers)
    ]


def left_out(skipped: Mapping[str, Any]) -> list[str]:
    """What is below the data set but not scanned, a phrase for each kind; `skipped`: as run.json has it."""
    kinds = sorted(skipped.get("kinds", {}).items(), key=lambda kind: (-kind[1]["files"], kind[0]))
    words = [
        f"{of_kind['files']:,} {suffix} ({of_kind['example']})"
        if suffix
        else f"{count(of_kind['files'], 'file')} of unknown kind without suffix ({of_kind['example']})"
        for suffix, of_kind in kinds[:MAX_KINDS]
    ]
    if len(kinds) > MAX_KINDS:
        files = sum(of_kind["files"] for _, of_kind in kinds[MAX_KINDS:])
        words.append(f"{count(files, 'file')} of {count(len(kinds) - MAX_KINDS, 'other kind')}")
    words += [
        f"{entries:,} by --exclude {pattern}" for pattern, entries in skipped.get("excluded", {}).items() if entries
    ]
    if skipped.get("links"):
        words.append(f"{count(skipped['links'], 'link')} to outside")
    if skipped.get("split"):
        words.append(f"{count(skipped['split'], 'image')} of other splits")
    if skipped.get("limit"):
        words.append(f"{count(skipped['limit'], 'image')} by --limit")
    return words


def ways_of_reading(run: Mapping[str, Any]) -> list[str]:
    """A line for each way in which pixel values became 8 bits; `run`: what run.json says."""
    ways = sorted(run.get("readings", {}).items(), key=lambda way: (-way[1], way[0]))
    return [f"  {images:,} x read from {words}" for words, images in ways[:MAX_KINDS]] + (
        [f"  and in {count(len(ways) - MAX_KINDS, 'other way')}"] if len(ways) > MAX_KINDS else []
    )


def coverage(run: Mapping[str, Any]) -> list[str]:
    """How many images have an object and how much it covers, in a line; none where nothing is annotated."""
    found = run.get("annotations")
    if not found:
        return []
    covers = f", object covers {100 * found['mean_area']:.0f} % of the picture on average" if found["images"] else ""
    return [f"{found['kind']}: {found['images']:,} of {count(found['of'], 'image')}{covers}"]
