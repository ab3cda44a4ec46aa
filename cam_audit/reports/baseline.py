"""The baseline: findings that were looked at and accepted, so that a scan fails only for what is new.

An entry is keyed by its finding's fingerprint, which holds the contents of the example images: it survives that images
are renamed. When images are added or re-encoded, other examples come first and the fingerprint changes; then the entry
still stands for a finding of the same class and kind that shares an example's path.

Effects are kept with their intervals, as another draw of photos moves them: an accepted finding counts as new only
where its effect has grown beyond what it was accepted with, or where it is graver and its interval says so.

Marks of parts are kept with the parts' directions, which mean nothing to another net: see `part_marks`.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any

from cam_audit.errors import CamAuditError
from cam_audit.findings.codes import (
    CODES,
    ERROR,
    FULL_IMAGES,
    MIN_FLIPS,
    MIN_GAIN,
    NOTE,
    SEVERITIES,
    WARNING,
    counterfactuals,
    kind_of,
)
from cam_audit.findings.intervals import Estimate
from cam_audit.records import Finding, PartMaps
from cam_audit.reports import schema
from cam_audit.reports.fields import FieldError, by_name, exact_text, listed, one_of, real, table
from cam_audit.reports.json_text import json_text
from cam_audit.reports.part_marks import (
    IN_SURROUNDINGS,
    Answer,
    PartEntry,
    answering,
    documents,
    part_entries,
    part_entry,
    surroundings_marked_fine,
    verdicts,
)
from cam_audit.reports.read_json import read_document
from cam_audit.reports.review import FINE, Review
from cam_audit.reports.scan_report import ScanReport
from cam_audit.reports.schema import TOOL

# The numbers of the evidence that say how strong a cause is, those of predictions first.
EFFECTS = ("flips", "taken_flips", "gain")


@dataclass(frozen=True, slots=True)
class Entry:
    """An accepted finding: up to `severity`, with the paths of its example images, sorted.

    `effects`: by the name of a number in the evidence, an estimate with its interval; empty where none was measured, or
    where an earlier version of cam-audit kept none.
    """

    code: str
    label: str
    severity: str
    examples: tuple[str, ...]
    effects: Mapping[str, Estimate] = field(default_factory=dict)

    def covers(self, finding: Finding) -> bool:
        """Whether a finding of this cause is no more than what was accepted."""
        now = effects_of(finding)
        for name, accepted in self.effects.items():
            if name in now and now[name].value > accepted.high and now[name].low > accepted.value:
                return False
        if SEVERITIES.index(finding.severity) <= SEVERITIES.index(self.severity):
            return True
        both = [name for name in self.effects if name in now]
        return bool(both) and all(now[name].low <= self.effects[name].value for name in both)


@dataclass(frozen=True)
class Baseline:
    """What was accepted: findings by fingerprint, images with the flags that they had, and under which conditions.

    `thresholds`: by code or severity, from where on it was reported, in words.
    """

    net: str
    model_sha256: str
    thresholds: Mapping[str, str]
    findings: Mapping[str, Entry]
    images: Mapping[str, tuple[str, ...]]
    parts: tuple[PartEntry, ...] = ()


@dataclass(frozen=True)
class Judgement:
    """A scan's findings against a baseline, `accepted`.

    `new`: not accepted, worst first; `known`: accepted; `grown`: by the fingerprint of those in `new` whose cause was
    accepted as less than it is now, what was accepted; `stale`: entries that no finding answers to any more, though
    their code was looked for. `model_changed`: whether it is another net than the baseline's; `thresholds`: by code or
    severity, (then, now) where they differ.
    `flagged`: how many images carry a flag; `fine`: how many of them were marked fine with all their flags.
    `parts`: the parts that answer to marks; `stale_parts`: marks that no part answers to; both empty for another net.
    """

    accepted: Baseline
    new: tuple[Finding, ...]
    known: tuple[Finding, ...]
    grown: Mapping[str, Entry]
    stale: tuple[Entry, ...]
    model_changed: bool
    thresholds: Mapping[str, tuple[str, str]]
    flagged: int
    fine: int
    parts: tuple[Answer, ...] = ()
    stale_parts: tuple[PartEntry, ...] = ()

    @property
    def part_marks(self) -> dict[str, str]:
        """The verdicts on parts, by the part's sheet."""
        return verdicts(self.parts)


def thresholds() -> dict[str, str]:
    """From where on this version of cam-audit reports a code, or gives a finding a severity."""
    others = [
        f"{test.min_gain:.2f} for {name}" for name, test in counterfactuals().items() if test.min_gain != MIN_GAIN
    ]
    return {code.code: code.threshold for code in CODES.values()} | {
        NOTE: f"fewer than {FULL_IMAGES} images",
        WARNING: f"gain > {MIN_GAIN:.2f} for certain ({', '.join(others)})",
        ERROR: f"{MIN_FLIPS:.0%} more images turn than with a control, for certain",
    }


def baseline_of(
    report: ScanReport, review: Review | None = None, part_maps: Mapping[str, PartMaps] | None = None
) -> Baseline:
    """Accept every finding of a scan; with a review only those that are marked fine, and the images marked fine.

    The marks of parts, shortcuts too, are taken along where part_maps, by a part's sheet, has their directions.
    """
    images = {}
    parts: tuple[PartEntry, ...] = ()
    accepted = report.findings
    if review:
        accepted = tuple(f for f in report.findings if review.findings.get(f.fingerprint) == FINE)
        images = {image.path: tuple(sorted(image.flags)) for image in report.images if image.flags}
        images = {path: flags for path, flags in images.items() if review.images.get(path) == FINE}
        parts = part_entries(report, review, part_maps or {})
    model = report.run["model"]
    return Baseline(
        net=str(model["net"]),
        model_sha256=str(model["sha256"]),
        thresholds=thresholds(),
        findings={finding.fingerprint: _entry(finding) for finding in accepted},
        images=images,
        parts=parts,
    )


def not_asked(before: Baseline, report: ScanReport) -> dict[str, Entry]:
    """What a baseline accepts of codes that a scan did not look for, by fingerprint."""
    left_out = report.run.get("left_out", ())
    return {fingerprint: entry for fingerprint, entry in before.findings.items() if entry.code in left_out}


def judge(baseline: Baseline, report: ScanReport, part_maps: Mapping[str, PartMaps] | None = None) -> Judgement:
    """Hold what a scan found against a baseline; part_maps: by a part's sheet."""
    model_changed = report.run["model"]["sha256"] != baseline.model_sha256
    marked = () if model_changed else baseline.parts
    parts = answering(marked, report.parts, part_maps or {})
    answered = [answer.entry for answer in parts]
    marks = verdicts(parts)
    exact = baseline.findings.keys() & {finding.fingerprint for finding in report.findings}
    answers: dict[str, str] = {}
    for finding in report.findings:
        key = finding.fingerprint if finding.fingerprint in exact else _akin(baseline, finding, exact)
        if key is not None:
            answers[finding.fingerprint] = key
    accepted = {fingerprint: baseline.findings[key] for fingerprint, key in answers.items()}

    def is_known(finding: Finding) -> bool:
        entry = accepted.get(finding.fingerprint)
        if finding.code == IN_SURROUNDINGS and surroundings_marked_fine(finding, report.parts, marks):
            return True
        return entry is not None and entry.covers(finding)

    new = tuple(finding for finding in report.findings if not is_known(finding))
    flagged = [image for image in report.images if image.flags]
    return Judgement(
        accepted=baseline,
        new=new,
        known=tuple(filter(is_known, report.findings)),
        grown={f.fingerprint: accepted[f.fingerprint] for f in new if f.fingerprint in accepted},
        stale=tuple(
            entry
            for key, entry in sorted(baseline.findings.items())
            if key not in answers.values() and entry.code not in report.run.get("left_out", ())
        ),
        model_changed=model_changed,
        thresholds=_changed(baseline.thresholds, thresholds()),
        flagged=len(flagged),
        fine=sum(set(image.flags) <= set(baseline.images.get(image.path, ())) for image in flagged),
        parts=parts,
        stale_parts=tuple(entry for entry in marked if entry not in answered),
    )


def render(baseline: Baseline) -> str:
    """The text of the file: sorted JSON without a time, so that the same acceptance gives the same bytes."""
    document = {
        "tool": TOOL,
        "schema_version": schema.BASELINE,
        "model": {"net": baseline.net, "sha256": baseline.model_sha256},
        "thresholds": dict(baseline.thresholds),
        "findings": {
            key: {
                "code": entry.code,
                "class": entry.label,
                "severity": entry.severity,
                "examples": list(entry.examples),
                "effects": {name: list(astuple(effect)) for name, effect in entry.effects.items()},
            }
            for key, entry in baseline.findings.items()
        },
        "images": {path: list(flags) for path, flags in baseline.images.items()},
        "parts": list(documents(baseline.parts)),
    }
    return json_text(document, sort_keys=True)


def read_baseline(file: Path) -> Baseline:
    """Read a baseline. Raises CamAuditError where it is none."""
    if not file.exists():
        raise CamAuditError(
            f"{file}: no such baseline; `cam-audit baseline OUT -b {file}` makes one of a scan's output folder"
        )
    baseline: Baseline = read_document(file, "a baseline", schema.BASELINE, _BASELINE)
    return baseline


def _entry(finding: Finding) -> Entry:
    examples = tuple(sorted(example.path for example in finding.examples))
    return Entry(finding.code, finding.label, finding.severity, examples, effects_of(finding))


def effects_of(finding: Finding) -> dict[str, Estimate]:
    """What planting a finding's cue does, and what taking it away does, as far as it was measured.

    Of a finding about pairs of images, how many there are.
    """
    numbers = finding.evidence
    if "pairs" in numbers:
        return {"pairs": Estimate(*(numbers["pairs"],) * 3)}
    return {
        name: Estimate(numbers[name], numbers[f"{name}_low"], numbers[f"{name}_high"])
        for name in EFFECTS
        if f"{name}_low" in numbers
    }


def _akin(baseline: Baseline, finding: Finding, taken: Container[str]) -> str | None:
    """The key of the entry that stands for a finding of another fingerprint, if any does; best one of its code."""
    paths = {example.path for example in finding.examples}
    keys = [
        key
        for key, entry in baseline.findings.items()
        if (kind_of(entry.code), entry.label) == (kind_of(finding.code), finding.label)
        and key not in taken
        and paths.intersection(entry.examples)
    ]
    return min(keys, key=lambda key: (baseline.findings[key].code != finding.code, key), default=None)


def _changed(then: Mapping[str, str], now: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    both = {name: (then.get(name, "none"), now.get(name, "none")) for name in {**then, **now}}
    return {name: pair for name, pair in both.items() if pair[0] != pair[1]}


def _estimate(value: Any) -> Estimate:
    estimate = Estimate(*listed(real(), 3)(value))
    if not estimate.low <= estimate.value <= estimate.high:
        raise FieldError("is no estimate with an interval around it")
    return estimate


def _entry_of(item: dict[str, Any]) -> Entry:
    # version 1 has no effects
    return Entry(item["code"], item["class"], item["severity"], item["examples"], item.get("effects", {}))


def _baseline_of(item: dict[str, Any]) -> Baseline:
    model = item["model"]
    # version 1 has no parts
    return Baseline(
        model["net"], model["sha256"], item["thresholds"], item["findings"], item["images"], item.get("parts", ())
    )


_ENTRY = table(
    {"code": exact_text, "class": exact_text, "severity": one_of(*SEVERITIES), "examples": listed(exact_text)},
    {"effects": by_name(_estimate)},
    _entry_of,
)
_BASELINE = table(
    {
        "model": table({"net": exact_text, "sha256": exact_text}),
        "thresholds": by_name(exact_text, exact_text),
        "findings": by_name(_ENTRY, exact_text),
        "images": by_name(listed(exact_text), exact_text),
    },
    {"parts": listed(part_entry)},
    _baseline_of,
)
