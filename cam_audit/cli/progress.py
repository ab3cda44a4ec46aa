"""What the terminal shows while a scan runs, and what the process does meanwhile."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING

from cam_audit.cli.process.allocation import release_freed_memory
from cam_audit.cli.terminal import note
from cam_audit.records import Record, SkippedImage
from cam_audit.scan.observer import Observer

if TYPE_CHECKING:
    from tqdm import tqdm

# Seldom enough to cost nothing, often enough for nothing to pile up.
IMAGES_PER_RELEASE = 500


class Progress(Observer):
    """A progress bar where stderr is a terminal; notes on stderr; freed memory is given back now and then.

    Use it in a `with` block, at whose end the bar is closed.
    """

    def __init__(self) -> None:
        self._bar: tqdm | None = None
        self._images = 0
        self._errors = 0

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
        self._images = 0
        if name == "scan" and sys.stderr.isatty():
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
        if self._bar is not None:
            self._bar.update()
        self._images += 1
        if self._images % IMAGES_PER_RELEASE == 0:
            release_freed_memory()
