"""TIFF files of any layout, as the specification has them: uncompressed, in one strip a plane."""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, MASK, CMYK, YCBCR, CIELAB = 0, 1, 2, 3, 4, 5, 6, 8
UNSIGNED, SIGNED, FLOAT = 1, 2, 3
_CODES = {3: "H", 4: "I", 16: "Q"}


def tiff(
    values: NDArray[np.generic],
    photometric: int,
    *,
    bits: int | None = None,
    planar: bool = False,
    extra: int | None = None,
    orientation: int = 1,
    order: str = "<",
    big: bool = False,
    colours: NDArray[np.uint16] | None = None,
) -> bytes:
    """A TIFF of values (H, W) or (H, W, samples); `bits` that are no whole bytes are packed, the first on the left.

    extra: what the last channel is (1: premultiplied alpha, 2: alpha). colours: of a palette, (3, 2**bits).
    """
    pixels = values if values.ndim == 3 else values[..., None]
    height, width, samples = pixels.shape
    depth = bits or 8 * values.dtype.itemsize
    planes = [pixels[..., index : index + 1] for index in range(samples)] if planar else [pixels]
    strips = [
        _packed(plane, bits) if bits and bits % 8 else plane.astype(plane.dtype.newbyteorder(order)).tobytes()
        for plane in planes
    ]
    kinds = {"u": UNSIGNED, "i": SIGNED, "f": FLOAT}
    tags: dict[int, tuple[int, list[int]]] = {
        256: (4, [width]),
        257: (4, [height]),
        258: (3, [depth] * samples),
        259: (3, [1]),
        262: (3, [photometric]),
        273: (4, [0] * len(strips)),
        274: (3, [orientation]),
        277: (3, [samples]),
        278: (4, [height]),
        279: (4, [len(strip) for strip in strips]),
        284: (3, [2 if planar else 1]),
        339: (3, [kinds[values.dtype.kind]] * samples),
    }
    if extra is not None:
        tags[338] = (3, [extra])
    if photometric == YCBCR:
        # the chroma of every pixel
        tags[530] = (3, [1, 1])
    if colours is not None:
        tags[320] = (3, colours.ravel().tolist())
    # the directory's length does not depend on where the strips are, so that it is written twice
    start = len(_directory(tags, order, big))
    tags[273] = (4, [start + sum(map(len, strips[:index])) for index in range(len(strips))])
    return _directory(tags, order, big) + b"".join(strips)


def _directory(tags: dict[int, tuple[int, list[int]]], order: str, big: bool) -> bytes:
    word, first, count = ("Q", 16, "Q") if big else ("I", 8, "H")
    room = struct.calcsize(word)
    entries, rest = b"", b""
    after = first + struct.calcsize(count) + len(tags) * (4 + 2 * room) + room
    for tag, (kind, numbers) in sorted(tags.items()):
        data = struct.pack(f"{order}{len(numbers)}{_CODES[kind]}", *numbers)
        if len(data) > room:
            place = struct.pack(order + word, after + len(rest))
            rest += data + bytes(-len(data) % 8)
        else:
            place = data.ljust(room, b"\0")
        entries += struct.pack(f"{order}HH{word}", tag, kind, len(numbers)) + place
    mark = {"<": b"II", ">": b"MM"}[order]
    head = struct.pack(order + "HHHQ", 43, 8, 0, 16) if big else struct.pack(order + "HI", 42, 8)
    return mark + head + struct.pack(order + count, len(tags)) + entries + bytes(room) + rest


def _packed(plane: NDArray[np.generic], bits: int) -> bytes:
    rows = b""
    for row in plane.reshape(len(plane), -1).tolist():
        digits = "".join(f"{value:0{bits}b}" for value in row)
        digits += "0" * (-len(digits) % 8)
        rows += int(digits, 2).to_bytes(len(digits) // 8, "big")
    return rows
