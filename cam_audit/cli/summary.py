"""The words that end a scan."""

from __future__ import annotations

import textwrap
from pathlib import Path

from cam_audit.findings.codes import CODES, severity_counts
from cam_audit.records import ScanReport
from cam_audit.reports.counts import Counts, counts_of
from cam_audit.reports.lines import confused_pairs
from cam_audit.reports.looked_at import coverage, looked_at, ways_of_reading
from cam_audit.reports.output_folder import FINDINGS_FILE, PICTURE_FOLDERS, REPORT_FILE, RESULTS_FILE
from cam_audit.reports.part_marks import marked_shortcuts, shortcut_message
from cam_audit.text import count, printable

INDENT = " " * 9
MAX_CLASSES = 5
MAX_REASONS = 3


def summary(report: ScanReport) -> str:
    """The summary of a scan: images and errors, agreement with the folders, findings, and where the output is."""
    counts, out = counts_of(report), Path(report.run["settings"]["out"])
    seconds = report.run["seconds"]
    rate = counts.images / seconds if seconds else 0.0
    lines = [f"{count(counts.images, 'image')}, {count(counts.errors, 'error')}, {rate:.1f} images/s"]
    lines += [f"  {times} x {reason}" for reason, times in counts.reasons.most_common(MAX_REASONS)]
    lines += ways_of_reading(report.run) + coverage(report.run)
    if counts.labelled:
        right, labelled = counts.agreeing, counts.labelled
        lines.append(f"prediction = folder in {right} of {labelled} ({right / labelled:.1%})")
        lines += _worst(counts) + _confused_pairs(report)
    lines += ["", *_findings(report), ""]
    pictures = [folder for folder in PICTURE_FOLDERS if any((out / folder).glob("*"))]
    lines += [f"{name:15} {out / name}" for name in (*pictures, RESULTS_FILE, FINDINGS_FILE, REPORT_FILE)]
    lines += ["", looked_at(report, counts)]
    return "\n".join(map(printable, lines))


def _findings(report: ScanReport) -> list[str]:
    counts = [count(number, severity) for severity, number in severity_counts(report.findings).items() if number]
    if report.findings:
        lines = [f"{count(len(report.findings), 'finding')} ({', '.join(counts)})"]
    else:
        lines = ["no findings" if report.run.get("sampled") else "cues could not be looked for"]
    for finding in report.findings:
        lines += [
            "",
            f"{finding.severity:8} {finding.code} {finding.label or 'all images'}: {CODES[finding.code].title}",
        ]
        lines += textwrap.wrap(finding.message, 100, initial_indent=INDENT, subsequent_indent=INDENT)
        if finding.examples:
            lines.append(f"{INDENT}for example {finding.examples[0].path}")
    for part in marked_shortcuts(report):
        lines += [
            "",
            f"{'shortcut':8} part {part.number} of {part.label}: a part that was marked a shortcut is still there",
        ]
        lines += textwrap.wrap(shortcut_message(part), 100, initial_indent=INDENT, subsequent_indent=INDENT)
    return lines + [f"note: {note}" for note in report.notes]


def _confused_pairs(report: ScanReport) -> list[str]:
    """The pairs of folder and prediction that differ most often, and how alike the maps of the two classes are."""
    pairs = confused_pairs(report.confused)[:MAX_CLASSES]
    lines = ["confused pairs (how alike the maps of the two classes are, -1 to 1):"] if pairs else []
    for pair in pairs:
        words = f"{pair.label} taken for {pair.predicted} {pair.images} x; maps alike {pair.correlation:.2f}"
        lines.append(f"  {words}")
    return lines


def _worst(counts: Counts) -> list[str]:
    """The folders whose images are most often predicted as something else, with what they are taken for."""
    wrong = {label: of_class for label, of_class in counts.classes.items() if of_class.mistaken}

    def order(label: str) -> tuple[float, int, str]:
        mistakes = wrong[label].mistaken.total()
        return -mistakes / wrong[label].labelled, -mistakes, label

    lines = ["worst classes:"] if wrong else []
    for label in sorted(wrong, key=order)[:MAX_CLASSES]:
        other, times = wrong[label].mistaken.most_common(1)[0]
        right = f"{wrong[label].agreeing} of {wrong[label].labelled} right"
        lines.append(f"  {label}: {right}; taken for {other} {times} x")
    if len(wrong) > MAX_CLASSES:
        lines.append(f"  and {len(wrong) - MAX_CLASSES} more with wrong predictions")
    return lines
