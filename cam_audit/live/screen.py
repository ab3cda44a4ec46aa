"""The window of a live session: what it shows, how fast, and what its keys change."""

from __future__ import annotations

import time
from collections import deque
from enum import Enum

import numpy as np

from cam_audit.live.picture import Status, draw
from cam_audit.live.view import CHANGE_SIZE, ESCAPE, QUIT, SAVE, View, press
from cam_audit.live.watch import Seen, Watcher
from cam_audit.live.window import NO_KEY, Window
from cam_audit.model import Model

RATE_SECONDS = 2.0
MESSAGE_SECONDS = 3.0
STALE_SECONDS = 2.0


class Wish(Enum):
    """What the user wants that is not about the view."""

    NOTHING = "nothing"
    SNAPSHOT = "snapshot"
    END = "end"


class Screen:
    """What a window shows of what the net saw; its keys steer `watcher`."""

    def __init__(self, window: Window, model: Model, watcher: Watcher, *, smooth: float) -> None:
        self.view = View(size=watcher.size)
        self.seen: Seen | None = None
        self._window = window
        self._model = model
        self._watcher = watcher
        self._smooth = smooth
        self._fresh_at = 0.0
        self._times: deque[float] = deque()
        self._message = ""
        self._message_ends = 0.0
        self._drawn: object = None

    def update(self, fresh: Seen | None, notice: str) -> Wish:
        """Show what is new, if anything, and return what the user wants."""
        now = time.perf_counter()
        if fresh is not None:
            self.seen = fresh
            self._fresh_at = now
            self._times.append(now)
        if self.seen is None:
            return Wish.NOTHING
        if self._window.closed:
            return Wish.END
        if not notice and not self.view.frozen and now - self._fresh_at >= STALE_SECONDS:
            notice = f"no new picture for {now - self._fresh_at:.0f} seconds"
        message = self._message if now < self._message_ends else ""
        size = self._window.size
        state = (self.seen, self.view, size, notice, message)
        if state != self._drawn:
            status = Status(self._rate(now), notice, message, self._smooth)
            self._window.show(draw(self._model, self.seen, self.view, status, *size))
            self._drawn = state
        return self._obey(self._window.key(), self.seen)

    def tell(self, message: str) -> None:
        """Show a line for a few seconds."""
        self._message = message
        self._message_ends = time.perf_counter() + MESSAGE_SECONDS

    def _obey(self, key: int, seen: Seen) -> Wish:
        if key == NO_KEY:
            return Wish.NOTHING
        if self.view.prompt is None and key in (QUIT, ESCAPE):
            return Wish.END
        if self.view.prompt is None and key == SAVE:
            return Wish.SNAPSHOT
        if self.view.prompt is None and key in CHANGE_SIZE and self._model.fixed_size:
            height, width = self._model.input_size
            self.tell(f"this net takes only {width}x{height} pixels")
            return Wish.NOTHING
        order = np.argsort(-seen.prediction.logits, kind="stable").tolist()
        self.view = press(
            self.view, key, class_names=self._model.class_names, order=order, own_size=min(self._model.input_size)
        )
        self._watcher.size = self.view.size
        self._watcher.held = seen.frame if self.view.frozen else None
        return Wish.NOTHING

    def _rate(self, now: float) -> float:
        """Pictures a second, over the last RATE_SECONDS."""
        while self._times and now - self._times[0] > RATE_SECONDS:
            self._times.popleft()
        if len(self._times) < 2:
            return 0.0
        return (len(self._times) - 1) / (self._times[-1] - self._times[0])
