"""What repeats in a class is found wherever it is; what is merely alike, everywhere or the same photo is not."""

from __future__ import annotations

from itertools import combinations

import cv2
import numpy as np
import pytest
from planted import (
    CLASSES,
    PER_CLASS,
    Plant,
    badge_anywhere,
    badge_drawn_again,
    covers,
    data_set,
    features,
    features_of,
    names,
    only,
    overlap,
    scene,
    stamp_anywhere,
    stamp_in_corner,
    stamp_of_any_size,
)

from cam_audit.findings.cues import duplicates
from cam_audit.findings.cues.duplicates import _agreeing, _mutual, find
from cam_audit.findings.cues.matches import POINTS, Keypoints, KeypointStack, find_keypoints, root_sift
from cam_audit.findings.cues.records import Hit, ImageFeatures, Suspicion
from cam_audit.records import Box, area_of


@pytest.mark.parametrize("share", [1.0, 0.6, 0.3])
@pytest.mark.parametrize("plant", [stamp_anywhere, stamp_of_any_size, stamp_in_corner])
def test_a_stamp_is_found_in_the_images_that_bear_it_and_where_it_is(plant: Plant, share: float) -> None:
    images, planted = data_set(plant, share)
    suspicion = only(find(images))
    assert names(suspicion) == set(planted)
    assert suspicion.score == pytest.approx(len(planted) / 24)
    for hit in suspicion.hits:
        assert covers(hit.box, planted[hit.name])
        assert overlap(hit.box, planted[hit.name]) > 0.4
        # most others that bear it match, and no image that does not
        assert 0.5 * (len(planted) - 1) <= 23 * hit.strength <= len(planted) - 1 + 1e-6
    assert suspicion.numbers["shared_in_others"] == 0
    assert suspicion.cue == "a mark or object that is the same in many of its images"


def test_the_same_scenes_without_a_stamp_are_silent() -> None:
    assert find(data_set()[0]) == []


def test_a_stamp_on_every_class_alike_is_none_of_one_class() -> None:
    assert find(data_set(stamp_anywhere, 0.5, bearers=CLASSES)[0]) == []


def test_a_stamp_twice_as_common_in_one_class_is_of_that_class() -> None:
    images = [image for label in CLASSES for image in _stamped(label, 24 if label == "birch" else 8)]
    assert only(find(images)).score == 1


def test_a_stamp_on_a_fifth_of_every_class_is_of_no_class_however_it_fell() -> None:
    # 7 of 24 against 3 of 24: more than twice as common, and in one of 16 orders by chance
    images = [image for label in CLASSES for image in _stamped(label, 7 if label == "birch" else 3)]
    assert find(images) == []
    assert only(find([*(image for image in images if image.label == "birch"), *data_set(classes=["ash"])[0]]))


@pytest.mark.parametrize("quality", [95, 70, 40])
def test_a_copied_mark_is_told_from_one_that_was_drawn_again(quality: int) -> None:
    others = data_set(classes=["ash", "cedar"])[0]
    copied = [features("birch", index, badge_anywhere, quality)[0] for index in range(PER_CLASS)]
    assert only(find([*others, *copied])).score == 1
    redrawn = [features("birch", index, badge_drawn_again, quality)[0] for index in range(PER_CLASS)]
    assert find([*others, *redrawn]) == []


def test_a_stamp_on_too_few_images_is_not_reported() -> None:
    # two are too few whatever their share, and four of 41 are too small a share
    assert find(data_set(stamp_in_corner, 2 / 12, per_class=12)[0]) == []
    bearers = [image for image in data_set(stamp_in_corner, 4 / 12, per_class=12)[0] if image.label == "birch"]
    more = [features("birch", index)[0] for index in range(12, 41)]
    others = data_set(classes=["ash"])[0]
    assert find([*bearers, *more, *others]) == []
    assert only(find([*bearers, *more[:-1], *others])).score == 0.1


def test_partners_agree_if_they_share_the_same_part_of_an_image() -> None:
    mark = np.array([(0, 0), (30, 0), (0, 30), (30, 30)], np.float32)
    here, nearly, elsewhere = mark + 100, mark + 104, mark + 160
    assert _agreeing({3: here, 5: nearly, 9: here}) == {3, 5, 9}
    assert _agreeing({3: here, 5: nearly, 9: elsewhere}) == {3, 5}
    assert _agreeing({3: here, 5: nearly, 9: elsewhere, 4: mark}) == set()
    assert _agreeing({}) == set()


def test_only_images_with_enough_partners_among_themselves_are_left() -> None:
    triangle = [{1, 2}, {0, 2}, {0, 1, 3}]
    one_sided = {0, 1}
    assert _mutual([*triangle, one_sided], lambda *_: False) == {0: {1, 2}, 1: {0, 2}, 2: {0, 1}}
    chain = [{1}, {0, 2}, {1, 3}, {2}]
    assert _mutual(chain, lambda *_: False) == {}
    convincing = {(0, 1), (2, 3), (3, 2)}
    assert _mutual(chain, lambda *pair: pair in convincing) == {2: {3}, 3: {2}}


def test_different_things_in_two_images_each_are_found() -> None:
    plants = [badge_anywhere, badge_anywhere, mirrored_badge, mirrored_badge]
    birches = [features("birch", index, plants[index] if index < 4 else None) for index in range(41)]
    others = data_set(classes=["ash", "cedar"])[0]
    suspicion = only(find([*others, *(image for image, _ in birches[:40])]))
    places = {image.name: box for image, box in birches if box}
    assert names(suspicion) == set(places)
    assert all(overlap(hit.box, places[hit.name]) > 0.4 for hit in suspicion.hits)
    # four of 41 are too small a share
    assert find([*others, *(image for image, _ in birches)]) == []
    # and a thing that one image of another class bears too is of no class
    assert find([*others, *(image for image, _ in birches[:40]), features("ash", 30, badge_anywhere)[0]]) == []


def mirrored_badge(rgb: np.ndarray, rng: np.random.Generator) -> Box:
    mirrored = np.ascontiguousarray(rgb[:, ::-1])
    left, top, right, bottom = badge_anywhere(mirrored, rng)
    rgb[:] = mirrored[:, ::-1]
    return 1 - right, top, 1 - left, bottom


def test_photos_and_their_crops_are_no_repeated_mark_but_one_thing_each() -> None:
    others = data_set(classes=["ash", "cedar"])[0]
    photos = [features("birch", index)[0] for index in range(20)]
    crops = []
    for index in range(4):
        height, width, _ = scene("birch", index).shape
        crop = scene("birch", index)[height // 5 :, : width * 4 // 5]
        crops.append(features_of(np.ascontiguousarray(crop), "birch", 100 + index))
        photo, crop = (KeypointStack([image["keypoints"]]) for image in (photos[index], crops[-1]))
        assert any(shared.copied for shared in photo.shared_with(*crop.of(0)))
    suspicion = only(find([*others, *photos, *crops]))
    assert suspicion.finder == "same_thing"
    assert suspicion.numbers == {"things": 4, "largest_thing": 2}
    assert suspicion.score == pytest.approx(4 / 24)
    # two and two are a photo and its crop, which is the whole of itself
    shown = [hit.name for hit in suspicion.hits]
    assert {frozenset(shown[i : i + 2]) for i in range(0, 8, 2)} == {
        frozenset((f"birch/{index:03d}.jpg", f"birch/{100 + index:03d}.jpg")) for index in range(4)
    }
    recognise = suspicion.recogniser()
    hit = recognise(features_of(np.ascontiguousarray(scene("birch", 0)[:, 20:]), "birch", 200))
    assert hit
    assert hit.box
    assert area_of(hit.box) > 0.25
    assert recognise(features("birch", 30)[0]) is None
    # a photo whose crop is in another class as well is no thing of this class
    elsewhere = [features_of(np.ascontiguousarray(scene("birch", i)[30:, 30:]), "ash", 300 + i) for i in range(4)]
    assert find([*others, *photos, *crops, *elsewhere]) == []


def test_a_large_mark_is_not_pasted() -> None:
    birches = tuple(Hit(f"birch/{index}.jpg", 0.5, (0.0, 0.0, 0.5, size)) for index, size in enumerate([0.4, 0.6, 1]))
    pasted, painted = duplicates.tests(Suspicion("duplicates", "birch", 1.0, 0.1, 3, birches, "a mark", {}), {})
    assert (pasted.hits, painted.hits) == (birches[:1], birches)


def _stamped(label: str, stamped: int) -> list[ImageFeatures]:
    return [features(label, index, stamp_anywhere if index < stamped else None)[0] for index in range(24)]


def test_one_photo_in_several_qualities_and_sizes_is_not_a_repeated_mark() -> None:
    others = data_set(classes=["ash", "cedar"])[0]
    copies = []
    for index in range(4):
        rgb = scene("birch", index)
        smaller = cv2.resize(rgb, None, fx=0.75, fy=0.75, interpolation=cv2.INTER_AREA)
        versions = [(rgb, 90), (rgb, 40), (smaller, 80), (smaller, 95)]
        copies += [features_of(each, "birch", 10 * index + v, quality) for v, (each, quality) in enumerate(versions)]
    assert find([*others, *copies]) == []

    stamped = [features("birch", index, stamp_anywhere)[0] for index in range(20, 24)]
    suspicion = only(find([*others, *copies, *stamped]))
    assert names(suspicion) == {image.name for image in stamped}
    assert suspicion.numbers["photos_twice"] == len(copies)


def test_keypoints_are_the_strongest_and_few_enough_to_keep() -> None:
    # SIFT finds more than it is asked for here, as all corners are equally strong
    board = (np.indices((240, 336)).sum(0) // 24 % 2 * 255).astype(np.uint8)
    board[:, ::48] = 90
    keypoints = find_keypoints(board)
    assert len(keypoints.places) == len(keypoints.descriptors) <= POINTS
    assert keypoints.size == (336, 240)
    assert keypoints.descriptors.dtype == np.uint8
    empty = find_keypoints(np.full((30, 40), 7, np.uint8))
    assert empty.places.shape == (0, 4)
    assert empty.descriptors.shape == (0, 128)


def test_root_sift_of_a_descriptor_is_the_root_of_its_share() -> None:
    descriptor = np.zeros((2, 128), np.uint8)
    descriptor[0, :3] = 9, 16, 0
    roots = root_sift(descriptor)
    assert roots[0, :3] == pytest.approx([0.6, 0.8, 0])
    assert np.linalg.norm(roots[0]) == pytest.approx(1)
    assert (roots[1] == 0).all()


def test_shared_points_are_those_of_a_search_without_shortcuts() -> None:
    rng = np.random.default_rng(5)
    images = [_random_keypoints(rng) for _ in range(4)]
    stack = KeypointStack(images)
    found = {
        (first, shared.partner): (_rows(shared.here), _rows(shared.there), shared.copied)
        for first in range(4)
        for shared in stack.shared_with(*stack.of(first), first=first + 1)
    }
    expected = {}
    for first, second in combinations(range(4), 2):
        largest = _largest_piece(*_mutual_matches(images[first], images[second]))
        if largest is not None:
            expected[first, second] = largest
    assert found == expected
    assert {copied for _, _, copied in expected.values()} == {True, False}


def _random_keypoints(rng: np.random.Generator) -> Keypoints:
    """Twelve known descriptors, noisy, at known places, shifted, scaled and jittered; and twelve of nothing."""
    known = np.random.default_rng(1)
    descriptors = np.concatenate([known.gamma(0.4, 40, (12, 128)), rng.gamma(0.4, 40, (12, 128))])
    descriptors[:12] *= rng.uniform(0.6, 1.4, (12, 128))
    places = np.concatenate([known.uniform(0, 60, (12, 2)), rng.uniform(0, 300, (12, 2))])
    places[:12] = places[:12] * rng.uniform(0.9, 1.1) + rng.uniform(0, 200, 2) + rng.normal(0, 0.4, (12, 2))
    sizes, angles = rng.uniform(4, 6, (24, 1)), rng.uniform(-18, 18, (24, 1)) % 360
    return Keypoints(
        (336, 336),
        np.hstack([places, sizes, angles]).astype(np.float32),
        np.clip(descriptors, 0, 255).astype(np.uint8),
    )


def _mutual_matches(first: Keypoints, second: Keypoints) -> tuple[np.ndarray, np.ndarray]:
    cosines = np.array([[_cosine(a, b) for b in second.descriptors] for a in first.descriptors])
    pairs = []
    for i, row in enumerate(cosines):
        j = int(row.argmax())
        turn = abs(first.places[i, 3] - second.places[j, 3])
        ratio = first.places[i, 2] / second.places[j, 2]
        alike = min(turn, 360 - turn) < 25 and 0.75 < ratio < 4 / 3
        if row[j] > 0.86 and cosines[:, j].argmax() == i and alike:
            pairs.append((i, j))
    here, there = zip(*pairs, strict=True) if pairs else ((), ())
    return first.places[list(here), :2], second.places[list(there), :2]


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    """Hellinger affinity of two histograms, which RootSIFT turns into a dot product."""
    return float(np.sqrt((a / a.sum()) * (b / b.sum())).sum())


def _largest_piece(here: np.ndarray, there: np.ndarray):
    largest: list[int] = []
    for p, q in combinations(range(len(here)), 2):
        across, moved = here[q] - here[p], there[q] - there[p]
        if np.linalg.norm(across) < 8:
            continue
        scale = across @ moved / (across @ across)
        if not 0.75 < scale < 4 / 3:
            continue
        shift = (there[p] + there[q]) / 2 - scale * (here[p] + here[q]) / 2
        agreeing = [i for i in range(len(here)) if np.abs(scale * here[i] + shift - there[i]).max() <= 2]
        largest = max(largest, agreeing, key=len)
    if len(largest) < 4:
        return None
    exact = _exact_ones(here, there, largest)
    kept = largest if exact is None else exact
    return _rows(here[kept]), _rows(there[kept]), exact is not None


def _exact_ones(here: np.ndarray, there: np.ndarray, largest: list[int]) -> list[int] | None:
    exact = largest
    for _ in range(3):
        if len(exact) < max(4, len(largest) * 2 / 3):
            return None
        # scale and shift by the normal equations of x' = scale x + dx, y' = scale y + dy
        ones, zeros = np.ones(len(exact)), np.zeros(len(exact))
        rows = [np.column_stack([here[exact, 0], ones, zeros]), np.column_stack([here[exact, 1], zeros, ones])]
        (scale, *shift), *_ = np.linalg.lstsq(np.concatenate(rows), there[exact].T.reshape(-1), rcond=None)
        exact = [i for i in largest if np.abs(scale * here[i] + shift - there[i]).max() <= 0.75]
    return exact if len(exact) >= max(4, len(largest) * 2 / 3) else None


def _rows(places: np.ndarray) -> set[tuple[float, ...]]:
    return set(map(tuple, places.tolist()))
