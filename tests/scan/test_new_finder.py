"""A new finder touches two places: its module and the table of codes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from data_sets import Rgb, draw, net
from numpy.typing import NDArray
from resume import differences
from small_scans import cut_off_scan, scan

import cam_audit
from cam_audit.findings import framing
from cam_audit.findings.codes import CODES, Code, CounterfactualTest
from cam_audit.findings.counterfactual import CueTest
from cam_audit.findings.cues import statistics
from cam_audit.findings.cues.picture import Feature, Picture
from cam_audit.findings.cues.records import Groups, Hit, ImageFeatures, Suspicion, by_label
from cam_audit.records import Edit
from cam_audit.reports.output_folder import read_results
from cam_audit.workers import Each, one_by_one

MAGIC = (250, 3, 120)
BOX = (0.0, 0.0, 0.1, 0.1)
COUNTS = (24, 12, 12)


@dataclass(frozen=True)
class Corner:
    """The pixel at the top left, and its row."""

    pixel: tuple[int, int, int]
    row: NDArray[np.uint8]


def corner_of(picture: Picture) -> Corner:
    red, green, blue = picture.rgb[0, 0].tolist()
    return Corner((red, green, blue), picture.rgb[0])


def find(images: Sequence[ImageFeatures], each: Each = one_by_one) -> list[Suspicion]:
    def find_in(label: str) -> Suspicion | None:
        own = groups[label]
        corners = {image.name: image["corner"] for image in own}
        shown = [name for name, corner in corners.items() if corner.pixel == tuple(corner.row[0]) == MAGIC]
        if not shown:
            return None
        hits = tuple(Hit(name, 1.0, BOX) for name in shown)
        score = len(hits) / len(own)
        return Suspicion("corners", label, score, 0.5, len(own), hits, "magic corners", {"brightest": 250.0})

    groups = by_label(images)
    return [suspicion for suspicion in each(find_in, groups) if suspicion]


def planting(suspicion: Suspicion, groups: Groups) -> list[CueTest]:
    corner = Edit("paste", box=BOX)
    return [CueTest(name, suspicion.hits, lambda _: corner, lambda _: corner) for name in ("corner", "again")]


CODE = Code(
    "CA290",
    "magic corner",
    "share >= 0.5",
    "A pixel of a magic colour at the top left.",
    "that it is magic.",
    "paint it over.",
    finder="corners",
    told_by="the magic pixel",
    tests=(
        CounterfactualTest("corner", "With a lit corner", "with another class's corner instead", "corner lit"),
        CounterfactualTest(
            "again", "With it lit again", "with another class's corner instead", "corner lit again", 0.3
        ),
    ),
    is_local=True,
)


@pytest.fixture
def described(monkeypatch: pytest.MonkeyPatch) -> list[Picture]:
    """The finder in its two places; gives the pictures of which its feature was computed."""
    pictures: list[Picture] = []
    module = ModuleType("cam_audit.findings.cues.corners")
    module.__dict__.update(
        find=find,
        tests=planting,
        FEATURES={"corner": Feature(Corner, lambda picture: (pictures.append(picture), corner_of(picture))[1])},
    )
    # the classes' own patterns are of different sharpness, and some are taller
    monkeypatch.setattr(statistics, "find", lambda images, each: [])
    monkeypatch.setattr(framing, "suspected", lambda groups, each: [])
    monkeypatch.setitem(CODES, CODE.code, CODE)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return pictures


def light(rgb: Rgb, _: np.random.Generator) -> None:
    rgb[0, 0] = MAGIC


def test_a_new_finder_is_its_module_and_a_code_in_the_table(
    described: list[Picture], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    draw(tmp_path / "photos", light, COUNTS)
    net(red=100, ant=0).write(tmp_path / "cheat.onnx")
    report = cam_audit.audit("photos", "cheat.onnx", out="undisturbed", fail_on="never")
    assert len(described) == sum(COUNTS)

    (finding,) = report.findings
    assert (finding.code, finding.label) == ("CA290", "ant")
    assert finding.message.startswith("'ant' can be told apart by magic corners. All 24 of its images show it")
    right = sum(row.label != "ant" and row.top[0][0] == row.label for row in report.images)
    assert right > 20
    assert f"With a lit corner, 0 of {right} images of other classes were called 'ant'" in finding.message
    assert finding.evidence["score"] == finding.evidence["corners_score"] == 1
    assert {"use", "corner_gain", "again_flips", "removal_change_rate", "brightest"} <= finding.evidence.keys()
    # two tests with a control each, and the corner of each ant painted over
    assert finding.evidence["passes"] == right * 2 * 2 + 24
    page = Path("undisturbed/report.html").read_text(encoding="utf-8")
    for words in ("magic corner", "By the magic pixel alone", "corner lit again", CODE.meaning, CODE.what_to_do):
        assert words in page, words

    cut_off_scan(images=10, workers=1)
    described.clear()
    scan(resume=True)
    # what the journal kept was not computed again, and is what it was
    assert len(described) == sum(COUNTS) - 10
    assert read_results(Path("out")).findings == report.findings
    assert differences(Path("out"), Path("undisturbed")) == ()
