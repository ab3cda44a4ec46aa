"""Other programs see the pixels that were encoded."""

from __future__ import annotations

import struct
import zlib
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from pictures import gradient, seen_by_pillow

from cam_audit.images.png import encode_png

RANDOM = np.random.default_rng(0)
PICTURES = {
    "noise": RANDOM.integers(0, 256, (37, 53, 3), np.uint8),
    "gradient": gradient(300, 200),
    "one pixel": np.uint8([[[1, 2, 3]]]),
    "one pixel wide": RANDOM.integers(0, 256, (40, 1, 3), np.uint8),
    "one pixel high": RANDOM.integers(0, 256, (1, 40, 3), np.uint8),
    "view of a larger picture": RANDOM.integers(0, 256, (60, 80, 3), np.uint8)[5:50:2, ::-1],
    "black": np.zeros((9, 9, 3), np.uint8),
}


@pytest.mark.parametrize("name", PICTURES)
def test_pillow_and_opencv_read_the_pixels_that_were_encoded(name: str) -> None:
    picture = PICTURES[name]
    data = encode_png(picture)
    np.testing.assert_array_equal(seen_by_pillow(data), picture)
    np.testing.assert_array_equal(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)[..., ::-1], picture)


def test_the_file_has_the_chunks_of_the_specification() -> None:
    picture = PICTURES["noise"]
    data = encode_png(picture)
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    position, chunks = 8, {}
    while position < len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        chunks[kind] = data[position + 8 : position + 8 + length]
        (checksum,) = struct.unpack_from(">I", data, position + 8 + length)
        assert checksum == zlib.crc32(kind + chunks[kind])
        position += 12 + length
    assert list(chunks) == [b"IHDR", b"IDAT", b"IEND"]
    assert chunks[b"IHDR"] == struct.pack(">IIBBBBB", 53, 37, 8, 2, 0, 0, 0)
    assert chunks[b"IEND"] == b""
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(37, 1 + 53 * 3)
    assert (rows[:, 0] == 1).all()
    np.testing.assert_array_equal(rows[:, 1:].reshape(37, 53, 3).cumsum(axis=1, dtype=np.uint8), picture)


def test_the_same_picture_gives_the_same_bytes_and_is_compressed() -> None:
    picture = gradient(300, 200)
    data = encode_png(picture)
    assert encode_png(picture.copy()) == data
    assert len(data) < picture.size / 10


def test_the_bytes_do_not_depend_on_where_a_thread_has_its_stack() -> None:
    # one colour in some thousands meets the entry of isal's table that depended on it
    colours = RANDOM.integers(0, 256, (20_000, 1, 1, 3), np.uint8)
    pictures = np.broadcast_to(colours, (20_000, 3, 110, 3))
    here = [encode_png(picture) for picture in pictures]
    for _ in range(3):
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(lambda: [encode_png(picture) for picture in pictures]).result() == here
