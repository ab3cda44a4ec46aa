"""Lines and documents from records alone; FORMATS lists the formats of `--output`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cam_audit.records import ScanReport


def _render(name: str, report: ScanReport) -> str:
    # each is a module of its own, which only who asks for the format has to wait for
    text: str = import_module(f"{__name__}.{name}").render(report)
    return text


FORMATS: dict[str, Callable[[ScanReport], str]] = {
    name: partial(_render, name) for name in ("csv", "json", "html", "junit", "sarif", "github", "gitlab", "markdown")
}
