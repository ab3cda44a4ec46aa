"""All numbers of a finding, under names that a reader knows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cam_audit.findings.codes import counterfactuals
from cam_audit.records import Finding

# Of the cue, of the map, and of pictures in two places. What is not here is shown under its own name, as are columns of
# metadata and properties of files.
NAMES = {
    "score": "share of the class that stands out by the cue",
    "threshold": "reported from",
    "images": "images of the class that were looked at",
    "hits": "of these, images that show the cue",
    "copies_left_out": "copies left out",
    "others_looked_at": "images of other classes that were looked at",
    "passes": "forward passes spent on this finding",
    "use": "what the map adds where the cue is, in usual leads",
    "use_area": "share of the map where the cue is",
    "use_everywhere": "what the whole map adds, in usual leads",
    "removal_change_rate": "share of images with the cue whose prediction changes when it is painted over",
    "strength": "how much more often the class shows the mark",
    "shared_in_class": "share of the class's images that share something with another",
    "shared_in_others": "the same in other classes",
    "photos_twice": "images that show the same photo as another",
    "things": "things that images share",
    "largest_thing": "images with the most common of them",
    "same_thing_score": "share of the class that shows one of them",
    "parts": "parts in the surroundings",
    "surroundings_share": "share of the score that they carry",
    "tried": "tests that were tried, and corrected for",
    "clustered": "pictures that were grouped",
    "in_cluster": "of these, in the class's own group",
    "crossing": "nearest neighbours outside the group, against chance",
    "objects": "things that were pasted",
    "centre_share": "share of a blob at the centre inside the object",
    "inside_share": "share of the map inside the object",
    "inside_area": "share of the picture that is object",
    "wins_without": "share of images where the class wins without the object",
    "pairs": "pairs of images",
    "same_pixels": "of these, with the same pixels",
    "leaked_images": "images that are in two splits",
    "split_images": "images of that split",
    "leaked_judged": "images in two splits that have a class of the net",
    "leaked_right": "of these, predicted right",
    "others_judged": "other images that have a class of the net",
    "others_right": "of these, predicted right",
    "share_left": "strip at the left, share of the width",
    "share_top": "strip at the top, share of the height",
    "share_right": "strip at the right, share of the width",
    "share_bottom": "strip at the bottom, share of the height",
}
# Shown with intervals in a table of their own.
CALLED = ("shown_", "lacking_", "others_called", "others_images")
MEASURES = (
    "turned",
    "control_turned",
    "targets",
    "flips",
    "flips_low",
    "flips_high",
    "gain",
    "gain_low",
    "gain_high",
    "rank",
    "z",
)


@dataclass(frozen=True)
class TestRow:
    """One counterfactual test: how many of its images turned, with the cue and with the control, and what scores did.

    `difference`: of the two shares, -1..1, `gain`: what the class's score gained over the control, in usual leads, both
    with their 95% intervals; `rank`: of the gain among all classes, 1 the largest.
    """

    name: str
    turned: float
    control: float
    images: float
    difference: tuple[float, float, float]
    gain: tuple[float, float, float] | None
    rank: float | None


def rows_of_tests(evidence: Mapping[str, float]) -> Iterator[TestRow]:
    """The counterfactual tests of a finding, in the order of the table of codes."""
    for name, test in counterfactuals().items():
        of_test = {measure: evidence[f"{name}_{measure}"] for measure in MEASURES if f"{name}_{measure}" in evidence}
        if not {"turned", "control_turned", "targets", "flips", "flips_low", "flips_high"} <= of_test.keys():
            continue
        gain = of_test.get("gain"), of_test.get("gain_low"), of_test.get("gain_high")
        yield TestRow(
            test.label,
            of_test["turned"],
            of_test["control_turned"],
            of_test["targets"],
            (of_test["flips"], of_test["flips_low"], of_test["flips_high"]),
            None if None in gain else gain,  # type: ignore[arg-type]
            of_test.get("rank"),
        )


def numbers(finding: Finding) -> tuple[tuple[str, float], ...]:
    """All other numbers of a finding by their names in words, in the order in which findings.json has them."""
    tests = ("", "taken_", *(f"{name}_" for name in counterfactuals()))
    of_tests = {f"{test}{measure}" for test in tests for measure in MEASURES}
    return tuple(
        (_name(key), value)
        for key, value in finding.evidence.items()
        if key not in of_tests and not key.startswith(CALLED)
    )


def _name(key: str) -> str:
    if key in NAMES:
        return NAMES[key]
    words = key.replace("_", " ")
    for prefix, of_whom in (("class ", "this class"), ("others ", "other classes")):
        if words.startswith(prefix):
            return f"{words.removeprefix(prefix)}, mean of {of_whom}"
    if words.endswith(" score"):
        return f"share of the class that stands out by {words.removesuffix(' score')}"
    return words
