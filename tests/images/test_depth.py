"""Pixel values of any depth become 8 bits as a closed form says, and no picture with something in it becomes black."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from numpy.typing import NDArray

from cam_audit.errors import ImageError
from cam_audit.images.depth import kind_of_values, range_in, range_of, to_8_bits, united, up_to

RAMP = np.linspace(0, 1, 4096).reshape(32, 128)


@pytest.mark.parametrize("depth", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("dtype", ["u2", "u4", "u8", "i4", "i8"])
def test_whole_numbers_keep_the_high_byte_of_the_depth_that_they_fill(depth: int, dtype: str) -> None:
    values = np.floor(RAMP * ((1 << depth) - 1)).astype(dtype)
    got, words = to_8_bits(values)
    np.testing.assert_array_equal(got, values // (1 << (depth - 8)))
    assert got.dtype == np.uint8
    assert (f"fill {depth} bits" in words) is (depth < 8 * np.dtype(dtype).itemsize)


def test_8_bits_stay_as_they_are() -> None:
    values = np.arange(256, dtype=np.uint8)
    got, words = to_8_bits(values)
    assert got is values
    assert words == ""


@pytest.mark.parametrize("dtype", ["f4", "f8", "f2"])
@pytest.mark.parametrize(("most", "words"), [(1, "fractions from 0 to 1"), (255, "fractions from 0 to 255")])
def test_fractions_up_to_1_and_to_255_are_taken_as_such(dtype: str, most: int, words: str) -> None:
    values = (RAMP * most * 0.5).astype(dtype)
    got, said = to_8_bits(values)
    assert np.abs(got - RAMP * 127.5).max() <= 0.6
    assert said.endswith(words)


@pytest.mark.parametrize(
    "values",
    [
        (RAMP * 4000 - 1000).astype("i2"),
        (RAMP * 4e9).astype("u4"),
        RAMP.astype("f4") * 2 - 1,
        RAMP.astype("f8") * 1e-6,
        RAMP.astype("f4") * 1e30,
        np.rint(RAMP * 9).astype("u2"),
    ],
    ids=["signed", "32 bits", "-1 to 1", "tiny", "huge", "a few numbers"],
)
def test_of_all_else_the_range_that_is_used_is_stretched(values: NDArray[np.generic]) -> None:
    got, words = to_8_bits(values)
    expected = (values.astype(float) - float(values.min())) / (float(values.max()) - float(values.min())) * 255
    # a thousandth at each end is cut off
    assert np.abs(got - expected).max() <= 1
    assert "range stretched" in words


def test_a_hot_pixel_does_not_make_the_rest_black() -> None:
    values = RAMP.astype("f4") * 100 - 50
    values[3, 3] = 1e9
    got, _ = to_8_bits(values)
    assert np.abs(np.delete(got, 3 * 128 + 3) - np.delete(RAMP, 3 * 128 + 3) * 255).max() <= 1


def test_what_is_no_number_becomes_black_and_nothing_else_is_moved_by_it() -> None:
    values = RAMP.astype("f4") * 500 - 100
    values[0, :5] = np.nan
    got, _ = to_8_bits(values)
    assert (got[0, :5] == 0).all()
    assert np.abs(got[1:] - RAMP[1:] * 255).max() <= 1.5
    with pytest.raises(ImageError, match="none of its 32-bit values is a number"):
        to_8_bits(np.full((2, 2), np.nan, "f4"))


@pytest.mark.parametrize("dtype", ["u2", "i4", "f4"])
def test_pictures_of_one_value_are_no_fault(dtype: str) -> None:
    for value in (0, 7, 70_000):
        got, _ = to_8_bits(np.full((2, 2), value).astype(dtype))
        assert (got == got[0, 0]).all()
    assert (to_8_bits(np.zeros((2, 2), dtype))[0] == 0).all()


def test_the_range_of_a_data_set_keeps_a_dark_picture_darker_than_its_neighbour() -> None:
    light, dark = (np.floor(RAMP * most).astype("u2") for most in (4095, 500))
    ranges = united((kind_of_values(values), range_of(values)) for values in (light, dark))
    for values in (light, dark):
        got, words = to_8_bits(values, partial(range_in, ranges))
        np.testing.assert_array_equal(got, values >> 4)
        assert words == "16-bit values that fill 12 bits"
    # what lies outside is white, not black
    assert (to_8_bits(np.full((2, 2), 60_000, "u2"), partial(range_in, ranges))[0] == 255).all()


def test_the_range_of_a_data_set_is_stretched_alike_in_all_pictures() -> None:
    one, other = (RAMP * 300 - 1000).astype("i2"), (RAMP * 2000).astype("i2")
    ranges = united((kind_of_values(values), range_of(values)) for values in (one, other))
    for values in (one, other):
        got, _ = to_8_bits(values, partial(range_in, ranges))
        assert np.abs(got - (values + 1000.0) / 3000 * 255).max() <= 1


def test_each_kind_of_values_has_a_range_of_its_own() -> None:
    ranges = united((kind_of_values(values), range_of(values)) for values in (RAMP, (RAMP * 4095).astype("u2")))
    assert list(ranges) == ["16-bit values", "64-bit fractions"]
    assert ranges["16-bit values"].greatest == 4095


def test_what_a_file_states_goes_before_what_it_holds() -> None:
    np.testing.assert_array_equal(to_8_bits(np.full((2, 2), 512, "u2"), up_to(4095))[0], 512 >> 4)
