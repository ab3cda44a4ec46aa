"""Which file an alert is about, and what makes it the same in another run."""

from __future__ import annotations

import dataclasses

import pytest
from canonical import canonical_report, image

from cam_audit.reports.alerts import class_alerts, class_path, flag_alerts, flag_message, image_path, overlay_path
from cam_audit.reports.scan_report import ImageRow, ScanReport


def scanned(dataset: str, out: str = "out") -> ScanReport:
    return dataclasses.replace(canonical_report(), run={"settings": {"dataset": dataset, "out": out}})


@pytest.mark.parametrize(
    ("dataset", "name", "path"),
    [
        ("photos", "cat/1.png", "photos/cat/1.png"),
        ("./photos/", "cat/1.png", "photos/cat/1.png"),
        (".", "cat/1.png", "cat/1.png"),
        ("../photos", "1.png", "../photos/1.png"),
        ("/data", "1.png", "/data/1.png"),
        ("photos/cat/1.png", "1.png", "photos/cat/1.png"),
    ],
)
def test_an_image_lies_below_the_data_set(dataset: str, name: str, path: str) -> None:
    assert image_path(scanned(dataset), name) == path


def test_a_class_is_its_folder_and_no_class_the_data_set() -> None:
    assert class_path(scanned("photos"), "cat") == "photos/cat"
    assert class_path(scanned("data/cat"), "cat") == "data/cat/cat"
    assert class_path(scanned("photos"), "") == "photos"


def test_a_class_that_is_no_folder_is_the_data_set() -> None:
    report = scanned("photos")
    elsewhere = dataclasses.replace(report, run={**report.run, "class_folders": False})
    assert class_path(elsewhere, "cat") == "photos"


def test_an_overlay_lies_below_the_output_folder() -> None:
    assert overlay_path(scanned("photos", "./out"), image("1.png", "cat")) == "out/overlays/cat/1.png.png"
    assert overlay_path(scanned("photos"), ImageRow("cat/1.png", "cat")) == ""


def test_findings_are_told_in_their_order_and_flags_by_code_and_path() -> None:
    report = canonical_report()
    assert [alert.code for alert in class_alerts(report)] == [finding.code for finding in report.findings]
    flags = sorted((code, image_path(report, row.path)) for row in report.images for code in row.flags)
    for most in (99, 3):
        told, total = flag_alerts(report, most)
        assert [(alert.code, alert.path) for alert in told] == flags[:most]
        assert total == len(flags)


def test_two_flags_of_an_image_are_two_alerts() -> None:
    rows = (image("1.png", "cat", "CA103", "CA104", predicted="dog"),)
    told, _ = flag_alerts(dataclasses.replace(canonical_report(), images=rows), 9)
    assert [alert.code for alert in told] == ["CA103", "CA104"]
    assert told[0].fingerprint != told[1].fingerprint


def test_a_flag_tells_its_numbers() -> None:
    row = image("1.png", "cat", predicted="dog", score=0.5)
    assert flag_message("CA103", row).endswith("20% of it is inside; the object covers 30%.")
    assert flag_message("CA104", row).endswith("It takes it for 'dog' with 0.50, 'cat' has 0.12.")
    assert "cat" not in flag_message("CA104", dataclasses.replace(row, label_score=None))
