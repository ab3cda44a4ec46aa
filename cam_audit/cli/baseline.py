"""`cam-audit baseline`: accept what a scan found, so that `scan --baseline` fails only for what is new."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cam_audit.cli.helpful import HelpfulCommand
from cam_audit.cli.outputs import place_of
from cam_audit.cli.process.exits import Exit
from cam_audit.cli.terminal import note, say
from cam_audit.errors import CamAuditError
from cam_audit.findings.codes import CODES
from cam_audit.text import count, printable

if TYPE_CHECKING:
    from cam_audit.records import Finding
    from cam_audit.reports.baseline import Baseline, Entry, Judgement
    from cam_audit.reports.part_marks import Answer, PartEntry
    from cam_audit.reports.review import Review
    from cam_audit.reports.scan_report import ScanReport

DEFAULT_FILE = Path(".cam-audit-baseline.json")


@click.command(cls=HelpfulCommand, short_help="Accept findings, so that scans fail only for new ones.")
@click.argument("out", type=click.Path(path_type=Path), metavar="OUT")
@click.option(
    "-b", "--baseline", "file", type=click.Path(path_type=Path), default=DEFAULT_FILE, show_default=True,
    metavar="FILE", help="The baseline to write; one that is there is replaced.",
)  # fmt: skip
@click.option(
    "--review", type=click.Path(path_type=Path), metavar="FILE",
    help="A review.json saved in report.html: accept only what it marks fine.",
)  # fmt: skip
def baseline(out: Path, file: Path, review: Path | None) -> int:
    """Accept the findings of the scan in the folder OUT: `cam-audit scan --baseline FILE` fails only for others.

    Every finding is accepted with its effect and the interval of that: when the effect grows beyond the interval, or
    the finding gets graver and its interval leaves no doubt, it counts as new. With --review only
    the findings and images marked fine are accepted; those marked shortcut or unsure, or not marked, are left to fail.
    Of the parts of what the net looks at, the marks shortcut and fine are taken along: a part marked shortcut makes
    later scans of the same net fail while it carries a tenth of its class's score.
    The file is sorted and has no time in it, so that it can be kept in git and its changes read.
    """
    from cam_audit.files import replacing
    from cam_audit.reports.baseline import baseline_of, not_asked, read_baseline, render
    from cam_audit.reports.output_folder import is_own_file, read_results
    from cam_audit.reports.part_maps import read_part_maps
    from cam_audit.reports.part_marks import contradiction
    from cam_audit.reports.review import read_review

    report = read_results(out)
    marks = read_review(review) if review else None
    if marks and marks.model_sha256 != report.run["model"]["sha256"]:
        raise CamAuditError(f"{review}: made about another net than the scan in {out}; review that scan's report")
    if marks and (label := contradiction(marks, report)) is not None:
        raise CamAuditError(
            f"{review}: marks CA207 of {label!r} as a shortcut, and all of the class's parts in the surroundings as "
            "fine; mark one of them otherwise in report.html"
        )
    before = read_baseline(file) if file.exists() else None
    if is_own_file(place_of(file)):
        raise CamAuditError(f"{file}: a file of the scan's own; name another with -b")
    accepted = baseline_of(report, marks, read_part_maps(out) if marks and marks.parts else None)
    if before:
        # the scan says nothing about them
        accepted = replace(accepted, findings={**not_asked(before, report), **accepted.findings})
    with replacing(file) as text:
        text.write(render(accepted))
    if marks:
        _tell_review(marks, report, accepted)
    say("\n".join(map(printable, _written(file, report, accepted, before))))
    return Exit.CLEAN


def judgement(file: Path, judged: Judgement) -> str:
    """The lines that end a scan with a baseline: what is new, known and stale, and what has changed since."""
    counts = ", ".join(
        f"{len(part)} {name}" for part, name in ((judged.new, "new"), (judged.known, "known"), (judged.stale, "stale"))
    )
    lines = ["", f"baseline {file}: {counts}"]
    for finding in judged.new:
        entry = judged.grown.get(finding.fingerprint)
        lines.append(_line("new", finding) + (_grown(entry, finding) if entry else ""))
    lines += [_line("known", finding) for finding in judged.known]
    lines += [_line("stale", entry) + " (accepted, and not found any more)" for entry in judged.stale]
    lines += map(_part_line, judged.parts)
    lines += [
        f"{'stale':8} {entry.verdict:8} {_marked_part(entry)} (no part is like it any more; look at the class's parts)"
        for entry in judged.stale_parts
    ]
    if judged.fine:
        lines.append(f"{count(judged.flagged, 'flagged image')}, {judged.fine:,} of them marked fine")
    if judged.model_changed:
        accepted = judged.accepted
        lines.append(
            f"note: the net is not the baseline's ({accepted.net}, sha256 {accepted.model_sha256[:12]}); what was "
            "accepted for that one is accepted for this one too, unless it is graver"
        )
        if accepted.parts:
            lines.append(
                f"note: the baseline's {count(len(accepted.parts), 'mark')} of parts say nothing about another net; "
                "mark its parts in this scan's report"
            )
    lines += [
        f"note: threshold of {name}: {now}; the baseline's: {old}" for name, (old, now) in judged.thresholds.items()
    ]
    return "\n".join(map(printable, lines))


def _written(file: Path, report: ScanReport, accepted: Baseline, before: Baseline | None) -> list[str]:
    images = f" and {count(len(accepted.images), 'image')}" if accepted.images else ""
    from cam_audit.reports.baseline import not_asked

    kept = not_asked(before, report) if before else {}
    taken = len(accepted.findings) - len(kept)
    lines = [f"{file}: {taken} of {count(len(report.findings), 'finding')}{images} accepted"]
    if kept:
        lines[0] += f", {len(kept)} kept of codes that were not looked for"
    for verdict, number in sorted(Counter(entry.verdict for entry in accepted.parts).items()):
        lines[0] += f", {count(number, 'part')} marked {verdict}"
    if before:
        gone = [entry for key, entry in before.findings.items() if key not in accepted.findings]
        lines += [_line("dropped", entry) + " (accepted in the file that was there)" for entry in gone]
        marked = {(entry.verdict, entry.label, entry.examples) for entry in accepted.parts}
        lines += [
            f"{'dropped':8} {entry.verdict:8} {_marked_part(entry)} (marked in the file that was there)"
            for entry in before.parts
            if (entry.verdict, entry.label, entry.examples) not in marked
        ]
    return lines


def _tell_review(marks: Review, report: ScanReport, accepted: Baseline) -> None:
    present = {finding.fingerprint for finding in report.findings}
    verdicts = Counter(marks.findings.get(fingerprint, "not marked") for fingerprint in present)
    left = [f"{number} {verdict}" for verdict, number in sorted(verdicts.items()) if verdict != "fine"]
    if left:
        note(f"left to fail: {', '.join(left)}")
    strange = len(marks.findings.keys() - present)
    if strange:
        note(f"{count(strange, 'mark')} of the review on findings that this scan does not have")
    from cam_audit.reports.review import UNSURE

    lost = sum(verdict != UNSURE for verdict in marks.parts.values()) - len(accepted.parts)
    if lost:
        note(
            f"{count(lost, 'mark')} of the review on parts that this scan does not have, or of which it kept no "
            "direction; scan again and mark them anew"
        )


def _part_line(answer: Answer) -> str:
    """What became of a part that was marked."""
    from cam_audit.reports.part_marks import carries
    from cam_audit.reports.review import FINE

    entry, part = answer.entry, answer.part
    word = FINE if entry.verdict == FINE else "shortcut" if carries(part) else "weak"
    shares = f"{part.share:.0%} of the score, {entry.share:.0%} when it was marked {entry.verdict}"
    return f"{word:8} part {part.number} of {part.label}: {shares}"


def _marked_part(entry: PartEntry) -> str:
    example = f", for example {entry.examples[0]}" if entry.examples else ""
    return f"a part of {entry.label} with {entry.share:.0%} of the score{example}"


def _grown(entry: Entry, finding: Finding) -> str:
    """What was accepted of a finding that is more now."""
    if entry.severity != finding.severity:
        return f" (accepted as {entry.severity})"
    return " (accepted with a smaller effect)"


def _line(word: str, item: Finding | Entry) -> str:
    title = CODES[item.code].title if item.code in CODES else "a code of another version"
    return f"{word:8} {item.severity:8} {item.code} {item.label or 'all images'}: {title}"
