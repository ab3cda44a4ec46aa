"""Statistics of the pictures of one class are found and named, given to others and taken away; by chance none are."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from planted import CLASSES, PER_CLASS, Plant, data_set, features, features_of, names, only, scene

from cam_audit.findings.causes import causes_of
from cam_audit.findings.counterfactual import Roles
from cam_audit.findings.cues import colour, find_cues, statistics
from cam_audit.findings.cues.files import FileFacts
from cam_audit.findings.cues.picture import Picture
from cam_audit.findings.cues.records import Hit, ImageFeatures, Suspicion
from cam_audit.findings.cues.statistics import STATISTICS, difference_of, score_of
from cam_audit.records import ImageSource

Rgb = NDArray[np.uint8]
NAMES = [statistic.name for statistic in STATISTICS]


def blurred(rgb: Rgb, rng: np.random.Generator) -> None:
    rgb[:] = cv2.GaussianBlur(rgb, (0, 0), 1.2)


def bright(rgb: Rgb, rng: np.random.Generator) -> None:
    rgb[:] = np.clip(rgb * 0.7 + 90, 0, 255).astype(np.uint8)


def faded(rgb: Rgb, rng: np.random.Generator) -> None:
    rgb[:] = (0.15 * rgb + 0.85 * rgb.mean(2, keepdims=True)).astype(np.uint8)


def noisy(rgb: Rgb, rng: np.random.Generator) -> None:
    rgb[:] = np.clip(rgb + rng.normal(0, 12, rgb.shape), 0, 255).astype(np.uint8)


def blocky(rgb: Rgb, rng: np.random.Generator) -> None:
    rgb[:] = cv2.imdecode(cv2.imencode(".jpg", rgb, [cv2.IMWRITE_JPEG_QUALITY, 12])[1], cv2.IMREAD_COLOR)


def of(rgb: Rgb, size: tuple[int, int] | None = None) -> dict[str, float]:
    picture = Picture(rgb, b"", size or (rgb.shape[1], rgb.shape[0]))
    return dict(zip(NAMES, statistics.statistics(picture).tolist(), strict=True))


@pytest.mark.parametrize(
    ("plant", "statistic", "way"),
    [
        (blurred, "sharpness", "lower"),
        (bright, "brightness", "higher"),
        (faded, "saturation", "lower"),
        (noisy, "noise", "higher"),
        (blocky, "blockiness", "higher"),
    ],
)
def test_what_is_planted_tells_the_class_and_is_said(plant: Plant, statistic: str, way: str) -> None:
    images, planted = data_set(plant)
    suspicion = only(statistics.find(images))
    own, others = (suspicion.numbers[f"{whose}_{statistic}"] for whose in ("class", "others"))
    assert suspicion.numbers[score_of(statistic)] >= 0.4
    assert (own > others) == (way == "higher")
    assert names(suspicion) <= set(planted)
    noun = next(each.noun for each in STATISTICS if each.name == statistic)
    assert noun in suspicion.cue
    if suspicion.score == suspicion.numbers[score_of(statistic)]:
        assert f"{way} than in the other classes" in suspicion.cue


def test_a_blur_is_found_in_some_of_the_images_of_a_class() -> None:
    images, planted = data_set(blurred, 0.5)
    suspicion = only(statistics.find(images))
    assert len(names(suspicion) & set(planted)) >= 0.8 * len(planted)
    assert len(names(suspicion) - set(planted)) <= 1
    assert suspicion.cue.startswith("its sharpness, lower than in the other classes (")


@pytest.mark.parametrize("classes", [CLASSES, CLASSES[:2]])
def test_what_no_class_or_every_class_has_is_silent(classes: tuple[str, ...]) -> None:
    assert statistics.find(data_set(classes=classes)[0]) == []
    assert statistics.find(data_set(blurred, bearers=classes, classes=classes)[0]) == []
    assert statistics.find(data_set(classes=classes[:1])[0]) == []


def test_by_chance_fewer_classes_are_told_than_one_in_a_thousand() -> None:
    rng = np.random.default_rng(0)
    facts = FileFacts("PNG", 300, 200, None)
    told = 0
    for _ in range(100):
        values = rng.normal(0, 1, (40, len(STATISTICS))).astype(np.float32)
        told += len(
            statistics.find(
                [ImageFeatures(f"{i}", "ab"[i % 2], {"statistics": v, "file": facts}) for i, v in enumerate(values)]
            )
        )
    # of 200 that were asked
    assert told <= 1


def test_the_numbers_are_those_of_pictures_drawn_by_hand() -> None:
    half = np.zeros((112, 112, 3), np.uint8)
    half[:, 56:] = 200
    found = of(half)
    assert (found["brightness"], found["contrast"]) == pytest.approx((100, 100), abs=0.3)
    assert (found["saturation"], found["noise"]) == pytest.approx((0, 0), abs=0.1)
    # of 112 columns two are beside the step, and some more see a little of it after resizing
    assert (found["edges"], found["flat"]) == pytest.approx((2 / 112, 110 / 112), abs=0.03)
    assert of(np.full((90, 60, 3), (255, 0, 0), np.uint8))["saturation"] == pytest.approx(104.6, abs=0.5)


def test_noise_is_about_its_deviation_and_what_a_picture_shows_is_none() -> None:
    smooth = np.zeros((224, 336, 3), np.float32) + np.linspace(60, 180, 336)[:, None]
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 6, (224, 336, 1))
    assert of(smooth.astype(np.uint8))["noise"] < 0.7
    assert of((smooth + noise).round().astype(np.uint8))["noise"] == pytest.approx(6, rel=0.1)


def test_blocks_are_looked_for_where_they_can_be_seen() -> None:
    rgb = scene("ash", 0).copy()
    blocky(rgb, np.random.default_rng(0))
    height, width = rgb.shape[:2]
    assert of(rgb)["blockiness"] > 0.5
    # one that was decoded reduced has none, nor has a large one
    assert of(rgb, (2 * width, 2 * height))["blockiness"] == 0
    assert of(cv2.resize(rgb, (1200, 900)))["blockiness"] == 0


def test_further_images_are_recognised_by_the_same_limit() -> None:
    images, _ = data_set(blurred)
    recognise = only(statistics.find(images)).recogniser()
    further = range(PER_CLASS, PER_CLASS + 12)
    assert sum(recognise(features("birch", index, blurred)[0]) is not None for index in further) >= 10
    assert sum(recognise(features("birch", index)[0]) is not None for index in further) <= 1


def test_a_shift_of_brightness_is_one_cause_with_colour_and_a_blur_is_one_of_its_own() -> None:
    (cause,) = causes_of(find_cues(data_set(bright)[0]))
    assert {"colour", "statistics"} <= set(cause.finders)
    assert [cause.code for cause in causes_of(find_cues(data_set(blurred)[0]))] == ["CA211"]


def test_of_pictures_in_grey_brightness_is_told_and_no_colour() -> None:
    images = []
    for label in CLASSES:
        for index in range(PER_CLASS):
            rgb = scene(label, index).copy()
            if label == "birch":
                bright(rgb, np.random.default_rng(0))
            grey = cv2.cvtColor(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
            images.append(features_of(grey, label, index))
    assert colour.find(images) == []
    assert "its brightness, higher" in only(statistics.find(images)).cue


def made(label: str, *values: float) -> ImageFeatures:
    return ImageFeatures(f"{label}/0", label, {"statistics": np.array(values), "file": FileFacts("JPEG", 400, 300, 90)})


A = made("a", 120, 60, 29, 0.5, 1, 0.9, 0.3, 0.2)
B = made("b", 100, 40, 9, 1.0, 1, 0.1, 0.3, 0.2)
C = made("c", 80, 38, 19, 1.2, 1, 0.3, 0.3, 0.2)
GROUPS = {"a": [A], "b": [B], "c": [C]}


def suspected(*told: str, label: str = "a") -> Suspicion:
    return Suspicion(
        "statistics", label, 0.5, 0.25, 1, (Hit(f"{label}/0", 1),), "is seen", {score_of(n): 0.5 for n in told}
    )


@pytest.mark.parametrize(
    ("told", "give", "of_c"),
    [
        ("brightness", (30.0, 61 / 40), (-30.0, 39 / 51)),
        ("contrast", (30.0, 61 / 40), (-30.0, 39 / 51)),
        ("saturation", (30 / 15,), (20 / 20,)),
        ("sharpness", (-0.6,), (0.45,)),
    ],
)
def test_what_is_given_is_what_the_class_differs_by_and_its_inverse_takes_it_away(
    told: str, give: tuple[float, ...], of_c: tuple[float, ...]
) -> None:
    given, taken = statistics.tests(suspected(told), GROUPS)
    own, b, c = (ImageSource("", f"{label}/0", label, None) for label in "abc")
    (hit,) = suspected(told).hits
    assert given.edit(Roles(hit, b, own, c)).amounts == pytest.approx(give)
    assert given.control(Roles(hit, b, c, c)).amounts == pytest.approx(of_c)
    back, other_back = (test(Roles(hit, own, c, c)).amounts for test in (taken.edit, taken.control))
    assert back == pytest.approx(_inverse(told, give))
    assert other_back == pytest.approx(_inverse(told, of_c))
    assert taken.name == f"{given.name}_taken" == f"{given.edit(Roles(hit, b, own, c)).name}_taken"


def _inverse(told: str, amounts: tuple[float, ...]) -> tuple[float, ...]:
    added = {"brightness": 1, "contrast": 1, "sharpness": 1}.get(told, 0)
    return (*(-amount for amount in amounts[:added]), *(1 / amount for amount in amounts[added:]))


def test_a_class_of_blocks_has_others_compressed_at_its_size_and_its_own_are_left_alone() -> None:
    (given,) = statistics.tests(suspected("blockiness"), GROUPS)
    own, b, c = (ImageSource("", f"{label}/0", label, None) for label in "abc")
    edit = given.edit(Roles(suspected("blockiness").hits[0], b, own, c))
    assert (edit.name, edit.amounts) == ("recompressed", pytest.approx((0.7, 400)))
    assert statistics.tests(suspected("blockiness", label="b"), GROUPS) == []


def test_what_no_edit_can_give_has_no_test_and_each_edit_comes_once() -> None:
    assert statistics.tests(suspected("noise", "edges", "flat"), GROUPS) == []
    several = [test.name for test in statistics.tests(suspected("brightness", "contrast", "sharpness"), GROUPS)]
    assert several == ["levels", "levels_taken", "sharpness", "sharpness_taken"]


def test_the_differences_are_to_the_mean_of_the_other_classes() -> None:
    crowd = {**GROUPS, "b": [B] * 9}
    difference = difference_of(crowd)("a")
    assert difference.others[0] == pytest.approx(90)
    assert difference.side == 400
