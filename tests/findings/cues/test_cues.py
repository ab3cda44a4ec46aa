"""The finders against cues that are planted here, and against pictures without any."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from cam_audit.findings.cues import find_cues, finders
from cam_audit.findings.cues.features import all_features, image_features
from cam_audit.findings.cues.records import ImageFeatures, Suspicion
from cam_audit.records import Box

Rgb = NDArray[np.uint8]
Plant = Callable[[Rgb, np.random.Generator], Box | None]

CLASSES = ("ash", "birch", "cedar", "elm")
PER_CLASS = 30
SIZES = ((200, 260), (260, 200), (220, 220))
LOGO = np.random.default_rng(7).integers(0, 2, (9, 9, 1), np.uint8).repeat(3, 2) * 255
LOGO = cv2.resize(LOGO, (45, 45), interpolation=cv2.INTER_NEAREST)


def photo(seed: int) -> Rgb:
    """A picture of nothing: blobs of several sizes in random colours, with some grain."""
    rng = np.random.default_rng(seed)
    height, width = SIZES[seed % len(SIZES)]
    rgb = np.full((height, width, 3), 128.0)
    for cells in (3, 8, 25, 60):
        blobs = rng.normal(0, 90 / cells**0.5, (cells, cells, 3)).astype(np.float32)
        rgb += cv2.resize(blobs, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(rgb + rng.normal(0, 4, rgb.shape), 0, 255).astype(np.uint8)


def stamp(rgb: Rgb, rng: np.random.Generator) -> Box:
    height, width = rgb.shape[:2]
    top, left = int(rng.integers(height - 45)), int(rng.integers(width - 45))
    rgb[top : top + 45, left : left + 45] = LOGO
    return left / width, top / height, (left + 45) / width, (top + 45) / height


def watermark(rgb: Rgb, _: np.random.Generator) -> Box:
    height, width = rgb.shape[:2]
    layer = np.zeros((100, 100), np.uint8)
    cv2.putText(layer, "PIX", (8, 90), cv2.FONT_HERSHEY_SIMPLEX, 1.3, 255, 6)
    where = cv2.resize(layer, (width, height), interpolation=cv2.INTER_NEAREST) > 0
    rgb[where] = (0.45 * rgb[where] + 0.55 * 255).astype(np.uint8)
    return 0.05, 0.55, 1.0, 0.95


def frame(rgb: Rgb, _: np.random.Generator) -> None:
    inner = rgb[14:-14, 14:-14].copy()
    rgb[:] = (190, 30, 120)
    rgb[14:-14, 14:-14] = inner


def cast(rgb: Rgb, _: np.random.Generator) -> None:
    rgb[:] = np.clip(rgb * np.array([1.45, 1.0, 0.55]), 0, 255)


@functools.cache
def one(number: int, index: int, planted: Plant | None = None) -> tuple[ImageFeatures, Box | None]:
    """The features of an image of a class, and where its cue is. Most sets share most of theirs."""
    rgb = photo(1000 * number + index)
    box = planted(rgb, np.random.default_rng(index)) if planted else None
    data = cv2.imencode(".png", rgb)[1].tobytes()
    height, width = rgb.shape[:2]
    name, label = f"{CLASSES[number]}/{index:03}.png", CLASSES[number]
    return image_features(rgb, data, name=name, label=label, width=width, height=height), box


def features(planted: Plant | None = None, share: float = 1.0, **sizes: int):
    """Features of all classes, the cue in a share of the first; also the names and boxes of those that bear it."""
    images: list[ImageFeatures] = []
    bearers = {}
    for number, label in enumerate(CLASSES):
        count = sizes.get(label, PER_CLASS)
        for index in range(count):
            bears = planted is not None and number == 0 and index < share * count
            image, box = one(number, index, planted if bears else None)
            images.append(image)
            if bears:
                bearers[image.name] = box
    return images, bearers


@pytest.fixture(scope="module")
def clean() -> list[ImageFeatures]:
    return features()[0]


def only(found: list[Suspicion], label: str = CLASSES[0]) -> Suspicion:
    (suspicion,) = found
    assert suspicion.label == label
    return suspicion


@pytest.mark.parametrize(
    ("finder", "planted", "share", "recall"),
    [
        ("duplicates", stamp, 1.0, 0.9),
        ("duplicates", stamp, 0.3, 0.8),
        ("template", watermark, 1.0, 0.9),
        ("template", watermark, 0.5, 0.8),
        ("border", frame, 1.0, 0.95),
        ("border", frame, 0.3, 0.9),
        ("colour", cast, 1.0, 0.5),
    ],
)
def test_a_planted_cue_is_found_in_the_images_that_bear_it(
    finder: str, planted: Plant, share: float, recall: float
) -> None:
    images, bearers = features(planted, share)
    suspicion = only(finders()[finder].find(images))
    assert suspicion.images == PER_CLASS
    assert suspicion.score >= suspicion.threshold
    hits = {hit.name for hit in suspicion.hits}
    assert len(hits & set(bearers)) >= recall * len(bearers)
    assert len(hits - set(bearers)) <= 0.1 * len(hits)
    assert [hit.strength for hit in suspicion.hits] == sorted((h.strength for h in suspicion.hits), reverse=True)
    for hit in suspicion.hits:
        place = bearers.get(hit.name)
        if place:
            x, y = (hit.box[0] + hit.box[2]) / 2, (hit.box[1] + hit.box[3]) / 2
            assert place[0] <= x <= place[2]
            assert place[1] <= y <= place[3]


def test_finders_that_ask_for_a_feature_of_one_name_share_it() -> None:
    features = all_features()
    for finder in finders().values():
        assert all(features[name] is feature for name, feature in finder.FEATURES.items())


@pytest.mark.parametrize("finder", finders())
def test_pictures_without_a_cue_raise_no_suspicion(finder: str, clean: list[ImageFeatures]) -> None:
    assert finders()[finder].find(clean) == []


def test_nothing_depends_on_the_order_of_the_images() -> None:
    images, _ = features(stamp, 0.5)
    shuffled = random.Random(3).sample(images, len(images))
    assert find_cues(shuffled) == find_cues(images) != []


def test_a_property_of_the_files_that_only_one_class_has_is_found() -> None:
    images = []
    for number, label in enumerate(CLASSES):
        for index in range(PER_CLASS):
            rgb = photo(1000 * number + index)
            parameters = [cv2.IMWRITE_JPEG_QUALITY, 60 if number == 2 else 65 + index % 30]
            data = cv2.imencode(".jpg", rgb, parameters)[1].tobytes()
            size = {"width": rgb.shape[1], "height": rgb.shape[0]}
            images.append(image_features(rgb, data, name=f"{label}/{index:03}.jpg", label=label, **size))
    suspicion = only(finders()["files"].find(images), "cedar")
    assert "quality 60" in suspicion.cue


@pytest.mark.parametrize(
    "sizes",
    [
        dict.fromkeys(CLASSES, 0),
        dict.fromkeys(CLASSES, 1),
        {"birch": 0, "cedar": 0, "elm": 0},
        {"ash": 1, "birch": 2, "cedar": 3, "elm": 4},
    ],
)
def test_odd_sets_are_no_reason_to_fail(sizes: dict[str, int]) -> None:
    assert find_cues(features(frame, **sizes)[0]) == []


def test_a_class_is_compared_with_the_balance_of_the_others() -> None:
    images, bearers = features(frame, 1.0, ash=24, birch=60, cedar=24, elm=24)
    assert {hit.name for hit in only(finders()["border"].find(images)).hits} == set(bearers)


@pytest.mark.parametrize("rgb", [np.zeros((1, 1, 3), np.uint8), np.full((40, 3, 3), 255, np.uint8), photo(1)[:, :9]])
def test_tiny_and_thin_pictures_have_features(rgb: Rgb) -> None:
    data = cv2.imencode(".png", rgb)[1].tobytes()
    made = image_features(rgb, data, name="a/b.png", label="a", width=rgb.shape[1], height=rgb.shape[0])
    assert made["thumbnail"].shape == (112, 112)
    assert np.isfinite(made["border"]).all()
    assert np.isfinite(made["colour"]).all()
