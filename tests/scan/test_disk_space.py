"""Before a scan starts, it says where its overlays would not fit on the disk."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from small_scans import scan

from cam_audit.errors import CamAuditError


@pytest.fixture
def folder(drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    work = Path(shutil.copytree(drawn, tmp_path / "work"))
    monkeypatch.chdir(work)
    return work


def taken_by_overlays(out: Path) -> int:
    return sum(file.stat().st_size for file in out.glob("overlays/**/*.png"))


def leave(free: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=free))


def test_overlays_that_do_not_fit_are_refused_before_anything_is_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = taken_by_overlays(folder / "undisturbed")
    leave(0.8 * taken, monkeypatch)
    with pytest.raises(
        CamAuditError, match=r"42 images will take about .* are free; --overlay-format jpeg .*--overlays flagged"
    ) as error:
        scan()
    assert str(error.value).count("\n") == 0
    assert not (folder / "out").exists()
    scan(overlays="flagged")
    shutil.rmtree(folder / "out")
    leave(1.2 * taken, monkeypatch)
    scan()
    assert taken_by_overlays(folder / "out") == taken


def test_overlays_that_are_there_take_nothing_more(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scan()
    leave(1, monkeypatch)
    scan(resume=False)
    (folder / "out" / "overlays").rename(folder / "away")
    with pytest.raises(CamAuditError, match="42 images"):
        scan(resume=False)


def test_where_no_image_can_be_read_the_scan_says_why(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for file in (folder / "photos").rglob("*.png"):
        file.write_bytes(b"no picture")
    leave(1, monkeypatch)
    scan()
    assert (folder / "out" / "results.csv").read_text().count("error") >= 42
