"""Small and odd data sets: a sensible result and no crash."""

from __future__ import annotations

from pathlib import Path

import pytest
from data_sets import CLASSES, audited, colour_sources, coloured, sources_of
from pictures import GREEN, RED, encode, square

from cam_audit.models.model import Model
from cam_audit.records import AuditResult

pytestmark = pytest.mark.usefixtures("described_once")


def test_a_folder_that_stands_for_no_class_is_measured_on_the_class_predicted_most(
    framed: Path, cheat: Model, tmp_path: Path
) -> None:
    for name in CLASSES:
        (tmp_path / name.replace("ant", "strangers")).symlink_to(framed / name)
    (finding,) = [f for f in audited(cheat, sources_of(tmp_path)).findings if f.code == "CA203"]
    assert (finding.severity, finding.label) == ("error", "strangers")
    assert ". The folder 'strangers' was measured on the net's class 'ant'. To do: " in finding.message
    assert "were called 'ant'" in finding.message


@pytest.mark.parametrize(("count", "severities"), [(11, set()), (12, {"note"}), (23, {"note"}), (24, {"error"})])
def test_a_small_class_stays_at_note_or_is_not_looked_at(
    framed: Path, cheat: Model, count: int, severities: set[str]
) -> None:
    sources = [source for source in sources_of(framed) if source.label != "ant" or int(source.name[4:6]) < count]
    report = audited(cheat, sources)
    assert {finding.severity for finding in report.findings if finding.code == "CA203"} == severities
    for finding in report.findings:
        assert (f"With only {count} images in the class this may be chance" in finding.message) == (count < 24)
    small = "1 of 3 classes have fewer than 12 images, too few to look for cues"
    assert report.notes == ((small,) if count < 12 else ())
    assert set(report.flags) == ({f"ant/{index:02}.png" for index in range(count)} if count >= 12 else set())


def nothing_to_compare(report: AuditResult) -> bool:
    return report.notes == ("cues are looked for by comparing class folders, and there are not two of them",)


def test_one_class_alone_is_compared_with_nothing(tmp_path: Path, model: Model) -> None:
    report = audited(model, colour_sources(coloured(tmp_path, red=(RED, 30)), model))
    assert report.findings == ()
    assert report.flags == {}
    assert nothing_to_compare(report)


@pytest.mark.parametrize("count", [1, 3])
def test_a_flat_folder_is_scanned_without_cues(tmp_path: Path, model: Model, count: int) -> None:
    for index in range(count):
        (tmp_path / f"{index}.png").write_bytes(encode(square(RED, index, index)))
    report = audited(model, colour_sources(tmp_path, model))
    assert (report.findings, report.flags, report.sampled) == ((), {}, 0)
    assert nothing_to_compare(report)


def test_a_data_set_without_images_ends_well(model: Model) -> None:
    assert nothing_to_compare(audited(model, []))


def test_many_classes_of_one_image_each_are_too_small(tmp_path: Path, model: Model) -> None:
    coloured(tmp_path, **{f"class {index}": (RED, 1) for index in range(20)})
    report = audited(model, colour_sources(tmp_path, model))
    assert (report.findings, report.flags, report.sampled) == ((), {}, 0)
    assert report.notes == ("20 of 20 classes have fewer than 12 images, too few to look for cues",)


def test_unreadable_images_and_images_beside_the_folders_are_no_part_of_the_sample(
    tmp_path: Path, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cam_audit.findings.sample.MAX_SAMPLED_PER_CLASS", 4)
    coloured(tmp_path, red=(RED, 12), green=(GREEN, 3))
    (tmp_path / "loose.png").write_bytes(encode(square(RED, 0, 0)))
    (tmp_path / "green" / "02.png").write_bytes(b"torn")
    report = audited(model, colour_sources(tmp_path, model))
    assert report.sampled == 4 + 2
    assert report.notes[0] == "cues were looked for in 6 of 16 images, drawn from each class by their paths"
