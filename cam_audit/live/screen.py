"""The window of a live session: what it says, how fast it is, and what its keys change."""

from __future__ import annotations

import time
from collections import deque
from enum import Enum

import numpy as np

from cam_audit.live.painter import Look, Page, Painter
from cam_audit.live.picture import Status
from cam_audit.live.view import CHANGE_SIZE, ESCAPE, QUIT, SAVE, View, press
from cam_audit.live.watch import Seen, Watcher
from cam_audit.live.window import NO_KEY, Window
from cam_audit.models.model import Model

RATE_SECONDS = 2.0
MESSAGE_SECONDS = 3.0
STALE_SECONDS = 2.0


class Request(Enum):
    """What a key asks for that is not about the view."""

    NOTHING = "nothing"
    SNAPSHOT = "snapshot"
    END = "end"


class Screen:
    """A window that shows what `painter` draws; its keys steer `painter` and `watcher`."""

    def __init__(self, window: Window, model: Model, watcher: Watcher, *, smooth: float) -> None:
        self.view = View(size=watcher.size)
        self.seen: Seen | None = None
        self.painter = Painter(model, watcher.seen, Look(self.view, Status(smooth=smooth), window.size))
        self._window = window
        self._model = model
        self._watcher = watcher
        self._smooth = smooth
        self._fresh_at = 0.0
        self._times: deque[float] = deque()
        self._message = ""
        self._message_ends = 0.0

    def update(self, page: Page | None, notice: str) -> Request:
        """Show a page, if there is a new one, and return what a key asks for."""
        now = time.perf_counter()
        if page is not None:
            if self.seen is not page.seen:
                self._fresh_at = now
                self._times.append(now)
            self.seen = page.seen
            self._window.show(page.rgb)
        if self.seen is None:
            return Request.NOTHING
        key = self._window.key()
        if self._window.closed:
            return Request.END
        request = self._apply(key, self.seen)
        if not notice and not self.view.frozen and now - self._fresh_at >= STALE_SECONDS:
            notice = f"no new picture for {now - self._fresh_at:.0f} seconds"
        message = self._message if now < self._message_ends else ""
        status = Status(self._rate(now), notice, message, self._smooth)
        self.painter.look = Look(self.view, status, self._window.size)
        return request

    def tell(self, message: str) -> None:
        """Show a line for a few seconds."""
        self._message = message
        self._message_ends = time.perf_counter() + MESSAGE_SECONDS

    def _apply(self, key: int, seen: Seen) -> Request:
        if key == NO_KEY:
            return Request.NOTHING
        if self.view.prompt is None and key in (QUIT, ESCAPE):
            return Request.END
        if self.view.prompt is None and key == SAVE:
            return Request.SNAPSHOT
        if self.view.prompt is None and key in CHANGE_SIZE and self._model.fixed_size:
            height, width = self._model.input_size
            self.tell(f"this net takes only {width}x{height} pixels")
            return Request.NOTHING
        order = np.argsort(-seen.prediction.logits, kind="stable").tolist()
        self.view = press(
            self.view, key, class_names=self._model.class_names, order=order, own_size=min(self._model.input_size)
        )
        self._watcher.size = self.view.size
        self._watcher.held = seen.frame if self.view.frozen else None
        return Request.NOTHING

    def _rate(self, now: float) -> float:
        """Pictures a second, over the last RATE_SECONDS."""
        while self._times and now - self._times[0] > RATE_SECONDS:
            self._times.popleft()
        if len(self._times) < 2:
            return 0.0
        return (len(self._times) - 1) / (self._times[-1] - self._times[0])
