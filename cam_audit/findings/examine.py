"""From what a scan observed to findings: causes, their evidence, and the images that they are in."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

from cam_audit.files import sha256_of
from cam_audit.findings import context, foreign, framing
from cam_audit.findings.audited_net import AuditedNet, audited_net
from cam_audit.findings.causes import Cause, causes_of
from cam_audit.findings.chosen_codes import ALL_CODES
from cam_audit.findings.class_parts import ClassParts, class_parts, parts_of
from cam_audit.findings.codes import NOTE, codes_by_finder
from cam_audit.findings.cues import find_cues
from cam_audit.findings.decision import MAX_EXAMPLES, Annotated, finding_of, object_finding, order, outside_examples
from cam_audit.findings.evidence import Evidence, counterfactuals_of, measure
from cam_audit.findings.foreground import UNKNOWN
from cam_audit.findings.metadata import Metadata
from cam_audit.findings.sample import MIN_IMAGES, Collected, Unsampled
from cam_audit.findings.second_look import look_again, look_around
from cam_audit.images.depth import Ranges
from cam_audit.inside import AnyPath
from cam_audit.models.model import Model
from cam_audit.records import ClassMaps, Counterfactual, Finding, ImageSource, Part, PartMaps
from cam_audit.workers import Each

_log = logging.getLogger(__name__)


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
    ranges: Ranges | None = None,
    each: Each,
    passes: Each,
    copies: Mapping[str, int],
    metadata: Metadata | None = None,
    wanted: Collection[str] = ALL_CODES,
    on_look: Callable[[int, int], None] | None = None,
) -> Examination:
    """Find what gives classes away, and measure whether the net looks at it and the prediction follows.

    `collected`: what was kept of the sampled images; `annotated`, `unsampled`: by class folder, the images with an
    annotated object, and those that were not sampled; `copies`: how many were left out as copies; `metadata`: those of
    all images; `wanted`: the codes to look for. `shortest` as in `Model.fit`, `needed` and `ranges` as in `decode`;
    `each` is `map`, or one that uses several cores; `passes`, too, where images are read and run through the net,
    perhaps by other machines. `on_look`, when an image is looked at again, gets how many were and will be.
    """
    object_findings = _object_findings(annotated, copies) if "CA205" in wanted else []
    if not collected.observations:
        return Examination(tuple(sorted(object_findings, key=order)))
    net = audited_net(model, collected, shortest=shortest, needed=needed, ranges=ranges, copies=copies)
    taken_apart = class_parts(net, each)
    _log.info("%d classes taken to parts", len(taken_apart))
    causes = _causes(net, taken_apart, metadata, wanted, each)
    _log.info("%d causes found in %d classes", len(causes), len(net.groups))
    proved = []
    for cause in causes:
        of_cause = _named(measure(net, cause, each, passes), wanted)
        _log.info("%s %s measured: %d passes", cause.code, cause.suspicion.label, of_cause.passes)
        proved.append(_without_trials(model, of_cause))
    evidence = [of_cause for of_cause, _ in proved]
    findings = [_finding(net, of_cause) for of_cause in evidence]
    of_foreign, asked_foreign = foreign.ask(net, passes) if "CA209" in wanted else (None, 0)
    # surroundings take a pass an image, which a note is not worth
    worth_asking = {f.label for f, cause in zip(findings, causes, strict=True) if f.severity != NOTE and cause.context}
    asked = [(found, _unasked(net, found, unsampled)) for found in taken_apart if found.label in worth_asking]
    in_pixels = {cause.suspicion.label for cause in causes if cause.hits_in_pixels}
    searched = {label: own for label, own in unsampled.items() if label in in_pixels}
    total = sum(map(len, searched.values())) + sum(len(sources) for _, sources in asked)
    looks = chain(
        look_again(net, causes, searched, passes),
        *(look_around(net, found, sources, passes) for found, sources in asked),
    )
    spent = asked_foreign + sum(of_cause.passes for of_cause in evidence)
    flags = _flags_of_sample(evidence)
    shares = _surroundings(taken_apart)
    for number, look in enumerate(looks, 1):
        spent += look.passes
        for follows in look.follows:
            flags[look.name].add(_flag(follows))
        if look.surroundings is not None:
            shares[look.name] = look.surroundings
        if on_look:
            on_look(number, total)
    for name in _of_class({cause.suspicion.label for cause in causes if cause.context}, taken_apart, asked):
        if shares.get(name, 0.0) > context.MOSTLY:
            flags[name].add("CA107")
    if of_foreign:
        proved.append(_without_trials(model, of_foreign))
        findings.append(_finding(net, of_foreign))
    parts, part_maps = parts_of(taken_apart)
    return Examination(
        findings=tuple(sorted([*object_findings, *findings], key=order)),
        maps={
            finding.fingerprint: of_cause.maps
            for finding, (of_cause, _) in zip(findings, proved, strict=True)
            if of_cause.maps
        },
        flags={name: frozenset(codes) for name, codes in flags.items()},
        passes=spent,
        counterfactuals={
            finding.fingerprint: edited
            for finding, (_, edited) in zip(findings, proved, strict=True)
            if edited is not None
        },
        parts=parts,
        part_maps=part_maps,
        looked_again={label: len(own) for label, own in unsampled.items() if label in {*searched, *worth_asking}},
        surroundings=shares,
    )


def _causes(
    net: AuditedNet, taken_apart: Sequence[ClassParts], metadata: Metadata | None, wanted: Collection[str], each: Each
) -> list[Cause]:
    features = [observation.features for group in net.groups.values() for observation in group]
    suspicions = [*find_cues(features, each), *context.suspected(taken_apart), *framing.suspected(net.groups, each)]
    suspicions += metadata.suspected(features, each) if metadata else []
    causes = causes_of([suspicion for suspicion in suspicions if suspicion.images >= MIN_IMAGES])
    return [cause for cause in causes if _wanted_finders(cause, wanted)]


def _wanted_finders(cause: Cause, wanted: Collection[str]) -> list[str]:
    """The finders of a cause whose codes are looked for."""
    code_of = codes_by_finder()
    return [finder for finder in cause.finders if code_of[finder] in wanted]


def _named(evidence: Evidence, wanted: Collection[str]) -> Evidence:
    """The evidence for a cause under a code that is looked for: who leaves out a code leaves out no cause with it."""
    cause = evidence.cause
    if cause.code in wanted:
        return evidence
    return replace(evidence, cause=cause.named_by(_wanted_finders(cause, wanted)[0]))


def _without_trials(model: Model, evidence: Evidence) -> tuple[Evidence, tuple[Counterfactual, ...] | None]:
    """Evidence without its trials, and what is told of these, None where there were none.

    A trial keeps the scores of all classes three times: those of a thousand causes would fill the memory.
    """
    return replace(evidence, trials={}), counterfactuals_of(model, evidence) if evidence.trials else None


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


def _of_class(
    labels: Collection[str],
    taken_apart: Sequence[ClassParts],
    asked: Sequence[tuple[ClassParts, Sequence[ImageSource]]],
) -> Iterator[str]:
    """The names of the images of some classes whose share of surroundings was asked."""
    for found in taken_apart:
        if found.label in labels:
            yield from (one.source.name for one in found.own)
    for _, sources in asked:
        yield from (source.name for source in sources)


def _flags_of_sample(evidence: Iterable[Evidence]) -> dict[str, set[str]]:
    """By sampled image that shows a cue, its codes."""
    flags: dict[str, set[str]] = defaultdict(set)
    for of_cause in evidence:
        for hit in of_cause.cause.hits_in_pixels:
            flags[hit.name].add(_flag(of_cause.changed.get(hit.name)))
    return flags


def _flag(follows: bool | None) -> str:
    """The code of an image that shows a cue, by whether its prediction follows."""
    return "CA101" if follows else "CA102"


def _object_findings(annotated: Mapping[str, Sequence[Annotated]], copies: Mapping[str, int]) -> list[Finding]:
    found = [
        object_finding(label, images, _digests(outside_examples(images)), copies.get(label, 0))
        for label, images in annotated.items()
    ]
    return [finding for finding in found if finding]


def _digests(sources: Iterable[ImageSource]) -> dict[str, str]:
    return {source.name: _digest(source.path) for source in sources}


def _digest(path: AnyPath) -> str:
    try:
        return sha256_of(path)
    except OSError:
        return "unreadable"
