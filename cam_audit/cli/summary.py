"""The words that end a scan."""

from __future__ import annotations

import textwrap
from pathlib import Path

from cam_audit.cli.process.resuming import command_with
from cam_audit.findings.codes import CODES, severity_counts
from cam_audit.reports.counts import Counts, counts_of
from cam_audit.reports.lines import confused_pairs, worst_group_told
from cam_audit.reports.looked_at import coverage, looked_at, splits_of, ways_of_reading
from cam_audit.reports.output_folder import FINDINGS_FILE, PICTURE_FOLDERS, PROPOSALS_FILE, REPORT_FILE, RESULTS_FILE
from cam_audit.reports.part_marks import marked_shortcuts, shortcut_message
from cam_audit.reports.scan_report import ScanReport
from cam_audit.reports.verdict import Verdict, verdict_on
from cam_audit.text import count, printable

INDENT = " " * 9
MAX_CLASSES = 5
MAX_REASONS = 3
# What the net says of each image is printed for so few images.
MAX_PREDICTIONS = 8


def summary(report: ScanReport, width: int = 100) -> str:
    """The summary of a scan: images and errors, agreement with the folders, findings, and where the output is.

    width: the columns in which messages are set.
    """
    counts, out = counts_of(report), Path(report.run["settings"]["out"])
    seconds = report.run["seconds"]
    rate = counts.images / seconds if seconds else 0.0
    lines = [f"{count(counts.images, 'image')}, {count(counts.errors, 'error')}, {rate:.1f} images/s"]
    lines += [f"  {times} x {reason}" for reason, times in counts.reasons.most_common(MAX_REASONS)]
    lines += ways_of_reading(report.run) + coverage(report.run) + _predictions(report)
    if counts.labelled:
        right, labelled = counts.agreeing, counts.labelled
        lines.append(f"prediction = folder in {right} of {labelled} ({right / labelled:.1%})")
        lines += [f"  {split.words}" for split in splits_of(report.run)]
        lines += _worst(counts) + _confused_pairs(report)
    lines += _wrong_labels(report) + _worst_group(report)
    lines += ["", *_findings(report, verdict_on(report, counts), width), ""]
    pictures = [folder for folder in PICTURE_FOLDERS if any((out / folder).glob("*"))]
    lines += [f"{name:15} {out / name}" for name in (*pictures, RESULTS_FILE, FINDINGS_FILE, REPORT_FILE)]
    if report.run.get("proposed_labels"):
        file = str(out / PROPOSALS_FILE)
        lines += [
            "",
            f"{file} proposes a class for each folder; look it over, then run {command_with('--labels', file)}",
        ]
    lines += ["", looked_at(report, counts)]
    return "\n".join(map(printable, lines))


def limits(report: ScanReport) -> str:
    """What was not looked for, or where not, in one line; "" if there is nothing to say."""
    return verdict_on(report, counts_of(report)).limits


def _findings(report: ScanReport, verdict: Verdict, width: int) -> list[str]:
    counts = [count(number, severity) for severity, number in severity_counts(report.findings).items() if number]
    if report.findings:
        lines = [f"{count(len(report.findings), 'finding')} ({', '.join(counts)})"]
    else:
        lines = ["no findings"] if verdict.all_clear else []
    lines += [verdict.limits] if verdict.limits else []
    for finding in report.findings:
        lines += [
            "",
            f"{finding.severity:8} {finding.code} {finding.label or 'all images'}: {CODES[finding.code].title}",
        ]
        lines += textwrap.wrap(finding.message, width, initial_indent=INDENT, subsequent_indent=INDENT)
        if finding.examples:
            example = " and ".join(finding.pairs[0].paths) if finding.pairs else finding.examples[0].path
            lines.append(f"{INDENT}for example {example}")
    for part in marked_shortcuts(report):
        lines += [
            "",
            f"{'shortcut':8} part {part.number} of {part.label}: a part that was marked a shortcut is still there",
        ]
        lines += textwrap.wrap(shortcut_message(part), width, initial_indent=INDENT, subsequent_indent=INDENT)
    return lines + [f"note: {note}" for note in report.notes if note not in verdict.limits]


def _predictions(report: ScanReport) -> list[str]:
    """What the net says of each image, where there are few."""
    if len(report.images) > MAX_PREDICTIONS:
        return []
    return [
        f"  {image.path}: {', '.join(f'{name} {score:.1%}' for name, score in image.top)}"
        for image in report.images
        if image.top
    ]


def _confused_pairs(report: ScanReport) -> list[str]:
    """The pairs of folder and prediction that differ most often, and how alike the maps of the two classes are."""
    pairs = confused_pairs(report.confused)[:MAX_CLASSES]
    lines = ["confused pairs (how alike the maps of the two classes are, -1 to 1):"] if pairs else []
    for pair in pairs:
        words = f"{pair.label} taken for {pair.predicted} {pair.images} x; maps alike {pair.correlation:.2f}"
        lines.append(f"  {words}")
    return lines


def _wrong_labels(report: ScanReport) -> list[str]:
    """How many labels are likely wrong, and the likeliest of them."""
    images = report.wrong_labels
    lines = [f"{count(len(images), 'label')} likely wrong (CA106):"] if images else []
    for image in images[:MAX_CLASSES]:
        lines.append(f"  {image.path}: {image.likely} {image.score:.0%}, {image.label} {image.label_score:.2%}")
    if len(images) > MAX_CLASSES:
        lines.append(f"  and {len(images) - MAX_CLASSES:,} more, ranked in {FINDINGS_FILE}")
    return lines


def _worst_group(report: ScanReport) -> list[str]:
    """The value of metadata for which the net is least right."""
    return [f"worst group: {words}" for words in [worst_group_told(report)] if words]


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
