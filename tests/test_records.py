"""What the records say of themselves."""

from __future__ import annotations

import pytest

from cam_audit.records import Box, area_of, shared_area


def test_the_area_of_a_box() -> None:
    assert area_of((0.25, 0.5, 0.75, 0.6)) == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("box", "share"),
    [
        ((0.5, 0.5, 1.0, 1.0), 0.25 * 0.5),
        ((0.25, 0.25, 0.75, 1.0), 0.375),
        # they touch, or have only one side's range in common
        ((0.75, 0.25, 1.0, 1.0), 0.0),
        ((0.25, 0.0, 0.75, 0.2), 0.0),
    ],
)
def test_the_area_that_two_boxes_share(box: Box, share: float) -> None:
    other = (0.25, 0.25, 0.75, 1.0)
    assert shared_area(box, other) == shared_area(other, box) == pytest.approx(share)
