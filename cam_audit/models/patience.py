"""Connections that are cut where a server keeps one waiting: time-outs alone don't bound a byte now and then."""

from __future__ import annotations

import contextlib
import http.client
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Any

# A server has so long until it sends, and then sends so much on average; a file that is cut off can be gone on with.
GRACE_SECONDS = 60
LEAST_BYTES_A_SECOND = 10_000
_LOOK_SECONDS = 0.25


@dataclass
class Patience:
    """Connections through `handlers`, and what came of them: `received` bytes. `ended`: whether they were cut."""

    received: int = 0
    ended: bool = False
    _connections: list[http.client.HTTPConnection] = field(default_factory=list)

    @property
    def handlers(self) -> tuple[urllib.request.BaseHandler, ...]:
        """What `urllib.request.build_opener` takes."""
        return _Http(self), _Https(self)

    def opened(self, kind: Callable[..., http.client.HTTPConnection]) -> Callable[..., http.client.HTTPConnection]:
        """The same kind of connection, known from when it is made."""

        def make(*host: Any, **options: Any) -> http.client.HTTPConnection:
            self._connections.append(kind(*host, **options))
            return self._connections[-1]

        return make

    def end(self) -> None:
        """Cut all connections: who waits for one of them finds it closed."""
        self.ended = True
        for connection in self._connections:
            with contextlib.suppress(OSError, AttributeError):
                connection.sock.shutdown(socket.SHUT_RDWR)


@contextmanager
def patience() -> Iterator[Patience]:
    """Watch connections in another thread until the block ends."""
    watched, done = Patience(), Event()
    begun = time.monotonic()

    def watch() -> None:
        while not done.wait(_LOOK_SECONDS):
            late = time.monotonic() - begun - GRACE_SECONDS
            if late > 0 and watched.received < late * LEAST_BYTES_A_SECOND:
                watched.end()

    thread = Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield watched
    finally:
        done.set()
        thread.join()


class _Http(urllib.request.HTTPHandler):
    def __init__(self, watched: Patience) -> None:
        super().__init__()
        self._watched = watched

    def http_open(self, request: urllib.request.Request) -> Any:
        return self.do_open(self._watched.opened(http.client.HTTPConnection), request)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, watched: Patience) -> None:
        super().__init__()
        self._watched = watched

    def https_open(self, request: urllib.request.Request) -> Any:
        return self.do_open(self._watched.opened(http.client.HTTPSConnection), request)
