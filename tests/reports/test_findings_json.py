"""findings.json holds a report in a form that other programs read back, the same bytes each time."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from commands import run

from cam_audit.records import (
    AuditResult,
    ClassMaps,
    ConfusedImage,
    Disagreement,
    Example,
    Finding,
    MetadataGroup,
    Pair,
    Part,
    Said,
    ShownCounterfactual,
    ShownPicture,
    WrongLabel,
)
from cam_audit.reports.findings_json import findings
from cam_audit.reports.read_findings import parse

FINDING = Finding(
    code="CA201",
    severity="error",
    label="cat",
    message="'cat' repeats a mark; painting the cue over changed 2 of 3 predictions",
    evidence={"score": 0.5, "threshold": 0.25, "images": 30.0, "gain": -0.125, "gain_low": -0.25, "gain_high": 0.0},
    examples=(Example("cat/a.png", (0.1, 1 / 3, 0.5, 1.0)), Example("cat/b.png")),
    fingerprint="0123456789abcdef0123456789abcdef",
)
SHOWN = ShownCounterfactual(
    "paste",
    "dog/a.png",
    "dog",
    ShownPicture("counterfactuals/CA201-0123/paste-1-before.jpg", Said("dog", 0.75, 0.25)),
    ShownPicture("counterfactuals/CA201-0123/paste-1-edited.jpg", Said("cat", 2 / 3, 2 / 3)),
    ShownPicture("counterfactuals/CA201-0123/paste-1-control.jpg", Said("dog", 0.5, 1 / 3)),
)
CONFUSED = ConfusedImage("cat/c.png", "cat", "dog", Disagreement(1 / 3, (0.5, 0.0625), (1 / 6, 0.9)))


PART = Part(
    label="cat",
    number=1,
    share=-1 / 3,
    beyond=2 / 3,
    images=30,
    looked_at=40,
    others=6,
    others_looked_at=120,
    where="surroundings",
    foreground_ratio=1 / 7,
    wander=1 / 6,
    sheet="parts/cat/1.jpg",
    examples=(Example("cat/a.png", (0.0, 0.25, 1 / 3, 1.0)), Example("cat/b.png", (0.5, 0.5, 1.0, 1.0))),
)


def report_of(*findings: Finding, confused: tuple[ConfusedImage, ...] = (), notes: tuple[str, ...] = ()) -> AuditResult:
    return AuditResult(findings, {}, {"cat/a.png": ("CA101",)}, confused, sampled=9, passes=3, notes=notes)


def with_parts(*parts: Part) -> AuditResult:
    return dataclasses.replace(report_of(), parts=parts)


def written(report: AuditResult) -> dict:
    text = "".join(findings(report))
    assert text.endswith("}\n")
    return json.loads(text.encode("utf-8"))


def test_a_finding_has_the_documented_keys_and_nothing_else() -> None:
    assert written(report_of(FINDING)) == {
        "schema_version": 1,
        "findings": [
            {
                "code": "CA201",
                "severity": "error",
                "class": "cat",
                "message": FINDING.message,
                "evidence": dict(FINDING.evidence),
                "examples": [
                    {"path": "cat/a.png", "box": [0.1, 0.333333, 0.5, 1.0]},
                    {"path": "cat/b.png", "box": None},
                ],
                "fingerprint": FINDING.fingerprint,
                "counterfactuals": [],
            }
        ],
        "maps": {},
        "parts": [],
        "wrong_labels": [],
        "groups": [],
        "confused": [],
        "notes": [],
    }


def test_a_part_has_the_documented_keys_and_its_numbers_to_six_places() -> None:
    unknown = dataclasses.replace(PART, number=2, where="unknown", foreground_ratio=None, examples=())
    assert written(with_parts(PART, unknown))["parts"] == [
        {
            "class": "cat",
            "number": 1,
            "share": -0.333333,
            "beyond_others": 0.666667,
            "images": 30,
            "looked_at": 40,
            "others": 6,
            "others_looked_at": 120,
            "where": "surroundings",
            "foreground_ratio": 0.142857,
            "wander": 0.166667,
            "sheet": "parts/cat/1.jpg",
            "examples": [
                {"path": "cat/a.png", "box": [0.0, 0.25, 0.333333, 1.0]},
                {"path": "cat/b.png", "box": [0.5, 0.5, 1.0, 1.0]},
            ],
        },
        {
            "class": "cat",
            "number": 2,
            "share": -0.333333,
            "beyond_others": 0.666667,
            "images": 30,
            "looked_at": 40,
            "others": 6,
            "others_looked_at": 120,
            "where": "unknown",
            "foreground_ratio": None,
            "wander": 0.166667,
            "sheet": "parts/cat/1.jpg",
            "examples": [],
        },
    ]


def test_parts_come_back_in_their_order_and_older_findings_have_none() -> None:
    exact = dataclasses.replace(
        PART, share=-0.5, beyond=0.25, foreground_ratio=0.125, wander=0.25, examples=(Example("cat/b.png"),)
    )
    other = dataclasses.replace(exact, label="a", number=3, foreground_ratio=None, examples=())
    text = "".join(findings(with_parts(exact, other)))
    assert parse(text)[4] == (exact, other)
    document = json.loads(text)
    del document["parts"]
    assert parse(json.dumps(document))[4] == ()


@pytest.mark.parametrize("missing", ["class", "share", "where", "sheet", "examples"])
def test_a_part_without_one_of_its_keys_is_a_value_error(missing: str) -> None:
    document = written(with_parts(PART))
    del document["parts"][0][missing]
    with pytest.raises(ValueError, match=missing):
        parse(json.dumps(document))


def test_a_counterfactual_has_three_pictures_with_what_the_net_says_of_each() -> None:
    place = "counterfactuals/CA201-0123/paste-1"
    (found,) = written(report_of(dataclasses.replace(FINDING, counterfactuals=(SHOWN,))))["findings"]
    assert found["counterfactuals"] == [
        {
            "test": "paste",
            "path": "dog/a.png",
            "class": "dog",
            "before": {"picture": f"{place}-before.jpg", "class": "dog", "score": 0.75, "cue_class_score": 0.25},
            "edited": {
                "picture": f"{place}-edited.jpg",
                "class": "cat",
                "score": 0.666667,
                "cue_class_score": 0.666667,
            },
            "control": {"picture": f"{place}-control.jpg", "class": "dog", "score": 0.5, "cue_class_score": 0.333333},
        }
    ]


def test_counterfactuals_come_back_and_older_findings_have_none() -> None:
    tenths = ShownPicture("c.jpg", Said("owl", 0.1, 0.000001))
    shown = dataclasses.replace(SHOWN, test="painted_over", edited=tenths, control=tenths)
    text = "".join(findings(report_of(dataclasses.replace(FINDING, counterfactuals=(shown, shown)))))
    assert parse(text)[0][0].counterfactuals == (shown, shown)
    document = json.loads(text)
    del document["findings"][0]["counterfactuals"]
    assert parse(json.dumps(document))[0][0].counterfactuals == ()


def test_a_confused_image_has_both_classes_and_how_their_maps_differ() -> None:
    flat = ConfusedImage("a.png", "cat", "dog", Disagreement(None, (0, 0), (1, 1)))
    assert written(report_of(confused=(CONFUSED, flat)))["confused"] == [
        {
            "path": "cat/c.png",
            "class": "cat",
            "predicted": "dog",
            "correlation": 0.333333,
            "predicted_peak": [0.5, 0.0625],
            "class_peak": [0.166667, 0.9],
        },
        {
            "path": "a.png",
            "class": "cat",
            "predicted": "dog",
            "correlation": None,
            "predicted_peak": [0, 0],
            "class_peak": [1, 1],
        },
    ]


def test_findings_keep_the_order_of_the_report_and_notes_are_told() -> None:
    other = Finding("CA206", "note", "a", "'a' is", {"score": 1.0}, (), "f" * 32)
    document = written(report_of(FINDING, other, notes=("one", "two")))
    assert [finding["code"] for finding in document["findings"]] == ["CA201", "CA206"]
    assert document["notes"] == ["one", "two"]


def test_the_same_report_gives_the_same_bytes_and_one_line_a_value() -> None:
    text = "".join(findings(report_of(FINDING, confused=(CONFUSED,))))
    assert text == "".join(findings(report_of(FINDING, confused=(CONFUSED,))))
    assert '\n      "code": "CA201",\n' in text


@pytest.mark.parametrize("name", ['a "b"\n\\.png', "ещё😀.png", "\udcff\\\udcfe.png"])
def test_names_of_any_letters_come_back(name: str) -> None:
    finding = Finding("CA201", "note", name, f"{name!r} shows", {"score": 1.0}, (Example(name),), "0" * 32)
    document = written(report_of(finding, confused=(ConfusedImage(name, name, name, CONFUSED.disagreement),)))
    (found,), (image,) = document["findings"], document["confused"]
    assert found["class"] == found["examples"][0]["path"] == image["path"] == image["predicted"] == name
    assert found["message"] == f"{name!r} shows"


def test_boxes_of_numpy_numbers_are_numbers() -> None:
    example = Example("a.png", tuple(np.float64([0, 0.25, 1 / 3, 1])))
    finding = Finding("CA202", "note", "a", "", {"score": 1.0}, (example,), "0" * 32)
    assert written(report_of(finding))["findings"][0]["examples"][0]["box"] == [0, 0.25, 0.333333, 1]


def test_what_was_written_is_read_back() -> None:
    report = report_of(FINDING, confused=(CONFUSED,), notes=("one",))
    maps = ClassMaps(np.zeros((1, 1)), np.zeros((1, 1)), np.ones((1, 1)))
    with_maps = dataclasses.replace(report, maps={FINDING.fingerprint: maps})
    found, have_maps, confused, notes, parts, *_ = parse("".join(findings(with_maps)))
    assert found[0].examples[0].box == (0.1, 0.333333, 0.5, 1.0)
    assert dataclasses.replace(found[0], examples=()) == dataclasses.replace(FINDING, examples=())
    assert have_maps == {FINDING.fingerprint}
    assert parse("".join(findings(report)))[1] == frozenset()
    assert (confused[0].path, confused[0].disagreement.label_peak) == ("cat/c.png", (0.166667, 0.9))
    assert notes == ("one",)
    assert parts == ()


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"schema_version": 2, "findings": []}', '{"schema_version": 1, "findings": [{}]}']
)
def test_what_is_no_findings_json_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(text)


OUTSIDE = ["../secret.jpg", "/etc/secret.jpg", "counterfactuals/../../secret.jpg", "", "a//b.jpg", "./a.jpg", "a\0.jpg"]


@pytest.mark.parametrize("kind", ["before", "edited", "control"])
@pytest.mark.parametrize("place", OUTSIDE)
def test_a_counterfactual_with_a_picture_that_lies_outside_is_left_out_and_told(place: str, kind: str) -> None:
    document = written(report_of(dataclasses.replace(FINDING, counterfactuals=(SHOWN,))))
    document["findings"][0]["counterfactuals"][0][kind]["picture"] = place
    content = parse(json.dumps(document))
    assert content.findings[0].counterfactuals == ()
    assert content.notes == ("findings.json names 1 picture outside the data set and its folder: left out",)


def test_a_report_of_findings_that_show_pictures_from_outside_says_so(scanned: Path) -> None:
    file = scanned / "cam-audit-out" / "findings.json"
    document = json.loads(file.read_text(encoding="utf-8"))
    document["findings"][0]["counterfactuals"][0]["edited"]["picture"] = "../photos/red/000.png"
    file.write_text(json.dumps(document), encoding="utf-8")
    run(scanned, "report", "cam-audit-out", "--output", "html=again.html")
    assert "findings.json names 1 picture outside the data set" in (scanned / "again.html").read_text(encoding="utf-8")


def test_a_name_that_is_not_utf8_is_read_as_results_csv_has_it() -> None:
    name = "\udcff\\.png"
    odd = ShownPicture(name, Said(name, 0.5, 0.5))
    shown = ShownCounterfactual("paste", name, name, odd, odd, odd)
    finding = Finding("CA201", "note", name, "", {"score": 1.0, "threshold": 0.5}, (Example(name),), "0" * 32, (shown,))
    part = dataclasses.replace(PART, label=name, sheet=f"parts/{name}/1.jpg", examples=(Example(name),))
    (found,), _, _, _, (read_part,), *_ = parse(
        "".join(findings(dataclasses.replace(report_of(finding), parts=(part,))))
    )
    assert {read_part.label, read_part.examples[0].path} == {r"\udcff\.png"}
    # under this name it is found
    assert read_part.sheet == "parts/\udcff\\.png/1.jpg"
    assert found.label == found.examples[0].path == r"\udcff\.png"
    (read,) = found.counterfactuals
    assert {read.path, read.label, *read.files, read.before.said.class_name} == {r"\udcff\.png"}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *((key, value) for key in ("share", "number", "images", "wander") for value in ("x", None, [], True)),
        ("share", float("nan")),
        ("beyond_others", float("inf")),
        ("foreground_ratio", "x"),
        ("where", "nowhere"),
        ("where", None),
    ],
)
def test_a_part_whose_numbers_are_none_is_damaged(key: str, value: object) -> None:
    document = json.loads("".join(findings(with_parts(PART))))
    document["parts"][0][key] = value
    with pytest.raises(ValueError, match=rf"^parts\[0\].{key}: must be |is no number in JSON"):
        parse(json.dumps(document))


@pytest.mark.parametrize("value", ["x", None, [], {}, float("nan")])
def test_evidence_that_is_no_number_is_damaged(value: object) -> None:
    document = json.loads("".join(findings(report_of(Finding("CA201", "note", "cat", "", {"score": 1.0}, (), "ab")))))
    document["findings"][0]["evidence"]["score"] = value
    with pytest.raises(ValueError, match=r"findings\[0\].evidence.score: must be a number|is no number in JSON"):
        parse(json.dumps(document))


def test_parts_of_earlier_files_lack_what_was_not_measured_then() -> None:
    document = json.loads("".join(findings(with_parts(PART))))
    for key in ("others", "others_looked_at", "wander"):
        del document["parts"][0][key]
    (read,) = parse(json.dumps(document))[4]
    assert (read.others, read.others_looked_at, read.wander) == (0, 0, 0)


def test_a_document_nested_too_deeply_is_damaged() -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        parse("[" * 200_000)


PAIRS = (
    Pair(("train/cat/a.jpg", "test/dog/b.jpg"), ("cat", "dog"), ("train", "test"), same_pixels=True),
    Pair(("\udcff.png", "b.jpg"), ("\udcff", ""), ("", ""), same_pixels=False),
)


def test_pairs_wrong_labels_and_groups_come_back_as_text_that_utf8_can_hold() -> None:
    twice = Finding(
        "CA301", "warning", "", "", {"score": 0.5, "pairs": 2.0}, (Example("train/cat/a.jpg"),), "ab", (), PAIRS
    )
    labels = (WrongLabel("cat/a.jpg", "cat", "dog", 0.98, 1.5e-09),)
    groups = (MetadataGroup("site", "\udcff", 8, 7, 2, 0.071, 0.591),)
    report = dataclasses.replace(report_of(twice), wrong_labels=labels, groups=groups)
    content = parse("".join(findings(report)))
    assert content.findings[0].pairs == (PAIRS[0], Pair((r"\udcff.png", "b.jpg"), (r"\udcff", ""), ("", ""), False))
    assert content.wrong_labels == labels
    assert content.groups == (dataclasses.replace(groups[0], value=r"\udcff"),)
    # earlier files have none of these
    document = json.loads("".join(findings(report_of(FINDING))))
    assert "pairs" not in document["findings"][0]
    del document["wrong_labels"], document["groups"]
    assert parse(json.dumps(document)).groups == ()


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (("findings", 0, "pairs", 0, "paths"), ["a.jpg"], "must be a list of 2, not of 1"),
        (("findings", 0, "pairs", 0, "classes"), None, "must be a list, not None"),
        (("wrong_labels", 0, "score"), "x", "must be a number from 0 to 1, not 'x'"),
        (("groups", 0, "right"), 9, "is no group"),
        (("groups", 0, "images"), None, "must be a whole number of 0 or more, not None"),
        (("groups", 0, "low"), float("nan"), "is no number"),
    ],
)
def test_pairs_wrong_labels_and_groups_of_a_stranger_are_checked(
    place: tuple[str | int, ...], value: object, words: str
) -> None:
    twice = Finding("CA301", "warning", "", "", {"pairs": 1.0}, (), "ab", (), PAIRS[:1])
    labels = (WrongLabel("cat/a.jpg", "cat", "dog", 0.98, 0.001),)
    groups = (MetadataGroup("site", "north", 8, 7, 2, 0.071, 0.591),)
    document = json.loads("".join(findings(dataclasses.replace(report_of(twice), wrong_labels=labels, groups=groups))))
    *way, last = place
    inner = document
    for step in way:
        inner = inner[step]
    inner[last] = value
    with pytest.raises(ValueError, match=words):
        parse(json.dumps(document))
