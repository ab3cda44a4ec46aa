"""report.html: one file that proves the findings by itself, and browses the images with the overlays beside it."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from cam_audit.findings.codes import CODES, MIN_FLIPS, SEVERITIES, counterfactuals
from cam_audit.findings.wander import FAR
from cam_audit.records import MetadataGroup
from cam_audit.reports.counts import counts_of
from cam_audit.reports.html.charts import charts
from cam_audit.reports.html.grid import BAR_WIDTH, data, overlay_colours, picture_uri
from cam_audit.reports.html.headline import headline
from cam_audit.reports.html.numbers import numbers, rows_of_tests
from cam_audit.reports.html.parts import parts_by_class, strips
from cam_audit.reports.html.steps import caveat, groups, steps
from cam_audit.reports.lines import worst_group_told
from cam_audit.reports.looked_at import looked_at, splits_of
from cam_audit.reports.part_marks import marked_shortcuts, shortcut_message
from cam_audit.reports.scan_report import ScanReport
from cam_audit.reports.verdict import verdict_on
from cam_audit.sheets import class_map_bar
from cam_audit.text import as_utf8, visible

HERE = Path(__file__).parent
STYLES = ("page.css", "findings.css", "parts.css", "charts.css", "images.css")
# As in page.css, which a notebook does not have.
SEVERITY_COLOURS = {"error": "#b0262b", "warning": "#865300", "note": "#39597f"}
# So many groups of a column of metadata are shown.
MAX_GROUPS = 12
SCRIPTS = ("page.js", "review.js", "viewer.js", "parts.js", "images.js")


def render(report: ScanReport) -> Iterator[str]:
    """The pieces of report.html; pictures are those that `reports.pictures` put into the report."""
    style, script = _joined(STYLES), f'(() => {{\n"use strict";\n{_joined(SCRIPTS)}}})();\n'
    listed = report.images if report.listed is None else report.listed
    counts, sheets = counts_of(report), strips(report)
    numbers = {sheet: number for number, sheet in enumerate(sheets)}
    pieces = ENVIRONMENT.get_template("page.html").generate(
        report=report,
        run=report.run,
        headline=headline(report, verdict_on(report, counts)),
        severities=[(s, sum(f.severity == s for f in report.findings)) for s in reversed(SEVERITIES)],
        cards=[
            (f, CODES.get(f.code), steps(f), caveat(f), report.pictures.get(f.fingerprint), groups(f))
            for f in report.findings
        ],
        scope=looked_at(report, counts),
        listed=len(listed),
        groups=_groups_by_column(report),
        worst_group=worst_group_told(report),
        parts=parts_by_class(report),
        strips=sheets,
        far=FAR,
        min_flips=MIN_FLIPS,
        overlay_bar=overlay_colours(report),
        class_map_bar=picture_uri(class_map_bar(BAR_WIDTH)),
        part_numbers=numbers,
        shortcuts=[(shortcut_message(part), numbers[part.sheet]) for part in marked_shortcuts(report)],
        charts=charts(counts.classes),
        codes=CODES,
        tests=counterfactuals(),
        classes=len(counts.labels - {""}),
        labelled=counts.labelled,
        splits=splits_of(report.run),
        right=counts.agreeing,
        errors=counts.errors,
        unreadable=counts.unreadable,
        settings=list(_flat(report.run.get("settings", {}))),
        policy=_policy(style, script),
        style=Markup(style),
        script=Markup(script),
        data=map(Markup, data(report, listed, sheets)),
    )
    # a file name that is not UTF-8 reaches us with surrogates, which UTF-8 can't hold
    yield from map(as_utf8, pieces)


def notebook(report: ScanReport, whole: ScanReport | None = None) -> str:
    """A piece of HTML for a notebook: verdict, findings and their pictures.

    report: with the pictures that `reports.pictures` puts into it; whole: the report of all images, where this one has
    only those that are shown.
    """
    whole = whole or report
    return ENVIRONMENT.get_template("notebook.html").render(
        headline=headline(whole, verdict_on(whole, counts_of(whole))),
        cards=[(f, CODES.get(f.code), report.pictures.get(f.fingerprint)) for f in report.findings],
        colours=SEVERITY_COLOURS,
        tests=counterfactuals(),
    )


def _groups_by_column(report: ScanReport) -> list[tuple[str, list[MetadataGroup], int]]:
    """The worst groups of each column of metadata, and how many more there are."""
    columns: dict[str, list[MetadataGroup]] = {}
    for group in report.groups:
        columns.setdefault(group.column, []).append(group)
    return [(column, groups[:MAX_GROUPS], max(0, len(groups) - MAX_GROUPS)) for column, groups in columns.items()]


def number(value: object) -> str:
    """A number as people write it: no more than four decimals, none where it is whole; a dash for anything else."""
    return f"{value:,.4f}".rstrip("0").rstrip(".") if isinstance(value, int | float) else "–"


def share(value: float | None) -> str:
    """A share in percent."""
    return "–" if value is None else f"{value:.0%}"


def prose(text: str) -> Markup:
    """Text of our own, in which backticks make code."""
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def unbroken(text: str) -> Markup:
    """Text in which the name of an option stays in one line; a browser would break `--masks` after its hyphens."""
    return Markup(re.sub("--[a-z][a-z-]{1,20}", r'<span class="option">\g<0></span>', str(escape(visible(text)))))


def data_uri(jpeg: bytes) -> str:
    """A picture as an address that holds it."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


def _joined(names: tuple[str, ...]) -> str:
    return "".join((HERE / name).read_text(encoding="utf-8") for name in names)


def _policy(style: str, script: str) -> str:
    """Nothing runs, styles or loads but our own two blocks, and pictures from beside the file."""

    def source(text: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    return (
        f"default-src 'none'; style-src {source(style)}; script-src {source(script)}; img-src 'self' data: file:; "
        "base-uri 'none'; form-action 'none'"
    )


def _flat(settings: Any) -> Iterator[tuple[str, object]]:
    """Settings as name and value, without those that are not set."""
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from _flat(value)
        elif value is not None:
            yield name, value


ENVIRONMENT = jinja2.Environment(
    loader=jinja2.FileSystemLoader(HERE),
    autoescape=True,
    # run.json of another version may say less
    undefined=jinja2.ChainableUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    # a page is rendered once: to look for what is constant in it takes longer than to do without
    optimized=False,
)
ENVIRONMENT.filters |= {
    "visible": visible,
    "number": number,
    "share": share,
    "prose": prose,
    "unbroken": unbroken,
    "data_uri": data_uri,
    "tests_of": rows_of_tests,
    "numbers_of": numbers,
}
