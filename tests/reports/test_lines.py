"""The verdict and the evidence in words."""

from __future__ import annotations

import dataclasses

import pytest
from canonical import canonical_report, effect, finding, image

from cam_audit.records import ConfusedImage, Disagreement, Finding, MetadataGroup, Pair
from cam_audit.reports.counts import counts_of
from cam_audit.reports.html.headline import headline
from cam_audit.reports.html.steps import caveat
from cam_audit.reports.lines import EvidenceLines, confused_pairs, evidence, verdict, worst_group_told
from cam_audit.reports.scan_report import ImageRow
from cam_audit.reports.verdict import verdict_on

CLEAN = dataclasses.replace(
    canonical_report(), findings=(), images=tuple(image("1.png", label) for label in ("cat", "dog", "owl"))
)


@pytest.mark.parametrize(
    ("findings", "sentence"),
    [
        ([], "No findings in 3 images."),
        (
            [("CA206", "note", "dog")],
            "1 of 3 classes is told by a cue; that the net goes by it is not established ('dog').",
        ),
        (
            [("CA203", "warning", "cat"), ("CA206", "note", "dog")],
            "1 of 3 classes is suspicious: the score moves with a cue, but hardly any prediction changes ('cat').",
        ),
        (
            [("CA203", "error", "cat"), ("CA201", "error", "dog"), ("CA202", "error", "cat"), ("CA206", "note", "owl")],
            "2 of 3 classes are suspicious: predictions change with a cue ('cat', 'dog').",
        ),
    ],
)
def test_the_verdict_is_what_the_gravest_findings_establish(
    findings: list[tuple[str, str, str]], sentence: str
) -> None:
    found = tuple(finding(*each) for each in findings)
    assert verdict(dataclasses.replace(CLEAN, findings=found)) == sentence


def test_the_verdict_names_five_classes_and_counts_the_rest() -> None:
    rows = tuple(image("1.png", f"c{index}") for index in range(9))
    found = tuple(finding("CA203", "error", f"c{index}") for index in range(7))
    sentence = verdict(dataclasses.replace(CLEAN, images=rows, findings=found))
    assert sentence.endswith("('c0', 'c1', 'c2', 'c3', 'c4' and 2 more).")


def test_the_verdict_counts_what_could_not_be_read() -> None:
    rows = (*CLEAN.images, ImageRow("owl/2.png", "owl", error="the file is empty"))
    assert verdict(dataclasses.replace(CLEAN, images=rows)) == (
        "No findings in 4 images; 1 of 4 images could not be read."
    )


def test_where_nothing_was_looked_for_the_verdict_is_not_that_nothing_was_found() -> None:
    nothing = dataclasses.replace(CLEAN, run={**CLEAN.run, "sampled": 0})
    assert verdict(nothing) == "Cues could not be looked for in 3 images."
    some = dataclasses.replace(nothing, findings=(finding("CA205", "note", "dog"),))
    assert verdict(some).startswith("1 of 3 classes is told by a cue")


# By what a finding of a full class is no error: its numbers, and words of the reason.
TURNS = effect("", 30, 3, (0.52, 0.86), (1.5, 1.25, 1.75))
STAYS = effect("", 3, 3, (-0.1, 0.1), (0.0, -0.1, 0.1))
MOVES = effect("", 3, 3, (-0.1, 0.1), (0.5, 0.4, 0.6))
LEAVES = effect("taken_", 20, 2, (0.3, 0.7), (0.8, 0.5, 1.1), targets=30)
NO_LONGER_LEAVES = effect("taken_", 2, 20, (-0.7, -0.3), (-0.8, -1.1, -0.5), targets=30)


def with_tests(numbers: dict[str, float], planting: str = "surroundings_") -> dict[str, float]:
    """The numbers of the telling tests, and again under the names of the tests themselves."""
    named = {
        name.replace("taken_", "surroundings_taken_", 1) if name.startswith("taken_") else f"{planting}{name}": number
        for name, number in numbers.items()
    }
    return {"use": 0.2, **numbers, **named}


@pytest.mark.parametrize(
    ("numbers", "reason"),
    [
        ({**TURNS, "use": 0.0}, "no more there than on other classes' images"),
        ({**TURNS, "rank": 2.0}, "other classes' scores move as much"),
        ({**TURNS, "rank": 1.0, "z": 1.9}, "other classes' scores move as much"),
        (
            {**TURNS, **NO_LONGER_LEAVES, "rank": 1.0},
            "more images keep the class without the cue than with the control",
        ),
        ({**STAYS, **LEAVES, "rank": 1.0, "taken_rank": 1.0}, "planting it moves the score too little"),
        # planting it did move the score: the reason is another
        ({**MOVES, **LEAVES, "rank": 1.0, "taken_rank": 2.0}, "other classes' scores move as much"),
    ],
)
def test_notes_whose_tests_turned_predictions_are_not_said_to_show_nothing(
    numbers: dict[str, float], reason: str
) -> None:
    odd = finding("CA203", "note", "dog", **with_tests(numbers))
    assert reason in caveat(odd)
    advice = headline_advice(odd)
    assert advice == (
        "Predictions changed in some tests, but not so that it speaks for this cue alone; each finding says why."
    )
    # beside one of a small class that is said first
    both = headline_advice(odd, finding("CA206", "note", "owl", images=23))
    assert both.startswith("A class of fewer than 24 images is too small")


@pytest.mark.parametrize("images", [23, 24])
def test_a_small_class_is_said_to_be_too_small_for_a_verdict(images: int) -> None:
    strong = finding("CA203", "note", "dog", **with_tests(TURNS), images=images)
    small = "A class of fewer than 24 images is too small for a verdict: add images and scan again."
    assert headline_advice(strong).startswith(small) == (images < 24)
    assert ("Classes of fewer than 24 images, here 23, stay notes" in caveat(strong)) == (images < 24)


def test_notes_that_turned_nothing_show_nothing_for_certain() -> None:
    weak = finding("CA203", "note", "dog", **with_tests(STAYS))
    assert caveat(weak) == ""
    assert headline_advice(weak).startswith("Nothing shows for certain that the net goes by it.")


def headline_advice(*findings: Finding) -> str:
    report = dataclasses.replace(CLEAN, findings=findings)
    came = headline(report, verdict_on(report, counts_of(report)))
    assert came.gravity == "note"
    return came.advice


def test_evidence_tells_only_what_was_measured() -> None:
    bare = finding("CA206", "note", "dog")
    cue = "in 8 of 30 images; score 0.27, reported from 0.10"
    assert evidence(bare) == EvidenceLines(cue, "", "")
    planted = effect("", 9, 2, (0.125, 0.5), (1.0, 0.5, 1.5), targets=20)
    assert evidence(finding("CA203", "error", "dog", use=0.25, **planted)) == EvidenceLines(
        cue,
        "0.25 of the usual lead",
        "planted: 9 of 20 turned, 2 with a control (+35%, 95% interval +12% to +50%)",
    )
    taken = effect("taken_", 0, 3, (-0.75, 0.0625), (0.0, -0.5, 0.5), targets=8)
    assert evidence(finding("CA203", "error", "dog", **taken)) == EvidenceLines(
        cue, "", "taken away: 0 of 8 turned, 3 with a control (-38%, 95% interval -75% to +6%)"
    )
    first, second = evidence(finding("CA203", "error", "dog", **planted, **taken)).counterfactual.split("; ")
    assert (first[:13], second[:16]) == ("planted: 9 of", "taken away: 0 of")


def test_evidence_outside_the_object_tells_the_shares() -> None:
    numbers = {"score": 0.5, "threshold": 1.0, "inside_share": 0.1, "inside_area": 0.2, "wins_without": 0.75}
    lines = evidence(Finding("CA205", "error", "cat", "", numbers, (), "0" * 32))
    assert lines == EvidenceLines(
        "10% of the map on the object, 20% of the image", "", "wins without the object in 75%"
    )


def test_pairs_come_most_often_first_with_the_median_of_their_maps() -> None:
    def confused(label: str, predicted: str, correlation: float | None) -> ConfusedImage:
        return ConfusedImage("", label, predicted, Disagreement(correlation, (0, 0), (0, 0)))

    pairs = confused_pairs([confused("b", "a", 1.0), *(confused("a", "b", c) for c in (0.5, None, -1.0))])
    assert [(pair.label, pair.predicted, pair.images, pair.correlation) for pair in pairs] == [
        ("a", "b", 3, 0.0),
        ("b", "a", 1, 1.0),
    ]


def of_pairs(severity: str = "warning") -> Finding:
    pair = Pair(("cat/1.png", "dog/1.png"), ("cat", "dog"), ("", ""), same_pixels=True)
    found = finding("CA301", severity, "", pairs=2.0, same_pixels=1.0)
    return dataclasses.replace(found, pairs=(pair,))


def test_pairs_are_named_beside_the_verdict_and_are_no_all_clear() -> None:
    alone = dataclasses.replace(CLEAN, findings=(of_pairs(),))
    assert verdict(alone) == "No cue was found in 3 images; the same picture in two classes: 2 pairs."
    with_cue = dataclasses.replace(CLEAN, findings=(finding("CA203", "error", "cat"), of_pairs()))
    assert verdict(with_cue) == (
        "1 of 3 classes is suspicious: predictions change with a cue ('cat'); the same picture in two classes: 2 pairs."
    )
    assert evidence(of_pairs()).cue == "2 pairs of images, 1 with the same pixels"
    head = headline(alone, verdict_on(alone, counts_of(alone)))
    assert (head.gravity, head.sentence) == ("warning", "The same picture in two classes: 2 pairs.")
    assert head.advice.startswith("No shortcut was found in ")
    rows = tuple(dataclasses.replace(row, inside_share=None) for row in alone.images)
    unlooked = dataclasses.replace(alone, images=rows, run={**alone.run, "sampled": 0})
    head = headline(unlooked, verdict_on(unlooked, counts_of(unlooked)))
    assert head.advice.startswith("Cues could not be looked for")
    head = headline(with_cue, verdict_on(with_cue, counts_of(with_cue)))
    assert head.gravity == "error"
    assert head.advice.endswith("The same picture in two classes: 2 pairs.")
    assert caveat(of_pairs("note")) == ""


def test_the_worst_group_is_the_one_whose_interval_ends_lowest() -> None:
    groups = (
        MetadataGroup("site", "tiny", 1, 1, 0, 0.0, 0.793451),
        MetadataGroup("site", "north", 40, 40, 12, 0.180762, 0.454295),
        MetadataGroup("site", "unlabelled", 9, 0, 0, 0.0, 1.0),
    )
    told = worst_group_told(dataclasses.replace(CLEAN, groups=groups))
    assert told == "site north: 12 of 40 right (30%, 95% interval 18% to 45%)"
    assert worst_group_told(dataclasses.replace(CLEAN, groups=groups[2:])) == ""
