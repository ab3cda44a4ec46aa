"""From what a scan observed to findings: causes, their evidence, and the images that they are in."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cam_audit.findings.causes import Cause, causes_of
from cam_audit.findings.cues import find_cues
from cam_audit.findings.evidence import Laboratory
from cam_audit.findings.finding import MAX_EXAMPLES, Annotated, finding_of, object_finding, order, outside_examples
from cam_audit.findings.sample import MIN_IMAGES, Collector, Glimpse
from cam_audit.findings.second_look import look_again
from cam_audit.models.model import Model
from cam_audit.records import ClassMaps, Finding, ImageSource
from cam_audit.scan.image import ScanSettings, needed_side
from cam_audit.workers import Each


@dataclass(frozen=True)
class Examination:
    """What came of it: `findings`, worst first, `maps` by a finding's fingerprint, and the forward `passes` spent.

    `rest`: by class folder, the images of classes with a cue that were not sampled, and looked at for that cue alone.
    """

    findings: tuple[Finding, ...]
    maps: Mapping[str, ClassMaps]
    passes: int
    rest: Mapping[str, Sequence[Glimpse]]


def examine(
    model: Model,
    settings: ScanSettings,
    collector: Collector | None,
    annotated: Mapping[str, Sequence[Annotated]],
    glimpses: Mapping[str, Sequence[Glimpse]],
    flags: dict[str, tuple[str, ...]],
    each: Each,
    on_look: Callable[[int, int], None] | None = None,
) -> Examination:
    """Find what gives classes away, and measure whether the net looks at it and the prediction follows.

    `collector` has what was observed of the sampled images, None where there are none; `annotated` and `glimpses` are
    by class folder: the images with an annotated object, and those that were not sampled. `flags` gets the codes of
    the images that show a cue.
    """
    findings = _object_findings(annotated)
    if collector is None:
        return Examination(tuple(sorted(findings, key=order)), {}, 0, {})
    laboratory = Laboratory(model, collector, settings.size, needed_side(model, settings))
    suspicions = find_cues([observation.features for observation in collector.observations.values()], each)
    causes = causes_of([suspicion for suspicion in suspicions if suspicion.images >= MIN_IMAGES])
    cue_findings, maps, passes = _cue_findings(laboratory, causes, flags, each)
    suspected = {cause.suspicion.label for cause in causes}
    rest = {label: own for label, own in glimpses.items() if label in suspected}
    passes += _flag_the_rest(laboratory, causes, rest, flags, each, on_look)
    return Examination(tuple(sorted([*cue_findings, *findings], key=order)), maps, passes, rest)


def _cue_findings(
    laboratory: Laboratory, causes: Sequence[Cause], flags: dict[str, tuple[str, ...]], each: Each
) -> tuple[list[Finding], dict[str, ClassMaps], int]:
    """Findings about cues, their maps, and the passes spent; adds to `flags` the codes of the images they hit."""
    observations = laboratory.collector.observations
    findings: list[Finding] = []
    maps: dict[str, ClassMaps] = {}
    passes = 0
    for cause in causes:
        evidence = laboratory.examine(cause, each)
        passes += evidence.passes
        digests = _digests(observations[hit.name].source for hit in cause.hits[:MAX_EXAMPLES])
        finding = finding_of(cause, evidence, laboratory.model.class_names[evidence.class_index], digests)
        findings.append(finding)
        if evidence.maps:
            maps[finding.fingerprint] = evidence.maps
        for hit in cause.hits:
            _add_flag(flags, hit.name, evidence.changed.get(hit.name))
    return findings, maps, passes


def _flag_the_rest(
    laboratory: Laboratory,
    causes: Sequence[Cause],
    rest: Mapping[str, Sequence[Glimpse]],
    flags: dict[str, tuple[str, ...]],
    each: Each,
    on_look: Callable[[int, int], None] | None,
) -> int:
    """Add to `flags` the codes of the images of suspected classes that were not sampled; returns the passes spent."""
    total = sum(map(len, rest.values()))
    passes = 0
    for number, look in enumerate(look_again(laboratory, causes, rest, each), 1):
        passes += look.passes
        for follows in look.follows:
            _add_flag(flags, look.name, follows)
        if on_look:
            on_look(number, total)
    return passes


def _add_flag(flags: dict[str, tuple[str, ...]], name: str, follows: bool | None) -> None:
    """Add the code of an image that shows a cue to those that it has."""
    code = "CA101" if follows else "CA102"
    flags[name] = tuple(sorted({*flags.get(name, ()), code}))


def _object_findings(annotated: Mapping[str, Sequence[Annotated]]) -> list[Finding]:
    found = [object_finding(label, images, _digests(outside_examples(images))) for label, images in annotated.items()]
    return [finding for finding in found if finding]


def _digests(sources: Iterable[ImageSource]) -> dict[str, str]:
    return {source.name: _digest(source.path) for source in sources}


def _digest(path: str) -> str:
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError:
        return "unreadable"
