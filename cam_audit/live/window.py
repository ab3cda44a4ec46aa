"""A window of OpenCV's, and whether there can be one."""

from __future__ import annotations

import os
import subprocess
import sys
from types import TracebackType

import cv2

from cam_audit.images.rgb import RgbImage

NO_KEY = -1
TRIAL_SECONDS = 20


def why_no_window() -> str | None:
    """Why no window can be shown, or None where one can.

    OpenCV aborts the process that asks for a window where there is no display, or one that does not answer; so where
    that may happen, a process of its own asks first.
    """
    if not cv2.currentUIFramework():
        return (
            "this OpenCV shows no windows; `pip install --force-reinstall --no-deps opencv-python` brings one that does"
        )
    if not sys.platform.startswith("linux"):
        return None
    display = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if not display:
        return "there is no display (neither DISPLAY nor WAYLAND_DISPLAY is set)"
    trial = [sys.executable, "-c", "import cv2; cv2.namedWindow('cam-audit')"]
    try:
        works = subprocess.run(trial, capture_output=True, timeout=TRIAL_SECONDS, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        works = False
    return None if works else f"the display {display} cannot be used"


class Window:
    """A window of any size; it opens with the first picture, and is closed by its user or where the block ends."""

    def __init__(self, title: str, width: int, height: int) -> None:
        self._title = title
        self._first_size = width, height
        self._opened = False

    def __enter__(self) -> Window:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.closed and self._opened:
            cv2.destroyWindow(self._title)
            # it goes only when its events are dealt with
            cv2.pollKey()

    @property
    def closed(self) -> bool:
        """Whether the user closed it."""
        try:
            return self._opened and cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) < 1
        except cv2.error:
            # of a window that is gone, Qt knows nothing any more
            return True

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels of what can be drawn on, while the window is not closed."""
        if not self._opened:
            return self._first_size
        _, _, width, height = cv2.getWindowImageRect(self._title)
        return max(1, width), max(1, height)

    def show(self, rgb: RgbImage) -> None:
        """Show a picture, uint8 (H, W, 3), which `key` then brings to the screen."""
        if not self._opened:
            cv2.namedWindow(self._title, cv2.WINDOW_FREERATIO | cv2.WINDOW_GUI_NORMAL)
            cv2.resizeWindow(self._title, *self._first_size)
            self._opened = True
        cv2.imshow(self._title, cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))

    def key(self) -> int:
        """Deal with what happened to the window; the key that was pressed, as OpenCV numbers it, or NO_KEY."""
        return cv2.pollKey()
