"""The three lines of evidence of a finding, in words for somebody who sees one for the first time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from cam_audit.findings.codes import CODES, FULL_IMAGES, MIN_USE, NOTE, counterfactual
from cam_audit.findings.cues.cielab import to_rgb
from cam_audit.records import Finding


@dataclass(frozen=True)
class Bar:
    """One counterfactual: what it gained, from where on it confirms, and what it turned into the class (0..1)."""

    name: str
    gain: float
    threshold: float
    flip_rate: float

    @property
    def met(self) -> bool:
        """Whether it confirms the finding."""
        return self.gain >= self.threshold


@dataclass(frozen=True)
class Step:
    """One line of evidence: its claim, whether it holds (None: not measured), its number and threshold, in words.

    `swatches`: names and colours (#rrggbb) to show.
    """

    claim: str
    met: bool | None
    number: str
    threshold: str
    meaning: str
    bars: tuple[Bar, ...] = ()
    swatches: tuple[tuple[str, str], ...] = ()


def steps(finding: Finding) -> tuple[Step, Step, Step]:
    """Cue, use and counterfactual of a finding."""
    if finding.code == "CA205":
        return _object_steps(finding.evidence)
    return _cue(finding), _use(finding), _counterfactual(finding)


def caveat(finding: Finding) -> str:
    """Why a finding is less grave than its evidence looks, "" where it is not."""
    images = finding.evidence.get("images", FULL_IMAGES)
    if finding.severity == NOTE and images < FULL_IMAGES:
        return (
            f"With only {images:.0f} images in the class this may be chance, and stays a note; "
            f"from {FULL_IMAGES} images on it would count."
        )
    return ""


def _cue(finding: Finding) -> Step:
    evidence = finding.evidence
    score, threshold = evidence.get("score", 0.0), evidence.get("threshold", 0.0)
    images, hits = evidence.get("images", 0), evidence.get("hits", 0)
    told_by = CODES[finding.code].told_by if finding.code in CODES else "the cue"
    if "shared_in_class" in evidence or not told_by:
        meaning = f"{hits:.0f} of the class's {images:.0f} images that were looked at show the same thing."
    else:
        meaning = (
            f"Without the net, by {told_by} alone, so many of the class's {images:.0f} images stand out from the other "
            "classes; chance would be 2%."
        )
    swatches = tuple(_swatches(evidence))
    return Step(
        "A cue is there", score >= threshold, f"{score:.0%}", f"at least {threshold:.0%}", meaning, swatches=swatches
    )


def _swatches(evidence: Mapping[str, float]) -> Iterator[tuple[str, str]]:
    for name, words in (("class", "this class, on average"), ("others", "other classes")):
        lab = [evidence[f"{name}_{channel}"] for channel in "Lab" if f"{name}_{channel}" in evidence]
        if len(lab) == 3:
            red, green, blue = to_rgb(np.array(lab, np.float32))
            yield words, f"#{red:02x}{green:02x}{blue:02x}"


def _use(finding: Finding) -> Step:
    claim = "The net looks at it"
    use = finding.evidence.get("use")
    threshold = f"at least {MIN_USE:.2f}"
    if use is None:
        meaning = (
            "Cannot be measured: a property of the file is not in its pixels."
            if _is_in_file(finding)
            else "Not measured: there was no image to measure it on."
        )
        return Step(claim, None, "–", threshold, meaning)
    meaning = (
        f"What the class activation map adds at the cue, against other classes' images; 1 is the lead by which this "
        f"net usually decides. Here: {use:.0%} of it."
    )
    return Step(claim, use >= MIN_USE, f"{use:.2f}", threshold, meaning)


def _counterfactual(finding: Finding) -> Step:
    claim = "The prediction follows it"
    evidence = finding.evidence
    bars = tuple(_bars(evidence))
    if not bars or "gain" not in evidence:
        meaning = (
            "Cannot be tested: a property of the file cannot be planted in pixels."
            if _is_in_file(finding)
            else "Not tested: there were no images of other classes to plant the cue in."
        )
        return Step(claim, None, "–", "", meaning)
    best = max(bars, key=lambda bar: bar.gain / bar.threshold)
    control = evidence.get("control_flip_rate", 0.0)
    meaning = (
        f"Planted in images of other classes, the cue moves them towards the class by {best.gain:.2f} of the usual "
        f"lead and turns {best.flip_rate:.0%} of them into it ({control:.0%} with a control in its place)."
    )
    if "removal_change_rate" in evidence:
        meaning += (
            f" Painted over, {evidence['removal_change_rate']:.0%} of the class's images change their prediction."
        )
    return Step(claim, best.met, f"{best.gain:.2f}", f"at least {best.threshold:.2f}", meaning, bars)


def _is_in_file(finding: Finding) -> bool:
    return finding.code in CODES and CODES[finding.code].in_file


def _bars(evidence: Mapping[str, float]) -> Iterator[Bar]:
    for key, gain in evidence.items():
        name = key.removeprefix("gain_")
        if name != key:
            test = counterfactual(name)
            yield Bar(test.label, gain, test.min_gain, evidence.get(f"flip_rate_{name}", 0.0))


def _object_steps(evidence: Mapping[str, float]) -> tuple[Step, Step, Step]:
    inside, area = evidence.get("inside_share", 0.0), evidence.get("inside_area", 0.0)
    centre, wins = evidence.get("centre_share", 0.0), evidence.get("wins_without", 0.0)
    return (
        Step(
            "The object is known",
            True,
            f"{area:.0%}",
            "",
            f"The annotated object covers so much of the image (median of {evidence.get('images', 0):.0f} images). "
            "A map spread evenly would have as much of itself inside.",
        ),
        Step(
            "The net looks elsewhere",
            inside <= area,
            f"{inside:.0%}",
            f"at most {area:.0%}",
            f"So much of the class's map lies inside the object; a blob at the centre would have {centre:.0%}.",
        ),
        Step(
            "The prediction does without it",
            wins > 0.5,
            f"{wins:.0%}",
            "over 50%",
            "In so many images the class still wins when the object is painted over.",
        ),
    )
