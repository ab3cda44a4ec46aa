"""One number for one thing: what a scan counted is the same wherever it is told, and can be counted again."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from canonical import rendered
from data_sets import CLASSES, run, table

from cam_audit.findings.codes import CODES, counterfactual, counterfactuals
from cam_audit.images.decode import read_image
from cam_audit.models.model import Model
from cam_audit.records import Counterfactual, Finding
from cam_audit.reports.counterfactuals import parse, pictures_of
from cam_audit.reports.html.steps import steps
from cam_audit.reports.lines import evidence
from cam_audit.scan.audit_report import AuditReport

pytestmark = pytest.mark.usefixtures("described_once")
# images that were tried, how many turned, and how many turned with the control
Counts = tuple[int, int, int]
CUE = "ant"


@pytest.fixture(scope="module", params=["cheat", "honest"])
def net(request: pytest.FixtureRequest) -> Model:
    """A net that goes by the red frame of the ants, and one that does not."""
    model: Model = request.getfixturevalue(request.param)
    return model


@pytest.fixture(scope="module")
def report(net: Model, framed: Path, tmp_path_factory: pytest.TempPathFactory) -> AuditReport:
    return run(framed, net, tmp_path_factory.mktemp("out"))


@pytest.fixture
def found(report: AuditReport) -> Finding:
    (found,) = report.findings
    assert found.label == CUE
    return found


@pytest.fixture
def tried(report: AuditReport, found: Finding) -> tuple[Counterfactual, ...]:
    """All counterfactuals that the scan has listed."""
    return parse(Path(report.folder, "counterfactuals", "edits.json").read_text(encoding="utf-8"))[0][found.fingerprint]


@pytest.fixture
def counted(tried: tuple[Counterfactual, ...]) -> dict[str, Counts]:
    """Each test, counted from the list."""
    counts = {}
    for test in dict.fromkeys(each.test for each in tried):
        of_test = [each for each in tried if each.test == test]
        called = [sum(each.edited.said.class_name == CUE for each in of_test)]
        called += [sum(each.control.said.class_name == CUE for each in of_test)]
        turned, control = (len(of_test) - n if counterfactual(test).takes_away else n for n in called)
        counts[test] = len(of_test), turned, control
    return counts


class Words(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.feed(html)
        self.text = " ".join(self.text.split())

    def handle_data(self, data: str) -> None:
        self.text += data


def told(pattern: str, text: str) -> Counts:
    """What is told once in a text: turned, tried, turned with the control."""
    ((turned, images, control),) = re.findall(pattern, text)
    return int(images), int(turned), int(control)


def test_counts_are_the_same_in_evidence_message_lines_markdown_and_page(
    report: AuditReport, found: Finding, counted: dict[str, Counts]
) -> None:
    assert len(counted) >= 3
    assert counted.keys() == {name for name in counterfactuals() if f"{name}_targets" in found.evidence}
    for test, counts in counted.items():
        assert tuple(found.evidence[f"{test}_{name}"] for name in ("targets", "turned", "control_turned")) == counts
        assert found.evidence[f"{test}_flips"] == pytest.approx((counts[1] - counts[2]) / counts[0], abs=1e-6)
    # the message names one test that plants the cue and one that takes it away
    planted, taken = (
        [
            counts
            for test, counts in counted.items()
            if counterfactual(test).takes_away is away and f"{counterfactual(test).done}, " in found.message
        ]
        for away in (False, True)
    )
    assert len(planted) == len(taken) == 1
    markdown, page = rendered("markdown", report), Words(rendered("html", report)).text
    assert f"To do: {CODES[found.code].what_to_do}" in markdown, "nothing of the message was cut off"
    for text in (found.message, markdown, page):
        assert told(r"(\d+) of (\d+) images of other classes were called 'ant' \([^()]*: (\d+)\)", text) == planted[0]
        assert told(r"(\d+) of (\d+) of its own images were no longer called 'ant' \([^()]*: (\d+)\)", text) == taken[0]
    for text in (evidence(found).counterfactual, markdown):
        assert told(r"planted: (\d+) of (\d+) turned, (\d+) with a control", text) == planted[0]
        assert told(r"taken away: (\d+) of (\d+) turned, (\d+) with a control", text) == taken[0]
    for text in (steps(found)[2].meaning, page):
        assert told(r"(\d+) of (\d+) images of other classes became this class, and (\d+) with", text) == planted[0]
        assert told(r"(\d+) of (\d+) of its own images left the class, and (\d+) with", text) == taken[0]
    for test, (images, turned, control) in counted.items():
        label = re.escape(counterfactual(test).label)
        assert re.findall(rf"{label} [-+]\d+%, 95% interval [^:]*: (\d+) and (\d+) of (\d+)", page) == [
            (str(turned), str(control), str(images))
        ]


def test_an_interval_is_the_same_in_message_lines_and_page(report: AuditReport, found: Finding) -> None:
    numbers = found.evidence
    page = Words(rendered("html", report)).text
    for prefix, words in (("", "planted"), ("taken_", "taken away")):
        value, low, high = (f"{numbers[f'{prefix}{name}']:+.0%}" for name in ("flips", "flips_low", "flips_high"))
        (line,) = re.findall(rf"{words}: [^()]*\(([^()]*)\)", evidence(found).counterfactual)
        assert line == f"{value}, 95% interval {low} to {high}"
        assert f"{value}, 95% interval {low} to {high}, turned with" in page
        points = (each.strip("+%") for each in (value, low, high))
        sentence = "That is {} percentage points more than with the control (95% interval: {} to {})".format(*points)
        # only of what shows that predictions change
        assert (sentence in found.message) == (numbers[f"{prefix}flips_low"] > 0)


def test_images_with_the_cue_that_are_right_can_be_counted_in_the_table(report: AuditReport, found: Finding) -> None:
    rows = [row for row in table(Path(report.folder)) if {"CA101", "CA102"} & set(row["flags"].split(";"))]
    right = sum(row["top1_class"] == row["label"] == CUE for row in rows)
    assert (found.evidence["shown_images"], found.evidence["shown_called"]) == (len(rows), right)
    assert f"Of its images with the cue, {right} of {len(rows)} are called 'ant'" in found.message


def test_a_picture_that_is_made_again_from_the_list_gets_the_scores_that_are_told(
    report: AuditReport, found: Finding, tried: tuple[Counterfactual, ...], net: Model, framed: Path
) -> None:
    needed = parse(Path(report.folder, "counterfactuals", "edits.json").read_text(encoding="utf-8"))[1]
    cue = CLASSES.index(CUE)
    for each in tried:
        pictures = pictures_of(each, lambda name: read_image(framed / name, needed=needed)[0])
        for rgb, said in zip(pictures, (each.before, each.edited.said, each.control.said), strict=True):
            assert rgb.shape == (each.size[1], each.size[0], 3)
            logits = net.run(rgb).logits.astype(np.float64)
            scores = np.exp(logits) / np.exp(logits).sum()
            assert CLASSES[int(logits.argmax())] == said.class_name
            assert (scores.max(), scores[cue]) == pytest.approx((said.probability, said.cue_probability), abs=1e-4)
    shown = [(each.test, each.path, each.edited.said) for each in found.counterfactuals]
    assert len(shown) == 6
    assert shown == [
        (each.test, each.path, each.edited.said) for each in tried if (each.test, each.path) in {s[:2] for s in shown}
    ]
