"""All numbers of a finding have names in words, and each stands in one place."""

from __future__ import annotations

import pytest
from canonical import canonical_report, effect, finding

from cam_audit.reports.html.numbers import NAMES, numbers, rows_of_tests


def test_a_test_is_one_row_of_its_numbers() -> None:
    border = finding("CA203", "note", "cat", **effect("cast_", 9, 2, (0.1, 0.3), (0.5, 0.25, 0.75)))
    (row,) = rows_of_tests(border.evidence)
    assert (row.name, row.turned, row.control) == ("colour cast planted", 9, 2)
    assert row.difference[1:] == (0.1, 0.3)
    assert row.gain == (0.5, 0.25, 0.75)
    assert not any("cast" in name for name, _ in numbers(border))


def test_every_number_is_shown_once_and_none_by_a_name_of_the_code() -> None:
    for each in canonical_report().findings:
        shown = dict(numbers(each))
        assert len(shown) == len(numbers(each))
        assert not any("_" in name for name in shown)


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("use", NAMES["use"]),
        ("border_score", "share of the class that stands out by border"),
        ("class_brightness", "brightness, mean of this class"),
        ("others_width", "width, mean of other classes"),
        ("JPEG quality", "JPEG quality"),
    ],
)
def test_what_has_no_name_of_its_own_is_put_into_words(key: str, name: str) -> None:
    assert (name, 0.5) in numbers(finding("CA211", "note", "cat", **{key: 0.5}))
