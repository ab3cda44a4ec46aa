"""A function applied to many items at a time by threads, with the results in the order of the items."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from itertools import islice
from typing import Protocol, TypeVar

from threadpoolctl import ThreadpoolController

Item = TypeVar("Item")
Result = TypeVar("Result")

# Enough items under way that a slow one at the head of the order does not leave the other workers idle.
WINDOW_PER_WORKER = 8


class Each(Protocol):
    """What `map` is: a function applied to each item, one at a time or several, results in the order of the items."""

    def __call__(self, function: Callable[[Item], Result], items: Iterable[Item], /) -> Iterable[Result]: ...


def one_by_one(function: Callable[[Item], Result], items: Iterable[Item], /) -> Iterator[Result]:
    """`map`, for where there is one worker or one item."""
    return map(function, items)


def in_order(workers: int, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """The results of a function in the order of the items, whichever of the workers is done first.

    At no time are more than a few items a worker under way, so that neither items nor results pile up.
    """
    remaining = iter(items)
    pool = ThreadPoolExecutor(workers)
    window: deque[Future[Result]] = deque()
    wait = True
    # numpy's own threads on top of the workers would fight for the cores
    limited = _libraries().limit(limits=1, user_api="blas")
    try:
        for item in islice(remaining, workers * WINDOW_PER_WORKER):
            window.append(pool.submit(function, item))
        while window:
            result = window.popleft().result()
            for item in islice(remaining, 1):
                window.append(pool.submit(function, item))
            yield result
    except KeyboardInterrupt:
        # who interrupts does not want to wait for what is under way
        wait = False
        raise
    finally:
        pool.shutdown(wait=wait, cancel_futures=True)
        if wait:
            # not while anything is under way: sums by several threads round otherwise, and its result may be kept
            limited.restore_original_limits()


@cache
def _libraries() -> ThreadpoolController:
    return ThreadpoolController()
