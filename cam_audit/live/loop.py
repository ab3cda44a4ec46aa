"""The loop of a live session: take what the net saw last, show it, and do what keys say."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from cam_audit.live.camera import Camera, Frame
from cam_audit.live.painter import Page
from cam_audit.live.pipeline import Newest
from cam_audit.live.screen import Request, Screen
from cam_audit.live.source import Source
from cam_audit.live.view import View
from cam_audit.live.watch import Seen, Watcher
from cam_audit.live.window import Window
from cam_audit.models.model import Model
from cam_audit.scan.image import require_size

SCREEN_TICK, PLAIN_TICK = 0.01, 0.1
FIRST_WINDOW = 1100, 560


@dataclass(frozen=True)
class LiveSettings:
    """How to run a live session.

    `size`: the shortest side at which pictures enter the net, None for its own; `smooth`: 0..1, see `Watcher`;
    `loop`: start a recording again at its end; `frames`: end after so many pictures; `every`: seconds between
    snapshots, 0 for one of every picture, None for none but those that a key asks for.
    """

    size: int | None = None
    smooth: float = 0.0
    loop: bool = False
    frames: int | None = None
    every: float | None = None


def live(
    model: Model,
    source: Source,
    settings: LiveSettings,
    *,
    windowed: bool,
    on_seen: Callable[[Seen], None],
    on_snapshot: Callable[[Seen, View], str],
    on_notice: Callable[[str], None],
) -> None:
    """Watch a source until it ends, its window is closed, or `settings.frames` pictures are through.

    `on_seen` gets every picture that was looked at; `on_snapshot` each one to save, and returns a line that tells
    where it is; `on_notice` what is wrong with the source meanwhile. With a window, this must run in the
    main thread. Source and window are released however this ends.

    Raises CameraError where the source can't be opened, or was lost and did not come back; CamAuditError where
    `settings.size` does not suit the net.
    """
    require_size(model, settings.size)
    with ExitStack() as stack:
        frames: Newest[Frame] = Newest()
        watcher = Watcher(model, frames, size=settings.size, smooth=settings.smooth)
        camera = Camera(source, frames, loop=settings.loop, fit=watcher.fit)
        stack.enter_context(camera.running())
        stack.enter_context(watcher.running())
        screen = None
        if windowed:
            window = stack.enter_context(Window(f"cam-audit live: {source.name}", *FIRST_WINDOW))
            screen = Screen(window, model, watcher, smooth=settings.smooth)
            stack.enter_context(screen.painter.running())
        looked_at, told = 0, None
        next_snapshot = time.monotonic()
        last: Frame | None = None
        while settings.frames is None or looked_at < settings.frames:
            page: Page | None = None
            if screen is None:
                seen, ended = watcher.seen.take(PLAIN_TICK), watcher.seen.ended
            else:
                page, ended = screen.painter.pages.take(SCREEN_TICK), screen.painter.pages.ended
                seen = page.seen if page else None
            if seen is None and ended:
                return
            camera.require_answer()
            if camera.notice and camera.notice != told:
                on_notice(camera.notice)
            told = camera.notice
            # what was seen comes again when it is drawn otherwise, or frozen and run at another size
            if seen is not None and seen.frame is not last:
                last = seen.frame
                looked_at += 1
                on_seen(seen)
                if settings.every is not None and time.monotonic() >= next_snapshot:
                    on_snapshot(seen, screen.view if screen else View())
                    next_snapshot = time.monotonic() + settings.every
            if screen is None:
                continue
            request = screen.update(page, camera.notice or watcher.notice or "")
            if request is Request.END:
                return
            if request is Request.SNAPSHOT and screen.seen is not None:
                screen.tell(on_snapshot(screen.seen, screen.view))
