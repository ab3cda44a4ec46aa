"""From a cause and its evidence to a finding: what decides its severity, its words and its numbers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from statistics import median

from cam_audit.findings.causes import Cause
from cam_audit.findings.codes import ERROR, FULL_IMAGES, MIN_USE, NOTE, SEVERITIES, WARNING, counterfactual
from cam_audit.findings.counterfactual import Effect
from cam_audit.findings.evidence import Evidence
from cam_audit.findings.sample import MIN_IMAGES
from cam_audit.records import Example, Finding, ImageSource, ObjectShare

Annotated = tuple[ImageSource, ObjectShare]
"""An image with an annotated object, and where its map lies with respect to that."""

MAX_EXAMPLES = 12


def severity(images: int, use: float | None, confirmed: bool) -> str:
    """note: the cue is there; warning: the net looks at it too; error: planting it moves other images to the class."""
    if images < FULL_IMAGES:
        return NOTE
    if confirmed:
        return ERROR
    return WARNING if use is not None and use >= MIN_USE else NOTE


def finding_of(cause: Cause, evidence: Evidence, class_name: str, digests: Mapping[str, str]) -> Finding:
    """The finding that a cause and its evidence amount to; `digests` holds the hash of each example's file."""
    hits = cause.hits
    best = _strongest(evidence.effects)
    confirmed = best is not None and best.gain >= counterfactual(best.test).min_gain
    examples = tuple(Example(hit.name, hit.box) for hit in hits[:MAX_EXAMPLES])
    label = cause.suspicion.label
    return Finding(
        code=cause.code,
        severity=severity(cause.suspicion.images, evidence.use, confirmed),
        label=label,
        message=_message(cause, evidence, best, class_name),
        evidence=_numbers(cause, evidence, best),
        examples=examples,
        fingerprint=fingerprint(cause.code, label, (digests[example.path] for example in examples)),
    )


def object_finding(label: str, annotated: Sequence[Annotated], digests: Mapping[str, str]) -> Finding | None:
    """CA205 for a class whose annotated objects get no more of the map than their area; None for any other class.

    `annotated`: the class's images with an annotated object and a positive map; `digests`: the hashes of the files of
    the `outside_examples` among them. It is an error where the class still wins without the object in most images.
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
    return Finding(
        code="CA205",
        severity=NOTE if len(shares) < FULL_IMAGES else ERROR if wins > 0.5 else WARNING,
        label=label,
        message=(
            f"{repr(label) if label else 'the data set'} has {inside:.0%} of its positive map inside the annotated "
            f"object, which covers {area:.0%} of the image (medians of {len(shares)} images); without the object the "
            f"same class wins in {wins:.0%}"
        ),
        evidence={
            "images": len(shares),
            "score": round(inside / area, 6) if area else 0.0,
            "threshold": 1.0,
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


def _strongest(effects: Iterable[Effect]) -> Effect | None:
    return max(effects, key=lambda effect: effect.gain / counterfactual(effect.test).min_gain, default=None)


def _message(cause: Cause, evidence: Evidence, best: Effect | None, class_name: str) -> str:
    parts = [f"{cause.suspicion.label!r} {cause.suspicion.seen}"]
    if cause.suspicion.images < FULL_IMAGES:
        parts.append(f"with only {cause.suspicion.images} images that may be chance")
    if evidence.use is not None:
        where = "there" if any(hit.box for hit in cause.hits) else "at the border"
        parts.append(f"the net's map {where} adds {evidence.use:.2f} of a usual margin")
    if best is not None:
        turned = round(best.flip_rate * best.images)
        parts.append(
            f"{counterfactual(best.test).planting} {best.images} images of other classes gained {best.gain:.2f} "
            f"margins for {class_name!r} and turned {turned} of them into it"
        )
    if evidence.changed:
        lost = sum(evidence.changed.values())
        parts.append(f"painting the cue over changed {lost} of {len(evidence.changed)} predictions")
    measured = evidence.use is not None or best is not None
    # a folder that stands for no class is measured on the one that the net predicts most in it
    other_name = measured and class_name != cause.suspicion.label
    return "; ".join(parts) + (f" (measured on the net's class {class_name!r})" if other_name else "")


def _numbers(cause: Cause, evidence: Evidence, best: Effect | None) -> dict[str, float]:
    suspicion = cause.suspicion
    numbers: dict[str, float] = {
        "images": suspicion.images,
        "hits": len(cause.hits),
        "score": suspicion.score,
        "threshold": suspicion.threshold,
    }
    numbers |= {f"{finder}_score": found.score for finder, found in cause.finders.items()}
    numbers |= dict(suspicion.numbers)
    if evidence.use is not None:
        numbers["use"] = evidence.use
    if best is not None:
        numbers |= {
            "gain": best.gain,
            "flip_rate": best.flip_rate,
            "control_flip_rate": best.control_flip_rate,
        }
    for effect in evidence.effects:
        numbers |= {f"gain_{effect.test}": effect.gain, f"flip_rate_{effect.test}": effect.flip_rate}
    if evidence.changed:
        numbers["removal_change_rate"] = sum(evidence.changed.values()) / len(evidence.changed)
    numbers["passes"] = evidence.passes
    return {key: round(float(value), 6) for key, value in numbers.items()}
