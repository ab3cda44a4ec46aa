"""How well a score tells a class, against the definition; and all finders on odd sets."""

from __future__ import annotations

import dataclasses
import pickle
import random
import warnings
from concurrent.futures import ThreadPoolExecutor
from itertools import permutations

import cv2
import numpy as np
import pytest
from planted import CLASSES, blue_cast, data_set, features, features_of, red_frame, scene, stamp_in_corner

from cam_audit.findings.cues import find_cues, finders
from cam_audit.findings.cues.features import image_features
from cam_audit.findings.cues.probe import comparable, pooled, separation
from cam_audit.findings.cues.records import ImageFeatures, sample_of


def test_images_are_pooled_as_they_were_drawn_whatever_folders_are_above_them() -> None:
    order = {}
    for folders in ("abcd", "dcba"):
        names = {n: f"{folder}/{n}.png" for n, folder in enumerate(folders)}
        ordered, labels = pooled([ImageFeatures(names[n], "zx"[n % 2], {}, drawn=bytes([7 - n])) for n in range(4)])
        order[folders] = [image.name.partition("/")[2] for image in ordered]
        assert labels.tolist() == [0, 0, 1, 1]
    assert order["abcd"] == order["dcba"] == ["3.png", "1.png", "2.png", "0.png"]


@pytest.mark.parametrize("decimals", [1, 6])
@pytest.mark.parametrize("sizes", [(30, 40, 25), (60, 7, 200), (6, 6), (12, 1, 1, 150)])
def test_the_share_is_that_above_the_first_limit_that_2_percent_of_the_others_exceed(
    sizes: tuple[int, ...], decimals: int
) -> None:
    rng = np.random.default_rng(sum(sizes))
    labels = np.repeat(np.arange(len(sizes)), sizes)
    for _ in range(20):
        # few decimals make ties
        scores = np.round(rng.normal(0, 1, len(labels)) + 1.5 * (labels == 0), decimals).astype(np.float32)
        separated = separation(scores, labels, 0)
        limit = min(s for s in scores[labels > 0] if _false_positives(scores > s, labels) <= 0.02 + 1e-9)
        assert set(separated.members) == set(np.flatnonzero((labels == 0) & (scores > limit)).tolist())
        assert separated.rate == len(separated.members) / sizes[0]
        assert list(separated.scores) == sorted(scores[list(separated.members)].tolist(), reverse=True)


def _false_positives(above: np.ndarray, labels: np.ndarray) -> float:
    return float(np.mean([above[labels == k].mean() for k in range(1, labels.max() + 1)]))


def test_chance_is_the_share_of_orders_that_are_as_good() -> None:
    labels = np.array([0, 0, 0, 0, 1, 1, 1])
    scores = np.array([9, 8, 7, 1, 5, 4, 3], np.float32)
    separated = separation(scores, labels, 0)
    assert separated.members == (0, 1, 2)
    orders = list(permutations(labels))
    assert separated.chance == pytest.approx(np.mean([order[:3] == (0, 0, 0) for order in orders]))


def test_a_share_by_chance_does_not_count() -> None:
    perfect = {size: separation(np.arange(2 * size, dtype=np.float32), np.repeat([1, 0], size), 0) for size in (5, 7)}
    assert perfect[5].rate == perfect[7].rate == 1
    assert not perfect[5].reaches(0.25)
    assert perfect[7].reaches(1.0)
    assert not dataclasses.replace(perfect[7], rate=0.2).reaches(0.25)


def test_classes_are_tested_that_have_enough_images_and_enough_others() -> None:
    assert comparable(np.repeat([0, 1, 2], [6, 5, 30])) == [0, 2]
    assert comparable(np.repeat([0, 1], [30, 5])) == []
    assert comparable(np.repeat(np.arange(7), [30, 1, 1, 1, 1, 1, 1])) == [0]


def test_a_sample_is_spread_over_groups_and_items() -> None:
    groups = [list(range(100 * k, 100 * k + 60)) for k in range(5)]
    sample = sample_of(groups, 100)
    assert len(sample) == 100
    assert [sum(item // 100 == k for item in sample) for k in range(5)] == [20] * 5
    assert max(item % 100 for item in sample) >= 57
    assert len(sample_of([[k] for k in range(1000)], 100)) == 100
    assert sample_of([[1, 2], [3]], 100) == [1, 2, 3]
    assert sample_of([], 100) == []


def test_suspicions_are_the_same_in_any_order_and_the_worst_comes_first() -> None:
    images = data_set(stamp_in_corner, 0.6)[0] + data_set(red_frame, classes=["birch", "elm"], bearers=["elm"])[0][24:]
    suspicions = find_cues(images)
    assert {(each.finder, each.label) for each in suspicions} == {
        ("duplicates", "birch"),
        ("template", "birch"),
        ("template", "elm"),
        ("border", "elm"),
        ("colour", "elm"),
        ("statistics", "elm"),
        ("padding", "elm"),
    }
    scores = [each.score for each in suspicions]
    assert scores == sorted(scores, reverse=True)
    for seed in range(3):
        again = find_cues(random.Random(seed).sample(images, len(images)))
        assert again == suspicions
        for one, other in zip(again, suspicions, strict=True):
            assert (one.overlay is None) == (other.finder != "template")
            assert one.overlay is None or (one.overlay == other.overlay).all()


@pytest.mark.parametrize("finder", finders())
@pytest.mark.parametrize(
    "sizes",
    [
        {},
        {"ash": 1},
        {"ash": 24},
        {"ash": 24, "birch": 1},
        {"ash": 5, "birch": 24},
        dict.fromkeys(CLASSES, 1),
        {"ash": 3, "birch": 3},
    ],
)
def test_too_few_images_or_classes_are_silent(finder: str, sizes: dict[str, int]) -> None:
    images = [features(label, index, red_frame)[0] for label, size in sizes.items() for index in range(size)]
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        assert finders()[finder].find(images) == []


def test_a_thousand_classes_of_one_image_and_one_of_many() -> None:
    images = [dataclasses.replace(features("ash", k % 24)[0], name=f"{k}/a", label=str(k)) for k in range(1000)]
    with np.errstate(all="raise"):
        assert find_cues(images) == []
        framed = data_set(red_frame, classes=["birch"])[0]
        assert {(each.finder, each.label) for each in find_cues(images + framed)} >= {("border", "birch")}


@pytest.mark.parametrize(
    "rgb",
    [
        np.full((1, 1, 3), 9, np.uint8),
        np.zeros((1, 1000, 3), np.uint8),
        np.arange(3 * 700 * 2).astype(np.uint8).reshape(700, 2, 3),
        np.full((300, 200, 3), 255, np.uint8),
        scene("ash", 0)[:31, :33],
        np.random.default_rng(0).integers(0, 256, (900, 1200, 3), np.uint8),
    ],
    ids=lambda rgb: f"{rgb.shape[1]}x{rgb.shape[0]}",
)
def test_pictures_of_any_size_have_features_small_enough_to_keep(rgb: np.ndarray) -> None:
    made = features_of(rgb, "ash", 0)
    assert made["thumbnail"].shape == (112, 112)
    assert made["thumbnail"].dtype == made["keypoints"].descriptors.dtype == np.uint8
    assert made["border"].shape == (30,)
    assert made["colour"].shape == (6,)
    for values in (made["border"], made["colour"], made["keypoints"].places):
        assert values.dtype == np.float32
        assert np.isfinite(values).all()
    assert len(pickle.dumps(made)) < 40_000
    # no finder stumbles over a class of them
    group = [dataclasses.replace(made, name=f"zebra/{index}", label="zebra") for index in range(12)]
    with np.errstate(all="raise"):
        find_cues([*group, *data_set(classes=["ash"])[0]])


def test_features_are_of_the_picture_and_not_of_its_size() -> None:
    rgb = cv2.resize(scene("cedar", 3), None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
    half = cv2.resize(rgb, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    whole, reduced = (image_features(each, b"", name="a", label="b", width=960, height=720) for each in (rgb, half))
    assert whole["file"] == reduced["file"]
    assert np.abs(whole["thumbnail"].astype(int) - reduced["thumbnail"]).max() <= 2
    assert reduced["border"] == pytest.approx(whole["border"], abs=0.5)
    assert reduced["colour"] == pytest.approx(whole["colour"], abs=0.5)


def test_features_do_not_depend_on_the_thread() -> None:
    pictures = [scene("date", index) for index in range(8)]

    def made(rgb: np.ndarray) -> ImageFeatures:
        return image_features(rgb, b"", name="a", label="b", width=1, height=1)

    with ThreadPoolExecutor(4) as pool:
        threaded = list(pool.map(made, pictures * 3))
    for index, each in enumerate(threaded):
        assert pickle.dumps(each) == pickle.dumps(made(pictures[index % 8]))


def test_blue_is_told_as_colour_and_the_numbers_can_be_written_as_json() -> None:
    suspicions = find_cues(data_set(blue_cast)[0])
    assert suspicions
    for suspicion in suspicions:
        assert all(type(value) in (int, float) for value in suspicion.numbers.values())
        assert type(suspicion.score) is float
        assert all(type(hit.strength) is float for hit in suspicion.hits)
    assert any("blue" in suspicion.cue for suspicion in suspicions if suspicion.finder == "colour")


@pytest.mark.parametrize("seed", range(20))
def test_the_limit_is_that_of_all_scores_in_order(seed: int) -> None:
    # with ties, and classes of very different sizes, so that the largest scores weigh much or hardly anything
    random = np.random.default_rng(seed)
    labels = np.sort(random.choice(6, 3000, p=random.dirichlet(np.full(6, 0.3)) * 0.9 + 0.1 / 6))
    scores = np.round(random.normal(labels * random.normal(), 1), int(random.integers(1, 4))).astype(np.float32)
    for class_index in range(6):
        others = [index for index in range(3000) if labels[index] != class_index]
        others.sort(key=lambda index: -scores[index])
        weight_of = {k: 1 / int((labels == k).sum()) for k in range(6)}
        total, reached = sum(weight_of[labels[index]] for index in others), 0.0
        for index in others:
            reached += weight_of[labels[index]] / total
            if reached >= 0.02 + 1e-9:
                break
        assert separation(scores, labels, class_index).limit == scores[index]
