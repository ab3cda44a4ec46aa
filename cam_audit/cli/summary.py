"""The words that end a scan."""

from __future__ import annotations

import textwrap
from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from cam_audit.findings.codes import CODES, severity_counts
from cam_audit.records import MAPS_FOLDER, ImageRow, ScanReport
from cam_audit.reports.folder import FINDINGS_FILE, OVERLAYS_FOLDER, REPORT_FILE, RESULTS_FILE
from cam_audit.reports.lines import confused_pairs
from cam_audit.reports.text import count, printable

INDENT = " " * 9
MAX_CLASSES = 5
MAX_REASONS = 3


@dataclass
class Tally:
    """Running counts over the images of a scan.

    `wrong`: per folder, what its images are taken for instead; `border_shares`: per folder, of each image's map.
    """

    images: int = 0
    errors: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    labelled: Counter[str] = field(default_factory=Counter)
    wrong: dict[str, Counter[str]] = field(default_factory=dict)
    border_shares: dict[str, array[float]] = field(default_factory=dict)

    def add(self, row: ImageRow) -> None:
        """Count one image."""
        self.images += 1
        if row.error:
            self.errors += 1
            self.reasons[row.error] += 1
            return
        if row.cam_border_share is not None:
            self.border_shares.setdefault(row.label, array("d")).append(row.cam_border_share)
        if row.label_score is not None:
            self.labelled[row.label] += 1
            if "CA104" in row.flags:
                self.wrong.setdefault(row.label, Counter())[row.top[0][0]] += 1


def tally_of(rows: Iterable[ImageRow]) -> Tally:
    """The counts over all images of a scan."""
    tally = Tally()
    for row in rows:
        tally.add(row)
    return tally


def summary(report: ScanReport) -> str:
    """The summary of a scan: images and errors, agreement with the folders, findings, and where the output is."""
    tally, out = tally_of(report.images), Path(report.folder)
    seconds = report.run["seconds"]
    rate = tally.images / seconds if seconds else 0.0
    lines = [f"{count(tally.images, 'image')}, {count(tally.errors, 'error')}, {rate:.1f} images/s"]
    lines += [f"  {times} x {reason}" for reason, times in tally.reasons.most_common(MAX_REASONS)]
    labelled = tally.labelled.total()
    if labelled:
        right = labelled - sum(counts.total() for counts in tally.wrong.values())
        lines.append(f"prediction = folder in {right} of {labelled} ({right / labelled:.1%})")
        lines += _worst(tally) + _confused_pairs(report)
    lines += ["", *_findings(report), ""]
    pictures = [folder for folder in (OVERLAYS_FOLDER, MAPS_FOLDER) if any((out / folder).glob("*"))]
    lines += [f"{name:13} {out / name}" for name in (*pictures, RESULTS_FILE, FINDINGS_FILE, REPORT_FILE)]
    return "\n".join(map(printable, lines))


def _findings(report: ScanReport) -> list[str]:
    counts = [count(number, severity) for severity, number in severity_counts(report.findings).items() if number]
    if report.findings:
        lines = [f"{count(len(report.findings), 'finding')} ({', '.join(counts)})"]
    else:
        lines = ["no findings"]
    for finding in report.findings:
        lines += [
            "",
            f"{finding.severity:8} {finding.code} {finding.label or 'all images'}: {CODES[finding.code].title}",
        ]
        lines += textwrap.wrap(finding.message, 100, initial_indent=INDENT, subsequent_indent=INDENT)
        if finding.examples:
            lines.append(f"{INDENT}for example {finding.examples[0].path}")
    return lines + [f"note: {note}" for note in report.notes]


def _confused_pairs(report: ScanReport) -> list[str]:
    """The pairs of folder and prediction that differ most often, and how alike the maps of the two classes are."""
    pairs = confused_pairs(report.confused)[:MAX_CLASSES]
    lines = ["confused pairs (how alike the maps of the two classes are, -1 to 1):"] if pairs else []
    for pair in pairs:
        words = f"{pair.label} taken for {pair.predicted} {pair.images} x; maps alike {pair.correlation:.2f}"
        lines.append(f"  {words}")
    return lines


def _worst(tally: Tally) -> list[str]:
    """The folders whose images are most often predicted as something else, with what they are taken for."""

    def order(label: str) -> tuple[float, int, str]:
        wrong = tally.wrong[label].total()
        return -wrong / tally.labelled[label], -wrong, label

    lines = ["worst classes:"] if tally.wrong else []
    for label in sorted(tally.wrong, key=order)[:MAX_CLASSES]:
        counts = tally.wrong[label]
        total = tally.labelled[label]
        other, times = counts.most_common(1)[0]
        lines.append(f"  {label}: {total - counts.total()} of {total} right; taken for {other} {times} x")
    if len(tally.wrong) > MAX_CLASSES:
        lines.append(f"  and {len(tally.wrong) - MAX_CLASSES} more with wrong predictions")
    return lines
