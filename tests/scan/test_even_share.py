"""How much of a score no cell of the map accounts for stands in results.csv and is said, if the map is per image."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from pictures import encode
from plain_nets import CHANNELS, CLASSES, Net, adapted, flat_pool, picture, plain

import cam_audit
from cam_audit.scan.audit import audit


@pytest.mark.parametrize("kind", ["per-image", "exact"])
def test_the_share_is_written_for_each_image_and_the_median_is_said(tmp_path: Path, kind: str) -> None:
    """The head adds 3 to the first class before its ReLU; the closed form has what the cells add."""
    bias = np.r_[3.0, np.zeros(CLASSES - 1)]

    def head(net: Net, tensor: str) -> str:
        first = net.const(np.eye(CHANNELS)[:CLASSES])
        hidden = net.op("Gemm", flat_pool(net, tensor), first, net.const(bias), transB=1)
        return net.op("Relu", hidden) if kind == "per-image" else hidden

    def with_layer(net: Net, tensor: str) -> str:
        return net.op("MatMul", head(net, tensor), net.const(np.eye(CLASSES)))

    _, model = adapted(plain(with_layer), tmp_path)
    assert model.map_kind == kind
    (tmp_path / "photos").mkdir()
    for seed in range(3):
        (tmp_path / "photos" / f"{seed}.png").write_bytes(encode(picture(seed=seed)))
    report = audit(tmp_path / "photos", model, out=tmp_path / "scanned", target="0", fail_on="never")
    with (tmp_path / "scanned" / "results.csv").open(encoding="utf-8") as file:
        shares = [row["even_share"] for row in csv.DictReader(file)]
    notes = [note for note in report.notes if "made for each image" in note]
    if kind == "exact":
        assert (shares, notes) == ([""] * 3, [])
        return
    expected = []
    for seed in range(3):
        cells = cam_audit.load_model(model.path).run(picture(seed=seed)).activations
        # the linear layer is the identity, so the first channel is the map of the first class, with the bias in it
        expected.append(3 / (3 + np.abs(cells[0] - 3).mean()))
    np.testing.assert_allclose([float(share) for share in shares], expected, atol=1e-5)
    assert f"make up {np.median(expected):.0%} of the score" in notes[0]
    assert notes[0].endswith("so the maps say little about these scores") == (np.median(expected) >= 0.5)
