"""What a finder learnt from some images of a class, recognised in others of it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import cv2
import numpy as np
import pytest
from planted import (
    PER_CLASS,
    Plant,
    blue_cast,
    covers,
    data_set,
    features,
    features_of,
    green_ground,
    only,
    red_frame,
    scene,
    stamp_anywhere,
    stamp_in_corner,
    watermark,
)

from cam_audit.findings.cues import finders
from cam_audit.findings.cues.features import LazyFeatures, image_features
from cam_audit.findings.cues.records import Suspicion

FURTHER = range(PER_CLASS, PER_CLASS + 12)


@pytest.mark.parametrize(
    ("finder", "plant"),
    [
        ("duplicates", stamp_anywhere),
        ("duplicates", stamp_in_corner),
        ("template", watermark),
        ("template", stamp_in_corner),
        ("border", red_frame),
        ("border", green_ground),
        ("colour", blue_cast),
    ],
)
def test_a_cue_is_recognised_in_further_images_and_clean_ones_are_not_taken_for_it(finder: str, plant: Plant) -> None:
    images, _ = data_set(plant, 0.75)
    suspicion = only(finders()[finder].find(images))
    recognise = suspicion.recogniser()
    recognised = false = 0
    for index in FURTHER:
        image, place = features("birch", index, plant)
        hit = recognise(image)
        if hit:
            recognised += 1
            assert hit.name == image.name
            assert (hit.box is None) == (finder in ("border", "colour"))
            assert place is None or hit.box is None or covers(hit.box, place)
        false += recognise(features("birch", index)[0]) is not None
    # a cast on pictures of any colour, or a green ground beside them, is not always clear, nor in the sample
    planted = round(0.75 * PER_CLASS)
    assert recognised / len(FURTHER) >= min(1, len(suspicion.hits) / planted) - 1 / 3
    assert recognised >= 8
    assert false <= 2


def test_a_file_is_recognised_by_the_property_that_tells_its_class() -> None:
    images = [
        features_of(scene(label, index), label, index, quality=60 if label == "birch" else 90)
        for label in ("ash", "birch", "cedar")
        for index in range(12)
    ]
    recognise = only(finders()["files"].find(images)).recogniser()
    further = {quality: features_of(scene("birch", 50), "birch", 50, quality) for quality in (60, 75, 90)}
    assert [quality for quality, image in further.items() if recognise(image)] == [60]


def test_what_no_finder_learnt_is_not_recognised() -> None:
    by_hand = Suspicion("border", "birch", 1.0, 0.25, 24, (), "is seen", {})
    assert by_hand.recogniser()(features("birch", 0)[0]) is None


def test_features_computed_when_asked_for_are_those_that_are_kept() -> None:
    rgb = scene("ash", 1)
    data = cv2.imencode(".png", rgb[..., ::-1])[1].tobytes()
    kept = image_features(rgb, data, name="a", label="ash", width=180, height=240)
    decoded = []
    lazy = LazyFeatures(lambda: decoded.append(1) or rgb, data, name="a", width=180, height=240)
    assert lazy["file"] == kept["file"]
    assert not decoded
    for name in ("thumbnail", "border", "colour"):
        np.testing.assert_array_equal(lazy[name], kept[name])
    np.testing.assert_array_equal(lazy["keypoints"].places, kept["keypoints"].places)
    assert len(decoded) == 1


def test_two_threads_compute_the_features_of_two_images_at_the_same_time() -> None:
    rgb = scene("ash", 1)
    both = Barrier(2)

    def keypoints(_: int) -> int:
        # broken where the other thread is kept from getting as far as this
        image = LazyFeatures(lambda: both.wait(30) >= 0 and rgb, b"", name="a", width=180, height=240)
        return len(image["keypoints"].places)

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(keypoints, range(2))
    assert first == second > 0
