"""Which pictures are one picture: the same file, re-encoded or resized. Crops, mirrored ones and bursts are not.

A perceptual hash proposes pairs, and a small version of both pictures decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cam_audit.images.resize import resize
from cam_audit.images.rgb import RgbImage

THUMBNAIL_SIDE = 24
# Bits that may differ between the hashes of copies. Of one band more, one must be equal.
MAX_BITS = 5
_BANDS = MAX_BITS + 1
# How far the thumbnails of copies may lie apart (root mean square): in all, as a share of the contrast; and in each
# block of so many pixels a side, by so many grey levels and a share of its own contrast.
_MAX_APART = 0.06
_BLOCK = 6
_BLOCK_LEVELS = 2.0
_BLOCK_APART = 0.1
# The red, green and blue of luma (ITU-R BT.601).
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)

Thumbnail = NDArray[np.uint8]
Hashes = NDArray[np.uint64]


def thumbnail_of(rgb: RgbImage) -> Thumbnail:
    """A small version of a picture in colour: uint8 (24, 24, 3), whatever its shape."""
    return resize(rgb, THUMBNAIL_SIDE, THUMBNAIL_SIDE)


def copies_of(thumbnails: Sequence[Thumbnail]) -> dict[int, int]:
    """The number of each picture that is a copy of an earlier one, with that one's number.

    Each is compared with those before it that are no copies themselves, so that of a film whose pictures change little
    by little more than the first is kept. Thumbnails are compared only where hashes are close: time and memory grow
    with the pictures that are alike, and not with all pairs.
    """
    if not len(thumbnails):
        return {}
    # what is equal is one thumbnail, or a thousand black pictures would be half a million close pairs
    first: dict[bytes, int] = {}
    copies: dict[int, int] = {}
    for number, thumbnail in enumerate(thumbnails):
        before = first.setdefault(thumbnail.tobytes(), number)
        if before != number:
            copies[number] = before
    distinct = list(first.values())
    hashes = np.array([hash_of(thumbnails[number]) for number in distinct], np.uint64)
    near: dict[int, int] = {}
    for earlier, later in close_pairs(hashes).tolist():
        pair = thumbnails[distinct[earlier]], thumbnails[distinct[later]]
        if earlier not in near and later not in near and is_copy(*pair):
            near[later] = earlier
    found = {distinct[later]: distinct[earlier] for later, earlier in near.items()}
    return {**found, **{number: found.get(before, before) for number, before in copies.items()}}


def is_copy(thumbnail: Thumbnail, other: Thumbnail) -> bool:
    """Whether two thumbnails are of one picture.

    They differ by little in all, measured by the contrast, as two dark or blank pictures are much alike; and by little
    in each block, or what is behind a common frame, or an animal before a camera that stands still, would not count.
    """
    apart = thumbnail.astype(np.float32) - other
    for side, levels, share in ((THUMBNAIL_SIDE, 0.0, _MAX_APART), (_BLOCK, _BLOCK_LEVELS, _BLOCK_APART)):
        spread = np.sqrt((_blocks(apart, side) ** 2).mean((-1, -2)))
        contrast = np.sqrt(np.minimum(*(_blocks(each, side).var(-1).mean(-1) for each in (thumbnail, other))))
        if (spread > levels + share * contrast).any():
            return False
    return True


def _blocks(thumbnail: NDArray[Any], side: int) -> NDArray[np.float32]:
    """A thumbnail (24, 24, 3) in blocks of so many pixels a side: float32 (blocks, 3, side x side)."""
    count = THUMBNAIL_SIDE // side
    blocks = thumbnail.astype(np.float32).reshape(count, side, count, side, 3).transpose(0, 2, 4, 1, 3)
    return blocks.reshape(count * count, 3, side * side)


def hash_of(thumbnail: Thumbnail) -> int:
    """The perceptual hash of a thumbnail: 64 bits, each whether a low frequency of its grey is above the median.

    Source: Zauner, "Implementation and benchmarking of perceptual image hash functions" (2010), there called pHash.
    """
    waves = _waves()
    frequencies = (waves @ (thumbnail @ _LUMA) @ waves.T).ravel()
    bits = frequencies > np.median(frequencies)
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def close_pairs(hashes: Hashes) -> NDArray[np.intp]:
    """All pairs of hashes (n,) that differ in at most MAX_BITS bits: int (m, 2), the earlier first, by the later.

    Of six bands of bits, such hashes have at least one in common, so only those are compared that do.
    """
    words = hashes.view(np.uint16).reshape(-1, 4)
    found = [np.empty((0, 2), np.intp)]
    for bucket in _buckets(hashes):
        for position, number in enumerate(bucket[:-1], 1):
            others = bucket[position:]
            apart = _ones()[words[others] ^ words[number]].sum(1)
            close = others[apart <= MAX_BITS]
            found.append(np.stack([np.full_like(close, number), close], 1))
    pairs = np.unique(np.concatenate(found)[:, ::-1], axis=0)
    return pairs[:, ::-1]


def _buckets(hashes: Hashes) -> Iterator[NDArray[np.intp]]:
    """The numbers, in order, of the hashes that have a band in common, where there are two or more."""
    for bits in np.array_split(np.arange(64, dtype=np.uint64), _BANDS):
        band = (hashes >> bits[0]) & np.uint64((1 << len(bits)) - 1)
        order = np.argsort(band, kind="stable")
        borders = np.flatnonzero(np.diff(band[order])) + 1
        yield from (bucket for bucket in np.split(order, borders) if len(bucket) > 1)


@cache
def _waves() -> NDArray[np.float32]:
    """Cosines of one to eight half waves along a side of a thumbnail: float32 (8, 24), as the DCT has them."""
    places = (np.arange(THUMBNAIL_SIDE) + 0.5) / THUMBNAIL_SIDE
    return np.cos(np.pi * np.outer(np.arange(1, 9), places)).astype(np.float32)


@cache
def _ones() -> NDArray[np.uint8]:
    """How many bits are set in each number of 16 bits: uint8 (65536,)."""
    return np.array([number.bit_count() for number in range(1 << 16)], np.uint8)
