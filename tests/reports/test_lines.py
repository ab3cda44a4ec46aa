"""The verdict and the evidence in words."""

from __future__ import annotations

import dataclasses

import pytest
from canonical import canonical_report, effect, finding, image

from cam_audit.records import ConfusedImage, Disagreement, Finding, ImageRow
from cam_audit.reports.lines import EvidenceLines, confused_pairs, evidence, verdict

CLEAN = dataclasses.replace(
    canonical_report(), findings=(), images=tuple(image("1.png", label) for label in ("cat", "dog", "owl"))
)


@pytest.mark.parametrize(
    ("findings", "sentence"),
    [
        ([], "No findings in 3 images."),
        (
            [("CA206", "note", "dog")],
            "1 of 3 classes is told by a cue that the net was not seen to use ('dog').",
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
