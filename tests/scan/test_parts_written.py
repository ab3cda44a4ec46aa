"""A scan takes classes to parts, writes their sheets, and asks a foreground net where they lie."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from commands import run as run_command
from data_sets import CLASSES, coloured, draw, net, no_place, run, stamp_in_the_corner
from pictures import GREEN, RED, seen_by_pillow
from tiny_net import TinyNet, colour_net, random_net

import cam_audit
from cam_audit.cli.baseline import judgement
from cam_audit.cli.process.exits import Exit, exit_of
from cam_audit.errors import CamAuditError
from cam_audit.models import efficientnet
from cam_audit.models.model import Model, load_model
from cam_audit.reports.baseline import baseline_of, judge
from cam_audit.reports.output_folder import read_results
from cam_audit.reports.part_maps import read_part_maps
from cam_audit.reports.review import Review
from cam_audit.scan.audit_report import AuditReport
from cam_audit.scan.run import foreground_net

pytestmark = pytest.mark.usefixtures("described_once")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw(tmp_path_factory.mktemp("pictures"), stamp_in_the_corner, (14, 13, 12))


@pytest.fixture(scope="module")
def scanned(pictures: Path, cheat: Model, tmp_path_factory: pytest.TempPathFactory) -> AuditReport:
    return run(pictures, cheat, tmp_path_factory.mktemp("scanned"), foreground="none", workers=1)


def sheets(out: Path) -> dict[str, bytes]:
    files = [path for path in (out / "parts").rglob("*.*") if path.is_file()]
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in files}


def test_each_part_has_a_sheet_that_findings_json_names(scanned: AuditReport) -> None:
    out = Path(scanned.folder)
    parts = json.loads((out / "findings.json").read_text(encoding="utf-8"))["parts"]
    assert {"parts/maps.json", *(part["sheet"] for part in parts)} == sheets(out).keys()
    assert {part["class"] for part in parts} == set(CLASSES)
    counts = {"ant": 14, "bee": 13, "cow": 12}
    for part in parts:
        assert part["sheet"] == f"parts/{part['class']}/{part['number']}.jpg"
        assert (part["looked_at"], part["where"]) == (counts[part["class"]], "unknown")
        picture = seen_by_pillow(sheets(out)[part["sheet"]])
        # the pictures are square
        assert picture.shape == (150, 154 * len(part["examples"]) - 4, 3)
    assert read_results(out).parts == tuple(each for each in scanned.parts)
    page = (out / "report.html").read_text(encoding="utf-8")
    for part in parts:
        assert f'src="./{part["sheet"]}"' in page
    assert no_place("ant", "bee", "cow") in scanned.notes


def test_maps_json_has_where_each_part_lies_in_all_images_that_were_looked_at(scanned: AuditReport) -> None:
    read = read_part_maps(Path(scanned.folder))
    assert read.keys() == {part.sheet for part in scanned.parts}
    for part in scanned.parts:
        kept, maps = scanned.part_maps[part.sheet], read[part.sheet]
        assert len(maps.maps) == part.looked_at
        assert [each.path for each in maps.maps] == [each.path for each in kept.maps]
        assert float(maps.direction @ kept.direction) > 0.999
        assert [each.path for each in maps.maps[: len(part.examples)]] == [each.path for each in part.examples]
    largest = next(part for part in scanned.parts if part.label == "ant")
    stamp = read[largest.sheet].maps[0].values
    # the stamp is at 70 to 90 of 96 pixels
    assert stamp.shape == (12, 12)
    assert np.unravel_index(stamp.argmax(), stamp.shape) >= (8, 8)


def test_a_class_that_is_called_like_the_file_of_maps_spoils_nothing(cheat: Model, tmp_path: Path) -> None:
    pictures = draw(tmp_path / "data", stamp_in_the_corner, (12, 12, 12))
    (pictures / "cow").rename(pictures / "Maps.JSON")
    report = run(pictures, cheat, tmp_path / "out", foreground="none")
    assert {part.label for part in report.parts} == {"ant", "bee"}
    assert read_part_maps(tmp_path / "out").keys() == {part.sheet for part in report.parts}


@pytest.mark.parametrize(("verdict", "code"), [("shortcut", Exit.FINDINGS), ("fine", Exit.CLEAN)])
def test_a_part_that_is_marked_a_shortcut_fails_the_next_scan_of_the_net(
    scanned: AuditReport, pictures: Path, cheat: Model, tmp_path: Path, verdict: str, code: Exit
) -> None:
    shutil.copytree(scanned.folder, tmp_path / "out")
    largest = next(part for part in scanned.parts if part.label == "ant")
    review = {
        "tool": "cam-audit",
        "schema_version": 2,
        "model_sha256": scanned.run["model"]["sha256"],
        "findings": {finding.fingerprint: {"verdict": "fine"} for finding in scanned.findings},
        "images": {},
        "parts": {largest.fingerprint: {"verdict": verdict}, "ab" * 16: {"verdict": "fine"}},
    }
    (tmp_path / "review.json").write_text(json.dumps(review))
    told = run_command(tmp_path, "baseline", "out", "-b", "b.json", "--review", "review.json")
    assert f"accepted, 1 part marked {verdict}" in told.stdout
    assert "note: 1 mark of the review on parts that this scan does not have" in told.stderr
    again = run(pictures, cheat, tmp_path / "again", foreground="none", baseline=tmp_path / "b.json")
    assert again.part_marks == {largest.sheet: verdict}
    assert exit_of(again) == code
    assert again.judgement
    line = (
        f"{verdict:8} part 1 of ant: {largest.share:.0%} of the score, {largest.share:.0%} when it was marked {verdict}"
    )
    assert line in judgement(tmp_path / "b.json", again.judgement)
    # and whenever the report is written again
    read = read_results(tmp_path / "again")
    assert (exit_of(read), read.part_marks) == (code, again.part_marks)
    page = (tmp_path / "again" / "report.html").read_text(encoding="utf-8")
    assert ("Still there:" in page) == (verdict == "shortcut")
    # without the marks, the file that is replaced is told
    dropped = run_command(tmp_path, "baseline", "out", "-b", "b.json").stdout
    assert f"dropped  {verdict:8} a part of ant with {largest.share:.0%} of the score, for example ant/" in dropped


def test_marks_say_nothing_about_another_net_and_that_is_said(
    scanned: AuditReport, pictures: Path, model: Model
) -> None:
    largest = scanned.parts[0]
    review = Review(scanned.run["model"]["sha256"], {}, {}, {largest.fingerprint: "shortcut"})
    judged = judge(baseline_of(scanned, review, scanned.part_maps), cam_audit.audit(pictures, model, foreground="none"))
    assert judged.model_changed
    assert judged.part_marks == {}
    assert "note: the baseline's 1 mark of parts say nothing about another net" in judgement(Path("b.json"), judged)


def test_the_largest_part_of_the_class_with_a_stamp_lies_on_the_stamp(scanned: AuditReport) -> None:
    largest = next(part for part in scanned.parts if part.label == "ant")
    assert largest.number == 1
    assert largest.share > 0.5
    assert largest.images == largest.looked_at
    for example in largest.examples:
        assert example.box
        left, top, right, bottom = example.box
        # the stamp is at 70 to 90 of 96 pixels, and maps have twelve cells
        assert left >= 8 / 12
        assert top >= 8 / 12
        assert right - left <= 4 / 12
        assert bottom - top <= 4 / 12


def test_a_report_saves_the_sheets_that_a_scan_writes(
    scanned: AuditReport, pictures: Path, cheat: Model, tmp_path: Path
) -> None:
    in_memory = cam_audit.audit(pictures, cheat, overlays="none", foreground="none", workers=2)
    in_memory.save(tmp_path / "saved")
    assert sheets(tmp_path / "saved") == sheets(Path(scanned.folder)) != {}


def test_sheets_of_an_earlier_scan_go(scanned: AuditReport, tmp_path: Path, model: Model) -> None:
    out = Path(shutil.copytree(scanned.folder, tmp_path / "out"))
    run(coloured(tmp_path / "data", red=(RED, 2), green=(GREEN, 1)), model, out, resume=False)
    assert sheets(out) == {}


@pytest.fixture(scope="module")
def per_cell(tmp_path_factory: pytest.TempPathFactory) -> TinyNet:
    """The cheating net with its linear layer in each cell, before a ReLU that lets only much through."""
    return replace(net(red=100, ant=0), in_each_cell=True, bias=np.full(3, -10, np.float32))


def test_a_net_with_a_last_convolution_is_taken_to_parts_by_what_enters_it(
    pictures: Path, per_cell: TinyNet, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    report = run(pictures, load_model(per_cell.write(tmp_path / "net.onnx")), out, foreground="none", workers=2)
    assert {part.label for part in report.parts} == set(CLASSES)
    assert {"parts/maps.json", *(part.sheet for part in report.parts)} == sheets(out).keys()
    assert not any("not taken to parts" in note for note in report.notes)
    largest = next(part for part in report.parts if part.label == "ant")
    assert largest.share > 0.5
    for example in largest.examples:
        assert example.box
        # the stamp is at 70 to 90 of 96 pixels, and maps have twelve cells
        assert min(example.box[:2]) >= 8 / 12


def test_without_what_splits_a_score_there_are_no_parts_and_it_is_said_what_to_do(
    pictures: Path, nets: Path, per_cell: TinyNet, tmp_path: Path
) -> None:
    old = per_cell.proto()
    del old.graph.output[2:]
    onnx.save(old, str(tmp_path / "old net.onnx"))
    for path, target in ((nets / "bare.onnx", "bare.onnx"), (tmp_path / "old net.onnx", "'old net.onnx'")):
        report = cam_audit.audit(pictures, path, foreground="none")
        assert report.parts == ()
        assert report.notes[-1] == (
            "this net has no last linear layer, and its file does not offer what enters its last convolution, so its "
            "classes are not taken to parts, and framing (CA213) was not looked for; if that convolution is 1x1, make "
            "the file again, in float: "
            f"`cam-audit models adapt PLAIN.onnx -o {target}`"
        )


def test_a_file_tells_where_parts_lie(pictures: Path, cheat: Model, nets: Path) -> None:
    report = cam_audit.audit(pictures, cheat, foreground=str(nets / "colour.onnx"))
    assert no_place("ant", "bee", "cow") not in report.notes
    ants = [part for part in report.parts if part.label == "ant"]
    assert all(part.foreground_ratio is not None for part in report.parts)
    # to the net of colours, the red stamp is an object, and there are none in pictures of grey
    assert ants[0].where == "object"
    assert {part.where for part in report.parts if part.label != "ant"} == {"unknown"}
    assert ants[0].foreground_ratio == max(part.foreground_ratio or 0 for part in report.parts)


def test_no_net_is_asked_if_none_is_wanted_or_auto_finds_none(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert foreground_net("none", model) is None
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("CAM_AUDIT_MODELS", raising=False)
    monkeypatch.setattr(efficientnet, "find_weights", lambda: None)
    assert foreground_net("auto", model) is None
    colour_net().write(tmp_path / "efficientnet-lite0.onnx")
    monkeypatch.setenv("CAM_AUDIT_MODELS", str(tmp_path))
    found = foreground_net("auto", load_model(random_net().write(tmp_path / "other.onnx")))
    assert found
    assert found.path == tmp_path / "efficientnet-lite0.onnx"
    # the audited net does not judge itself
    assert foreground_net("auto", found) is None
    with pytest.raises(CamAuditError, match="this is the net that is audited"):
        foreground_net("efficientnet-lite0", found)
    with pytest.raises(CamAuditError, match="this is the net that is audited"):
        foreground_net(str(found.path), found)


def test_auto_builds_no_net_where_no_class_is_taken_to_parts(
    tmp_path: Path, model: Model, nets: Path, per_cell: TinyNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr("cam_audit.scan.run.foreground_net", lambda name, _: asked.append(name))
    cam_audit.audit(coloured(tmp_path / "few", red=(RED, 11), green=(GREEN, 11)), model)
    cam_audit.audit(coloured(tmp_path / "one", red=(RED, 12)), model)
    cam_audit.audit(coloured(tmp_path / "bare", red=(RED, 12), green=(GREEN, 1)), nets / "bare.onnx")
    assert asked == []
    cam_audit.audit(coloured(tmp_path / "two", red=(RED, 12), green=(GREEN, 1)), model)
    assert asked == ["auto"]
    cam_audit.audit(tmp_path / "two", load_model(per_cell.write(tmp_path / "net.onnx")))
    assert asked == ["auto"] * 2


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("no-such-net", "--foreground no-such-net: there is no such net"),
        ("gone.onnx", "gone.onnx"),
        ("tiny", "--foreground tiny: this is the net that is audited; name another, or none"),
    ],
)
def test_a_net_that_is_not_there_or_is_the_audited_one_is_refused(folder: Path, name: str, complaint: str) -> None:
    said = run_command(folder, "scan", "photos", "--net", "tiny", "--foreground", name, code=2).stderr
    assert complaint in said
    assert said.count("\n") == 1
    assert not (folder / "cam-audit-out").exists()
