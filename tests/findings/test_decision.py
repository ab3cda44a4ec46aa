"""What a finding says, how grave it is, what makes it the same one again, and that the manual says the same."""

from __future__ import annotations

import dataclasses
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import cam_audit
from cam_audit.findings.causes import Cause
from cam_audit.findings.codes import (
    CODES,
    ERROR,
    FULL_IMAGES,
    MIN_GAIN,
    MIN_USE,
    NOTE,
    WARNING,
    Code,
    counterfactual,
    counterfactuals,
)
from cam_audit.findings.counterfactual import Effect
from cam_audit.findings.cues import colour_probe, duplicates, files, template
from cam_audit.findings.cues.records import Hit, Suspicion
from cam_audit.findings.decision import (
    MIN_IMAGES,
    Annotated,
    finding_of,
    fingerprint,
    object_finding,
    order,
    outside_examples,
    severity,
)
from cam_audit.findings.evidence import Evidence, _tests
from cam_audit.records import Finding, ImageSource, ObjectShare

MANUAL = Path(cam_audit.__file__).parents[1] / "docs" / "findings.md"
BOX = (0.1, 0.2, 0.3, 0.4)


def suspicion(finder: str = "duplicates", *, images: int = 30, hits: int = 20, label: str = "cat") -> Suspicion:
    shown = tuple(Hit(f"{label}/{index:02}.png", 1 - index / 100, BOX) for index in range(hits))
    overlay = np.eye(112, dtype=np.float32) if finder == "template" else None
    return Suspicion(finder, label, hits / images, 0.1, images, shown, "shows a cue", {"strength": 1 / 3}, BOX, overlay)


def effect(test: str = "paste", gain: float = 0.5, *, flips: float = 0.25) -> Effect:
    return Effect(test, gain, flips, 0.0, 12)


def evidence(*effects: Effect, use: float | None = None, changed: dict[str, bool] | None = None) -> Evidence:
    return Evidence(3, use, None, effects, changed or {})


DIGESTS = {f"cat/{index:02}.png": f"{index:064x}" for index in range(60)}


def found(cause: Cause, measured: Evidence, class_name: str = "cat") -> Finding:
    return finding_of(cause, measured, class_name, DIGESTS)


NOTHING = evidence()


@pytest.mark.parametrize(
    ("images", "use", "confirmed", "expected"),
    [
        (24, None, False, NOTE),
        (24, 0.0999, False, NOTE),
        (24, 0.1, False, WARNING),
        (24, 5.0, False, WARNING),
        (24, -5.0, True, ERROR),
        (24, None, True, ERROR),
        (24, 0.1, True, ERROR),
        (23, 5.0, False, NOTE),
        (23, 5.0, True, NOTE),
        (12, 5.0, True, NOTE),
        (1000, 0.1, False, WARNING),
    ],
)
def test_severity(images: int, use: float | None, confirmed: bool, expected: str) -> None:
    assert severity(images, use, confirmed) == expected
    gain = 0.15 if confirmed else 0.1499
    assert found(Cause("CA201", suspicion(images=images)), evidence(effect(gain=gain), use=use)).severity == expected


@pytest.mark.parametrize(
    ("test", "gain", "confirmed"),
    [
        *((test, gain, gain == 0.15) for test in counterfactuals() if test != "surroundings" for gain in (0.149, 0.15)),
        ("surroundings", 0.69, False),
        ("surroundings", 0.70, True),
    ],
)
def test_how_much_each_test_must_gain(test: str, gain: float, confirmed: bool) -> None:
    assert (gain >= counterfactual(test).min_gain) == confirmed
    finding = found(Cause("CA203", suspicion("border")), evidence(effect(test, gain)))
    assert finding.severity == (ERROR if confirmed else NOTE)


def test_the_strongest_test_is_the_one_that_most_exceeds_what_it_must_gain() -> None:
    ring, surroundings = effect("ring", 0.3, flips=0.5), effect("surroundings", 0.9)
    finding = found(Cause("CA203", suspicion("border")), evidence(surroundings, ring))
    assert (finding.evidence["gain"], finding.evidence["flip_rate"]) == (0.3, 0.5)
    assert "painting its border colour around 12 images of other classes gained 0.30" in finding.message
    assert (finding.evidence["gain_surroundings"], finding.evidence["flip_rate_surroundings"]) == (0.9, 0.25)


def test_the_fingerprint_is_the_code_the_class_and_the_images_and_no_scores() -> None:
    first = fingerprint("CA201", "cat", ["a", "b"])
    assert re.fullmatch("[0-9a-f]{32}", first)
    assert fingerprint("CA201", "cat", ["b", "a"]) == first
    others = {
        fingerprint(*other)
        for other in (("CA202", "cat", ["a", "b"]), ("CA201", "dog", ["a", "b"]), ("CA201", "cat", ["a", "c"]))
    }
    assert len(others | {first}) == 4
    assert fingerprint("CA201", "\udcff", []) != fingerprint("CA201", "\udcfe", [])

    cue = suspicion()
    weak = found(Cause("CA201", cue), NOTHING)
    turned = dataclasses.replace(cue, score=0.9, numbers={}, seen="else", hits=cue.hits[:12][::-1])
    strong = found(Cause("CA201", turned), evidence(effect(gain=9), use=9))
    assert (weak.severity, strong.severity) == (NOTE, ERROR)
    assert weak.fingerprint == strong.fingerprint == fingerprint("CA201", "cat", list(DIGESTS.values())[:12])
    assert found(Cause("CA201", dataclasses.replace(cue, hits=cue.hits[1:])), NOTHING).fingerprint != weak.fingerprint


@pytest.mark.parametrize(("hits", "examples"), [(5, 5), (12, 12), (20, 12)])
def test_examples_are_the_most_suspicious_hits_with_their_boxes(hits: int, examples: int) -> None:
    finding = found(Cause("CA201", suspicion(hits=hits)), NOTHING)
    assert [(example.path, example.box) for example in finding.examples] == [
        (f"cat/{index:02}.png", BOX) for index in range(examples)
    ]
    assert finding.evidence["hits"] == hits


def test_all_numbers_are_in_the_evidence() -> None:
    repeated, overlay = suspicion(), suspicion("template", hits=24)
    measured = evidence(
        effect("paste", 1 / 3),
        effect("overlay", -0.2, flips=0.0),
        use=2 / 3,
        changed={"a": True, "b": False, "c": True},
    )
    finding = found(Cause("CA202", repeated, (overlay,)), measured)
    assert finding.evidence == {
        "images": 30,
        "hits": 24,
        "score": 0.666667,
        "threshold": 0.1,
        "duplicates_score": 0.666667,
        "template_score": 0.8,
        "strength": 0.333333,
        "use": 0.666667,
        "gain": 0.333333,
        "flip_rate": 0.25,
        "control_flip_rate": 0,
        "gain_paste": 0.333333,
        "flip_rate_paste": 0.25,
        "gain_overlay": -0.2,
        "flip_rate_overlay": 0,
        "removal_change_rate": 0.666667,
        "passes": 51,
    }
    assert all(type(value) is float for value in finding.evidence.values())


def test_what_was_not_measured_is_not_in_the_evidence() -> None:
    finding = found(Cause("CA206", suspicion("files")), NOTHING)
    assert finding.severity == NOTE
    assert finding.message == "'cat' shows a cue"
    assert set(finding.evidence) == {"images", "hits", "score", "threshold", "files_score", "strength", "passes"}


def test_the_message_tells_every_number() -> None:
    changed = {"a": True, "b": False, "c": True}
    finding = found(Cause("CA201", suspicion()), evidence(effect(gain=0.5), use=0.254, changed=changed))
    assert finding.message == (
        "'cat' shows a cue; the net's map there adds 0.25 of a usual margin; pasting the cue into 12 images of other "
        "classes gained 0.50 margins for 'cat' and turned 3 of them into it; painting the cue over changed 2 of 3 "
        "predictions"
    )


@pytest.mark.parametrize(("images", "said"), [(23, True), (24, False)])
def test_the_message_says_that_few_images_may_be_chance(images: int, said: bool) -> None:
    message = found(Cause("CA201", suspicion(images=images, hits=12)), NOTHING).message
    assert ("with only 23 images that may be chance" in message) == said


@pytest.mark.parametrize(
    ("class_name", "measured", "said"),
    [
        ("tabby", evidence(use=0.2), True),
        ("tabby", evidence(effect()), True),
        ("tabby", NOTHING, False),
        ("cat", evidence(effect(), use=0.2), False),
    ],
)
def test_the_message_says_on_which_class_a_folder_of_another_name_was_measured(
    class_name: str, measured: Evidence, said: bool
) -> None:
    message = found(Cause("CA201", suspicion()), measured, class_name).message
    assert message.endswith("(measured on the net's class 'tabby')") == said
    assert ("tabby" in message) == said


def camera_of(model: str) -> str | None:
    exif = Image.Exif()
    exif[0x0110] = model
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "JPEG", exif=exif)
    return files.file_facts(buffer.getvalue(), 8, 8).camera


def test_messages_are_one_line_whatever_folders_and_cameras_are_called() -> None:
    label = "two\nlines\x1b[31m"
    cause = Cause("CA201", suspicion(label=label))
    measured = evidence(effect(), use=0.2, changed={"a": True})
    digests = {hit.name: "0" for hit in cause.hits}
    assert finding_of(cause, measured, label, digests).message.isprintable()
    finding = object_finding(
        label, [shared(0.2, name=f"{index}") for index in range(12)], dict.fromkeys(map(str, range(12)), "")
    )
    assert finding is not None
    assert finding.message.isprintable()
    assert camera_of(" Two\nLines\x1b[31m ") == "TwoLines[31m"


def shared(inside: float | None, area: float = 0.25, *, wins: bool = True, name: str = "a") -> Annotated:
    return ImageSource("", name, "cat", 0), ObjectShare(inside, area, 0.4, wins)


def named(*images: Annotated) -> list[Annotated]:
    return [
        (dataclasses.replace(source, name=f"cat/{index:02}.png"), share) for index, (source, share) in enumerate(images)
    ]


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        ([shared(0.2)] * 11, None),
        ([shared(0.2)] * 11 + [shared(None)] * 20, None),
        ([shared(0.2)] * 12, NOTE),
        ([shared(0.2)] * 23, NOTE),
        ([shared(0.2)] * 24, ERROR),
        ([shared(0.25)] * 24, ERROR),
        ([shared(0.26)] * 24, None),
        ([shared(0.2, wins=False)] * 24, WARNING),
        ([shared(0.2, wins=index % 2 == 0) for index in range(24)], WARNING),
        ([shared(0.2, wins=index < 13) for index in range(24)], ERROR),
        # medians, not means
        ([shared(0.2)] * 13 + [shared(1.0)] * 11, ERROR),
        ([shared(0.3)] * 13 + [shared(0.0)] * 11, None),
    ],
)
def test_evidence_outside_the_object(results: list[Annotated], expected: str | None) -> None:
    finding = object_finding("cat", named(*results), DIGESTS)
    assert (finding and finding.severity) == expected


def test_the_numbers_of_evidence_outside_the_object() -> None:
    results = named(*[shared(0.1 + index / 1000, wins=index < 10) for index in range(40)])
    finding = object_finding("cat", results, DIGESTS)
    assert finding is not None
    assert finding.code == "CA205"
    assert finding.evidence == pytest.approx(
        {
            "images": 40,
            "score": 0.1195 / 0.25,
            "threshold": 1,
            "inside_share": 0.1195,
            "inside_area": 0.25,
            "centre_share": 0.4,
            "wins_without": 0.25,
        }
    )
    assert finding.message == (
        "'cat' has 12% of its positive map inside the annotated object, which covers 25% of the image (medians of 40 "
        "images); without the object the same class wins in 25%"
    )
    assert [example.path for example in finding.examples] == [f"cat/{index:02}.png" for index in range(12)]
    assert finding.examples[0].box is None
    assert finding.fingerprint == fingerprint("CA205", "cat", list(DIGESTS.values())[:12])


def test_the_examples_of_evidence_outside_are_the_furthest_outside_in_share_of_area() -> None:
    results = named(shared(0.3, 0.4), shared(0.2, 0.1), shared(0.5, 0.9), shared(0.3, 0.4))
    assert [source.name[-6:-4] for source in outside_examples(results)] == ["02", "00", "03", "01"]
    assert len(outside_examples(named(*[shared(0.2)] * 30))) == 12


def test_an_object_without_area_divides_nothing_by_zero() -> None:
    finding = object_finding("cat", named(*[shared(0.0, 0.0)] * 24), DIGESTS)
    assert finding is not None
    assert finding.evidence["score"] == 0


def test_findings_are_ordered_worst_first_and_never_by_chance() -> None:
    def finding(severity: str, gain: float | None, score: float, code: str = "CA201", label: str = "a") -> Finding:
        numbers = {"score": score} if gain is None else {"score": score, "gain": gain}
        return Finding(code, severity, label, "", numbers, (), "")

    ordered = [
        finding(ERROR, 0.9, 0.3),
        finding(ERROR, 0.2, 0.9),
        finding(WARNING, 0.1, 0.2),
        finding(WARNING, None, 0.9),
        finding(WARNING, None, 0.5),
        finding(NOTE, None, 0.5),
        finding(NOTE, None, 0.5, label="b"),
        finding(NOTE, None, 0.5, code="CA202"),
        finding(NOTE, -0.1, 1.0),
    ]
    for shift in range(len(ordered)):
        assert sorted(ordered[shift:] + ordered[:shift], key=order) == ordered


@pytest.mark.parametrize(
    ("code", "finder"),
    [("CA201", "duplicates"), ("CA202", "template"), ("CA203", "border"), ("CA204", "colour")],
)
def test_every_counterfactual_has_its_words_and_is_in_the_manual(code: str, finder: str) -> None:
    tests = [test.name for test in _tests(Cause(code, suspicion(finder)), 3)]
    assert tests
    assert tests == [test.name for test in CODES[code].tests]
    assert set(tests) == {name for name in counterfactuals() if f"`{name}`" in section(code)}


def test_a_cue_that_two_finders_saw_gets_the_tests_of_both() -> None:
    tests = _tests(Cause("CA202", suspicion(), (suspicion("template"),)), 3)
    assert [test.name for test in tests] == ["paste", "overlay"]


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
    assert f"**Not established**: {code.not_established}" in text
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
        ("CA206", [files.THRESHOLD]),
    ],
)
def test_the_thresholds_are_those_of_the_finders(code: str, numbers: list[float]) -> None:
    assert [float(number) for number in re.findall(r">= ([\d.]+)", CODES[code].threshold)] == numbers


def test_the_limits_of_the_severities_are_in_the_manual() -> None:
    table = MANUAL_TEXT.split("## ")[0]
    assert f"use >= {MIN_USE:.2f}" in table
    assert f"gain >= {MIN_GAIN:.2f} ({counterfactual('surroundings').min_gain:.2f} for `surroundings`)" in table
    assert f"a class of {MIN_IMAGES} to {FULL_IMAGES - 1} images" in table
    assert f"Classes under {MIN_IMAGES} images" in table


def test_the_numbers_of_use_and_counterfactual_are_explained_in_the_manual() -> None:
    for word in ("score", "threshold", "use", "gain", "gain_<test>", "flip_rate", "removal_change_rate", "passes"):
        assert f"`{word}`" in MANUAL_TEXT
