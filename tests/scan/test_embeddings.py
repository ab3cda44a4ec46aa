"""Embeddings and Parquet: what other programs read of a scan."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from commands import run
from tiny_net import colour_net

import cam_audit
from cam_audit.errors import CamAuditError
from cam_audit.reports import results_csv

SCAN = ("scan", "photos", "--net", "tiny", "--overlays", "none", "--fail-on", "never")


def test_by_the_last_layer_an_embedding_gives_the_scores_of_the_scan(folder: Path) -> None:
    (folder / "photos" / "red" / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    run(folder, *SCAN, "--embeddings", "e.npz", code=3)
    with np.load(folder / "e.npz") as file:
        embeddings, paths, labels = file["embeddings"], file["paths"], file["labels"]
    with (folder / "cam-audit-out" / "results.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    assert paths.tolist() == [row["path"] for row in rows]
    assert labels.tolist() == [row["label"] for row in rows]
    net = colour_net()
    for embedding, row in zip(embeddings, rows, strict=True):
        if row["status"] == "error":
            assert np.isnan(embedding).all()
            continue
        logits = net.linear @ embedding + net.bias
        powers = np.exp(logits - logits.max())
        assert float(row["top1_score"]) == pytest.approx((powers / powers.sum()).max(), abs=1e-5)


def test_it_is_the_same_to_the_byte_for_any_number_of_workers_and_from_python(folder: Path) -> None:
    for workers in ("1", "3"):
        run(folder, *SCAN, "--embeddings", f"{workers}.npz", "--workers", workers)
    cam_audit.audit(folder / "photos", folder / "onnx_models" / "tiny.onnx", embeddings=folder / "python.npz")
    first, *others = ((folder / f"{name}.npz").read_bytes() for name in ("1", "3", "python"))
    assert others == [first, first]


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("e.csv", "--embeddings: e.csv ends neither in .npz nor in .parquet"),
        ("gone/e.npz", "--embeddings: there is no folder gone; make it with `mkdir -p gone`"),
        ("photos", "--embeddings: photos is a folder; name a file in it"),
    ],
)
def test_a_wrong_place_is_refused_before_anything_is_scanned(folder: Path, file: str, message: str) -> None:
    result = run(folder, *SCAN, "--embeddings", file, code=2)
    assert result.stderr == f"cam-audit: {message}\n"
    assert not (folder / "cam-audit-out").exists()


def test_a_finished_scan_has_no_embeddings_to_write(folder: Path) -> None:
    run(folder, *SCAN)
    message = run(folder, *SCAN, "--resume", "--embeddings", "e.npz", code=2).stderr
    assert "only a scan that runs the net can write embeddings; add --fresh" in message


def test_parquet_has_the_same_embeddings(folder: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed: pip install pyarrow")
    run(folder, *SCAN, "--embeddings", "e.npz")
    run(folder, *SCAN, "--embeddings", "e.parquet")
    table = parquet.read_table(folder / "e.parquet")
    with np.load(folder / "e.npz") as file:
        assert table["path"].to_pylist() == file["paths"].tolist()
        assert table["label"].to_pylist() == file["labels"].tolist()
        np.testing.assert_array_equal(np.array(table["embedding"].to_pylist(), np.float32), file["embeddings"])


def test_parquet_has_the_rows_of_the_table_with_their_types_and_the_findings(scanned: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed: pip install pyarrow")
    run(scanned, "report", "cam-audit-out", "--output", "parquet=a.parquet", "-q")
    table = parquet.read_table(scanned / "a.parquet")
    assert table.schema.names == results_csv.COLUMNS
    with (scanned / "cam-audit-out" / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert table["path"].to_pylist() == [row["path"] for row in rows]
    assert table["flags"].to_pylist() == [[code for code in row["flags"].split(";") if code] for row in rows]
    assert table["top1_score"].to_pylist() == [float(row["top1_score"]) for row in rows]
    assert table["width"].to_pylist() == [int(row["width"]) for row in rows]
    document = json.loads(table.schema.metadata[b"cam_audit.findings"])
    found = json.loads((scanned / "cam-audit-out" / "findings.json").read_text())["findings"]
    assert [finding["code"] for finding in document["findings"]] == [finding["code"] for finding in found]
    assert run(scanned, "report", "cam-audit-out", "--output", "parquet=-", code=2).stderr.startswith(
        "cam-audit: Invalid value for '--output': parquet is no text, so it can't go to stdout: parquet=FILE"
    )


def test_without_pyarrow_the_error_names_the_command(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(CamAuditError, match=r"pip install 'cam-audit\[parquet\]'"):
        cam_audit.audit(folder / "photos", folder / "onnx_models" / "tiny.onnx", embeddings=folder / "e.parquet")
