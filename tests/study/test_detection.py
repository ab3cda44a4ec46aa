"""The detection benchmark's own arithmetic: halves, plants, the oracle, the tables."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from detection import effect_of, plant, read_audit, share_that_leaves
from detection_table import Found, Trial, markdown
from photo_sets import PhotoSet, Picture, name_of, write_set

from cam_audit.images.decode import read_image
from cam_audit.reports.results_csv import COLUMNS


class Whiten:
    """A cue that is easy to recognise: the whole picture white."""

    def plant(self, rgb, rng, mask=None):
        return np.full_like(rgb, 255), None


def photos(per_class: int = 10, classes: int = 3) -> PhotoSet:
    pictures = [
        Picture(f"{index:02d}", label, np.full((8, 8, 3), 10 * label + index, np.uint8))
        for label in range(classes)
        for index in range(per_class)
    ]
    return PhotoSet(tuple("abc"[:classes]), tuple(pictures))


def test_halves_are_equal_and_disjoint() -> None:
    whole = photos()
    first, second = whole.halves(seed=0)
    for half in (first, second):
        assert np.bincount([picture.label for picture in half.pictures]).tolist() == [5, 5, 5]
    assert {*first.pictures, *second.pictures} == set(whole.pictures)
    assert first.pictures != whole.halves(seed=1)[0].pictures


def test_a_share_of_one_class_is_planted_and_the_rest_is_the_same_picture() -> None:
    whole = photos()
    planted, changed = plant(whole, Whiten(), 1, 30, np.random.default_rng(0))
    assert len(changed) == 3
    for before, after in zip(whole.pictures, planted.pictures, strict=True):
        if after in changed:
            assert after.label == 1
            assert (after.rgb == 255).all()
            assert (after.stem, after.label) == (before.stem, before.label)
        else:
            assert after is before


def test_the_oracle_measures_in_correct_margins_and_counts_what_turns() -> None:
    """Each picture leads by 2; white adds 3 to class 1 and takes 1 from the others: a change of 4 or 0 or -4."""

    def classify(picture: Picture) -> np.ndarray:
        white = bool((picture.rgb == 255).all())
        return 2.0 * np.eye(3)[picture.label] + white * np.array([-1.0, 3.0, -1.0])

    assert effect_of(classify, photos().pictures, Whiten(), 1, seed=0) == pytest.approx((2, 1))
    assert effect_of(classify, photos().pictures, Whiten(), 0, seed=0) == pytest.approx((-1, 0))
    assert effect_of(classify, photos(classes=1).pictures, Whiten(), 0, seed=0) == (None, None)


def test_the_oracle_counts_the_planted_pictures_that_leave_when_clean() -> None:
    """White pictures are taken for class 1, and of the clean ones only the first."""
    clean = [picture for picture in photos().pictures if picture.label == 1]
    white = [replace(picture, rgb=np.full_like(picture.rgb, 255)) for picture in clean]

    def classify(picture: Picture) -> np.ndarray:
        return np.eye(3)[1 if (picture.rgb == 255).all() or picture is clean[0] else 0]

    pairs = list(zip(clean, white, strict=True))
    assert share_that_leaves(classify, pairs, 1) == pytest.approx(1 - 1 / len(clean))
    assert share_that_leaves(classify, pairs, 2) is None


def test_a_set_is_written_by_class(tmp_path: Path) -> None:
    whole = photos(per_class=2)
    write_set(whole.pictures, whole.class_names, tmp_path)
    for picture in whole.pictures:
        rgb, _, _ = read_image(tmp_path / name_of(picture, whole.class_names))
        assert np.abs(rgb.astype(int) - picture.rgb).max() <= 1


def test_an_audit_is_read_from_the_files_of_a_scan(tmp_path: Path) -> None:
    finding = {"code": "CA203", "severity": "error", "class": "a", "message": "m", "evidence": {"gain": 0.3}}
    (tmp_path / "findings.json").write_text(json.dumps({"schema_version": 1, "findings": [finding]}))
    with (tmp_path / "results.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        table.writerow({"path": "a/1.jpg", "flags": "CA101;CA104"})
        table.writerow({"path": "b/1.jpg", "flags": ""})
    audit = read_audit(tmp_path)
    assert audit.findings == (Found("CA203", "error", "a", "m", {"gain": 0.3}),)
    assert audit.flags == {"a/1.jpg": {"CA101", "CA104"}, "b/1.jpg": frozenset()}


def trial(kind: str, flips: float | None, *found: Found, **changes: object) -> Trial:
    settings = {
        "prevalence": 100, "seed": 0, "classes": 5, "class_name": "a" if kind else "", "accuracy": 0.9,
        "planted": 10, "flagged": 8, "hits": 6,
    }  # fmt: skip
    return Trial(kind=kind, gain=flips, flips=flips, leaves=None, findings=found, **{**settings, **changes})  # type: ignore[arg-type]


def found(code: str, severity: str, class_name: str = "a") -> Found:
    return Found(code, severity, class_name, "", {})


def test_an_expected_code_on_the_planted_class_is_a_detection() -> None:
    assert trial("frame", 0.5, found("CA203", "warning")).detected("warning")
    assert not trial("frame", 0.5, found("CA203", "warning")).detected("error")
    assert not trial("frame", 0.5, found("CA203", "error", "b")).detected("note")
    assert not trial("frame", 0.5, found("CA206", "error")).detected("note")


def test_false_alarms_are_warnings_and_errors_on_other_classes() -> None:
    several = [found("CA201", "error", "b"), found("CA203", "warning", "b"), found("CA204", "note", "c")]
    planted = trial("frame", 0.5, *several, found("CA203", "error", "a"))
    assert (planted.false_alarms, planted.clean_classes) == (1, 4)
    clean = trial("", None, found("CA203", "error", "a"))
    assert (clean.false_alarms, clean.clean_classes) == (1, 5)


def test_the_tables_count_by_cell_and_by_effect() -> None:
    text = markdown(
        [
            trial("", None, found("CA203", "warning", "e")),
            trial("frame", 0.5, found("CA203", "error")),
            trial("frame", 0.05, found("CA203", "note"), found("CA201", "error", "b")),
            trial("cast", 0.2, flagged=0, hits=0),
        ]
    )
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line]
    frame = next(row for row in rows if row[0] == "frame")
    assert frame[2:5] == ["2/2", "1/2", "1/2"]
    assert frame[6] == "CA203 error x1, CA203 note x1"
    assert frame[7:12] == ["0.75", "0.60", "1/2", "1/1", "0/1"]
    cast = next(row for row in rows if row[0] == "cast")
    assert cast[2:5] == ["0/1", "0/1", "0/1"]
    assert cast[6:9] == ["none", "-", "0.00"]
    assert ["effective (>= 0.1)", "1/2", "1/2"] in rows
    assert ["not effective", "0/1", "0/1"] in rows
    assert ["sets without a plant", "1/5"] in rows
    assert ["the other classes of planted sets", "1/12"] in rows
    assert [row for row in rows if row[0].startswith("of these")] == [
        ["of these, b: CA201 error", "1"],
        ["of these, e: CA203 warning", "1"],
    ]
