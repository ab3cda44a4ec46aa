"""Threads in a row, each of which hands its newest result to the next."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")


class Newest(Generic[Item]):
    """A place for one item, in which a newer one replaces one that nobody took: a slow reader is never behind."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._item: Item | None = None
        self._ended = False
        self._error: Exception | None = None

    def put(self, item: Item) -> None:
        """Offer an item."""
        with self._changed:
            self._item = item
            self._changed.notify()

    def end(self, error: Exception | None = None) -> None:
        """Say that no more items come, and why where that is an error."""
        with self._changed:
            self._ended, self._error = True, error
            self._changed.notify()

    def take(self, timeout: float) -> Item | None:
        """The newest item that was not taken yet; None where none comes within `timeout` seconds.

        Raises the error that the items ended with, once the last one is taken.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._item is not None or self._ended, timeout)
            item, self._item = self._item, None
            if item is None and self._error is not None:
                raise self._error
            return item

    @property
    def ended(self) -> bool:
        """Whether the last item was taken and no more come; after an error never, so that nobody misses that."""
        with self._changed:
            return self._ended and self._item is None and self._error is None


@contextmanager
def in_thread(
    work: Callable[[], None],
    results: Newest[Any],
    stopping: threading.Event,
    *,
    name: str,
    patience: float | None = None,
) -> Iterator[None]:
    """Do `work` in a thread while the block runs; however that ends, so do its `results`.

    At the end of the block `stopping` is set, which must end the work. A thread whose work may hang gets `patience` in
    seconds, and after that no longer keeps the process from ending.
    """

    def run() -> None:
        try:
            work()
        except Exception as error:
            results.end(error)
        else:
            results.end()

    thread = threading.Thread(target=run, name=name, daemon=patience is not None)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join(patience)
