"""Data sets in the layouts that people have give the findings of the same images in a folder for each class."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from commands import ROOT, run
from PIL import Image, ImageEnhance

import cam_audit
from cam_audit.demo import write_dataset
from cam_audit.errors import CamAuditError
from cam_audit.scan.audit_report import AuditReport

IMAGES = 24
NET = ROOT / "cam_audit" / "demo" / "demo-biased.onnx"
ERRORS = {("cat", "error"), ("dog", "error"), ("mug", "error")}


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five classes of the demo, three of which its net knows by a shortcut."""
    folder = tmp_path_factory.mktemp("demo") / "photos"
    write_dataset(folder, shuffled=False, images_per_class=IMAGES)
    return folder


def files(photos: Path) -> list[tuple[str, int, Path]]:
    """The class of each file, its number in the class, and where it is."""
    return [
        (folder.name, number, file)
        for folder in sorted(photos.iterdir())
        if folder.is_dir()
        for number, file in enumerate(sorted(folder.iterdir()))
    ]


def put(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)


def audited(dataset: Path, **options: Any) -> AuditReport:
    return cam_audit.audit(dataset, NET, foreground="none", overlays="none", fail_on="never", **options)


def errors(report: AuditReport) -> set[tuple[str, str]]:
    return {(finding.label, finding.severity) for finding in report.findings if finding.severity == "error"}


@pytest.mark.slow
def test_splits_above_the_classes(photos: Path, tmp_path: Path) -> None:
    for label, number, file in files(photos):
        put(file, tmp_path / "split" / ("Train" if number < 18 else "valid") / label / file.name)
    report = audited(tmp_path / "split")
    assert errors(report) == ERRORS
    assert {row.split for row in report.images} == {"train", "val"}
    assert report.run["splits"] == {
        "train": {"images": 90, "labelled": 90, "agreeing": 90},
        "val": {"images": 30, "labelled": 30, "agreeing": 30},
    }


@pytest.mark.slow
def test_classes_two_levels_down(photos: Path, tmp_path: Path) -> None:
    for label, number, file in files(photos):
        put(file, tmp_path / "deep" / f"site{number % 3}" / label / str(number % 2) / file.name)
    assert errors(audited(tmp_path / "deep", class_level=2)) == ERRORS
    with pytest.raises(
        CamAuditError, match=r"no folder of level 1 .*\(site0, site1, site2\).* scan with --class-level 2"
    ):
        audited(tmp_path / "deep")


@pytest.mark.slow
@pytest.mark.parametrize("how", ["labels", "label_pattern"])
def test_flat_files_with_a_table_or_a_pattern(photos: Path, tmp_path: Path, how: str) -> None:
    rows = [("image", "class")]
    for label, number, file in files(photos):
        put(file, tmp_path / "flat" / f"{label}.{number}.jpg")
        rows.append((f"{label}.{number}.jpg", label))
    with (tmp_path / "flat.csv").open("w", newline="") as table:
        csv.writer(table).writerows(rows)
    given = {"labels": tmp_path / "flat.csv", "label_pattern": "{class}.{}.jpg"}[how]
    assert errors(audited(tmp_path / "flat", **{how: given})) == ERRORS


@pytest.mark.slow
def test_two_folders_of_a_class_are_one_class(photos: Path, tmp_path: Path) -> None:
    rows = {(f"{label}_site{site}", label) for label, _, _ in files(photos) for site in (1, 2)}
    with (tmp_path / "sites.csv").open("w", newline="") as table:
        csv.writer(table).writerows(sorted(rows))
    for label, number, file in files(photos):
        site = 1 + number % 2
        light = ImageEnhance.Brightness(Image.open(file).convert("RGB")).enhance(1.0 if site == 1 else 0.93)
        for folder in (tmp_path / "one" / label, tmp_path / "two" / f"{label}_site{site}"):
            folder.mkdir(parents=True, exist_ok=True)
            light.save(folder / f"{site}_{file.name}")
    one, two = audited(tmp_path / "one"), audited(tmp_path / "two", labels=tmp_path / "sites.csv")
    assert errors(one) == ERRORS
    assert [(f.code, f.severity, f.label, f.message, f.evidence) for f in two.findings] == [
        (f.code, f.severity, f.label, f.message, f.evidence) for f in one.findings
    ]
    assert two.run["classes_sampled"] == 5
    # without the table, folders of one class are taken for several, and nothing is clear
    apart = audited(tmp_path / "two")
    assert apart.run["classes_sampled"] == 0
    assert "cat_site1" in apart.run["uncovered"]


# what says, in any format, that nothing is wrong
ALL_CLEAR = ("no findings", "no shortcut was found", "nothing was found", "passed")


@pytest.fixture
def flat(photos: Path, tmp_path: Path) -> Path:
    for label, number, file in files(photos):
        if number < 3:
            put(file, tmp_path / "flat" / f"{label}.{number}.jpg")
    return tmp_path


def test_where_classes_cannot_be_told_nothing_is_clear_in_any_format(flat: Path) -> None:
    formats = ("markdown", "sarif", "junit", "gitlab", "github")
    outputs = [word for name in formats for word in ("--output", f"{name}={name}.txt")]
    shown = run(flat, "scan", "flat", "--model", str(NET), "--overlays", "none", *outputs)
    texts = {name: (flat / f"{name}.txt").read_text() for name in formats}
    texts |= {"summary": shown.stdout, "page": (flat / "cam-audit-out" / "report.html").read_text()}
    for name, text in texts.items():
        words = text.lower()
        assert "could not be looked for" in words, name
        assert "there are not two of them" in words, name
        for clear in ALL_CLEAR:
            assert clear not in words.partition("<script")[0], (name, clear)
    assert "--labels" in shown.stdout
    assert 'skipped="1"' in texts["junit"]
    (issue,) = json.loads(texts["gitlab"])
    assert issue["check_name"] == "not-looked-at"


def test_the_command_says_the_exact_command_for_a_deeper_level(flat: Path) -> None:
    for file in list((flat / "flat").iterdir()):
        put(file, flat / "deep" / "site" / file.name.partition(".")[0] / file.name)
    shown = run(flat, "scan", "deep", "--model", str(NET), "--overlays", "none", code=2)
    assert shown.stderr.endswith(f": `cam-audit scan deep --model {NET} --overlays none --class-level 2`\n")
    run(flat, "scan", "deep", "--model", str(NET), "--overlays", "none", "--class-level", "2")


def test_only_one_split_is_scanned_and_the_rest_counted(flat: Path) -> None:
    for number, file in enumerate(sorted((flat / "flat").iterdir())):
        put(file, flat / "split" / ("train" if number % 3 else "val") / file.name.partition(".")[0] / file.name)
    shown = run(flat, "scan", "split", "--model", str(NET), "--overlays", "none", "--split", "VALIDATION")
    assert "  val: 5 of 5 (100.0%)" in shown.stdout
    assert shown.stdout.splitlines()[-1] == (
        "Looked at 5 images in 5 classes of 1 split (val); not looked at: 10 images of other splits."
    )
    assert "note: train, val: splits of the data set" in shown.stderr
    with pytest.raises(CamAuditError, match="--split dev: no image belongs to it; there are train, val"):
        audited(flat / "split", split="dev")
    with pytest.raises(
        CamAuditError, match="--split val: no image belongs to it; no folder or labels file tells splits"
    ):
        audited(flat / "flat", split="val")


def test_a_labels_file_is_proposed_where_names_are_near_and_it_works(flat: Path) -> None:
    for file in list((flat / "flat").iterdir()):
        put(file, flat / "near" / f"{file.name.partition('.')[0]}s 2020" / file.name)
    shown = run(flat, "scan", "near", "--model", str(NET), "--overlays", "none")
    file = "cam-audit-out/labels.csv"
    assert f"(birds 2020: bird, cats 2020: cat, dogs 2020: dog, jugs 2020: jug, mugs 2020: mug); {file}" in shown.stderr
    command = f"cam-audit scan near --model {NET} --overlays none --labels {file}"
    assert f"{file} proposes a class for each folder; look it over, then run `{command}`" in shown.stdout
    proposed = (flat / file).read_text()
    labelled = run(flat, *command.split()[1:])
    assert "prediction = folder in 15 of 15" in labelled.stdout
    # it is the user's from now on
    assert (flat / file).read_text() == proposed
    (flat / file).write_text(proposed.replace("dog", "mug", 1))
    run(flat, "scan", "near", "--model", str(NET), "--overlays", "none")
    assert (flat / file).read_text() == proposed.replace("dog", "mug", 1)


@pytest.mark.parametrize(
    ("first", "words"),
    [
        (0, "numbers are taken for the indices of classes, from 0: 0 = bird"),
        (
            1,
            "1, 2, 3, 4, 5: classes counted from 1 (1 = bird), or from 0 (1 = cat)? None is taken for a class",
        ),
    ],
)
def test_numbered_folders_are_said_to_be_indices_or_asked_about(flat: Path, first: int, words: str) -> None:
    names = ("bird", "cat", "dog", "jug", "mug")
    for file in list((flat / "flat").iterdir()):
        put(file, flat / "numbered" / str(first + names.index(file.name.partition(".")[0])) / file.name)
    shown = run(flat, "scan", "numbered", "--model", str(NET), "--overlays", "none")
    assert words in shown.stderr
    if first:
        assert "prediction = folder" not in shown.stdout
        shown = run(
            flat, "scan", "numbered", "--model", str(NET), "--overlays", "none", "--labels", "cam-audit-out/labels.csv"
        )
    assert "prediction = folder in 15 of 15" in shown.stdout


def test_a_table_or_a_pattern_that_fits_nothing_is_refused(flat: Path) -> None:
    (flat / "other.csv").write_text("image,class\nzebra.jpg,cat\n")
    with pytest.raises(
        CamAuditError, match=r"no row names a folder or an image of .*; rows name zebra.jpg, and there is"
    ):
        audited(flat / "flat", labels=flat / "other.csv")
    with pytest.raises(CamAuditError, match=r"--label-pattern \{class\}_\{\}: fits no image, such as bird.0.jpg"):
        audited(flat / "flat", label_pattern="{class}_{}")


def test_rows_and_images_without_each_other_are_told(flat: Path) -> None:
    rows = ["cat.0.jpg 1", "dog.0.jpg 2", "zebra.jpg 1"]
    (flat / "list.txt").write_text("\n".join(rows))
    shown = run(flat, "scan", "flat", "--model", str(NET), "--overlays", "none", "--labels", "list.txt")
    assert "note: list.txt: 1 of 3 rows names nothing in flat (zebra.jpg)\n" in shown.stderr
    assert "note: 13 of 15 images have no class, as no row of list.txt names it (bird.0.jpg, " in shown.stderr
    assert "prediction = folder in 2 of 2" in shown.stdout
