"""What a scan looked at and what it did not, in the sentence that ends it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cam_audit.records import ScanReport
from cam_audit.reports.counts import Counts
from cam_audit.text import count

MAX_KINDS = 5


def looked_at(report: ScanReport, counts: Counts) -> str:
    """One sentence: images and classes that were looked at; what was unreadable or left out, by kind."""
    seen = counts.images - counts.errors
    classes = len(counts.labels - {""}) if seen else 0
    where = f" in {count(classes, 'class', 'classes')}" if classes else ""
    unreadable = [f"{counts.errors:,} unreadable"] if counts.errors else []
    rest = [*unreadable, *left_out(report.run.get("skipped", {}))]
    return f"Looked at {count(seen, 'image')}{where}; not looked at: {', '.join(rest) or 'nothing'}."


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
