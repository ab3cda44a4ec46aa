"""Threads that give their results in the order of the items, and never have many under way."""

from __future__ import annotations

import threading
import time

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from cam_audit.workers import WINDOW_PER_WORKER, in_order, one_by_one


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_results_come_in_the_order_of_the_items(workers: int) -> None:
    def slow_first(item: int) -> int:
        time.sleep(0.02 if item % 5 == 0 else 0)
        return item * item

    assert list(in_order(workers, slow_first, range(40))) == [item * item for item in range(40)]
    assert list(one_by_one(slow_first, range(3))) == [0, 1, 4]
    assert list(in_order(workers, slow_first, [])) == []


def test_items_do_not_pile_up() -> None:
    taken: list[int] = []
    # each item notes that it was taken
    items = (taken.append(item) or item for item in range(200))
    for number, _ in enumerate(in_order(2, abs, items), 1):
        assert len(taken) <= number + 2 * WINDOW_PER_WORKER


def test_several_items_are_worked_on_at_a_time() -> None:
    together = threading.Barrier(3, timeout=10)
    list(in_order(3, lambda _: together.wait(), range(3)))


def test_an_error_ends_it_and_leaves_no_thread() -> None:
    before = threading.active_count()
    with pytest.raises(ZeroDivisionError):
        list(in_order(2, lambda item: 1 // (item - 3), range(100)))
    assert threading.active_count() == before


def test_numpy_starts_no_threads_of_its_own_below_the_workers() -> None:
    def threads(_: object = None) -> set[int]:
        return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}

    before = threads()
    assert list(in_order(2, threads, range(2))) == [{1}] * 2
    assert threads() == before


def test_what_is_under_way_when_one_interrupts_is_computed_as_ever() -> None:
    """The journal keeps it, and sums by several threads would round otherwise."""
    begun, interrupted, ended = threading.Event(), threading.Event(), threading.Event()
    seen: list[set[int]] = []

    def interrupt_or_look(item: int) -> None:
        if item == 0:
            begun.wait(10)
            raise KeyboardInterrupt
        begun.set()
        interrupted.wait(10)
        seen.append({library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"})
        ended.set()

    with threadpool_limits(limits=2, user_api="blas"):
        with pytest.raises(KeyboardInterrupt):
            list(in_order(2, interrupt_or_look, range(2)))
        interrupted.set()
        assert ended.wait(10)
    assert seen == [{1}]
