"""Draw what the net saw in a thread of its own, as OpenCV's windows keep theirs waiting for milliseconds."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager
from dataclasses import dataclass

from cam_audit.images.rgb import RgbImage
from cam_audit.live.picture import Status, draw
from cam_audit.live.pipeline import Newest, in_thread
from cam_audit.live.view import View
from cam_audit.live.watch import Seen
from cam_audit.models.model import Model

POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Look:
    """How to draw: what to show, what to say besides, and the window's (width, height) in pixels."""

    view: View
    status: Status
    size: tuple[int, int]


@dataclass(frozen=True, eq=False)
class Page:
    """The window's picture, uint8 (H, W, 3) RGB, of what was seen."""

    seen: Seen
    rgb: RgbImage


class Painter:
    """Draws the newest of `seen`, and again when `look` is set to another; `pages` has the newest drawing."""

    def __init__(self, model: Model, seen: Newest[Seen], look: Look) -> None:
        self.pages: Newest[Page] = Newest()
        self.look = look
        self._model = model
        self._seen = seen
        self._stopping = threading.Event()

    def running(self) -> AbstractContextManager[None]:
        """A block while which the painter draws, in a thread."""
        return in_thread(self._paint, self.pages, self._stopping, name="painter")

    def _paint(self) -> None:
        seen: Seen | None = None
        drawn: tuple[Seen, Look] | None = None
        while not self._stopping.is_set():
            fresh = self._seen.take(POLL_SECONDS)
            if fresh is None and self._seen.ended:
                return
            seen, look = fresh or seen, self.look
            if seen is not None and (seen, look) != drawn:
                self.pages.put(Page(seen, draw(self._model, seen, look.view, look.status, *look.size)))
                drawn = seen, look
