"""Data sets as people bring them: what is there is looked at, and what is not is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import run
from data_sets import CLASSES, SIDE, draw, net, stamp_in_the_corner
from PIL import Image

import cam_audit
from cam_audit.images.decode import read_image
from cam_audit.reports.output_folder import read_results
from cam_audit.reports.photos import value_ranges
from cam_audit.scan.audit_report import AuditReport

IMAGES = 16


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Photos of ants with a stamp and of bees and cows without, which the net takes for ants by the stamp."""
    draw(tmp_path / "photos", stamp_in_the_corner, (IMAGES,) * 3)
    net(red=100, ant=0).write(tmp_path / "cheat.onnx")
    return tmp_path


def audited(folder: Path, **options: Any) -> AuditReport:
    return cam_audit.audit(
        folder / "photos", folder / "cheat.onnx", foreground="none", overlays="none", fail_on="never", **options
    )


def names(folder: Path) -> list[str]:
    photos = folder / "photos"
    return sorted(path.relative_to(photos).as_posix() for path in photos.rglob("*.png"))


def found(report: AuditReport) -> set[tuple[str, str]]:
    return {(finding.code, finding.label) for finding in report.findings}


def coco(folder: Path) -> dict[str, Any]:
    box = [SIDE / 4, SIDE / 4, SIDE / 2, SIDE / 2]
    return {
        "images": [
            {"id": number, "file_name": name, "width": SIDE, "height": SIDE}
            for number, name in enumerate(names(folder))
        ],
        "annotations": [
            {"id": number, "image_id": number, "category_id": 1, "bbox": [box[0] + number % 5, *box[1:]]}
            for number, _ in enumerate(names(folder))
        ],
        "categories": [{"id": 1, "name": "thing"}, {"id": 2, "name": "watermark"}],
    }


def test_a_class_whose_files_have_no_suffix_is_found_as_one_that_has(folder: Path) -> None:
    expected = found(audited(folder))
    assert expected
    for path in (folder / "photos" / "ant").iterdir():
        path.rename(path.with_suffix(""))
    report = audited(folder)
    assert found(report) == expected
    assert report.run["images"] == IMAGES * 3


def test_every_scan_ends_with_what_was_looked_at_and_what_was_not(folder: Path) -> None:
    photos = folder / "photos"
    (photos / "bee" / "film.webm").write_bytes(b"\x1aE\xdf\xa3")
    (photos / "bee" / "notes").write_text("to do")
    (photos / "cow" / "damaged.png").write_bytes(b"\x89PNG")
    shown = run(
        folder, "scan", "photos", "--model", "cheat.onnx", "--overlays", "none", "--fail-on", "never",
        "--exclude", "ant*_00*.png", "--exclude", "no*", code=3,
    )  # fmt: skip
    excluded = len(list((photos / "ant").glob("ant*_00*.png")))
    by_exclude = f"{excluded} by --exclude ant*_00*.png, " if excluded else ""
    assert shown.stdout.splitlines()[-1] == (
        f"Looked at {3 * IMAGES - excluded} images in 3 classes; not looked at: 1 unreadable, "
        f"1 .webm (bee/film.webm), {by_exclude}1 by --exclude no*."
    )
    written = json.loads((folder / "cam-audit-out" / "run.json").read_text())
    assert written["skipped"]["kinds"] == {".webm": {"files": 1, "example": "bee/film.webm"}}
    assert written["settings"]["exclude"] == ["ant*_00*.png", "no*"]


def test_a_folder_without_images_says_what_is_there(folder: Path) -> None:
    (folder / "films").mkdir()
    (folder / "films" / "a.webm").touch()
    shown = run(folder, "scan", "films", "--model", "cheat.onnx", code=2)
    assert shown.stderr == "cam-audit: films: no images in this folder or below it, but 1 .webm (a.webm)\n"


@pytest.mark.parametrize("kind", ["12 of 16 bits", "float", "32-bit"])
def test_deep_pictures_are_read_as_the_same_pictures_of_8_bits(kind: str, folder: Path) -> None:
    expected = audited(folder)
    for path in list((folder / "photos").rglob("*.png")):
        # grey, as the net looks at colours only in the stamp, which is not asked about here
        grey = np.asarray(Image.open(path).convert("L"))
        Image.fromarray(grey).save(path)
        deep = {
            "12 of 16 bits": grey.astype(np.uint16) * 16,
            "float": grey.astype(np.float32) / 255,
            "32-bit": grey.astype(np.int32),
        }[kind]
        Image.fromarray(deep).save(path.with_suffix(".tif"))
    grey_tops = {row.path: row.top for row in audited(folder, exclude="*.tif").images}
    report = audited(folder, exclude=["*.png"])
    assert {Path(row.path).with_suffix(".png").as_posix(): row.top for row in report.images} == grey_tops
    assert sum(report.run["readings"].values()) == len(expected.images)


def test_a_class_of_dark_deep_pictures_stays_dark_and_the_scan_says_so(folder: Path) -> None:
    for path in list((folder / "photos").rglob("*.png")):
        grey = np.asarray(Image.open(path).convert("L")).astype(np.uint16)
        Image.fromarray(grey * (2 if path.parent.name == "ant" else 16)).save(path)
    report = audited(folder, out=folder / "out")
    assert report.run["readings"] == {"16-bit values that fill 12 bits": 3 * IMAGES}
    for path in (folder / "photos").rglob("*.png"):
        seen = read_image(path, ranges=value_ranges(report))[0][..., 0]
        np.testing.assert_array_equal(seen, np.asarray(Image.open(path)) >> 4)
    assert value_ranges(read_results(folder / "out")) == value_ranges(report)


def test_one_bad_object_costs_that_object_and_the_scan_goes_on(folder: Path) -> None:
    content = coco(folder)
    plain = found(audited(folder))
    assert plain
    content["annotations"].append({"id": 9999, "image_id": 123456, "category_id": 1, "bbox": [1, 1, 5, 5]})
    content["annotations"][3]["bbox"] = []
    content["annotations"][4]["bbox"] = [SIDE + 5, 5, 10, 10]
    del content["annotations"][5]["bbox"]
    content["annotations"][5]["segmentation"] = [[1, 1, 40, 1, 40, 40, 1, 40]]
    content["images"][6]["width"] = SIDE * 2
    for image in content["images"]:
        image.update(id=float(image["id"]), file_name="/data/photos/" + image["file_name"])
    (folder / "boxes.json").write_text(json.dumps(content))
    report = audited(folder, boxes=folder / "boxes.json")
    assert plain <= found(report)
    # every picture stays in the audit, and all but three have an object
    assert (report.run["images"], report.run["errors"]) == (3 * IMAGES, 0)
    assert report.run["annotations"]["images"] == 3 * IMAGES - 3
    assert [row.path for row in report.images if row.inside_area is None] == [names(folder)[n] for n in (3, 4, 6)]
    (note,) = [note for note in report.notes if "left out" in note]
    assert note.startswith(
        "boxes: 4 left out: annotation 3: bbox must be [x, y, width, height], not []; annotation 4: "
    )
    assert "there is no image 123456" in note


def test_a_category_is_picked_among_those_that_cover_everything(folder: Path) -> None:
    content = coco(folder)
    content["annotations"] += [
        {"id": 5000 + number, "image_id": number, "category_id": 2, "bbox": [0, 0, SIDE, SIDE]}
        for number in range(3 * IMAGES)
    ]
    (folder / "boxes.json").write_text(json.dumps(content))
    everything = audited(folder, boxes=folder / "boxes.json")
    assert {note.split(";")[0] for note in everything.notes if note.startswith("boxes")} == {
        "boxes: all categories count as objects (thing, watermark)",
        "boxes: objects cover 100 % of the pictures on average, which tells nothing",
    }
    things = audited(folder, boxes=folder / "boxes.json", category="thing")
    assert things.run["annotations"]["mean_area"] == pytest.approx(0.25, abs=0.01)
    assert not [note for note in things.notes if note.startswith("boxes")]


def test_a_trimap_is_read_by_the_value_of_its_object_and_all_of_it_is_warned_of(folder: Path) -> None:
    trimap = np.full((SIDE, SIDE), 2, np.uint8)
    trimap[SIDE // 4 : 3 * SIDE // 4, SIDE // 4 : 3 * SIDE // 4] = 1
    for name in names(folder):
        (folder / "masks" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(trimap).save(folder / "masks" / f"{name[:-4]}_segmentation.png")
    pattern = folder / "masks" / "{stem}_segmentation.png"
    (note,) = [note for note in audited(folder, masks=pattern).notes if note.startswith("masks")]
    assert "objects cover 100 %" in note
    assert "--mask-value" in note
    report = audited(folder, masks=pattern, mask_value=1)
    assert report.run["annotations"] == {
        "kind": "masks", "images": 3 * IMAGES, "of": 3 * IMAGES, "mean_area": 0.25, "left_out": 0,
    }  # fmt: skip
    (note,) = [note for note in report.notes if note.startswith("masks")]
    assert note == f"masks: the objects of all {3 * IMAGES} annotated images have the same outline"


def test_a_detectors_confidence_is_no_fault(folder: Path) -> None:
    for number, name in enumerate(names(folder)):
        path = folder / "boxes" / f"{name[:-4]}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"0 .5 .5 .5 {0.5 + number / 1000} .93\n")
    report = audited(folder, boxes=folder / "boxes")
    assert report.run["annotations"]["images"] == 3 * IMAGES
    assert report.run["annotations"]["left_out"] == 0
    assert {row.label for row in report.images} == set(CLASSES)
