"""Which labels are likely wrong: by the rule, applied by hand."""

from __future__ import annotations

import dataclasses

import pytest

from cam_audit.findings.sample import MIN_IMAGES
from cam_audit.findings.wrong_labels import MIN_RATIO, LabelScores
from cam_audit.records import ImageResult, ImageSource, MapStatistics, Score, WrongLabel

NAMES = ("cat", "dog", "mug")


def result(name: str, label: int | None, predicted: int, score: float, label_score: float | None) -> ImageResult:
    source = ImageSource("", name, "" if label is None else NAMES[label], label)
    scores = (Score(predicted, NAMES[predicted], score),)
    return ImageResult(source, 8, 8, scores, label_score, NAMES[predicted], MapStatistics(0.5, 0.5, None, 0.0), None)


def likely(*records: ImageResult) -> tuple[WrongLabel, ...]:
    scores = LabelScores()
    for record in records:
        scores.add(record)
    found = scores.likely_wrong()
    other_way = LabelScores()
    for record in reversed(records):
        other_way.add(record)
    assert other_way.likely_wrong() == found
    return found


SURE = [result(f"cat/{n}.jpg", 0, 0, 0.9, 0.9) for n in range(MIN_IMAGES)]


def test_the_images_are_ranked_by_how_far_another_class_exceeds_theirs() -> None:
    found = likely(
        *SURE,
        result("cat/x.jpg", 0, 1, 0.9, 0.01),
        result("cat/y.jpg", 0, 2, 0.9, 0.001),
        result("cat/z.jpg", 0, 1, 0.9, 0.9 / MIN_RATIO * 1.01),
    )
    assert found == (
        WrongLabel("cat/y.jpg", "cat", "mug", 0.9, 0.001),
        WrongLabel("cat/x.jpg", "cat", "dog", 0.9, 0.01),
    )
    assert [round(image.ratio) for image in found] == [900, 90]


def test_a_class_that_the_net_does_not_know_says_nothing_about_its_labels() -> None:
    wrong = result("cat/x.jpg", 0, 1, 0.99, 0.0001)
    assert likely(*SURE, wrong)
    unsure = [dataclasses.replace(record, label_score=0.49) for record in SURE]
    assert likely(*unsure, wrong) == ()
    # eleven images with the one that is wrong
    assert likely(*SURE[: MIN_IMAGES - 2], wrong) == ()


def test_a_probability_of_nothing_is_no_division_by_nothing() -> None:
    (found,) = likely(*SURE, result("cat/x.jpg", 0, 1, 1.0, 0.0))
    assert found.ratio == pytest.approx(1e12)


def test_images_without_a_class_of_the_net_have_no_label_to_be_wrong() -> None:
    assert likely(*SURE, result("x.jpg", None, 1, 0.99, None)) == ()
