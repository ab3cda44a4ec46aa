"""Run the net on the newest picture, in a thread of its own."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cam_audit.errors import ImageError
from cam_audit.images.rgb import RgbImage
from cam_audit.live.camera import Fitted, Frame
from cam_audit.live.pipeline import Newest, in_thread
from cam_audit.models.model import Model, Prediction
from cam_audit.scan.image import run_net

POLL_SECONDS = 0.05


@dataclass(frozen=True, eq=False)
class Seen:
    """A picture and what the net makes of it.

    `fitted` is the picture as it entered the net, uint8 (h, w, 3), and `size` the shortest side that was asked for
    (None: the net's own). `shown` is `prediction` with its activations blended with those of earlier pictures,
    where that is wanted; a class activation map is linear in the activations, so that every class's map is blended.
    """

    frame: Frame
    size: int | None
    fitted: RgbImage
    prediction: Prediction
    shown: Prediction


class Watcher:
    """A net that looks at the newest of `frames`, again and again, in a thread of its own.

    `seen` has the newest result, and ends as the frames do. Set `size` for another size from the next picture on, and
    `held` to look at that picture instead of the newest. `smooth`, 0..1, is the share of the map
    before that stays in the next. `notice` says in a line what is wrong just now, or is None.
    """

    def __init__(self, model: Model, frames: Newest[Frame], *, size: int | None = None, smooth: float = 0.0) -> None:
        self.seen: Newest[Seen] = Newest()
        self.size = size
        self.held: Frame | None = None
        self.notice: str | None = None
        self._model = model
        self._frames = frames
        self._smooth = smooth
        self._stopping = threading.Event()

    def running(self) -> AbstractContextManager[None]:
        """A block while which the net looks, in a thread."""
        return in_thread(self._watch, self.seen, self._stopping, name="watcher")

    def fit(self, rgb: RgbImage) -> Fitted:
        """A picture at the size at which it is to enter the net now; any thread may call it."""
        size = self.size
        return Fitted(self._model.fit(rgb, size), size)

    def _watch(self) -> None:
        before: Seen | None = None
        # sizes that the net can't be run at, each with the reason
        refused: dict[int | None, str] = {}
        while not self._stopping.is_set():
            frame = self.held or self._frames.take(POLL_SECONDS)
            if frame is None:
                if self._frames.ended:
                    return
                continue
            self.notice = refused.get(self.size)
            size = before.size if before and self.size in refused else self.size
            if before and frame is before.frame and size == before.size:
                self._stopping.wait(POLL_SECONDS)
                continue
            try:
                before = self._look(frame, size, before)
            except ImageError as error:
                if not before or size == before.size:
                    raise
                refused[size] = str(error)
                continue
            self.seen.put(before)

    def _look(self, frame: Frame, size: int | None, before: Seen | None) -> Seen:
        ready = frame.fitted
        fitted = ready.rgb if ready and ready.size == size else self._model.fit(frame.rgb, size)
        prediction = run_net(self._model, fitted)
        shown = prediction
        if self._smooth and before and before.frame is not frame:
            shown = Prediction(prediction.logits, self._blended(prediction.activations, before.shown.activations))
        return Seen(frame, size, fitted, prediction, shown)

    def _blended(self, new: NDArray[np.float32], old: NDArray[np.float32]) -> NDArray[np.float32]:
        if new.shape != old.shape:
            return new
        share = np.float32(self._smooth)
        return new + share * (old - new)
