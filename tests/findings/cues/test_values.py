"""How well values tell a class: by a plain loop over the other images, and never by chance."""

from __future__ import annotations

import random

import numpy as np
import pytest
from planted import only

from cam_audit.findings.cues.records import Features, ImageFeatures
from cam_audit.findings.cues.values import suspicions, telling_facts, value_shares


def test_shares_are_those_of_the_other_images_with_the_same_value() -> None:
    rng = random.Random(6)
    labels = np.repeat([0, 1, 2], [4, 9, 20])
    values = np.array([*rng.choices("xxyyzw", k=len(labels) - 1), "alone"])
    shares_of = value_shares(values, labels)
    shares = np.stack([shares_of(k) for k in range(3)], axis=1)
    for i, value in enumerate(values):
        others = [j for j in range(len(labels)) if j != i and values[j] == value]
        weights = [sum(labels[j] == k for j in others) / int((labels == k).sum()) for k in range(3)]
        expected = [weight / sum(weights) for weight in weights] if others else [0, 0, 0]
        assert shares[i] == pytest.approx(expected)


def test_no_fact_is_told_of_classes_of_the_same_values() -> None:
    """300 looks, at one in a thousand each."""
    rng = random.Random(9)
    labels = np.repeat([0, 1, 2], 40)
    told = 0
    for _ in range(100):
        facts = {
            "size": np.array([rng.choice(["640x480", "500x375", f"{rng.randint(300, 900)}x480"]) for _ in labels]),
            "JPEG quality": np.array(rng.choices(["75", "80", "85", "90", "95", "96"], k=len(labels))),
            "camera": np.array(rng.choices(["", "", "", "D40"], k=len(labels))),
        }
        told += sum(bool(telling_facts(facts, labels, k)) for k in range(3))
    assert told <= 3


def told(values: dict[str, list[str]], tried: int = 1) -> list:
    images = [
        ImageFeatures(f"{label}/{number:02}", label, {"value": value})
        for label, group in values.items()
        for number, value in enumerate(group)
    ]

    def value_of(image: Features) -> str:
        return str(image["value"])

    return suspicions("metadata", images, {"site": value_of}, ["site"], cue="where it was: {}", tried=tried)


def test_a_value_of_one_class_alone_is_found_and_recognised_in_other_images() -> None:
    found = only(told({"a": ["north"] * 15 + ["south"] * 5, "b": ["south"] * 20, "c": ["south"] * 20}), "a")
    assert (found.score, found.images, len(found.hits)) == (0.75, 20, 15)
    assert found.cue == "where it was: site north in 75% of the images, 0% of the others"
    recognise = found.recogniser()
    assert recognise(ImageFeatures("new", "a", {"value": "north"})) is not None
    assert recognise(ImageFeatures("new", "a", {"value": "south"})) is None
    assert recognise(ImageFeatures("new", "a", {"value": "unheard of"})) is None


def test_the_more_columns_are_tried_the_less_may_be_by_chance() -> None:
    values = {"a": ["north"] * 5 + ["south"] * 7, "b": ["south"] * 12}
    # 12 choose 5 of 24 choose 5: 0.019; with nine of twelve 0.0002
    assert told(values) == []
    values["a"][:9] = ["north"] * 9
    assert only(told(values), "a").score == 0.75
    assert told(values, tried=10) == []
