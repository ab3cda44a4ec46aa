"""Other programs see the picture that was encoded."""

from __future__ import annotations

import io

import numpy as np
from pictures import gradient, seen_by_pillow
from PIL import Image

from cam_audit.images.encode_jpeg import encode_jpeg, is_whole_jpeg


def test_pillow_sees_the_picture_the_better_the_higher_the_quality() -> None:
    picture = gradient(300, 200)
    off = []
    for quality in (20, 92):
        data = encode_jpeg(picture, quality)
        assert Image.open(io.BytesIO(data)).format == "JPEG"
        off.append(np.abs(seen_by_pillow(data).astype(int) - picture).max())
    assert off[1] <= 8 < off[0]


def test_a_file_that_was_cut_off_anywhere_is_not_whole() -> None:
    data = encode_jpeg(gradient(30, 20), 85)
    assert is_whole_jpeg(data)
    assert not any(is_whole_jpeg(data[:end]) for end in range(len(data)))
