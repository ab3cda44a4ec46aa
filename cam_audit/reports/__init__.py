"""Lines and documents from records alone; FORMATS lists the formats of `--output`.

Each renders a report as the pieces of a text, one after another, so that no document of a large scan is ever in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cam_audit.records import ScanReport


def _render(name: str, report: ScanReport) -> Iterator[str]:
    # each is a module of its own, which only who asks for the format has to wait for
    pieces: Iterator[str] = import_module(f"{__name__}.{name}").render(report)
    return pieces


FORMATS: dict[str, Callable[[ScanReport], Iterator[str]]] = {
    name: partial(_render, name) for name in ("csv", "json", "html", "junit", "sarif", "github", "gitlab", "markdown")
}
