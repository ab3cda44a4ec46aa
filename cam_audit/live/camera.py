"""Read a camera in a thread of its own, so that whoever wants a picture gets the newest and never waits for long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import cv2

from cam_audit.images.rgb import RgbImage
from cam_audit.live.pipeline import Newest, in_thread
from cam_audit.live.source import OPEN_SECONDS, READ_SECONDS, CameraError, Kind, Source, open_capture, why_closed

TRIES = 5
PAUSE_SECONDS = 1.0
# OpenCV's calls end by their own timeouts, of which that of Linux's camera drivers is 10 seconds; where they don't,
# the thread is given up.
STUCK_SECONDS = 15.0
DEFAULT_RATE = 25.0
MAX_RATE = 1000.0


@dataclass(frozen=True, eq=False)
class Fitted:
    """A picture as it enters a net, uint8 (h, w, 3), and the shortest side that was asked for (None: the net's own)."""

    rgb: RgbImage
    size: int | None


@dataclass(frozen=True, eq=False)
class Frame:
    """A picture from a camera: rgb uint8 (H, W, 3), its number from 0, and `time.perf_counter()` when it was read."""

    rgb: RgbImage
    number: int
    taken: float
    fitted: Fitted | None = None


class Camera:
    """A source that is read in a thread of its own.

    Each picture goes to `frames`, made ready for a net by `fit`, if given, so that the net's thread need not. They end
    where a recording does (with `loop`, that starts again), and with a CameraError where the source can't be opened, or
    was lost and did not come back. `notice` says in a line what is wrong just now, or is None.
    """

    def __init__(
        self,
        source: Source,
        frames: Newest[Frame],
        *,
        loop: bool = False,
        fit: Callable[[RgbImage], Fitted] | None = None,
    ) -> None:
        self.source = source
        self.frames = frames
        self.notice: str | None = None
        self._loop = loop
        self._fit = fit
        self._number = 0
        self._stopping = threading.Event()
        self._waiting_since: float | None = None

    def running(self) -> AbstractContextManager[None]:
        """A block while which the source is read in a thread."""
        patience = max(OPEN_SECONDS, READ_SECONDS) + 1
        return in_thread(self._read_until_end, self.frames, self._stopping, name="camera", patience=patience)

    def require_answer(self) -> None:
        """Raise CameraError where the source has kept its thread waiting for longer than any timeout allows."""
        since = self._waiting_since
        if since is not None and time.monotonic() - since > STUCK_SECONDS:
            raise CameraError(f"{self.source.name}: no answer in {STUCK_SECONDS:.0f} seconds")

    def _read_until_end(self) -> None:
        tries = 0
        while not self._stopping.is_set():
            first = self._number
            opened, recorded = self._read_once()
            if self._stopping.is_set():
                return
            if self._number > first:
                tries = 0
                if recorded and not self._loop:
                    return
                if recorded:
                    continue
            elif not self._number:
                why = "it gives no picture, another program may be using it" if opened else why_closed(self.source)
                raise CameraError(f"{self.source.name}: {why}")
            if tries == TRIES:
                raise CameraError(f"{self.source.name}: the picture was lost, and did not come back in {TRIES} tries")
            tries += 1
            self.notice = f"{self.source.name}: no picture; trying again ({tries} of {TRIES})"
            self._stopping.wait(PAUSE_SECONDS)

    def _read_once(self) -> tuple[bool, bool]:
        """Open the source and read until it fails or ends; returns whether it could be opened and is a recording."""
        self._waiting_since = time.monotonic()
        capture = open_capture(self.source)
        try:
            if not capture.isOpened():
                return False, False
            recorded = self.source.kind is Kind.FILE or (
                self.source.kind is Kind.ADDRESS and capture.get(cv2.CAP_PROP_FRAME_COUNT) > 0
            )
            # a recording is played at its own speed, as a camera would have shown it
            period = 1 / _frame_rate(capture) if recorded else 0.0
            due = time.monotonic()
            while not self._stopping.is_set():
                self._waiting_since = time.monotonic()
                read, bgr = capture.read()
                self._waiting_since = None
                if not read:
                    break
                taken = time.perf_counter()
                rgb: RgbImage = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)  # type: ignore[assignment]
                self.frames.put(Frame(rgb, self._number, taken, self._fit(rgb) if self._fit else None))
                self._number += 1
                self.notice = None
                due = max(due + period, time.monotonic())
                self._stopping.wait(due - time.monotonic())
            return True, recorded
        finally:
            capture.release()
            self._waiting_since = None


def _frame_rate(capture: cv2.VideoCapture) -> float:
    rate = capture.get(cv2.CAP_PROP_FPS)
    return rate if 0 < rate <= MAX_RATE else DEFAULT_RATE
