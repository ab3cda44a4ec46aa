"""What lies at the same place in a class is found, with what it adds to a picture."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from planted import Plant, covers, data_set, names, only, overlap, red_frame, stamp_in_corner, watermark

from cam_audit.findings.cues.edges import SIDE, edges
from cam_audit.findings.cues.records import ImageFeatures
from cam_audit.findings.cues.template import find


@pytest.mark.parametrize(
    ("plant", "share"),
    [(watermark, 1.0), (watermark, 0.6), (watermark, 0.3), (stamp_in_corner, 1.0), (stamp_in_corner, 0.6)],
)
def test_an_overlay_is_found_in_the_images_that_bear_it_and_where_it_is(plant: Plant, share: float) -> None:
    images, planted = data_set(plant, share)
    suspicion = only(find(images))
    assert names(suspicion) == set(planted)
    place = planted[suspicion.hits[0].name]
    assert suspicion.box is not None
    assert covers(suspicion.box, place)
    assert overlap(suspicion.box, place) > 0.5
    assert {hit.box for hit in suspicion.hits} == {suspicion.box}
    strengths = [hit.strength for hit in suspicion.hits]
    assert strengths == sorted(strengths, reverse=True)
    assert suspicion.cue.startswith("marks or edges at the same place (")


def test_the_same_scenes_without_an_overlay_are_silent() -> None:
    assert find(data_set()[0]) == []


def test_the_place_is_told_in_words() -> None:
    assert only(find(data_set(stamp_in_corner)[0])).cue.endswith("(bottom right)")
    assert only(find(data_set(watermark)[0])).cue.endswith("(across the picture)")
    assert only(find(data_set(red_frame)[0])).cue.endswith("(across the picture)")


def test_the_overlay_is_what_is_added_to_the_grey_of_an_image() -> None:
    suspicion = only(find(data_set(watermark)[0]))
    overlay, box = suspicion.overlay, suspicion.box
    assert overlay is not None
    assert overlay.dtype == np.float32
    assert overlay.shape == (SIDE, SIDE)
    rows = slice(round(box[1] * SIDE), round(box[3] * SIDE))
    # white letters at 35 % on grey of about 128 add some 40 levels, and nothing far from them
    assert 25 < np.percentile(overlay[rows], 95) < 60
    assert (overlay[: SIDE // 4] == 0).all()


def test_of_two_classes_the_one_without_the_mark_is_not_the_one_that_bears_it() -> None:
    images, planted = data_set(stamp_in_corner, classes=["ash", "birch"])
    assert names(only(find(images))) == set(planted)


def test_an_overlay_on_every_class_alike_is_none_of_one_class() -> None:
    assert find(data_set(watermark, bearers=["ash", "birch", "cedar", "date"])[0]) == []


def test_the_score_of_an_image_is_that_of_a_template_made_without_it() -> None:
    images, _ = data_set(watermark, 0.5)
    suspicion = only(find(images))
    hit = suspicion.hits[3]
    ordered = sorted(images, key=lambda image: (image.label, image.name))
    assert hit.strength == pytest.approx(_score(ordered, "birch", hit.name), rel=1e-4)


def _score(images: list[ImageFeatures], label: str, name: str) -> float:
    """How much an image shows of its class's template, as the formula has it."""
    fields = {image.name: _field(image["thumbnail"]) for image in images}
    fold = {image.name: position % 5 for position, image in enumerate(images)}
    means = {}
    for one in {image.label for image in images}:
        kept = [i.name for i in images if i.label == one and fold[i.name] != fold[name]]
        means[one] = np.mean([fields[each] for each in kept], axis=0)
    others = np.mean([mean for one, mean in means.items() if one != label], axis=0)
    template = means[label] - others
    template[np.hypot(*means[label].T).T <= np.hypot(*others.T).T] = 0
    longest = np.sort(np.hypot(*template.T).ravel())[-250]
    chosen = longest <= np.hypot(*template.T).T
    return float((fields[name] * template)[chosen].sum() / (template[chosen] ** 2).sum())


def _field(grey: np.ndarray) -> np.ndarray:
    # padded, so that at the rim too the difference is central
    down, across = np.gradient(np.pad(grey.astype(float), 1, mode="edge"))
    gradient = np.stack([across, down], axis=2)[1:-1, 1:-1]
    return gradient / (np.hypot(across, down)[1:-1, 1:-1, None] + 6)


def test_an_edge_counts_by_its_clarity_and_not_by_its_contrast() -> None:
    ramp = np.tile(np.arange(SIDE, dtype=np.uint8) * 2, (SIDE, 1))
    field = edges(np.stack([ramp, ramp.T])).reshape(2, SIDE, SIDE, 2)
    # a slope of 2 grey levels a pixel: 2 / (2 + 6) to the right, and nothing down
    assert field[0, 50, 50] == pytest.approx([0.25, 0])
    assert field[1, 50, 50] == pytest.approx([0, 0.25])
    assert field[0, 50, 0] == pytest.approx([1 / 7, 0])
    some = np.array([3 * SIDE + 4, 0])
    assert (edges(ramp[None], some) == field[0].reshape(-1, 2)[some]).all()


def test_images_without_any_edge_have_no_template() -> None:
    images, _ = data_set(stamp_in_corner, 2 / 6, per_class=6)
    blank = np.full((SIDE, SIDE), 90, np.uint8)
    marked = blank.copy()
    marked[90:105, 90:105] = 240
    stamped = {"birch/000.jpg", "birch/005.jpg"}
    images = [
        dataclasses.replace(image, values={"thumbnail": marked if image.name in stamped else blank}) for image in images
    ]
    # both in one fold: without it the class's template is empty
    with np.errstate(all="raise"):
        assert find(images) == []
