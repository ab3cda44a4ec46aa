"""Annotated objects, and the flags that single images earn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from data_sets import Rgb, audited, colour_sources, coloured, flagged, run, table
from pictures import BLUE, GREEN, GREY, RED, encode, square

from cam_audit.findings.decision import order
from cam_audit.models.model import Model
from cam_audit.records import AuditResult
from cam_audit.scan.annotations import load_annotations


def masked(
    root: Path,
    model: Model,
    draw_mask: Callable[[Rgb, int], None],
    *,
    images: int = 24,
    picture: Rgb | None = None,
) -> AuditResult:
    """An audit of 24 red squares, or copies of a picture, the first `images` of which get a mask drawn into zeros."""
    coloured(root / "data", red=(RED, 24))
    (root / "masks" / "red").mkdir(parents=True)
    for path in (root / "data" / "red").iterdir() if picture is not None else ():
        path.write_bytes(encode(picture))
    for index, path in enumerate(sorted((root / "data" / "red").iterdir())[:images]):
        mask = np.zeros((32, 32, 3), np.uint8)
        draw_mask(mask, index)
        (root / "masks" / "red" / path.name).write_bytes(encode(mask))
    sources = colour_sources(root / "data", model)
    return audited(model, sources, annotations=load_annotations([s.name for s in sources], masks=root / "masks"))


def the_square(mask: Rgb, index: int) -> None:
    left, top = 8 * (index % 3), 8 * (index // 3 % 3)
    mask[top : top + 16, left : left + 16] = 255


def beside_the_square(mask: Rgb, index: int) -> None:
    """A stripe at the left or right, where the square does not reach."""
    mask[:, :8] = 255
    if index % 3 == 0:
        mask[:] = mask[:, ::-1].copy()


def most(mask: Rgb, index: int) -> None:
    mask[:, :24] = 255


def everything(mask: Rgb, index: int) -> None:
    mask[:] = 255


def test_evidence_on_the_object_is_nothing_to_report(tmp_path: Path, model: Model) -> None:
    for name, draw_mask in (("square", the_square), ("all", everything)):
        report = masked(tmp_path / name, model, draw_mask)
        assert (report.findings, report.flags) == ((), {})


def test_evidence_beside_the_object_is_an_error_where_the_class_wins_without_it(tmp_path: Path, model: Model) -> None:
    report = masked(tmp_path, model, beside_the_square)
    (finding,) = report.findings
    assert (finding.code, finding.severity, finding.label) == ("CA205", "error", "red")
    assert finding.evidence["inside_share"] == 0
    assert finding.evidence["inside_area"] == 0.25
    assert finding.evidence["wins_without"] == 1
    assert report.flags == {f"red/{index:02}.png": ("CA103",) for index in range(24)}


def test_evidence_beside_the_object_is_a_warning_where_the_class_loses_without_it(tmp_path: Path, model: Model) -> None:
    rgb = np.full((32, 32, 3), GREY, np.uint8)
    rgb[:16, :8] = rgb[:16, 28:] = RED  # of three cells of red, two are in the mask and one alone does not win
    report = masked(tmp_path, model, most, picture=rgb)
    (finding,) = [finding for finding in report.findings if finding.code == "CA205"]
    assert finding.severity == "warning"
    assert finding.evidence["inside_share"] == pytest.approx(2 / 3, abs=1e-5)
    assert (finding.evidence["inside_area"], finding.evidence["wins_without"]) == (0.75, 0)


@pytest.mark.parametrize(("images", "severities"), [(11, []), (23, ["note"])])
def test_few_annotated_images_are_flagged_and_prove_nothing(
    tmp_path: Path, model: Model, images: int, severities: list[str]
) -> None:
    report = masked(tmp_path, model, beside_the_square, images=images)
    assert [finding.severity for finding in report.findings] == severities
    assert len(flagged(report, "CA103")) == images


def test_the_gravest_finding_comes_first(tmp_path: Path, model: Model) -> None:
    coloured(tmp_path / "data", blue=(BLUE, 24), green=(GREEN, 12), red=(RED, 24))
    for path in sorted((tmp_path / "data").glob("*/*.png")):
        mask = np.zeros((32, 32, 3), np.uint8)
        beside_the_square(mask, int(path.stem))
        file = tmp_path / "masks" / path.relative_to(tmp_path / "data")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(encode(mask))
    sources = colour_sources(tmp_path / "data", model)
    report = audited(model, sources, annotations=load_annotations([s.name for s in sources], masks=tmp_path / "masks"))
    assert list(report.findings) == sorted(report.findings, key=order)
    outside = [(finding.label, finding.severity) for finding in report.findings if finding.code == "CA205"]
    assert outside == [("blue", "error"), ("red", "error"), ("green", "note")]


def test_shares_inside_the_object_are_in_the_table_where_there_is_one(tmp_path: Path, model: Model) -> None:
    coloured(tmp_path / "data", red=(RED, 3))
    (tmp_path / "masks" / "red").mkdir(parents=True)
    mask = np.zeros((32, 32, 3), np.uint8)
    mask[:, :8] = 1  # half of the square at the left
    (tmp_path / "masks" / "red" / "00.png").write_bytes(encode(mask))
    (tmp_path / "masks" / "red" / "02.png").write_bytes(encode(0 * mask))
    run(tmp_path / "data", model, tmp_path / "out", masks=tmp_path / "masks")
    shares = [(row["inside_share"], row["inside_area"]) for row in table(tmp_path / "out")]
    assert shares == [("0.500000", "0.250000"), ("", ""), ("", "")]


def test_an_annotated_folder_without_classes_is_judged_as_one(tmp_path: Path, model: Model) -> None:
    coloured(tmp_path, data=(RED, 24), masks=(RED, 0))
    mask = np.zeros((32, 32, 3), np.uint8)
    mask[:, 30:] = 255
    for path in (tmp_path / "data").iterdir():
        (tmp_path / "masks" / path.name).write_bytes(encode(mask))
    sources = colour_sources(tmp_path / "data", model)
    report = audited(model, sources, annotations=load_annotations([s.name for s in sources], masks=tmp_path / "masks"))
    (finding,) = report.findings
    assert (finding.code, finding.label) == ("CA205", "")
    assert finding.message.startswith("the data set has 0% of its positive map inside")


def test_a_wrong_prediction_is_flagged_and_both_maps_are_compared(tmp_path: Path, model: Model) -> None:
    coloured(tmp_path, red=(GREEN, 1))
    rgb = square(RED, 0, 0)
    rgb[16:, 16:] = GREEN
    rgb[0, :] = GREY
    (tmp_path / "red" / "01.png").write_bytes(encode(rgb))
    report = audited(model, colour_sources(tmp_path, model))
    assert report.flags == {"red/00.png": ("CA104",), "red/01.png": ("CA104",)}
    one_map_is_flat, both = report.confused
    assert (both.path, both.label, both.predicted) == ("red/01.png", "red", "green")
    assert (one_map_is_flat.disagreement.correlation, both.disagreement.correlation) == (
        None,
        pytest.approx(-1 / 3, abs=0.01),
    )
    assert both.disagreement.predicted_peak == (0.625, 0.625)
    assert both.disagreement.label_peak == (0.125, 0.375)


def test_an_image_without_evidence_is_flagged(tmp_path: Path, model: Model) -> None:
    coloured(tmp_path, other=(GREY, 1), red=(RED, 1))
    assert audited(model, colour_sources(tmp_path, model)).flags == {"other/00.png": ("CA105",)}
