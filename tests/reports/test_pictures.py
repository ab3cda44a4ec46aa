"""The pictures of a report are those of the overlays, maps and images that a scan left behind."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from canonical import HOSTILE, NAMES, canonical_report, rendered
from finished_scan import OVERLAY_SIZE, PAINT, TRIAL_PAINTS, TRIAL_SIZE, write_scan
from numpy.typing import NDArray
from pictures import encode, gradient

from cam_audit.cam import Map
from cam_audit.records import ClassMaps, Example, Finding, Score
from cam_audit.reports.output_folder import read_results
from cam_audit.reports.pictures import LONG_SIDE, MAX_OF_FINDING, with_pictures
from cam_audit.reports.scan_report import ImageRow
from cam_audit.sheets import Panel, SheetLayout, class_map_layout, class_map_sheet, overlay_layout, overlay_sheet

CAM: Map = np.float32([[0, 0, 0], [0, 1, 0]])
REPEATED, BORDER, FILES = canonical_report().findings


def decoded(jpeg: bytes) -> NDArray[np.uint8]:
    image: NDArray[np.uint8] = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR_RGB)
    return image


def ring_of(sheet: NDArray[np.uint8], layout: SheetLayout, left: int) -> NDArray[np.uint8]:
    """The pixels just outside of a panel's picture."""
    top, bottom = layout.top - 1, layout.top + layout.height
    right = left + layout.width
    sides = (sheet[top, left:right], sheet[bottom, left:right], sheet[top:bottom, left - 1], sheet[top:bottom, right])
    return np.concatenate(sides)


@pytest.mark.parametrize("size", [(300, 200), (200, 300), (50, 40), (3000, 40), (40, 3000), (1000, 999)])
@pytest.mark.parametrize(("scores", "panels", "long_side"), [(3, 2, 400), (1, 3, 100), (10, 4, 64)])
def test_a_layout_says_where_a_sheet_has_its_pictures(
    size: tuple[int, int], scores: int, panels: int, long_side: int
) -> None:
    dark = np.full((*size[::-1], 3), 7, np.uint8)
    names = [Score(index, "cat", 0.5) for index in range(scores)]
    sheet = overlay_sheet(dark, names, [Panel("")] * panels, long_side)
    layout = overlay_layout(*size, scores, panels, long_side)
    assert sheet.shape == (layout.sheet_height, layout.sheet_width, 3)
    assert len(layout.lefts) == panels
    for left in layout.lefts:
        picture = sheet[layout.top : layout.top + layout.height, left : left + layout.width]
        assert (picture == 7).all()
        assert (ring_of(sheet, layout, left) == 255).all()


@pytest.mark.parametrize("shape", [(7, 7), (3, 9), (12, 4)])
def test_the_layout_of_class_maps_follows_from_the_size_of_their_sheet(shape: tuple[int, int]) -> None:
    cover = np.zeros(shape)
    cover[shape[0] // 2, shape[1] // 2] = 1
    # in the cue's region the map of the class is black and that of the others red; outside they are black and grey
    maps = ClassMaps(np.zeros(shape), np.ones(shape), cover)
    sheet = class_map_sheet(Finding("CA203", "note", "", "", {}, (), "0"), maps)
    layout = class_map_layout(sheet.shape[1], sheet.shape[0])
    own, others, _ = (
        sheet[layout.top : layout.top + layout.height, left : left + layout.width] for left in layout.lefts
    )
    for panel in (own, others):
        edges = np.concatenate([panel[0], panel[-1], panel[:, 0], panel[:, -1]])
        assert (edges == panel[0, 0]).all()
        assert (edges < 255).all()
    assert layout.width / layout.height == pytest.approx(shape[1] / shape[0], rel=0.02)
    assert (ring_of(sheet, layout, layout.lefts[1]) == 255).all()


def test_examples_show_the_image_and_the_map_over_it(tmp_path: Path) -> None:
    report = with_pictures(read_results(write_scan(tmp_path, canonical_report())))
    examples = report.pictures[REPEATED.fingerprint].examples
    assert [picture.example for picture in examples] == list(REPEATED.examples[:MAX_OF_FINDING])
    for picture in examples:
        image = decoded(picture.image)
        assert image.shape == (picture.height, picture.width, 3)
        assert picture.width / picture.height == pytest.approx(640 / 480, rel=0.02)
        assert np.abs(image.astype(int) - PAINT).max() <= 3, "the image alone, without the sheet's paper"
        assert picture.overlay
        overlay = decoded(picture.overlay).astype(int)
        red = overlay[..., 0] - overlay[..., 2]
        assert red[-10:, -10:].min() > 40 > 10 > red[:10, :10].max(), "the map peaks in the lower right"


def test_the_class_maps_are_embedded_where_there_are_any(tmp_path: Path) -> None:
    report = with_pictures(read_results(write_scan(tmp_path, canonical_report())))
    own, others, difference = map(decoded, report.pictures[REPEATED.fingerprint].maps)
    assert own.shape == others.shape == difference.shape
    # the region is the whole map, so its outline is the edge
    assert others[8:-8, 8:-8].max() < 10
    assert own[20, 20, 0] > 100
    assert report.pictures[BORDER.fingerprint].maps == ()


def test_counterfactuals_show_the_image_before_and_after_and_with_the_control(tmp_path: Path) -> None:
    report = with_pictures(read_results(write_scan(tmp_path, canonical_report())))
    shown = report.pictures[REPEATED.fingerprint].counterfactuals
    assert list(shown) == [file for each in REPEATED.counterfactuals for file in each.files]
    for each in REPEATED.counterfactuals:
        for file, paint in zip(each.files, TRIAL_PAINTS, strict=True):
            picture = decoded(shown[file])
            assert picture.shape == (*TRIAL_SIZE[::-1], 3)
            assert np.abs(picture.astype(int) - paint).max() <= 6
    assert report.pictures[BORDER.fingerprint].counterfactuals == {}


def test_a_picture_of_a_counterfactual_that_is_damaged_or_large_costs_no_other(tmp_path: Path) -> None:
    write_scan(tmp_path, canonical_report())
    torn, gone, large, *others = (file for each in REPEATED.counterfactuals for file in each.files)
    (tmp_path / torn).write_bytes(b"no picture")
    (tmp_path / gone).unlink()
    (tmp_path / large).write_bytes(encode(gradient(900, 600), "JPEG"))
    shown = with_pictures(read_results(tmp_path)).pictures[REPEATED.fingerprint].counterfactuals
    assert list(shown) == [large, *others]
    assert decoded(shown[large]).shape == (round(LONG_SIDE * 600 / 900), LONG_SIDE, 3)


def test_of_many_findings_each_has_the_first_of_its_counterfactuals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cam_audit.reports.pictures.MAX_COUNTERFACTUALS", 7)
    report = with_pictures(read_results(write_scan(tmp_path, canonical_report())))
    shown = report.pictures[REPEATED.fingerprint].counterfactuals
    assert list(shown) == [file for each in REPEATED.counterfactuals[:2] for file in each.files]
    assert "the first 2 images that were tried" in " ".join(rendered("html", report).split())


def test_sheets_are_known_for_the_overlays_that_are_there(tmp_path: Path) -> None:
    write_scan(tmp_path, canonical_report())
    (tmp_path / "overlays" / "dog" / "1.png.png").unlink()
    (tmp_path / "overlays" / "cat" / "1.png.png").write_bytes(b"no picture")
    sheets = with_pictures(read_results(tmp_path)).sheets
    assert "dog/1.png" not in sheets
    assert "cat/1.png" not in sheets
    assert len(sheets["cat/2.png"].lefts) == 3, "prediction and folder differ"
    assert {len(layout.lefts) for path, layout in sheets.items() if path.startswith(HOSTILE)} == {2}
    assert len(sheets) == len(NAMES) + 1
    assert sheets["cat/2.png"].width == OVERLAY_SIZE


def test_a_damaged_picture_leaves_out_only_itself(tmp_path: Path) -> None:
    write_scan(tmp_path, canonical_report())
    first, second = REPEATED.examples[:2]
    overlay = tmp_path / "overlays" / f"{first.path}.png"
    overlay.write_bytes(overlay.read_bytes()[:200])
    (tmp_path / REPEATED.maps_name).write_bytes(b"no picture")
    pictures = with_pictures(read_results(tmp_path)).pictures[REPEATED.fingerprint]
    assert pictures.maps == ()
    assert pictures.examples[0].example == second


def test_without_overlays_the_images_themselves_are_shown_if_they_are_still_there(tmp_path: Path) -> None:
    report = read_results(write_scan(tmp_path, canonical_report(), overlays=False))
    (tmp_path / "photos" / "cat").mkdir(parents=True)
    data = encode(gradient(900, 600))
    (tmp_path / "photos" / "cat" / "1.png").write_bytes(data)
    hashes = {"schema_version": 1, "sha256": {"cat/1.png": hashlib.sha256(data).hexdigest()}}
    (tmp_path / "photos.json").write_text(json.dumps(hashes))
    settings = {**report.run["settings"], "dataset": str(tmp_path / "photos")}
    shown = with_pictures(replace(report, run={**report.run, "settings": settings}))
    (picture,) = shown.pictures[BORDER.fingerprint].examples
    assert picture.overlay is None
    assert (picture.width, picture.height) == (LONG_SIDE, round(LONG_SIDE * 600 / 900))
    assert shown.pictures[FILES.fingerprint].examples == ()
    assert shown.sheets == {}


def test_a_folder_that_holds_only_results_has_no_pictures(tmp_path: Path) -> None:
    report = read_results(write_scan(tmp_path, canonical_report()))
    shutil.rmtree(tmp_path / "overlays")
    assert with_pictures(replace(report, run={})).sheets == {}


def test_of_very_many_images_the_telling_ones_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cam_audit.reports.pictures.MAX_LISTED", 30)
    plain = ImageRow(path="", label="cat", top=(("cat", 1.0),), label_score=1.0)
    images = tuple(replace(plain, path=f"cat/{n:03}.png", flags=("CA102",) if n % 40 == 3 else ()) for n in range(400))
    images += (ImageRow(path="cat/torn.png", label="cat", error="torn"),)
    finding = Finding("CA201", "error", "cat", "", {}, (Example("cat/200.png"), Example("cat/gone.png")), "f" * 32)
    whole = replace(canonical_report(), images=images, findings=(finding,), maps=frozenset())
    listed = with_pictures(whole).listed
    assert listed is not None
    paths = [row.path for row in listed]
    assert len(paths) == len(set(paths)) == 30
    assert paths == sorted(paths)
    assert {"cat/200.png", "cat/torn.png"} | {image.path for image in images if image.flags} <= set(paths)
    others = [int(path[4:7]) for path in paths if path[4:7].isdigit()]
    assert max(np.diff(others)) < 40
    page = rendered("html", with_pictures(whole))
    assert "30 of 401 are listed here" in page
    assert "cat/torn.png" in page
    assert f'"{images[1].path}"' not in page
    few = with_pictures(replace(whole, images=images[:30]))
    assert few.listed == images[:30]
    assert "are listed here" not in rendered("html", few)
