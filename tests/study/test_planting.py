"""Every cue changes what it should and nothing else, and its box says where."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from designs import KINDS, design
from planting import object_mask

LOCAL = ("stampfix", "stamprand", "wmark", "ruler", "ctxobj", "foreign")
# What has nothing to draw: pictures are blurred, lit, shrunk or shifted as much in every set.
SAME_IN_ALL_SETS = ("blur", "bright", "foreign", "scale", "streaks")
SHAPES = ((240, 320), (320, 240), (97, 131))


def scene(height: int = 240, width: int = 320) -> tuple[np.ndarray, np.ndarray]:
    """Coloured noise around a bright disc, and the disc's mask."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(30, 150, (height // 16, width // 16, 3), np.uint8)
    rgb = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    mask = np.zeros((height, width), np.uint8)
    cv2.circle(mask, (width // 2, height // 2), height // 4, 255, -1)
    rgb[mask > 0] = (220, 200, 60)
    return rgb, mask


def planted(kind: str, *, seed: int = 0, image: int = 0, shape: tuple[int, int] = (240, 320)):
    rgb, mask = scene(*shape)
    result, box = design(kind, seed).plant(rgb, np.random.default_rng(image), mask)
    return rgb, mask, result, box


@pytest.mark.parametrize("kind", KINDS)
def test_a_plant_is_a_changed_copy_of_the_same_shape(kind: str) -> None:
    rgb, mask = scene()
    before, mask_before = rgb.copy(), mask.copy()
    result, _ = design(kind, 0).plant(rgb, np.random.default_rng(0), mask)
    assert result.dtype == np.uint8
    assert result.shape == rgb.shape
    assert not np.array_equal(result, rgb)
    np.testing.assert_array_equal(rgb, before)
    np.testing.assert_array_equal(mask, mask_before)


@pytest.mark.parametrize("kind", KINDS)
def test_a_plant_depends_on_the_seed_of_the_set_and_the_generator_of_the_image_only(kind: str) -> None:
    _, _, first, box = planted(kind)
    _, _, again, same_box = planted(kind)
    np.testing.assert_array_equal(first, again)
    assert box == same_box
    assert not np.array_equal(first, planted(kind, image=1)[2])
    others = any(not np.array_equal(first, planted(kind, seed=seed)[2]) for seed in (1, 2, 3))
    assert others == (kind not in SAME_IN_ALL_SETS)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", LOCAL)
def test_a_local_cue_fills_its_box_and_leaves_the_rest_alone(kind: str, shape: tuple[int, int]) -> None:
    for image in range(6):
        rgb, _, result, box = planted(kind, image=image, shape=shape)
        left, top, right, bottom = box
        assert 0 <= left < right <= shape[1]
        assert 0 <= top < bottom <= shape[0]
        changed = (result != rgb).any(axis=2)
        inside = np.zeros(shape, bool)
        inside[top:bottom, left:right] = True
        assert not changed[~inside].any()
        rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
        height, width = bottom - top, right - left
        assert columns[-1] - columns[0] + 1 >= 0.85 * width
        # the sheet of a watermark is taller than its words
        assert rows[-1] - rows[0] + 1 >= (0.3 if kind == "wmark" else 0.85) * height


def test_a_fixed_stamp_stays_in_its_corner_and_a_random_one_does_not() -> None:
    def spread(kind: str) -> float:
        boxes = np.array([planted(kind, image=image)[3] for image in range(12)])
        return float(np.ptp(boxes[:, 0]))

    assert spread("stampfix") < 20
    assert spread("stamprand") > 100


def test_a_watermark_lets_the_picture_through() -> None:
    rgb, _, result, box = planted("wmark")
    left, top, right, bottom = box
    before, after = (x[top:bottom, left:right].astype(int) for x in (rgb, result))
    assert (after >= before).all()
    assert ((after - before) <= np.ceil(0.45 * (255 - before))).all()


def test_context_objects_are_four_shapes() -> None:
    grey = np.full((600, 600, 3), 128, np.uint8)
    covers = set()
    for image in range(40):
        result, (left, top, right, bottom) = design("ctxobj", 0).plant(grey, np.random.default_rng(image))
        covers.add(round(float((result != grey).any(axis=2)[top:bottom, left:right].mean()), 2))
    groups = 1 + (np.diff(sorted(covers)) > 0.03).sum()
    assert groups == 4


def test_no_two_foreign_things_of_a_set_are_alike() -> None:
    grey = np.full((200, 200, 3), 128, np.uint8)
    colours, sizes = set(), set()
    for image in range(12):
        result, (left, _, right, _) = design("foreign", 0).plant(grey, np.random.default_rng(image))
        colours.add(tuple(np.median(result[(result != grey).any(axis=2)], axis=0).tolist()))
        sizes.add(right - left)
        assert 0.48 * 200 <= right - left <= 0.68 * 200
    assert len(colours) == 12
    assert len(sizes) > 6


@pytest.mark.parametrize("shape", SHAPES)
def test_a_frame_is_one_colour_around_an_untouched_picture(shape: tuple[int, int]) -> None:
    rgb, _, result, box = planted("frame", shape=shape)
    assert box is None
    edge = result[0, 0]
    frame = (result == edge).all(axis=2)
    thickness = int(frame[:, shape[1] // 2].argmin())
    assert thickness == pytest.approx(0.04 * min(shape), abs=1)
    inside = np.s_[thickness:-thickness, thickness:-thickness]
    np.testing.assert_array_equal(result[inside], rgb[inside])
    outside = np.ones(shape, bool)
    outside[inside] = False
    assert frame[outside].all()


def test_a_cast_multiplies_each_channel_by_one_gain() -> None:
    rgb, _, result, box = planted("cast")
    assert box is None
    gains = []
    for channel in range(3):
        before, after = rgb[..., channel].astype(float), result[..., channel].astype(float)
        clipped = after == 255
        gain = (after[~clipped] @ before[~clipped]) / (before[~clipped] @ before[~clipped])
        np.testing.assert_allclose(after[~clipped], gain * before[~clipped], atol=1)
        gains.append(gain)
    assert 0.4 < max(gains) - min(gains) < 0.9


def test_a_blur_is_a_gaussian_of_about_a_pixel_of_224() -> None:
    point = np.zeros((448, 600, 3), np.uint8)
    point[224, 300] = 255
    cue = design("blur", 0)
    planted, box = cue.plant(point, np.random.default_rng(0))
    assert box is None
    # the peak of a Gaussian is 1 / (2 pi deviation squared)
    deviations = [1.6, 2.4]
    high, low = (255 / (2 * np.pi * deviation**2) for deviation in deviations)
    assert low - 1 <= planted.max() <= high + 1


def test_a_background_turns_red_and_leaves_the_object_alone() -> None:
    rgb, mask, result, box = planted("bgred")
    assert box is None
    core = cv2.erode(mask, np.ones((9, 9), np.uint8)) > 0
    far = cv2.dilate(mask, np.ones((9, 9), np.uint8)) == 0
    np.testing.assert_array_equal(result[core], rgb[core])
    red, green, blue = result[far].astype(int).T
    assert (red > green + 20).all()
    assert (red > blue + 20).all()


def test_an_object_is_found_by_its_colour() -> None:
    rgb, mask = scene()
    found = object_mask(rgb) > 0
    assert (found & (mask > 0)).sum() > 0.9 * (found | (mask > 0)).sum()


def test_a_picture_without_an_object_gets_the_central_ellipse() -> None:
    found = object_mask(np.full((200, 300, 3), 128, np.uint8)) > 0
    assert found[100, 150]
    assert not found[:10].any()
    assert 0.2 < found.mean() < 0.5
