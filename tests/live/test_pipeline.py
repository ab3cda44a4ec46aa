"""The place for the newest item."""

from __future__ import annotations

import threading
import time

import pytest

from cam_audit.live.pipeline import Newest


def test_a_newer_item_replaces_one_that_nobody_took_and_none_is_given_twice() -> None:
    place: Newest[int] = Newest()
    place.put(1)
    place.put(2)
    assert place.take(1) == 2
    assert place.take(0.01) is None


def test_taking_waits_for_an_item_of_another_thread() -> None:
    place: Newest[int] = Newest()
    threading.Timer(0.05, place.put, [3]).start()
    assert place.take(10) == 3


def test_after_the_end_the_last_item_is_still_there_and_waiting_is_over() -> None:
    place: Newest[int] = Newest()
    place.put(1)
    place.end()
    assert not place.ended
    assert place.take(1) == 1
    assert place.ended
    begin = time.monotonic()
    assert place.take(60) is None
    assert time.monotonic() - begin < 30


def test_an_error_comes_after_the_last_item() -> None:
    place: Newest[int] = Newest()
    place.put(1)
    place.end(ValueError("torn"))
    assert place.take(1) == 1
    assert not place.ended
    with pytest.raises(ValueError, match="torn"):
        place.take(1)
