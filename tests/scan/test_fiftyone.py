"""`--output fiftyone=DIR`: by the layout that FiftyOne documents, and by its own importer where it is installed.

The importer of a data set without a version gives samples without a database, and is tried like that.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from commands import run
from PIL import Image

import cam_audit

SCAN = ("scan", "photos", "--net", "tiny", "--overlays", "none", "--fail-on", "never")


@pytest.fixture
def exported(folder: Path) -> Path:
    (folder / "photos" / "red" / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    run(folder, *SCAN, "--output", "fiftyone=fo", code=3)
    return folder


def test_every_image_is_a_sample_with_its_label_prediction_scores_and_flags(exported: Path) -> None:
    samples = json.loads((exported / "fo" / "samples.json").read_text())["samples"]
    with (exported / "cam-audit-out" / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(samples) == len(rows) == 7
    for sample, row in zip(samples, rows, strict=True):
        assert sample["filepath"] == str((exported / "photos" / row["path"]).resolve())
        assert Path(sample["filepath"]).is_file()
        assert sample["ground_truth"] == {"_cls": "Classification", "label": row["label"]}
        assert sample["flags"] == [code for code in row["flags"].split(";") if code]
        if row["status"] == "error":
            assert sample["error"] == row["error"]
            assert not {"predictions", "heatmap"} & sample.keys()
            continue
        confidence = float(row["top1_score"])
        assert sample["predictions"] == {
            "_cls": "Classification",
            "label": row["top1_class"],
            "confidence": confidence,
        }
        assert sample["cam_border_share"] == float(row["cam_border_share"])


def test_a_heatmap_is_the_positive_map_scaled_to_its_largest_value(exported: Path) -> None:
    model = cam_audit.load_model(exported / "onnx_models" / "tiny.onnx")
    drawn = 0
    for sample in json.loads((exported / "fo" / "samples.json").read_text())["samples"]:
        if "heatmap" not in sample:
            continue
        assert sample["heatmap"]["_cls"] == "Heatmap"
        heatmap = np.asarray(Image.open(sample["heatmap"]["map_path"]))
        assert heatmap.ndim == 2
        rgb = cv2.imread(sample["filepath"])[..., ::-1]
        prediction = model.run(model.fit(np.ascontiguousarray(rgb)))
        cam = model.cam(prediction, int(prediction.logits.argmax()))
        wanted = np.maximum(cam, 0) / cam.max() * 255
        np.testing.assert_allclose(heatmap, wanted, atol=0.51)
        drawn += 1
    assert drawn == 6


def test_the_data_set_knows_its_classes_and_findings(exported: Path) -> None:
    details = json.loads((exported / "fo" / "metadata.json").read_text())
    # with one, FiftyOne would take it for a dump of its data base
    assert "version" not in details
    assert details["media_type"] == "image"
    assert details["default_classes"] == ["red", "green", "blue", "other"]
    assert details["info"]["cam_audit"]["net"] == "tiny"


def test_it_takes_a_new_folder_and_a_net(exported: Path) -> None:
    result = run(exported, *SCAN, "--output", "fiftyone=photos", code=2)
    assert "photos is there already; fiftyone takes a folder that is new or empty" in result.stderr
    assert "mkdir -p gone" in run(exported, *SCAN, "--output", "fiftyone=gone/fo", code=2).stderr
    assert "can't go to stdout" in run(exported, *SCAN, "--output", "fiftyone=-", code=2).stderr
    (exported / "new").mkdir()
    message = run(exported, *SCAN, "--resume", "--output", "fiftyone=new", code=2).stderr
    assert "only a scan that runs the net can draw heatmaps; add --fresh" in message


def test_fiftyones_own_importer_reads_it(exported: Path) -> None:
    importers = pytest.importorskip("fiftyone.utils.data.importers", reason="fiftyone is not installed")
    importer = importers.LegacyFiftyOneDatasetImporter(str(exported / "fo"))
    assert importers.FiftyOneDatasetImporter(str(exported / "fo"))._is_legacy_format_data()
    with importer:
        samples = list(importer)
    assert len(samples) == 7
    assert samples[0].ground_truth.label == "blue"
    assert samples[0].predictions.confidence > 0.5
    assert samples[0].heatmap.map_path.endswith("heatmaps/blue/0.png.png")
