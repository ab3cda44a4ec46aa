"""Borders, backgrounds and casts of one class are found and named; what all classes have is not."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from planted import CLASSES, Plant, blue_cast, data_set, green_ground, names, only, red_frame

from cam_audit.findings.counterfactual import Roles
from cam_audit.findings.cues import border, colour, colour_probe
from cam_audit.findings.cues.cielab import in_words, mean_and_deviation, to_lab, to_rgb
from cam_audit.findings.cues.colour_probe import nearness, nearness_to_classes
from cam_audit.findings.cues.records import Hit, ImageFeatures, Suspicion
from cam_audit.records import ImageSource


@pytest.mark.parametrize(
    ("classes", "share"),
    # with two classes and 30 %, 7 of 24 could be chance
    [(CLASSES, 1.0), (CLASSES, 0.6), (CLASSES, 0.3), (CLASSES[:2], 1.0), (CLASSES[:2], 0.6)],
)
@pytest.mark.parametrize("plant", [red_frame, green_ground])
def test_a_frame_or_background_is_found_in_the_images_that_bear_it(
    plant: Plant, classes: tuple[str, ...], share: float
) -> None:
    images, planted = data_set(plant, share, classes=classes)
    found = {suspicion.label: suspicion for suspicion in border.find(images)}
    # of two classes, the one that all of the other's frames tell it from is told as well
    assert set(found) == ({"ash", "birch"} if len(classes) == 2 and share == 1 else {"birch"})
    hits = names(found["birch"])
    assert hits >= set(planted)
    assert len(hits - set(planted)) <= 2
    assert all(hit.box is None for hit in found["birch"].hits)


@pytest.mark.parametrize(("share", "recall"), [(1.0, 0.7), (0.6, 0.6)])
def test_a_cast_is_found_in_the_images_that_bear_it(share: float, recall: float) -> None:
    images, planted = data_set(blue_cast, share)
    suspicion = only(colour.find(images))
    assert names(suspicion) <= set(planted)
    assert len(suspicion.hits) >= recall * len(planted)
    assert suspicion.score == len(suspicion.hits) / 24


@pytest.mark.parametrize("finder", [border, colour])
def test_the_same_scenes_are_silent(finder) -> None:
    assert finder.find(data_set()[0]) == []
    assert finder.find(data_set(classes=CLASSES[:2])[0]) == []


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_what_every_class_has_is_of_none_of_them(share: float) -> None:
    # identical borders at no distance from each other, as in shop pictures on white
    assert border.find(data_set(red_frame, share, bearers=CLASSES)[0]) == []


def test_a_finding_says_what_the_border_is_and_what_it_is_elsewhere() -> None:
    suspicion = only(border.find(data_set(red_frame)[0]))
    assert suspicion.cue.startswith("its border or background, red (RGB 1")
    assert " on average (" in suspicion.cue
    assert suspicion.cue.endswith(" in the other classes)")
    # how many images show it is told elsewhere
    assert "of 24" not in suspicion.cue
    red = dict(zip(["class_L", "class_a", "class_b"], _lab_of(170, 30, 40), strict=True))
    assert {name: suspicion.numbers[name] for name in red} == pytest.approx(red, abs=10)
    assert suspicion.numbers["others_a"] < 20


def _lab_of(*rgb: int) -> list[float]:
    return to_lab(np.array([[rgb]], np.uint8)).ravel().tolist()


def test_the_places_of_the_border_are_those_of_a_picture_painted_there() -> None:
    lab = np.zeros((112, 112, 3), np.float32)
    rows = columns = (slice(0, 6), slice(53, 59), slice(106, 112))
    for number, (row, column) in enumerate((r, c) for r in rows for c in columns):
        lab[row, column] = number
    described = border.border_colours(lab)
    assert described.dtype == np.float32
    # in rows from the top left, without the centre
    assert described[:24].reshape(8, 3).tolist() == [[n] * 3 for n in (0, 1, 2, 3, 5, 6, 7, 8)]
    ring = np.ones((112, 112), bool)
    ring[6:106, 6:106] = False
    assert described[24:] == pytest.approx([*lab[ring].mean(0), *lab[ring].std(0)], rel=1e-5)


def test_a_cast_is_described_by_mean_and_half_the_deviation() -> None:
    lab = np.zeros((2, 2, 3), np.float32)
    lab[0] = (60, 8, -4)
    assert mean_and_deviation(lab).tolist() == [30, 4, -2, 30, 4, 2]
    assert colour.colour_moments(lab).tolist() == [30, 4, -2, 15, 2, 1]


@pytest.mark.parametrize(
    ("rgb", "words"),
    [
        ((255, 0, 0), "red"),
        ((230, 130, 20), "orange"),
        ((230, 220, 40), "light yellow"),
        ((40, 140, 40), "green"),
        ((20, 170, 170), "turquoise"),
        ((30, 30, 220), "dark blue"),
        ((70, 120, 230), "blue"),
        ((150, 50, 190), "purple"),
        ((90, 10, 15), "dark red"),
        ((128, 128, 128), "grey"),
        ((250, 250, 250), "light grey"),
    ],
)
def test_colours_in_words_are_those_that_one_sees(rgb: tuple[int, int, int], words: str) -> None:
    lab = to_lab(np.array([[rgb]], np.uint8))[0, 0]
    back = to_rgb(lab)
    assert back == pytest.approx(rgb, abs=1)
    assert in_words(lab) == f"{words} (RGB {back[0]}, {back[1]}, {back[2]})"


def test_nearness_goes_by_distances_that_are_those_of_a_search_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    labels = np.repeat([0, 1, 2, 3, 4], [9, 1, 14, 3, 9])
    features = rng.normal(0, 20, (36, 4)).astype(np.float32) + 50
    distances = np.full((36, 5), np.inf, np.float32)
    for i in range(36):
        for k in range(5):
            apart = sorted(
                float(np.linalg.norm(features[i] - features[j])) for j in range(36) if labels[j] == k and j != i
            )
            # the fifth; in classes too small to have five, the last that every image of it has
            rank = min(5, max(1, int((labels == k).sum()) - 1))
            if apart:
                distances[i, k] = apart[rank - 1]
    assert distances[9, 1] == np.inf
    expected = nearness(distances)
    for block in (1, 100, 1 << 22):
        monkeypatch.setattr(colour_probe, "_BLOCK_ELEMENTS", block)
        assert nearness_to_classes(features, labels) == pytest.approx(expected, abs=1e-3)


def test_nearness_is_the_log_of_how_much_farther_the_next_class_is() -> None:
    distances = np.array([[1, 3, 7], [9, 4, 4], [0, 0, 0], [np.inf, 2, 5]], np.float32)
    expected = [
        [np.log(4 / 2), np.log(2 / 4), np.log(2 / 8)],
        [np.log(5 / 10), 0, 0],
        [0, 0, 0],
        [-np.inf, np.log(6 / 3), np.log(3 / 6)],
    ]
    with np.errstate(all="raise"):
        assert nearness(distances) == pytest.approx(np.array(expected), rel=1e-5)


def test_classes_of_different_sizes_count_the_same() -> None:
    images, planted = data_set(red_frame, per_class=40)
    keep = {"ash": 40, "birch": 12, "cedar": 7, "date": 1}
    few = [image for image in images if int(image.name[-7:-4]) < keep[image.label]]
    suspicion = only(border.find(few))
    assert names(suspicion) == {name for name in planted if int(name[-7:-4]) < 12}
    # the average of the others is that of the classes
    means = [np.mean([_ring(i) for i in few if i.label == label], axis=0) for label in ("ash", "cedar", "date")]
    others = [suspicion.numbers[f"others_{channel}"] for channel in "Lab"]
    assert others == pytest.approx(np.mean(means, axis=0).tolist(), abs=0.01)


def _ring(image: ImageFeatures) -> np.ndarray:
    return image["border"][24:27]


def test_the_better_of_the_places_and_the_whole_ring_counts() -> None:
    images, _ = data_set()
    rng = np.random.default_rng(0)

    def marked(image: ImageFeatures, part: slice) -> ImageFeatures:
        changed = image["border"].copy()
        changed[part] = 200 + rng.normal(0, 1, changed[part].shape)
        return dataclasses.replace(image, values={"border": changed})

    for part in (slice(0, 24), slice(24, 30)):
        told = [marked(image, part) if image.label == "birch" else image for image in images]
        assert only(border.find(told)).score == 1


def shades(label: str, *colours: tuple[int, int, int]) -> list[ImageFeatures]:
    """Images that are kept as if they were all of one colour."""
    return [
        ImageFeatures(f"{label}/{n}", label, {"colour": np.array([*_lab_of(*rgb), 0, 0, 0], np.float32)})
        for n, rgb in enumerate(colours)
    ]


def test_a_cast_is_by_what_a_class_differs_from_the_others_each_class_counting_the_same() -> None:
    # greys, whose mean in Lab is that of their lightness
    groups = {"a": shades("a", (180, 60, 60)), "b": shades("b", (120, 120, 120)), "c": shades("c", (120, 120, 120)) * 5}
    cast = colour.cast_of(groups)
    assert cast("a") == pytest.approx((188 / 128, 68 / 128, 68 / 128), abs=0.01)
    # of the others of b, one is red: in Lab halfway between both
    middle = to_rgb(np.mean([_lab_of(180, 60, 60), _lab_of(120, 120, 120)], axis=0))
    assert cast("b") == cast("c") == pytest.approx([128 / (value + 8) for value in middle])


def test_a_class_near_black_blows_nothing_up() -> None:
    cast = colour.cast_of({"dark": shades("dark", (0, 0, 0)), "light": shades("light", (248, 248, 248))})
    assert cast("dark") == pytest.approx((8 / 256,) * 3, rel=0.05)
    assert cast("light") == pytest.approx((256 / 8,) * 3, rel=0.05)


def test_the_cast_that_is_tried_is_that_of_the_images_that_show_it_and_its_inverse_takes_it_away() -> None:
    suspicion = Suspicion("colour", "a", 0.5, 0.25, 2, (Hit("a/0", 1.0),), "its colour", {})
    groups = {
        "a": shades("a", (180, 60, 60), (0, 0, 0)),
        "b": shades("b", (120, 120, 120)),
        "c": shades("c", (60, 80, 90)),
    }
    shown = colour.cast_of({**groups, "a": groups["a"][:1]})
    give, take = colour.tests(suspicion, groups)
    (hit,) = suspicion.hits
    assert (give.name, take.name, give.hits) == ("cast", "cast_taken", suspicion.hits)
    own, b, c = (ImageSource("", f"{label}/0", label, None) for label in "abc")
    assert give.edit(Roles(hit, c, own, b)).factors == shown("a")
    assert give.control(Roles(hit, c, b, b)).factors == shown("b")
    # the control's picture is of the class itself, but the cast that it loses is another class's
    for test, label in ((take.edit, "a"), (take.control, "c")):
        assert np.multiply(test(Roles(hit, own, own, c)).factors, shown(label)) == pytest.approx([1, 1, 1])
