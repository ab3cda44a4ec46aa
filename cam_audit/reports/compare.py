"""Two scans side by side: what better data, or another net, has changed."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

from cam_audit.findings.codes import FULL_IMAGES, MIN_GAIN, MIN_USE, NOTE, SEVERITIES, kind_of
from cam_audit.findings.sample import MIN_IMAGES
from cam_audit.records import Finding, PartMaps
from cam_audit.reports.baseline import effects_of
from cam_audit.reports.compare_parts import PartChange, part_changes
from cam_audit.reports.counts import Counts, counts_of
from cam_audit.reports.scan_report import ScanReport

APPEARED, WORSE, UNTOLD, SAME, BETTER, WENT = CHANGES = ("appeared", "worse", "can't tell", "same", "better", "went")
HELPED, MIXED, HARMED, NO_CHANGE, UNKNOWN = ("helped", "mixed", "worse", "same", "unknown")

# By how much a number without an interval must change to count: as much as makes evidence of it at all. A score is a
# share of a class's images, of which there are few.
MIN_CHANGE = {"gain": MIN_GAIN, "use": MIN_USE, "score": 0.1}

VERBS = {
    WENT: "went",
    BETTER: "got weaker",
    APPEARED: "appeared",
    WORSE: "got stronger",
    SAME: "stayed",
    UNTOLD: "can't be compared",
}


@dataclass(frozen=True, slots=True)
class ClassReading:
    """A class in one scan.

    `images`: those that could be read; `labelled`: those whose folder stands for a class of the net; `agreeing`: those
    predicted as that class; `label_score`: its mean probability, 0..1, None where nothing is labelled.
    """

    images: int
    labelled: int
    agreeing: int
    label_score: float | None

    @property
    def agreement(self) -> float | None:
        """The share of images that are predicted as their folder's class, 0..1."""
        return self.agreeing / self.labelled if self.labelled else None


@dataclass(frozen=True, slots=True)
class ClassChange:
    """A class in both scans; None in the one that has no image of it."""

    label: str
    before: ClassReading | None
    after: ClassReading | None


@dataclass(frozen=True, slots=True)
class FindingChange:
    """What a class is found for in both scans; `change`: one of CHANGES, `why` where it can't be told."""

    change: str
    before: Finding | None
    after: Finding | None
    why: str = ""

    @property
    def code(self) -> str:
        """Its code, or both where one cause came out under another code."""
        return " -> ".join(dict.fromkeys(finding.code for finding in (self.before, self.after) if finding))

    @property
    def label(self) -> str:
        """Its class."""
        return next(finding.label for finding in (self.before, self.after) if finding)


@dataclass(frozen=True, slots=True)
class PredictionChange:
    """An image of the same path in both scans whose predicted class changed; `agrees`: with its folder, after."""

    path: str
    before: str
    after: str
    agreed: bool
    agrees: bool


@dataclass(frozen=True)
class Comparison:
    """What changed from one scan to the other.

    `outcome`: HELPED, MIXED, HARMED, NO_CHANGE or UNKNOWN, and `verdict` says it in a sentence. `agreement`: the mean
    over the classes that both have, before and after. `errors`: how many images could not be read. `shared`: how many
    readable images have the same path in both;
    `predictions`: those of them that are predicted as another class. `parts`: what became of what the net looks at for
    each class. `notes`: what is not alike, and so not comparable.
    """

    before: ScanReport
    after: ScanReport
    outcome: str
    verdict: str
    agreement: tuple[float, float] | None
    classes: tuple[ClassChange, ...]
    errors: tuple[int, int]
    findings: tuple[FindingChange, ...]
    shared: int
    predictions: tuple[PredictionChange, ...]
    notes: tuple[str, ...]
    parts: tuple[PartChange, ...] = ()


def compare(
    before: ScanReport,
    after: ScanReport,
    maps_before: Mapping[str, PartMaps] | None = None,
    maps_after: Mapping[str, PartMaps] | None = None,
) -> Comparison:
    """Hold two scans side by side: findings by code and class, classes by folder, images by path.

    Parts are compared where their maps are given, by a part's sheet.
    """
    parts, notes = part_changes(before, after, maps_before or {}, maps_after or {})
    counts = counts_of(before), counts_of(after)
    classes = _classes(*counts)
    left_out = [report.run.get("left_out", ()) for report in (before, after)]
    by_label = {change.label: change for change in classes}
    findings = _findings(before.findings, after.findings, counts, by_label, left_out)
    both = [change for change in classes if change.before and change.after]
    agreement, chance = _agreement(both)
    outcome, verdict = _verdict(findings, agreement, chance, comparable=bool(both))
    shared, predictions = _predictions(before, after)
    return Comparison(
        before=before,
        after=after,
        outcome=outcome,
        verdict=verdict,
        agreement=agreement,
        classes=classes,
        findings=findings,
        errors=(counts[0].errors, counts[1].errors),
        shared=shared,
        predictions=predictions,
        notes=(*_notes(before, after, shared, counts[1].images - counts[1].errors), *notes),
        parts=parts,
    )


def _predictions(before: ScanReport, after: ScanReport) -> tuple[int, tuple[PredictionChange, ...]]:
    """How many readable images have the same path in both, and those of them that are predicted as another class."""
    wrong, wrong_now = ({image.path for image in report.confused} for report in (before, after))
    rows = {row.path: row for row in before.images if not row.error}
    shared, changes = 0, []
    for new in after.images:
        old = rows.get(new.path)
        if old is None or new.error:
            continue
        shared += 1
        was, is_now = old.top[0][0], new.top[0][0]
        if was != is_now:
            agreed = old.label_score is not None and old.path not in wrong
            agrees = new.label_score is not None and new.path not in wrong_now
            changes.append(PredictionChange(new.path, was, is_now, agreed, agrees))
    return shared, tuple(changes)


def _readings(counts: Counts) -> dict[str, ClassReading]:
    return {
        label: ClassReading(of.images, of.labelled, of.agreeing, mean(of.label_scores) if of.label_scores else None)
        for label, of in counts.classes.items()
    }


def _classes(before: Counts, after: Counts) -> tuple[ClassChange, ...]:
    old, new = _readings(before), _readings(after)
    return tuple(ClassChange(label, old.get(label), new.get(label)) for label in sorted({**old, **new}))


def _findings(
    before: Iterable[Finding],
    after: Iterable[Finding],
    counts: tuple[Counts, Counts],
    classes: Mapping[str, ClassChange],
    left_out: Sequence[Collection[str]],
) -> tuple[FindingChange, ...]:
    changes = []
    for was, became in _pairs(before, after):
        why = ""
        if was and became:
            change = _strength_change(was, became)
        else:
            found, missing_in, word = (was, counts[1], "after") if was else (became, counts[0], "before")
            assert found is not None
            both = classes.get(found.label)
            reading = None if both is None else both.after if was else both.before
            why = f"{found.code} was left out {word}" if found.code in left_out[0 if became else 1] else ""
            why = why or _not_looked_for(found, missing_in, reading, word)
            change = UNTOLD if why else WENT if was else APPEARED
        changes.append(FindingChange(change, was, became, why))
    return tuple(sorted(changes, key=_order))


def _pairs(before: Iterable[Finding], after: Iterable[Finding]) -> list[tuple[Finding | None, Finding | None]]:
    """Findings of one class and code in both scans, then those of one kind that are left; None where one has none."""
    old = {(finding.label, finding.code): finding for finding in before}
    new = {(finding.label, finding.code): finding for finding in after}
    pairs: list[tuple[Finding | None, Finding | None]] = [(old.pop(key), new.pop(key)) for key in [*old] if key in new]
    left: dict[tuple[str, str], list[Finding]] = {}
    for finding in new.values():
        left.setdefault((finding.label, kind_of(finding.code)), []).append(finding)
    for finding in old.values():
        alike = left.get((finding.label, kind_of(finding.code)))
        pairs.append((finding, alike.pop(0) if alike else None))
    return pairs + [(None, finding) for alike in left.values() for finding in alike]


def _order(change: FindingChange) -> tuple[int, int, str, str]:
    return CHANGES.index(change.change), -_gravest(change), change.code, change.label


def _gravest(change: FindingChange) -> int:
    return max(SEVERITIES.index(finding.severity) for finding in (change.before, change.after) if finding)


def _strength_change(was: Finding, became: Finding) -> str:
    """SAME, BETTER or WORSE: by effects, which have changed where the intervals of before and after don't meet.

    Without effects in both, by severity, else by the strongest line of evidence that both have.
    """
    old, new = effects_of(was), effects_of(became)
    both = [(old[name], new[name]) for name in old if name in new]
    # the first that has changed decides: predictions before scores
    for before, after in both:
        if after.low > before.high:
            return WORSE
        if after.high < before.low:
            return BETTER
    if both:
        return SAME
    # the findings of a small class are never more than notes, whatever their evidence
    full = min(was.evidence.get("images", 0), became.evidence.get("images", 0)) >= FULL_IMAGES
    step = SEVERITIES.index(became.severity) - SEVERITIES.index(was.severity)
    if full and step:
        return WORSE if step > 0 else BETTER
    for name, least in MIN_CHANGE.items():
        if name in was.evidence and name in became.evidence:
            change = became.evidence[name] - was.evidence[name]
            # the score of CA205 is the smaller, the more the map lies outside
            change = -change if was.code == "CA205" and name == "score" else change
            return SAME if abs(change) < least else WORSE if change > 0 else BETTER
    return SAME


def _not_looked_for(finding: Finding, counts: Counts, reading: ClassReading | None, word: str) -> str:
    """Why a scan without the finding does not say that the cue is absent; "" where it does."""
    if finding.pairs:
        return ""
    if reading is None:
        return f"there are no images of the class {word}"
    if finding.code == "CA205":
        annotated = len(counts.classes[finding.label].inside)
        return "" if annotated >= MIN_IMAGES else f"only {annotated} images have an annotated object {word}"
    if reading.images < MIN_IMAGES:
        return f"only {reading.images} images of the class {word}, too few to look for cues"
    if len(counts.labels - {""}) < 2:
        return f"no other class to compare with {word}"
    return ""


def _agreement(classes: Sequence[ClassChange]) -> tuple[tuple[float, float] | None, float]:
    """Mean agreement over classes before and after, and how far apart chance puts them (two standard errors)."""
    pairs = [(c.before, c.after) for c in classes if c.before and c.after and c.before.labelled and c.after.labelled]
    if not pairs:
        return None, 0.0
    old, new = (mean(reading.agreeing / reading.labelled for reading in side) for side in zip(*pairs, strict=True))
    variance = sum(map(_variance, (reading for pair in pairs for reading in pair))) / len(pairs) ** 2
    return (old, new), 2 * math.sqrt(variance)


def _variance(reading: ClassReading) -> float:
    # one more of each, so that a class in which all are right is not taken for certain
    share = (reading.agreeing + 1) / (reading.labelled + 2)
    return share * (1 - share) / reading.labelled


def _verdict(
    findings: Iterable[FindingChange], agreement: tuple[float, float] | None, chance: float, *, comparable: bool
) -> tuple[str, str]:
    """The outcome and the sentence that says it; notes, which the net may not even use, don't decide."""
    if not comparable:
        return UNKNOWN, "It can't be told: no class is in both scans."
    by_change: dict[str, list[FindingChange]] = {change: [] for change in CHANGES}
    for finding in findings:
        if _gravest(finding) > SEVERITIES.index(NOTE):
            by_change[finding.change].append(finding)
    step = agreement[1] - agreement[0] if agreement else 0.0
    rose, fell = step > chance, step < -chance
    fewer, more = by_change[WENT] + by_change[BETTER], by_change[APPEARED] + by_change[WORSE]
    if (fewer or rose) and (more or fell):
        outcome, words = MIXED, "Mixed"
    elif fewer or rose:
        outcome, words = HELPED, "It helped"
    elif more or fell:
        outcome, words = HARMED, "It got worse"
    elif by_change[UNTOLD]:
        outcome, words = UNKNOWN, "It can't be told"
    else:
        outcome, words = NO_CHANGE, "It made no difference"
    parts = [_named(by_change[change], verb) for change, verb in VERBS.items() if by_change[change]]
    if agreement:
        old, new = (f"{share:.1%}" for share in agreement)
        shares = f"{old} before and {new} after" if old != new else f"{old} before and after"
        noise = "" if rose or fell or old == new else ", which chance alone can do"
        parts.append(f"prediction = folder in {shares}{noise}")
    return outcome, f"{words}: {'; '.join(parts or ['no finding above a note, before or after'])}."


def _named(findings: Sequence[FindingChange], verb: str) -> str:
    names = [f"{finding.code} {finding.label or 'all images'}" for finding in findings[:3]]
    more = f" and {len(findings) - 3} more" if len(findings) > 3 else ""
    return f"{', '.join(names)}{more} {verb}"


def _notes(before: ScanReport, after: ScanReport, shared: int, readable: int) -> Iterable[str]:
    """What is not alike in the two scans, and what that means for the comparison."""
    old, new = before.run, after.run
    models = [run.get("model") or {} for run in (old, new)]
    if models[0].get("sha256") != models[1].get("sha256"):
        yield (
            f"the nets differ ({models[0].get('net')} and {models[1].get('net')}): use and gain are shares of each "
            "net's usual lead, and scores compare only where both have the same classes"
        )
    if shared < readable:
        yield (
            f"the data sets differ: {shared:,} of {readable:,} images after are at a path that was there before; the "
            "rest says how classes changed, not single images"
        )
    settings = [_settings(run) for run in (old, new)]
    for name in settings[0]:
        if settings[0][name] != settings[1][name]:
            yield f"--{name} differs ({settings[0][name]} and {settings[1][name]}), which alone can change the results"
    if old.get("version") != new.get("version"):
        yield f"made by cam-audit {old.get('version')} and {new.get('version')}, which may look for cues differently"


def _settings(run: Mapping[str, object]) -> dict[str, object]:
    """The settings of a scan that change scores and findings."""
    task = run.get("settings")
    task = task if isinstance(task, Mapping) else {}
    inner = task.get("settings")
    size = inner.get("size") if isinstance(inner, Mapping) else None
    return {"size": size, **{name: task.get(name) for name in ("labels", "limit", "masks", "boxes")}}
