"""The library does what the command does, writes only where it is told to, and leaves the process as it was."""

from __future__ import annotations

import builtins
import dataclasses
import pickle
import shutil
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from commands import environment
from commands import run as run_command
from data_sets import draw, net, sources_of, stamp_in_the_corner

import cam_audit
from cam_audit.cli.scan import scan as scan_command
from cam_audit.errors import CamAuditError, ModelError
from cam_audit.findings.sample import Collected
from cam_audit.models.model import Model
from cam_audit.records import ImageResult, Record
from cam_audit.reports.output_folder import read_results
from cam_audit.scan.audit_report import AuditReport
from cam_audit.scan.chunk import scan_chunk
from cam_audit.scan.image import ScanJob
from cam_audit.scan.options import RANGES

COUNTS = (24, 12, 12)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos, a net, and what the command makes of them: `out`."""
    folder = tmp_path_factory.mktemp("library")
    draw(folder / "photos", stamp_in_the_corner, COUNTS)
    net(red=100, ant=0).write(folder / "cheat.onnx")
    run_command(folder, "scan", "photos", "--model", "cheat.onnx", "--fail-on", "never", "-o", "out")
    return folder


@pytest.fixture(scope="module")
def report(folder: Path) -> AuditReport:
    return cam_audit.audit(folder / "photos", folder / "cheat.onnx", fail_on="never")


def files(out: Path) -> dict[str, bytes]:
    """All files of an output folder but those that hold times and paths, and the lock."""
    names = (path for path in out.rglob("*") if path.is_file())
    unlike = {"run.json", "report.html", ".lock"}
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in names if path.name not in unlike}


def test_the_library_writes_what_the_command_writes(folder: Path, tmp_path: Path) -> None:
    found = cam_audit.audit(folder / "photos", folder / "cheat.onnx", out=tmp_path / "out", fail_on="never")
    assert files(tmp_path / "out") == files(folder / "out")
    assert found.findings == read_results(folder / "out").findings
    assert (tmp_path / "out" / "report.html").is_file()
    proofs = {name for name in files(folder / "out") if name.startswith("counterfactuals/")}
    shown = {file for finding in found.findings for each in finding.counterfactuals for file in each.files}
    assert proofs == {"counterfactuals/edits.json", *shown}
    # the first three of a planting, and of taking away, three pictures each
    assert {len(finding.counterfactuals) for finding in found.findings} == {6}
    assert len(shown) == 18 * len(found.findings)


@pytest.mark.parametrize("overlays", ["all", "flagged", "none"])
def test_a_report_saves_what_a_scan_writes(folder: Path, tmp_path: Path, overlays: str) -> None:
    options: dict[str, Any] = {"overlays": overlays, "fail_on": "never"}
    cam_audit.audit(folder / "photos", folder / "cheat.onnx", out=tmp_path / "scanned", **options)
    cam_audit.audit(folder / "photos", folder / "cheat.onnx", **options).save(tmp_path / "saved")
    assert files(tmp_path / "saved") == files(tmp_path / "scanned")
    saved, scanned = (read_results(tmp_path / name) for name in ("saved", "scanned"))
    varying = {"started", "seconds", "settings"}
    assert {k: v for k, v in saved.run.items() if k not in varying} == {
        k: v for k, v in scanned.run.items() if k not in varying
    }
    assert saved.run["settings"] == {**scanned.run["settings"], "out": str(tmp_path / "saved")}


def test_of_images_that_are_gone_no_picture_is_named(folder: Path, tmp_path: Path) -> None:
    photos = shutil.copytree(folder / "photos", tmp_path / "photos")
    report = cam_audit.audit(photos, folder / "cheat.onnx", overlays="none", fail_on="never")
    shown = [each for finding in report.findings for each in finding.counterfactuals]
    gone = shown[0].path
    (photos / gone).unlink()
    report.save(tmp_path / "saved")
    pictures = {path.relative_to(tmp_path / "saved").as_posix() for path in (tmp_path / "saved").rglob("*.jpg")}
    read = read_results(tmp_path / "saved")
    named = [each for finding in read.findings for each in finding.counterfactuals]
    assert {file for each in named for file in each.files} | {part.sheet for part in read.parts} == pictures
    assert 0 < len(named) < len(shown)
    assert gone not in {each.path for each in named}
    # what was tried is still told, and the report in memory is as it was
    assert gone in (tmp_path / "saved" / "counterfactuals" / "edits.json").read_text(encoding="utf-8")
    assert [each for finding in report.findings for each in finding.counterfactuals] == shown

    for path in photos.rglob("*.png"):
        path.unlink()
    report.save(tmp_path / "nothing")
    empty = read_results(tmp_path / "nothing")
    assert ([each for finding in empty.findings for each in finding.counterfactuals], empty.parts) == ([], ())
    assert list((tmp_path / "nothing" / "counterfactuals").rglob("*.jpg")) == []


def test_without_an_output_folder_nothing_is_written_or_said_and_the_process_is_as_it_was(
    folder: Path, tmp_path: Path
) -> None:
    code = """
import os, signal, sys, threading
import cv2, onnxruntime
cv2.setNumThreads(3)
before = cv2.getNumThreads(), dict(os.environ), [signal.getsignal(n) for n in (2, 15)]
import cam_audit
changed = {key for key in os.environ if os.environ[key] != before[1].get(key)}
report = cam_audit.audit(sys.argv[1], sys.argv[2])
after = cv2.getNumThreads(), [signal.getsignal(n) for n in (2, 15)]
assert after == (before[0], before[2]), after
assert changed <= {"OPENCV_IO_MAX_IMAGE_PIXELS"}, changed
assert threading.active_count() == 1
assert not {"click", "tqdm", "jinja2", "pandas"} & set(sys.modules)
assert [finding.severity for finding in report.findings]
"""
    command = [sys.executable, "-c", code, str(folder / "photos"), str(folder / "cheat.onnx")]
    ran = subprocess.run(
        command, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=120, check=False
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []


def test_a_report_shows_itself_with_verdict_findings_and_their_pictures(report: AuditReport, folder: Path) -> None:
    page = report._repr_html_()
    assert "Suspicious: in 1 of 3 classes" in page
    assert all(finding.message in page.replace("&#39;", "'") for finding in report.findings)
    assert page.count("data:image/jpeg;base64,") >= 2 * len(report.findings)
    # the same as of one whose overlays lie on the disk
    written = dataclasses.replace(report, folder=str(folder / "out"), images=read_results(folder / "out").images)
    assert written._repr_html_() == page


def test_a_report_without_a_folder_has_the_rows_that_results_csv_has(report: AuditReport, folder: Path) -> None:
    rows = read_results(folder / "out").images
    assert [dataclasses.replace(row, overlay="") for row in rows] == list(report.images)


def test_a_report_is_as_it_was_when_the_caller_goes_elsewhere(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    report = cam_audit.audit(folder / "photos", folder / "cheat.onnx", out="out", overlays="none", limit=9)
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    assert len(list(report.images)) == 9
    report.save(tmp_path / "out")
    assert len(list(report.images)) == 9, "it lies there already, and stays"


def test_a_report_does_not_take_the_rows_of_a_later_scan_for_its_own(folder: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"out": tmp_path / "out", "overlays": "none"}
    first = cam_audit.audit(folder / "photos", folder / "cheat.onnx", limit=9, **options)
    cam_audit.audit(folder / "photos", folder / "cheat.onnx", limit=6, **options)
    with pytest.raises(CamAuditError, match=r"results\.csv: another scan has replaced it"):
        list(first.images)


def test_a_report_is_not_saved_over_its_data_set_or_without_it(folder: Path, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    shutil.copytree(folder / "photos", photos)
    before = sorted(photos.rglob("*"))
    report = cam_audit.audit(photos, folder / "cheat.onnx", limit=9)
    with pytest.raises(CamAuditError, match="the output folder is the data set itself"):
        report.save(photos)
    assert sorted(photos.rglob("*")) == before
    photos.rename(tmp_path / "elsewhere")
    with pytest.raises(CamAuditError, match="the data set has gone"):
        report.save(tmp_path / "saved")
    assert not (tmp_path / "saved").exists()


def test_the_library_takes_the_numbers_that_the_command_takes() -> None:
    ranges = {
        str(option.name): (option.type.min, option.type.max)
        for option in scan_command.params
        if isinstance(option.type, click.IntRange)
    }
    assert ranges == {name: (least, most if most < sys.maxsize else None) for name, (least, most) in RANGES.items()}


def test_names_are_only_text_in_a_notebook(report: AuditReport) -> None:
    finding = dataclasses.replace(report.findings[0], label="<script>x</script>", message="<b>\x1b[31m", examples=())
    page = dataclasses.replace(report, findings=(finding,))._repr_html_()
    assert "<script>" not in page
    assert "<b>\x1b" not in page
    assert "\x1b" not in page


def test_data_frames_have_a_row_a_finding_and_a_row_an_image(report: AuditReport, folder: Path) -> None:
    pandas = pytest.importorskip("pandas")
    frames = report.to_pandas()
    assert frames.findings["fingerprint"].tolist() == [finding.fingerprint for finding in report.findings]
    for column in ("gain", "turned", "targets", "flips_low"):
        assert frames.findings[column].tolist() == [finding.evidence[column] for finding in report.findings]
    table = pandas.read_csv(folder / "out" / "results.csv")
    assert frames.images.columns.tolist() == table.columns.tolist()
    for column in ("path", "label", "top1_class", "width"):
        assert frames.images[column].tolist() == table[column].tolist()
    np.testing.assert_allclose(frames.images["label_score"], table["label_score"], atol=1e-6)
    nothing = dataclasses.replace(report, findings=(), images=()).to_pandas()
    assert (len(nothing.findings), len(nothing.images)) == (0, 0)
    measured = {"use", "targets", "turned", "control_turned", "flips", "flips_low", "flips_high", "gain", "gain_low"}
    assert {"severity", *measured} <= set(nothing.findings.columns)


def test_without_pandas_the_error_names_what_to_install(report: AuditReport, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "pandas":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(CamAuditError, match="pip install pandas"):
        report.to_pandas()


def test_an_observer_hears_of_stages_notes_and_every_record_in_order(folder: Path) -> None:
    heard: list[object] = []

    class Ear(cam_audit.Observer):
        def on_note(self, message: str) -> None:
            heard.append(message)

        def on_stage(self, name: str, images: int) -> None:
            heard.append((name, images))

        def on_record(self, record: Record) -> None:
            heard.append(record.source.name)

    photos = folder / "photos"
    cam_audit.audit(photos, folder / "cheat.onnx", limit=9, labels=None, workers=3, observer=Ear())
    assert heard[0] == ("scan", 9)
    assert heard[1:] == sorted(heard[1:], key=str)
    assert len(heard) == 10


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"overlays": "some"}, "overlays can't be 'some'; it is one of all, flagged, none"),
        ({"fail_on": "always"}, "fail_on can't be 'always'; it is one of error, warning, never"),
        ({"workers": 0}, "workers can't be 0; it is a whole number from 1 to 256"),
        ({"workers": 1.5}, "workers can't be 1.5; it is a whole number from 1 to 256"),
        ({"top": None}, "top can't be None; it is a whole number from 1 to 10"),
        ({"limit": -1}, "limit can't be -1; it is a whole number of 1 or more"),
        ({"size": 100_000}, "size can't be 100000; it is a whole number from 16 to 4,096"),
        ({"target": 2}, "target can't be 2; it is 'predicted', 'label', or a class's name or index as text"),
        ({"resume": "yes"}, "resume can't be 'yes'; it is True, False or None"),
        ({"out": ""}, "the name of a folder is empty"),
        ({"target": "dragon"}, "the net has no class 'dragon'"),
        ({"model": "resnet-18"}, "no net is called 'resnet-18'; .* did you mean resnet18?"),
        ({"model": "none.onnx"}, "none.onnx: no such model file"),
        ({"dataset": "/nowhere"}, "/nowhere: no such folder"),
        ({"baseline": "/nowhere.json"}, "/nowhere.json: no such baseline"),
    ],
    ids=str,
)
def test_what_a_caller_can_mend_is_said_in_one_line(folder: Path, options: dict[str, Any], message: str) -> None:
    arguments = {"dataset": folder / "photos", "model": folder / "cheat.onnx", **options}
    with pytest.raises(CamAuditError, match=message) as caught:
        cam_audit.audit(**arguments)
    assert "\n" not in str(caught.value)


def test_findings_are_held_against_a_baseline(folder: Path, tmp_path: Path) -> None:
    run_command(folder, "baseline", "out", "-b", str(tmp_path / "accepted.json"))
    report = cam_audit.audit(folder / "photos", folder / "cheat.onnx", baseline=tmp_path / "accepted.json")
    assert report.judgement is not None
    assert report.judgement.new == ()
    assert report.known == {finding.fingerprint for finding in report.findings} != set()


def test_a_net_travels_as_its_path_and_hash(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "net.onnx"
    file.write_bytes((folder / "cheat.onnx").read_bytes())
    model = cam_audit.load_model(file)
    bytes_of_it = pickle.dumps(model)
    assert len(bytes_of_it) < 500
    again = pickle.loads(bytes_of_it)
    rgb = np.random.default_rng(0).integers(0, 256, (96, 96, 3), np.uint8)
    np.testing.assert_array_equal(again.run(rgb).logits, model.run(rgb).logits)
    net(red=0, ant=100).write(file)
    with pytest.raises(ModelError, match="not the file that it was"):
        pickle.loads(bytes_of_it)


def test_chunks_scanned_by_other_processes_merge_in_any_order_to_the_same(
    folder: Path, tmp_path: Path, cheat: Model
) -> None:
    sources = sources_of(folder / "photos")
    job = ScanJob(cheat, out=tmp_path / "here", sampled=frozenset(source.name for source in sources[::2]))
    whole = scan_chunk(job, sources)
    chunks = [sources[at : at + 5] for at in range(0, len(sources), 5)]
    elsewhere = dataclasses.replace(job, out=tmp_path / "there")
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as processes:
        results = list(processes.map(scan_chunk, [elsewhere] * len(chunks), chunks))
    assert tuple(record for result in results for record in result.records) == whole.records
    assert files(tmp_path / "there") == files(tmp_path / "here")
    assert len(files(tmp_path / "there")) == len(sources)
    for order in (results, results[::-1], results[3:] + results[:3]):
        merged = Collected()
        for result in order:
            merged.merge(result.collected)
        assert merged.total.images == len(sources[::2])
        np.testing.assert_array_equal(merged.total.value(), whole.collected.total.value())
        assert merged.observations.keys() == whole.collected.observations.keys()
        for name, observation in merged.observations.items():
            np.testing.assert_array_equal(observation.own_map, whole.collected.observations[name].own_map)


def test_one_image_has_no_side_effects(
    folder: Path, cheat: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cam_audit.scan.image import scan_image

    monkeypatch.chdir(tmp_path)
    (source, *_) = sources_of(folder / "photos")
    job = ScanJob(cheat, out=tmp_path / "out", sampled=frozenset({source.name}))
    scanned = scan_image(job, source)
    assert isinstance(scanned.record, ImageResult)
    assert scanned.record.overlay == "overlays/ant/00.png.png"
    assert scanned.overlay == (folder / "out" / scanned.record.overlay).read_bytes()
    assert scanned.collected is not None
    assert list(scanned.collected.observations) == [source.name]
    assert list(tmp_path.iterdir()) == []
