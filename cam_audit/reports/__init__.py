"""Lines and documents from records alone; FORMATS lists the formats of `--output`.

Each renders a report as the pieces of a text, one after another, so that no document of a large scan is ever in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from cam_audit.records import ScanReport
from cam_audit.reports import csv, github, gitlab, html, json, junit, markdown, sarif

FORMATS: dict[str, Callable[[ScanReport], Iterator[str]]] = {
    "csv": csv.render,
    "json": json.render,
    "html": html.render,
    "junit": junit.render,
    "sarif": sarif.render,
    "github": github.render,
    "gitlab": gitlab.render,
    "markdown": markdown.render,
}
