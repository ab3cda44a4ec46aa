"""Overlays in another format and in other colours, from a scan to its report."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
from pictures import seen_by_pillow
from small_scans import cut_off_scan, scan

from cam_audit.cli.scan import scan as scan_command
from cam_audit.errors import CamAuditError
from cam_audit.overlay import COLORMAPS
from cam_audit.reports.output_folder import OVERLAY_FORMATS, read_results
from cam_audit.reports.pictures import with_pictures


@pytest.fixture
def folder(drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    work = Path(shutil.copytree(drawn, tmp_path / "work"))
    monkeypatch.chdir(work)
    return work


def overlays(out: Path) -> dict[str, bytes]:
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in sorted((out / "overlays").rglob("*.*"))}


def test_jpeg_overlays_look_like_the_png_ones_and_the_report_finds_their_pictures(folder: Path) -> None:
    scan(out="out", overlay_format="jpeg")
    drawn, plain = overlays(folder / "out"), overlays(folder / "undisturbed")
    assert list(drawn) == [name.removesuffix("png") + "jpg" for name in plain]
    with open(folder / "out" / "results.csv", encoding="utf-8", newline="") as table:
        assert [row["overlay"] for row in csv.DictReader(table)] == list(drawn)
    for jpeg, png in zip(drawn.values(), plain.values(), strict=True):
        off = np.abs(seen_by_pillow(jpeg).astype(int) - seen_by_pillow(png))
        assert off.mean() < 3
    of_jpeg, of_png = (with_pictures(read_results(folder / name)) for name in ("out", "undisturbed"))
    assert of_jpeg.sheets == of_png.sheets
    assert len(of_jpeg.sheets) == len(drawn)


def test_a_scan_with_jpeg_overlays_goes_on_where_it_was_cut_off(folder: Path) -> None:
    scan(out="whole", overlay_format="jpeg")
    cut_off_scan(overlay_format="jpeg")
    first, second = sorted((folder / "out" / "overlays").rglob("*.jpg"))[:2]
    first.write_bytes(first.read_bytes()[:-100])
    before = second.stat().st_mtime_ns
    scan(True, overlay_format="jpeg")
    assert overlays(folder / "out") == overlays(folder / "whole")
    assert second.stat().st_mtime_ns == before, "what was whole is not drawn again"


def test_another_colour_map_changes_the_overlays_and_nothing_else(folder: Path) -> None:
    scan(out="out", colormap="cividis")
    changed, plain = overlays(folder / "out"), overlays(folder / "undisturbed")
    assert list(changed) == list(plain)
    assert all(changed[name] != plain[name] for name in plain)
    for name in ("results.csv", "findings.json"):
        assert (folder / "out" / name).read_bytes() == (folder / "undisturbed" / name).read_bytes()


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"overlay_format": "gif"}, "overlay_format can't be 'gif'; it is one of png, jpeg"),
        ({"colormap": "grey"}, "colormap can't be 'grey'; it is one of jet, inferno, magma, plasma, viridis, cividis"),
    ],
)
def test_what_there_is_not_is_refused_with_what_there_is(folder: Path, option: dict[str, str], message: str) -> None:
    with pytest.raises(CamAuditError) as caught:
        scan(out="out", **option)
    assert str(caught.value) == message


def test_the_command_offers_what_there_is() -> None:
    choices = {option.name: getattr(option.type, "choices", None) for option in scan_command.params}
    assert tuple(choices["colormap"]) == tuple(COLORMAPS)
    assert tuple(choices["overlay_format"]) == tuple(OVERLAY_FORMATS)
