"""Which pictures are one picture: the same file, re-encoded or resized. Crops, mirrored ones and bursts are not.

A perceptual hash proposes pairs, and a small version of both pictures decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from cam_audit.images.resize import resize
from cam_audit.images.rgb import RgbImage

THUMBNAIL_SIDE = 24
# Bits that may differ between the hashes of copies. Of one band more, one must be equal.
MAX_BITS = 5
_BANDS = MAX_BITS + 1
# Of pictures in different groups, each is compared with so many of those that have a band in common with it, until so
# many are close, or 20,000 pictures of a film would be two hundred million pairs.
REACH = 1000
MAX_PARTNERS = 4
# So many pairs of thumbnails are compared at a time, which fits into a cache.
_AT_ONCE = 32
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
    """Whether two thumbnails are of one picture: `are_copies` of one pair."""
    return bool(are_copies(thumbnail[None], other[None])[0])


def are_copies(thumbnails: NDArray[np.uint8], others: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Of each pair of thumbnails, whether they are of one picture: bool (n,); both uint8 (n, 24, 24, 3).

    They differ by little in all, measured by the contrast, as two dark or blank pictures are much alike; and by little
    in each block, or what is behind a common frame, or an animal before a camera that stands still, would not count.
    """
    same = np.empty(len(thumbnails), bool)
    for first in range(0, len(thumbnails), _AT_ONCE):
        some = slice(first, first + _AT_ONCE)
        same[some] = _are_copies(thumbnails[some].astype(np.float32), others[some].astype(np.float32))
    return same


def _are_copies(thumbnails: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.bool_]:
    same = np.ones(len(thumbnails), bool)
    for side, levels, share in ((THUMBNAIL_SIDE, 0.0, _MAX_APART), (_BLOCK, _BLOCK_LEVELS, _BLOCK_APART)):
        spread = np.sqrt((_blocks(thumbnails - others, side) ** 2).mean((-1, -2)))
        contrast = np.sqrt(np.minimum(*(_blocks(each, side).var(-1).mean(-1) for each in (thumbnails, others))))
        same &= (spread <= levels + share * contrast).all(-1)
    return same


def _blocks(thumbnails: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Thumbnails (n, 24, 24, 3) in blocks of so many pixels a side: float32 (n, blocks, 3, side x side)."""
    count = THUMBNAIL_SIDE // side
    blocks = thumbnails.reshape(-1, count, side, count, side, 3).transpose(0, 1, 3, 5, 2, 4)
    return blocks.reshape(-1, count * count, 3, side * side)


def contrast_of(thumbnail: Thumbnail) -> float:
    """The standard deviation of a thumbnail about the mean of each colour, in grey levels."""
    return float(np.sqrt(thumbnail.reshape(-1, 3).astype(np.float32).var(0).mean()))


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
    return _unique(found)


def close_across(
    hashes: Hashes, groups: NDArray[np.intp], *, reach: int = REACH, partners: int = MAX_PARTNERS
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Pairs of hashes (n,) of different groups (n,) that differ in at most MAX_BITS bits, -1 being no group.

    Returns int (m, 2), each pair once, the lower number first, and which hashes were not compared with all: bool (n,).
    As `close_pairs`, but each hash is compared with `reach` others a band, those that are most alike in their first
    bits, until `partners` are found. So time grows with the pictures, also where all are alike.
    """
    words = hashes.view(np.uint16).reshape(-1, 4)
    # equal hashes in an order that has nothing to do with groups, or those of one would all come before the others'
    shuffled = np.random.default_rng(0).permutation(len(hashes))
    found = [np.empty((0, 2), np.intp)]
    not_all = np.zeros(len(hashes), bool)
    for band in _bands(hashes):
        order = np.lexsort((shuffled, hashes, band))
        ends = np.searchsorted(band[order], band[order], side="right")
        later = ends - np.arange(len(order)) - 1
        not_all[order] |= ends - np.searchsorted(band[order], band[order]) > reach + 1
        kept = np.zeros(len(order), np.intp)
        here = np.flatnonzero(groups[order] >= 0)
        for step in range(1, reach + 1):
            here = here[(later[here] >= step) & (kept[here] < partners)]
            if not here.size:
                break
            pairs = np.stack([order[here], order[here + step]], 1)
            apart = (groups[pairs[:, 0]] != groups[pairs[:, 1]]) & (groups[pairs[:, 1]] >= 0)
            close = np.zeros(len(here), bool)
            close[apart] = _ones()[words[pairs[apart, 0]] ^ words[pairs[apart, 1]]].sum(1) <= MAX_BITS
            kept[here[close]] += 1
            found.append(np.sort(pairs[close], axis=1))
        not_all[order] |= kept >= partners
    return _unique(found), not_all


def _unique(found: Sequence[NDArray[np.intp]]) -> NDArray[np.intp]:
    """Each of the pairs once, by the later of the two."""
    pairs = np.unique(np.concatenate(found)[:, ::-1], axis=0)
    return pairs[:, ::-1]


def _bands(hashes: Hashes) -> Iterator[Hashes]:
    """The bands of bits of all hashes, as numbers."""
    for bits in np.array_split(np.arange(64, dtype=np.uint64), _BANDS):
        yield (hashes >> bits[0]) & np.uint64((1 << len(bits)) - 1)


def _buckets(hashes: Hashes) -> Iterator[NDArray[np.intp]]:
    """The numbers, in order, of the hashes that have a band in common, where there are two or more."""
    for band in _bands(hashes):
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
