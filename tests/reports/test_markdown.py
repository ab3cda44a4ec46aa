"""Markdown is rendered by a CommonMark and GFM library: names from strangers must come out as text alone."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest
from canonical import HOSTILE, NAMES, canonical_report, finding, image, rendered
from markdown_it import MarkdownIt
from markdown_it.token import Token

from cam_audit.records import ConfusedImage, Disagreement, Example
from cam_audit.reports.markdown import MAX_NAME
from cam_audit.reports.scan_report import ImageRow, ScanReport

OURS = {"h2", "h3", "p", "table", "thead", "tbody", "tr", "th", "td", "ul", "li", "strong", "em", "code"}
EVIL = [
    *NAMES,
    "![x](http://evil.example/x.png)",
    "[x]: http://evil.example",
    "<http://evil.example>",
    "http://evil.example/x www.evil.example WWW.evil.example a@evil.example",
    "**bold** __bold__ *em* _em_ (__em__) ~~gone~~ ~x~",
    "a|b||c",
    "``` ~~~ `code` ``code``",
    "&lt;script&gt; &#60;b&#62;",
    "# heading",
    "\\<b> \\\\<b>",
    "$x$ :smile:",
    "<!-- comment",
    "<details><summary>x",
    "> quote",
    "* item",
]


def tokens(report: ScanReport) -> Iterator[Token]:
    for token in MarkdownIt("gfm-like").parse(rendered("markdown", report)):
        yield token
        yield from token.children or ()


class Text(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.data = ""
        self.feed(html)

    def handle_data(self, data: str) -> None:
        self.data += data


def page(report: ScanReport) -> str:
    """What a reader sees, without the spaces of no width."""
    return Text(MarkdownIt("gfm-like").render(rendered("markdown", report))).data.replace("\u200b", "")


def named(name: str) -> ScanReport:
    found = dataclasses.replace(finding("CA201", "error", name, Example(f"{name}/1.png")), message=f"{name} shows")
    return dataclasses.replace(
        canonical_report(),
        findings=(found,),
        images=(image(name, name, "CA104", predicted=name), ImageRow(f"{name}/2.png", name, error=name)),
        confused=(ConfusedImage(f"{name}/1.png", name, name, Disagreement(0.5, (0, 0), (1, 1))),),
        notes=(name,),
    )


@pytest.mark.parametrize("name", EVIL)
def test_names_are_only_text(name: str) -> None:
    report = named(name)
    told = list(tokens(report))
    assert {token.tag for token in told if token.nesting == 1} <= OURS
    assert not {"html_block", "html_inline", "image", "link_open", "s_open", "fence"} & {token.type for token in told}
    # our own emphasis: the two classes in tables, two meanings of each code, the legend, the last line
    plain = list(tokens(named("plain")))
    for kind in ("strong_open", "em_open", "code_inline", "tr_open", "td_open", "li_open", "heading_open"):
        assert [t.type for t in told].count(kind) == [t.type for t in plain].count(kind), kind
    shown = "".join(c if c.isprintable() else "\ufffd" for c in name)
    assert re.sub(r"\s+", " ", page(report)).count(re.sub(r"\s+", " ", shown)) >= 8


def test_what_only_github_makes_links_of_is_broken_up() -> None:
    text = rendered("markdown", named("@someone #1 org/repo#2 www.evil.example"))
    assert not re.search(r"[@#]\w|www\.", text)


def test_the_canonical_report_reads_as_a_page() -> None:
    text = page(canonical_report())
    assert "1 of 3 classes is suspicious: predictions change with a cue" in text
    assert HOSTILE in text
    for words in (
        "cam-audit: failed",
        "planted: 30 of 36 turned, 3 with a control (+75%, 95% interval +52% to +86%); taken away: 4 of 8 turned",
        "taken away: 1 of 30 turned, 3 with a control (-7%, 95% interval -19% to +7%)",
        "0.40 of the usual lead",
        "in 8 of 30 images; score 0.27, reported from 0.10",
        "Only you know whether it is typical in real use.",
        "photos/dog/broken.png: the file is cut off.",
        "fewer than 12 images",
        "schema_version 1",
    ):
        assert words in text


def test_a_clean_scan_passes_in_four_lines() -> None:
    clean = dataclasses.replace(canonical_report(), findings=(), confused=(), notes=(), images=(image("1.png", "cat"),))
    heading, sentence, looked_at, origin = rendered("markdown", clean).strip().split("\n\n")
    assert (heading, sentence) == ("## cam-audit: passed", "No findings in 1 image.")
    assert looked_at.startswith("Looked at 1 image in 1 class; not looked at: ")
    assert origin.startswith("*cam-audit 0.1.0, net tiny")


@pytest.mark.parametrize(("fail_on", "outcome"), [("error", "failed"), ("never", "incomplete")])
def test_the_heading_is_the_exit_code(fail_on: str, outcome: str) -> None:
    report = canonical_report()
    run = {**report.run, "settings": {**report.run["settings"], "fail_on": fail_on}}
    assert rendered("markdown", dataclasses.replace(report, run=run)).startswith(f"## cam-audit: {outcome}\n")


def test_a_huge_report_fits_into_a_comment() -> None:
    label = "*" * 255
    found = tuple(
        dataclasses.replace(finding("CA201", "error", label, fold=1.0), message=label * 9, fingerprint=f"{i:032x}")
        for i in range(1_000)
    )
    rows = tuple(image(f"{label}{i}", f"{label}{i}", "CA104", predicted=label) for i in range(1_000))
    pairs = tuple(ConfusedImage("", f"{i}{label}", label, Disagreement(1, (0, 0), (0, 0))) for i in range(1_000))
    report = dataclasses.replace(canonical_report(), findings=found, images=rows, confused=pairs, notes=(label,) * 99)
    text = rendered("markdown", report)
    assert len(text) < 65_536
    assert "and 984 more in findings.json" in text
    assert "and 990 more in results.csv" in text
    assert "\\*" * (MAX_NAME - 1) + "…" in text
