"""What a snapshot holds of the view that it was taken of."""

from __future__ import annotations

import resource
from datetime import datetime, tzinfo
from pathlib import Path

import numpy as np
import pytest
from live_views import holds, looked_at
from pictures import RED, seen_by_pillow, square

from cam_audit.cli import snapshots
from cam_audit.cli.snapshots import Snapshots
from cam_audit.errors import CamAuditError
from cam_audit.live.view import View
from cam_audit.models.model import Model
from cam_audit.overlay import cam_overlay
from cam_audit.reports.output_folder import read_results


def test_the_overlay_shows_the_chosen_class_and_the_compared_one(model: Model, tmp_path: Path) -> None:
    picture = square(RED, 64, 32, 96, width=320, height=240)
    seen = looked_at(model, picture)
    red, second = np.argsort(-seen.prediction.logits, kind="stable")[:2].tolist()
    folder = Snapshots(tmp_path, model, {})
    paths = [folder.save(seen, view) for view in (View(), View(rank=1), View(rank=1, compare=red))]
    rows = read_results(tmp_path).images
    assert [row.path for row in rows] == [path.name for path in paths]
    assert [row.cam_class for row in rows] == [model.class_names[k] for k in (red, second, second)]
    for row, classes in zip(rows, ([red], [second], [second, red]), strict=True):
        sheet = seen_by_pillow((tmp_path / row.overlay).read_bytes())
        for index in (red, second):
            assert holds(sheet, cam_overlay(picture, model.cam(seen.prediction, index))) == (index in classes)


def test_snapshots_of_the_same_moment_have_names_of_their_own(model: Model, tmp_path: Path) -> None:
    seen = looked_at(model, square(RED, 0, 0))
    folder = Snapshots(tmp_path, model, {})
    paths = [folder.save(seen, View()) for _ in range(20)]
    assert len(set(paths)) == 20
    assert paths == sorted(paths)


def test_a_clock_that_is_set_back_by_years_keeps_nobody_waiting(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Clock(datetime):
        year_now = 2030

        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return datetime(cls.year_now, 1, 1, tzinfo=tz)

    monkeypatch.setattr(snapshots, "datetime", Clock)
    folder = Snapshots(tmp_path, model, {})
    seen = looked_at(model, square(RED, 0, 0))
    paths = [folder.save(seen, View())]
    monkeypatch.setattr(Clock, "year_now", 1970)
    paths += [folder.save(seen, View()) for _ in range(3)]
    assert len(set(paths)) == 4
    assert paths == sorted(paths)


def test_a_row_for_which_there_is_no_room_leaves_no_part_of_it(tmp_path: Path) -> None:
    table = tmp_path / "results.csv"
    table.write_text("path\na.png\n")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (table.stat().st_size + 3, before[1]))
    try:
        with pytest.raises(CamAuditError, match=f"cannot write {table}: File too large"):
            snapshots._append(tmp_path, "b.png\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert table.read_text() == "path\na.png\n"
