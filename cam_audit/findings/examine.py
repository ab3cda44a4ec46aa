"""From what a scan observed to findings: causes, their evidence, and the images that they are in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from cam_audit.files import sha256_of
from cam_audit.findings import context
from cam_audit.findings.audited_net import AuditedNet, audited_net
from cam_audit.findings.causes import causes_of
from cam_audit.findings.class_parts import ClassParts, class_parts, parts_of
from cam_audit.findings.codes import CONTEXT, NOTE
from cam_audit.findings.cues import find_cues
from cam_audit.findings.decision import MAX_EXAMPLES, Annotated, finding_of, object_finding, order, outside_examples
from cam_audit.findings.evidence import Evidence, counterfactuals_of, measure
from cam_audit.findings.foreground import UNKNOWN
from cam_audit.findings.sample import MIN_IMAGES, Collected, Unsampled
from cam_audit.findings.second_look import look_again, look_around
from cam_audit.models.model import Model
from cam_audit.records import ClassMaps, Counterfactual, Finding, ImageSource, Part, PartMaps
from cam_audit.workers import Each


@dataclass(frozen=True)
class Examination:
    """What came of it: `findings`, worst first, and the forward `passes` spent.

    `maps`, `counterfactuals`: by a finding's fingerprint. `parts`: of each class; `part_maps`: by a part's sheet.

    `flags`: by image that shows a cue, the codes that it gets for that. `looked_again`: by class folder, how many
    images of classes with a cue were not sampled, and looked at for that cue alone. `surroundings`: by image, the share
    of its class's score that comes from the surroundings, where that was asked.
    """

    findings: tuple[Finding, ...]
    maps: Mapping[str, ClassMaps] = field(default_factory=dict)
    flags: Mapping[str, frozenset[str]] = field(default_factory=dict)
    passes: int = 0
    counterfactuals: Mapping[str, tuple[Counterfactual, ...]] = field(default_factory=dict)
    parts: tuple[Part, ...] = ()
    part_maps: Mapping[str, PartMaps] = field(default_factory=dict)
    looked_again: Mapping[str, int] = field(default_factory=dict)
    surroundings: Mapping[str, float] = field(default_factory=dict)


def examine(
    model: Model,
    collected: Collected,
    annotated: Mapping[str, Sequence[Annotated]],
    unsampled: Mapping[str, Sequence[Unsampled]],
    *,
    shortest: int | None,
    needed: int,
    each: Each,
    on_look: Callable[[int, int], None] | None = None,
) -> Examination:
    """Find what gives classes away, and measure whether the net looks at it and the prediction follows.

    `collected`: what was kept of the sampled images; `annotated`, `unsampled`: by class folder, the images with an
    annotated object, and those that were not sampled. `shortest` as in `Model.fit`, `needed` as in `decode`; `each` is
    `map`, or one that uses several cores. `on_look`, when an image is looked at again, gets how many were and will be.
    """
    object_findings = _object_findings(annotated)
    if not collected.observations:
        return Examination(tuple(sorted(object_findings, key=order)))
    net = audited_net(model, collected, shortest=shortest, needed=needed)
    taken_apart = class_parts(net, each)
    suspicions = find_cues([observation.features for observation in collected.observations.values()], each)
    suspicions += context.suspected(taken_apart)
    causes = causes_of([suspicion for suspicion in suspicions if suspicion.images >= MIN_IMAGES])
    findings, maps, counterfactuals, passes = [*object_findings], {}, {}, 0
    flags: dict[str, set[str]] = {}
    around: dict[str, ClassParts] = {}
    by_label = {found.label: found for found in taken_apart}
    for cause in causes:
        evidence = measure(net, cause, each)
        finding = _finding(net, evidence)
        findings.append(finding)
        if evidence.maps:
            maps[finding.fingerprint] = evidence.maps
        if evidence.trials:
            counterfactuals[finding.fingerprint] = counterfactuals_of(model, evidence)
        passes += evidence.passes
        for hit in cause.hits_in_pixels:
            flags.setdefault(hit.name, set()).add(_flag(evidence.changed.get(hit.name)))
        if CONTEXT in cause.finders and finding.severity != NOTE:
            around[finding.label] = by_label[finding.label]
    shares = _surroundings(taken_apart)
    in_pixels = {cause.suspicion.label for cause in causes if cause.hits_in_pixels}
    rest = {label: own for label, own in unsampled.items() if label in in_pixels}
    unasked = {label: _unasked(net, found, unsampled) for label, found in around.items()}
    looks = chain(
        look_again(net, causes, rest, each),
        *(look_around(net, found, unasked[label], each) for label, found in around.items()),
    )
    total = sum(map(len, (*rest.values(), *unasked.values())))
    for number, look in enumerate(looks, 1):
        passes += look.passes
        for follows in look.follows:
            flags.setdefault(look.name, set()).add(_flag(follows))
        if look.surroundings is not None:
            shares[look.name] = look.surroundings
        if on_look:
            on_look(number, total)
    for label in {cause.suspicion.label for cause in causes if CONTEXT in cause.finders}:
        asked = [*(one.source for one in by_label[label].own), *unasked.get(label, ())]
        for source in asked:
            if shares.get(source.name, 0.0) > context.MOSTLY:
                flags.setdefault(source.name, set()).add("CA107")
    return Examination(
        tuple(sorted(findings, key=order)),
        maps,
        {name: frozenset(codes) for name, codes in flags.items()},
        passes,
        counterfactuals,
        *parts_of(taken_apart),
        {label: len(unsampled.get(label, ())) for label in {**rest, **around}},
        shares,
    )


def _finding(net: AuditedNet, evidence: Evidence) -> Finding:
    cause = evidence.cause
    observations = net.observations(cause.suspicion.label)
    digests = _digests(observations[hit.name].source for hit in cause.hits[:MAX_EXAMPLES])
    return finding_of(evidence, net.model.class_names[evidence.class_index], digests)


def _surroundings(taken_apart: Sequence[ClassParts]) -> dict[str, float]:
    """By image of the classes whose parts have a place, the share of the score that comes from the surroundings."""
    return {
        one.source.name: context.share_in(found, one)
        for found in taken_apart
        if any(part.where != UNKNOWN for part in found.parts)
        for one in found.own
    }


def _unasked(net: AuditedNet, found: ClassParts, unsampled: Mapping[str, Sequence[Unsampled]]) -> list[ImageSource]:
    """The images of a class that were not taken to parts."""
    asked = {one.source.name for one in found.own}
    sampled = [one.source for one in net.groups[found.label] if one.source.name not in asked]
    return [*sampled, *(image.source for image in unsampled.get(found.label, ()))]


def _flag(follows: bool | None) -> str:
    """The code of an image that shows a cue, by whether its prediction follows."""
    return "CA101" if follows else "CA102"


def _object_findings(annotated: Mapping[str, Sequence[Annotated]]) -> list[Finding]:
    found = [object_finding(label, images, _digests(outside_examples(images))) for label, images in annotated.items()]
    return [finding for finding in found if finding]


def _digests(sources: Iterable[ImageSource]) -> dict[str, str]:
    return {source.name: _digest(source.path) for source in sources}


def _digest(path: str) -> str:
    try:
        return sha256_of(path)
    except OSError:
        return "unreadable"
