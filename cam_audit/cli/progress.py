"""What the terminal shows while a scan runs, and what the process does meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

from cam_audit.cli.process.allocation import release_freed_memory
from cam_audit.cli.terminal import can_draw, is_quiet, is_verbose, note, tell
from cam_audit.records import Record, SkippedImage
from cam_audit.scan.observer import Observer
from cam_audit.text import count

if TYPE_CHECKING:
    from tqdm import tqdm

# Seldom enough to cost nothing, often enough for nothing to pile up.
IMAGES_PER_RELEASE = 500
# Between two lines of progress where there is no bar, as in the log of a CI job.
SECONDS_PER_LINE = 30.0


class Progress(Observer):
    """Progress and notes on stderr, and freed memory is given back now and then.

    Progress is a bar on a terminal, else a line every SECONDS_PER_LINE, so that a short scan prints none. Use it in a
    `with` block, at whose end the bar is closed. clock: seconds, from any moment on.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._bar: tqdm | None = None
        self._stage = ""
        self._total = 0
        self._images = 0
        self._errors = 0
        self._begun = self._told = clock()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.close()

    def on_note(self, message: str) -> None:
        note(message)

    def on_stage(self, name: str, images: int) -> None:
        if self._images > IMAGES_PER_RELEASE:
            release_freed_memory()
        self._stage, self._total, self._images = name, images, 0
        self._begun = self._told = self._clock()
        if name == "scan" and can_draw() and not (is_quiet() or is_verbose()):
            # only a terminal needs it imported
            from tqdm import tqdm

            self._bar = tqdm(total=images, unit=" images", smoothing=0.05, dynamic_ncols=True)
        elif self._bar is not None and images:
            self._bar.set_description(name)
            self._bar.reset(images)
        elif self._bar is not None:
            self._bar.close()

    def on_record(self, record: Record) -> None:
        self._errors += isinstance(record, SkippedImage)
        if self._bar is not None:
            self._bar.set_postfix(errors=self._errors, refresh=False)
        self.on_image()

    def on_image(self) -> None:
        self._images += 1
        if self._bar is not None:
            self._bar.update()
        elif self._clock() - self._told >= SECONDS_PER_LINE:
            self._told = self._clock()
            tell(self._line())
        if self._images % IMAGES_PER_RELEASE == 0:
            release_freed_memory()

    def _line(self) -> str:
        """How far the stage is, as in `scan: 1,200 of 20,000 images, 0 errors, 40.0 images/s, 8 min left`."""
        rate = self._images / (self._told - self._begun)
        minutes = (self._total - self._images) / rate / 60
        left = f"{minutes:.0f} min left" if minutes >= 1 else "less than a minute left"
        of_stage = f"{self._stage}: {self._images:,} of {self._total:,} images"
        return f"{of_stage}, {count(self._errors, 'error')}, {rate:.1f} images/s, {left}"
