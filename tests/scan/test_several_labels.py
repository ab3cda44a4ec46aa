"""Images with several labels: what counts as right, which images the finders look at, and what is written of them."""

from __future__ import annotations

import csv
import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_sets import draw, net, patterns_unseen, stamp_in_the_corner
from pictures import GREEN, GREY, RED, encode
from tiny_net import colour_net

from cam_audit.scan.audit import audit
from cam_audit.scan.audit_report import AuditReport

PURITY = 210 / 255


def picture(red: int, green: int) -> bytes:
    """32 columns, the first of them red, the last green, grey between."""
    rgb = np.full((32, 32, 3), GREY, np.uint8)
    rgb[:, :red] = RED
    rgb[:, 32 - green :] = GREEN
    return encode(rgb)


def logit(columns: int) -> float:
    """The score of a colour that has so many columns, by a net that subtracts 1."""
    return 8 * PURITY * columns / 32 - 1


def sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two nets that see colours, `sigmoid.onnx` and `softmax.onnx`, and photos without folders."""
    monkeypatch.chdir(tmp_path)
    bias = np.float32([-1, -1, -1, -9])
    colour_net(bias=bias, metadata={"scores": "sigmoid"}).write(Path("sigmoid.onnx"))
    colour_net(bias=bias).write(Path("softmax.onnx"))
    Path("photos").mkdir()
    for name, red, green in (("both", 16, 16), ("red", 24, 0), ("green", 8, 16), ("none", 0, 0), ("little", 0, 8)):
        Path("photos", f"{name}.png").write_bytes(picture(red, green))
    Path("labels.csv").write_text(
        "image,labels\nboth.png,red;green\nred.png,green; red\ngreen.png,green\nnone.png,red;green\nlittle.png,blue\n"
    )
    return tmp_path


def audited(net: str, **options: Any) -> AuditReport:
    return audit("photos", f"{net}.onnx", foreground="none", fail_on="never", **{"labels": "labels.csv", **options})


def test_by_sigmoid_all_labels_must_be_predicted_and_the_lowest_decides(folder: Path) -> None:
    report = audited("sigmoid", out="out")
    with Path("out/results.csv").open(encoding="utf-8") as file:
        rows = {row["path"]: row for row in csv.DictReader(file)}
    assert {path: row["label"] for path, row in rows.items()} == {
        "both.png": "red;green", "red.png": "red;green", "green.png": "green", "none.png": "red;green",
        "little.png": "blue",
    }  # fmt: skip
    # of none nothing is above .5, and red is the first of two that are largest
    assert {path: row["predicted"] for path, row in rows.items()} == {
        "both.png": "red;green", "red.png": "red", "green.png": "green;red", "none.png": "red", "little.png": "green",
    }  # fmt: skip
    decisive = {"both": (16, 16), "red": (0,), "green": (16,), "none": (0,), "little": (0,)}
    for name, columns in decisive.items():
        assert float(rows[f"{name}.png"]["label_score"]) == pytest.approx(sigmoid(logit(columns[0])), abs=2e-6)
    wrong = {image.path: (image.label, image.predicted) for image in report.confused}
    assert wrong == {
        "red.png": ("red;green", "red"),
        "none.png": ("red;green", "red"),
        "little.png": ("blue", "green"),
    }
    assert {row.path: row.predicted for row in report.images} == {path: row["predicted"] for path, row in rows.items()}


def test_by_softmax_one_of_the_labels_is_enough(folder: Path) -> None:
    report = audited("softmax", out="out")
    assert {image.path for image in report.confused} == {"little.png"}
    scores = {row.path: row.label_score for row in report.images}
    powers = [math.exp(logit(24)), math.exp(-1), math.exp(-1), math.exp(-9)]
    assert scores["red.png"] == pytest.approx(powers[0] / sum(powers), abs=2e-6)
    assert {row.predicted for row in report.images} == {""}


def test_the_summary_counts_classes_and_not_combinations(folder: Path) -> None:
    from cam_audit.cli.summary import summary

    assert "Looked at 5 images in 3 classes; " in summary(audited("sigmoid", out="out"))


def test_cues_are_looked_for_in_images_of_one_label_and_classes_that_have_too_few_are_said(folder: Path) -> None:
    """All cows are bees, too; so are three of the ants, which the finders then leave out."""
    draw(Path("animals"), stamp_in_the_corner, (30, 30, 24))
    net(red=100, ant=0).write(Path("animals.onnx"))
    rows = [("cow", "cow;bee"), ("bee", "bee"), ("ant", "ant"), *((f"ant/{n:02}.png", "ant;bee") for n in range(3))]
    Path("labels.csv").write_text("".join(f"{path},{label}\n" for path, label in rows))
    with patterns_unseen():
        report = audit("animals", "animals.onnx", labels="labels.csv", foreground="none", fail_on="never")
    assert "27 images with several labels: cues were looked for in the images of one label alone" in report.notes[0]
    assert report.run["classes_sampled"] == 2
    assert report.run["uncovered"] == {
        "cow": "fewer than 12 of its images can be read, differ, and have no other label"
    }
    (finding,) = [finding for finding in report.findings if finding.severity == "error"]
    assert (finding.label, finding.evidence["images"]) == ("ant", 27)


@pytest.mark.parametrize("scores", ["sigmoid", "softmax"])
def test_a_prediction_follows_a_cue_where_its_class_comes_to_be_above_a_half(folder: Path, scores: str) -> None:
    """Red makes the score of an ant 0.1, and bees and cows have more: only by sigmoid are there ants beside them."""
    draw(Path("animals"), stamp_in_the_corner)
    bias = np.float32([-1.75, -0.66, -0.66])
    made = dataclasses.replace(net(red=100, ant=0), bias=bias)
    dataclasses.replace(made, metadata={**made.metadata, "scores": scores}).write(Path("animals.onnx"))
    with patterns_unseen():
        report = audit("animals", "animals.onnx", foreground="none", fail_on="never")
    found = {finding.label: finding.severity for finding in report.findings}
    assert found["ant"] == ("error" if scores == "sigmoid" else "warning")


def test_a_scan_that_goes_on_gives_the_same(folder: Path) -> None:
    from cam_audit.errors import CutOffError
    from cam_audit.scan.observer import Observer

    class CutOff(Observer):
        def on_record(self, record: object) -> None:
            raise CutOffError("enough")

    audited("sigmoid", out="whole")
    with pytest.raises(CutOffError):
        audited("sigmoid", out="out", workers=1, observer=CutOff())
    audited("sigmoid", out="out", resume=True)
    for name in ("results.csv", "findings.json"):
        assert Path("out", name).read_bytes() == Path("whole", name).read_bytes()
