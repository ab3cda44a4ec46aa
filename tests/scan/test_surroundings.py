"""A scan of ants in meadows, from pictures to files: the finding, flags, counterfactuals, and the same again."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import run as run_command
from data_sets import patterns_unseen, table
from meadows import CELLS, LARGE, draw_meadows, meadow_net, red_net, share_of, size_of
from resume import differences
from tiny_net import CELL

from cam_audit.errors import CamAuditError
from cam_audit.findings.sample import Collected
from cam_audit.images.decode import read_image
from cam_audit.models.model import load_model
from cam_audit.records import ImageResult
from cam_audit.reports.output_folder import read_results
from cam_audit.scan.audit import audit
from cam_audit.scan.journal import Journal, Stamp

pytestmark = pytest.mark.usefixtures("described_once")

# Some images are sampled and not taken to parts, and some are not sampled: they are asked later, a pass each.
COUNTS, SAMPLED, APART = (32, 26, 26), 28, 24


def scan(folder: Path, out: str, *, resume: bool | None = None, **options: Any) -> Path:
    with pytest.MonkeyPatch.context() as patch, patterns_unseen():
        patch.chdir(folder)
        patch.setattr("cam_audit.findings.sample.MAX_SAMPLED_PER_CLASS", SAMPLED)
        patch.setattr("cam_audit.findings.sample.MAX_PART_IMAGES", APART)
        chosen = {"overlays": "none", "foreground": "red.onnx", "fail_on": "never", "workers": 1, **options}
        audit("photos", "meadow.onnx", out=out, resume=resume, **chosen)
    return folder / out


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos, both nets, and what a scan by one worker wrote to `alone`."""
    root = tmp_path_factory.mktemp("meadows")
    draw_meadows(root / "photos", COUNTS)
    meadow_net().write(root / "meadow.onnx")
    red_net().write(root / "red.onnx")
    scan(root, "alone")
    return root


def read(folder: Path, name: str) -> Any:
    return json.loads((folder / name).read_text(encoding="utf-8"))


def test_the_surroundings_are_a_finding_and_images_that_live_by_them_are_flagged(folder: Path) -> None:
    (finding,) = read(folder / "alone", "findings.json")["findings"]
    assert (finding["code"], finding["class"]) == ("CA207", "ant")
    assert finding["severity"] in ("warning", "error")
    # planted everywhere off the object, a meadow turns all; and nothing of the control's does
    evidence = finding["evidence"]
    assert (evidence["context_turned"], evidence["context_control_turned"]) == (evidence["context_targets"], 0)
    rows = table(folder / "alone")
    assert len(rows) == sum(COUNTS)
    for row in rows:
        is_large = row["path"].startswith("ant") and size_of(row["path"]) == LARGE
        assert row["flags"] == ("CA107" if is_large else ""), row["path"]
        if row["label"] == "ant":
            assert float(row["surroundings_share"]) == pytest.approx(share_of(size_of(row["path"])), abs=0.02)
    # other classes' images have no share around, or were not asked: 2 of each were not taken to parts
    others = [row["surroundings_share"] for row in rows if row["label"] != "ant"]
    assert {share: others.count(share) for share in others} == {"0.000000": 2 * APART, "": 2 * (COUNTS[1] - APART)}
    last = next(csv.reader((folder / "alone" / "results.csv").open(encoding="utf-8", newline="")))[-4:]
    assert last == ["surroundings_share", "split", "predicted", "even_share"]


def test_examples_are_boxed_in_their_meadows(folder: Path) -> None:
    (finding,) = read(folder / "alone", "findings.json")["findings"]
    assert len(finding["examples"]) == 12
    for example in finding["examples"]:
        left, top, right, bottom = (round(CELLS * edge) for edge in example["box"])
        assert min(right - left, bottom - top) >= 2
        rgb, _, _ = read_image(folder / "photos" / example["path"])
        cells = rgb[CELL * top : CELL * bottom, CELL * left : CELL * right]
        # no red of an object in it, and the net sees its cells
        assert (cells[..., 0] == cells[..., 1]).all()
        _, activations = meadow_net().forward(rgb)
        of_meadow = activations[-2:, top:bottom, left:right].sum(0)
        assert of_meadow.mean() > 0.7
        assert activations[:-2, top:bottom, left:right].max() < 0.1


def test_two_and_five_workers_write_the_same_bytes(folder: Path) -> None:
    for workers in (2, 5):
        out = scan(folder, f"by-{workers}", workers=workers)
        assert differences(out, folder / "alone") == ()
    # what is compared is there
    for name in ("counterfactuals/edits.json", "parts/ant/1.jpg", "results.csv"):
        assert (folder / "alone" / name).is_file()


@pytest.mark.parametrize("finished", [10, 75])
def test_a_scan_that_was_cut_off_goes_on_to_the_same_bytes(folder: Path, finished: int) -> None:
    add, added = Journal.add, list[str]()

    def add_some(journal: Journal, result: ImageResult, collected: Collected, stamp: Stamp) -> None:
        if len(added) == finished:
            raise CamAuditError("cut off")
        add(journal, result, collected, stamp)
        added.append(result.source.name)

    with pytest.MonkeyPatch.context() as patch, patterns_unseen():
        patch.setattr(Journal, "add", add_some)
        with pytest.raises(CamAuditError, match="cut off"):
            scan(folder, f"cut-{finished}")
    out = scan(folder, f"cut-{finished}", resume=True, workers=2)
    assert len(added) == finished
    assert differences(out, folder / "alone") == ()


def test_its_counterfactuals_are_made_again_and_the_net_says_of_them_what_it_said(folder: Path) -> None:
    run_command(folder, "challenge", "alone", "-o", "challenge")
    with (folder / "challenge" / "challenge.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    listed = read(folder / "alone", "counterfactuals/edits.json")
    assert {edit["name"] for edit in listed["edits"]} == {"texture"}
    assert {row["test"] for row in rows} == {"context", "context_taken"}
    assert len(rows) == 2 * sum(len(finding["counterfactuals"]) for finding in listed["findings"]) > 80
    model = load_model(folder / "meadow.onnx")
    for row in rows:
        rgb, _, _ = read_image(folder / "challenge" / row["file"])
        logits = model.run(rgb).logits
        assert model.class_names[int(logits.argmax())] == row["net_class"]
    planted = [row for row in rows if row["kind"] == "planted"]
    assert {row["net_class"] for row in planted} == {"ant"}
    assert {row["class"] for row in planted} == {"bee", "cow"}


def test_what_is_planted_leaves_the_object_as_it_was(folder: Path) -> None:
    run_command(folder, "challenge", "alone", "-o", "again")
    with (folder / "again" / "challenge.csv").open(encoding="utf-8", newline="") as file:
        planted = [row for row in csv.DictReader(file) if row["test"] == "context"]
    for row in planted:
        before, _, _ = read_image(folder / "photos" / row["source"])
        after, _, _ = read_image(folder / "again" / row["file"])
        is_object = before[..., 0] > before[..., 1]
        assert is_object.sum() == 9 * CELL**2
        rows, columns = np.nonzero(is_object)
        # the mask's edge is soft, so that what is a cell or more within the object is as it was
        inside = np.s_[rows.min() + CELL : rows.max() + 1 - CELL, columns.min() + CELL : columns.max() + 1 - CELL]
        np.testing.assert_array_equal(after[inside], before[inside])
        assert (after != before).any(axis=2).mean() > 0.8


def without_the_shares(out: Path) -> None:
    """Make results.csv what an earlier version wrote."""
    with (out / "results.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0][-4:] == ["surroundings_share", "split", "predicted", "even_share"]
    with (out / "results.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(row[:-4] for row in rows)


def test_the_folder_of_an_earlier_version_is_reported_and_compared(folder: Path, tmp_path: Path) -> None:
    out = scan(folder, "earlier")
    without_the_shares(out)
    back, now = read_results(out), read_results(folder / "alone")
    assert {row.surroundings_share for row in back.images} == {None}
    assert [(row.path, row.flags, row.overlay) for row in back.images] == [
        (row.path, row.flags, row.overlay) for row in now.images
    ]
    (out / "report.html").unlink()
    run_command(folder, "report", "earlier")
    assert "CA207" in (out / "report.html").read_text(encoding="utf-8")
    for pair in (("earlier", "alone"), ("alone", "earlier")):
        said = run_command(folder, "compare", *pair).stdout
        assert "CA207" in said
        assert "appeared" not in said
