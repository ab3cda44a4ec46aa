"""What a report comes to in words, the same in every format: the verdict, the evidence, the confused pairs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from cam_audit.records import ConfusedImage, Finding
from cam_audit.reports.counts import totals_of
from cam_audit.reports.looked_at import looked_at
from cam_audit.reports.scan_report import ScanReport
from cam_audit.reports.verdict import verdict_on
from cam_audit.text import count

MAX_NAMED = 5
# What the gravest finding of a class establishes; `{}` is "1 of 3 classes is" or the like.
ESTABLISHED = {
    "error": "{} suspicious: predictions change with a cue",
    "warning": "{} suspicious: the score moves with a cue, but hardly any prediction changes",
    "note": "{} told by a cue; that the net goes by it is not established",
}


@dataclass(frozen=True, slots=True)
class EvidenceLines:
    """The three lines of evidence of a finding in numbers; "" where one was not measured."""

    cue: str
    use: str
    counterfactual: str


@dataclass(frozen=True, slots=True)
class ConfusedPair:
    """How often images of a folder are taken for another class; `correlation`: median of the two classes' maps."""

    label: str
    predicted: str
    images: int
    correlation: float


def verdict(report: ScanReport) -> str:
    """One sentence: how many classes are suspicious, what is established of them at most, and what was not seen."""
    counts = totals_of(report)
    images = count(counts.images, "image")
    rest = f"{counts.errors} of {images} could not be read" if counts.errors else ""
    decided = verdict_on(report, counts)
    rest = "".join(f"; {words}" for words in (decided.of_pairs, rest) if words)
    if decided.nothing_known:
        why = f": {decided.why}" if decided.why else ""
        choice = f"; {decided.choice}" if decided.choice else ""
        return f"Cues could not be looked for in {images}{why}{choice}{rest}."
    if decided.limits:
        rest = f"; {decided.limits}{rest}"
    if decided.severity is None:
        return f"No {'cue was found' if decided.pairs else 'findings'} in {images}{rest}."
    affected = decided.affected
    subject = f"{len(affected)} of {count(decided.classes, 'class', 'classes')} {'is' if len(affected) == 1 else 'are'}"
    return f"{ESTABLISHED[decided.severity].format(subject)} ({_named(affected)}){rest}."


def scope(report: ScanReport) -> str:
    """One sentence: what the scan looked at, and what not."""
    return looked_at(report, totals_of(report))


def evidence(finding: Finding) -> EvidenceLines:
    """What of a finding is there, what the net looks at, and what the prediction follows, in numbers.

    Of CA205 there is no cue; how much of the map lies on the object stands for it. Of pairs, how many there are.
    """
    numbers = finding.evidence
    if "inside_share" in numbers:
        return EvidenceLines(
            cue=f"{numbers['inside_share']:.0%} of the map on the object, {numbers['inside_area']:.0%} of the image",
            use="",
            counterfactual=f"wins without the object in {numbers['wins_without']:.0%}",
        )
    if "pairs" in numbers:
        return EvidenceLines(
            cue=f"{numbers['pairs']:.0f} pairs of images, {numbers.get('same_pixels', 0):.0f} with the same pixels",
            use="",
            counterfactual="",
        )
    cue = f"score {numbers['score']:.2f}, reported from {numbers['threshold']:.2f}"
    if "hits" in numbers:
        cue = f"in {numbers['hits']:.0f} of {numbers['images']:.0f} images; {cue}"
    shown = [
        f"{word}: {numbers[f'{prefix}turned']:.0f} of {numbers[f'{prefix}targets']:.0f} turned, "
        f"{numbers[f'{prefix}control_turned']:.0f} with a control ({numbers[f'{prefix}flips']:+.0%}, 95% interval "
        f"{numbers[f'{prefix}flips_low']:+.0%} to {numbers[f'{prefix}flips_high']:+.0%})"
        for prefix, word in (("", "planted"), ("taken_", "taken away"))
        if f"{prefix}turned" in numbers
    ]
    return EvidenceLines(
        cue=cue,
        use=f"{numbers['use']:.2f} of the usual lead" if "use" in numbers else "",
        counterfactual="; ".join(shown),
    )


def worst_group_told(report: ScanReport) -> str:
    """The value of metadata for which the net is least right, with its accuracy; "" where nothing is known."""
    # a group of few images is not the worst for certain, so the end of the interval decides
    worst = min((group for group in report.groups if group.labelled), key=lambda group: group.high, default=None)
    if worst is None:
        return ""
    share, interval = f"{worst.right / worst.labelled:.0%}", f"{worst.low:.0%} to {worst.high:.0%}"
    return (
        f"{worst.column} {worst.value}: {worst.right:,} of {worst.labelled:,} right ({share}, 95% interval {interval})"
    )


def confused_pairs(confused: Iterable[ConfusedImage]) -> list[ConfusedPair]:
    """The pairs of folder and prediction that differ, most often first."""
    pairs: dict[tuple[str, str], list[float]] = {}
    for image in confused:
        pairs.setdefault((image.label, image.predicted), []).append(image.disagreement.correlation or 0.0)
    most = sorted(pairs.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    return [ConfusedPair(*names, len(correlations), median(correlations)) for names, correlations in most]


def _named(labels: Sequence[str]) -> str:
    names = [repr(label) if label else "the data set" for label in labels[:MAX_NAMED]]
    return ", ".join(names) + (f" and {len(labels) - MAX_NAMED} more" if len(labels) > MAX_NAMED else "")
