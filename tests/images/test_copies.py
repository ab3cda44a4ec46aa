"""Copies against pictures that were saved again, against others that are alike, and against brute force."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from pictures import Rgb, encode, seen_by_pillow
from PIL import Image
from planted import CLASSES, scene

from cam_audit.findings.cues.picture import COLOUR_THUMBNAIL, Picture
from cam_audit.images.copies import MAX_BITS, Thumbnail, close_pairs, copies_of, hash_of, is_copy, thumbnail_of
from cam_audit.images.resize import resize


def photo(label: str, index: int) -> Rgb:
    """A scene of 360 to 480 pixels a side, with edges no sharper than a lens makes them."""
    rgb = scene(label, index)
    return cv2.GaussianBlur(resize(rgb, 2 * rgb.shape[1], 2 * rgb.shape[0]), (0, 0), 2)


SCENES = [photo(label, index) for label in CLASSES for index in range(12)]
FRAME = np.zeros((208, 240), bool)
FRAME[20:-20, 20:-20] = True


def thumbnail(rgb: Rgb) -> Thumbnail:
    """As an audit has it."""
    thumbnail: Thumbnail = COLOUR_THUMBNAIL.compute(
        Picture(np.ascontiguousarray(rgb), b"", (rgb.shape[1], rgb.shape[0]))
    )
    return thumbnail


def half(rgb: Rgb) -> Rgb:
    return resize(rgb, rgb.shape[1] // 2, rgb.shape[0] // 2)


@pytest.mark.parametrize(
    "saved_again",
    [
        lambda rgb: seen_by_pillow(encode(rgb, "JPEG", quality=60)),
        lambda rgb: seen_by_pillow(encode(rgb, "WEBP", quality=60)),
        half,
        lambda rgb: seen_by_pillow(encode(half(rgb), "JPEG", quality=75)),
        lambda rgb: np.asarray(Image.fromarray(rgb).resize((224, 224), Image.Resampling.BICUBIC)),
    ],
)
def test_what_is_encoded_again_or_resized_is_a_copy(saved_again: Callable[[Rgb], Rgb]) -> None:
    found = copies_of([thumbnail(rgb) for rgb in SCENES] + [thumbnail(saved_again(rgb)) for rgb in SCENES])
    assert all(copy == number + len(SCENES) for copy, number in found.items())
    # one whose hash flipped may be missed, and none is taken for a copy of another
    assert len(found) >= 0.95 * len(SCENES)


def moved(rgb: Rgb) -> Rgb:
    return np.roll(rgb, 10, axis=1)


def darker(rgb: Rgb) -> Rgb:
    return (rgb // 2).astype(np.uint8)


def with_a_thing(rgb: Rgb) -> Rgb:
    height, width = rgb.shape[:2]
    return cv2.rectangle(rgb.copy(), (width // 3, height // 3), (width // 3 + 40, height // 3 + 40), (255, 0, 255), -1)


@pytest.mark.parametrize(
    "other",
    [moved, darker, with_a_thing, lambda rgb: rgb[:, ::-1], lambda rgb: rgb[..., ::-1], lambda rgb: rgb[18:, 18:]],
)
def test_another_view_light_thing_side_colour_or_cut_is_no_copy(other: Callable[[Rgb], Rgb]) -> None:
    assert not any(is_copy(thumbnail(rgb), thumbnail(other(rgb))) for rgb in SCENES)


def test_faint_pictures_in_a_common_frame_are_no_copies() -> None:
    framed = []
    for seed in range(20):
        ground = np.random.default_rng(seed).uniform(120, 136, (3, 3, 3)).astype(np.float32)
        picture = np.where(FRAME[..., None], cv2.resize(ground, (240, 208)), (255, 0, 0))
        framed.append(thumbnail_of(picture.astype(np.uint8)))
    assert copies_of(framed) == {}


def test_blank_pictures_are_copies_only_where_they_are_equal() -> None:
    black = np.zeros((40, 40, 3), np.uint8)
    assert copies_of([thumbnail_of(each) for each in (black, black + 1, black, black + 1)]) == {2: 0, 3: 1}


def test_of_a_film_that_changes_little_by_little_some_pictures_are_kept() -> None:
    rgb = SCENES[0].astype(np.float32)
    film = [thumbnail_of(np.clip(rgb + step, 0, 255).astype(np.uint8)) for step in range(12)]
    found = copies_of(film)
    assert is_copy(film[0], film[1])
    assert not is_copy(film[0], film[11])
    kept = set(range(12)) - set(found)
    assert 2 <= len(kept) < 12
    # each is a copy of one that is kept, and no two that are kept are copies
    assert all(first in kept and is_copy(film[first], film[copy]) for copy, first in found.items())
    assert not any(is_copy(film[a], film[b]) for a in kept for b in kept if a < b)


def test_the_hash_is_that_of_a_plain_cosine_transform() -> None:
    small = thumbnail_of(SCENES[3])
    grey = small @ np.array([0.299, 0.587, 0.114])
    waves = cv2.dct(grey)[1:9, 1:9].ravel()
    bits = "".join("1" if wave > np.median(waves) else "0" for wave in waves)
    assert hash_of(small) == int(bits, 2)


def test_close_pairs_are_those_of_brute_force() -> None:
    random = np.random.default_rng(0)
    seeds = random.integers(0, 1 << 64, 40, np.uint64)
    hashes = []
    for seed in seeds.tolist():
        for flips in (0, 1, MAX_BITS, MAX_BITS + 1):
            bits = random.permutation(64)[:flips].tolist()
            hashes.append(seed ^ sum(1 << bit for bit in bits))
    pairs = [(a, b) for b in range(len(hashes)) for a in range(b) if (hashes[a] ^ hashes[b]).bit_count() <= MAX_BITS]
    assert len(pairs) >= 2 * len(seeds)
    assert list(map(tuple, close_pairs(np.array(hashes, np.uint64)).tolist())) == pairs


@pytest.mark.slow
def test_of_100_000_pictures_few_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each hash meets those that share a band of 10 or 11 bits: 6 / 2^10 of all at most, were all compared."""
    compared = 0

    def count(one: Thumbnail, other: Thumbnail) -> bool:
        nonlocal compared
        compared += 1
        return is_copy(one, other)

    monkeypatch.setattr("cam_audit.images.copies.is_copy", count)
    random = np.random.default_rng(1)
    coarse = random.uniform(60, 190, (100_000, 9, 9, 3)).astype(np.float32)
    thumbnails = [cv2.resize(each, (24, 24), interpolation=cv2.INTER_LINEAR).astype(np.uint8) for each in coarse]
    thumbnails[70_000:70_100] = [each + np.uint8(1) for each in thumbnails[:100]]
    found = copies_of(thumbnails)
    assert found == {70_000 + number: number for number in range(100)}
    assert compared < 1000
    assert copies_of([]) == {}
