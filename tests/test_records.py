"""What the records say of themselves."""

from __future__ import annotations

import pytest

from cam_audit.records import area_of


def test_the_area_of_a_box() -> None:
    assert area_of((0.25, 0.5, 0.75, 0.6)) == pytest.approx(0.05)
