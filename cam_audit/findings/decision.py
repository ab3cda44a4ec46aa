"""From a cause and its evidence to a finding: what decides its severity, and its numbers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from statistics import median

from cam_audit.findings.codes import CODES, ERROR, FOREIGN, FULL_IMAGES, NOTE, SEVERITIES, WARNING
from cam_audit.findings.counterfactual import Effect, strongest
from cam_audit.findings.evidence import Evidence
from cam_audit.findings.intervals import share_interval
from cam_audit.findings.sample import MIN_IMAGES
from cam_audit.findings.wording import left_out, message
from cam_audit.records import Example, Finding, ImageSource, ObjectShare

Annotated = tuple[ImageSource, ObjectShare]
"""An image with an annotated object, and where its map lies with respect to that."""

MAX_EXAMPLES = 12


def severity(images: int, evidence: Evidence) -> str:
    """note: the cue tells the class; warning: the score moves with it; error: predictions change with it.

    Either takes that the class stands out among all by what the edit does: an edit that disturbs a picture moves many.
    An error also takes that the class's map has more where the cue is than on other classes' images, if the cue has a
    place in the picture, and that the class does not keep more images without the cue than with a control. To take a
    cue away may cut the object too, so it counts where planting it moves the score. What is foreign stays a
    note, as some class must get it.
    """
    if images < FULL_IMAGES or evidence.cause.suspicion.finder == FOREIGN:
        return NOTE
    effects = evidence.effects
    moves = any(effect.moves and effect.stands_out for effect in effects if not effect.takes_away)
    turns = any(effect.turns and effect.stands_out for effect in effects if moves or not effect.takes_away)
    everywhere = CODES[evidence.cause.code].everywhere
    uses = everywhere or (evidence.use is not None and evidence.use.there > 0)
    taken = strongest(effects, takes_away=True)
    contradicted = taken is not None and taken.flips.high < 0
    if turns and uses and not contradicted:
        return ERROR
    return WARNING if moves else NOTE


def finding_of(evidence: Evidence, class_name: str, digests: Mapping[str, str]) -> Finding:
    """The finding that the evidence of a cause amounts to; `digests` holds the hash of each example's file."""
    cause = evidence.cause
    hits = cause.hits
    examples = tuple(Example(hit.name, hit.box) for hit in hits[:MAX_EXAMPLES])
    label = cause.suspicion.label
    decided = severity(cause.suspicion.images, evidence)
    return Finding(
        code=cause.code,
        severity=decided,
        label=label,
        message=message(evidence, decided, class_name),
        evidence=_numbers(evidence),
        examples=examples,
        fingerprint=fingerprint(cause.code, label, (digests[example.path] for example in examples)),
    )


def object_finding(
    label: str, annotated: Sequence[Annotated], digests: Mapping[str, str], copies: int = 0
) -> Finding | None:
    """CA205 for a class whose annotated objects get no more of the map than their area; None for any other class.

    `annotated`: the class's images with an annotated object and a positive map; `digests`: the hashes of the files of
    the `outside_examples` among them; `copies`: how many images were left out as copies. It is an error where the class
    still wins without the object in most images.
    """
    shares = [share for _, share in annotated if share.inside is not None]
    if len(shares) < MIN_IMAGES:
        return None
    inside = median(share.inside or 0.0 for share in shares)
    area = median(share.area for share in shares)
    if inside > area:
        return None
    wins = sum(share.wins_without for share in shares) / len(shares)
    examples = outside_examples(annotated)
    sentences = [
        f"{repr(label) if label else 'the data set'} has {inside:.0%} of its positive map inside the annotated object, "
        f"which covers {area:.0%} of the image (medians of {len(shares)} images); without the object the same class "
        f"wins in {wins:.0%}",
        left_out(copies),
        f"To do: {CODES['CA205'].what_to_do.rstrip('.')}",
    ]
    return Finding(
        code="CA205",
        severity=NOTE if len(shares) < FULL_IMAGES else ERROR if wins > 0.5 else WARNING,
        label=label,
        message=". ".join(filter(None, sentences)),
        evidence={
            "images": len(shares),
            "score": round(inside / area, 6) if area else 0.0,
            "threshold": 1.0,
            "copies_left_out": copies,
            "inside_share": round(inside, 6),
            "inside_area": round(area, 6),
            "centre_share": round(median(share.centre for share in shares), 6),
            "wins_without": round(wins, 6),
        },
        examples=tuple(Example(source.name) for source in examples),
        fingerprint=fingerprint("CA205", label, (digests[source.name] for source in examples)),
    )


def outside_examples(annotated: Sequence[Annotated]) -> list[ImageSource]:
    """The images whose map lies furthest outside the object, at most MAX_EXAMPLES."""

    def excess(image: Annotated) -> tuple[float, str]:
        source, share = image
        return (share.inside or 0.0) - share.area, source.name

    return [source for source, _ in sorted(annotated, key=excess)[:MAX_EXAMPLES]]


def order(finding: Finding) -> tuple[float | str, ...]:
    """The key that sorts findings worst first."""
    worst = -SEVERITIES.index(finding.severity)
    return worst, -finding.evidence.get("gain", 0.0), -finding.evidence["score"], finding.code, finding.label


def fingerprint(code: str, label: str, digests: Iterable[str]) -> str:
    """What makes a finding the same one in another run: its code, its class and its example images, no scores."""
    text = "\n".join([code, label, *sorted(digests)])
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:32]


def _numbers(evidence: Evidence) -> dict[str, float]:
    cause = evidence.cause
    suspicion, use, groups = cause.suspicion, evidence.use, evidence.groups
    numbers: dict[str, float] = {
        "images": suspicion.images,
        "hits": len(cause.hits_looked_at),
        "score": suspicion.score,
        "threshold": suspicion.threshold,
        "copies_left_out": evidence.copies,
    }
    numbers |= {f"{finder}_score": found.score for finder, found in cause.finders.items()}
    numbers |= dict(suspicion.numbers)
    if use:
        numbers |= {"use": use.there, "use_everywhere": use.everywhere, "use_area": use.area}
    planted = strongest(evidence.effects, takes_away=False)
    if planted:
        numbers |= _of_effect("", planted)
    taken = strongest(evidence.effects, takes_away=True)
    if taken:
        numbers |= _of_effect("taken_", taken)
    for effect in evidence.effects:
        numbers |= _of_effect(f"{effect.test}_", effect)
    if evidence.changed:
        numbers["removal_change_rate"] = sum(evidence.changed.values()) / len(evidence.changed)
    if groups:
        numbers["others_looked_at"] = groups.looked_at
        for name, group in (("shown", groups.shown), ("lacking", groups.lacking), ("others", groups.others)):
            numbers |= {f"{name}_images": group.images, f"{name}_called": group.called}
            if group.images:
                share = share_interval(group.called, group.images)
                numbers |= {f"{name}_called_low": share.low, f"{name}_called_high": share.high}
    numbers["passes"] = evidence.passes
    return {key: round(float(value), 6) for key, value in numbers.items()}


def _of_effect(prefix: str, effect: Effect) -> dict[str, float]:
    numbers: dict[str, float] = {
        "gain": effect.gain.value,
        "gain_low": effect.gain.low,
        "gain_high": effect.gain.high,
        "targets": effect.images,
        "turned": effect.turned,
        "control_turned": effect.control_turned,
        "flips": effect.flips.value,
        "flips_low": effect.flips.low,
        "flips_high": effect.flips.high,
    }
    if effect.rank is not None:
        numbers["rank"] = effect.rank
    if effect.z is not None:
        numbers["z"] = effect.z
    return {f"{prefix}{name}": value for name, value in numbers.items()}
