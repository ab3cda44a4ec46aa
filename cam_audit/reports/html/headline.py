"""The verdict in a sentence that somebody who has never seen a report understands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import median

from cam_audit.findings.codes import ERROR, FULL_IMAGES, NOTE, SEVERITIES, WARNING
from cam_audit.reports.html.steps import caveat
from cam_audit.reports.scan_report import ScanReport
from cam_audit.reports.verdict import Verdict

MAX_NAMED = 3


@dataclass(frozen=True)
class Headline:
    """The sentence, what to do about it, and how grave it is: a severity, "clean" or "unknown"."""

    gravity: str
    sentence: str
    advice: str


def headline(report: ScanReport, verdict: Verdict) -> Headline:
    """The verdict on a scan in words."""
    on_cues = _of_cues(report, verdict)
    limits, pairs = (_reasons(filter(None, [words])) for words in (verdict.limits, verdict.of_pairs))
    if verdict.severity is not None:
        return replace(on_cues, advice=" ".join(filter(None, [on_cues.advice, pairs, limits])))
    if not pairs:
        return on_cues
    gravest = max((finding.severity for finding in verdict.pairs), key=SEVERITIES.index)
    return Headline(gravest, pairs, limits if verdict.nothing_known else f"{on_cues.sentence} {on_cues.advice}")


def _of_cues(report: ScanReport, verdict: Verdict) -> Headline:
    """The verdict on what gives classes away."""
    classes, affected = verdict.classes, verdict.affected
    scope = f"{len(affected)} of {classes} classes" if classes > 1 else "this data set"
    named = f": {_some(affected)}" if any(affected) and classes > 1 else ""
    if verdict.severity == ERROR:
        return Headline(
            ERROR,
            f"Suspicious: in {scope}, predictions change with something that may not be the thing itself{named}.",
            "This was seen by changing pictures. Whether each is a shortcut or belongs to the class, you decide; "
            "until then, don't rely on this net for photos from elsewhere.",
        )
    if verdict.severity == WARNING:
        return Headline(
            WARNING,
            f"Suspicious: in {scope}, the net's score moves with something that may not be the thing itself{named}.",
            "Predictions did not change for certain more often than with a control. Look at the examples and decide.",
        )
    if verdict.severity == NOTE:
        return Headline(
            NOTE,
            f"Worth a look: in {scope}, something gives the class away{named}.",
            _of_notes(report),
        )
    if verdict.nothing_known:
        # the verdict's reason says more than the note of the same words
        notes = [verdict.why if note in verdict.why else note for note in report.notes]
        reasons = _reasons(notes or filter(None, [verdict.why]))
        measured = [(row.inside_share, row.inside_area or 0.0) for row in report.images if row.inside_share is not None]
        if measured:
            inside, area = (median(shares) for shares in zip(*measured, strict=True))
            than = "more" if inside > area else "no more"
            return Headline(
                "unknown",
                f"The net's maps lie on the annotated objects {than} than their size would give: {inside:.0%} of a "
                f"map, on {area:.0%} of the image.",
                f"Medians of {len(measured)} images. {reasons}".strip(),
            )
        return Headline(
            "unknown",
            "Cues could not be looked for.",
            reasons or "The images were scanned; what the net looks at in each is below.",
        )
    looked_at = verdict.looked_in
    of_all = f" of {classes}" if looked_at < classes else ""
    rest = "".join(
        f" {words}" for words in (_reasons(report.notes) if of_all else "", _reasons([verdict.choice])) if words
    )
    sought = "were looked for" if verdict.left_out else "cam-audit knows"
    return Headline(
        "clean",
        f"No shortcut was found in {looked_at}{of_all} {'class' if max(looked_at, classes) == 1 else 'classes'}.",
        f"That is no proof that there is none: it means that none of the cues that {sought} tells the classes "
        f"apart here.{rest}",
    )


def _of_notes(report: ScanReport) -> str:
    """What notes establish: a class may be too small for a verdict, whatever its images show."""
    cues = [finding for finding in report.findings if not finding.pairs]
    if any(finding.evidence.get("images", FULL_IMAGES) < FULL_IMAGES for finding in cues):
        return (
            f"A class of fewer than {FULL_IMAGES} images is too small for a verdict: add images and scan again. A net "
            "trained on these photos might go by it."
        )
    if any(map(caveat, cues)):
        return "Predictions changed in some tests, but not so that it speaks for this cue alone; each finding says why."
    return "Nothing shows for certain that the net goes by it. A net trained on these photos might."


def _some(labels: Sequence[str]) -> str:
    if len(labels) > MAX_NAMED + 1:
        return f"{', '.join(labels[:MAX_NAMED])} and {len(labels) - MAX_NAMED} more"
    return f"{', '.join(labels[:-1])} and {labels[-1]}" if len(labels) > 1 else labels[0]


def _reasons(notes: Iterable[str]) -> str:
    return "".join(f"{note[:1].upper()}{note[1:]}. " for note in notes).strip()
