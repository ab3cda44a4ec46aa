"""A picture in two splits or two classes, a wrong label and metadata, from the files to what a scan writes."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from commands import run
from data_sets import audited, draw, net, sources_of, stamp_in_the_corner, table
from PIL import Image
from small_scans import cut_off_scan, scan

from cam_audit.cli.summary import summary
from cam_audit.models.model import Model
from cam_audit.reports.output_folder import read_results

IMAGES = 14
TABLE = "metadata.csv"


def saved_again(source: Path, target: Path) -> None:
    """A picture of another size; not as JPEG, which changes colours in pictures as small as these."""
    target.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.open(source).convert("RGB")
    picture.resize((2 * picture.width, 2 * picture.height), Image.Resampling.BICUBIC).save(target)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ants with a stamp, which the net goes by; an ant among the bees, and a table of sites."""
    folder = tmp_path_factory.mktemp("places")
    photos = draw(folder / "photos", stamp_in_the_corner, (IMAGES,) * 3)
    cheat = net(red=100, ant=0)
    # of ten times the logits: it is sure of what it says
    replace(cheat, linear=10 * cheat.linear).write(folder / "cheat.onnx")
    shutil.copy(photos / "ant" / "03.png", photos / "bee" / "x.png")
    saved_again(photos / "cow" / "05.png", photos / "bee" / "y.png")
    names = sorted(path.relative_to(photos).as_posix() for path in photos.glob("*/*"))
    rows = [(name, "north" if name.startswith("ant") else "south", number) for number, name in enumerate(names)]
    with (folder / TABLE).open("w", newline="") as file:
        csv.writer(file).writerows([("path", "site", "number"), *rows])
    return folder


@pytest.fixture
def folder(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with these files."""
    work = Path(shutil.copytree(prepared, tmp_path / "work"))
    monkeypatch.chdir(work)
    return work


def written(out: Path) -> dict[str, bytes]:
    return {name: (out / name).read_bytes() for name in ("findings.json", "results.csv")}


def found(out: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((out / "findings.json").read_text())
    return content


def test_a_picture_in_two_classes_is_told_in_every_place(folder: Path) -> None:
    shown = run(
        folder, "scan", "photos", "--model", "cheat.onnx", "--fail-on", "never", "--metadata", TABLE, "-o", "out"
    )
    content = found(folder / "out")
    finding = next(each for each in content["findings"] if each["code"] == "CA301")
    assert (finding["severity"], finding["class"]) == ("warning", "")
    assert [pair["paths"] for pair in finding["pairs"]] == [["ant/03.png", "bee/x.png"], ["bee/y.png", "cow/05.png"]]
    assert [pair["same_pixels"] for pair in finding["pairs"]] == [True, False]
    assert [pair["classes"] for pair in finding["pairs"]] == [["ant", "bee"], ["bee", "cow"]]
    assert [example["path"] for example in finding["examples"]] == [
        "ant/03.png",
        "bee/x.png",
        "bee/y.png",
        "cow/05.png",
    ]
    flagged = {row["path"] for row in table(folder / "out") if "CA301" in row["flags"].split(";")}
    assert flagged == {example["path"] for example in finding["examples"]}
    # an ant among the bees
    assert content["wrong_labels"][0]["path"] == "bee/x.png"
    assert content["wrong_labels"][0]["likely"] == "ant"
    assert [row["path"] for row in table(folder / "out") if "CA106" in row["flags"]] == ["bee/x.png"]
    assert ("CA208", "ant") in {(each["code"], each["class"]) for each in content["findings"]}
    assert {(group["column"], group["value"]): group["images"] for group in content["groups"]} == {
        ("site", "north"): IMAGES,
        ("site", "south"): 2 * IMAGES + 2,
    }
    assert "1 label likely wrong (CA106):\n  bee/x.png: ant" in shown.stdout
    assert "worst group: site south: " in shown.stdout
    assert "metadata: left out number" in shown.stdout
    assert "for example ant/03.png and bee/x.png" in shown.stdout
    page = (folder / "out" / "report.html").read_text()
    for words in ("the same picture in two classes", "Likely wrong labels", "How right the net is, by metadata"):
        assert words in page
    # what is written comes back as it was
    report = read_results(folder / "out")
    assert (report.groups[0].column, report.wrong_labels[0].path) == ("site", "bee/x.png")
    assert summary(report).splitlines()[1:3] == shown.stdout.splitlines()[1:3]


def test_any_number_of_workers_and_a_scan_that_goes_on_write_the_same(folder: Path) -> None:
    options: dict[str, Any] = {"metadata": folder / TABLE, "foreground": "none"}
    for workers in (1, 3):
        scan(out=f"out{workers}", workers=workers, **options)
    expected = written(folder / "out1")
    assert b"CA301" in expected["findings.json"]
    assert written(folder / "out3") == expected
    cut_off_scan(images=20, out="cut", **options)
    scan(resume=True, out="cut", **options)
    assert written(folder / "cut") == expected


def test_a_table_that_has_changed_is_another_scan(folder: Path) -> None:
    cut_off_scan(metadata=folder / TABLE)
    (folder / TABLE).write_text("path,site\nant/01.png,west\n")
    shown = run(
        folder, "scan", "photos", "--model", "cheat.onnx", "--fail-on", "never", "--metadata", str(folder / TABLE),
        "--resume", "-o", "out", code=2,
    )  # fmt: skip
    assert "the content of --metadata" in shown.stderr or "--fail-on" in shown.stderr


def test_training_pictures_in_a_test_set_are_found_in_all_images_and_the_cue_is_still_told(
    tmp_path: Path, cheat: Model
) -> None:
    """More images than are sampled: 70 a class of one, and copies of those that are drawn last too."""
    draw(tmp_path / "train", stamp_in_the_corner, (70, 24, 24))
    for label in ("ant", "bee", "cow"):
        for number, path in enumerate(sorted((tmp_path / "train" / label).iterdir())[-8:]):
            saved_again(path, tmp_path / "test" / label / f"{number}.png")
    sources = [
        replace(source, root=str(tmp_path), name=f"{split}/{source.name}", split=split)
        for split in ("train", "test")
        for source in sources_of(tmp_path / split)
    ]
    result = audited(cheat, sorted(sources, key=lambda source: source.name))
    leak = next(finding for finding in result.findings if finding.code == "CA302")
    assert leak.severity == "warning"
    # one whose hash flipped may be missed, and none is taken for another's
    leaked = leak.evidence["leaked_images"]
    assert 22 <= leaked <= 24
    assert leak.message.startswith(f"{leaked} of 24 images of 'test' are in 'train', too. ")
    originals = {
        f"test/{label}/{number}.png": f"train/{label}/{images - 8 + number:02}.png"
        for label, images in (("ant", 70), ("bee", 24), ("cow", 24))
        for number in range(8)
    }
    assert {originals[pair.paths[0]] for pair in leak.pairs} == {pair.paths[1] for pair in leak.pairs}
    assert {pair.splits for pair in leak.pairs} == {("test", "train")}
    assert {name for name, flags in result.flags.items() if "CA302" in flags} == {
        path for pair in leak.pairs for path in pair.paths
    }
    assert "CA301" not in {finding.code for finding in result.findings}
    assert ("error", "ant") in {(finding.severity, finding.label) for finding in result.findings}
    assert leak.evidence["images"] == 70 + 24 + 24 + 24
