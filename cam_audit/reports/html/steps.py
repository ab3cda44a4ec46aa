"""The three lines of evidence of a finding, in words for somebody who sees one for the first time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from cam_audit.findings.codes import CODES, ERROR, FULL_IMAGES, MIN_FLIPS, MIN_USE, NOTE
from cam_audit.findings.counterfactual import stands_out, turns
from cam_audit.findings.cues.cielab import to_rgb
from cam_audit.findings.evidence import Use
from cam_audit.records import Finding
from cam_audit.reports.html.numbers import rows_of_tests


@dataclass(frozen=True)
class Bar:
    """One counterfactual test: by how much more images turned than with its control, -1..1, with its interval.

    `counts`: the same in numbers, in words. `met`: whether it shows that predictions change.
    """

    name: str
    value: float
    low: float
    high: float
    counts: str
    met: bool


@dataclass(frozen=True)
class Gauge:
    """A number to be drawn on a scale from `least` to `most`, with the threshold that it has to reach."""

    value: float
    threshold: float
    least: float = 0.0
    most: float = 1.0

    @property
    def shown(self) -> float:
        """The number, within the scale."""
        return min(max(self.value, self.least), self.most)


@dataclass(frozen=True)
class Step:
    """One line of evidence: its claim, whether it holds (None: not measured), its number and threshold, in words.

    `swatches`: names and colours (#rrggbb) to show; `gauge`: what decides about it, to be drawn.
    """

    claim: str
    met: bool | None
    number: str
    threshold: str
    meaning: str
    bars: tuple[Bar, ...] = ()
    swatches: tuple[tuple[str, str], ...] = ()
    gauge: Gauge | None = None


@dataclass(frozen=True)
class CalledGroup:
    """Images of one kind: how many of them are called the class, with the 95% interval of the share, 0..1."""

    name: str
    images: int
    called: int
    low: float
    high: float


# Where a map's use is drawn: most lie here.
USE_SCALE = (-0.5, 1.5)
GROUPS = {
    "shown": "this class, with the cue",
    "lacking": "this class, without it",
    "others": "other classes, with the cue",
}


def groups(finding: Finding) -> tuple[CalledGroup, ...]:
    """What the net says of images with the cue and without it; empty where that was not counted."""
    evidence = finding.evidence
    return tuple(
        CalledGroup(
            words,
            round(evidence[f"{name}_images"]),
            round(evidence[f"{name}_called"]),
            evidence.get(f"{name}_called_low", 0.0),
            evidence.get(f"{name}_called_high", 1.0),
        )
        for name, words in GROUPS.items()
        if f"{name}_images" in evidence
    )


def steps(finding: Finding) -> tuple[Step, ...]:
    """Cue, use and counterfactual of a finding; none of one about pairs of images, which are its whole evidence."""
    if finding.pairs:
        return ()
    if finding.code == "CA205":
        return _object_steps(finding.evidence)
    if finding.code == "CA209":
        return *_foreign_steps(finding.evidence), _counterfactual(finding)
    if finding.code == "CA207":
        return *_context_steps(finding.evidence), _counterfactual(finding)
    return _cue(finding), _use(finding), _counterfactual(finding)


def caveat(finding: Finding) -> str:
    """Why a finding is less grave than its evidence looks, "" where it is not."""
    evidence = finding.evidence
    if finding.pairs:
        return ""
    images = evidence.get("images", FULL_IMAGES)
    if finding.severity == NOTE and images < FULL_IMAGES:
        return (
            f"Classes of fewer than {FULL_IMAGES} images, here {images:.0f}, stay notes, whatever is measured: so few "
            "may be alike by chance."
        )
    turning = [bar for bar in _bars(evidence) if bar.met]
    if finding.severity == ERROR or not turning:
        return ""
    if finding.code == "CA209":
        return "Some class must get what a net does not know: a note at most."
    if evidence.get("use", 0.0) <= 0 and not _is_everywhere(finding):
        return "Predictions change, but the class's map has no more there than on other classes' images: no error."
    if evidence.get("taken_flips_high", 0.0) < 0:
        return (
            "Predictions change when the cue is planted, but more images keep the class without the cue than with the "
            "control: no error."
        )
    if not (_stands_out(evidence, "") and _stands_out(evidence, _turning(evidence))):
        return "Predictions change, but other classes' scores move as much: the edit may disturb the images. No error."
    return (
        "Images leave the class when the cue is taken away, but planting it moves the score too little: what was taken "
        "away may have been more than the cue. No error."
    )


def _turning(evidence: Mapping[str, float]) -> str:
    """The prefix of the numbers of the planting, or, where that turns too few, of the taking away."""
    return "" if turns(evidence.get("flips", 0.0), evidence.get("flips_low", 0.0)) else "taken_"


def _stands_out(evidence: Mapping[str, float], prefix: str) -> bool:
    return stands_out(evidence.get(f"{prefix}rank"), evidence.get(f"{prefix}z"))


def _cue(finding: Finding) -> Step:
    evidence = finding.evidence
    score, threshold = evidence.get("score", 0.0), evidence.get("threshold", 0.0)
    images, hits = evidence.get("images", 0), evidence.get("hits", 0)
    told_by = CODES[finding.code].told_by if finding.code in CODES else "the cue"
    meaning = f"{hits:.0f} of the class's {images:.0f} images that were looked at show it."
    if told_by:
        meaning += (
            f" By {told_by} alone, without the net, {score:.0%} of the class stand out from the other classes; chance "
            f"would be 2%, and it is reported from {threshold:.0%} on."
        )
    else:
        meaning += f" It is reported from {threshold:.0%} of the class on."
    shown = hits / images if images else score
    swatches = tuple(_swatches(evidence))
    gauge = Gauge(score, threshold)
    return Step("A cue is there", score >= threshold, f"{shown:.0%}", "", meaning, swatches=swatches, gauge=gauge)


def _context_steps(evidence: Mapping[str, float]) -> tuple[Step, Step]:
    """That parts lie in the surroundings, and how much of the score they carry."""
    score, threshold, share = (evidence.get(name, 0.0) for name in ("score", "threshold", "surroundings_share"))
    images, hits = evidence.get("images", 0), evidence.get("hits", 0)
    return (
        Step(
            "A cue is there",
            score >= threshold,
            f"{hits / images if images else 0.0:.0%}",
            "",
            f"Parts of what the net looks at lie off the object, as masks or another net tell; {hits:.0f} of the "
            f"class's {images:.0f} images that were looked at show them. See them under What the net looks at.",
        ),
        Step(
            "The net looks at it",
            score >= threshold,
            f"{share:.0%}",
            f"of the score; at least {threshold:.0%} beyond other classes",
            "So much of the class's score comes from these parts, as the map splits it exactly; in other classes' "
            f"images they add {max(0.0, share - score):.0%}.",
        ),
    )


def _foreign_steps(evidence: Mapping[str, float]) -> tuple[Step, Step]:
    """No cue was looked for in the class's own images."""
    return (
        Step(
            "A cue is there",
            None,
            "–",
            "",
            "No image is known to show it: look at the class's images for things that the other classes' do not have. "
            f"{evidence.get('objects', 0.0):.0f} round things of random colours were pasted into other images.",
        ),
        Step("The net looks at it", None, "–", "", "Not measured: no image of the class is known to show it."),
    )


def _swatches(evidence: Mapping[str, float]) -> Iterator[tuple[str, str]]:
    for name, words in (("class", "this class, on average"), ("others", "other classes")):
        lab = [evidence[f"{name}_{channel}"] for channel in "Lab" if f"{name}_{channel}" in evidence]
        if len(lab) == 3:
            red, green, blue = to_rgb(np.array(lab, np.float32))
            yield words, f"#{red:02x}{green:02x}{blue:02x}"


def _use(finding: Finding) -> Step:
    claim = "The net looks at it"
    evidence = finding.evidence
    use, area, everywhere = (evidence.get(name) for name in ("use", "use_area", "use_everywhere"))
    threshold = f"at least {MIN_USE:.2f}"
    if use is None or area is None or everywhere is None:
        meaning = _why_not(
            finding,
            in_file="Cannot be measured: it is not in the pixels.",
            no_tests="Not measured: the thing is what the images show, and no cue beside it.",
            else_="Cannot be measured: it is the whole picture, with no place of its own."
            if _is_everywhere(finding)
            else "Not measured: there was no image to measure it on.",
        )
        return Step(claim, None, "–", threshold, meaning)
    meaning = (
        f"What the class activation map adds where the cue is ({area:.0%} of the map, outlined), against other "
        f"classes' images; 1 is the lead by which this net usually decides. The whole map adds {everywhere:.2f}."
    )
    looks = Use(use, everywhere, area).looks
    if use >= MIN_USE and not looks:
        even = area * everywhere
        meaning += (
            f" Spread evenly, the cue's place would have {even:.2f}; it has less than half of that: the map is at "
            "its weakest there."
        )
    return Step(claim, looks, f"{use:.2f}", threshold, meaning, gauge=Gauge(use, MIN_USE, *USE_SCALE))


def _counterfactual(finding: Finding) -> Step:
    claim = "The prediction follows it"
    evidence = finding.evidence
    bars = tuple(_bars(evidence))
    if not bars:
        meaning = _why_not(
            finding,
            in_file="Cannot be tested: it cannot be planted in pixels.",
            no_tests="Not tested: what fills the picture cannot be planted in another one.",
            else_="Not tested: no edit plants this cue, or there were too few images to plant it in or take it from.",
        )
        return Step(claim, None, "–", "", meaning)
    told = []
    if "turned" in evidence:
        told.append(
            f"With the cue planted, {evidence['turned']:.0f} of {evidence['targets']:.0f} images of other classes "
            f"became this class, and {evidence['control_turned']:.0f} with a control."
        )
    if "taken_turned" in evidence:
        told.append(
            f"With the cue taken away, {evidence['taken_turned']:.0f} of {evidence['taken_targets']:.0f} of its own "
            f"images left the class, and {evidence['taken_control_turned']:.0f} with a control."
        )
    if "gain" in evidence:
        told.append(
            f"Planted, it moves the score by {evidence['gain']:.2f} of the usual lead (95% interval: "
            f"{evidence['gain_low']:.2f} to {evidence['gain_high']:.2f})."
        )
    if "z" in evidence:
        told.append(
            f"Among all classes' scores this one comes {_ordinal(round(evidence['rank']))} by how much it rises."
        )
    telling = max(bars, key=lambda bar: (bar.met, bar.value))
    threshold = (
        f"percentage points, {telling.low * 100:+.0f} to {telling.high * 100:+.0f}; at least {MIN_FLIPS * 100:.0f}, "
        "and all above 0"
    )
    return Step(claim, telling.met, f"{telling.value * 100:+.0f}", threshold, " ".join(told), bars)


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number:,}{ending}"


def _is_everywhere(finding: Finding) -> bool:
    """Whether the cue has no place in the picture, so that no map can be measured on it."""
    code = CODES.get(finding.code)
    return bool(code and code.everywhere)


def _why_not(finding: Finding, *, in_file: str, no_tests: str, else_: str) -> str:
    """One of the sentences, by what the finding's code is about."""
    code = CODES.get(finding.code)
    if code and code.in_file:
        return in_file
    return no_tests if code and not code.tests else else_


def _bars(evidence: Mapping[str, float]) -> Iterator[Bar]:
    for row in rows_of_tests(evidence):
        value, low, high = row.difference
        counts = f"{row.turned:.0f} and {row.control:.0f} of {row.images:.0f}"
        yield Bar(row.name, value, low, high, counts, turns(value, low))


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
