"""The words that end a scan."""

from __future__ import annotations

import textwrap
from array import array
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from cam_audit.findings.codes import CODES, SEVERITIES
from cam_audit.profile import Profile
from cam_audit.records import MAPS_FOLDER, AuditReport, Record, SkippedImage
from cam_audit.reports.folder import FINDINGS_FILE, OVERLAYS_FOLDER, REPORT_FILE, RESULTS_FILE
from cam_audit.reports.lines import confused_pairs
from cam_audit.text import count, printable

INDENT = " " * 9
MAX_CLASSES = 5
MAX_REASONS = 3


@dataclass
class Tally:
    """Running counts over the records of a scan.

    `wrong`: per folder, what its images are taken for instead; `border_shares`: per folder, of each image's map.
    """

    images: int = 0
    errors: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    labelled: Counter[str] = field(default_factory=Counter)
    wrong: dict[str, Counter[str]] = field(default_factory=dict)
    border_shares: dict[str, array[float]] = field(default_factory=dict)

    def add(self, record: Record) -> None:
        """Count one record."""
        self.images += 1
        if isinstance(record, SkippedImage):
            self.errors += 1
            self.reasons[record.reason] += 1
            return
        label = record.source.label
        if record.cam.border_share is not None:
            self.border_shares.setdefault(label, array("d")).append(record.cam.border_share)
        if record.agrees is not None:
            self.labelled[label] += 1
            if not record.agrees:
                self.wrong.setdefault(label, Counter())[record.scores[0].class_name] += 1


@dataclass(frozen=True)
class Outcome:
    """What a scan came to: where its files are, its tally, its audit, the seconds it took, and where they went."""

    out: Path
    tally: Tally
    report: AuditReport
    seconds: float
    profile: Profile | None = None


def severity_counts(report: AuditReport) -> dict[str, int]:
    """How many findings there are of each severity, gravest first."""
    counts = Counter(finding.severity for finding in report.findings)
    return {severity: counts[severity] for severity in reversed(SEVERITIES)}


def summary(outcome: Outcome) -> str:
    """The summary of a scan: images and errors, agreement with the folders, findings, and where the output is."""
    tally = outcome.tally
    rate = tally.images / outcome.seconds if outcome.seconds else 0.0
    lines = [f"{count(tally.images, 'image')}, {count(tally.errors, 'error')}, {rate:.1f} images/s"]
    lines += [f"  {times} x {reason}" for reason, times in tally.reasons.most_common(MAX_REASONS)]
    labelled = tally.labelled.total()
    if labelled:
        right = labelled - sum(counts.total() for counts in tally.wrong.values())
        lines.append(f"prediction = folder in {right} of {labelled} ({right / labelled:.1%})")
        lines += _worst(tally) + _confused_pairs(outcome.report)
    lines += ["", *_findings(outcome), ""]
    pictures = [folder for folder in (OVERLAYS_FOLDER, MAPS_FOLDER) if any((outcome.out / folder).glob("*"))]
    lines += [f"{name:13} {outcome.out / name}" for name in (*pictures, RESULTS_FILE, FINDINGS_FILE, REPORT_FILE)]
    return "\n".join(map(printable, lines))


def stage_table(profile: Profile, images: int, seconds: float) -> str:
    """Where the time of a scan of so many images went: of each stage, the core time per image and its share."""
    rows = profile.rows()
    total = sum(rows.values())
    lines = [f"{'stage':10}{'ms an image':>12}{'of core time':>14}"]
    lines += [
        f"{stage:10}{1000 * spent / max(images, 1):12.2f}{spent / total if total else 0:14.1%}"
        for stage, spent in rows.items()
    ]
    lines += [
        f"{'all':10}{1000 * total / max(images, 1):12.2f}{1:14.1%}",
        f"scan {profile.elapsed:.2f} s; before and after it {seconds - profile.elapsed:.2f} s "
        "(finding images and cues, evidence)",
    ]
    return "\n".join(lines)


def _findings(outcome: Outcome) -> list[str]:
    report = outcome.report
    counts = [count(number, severity) for severity, number in severity_counts(report).items() if number]
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


def _confused_pairs(report: AuditReport) -> list[str]:
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
