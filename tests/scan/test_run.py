"""What an audit writes, and the code that it ends with."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from data_sets import CLASSES, coloured, draw, frame, run, table
from pictures import GREEN, RED, encode

import cam_audit
from cam_audit.findings.codes import CODES, SEVERITIES
from cam_audit.findings.cues.features import image_features
from cam_audit.models.model import Model
from cam_audit.scan.audit_report import AuditReport
from cam_audit.scan.write_output import write_findings

pytestmark = pytest.mark.usefixtures("described_once")


def test_findings_and_flags_are_written_as_documented(stamped: Path, stamped_by_cheat: AuditReport) -> None:
    report, out = stamped_by_cheat, Path(stamped_by_cheat.folder)
    document = json.loads((out / "findings.json").read_text(encoding="utf-8"))
    assert document["schema_version"] == 1
    names = {row["path"] for row in table(out)}
    for finding in document["findings"]:
        keys = {"code", "severity", "class", "message", "evidence", "examples", "fingerprint", "counterfactuals"}
        assert set(finding) == keys
        assert finding["code"] in CODES
        assert finding["class"] in CLASSES
        assert finding["message"].isprintable()
        assert all(type(value) in (int, float) for value in finding["evidence"].values())
        assert 1 <= len(finding["examples"]) <= 12
        for example in finding["examples"]:
            assert set(example) == {"path", "box"}
            assert example["path"] in names
            left, top, right, bottom = example["box"] or (0, 0, 1, 1)
            assert 0 <= left < right <= 1
            assert 0 <= top < bottom <= 1
        assert re.fullmatch("[0-9a-f]{32}", finding["fingerprint"])
    severities = [SEVERITIES.index(finding["severity"]) for finding in document["findings"]]
    assert severities == sorted(severities, reverse=True)
    assert severities[0] == SEVERITIES.index("error")
    boxes = {finding["code"]: finding["examples"][0]["box"] for finding in document["findings"]}
    assert boxes["CA202"]
    flags = {row.path: row.flags for row in report.images}
    for row in table(out):
        assert row["flags"] == ";".join(flags[row["path"]])
        assert ("CA101" in row["flags"]) == (row["label"] == "ant")
    maps = {f"{f.code}-{f.fingerprint[:12]}.png" for f in report.findings if f.fingerprint in report.maps}
    assert maps == {path.name for path in (out / "maps").iterdir()}
    pictures = {path.relative_to(out).as_posix() for path in (out / "counterfactuals").rglob("*.jpg")}
    shown = [each for finding in document["findings"] for each in finding["counterfactuals"]]
    assert pictures == {each[kind]["picture"] for each in shown for kind in ("before", "edited", "control")} != set()
    for each in shown:
        assert set(each) == {"test", "path", "class", "before", "edited", "control"}
        assert each["path"] in names
    details = json.loads((out / "run.json").read_text(encoding="utf-8"))
    assert details["sampled"] == 72
    assert details["counterfactual_passes"] == report.run["counterfactual_passes"] > 0
    assert sum(details["findings"].values()) == len(report.findings)


@pytest.mark.parametrize("workers", [2, 4])
def test_any_number_of_workers_writes_the_same_bytes(
    stamped: Path,
    cheat: Model,
    stamped_by_cheat: AuditReport,
    tmp_path: Path,
    workers: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("cam_audit.findings.cues.features.image_features", image_features)
    run(stamped, cheat, tmp_path, workers=workers)
    alone = Path(stamped_by_cheat.folder)
    names = [
        path.relative_to(alone)
        for path in alone.rglob("*")
        if path.is_file() and path.name not in {"run.json", "report.html"}
    ]
    assert {"results.csv", "findings.json"} < {name.name for name in names}
    for name in names:
        assert (tmp_path / name).read_bytes() == (alone / name).read_bytes(), name


def shell(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    root = str(Path(cam_audit.__file__).parents[1])
    return subprocess.run(
        [sys.executable, "-m", "cam_audit", "scan", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_an_error_ends_in_code_1_and_flagged_images_alone_are_drawn(tmp_path: Path, cheat: Model) -> None:
    data, out = draw(tmp_path / "data", frame, (24, 6, 6)), tmp_path / "out"
    result = shell(data, "--model", cheat.path, "-o", out, "--overlays", "flagged")
    assert result.returncode == 1, result.stderr
    assert "error    CA203 ant: border or background predicts the class" in result.stdout
    rows = table(out)
    drawn = {path.relative_to(out).as_posix() for path in (out / "overlays").rglob("*.png")}
    assert [row["label"] == "ant" for row in rows] == [bool(row["flags"]) for row in rows]
    assert {row["overlay"] for row in rows if row["flags"]} == drawn
    assert len(drawn) == 24
    assert {row["overlay"] for row in rows if not row["flags"]} == {""}


def test_images_that_cannot_be_read_end_in_code_3_and_nothing_to_report_in_code_0(tmp_path: Path, nets: Path) -> None:
    data = coloured(tmp_path / "data", red=(RED, 2), green=(GREEN, 1))
    options = ("--model", nets / "colour.onnx", "-o", tmp_path / "out", "--fail-on", "warning")
    assert shell(data, *options).returncode == 0
    (data / "red" / "torn.png").write_bytes(b"torn")
    assert shell(data, *options).returncode == 3


def test_findings_go_before_unread_images_and_are_let_pass_on_demand(tmp_path: Path, nets: Path) -> None:
    data = coloured(tmp_path / "data", red=(RED, 24))
    (data / "red" / "torn.png").write_bytes(b"torn")
    (tmp_path / "masks" / "red").mkdir(parents=True)
    mask = np.zeros((32, 32, 3), np.uint8)
    mask[30:, 30:] = 255
    for index in range(24):
        (tmp_path / "masks" / "red" / f"{index:02}.png").write_bytes(
            encode(mask[::-1, ::-1] if index % 9 > 4 else mask)
        )
    options = (data, "--model", nets / "colour.onnx", "-o", tmp_path / "out", "--masks", tmp_path / "masks")
    for fail_on, code in (("error", 1), ("never", 3)):
        result = shell(*options, "--fail-on", fail_on)
        assert result.returncode == code, result.stderr
        assert "CA205 red" in result.stdout


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_another_scan_into_the_folder_takes_the_pictures_of_the_first_away(
    stamped_by_cheat: AuditReport, tmp_path: Path, model: Model
) -> None:
    out = Path(shutil.copytree(stamped_by_cheat.folder, tmp_path / "out"))
    assert len(files(out / "counterfactuals")) == 1 + 18 * len(stamped_by_cheat.findings)
    run(coloured(tmp_path / "data", red=(RED, 2), green=(GREEN, 1)), model, out, resume=False)
    assert [name for name in files(out) if name.startswith(("counterfactuals/", "maps/", "parts/"))] == []


def test_of_a_result_without_counterfactuals_none_stay(
    stamped_by_cheat: AuditReport, stamped: Path, tmp_path: Path
) -> None:
    """As where a scan goes on that was cut off, whose images have meanwhile become others."""
    out = Path(shutil.copytree(stamped_by_cheat.folder, tmp_path / "out"))
    before = files(out)
    report = stamped_by_cheat
    write_findings(out, report, report.class_maps, report.edited_images, report.part_maps, report.job, stamped)
    assert files(out) == before
    write_findings(out, dataclasses.replace(report, findings=(), parts=()), {}, {}, {}, report.job, stamped)
    assert [name for name in files(out) if name.startswith(("counterfactuals/", "maps/", "parts/"))] == []
