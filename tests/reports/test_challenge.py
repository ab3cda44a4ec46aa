"""The counterfactual pictures of a scan as a data set, as a user meets it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from commands import run

from cam_audit.images.decode import read_image
from cam_audit.models.model import load_model, softmax
from cam_audit.reports.challenge import COLUMNS


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "challenge.csv").open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        assert tuple(rows.fieldnames or ()) == COLUMNS
        return list(rows)


def test_every_counterfactual_of_the_scan_is_a_picture_in_the_folder_of_its_true_class(scanned: Path) -> None:
    result = run(scanned, "challenge", "cam-audit-out", "-o", "challenge")
    rows = table(scanned / "challenge")
    listed = json.loads((scanned / "cam-audit-out" / "counterfactuals" / "edits.json").read_text())["findings"]
    assert len(rows) == 2 * sum(len(finding["counterfactuals"]) for finding in listed) > 100
    assert result.stdout == f"challenge: {len(rows)} pictures\n"
    pictures = {str(path.relative_to(scanned / "challenge")) for path in (scanned / "challenge").rglob("*.png")}
    assert pictures == {row["file"] for row in rows}
    for row in rows:
        assert row["file"].split("/")[0] == row["class"] == row["source"].split("/")[0]
    kinds = {(row["kind"], row["class"] == row["cue_class"]) for row in rows}
    assert kinds == {("planted", False), ("taken-away", True), ("control", False), ("control", True)}
    assert "scan" in (scanned / "challenge" / "README.md").read_text()
    assert list(scanned.glob(".challenge*")) == []


def test_the_audited_net_says_of_the_pictures_what_the_table_has(scanned: Path) -> None:
    run(scanned, "challenge", "cam-audit-out", "-o", "challenge")
    model = load_model(scanned / "onnx_models" / "tiny.onnx")
    for row in table(scanned / "challenge"):
        rgb, _, _ = read_image(scanned / "challenge" / row["file"])
        scores = softmax(model.run(rgb).logits)
        assert row["net_class"] == model.class_names[int(scores.argmax())]
        np.testing.assert_allclose(float(row["net_score"]), scores.max(), atol=1e-5)
        cue_class = model.class_names.index(row["cue_class"])
        np.testing.assert_allclose(float(row["net_cue_class_score"]), scores[cue_class], atol=1e-5)


def test_a_scan_of_the_challenge_counts_how_often_a_net_is_fooled(scanned: Path) -> None:
    run(scanned, "challenge", "cam-audit-out", "-o", "challenge")
    rows = table(scanned / "challenge")
    right = sum(row["net_class"] == row["class"] for row in rows)
    result = run(scanned, "scan", "challenge", "--net", "tiny", "-o", "again", "--fail-on", "never")
    assert f"prediction = folder in {right} of {len(rows)} " in result.stdout
    assert right < len(rows)


def test_a_folder_that_is_not_empty_is_left_alone(scanned: Path) -> None:
    (scanned / "mine").mkdir()
    (scanned / "mine" / "note.txt").write_text("mine")
    result = run(scanned, "challenge", "cam-audit-out", "-o", "mine", code=2)
    assert result.stderr == "cam-audit: mine: is there already; name a new folder, or remove it\n"
    assert [path.name for path in (scanned / "mine").iterdir()] == ["note.txt"]
    (scanned / "empty").mkdir()
    run(scanned, "challenge", "cam-audit-out", "-o", "empty")


def test_photos_that_have_gone_are_told(scanned: Path) -> None:
    (scanned / "photos" / "blue" / "000.png").unlink()
    result = run(scanned, "challenge", "cam-audit-out", "-o", "challenge", code=3)
    assert "note: photos are missing or damaged: the pictures of " in result.stderr
    rows = table(scanned / "challenge")
    assert rows
    assert "blue/000.png" not in {name for row in rows for name in (row["source"], row["donor"])}
    (scanned / "photos").rename(scanned / "elsewhere")
    result = run(scanned, "challenge", "cam-audit-out", "-o", "other", code=2)
    assert "photos: the photos that the pictures are made of can't be read any more" in result.stderr
    assert not (scanned / "other").exists()


@pytest.mark.parametrize("content", ["{}", "nothing", '{"edits": [], "findings": [{}], "needed": 1}'])
def test_a_damaged_list_of_edits_is_refused(scanned: Path, content: str) -> None:
    (scanned / "cam-audit-out" / "counterfactuals" / "edits.json").write_text(content)
    result = run(scanned, "challenge", "cam-audit-out", "-o", "challenge", code=2)
    assert "edits.json: damaged: " in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_scan_without_counterfactuals_has_no_challenge(scanned: Path) -> None:
    (scanned / "cam-audit-out" / "counterfactuals" / "edits.json").unlink()
    result = run(scanned, "challenge", "cam-audit-out", "-o", "challenge", code=2)
    assert "this scan planted no cue and took none away" in result.stderr
