"""The table of codes, and that the manual says the same."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
from evidences import suspicion

import cam_audit
from cam_audit.findings import framing
from cam_audit.findings.codes import (
    CODES,
    FULL_IMAGES,
    MIN_FLIPS,
    MIN_GAIN,
    MIN_USE,
    MIN_Z,
    Code,
    codes_by_finder,
    counterfactual,
    counterfactuals,
)
from cam_audit.findings.counterfactual import LOOKS
from cam_audit.findings.cues import (
    colour_probe,
    duplicates,
    files,
    finders,
    mixed,
    padding,
    same_thing,
    statistics,
    template,
    values,
)
from cam_audit.findings.cues.probe import MAX_CHANCE
from cam_audit.findings.cues.records import ImageFeatures
from cam_audit.findings.cues.statistics import STATISTICS, TRIED
from cam_audit.findings.sample import MAX_SAMPLED, MAX_SAMPLED_PER_CLASS, MIN_IMAGES

MANUAL = Path(cam_audit.__file__).parents[1] / "docs" / "findings.md"
GROUPS = {
    label: [
        ImageFeatures(
            f"{label}/00.png",
            label,
            {
                "colour": [50.0] * 6,
                "statistics": np.full(len(STATISTICS), value),
                "padding": padding.Padding(np.zeros(4), np.zeros(4), np.zeros(3)),
                "file": files.FileFacts("PNG", 300, 200, None),
            },
        )
    ]
    for label, value in (("cat", 0.5), ("dog", 0.25))
}


@pytest.mark.parametrize("finder", finders())
def test_every_counterfactual_has_its_words_and_is_in_the_manual(finder: str) -> None:
    code = CODES[codes_by_finder()[finder]]
    # of statistics, each has a test of its own
    seen = dataclasses.replace(suspicion(finder), numbers={f"{each.name}_score": 0.5 for each in STATISTICS})
    tests = [test.name for test in finders()[finder].tests(seen, GROUPS)]
    assert tests == [test.name for test in code.tests]
    # neither what a file is nor what kind of picture it holds can be planted
    assert bool(tests) == (not code.in_file and finder != "mixed")
    assert all(f"`{test}`" in section(code.code) for test in tests)


def test_no_two_counterfactuals_are_called_alike() -> None:
    named = {test for code in CODES.values() for test in code.tests}
    assert len({test.name for test in named}) == len({test.label for test in named}) == len(named)
    assert set(counterfactuals().values()) == named


MANUAL_TEXT = " ".join(MANUAL.read_text(encoding="utf-8").split())


def section(code: str) -> str:
    """What the manual says under the heading of a code, each run of white space as one space."""
    heading = f"## {code} {CODES[code].title} "
    assert MANUAL_TEXT.count(heading) == 1, heading
    return MANUAL_TEXT.split(heading)[1].split(" ## ")[0]


@pytest.mark.parametrize("code", CODES)
def test_the_manual_has_a_section_with_the_threshold_of_each_code(code: str) -> None:
    assert CODES[code].code == code
    assert CODES[code].threshold in section(code)
    assert "**Threshold**" in section(code)


@pytest.mark.parametrize("code", CODES.values(), ids=CODES)
def test_the_manual_says_what_each_code_means_in_the_words_of_the_reports(code: Code) -> None:
    text = section(code.code)
    assert code.meaning in text
    assert f"**Limits**: {code.limits}" in text
    assert code.is_flag or f"**What to do**: {code.what_to_do}" in text


def test_the_manual_tells_of_no_other_codes() -> None:
    assert set(re.findall(r"CA\d\d\d", MANUAL_TEXT)) == set(CODES)


@pytest.mark.parametrize(
    ("code", "numbers"),
    [
        ("CA201", [duplicates.THRESHOLD]),
        ("CA202", [template.THRESHOLD, template.MIN_STRENGTH]),
        ("CA203", [colour_probe.THRESHOLD]),
        ("CA204", [colour_probe.THRESHOLD]),
        ("CA206", [values.THRESHOLD]),
        ("CA208", [values.THRESHOLD]),
        ("CA210", [same_thing.THRESHOLD]),
        ("CA211", [statistics.THRESHOLD]),
        ("CA212", [padding.THRESHOLD]),
        ("CA213", [framing.THRESHOLD]),
        ("CA214", [mixed.THRESHOLD]),
    ],
)
def test_the_thresholds_are_those_of_the_finders(code: str, numbers: list[float]) -> None:
    assert [float(number) for number in re.findall(r">= ([\d.]+)", CODES[code].threshold)] == numbers


def test_the_number_of_statistics_that_are_tried_is_in_the_table() -> None:
    assert TRIED == 16
    assert f"sixteen times its chance <= {MAX_CHANCE}" in CODES["CA211"].threshold
    assert f"at most {mixed.MOST:.2f}, crossing at most {mixed.MAX_CROSSING:.2f}" in CODES["CA214"].threshold
    assert framing.TRIED == 10
    assert f"ten times its chance <= {MAX_CHANCE}" in CODES["CA213"].threshold


def test_the_limits_of_the_severities_are_in_the_manual() -> None:
    table = MANUAL_TEXT.split("## ")[0]
    surroundings, context, cast = (counterfactual(test).min_gain for test in ("surroundings", "context", "cast"))
    assert surroundings == context
    limits = f"for surroundings and context {surroundings:.2f}, for casts {cast:.2f}"
    assert f"({MIN_GAIN:.2f} of what usually decides, {limits})" in table
    named = ("surroundings", "context", "cast")
    assert {test.min_gain for name, test in counterfactuals().items() if name not in named} == {MIN_GAIN}
    assert f"the estimate is at least {MIN_FLIPS:.0%}".replace("%", " %") in table
    assert f"z must reach {MIN_Z:.0f}" in table
    assert f"The net is said to look there from {MIN_USE:.2f} on" in table
    assert f"a class of {MIN_IMAGES} to {FULL_IMAGES - 1} images" in table
    assert f"Classes under {MIN_IMAGES} images" in table


def test_how_many_images_take_part_is_in_the_manual() -> None:
    assert f"at most {MAX_SAMPLED_PER_CLASS} images of each" in MANUAL_TEXT
    assert f"over {MAX_SAMPLED // MAX_SAMPLED_PER_CLASS} classes" in MANUAL_TEXT
    assert f"{LOOKS[0]}, and where these do not decide, {LOOKS[1]}" in MANUAL_TEXT


@pytest.mark.parametrize(
    "word",
    [
        "score",
        "threshold",
        "hits",
        "images",
        "use",
        "use_area",
        "use_everywhere",
        "gain",
        "flips",
        "turned",
        "control_turned",
        "targets",
        "<test>_...",
        "taken_...",
        "rank",
        "z",
        "shown_called",
        "shown_images",
        "lacking_...",
        "others_...",
        "others_looked_at",
        "removal_change_rate",
        "passes",
    ],
)
def test_the_numbers_in_the_evidence_are_explained_in_the_manual(word: str) -> None:
    assert f"`{word}`" in MANUAL_TEXT
