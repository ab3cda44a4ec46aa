"""Small and odd data sets: a sensible result and no crash."""

from __future__ import annotations

from pathlib import Path

import pytest
from data_sets import CLASSES, audited, colour_sources, coloured, draw, no_place, run, sources_of
from pictures import GREEN, RED, encode, square

from cam_audit.cli.summary import summary
from cam_audit.models.model import Model
from cam_audit.records import AuditResult
from cam_audit.reports.counts import counts_of
from cam_audit.reports.html.headline import Headline, headline
from cam_audit.reports.lines import verdict
from cam_audit.reports.scan_report import ScanReport
from cam_audit.reports.verdict import verdict_on

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
        small = f"With only {count} images the class stays a note, whatever is measured"
        assert (small in finding.message) == (count < 24)
    not_looked_at = (
        "no cue was looked for in 1 of 3 classes, which have fewer than 12 different images that can be read "
        "('ant': 11 of 11)"
    )
    assert report.notes == ((not_looked_at, no_place("bee", "cow")) if count < 12 else (no_place("ant", "bee", "cow"),))
    assert report.classes_sampled == (2 if count < 12 else 3)
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
    # nothing is compared but the pictures, which are all the same
    assert ([finding.code for finding in report.findings], report.sampled) == (["CA301"], 0)
    assert set(report.flags.values()) == {("CA301",)}
    # in the order of their names, and no more than a line holds
    named = ", ".join(f"'class {index}': 1 of 1" for index in (0, 1, 10, 11, 12))
    assert report.notes == (
        "no cue was looked for in 20 of 20 classes, which have fewer than 12 different images that can be read "
        f"({named}, ...)",
    )


def differing(root: Path, **counts: int) -> Path:
    """Folders of pictures of which no two are the same file, all of them alike."""
    for number, (label, count) in enumerate(counts.items()):
        (root / label).mkdir(parents=True)
        for index in range(count):
            rgb = square(RED, 8, 8)
            rgb[0, index] = number
            (root / label / f"{index:02}.png").write_bytes(encode(rgb))
    return root


def tear(folder: Path, count: int) -> None:
    for path in sorted(folder.iterdir())[:count]:
        path.write_bytes(b"torn")


def headline_of(report: ScanReport) -> Headline:
    return headline(report, verdict_on(report, counts_of(report)))


def test_unreadable_images_and_images_beside_the_folders_are_no_part_of_the_sample(
    tmp_path: Path, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cam_audit.findings.sample.MAX_SAMPLED_PER_CLASS", 13)
    differing(tmp_path, red=16, green=13)
    (tmp_path / "loose.png").write_bytes(encode(square(GREEN, 0, 0)))
    tear(tmp_path / "green", 1)
    report = audited(model, colour_sources(tmp_path, model))
    assert (report.sampled, report.classes_sampled) == (13 + 12, 2)
    assert report.notes[0] == (
        "cues were looked for in 25 of 29 images: at most 13 of a class, of those that can be read, and of copies of a "
        "picture one"
    )


def test_of_many_classes_the_note_says_how_few_of_each_are_looked_at(
    tmp_path: Path, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cam_audit.findings.sample.MIN_SAMPLED_PER_CLASS", 12)
    monkeypatch.setattr("cam_audit.findings.sample.MAX_SAMPLED", 24)
    report = audited(model, colour_sources(differing(tmp_path, red=14, green=14), model))
    assert report.sampled == 2 * 12
    assert report.notes[0].startswith("cues were looked for in 24 of 28 images: at most 12 of a class")


def test_copies_of_one_file_are_no_class_and_get_no_all_clear(tmp_path: Path, cheat: Model) -> None:
    for name, colour in (("ant", RED), ("bee", GREEN)):
        (tmp_path / "data" / name).mkdir(parents=True)
        for index in range(30):
            (tmp_path / "data" / name / f"{index:02}.png").write_bytes(encode(square(colour, 8, 8)))
    report = run(tmp_path / "data", cheat, tmp_path / "out")
    note = (
        "no cue was looked for in 2 of 2 classes, which have fewer than 12 different images that can be read "
        "('ant': 1 of 30, 'bee': 1 of 30)"
    )
    assert (report.findings, report.notes) == ((), (note,))
    assert (report.run["sampled"], report.run["classes_sampled"]) == (0, 0)
    told = summary(report).split("\n")
    assert "no findings" not in told
    why = "there are fewer than 12 different images of the class that can be read"
    assert f"cues could not be looked for: {why}" in told
    assert f"note: {note}" in told
    assert "no findings" not in told
    assert verdict(report) == f"Cues could not be looked for in 60 images: {why}."
    came = headline_of(report)
    assert came.gravity == "unknown"
    assert came.advice == f"N{note[1:]}."


def test_a_class_that_is_mostly_damaged_is_named_and_not_counted_as_clean(tmp_path: Path, honest: Model) -> None:
    tear(draw(tmp_path / "data", None, (24, 24, 40)) / "cow", 30)
    report = run(tmp_path / "data", honest, tmp_path / "out", foreground="none")
    note = (
        "no cue was looked for in 1 of 3 classes, which have fewer than 12 different images that can be read "
        "('cow': 10 of 40)"
    )
    assert (report.findings, report.notes[-2:]) == ((), (note, no_place("ant", "bee")))
    assert (report.run["sampled"], report.run["classes_sampled"]) == (24 + 24 + 10, 2)
    came = headline_of(report)
    assert (came.gravity, came.sentence) == ("clean", "No shortcut was found in 2 of 3 classes.")
    assert f"N{note[1:]}." in came.advice


@pytest.mark.parametrize(("readable", "looked"), [(0, False), (5, False), (6, True)])
def test_a_class_whose_others_are_hardly_there_gets_no_all_clear(
    tmp_path: Path, model: Model, readable: int, looked: bool
) -> None:
    differing(tmp_path, red=24, green=24)
    tear(tmp_path / "green", 24 - readable)
    report = audited(model, colour_sources(tmp_path, model))
    assert (report.sampled, report.classes_sampled) == ((24 + readable, 1) if looked else (0, 0))
    assert f"('green': {readable} of 24)" in " ".join(report.notes)
    assert ("that leaves too few images to compare the other class with" in report.notes) == (not looked)
    assert report.notes[0].startswith("cues were looked for in") == looked
