"""A scan that was cut off goes on where it was, and comes to what it would have come to."""

from __future__ import annotations

import random
import re
import shutil
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from commands import run
from data_sets import net
from pictures import encode
from resume import differences, finished_overlays, killed_until_it_ends
from small_scans import SCAN, cut_off_scan, scan, start

from cam_audit.cli.scan import how_to_go_on
from cam_audit.errors import CamAuditError
from cam_audit.files import write_bytes
from cam_audit.findings.sample import draw_key
from cam_audit.records import ImageSource
from cam_audit.reports.output_folder import list_pictures


@pytest.fixture
def folder(drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: photos that the test may change, and what an undisturbed scan finds in them."""
    work = Path(shutil.copytree(drawn, tmp_path / "work"))
    monkeypatch.chdir(work)
    return work


def cut_off(folder: Path, with_signal: signal.Signals = signal.SIGKILL) -> tuple[int, str]:
    """A scan, ended by a signal when ten images are finished; its exit code and its last words."""
    process = start("--workers", "1")
    try:
        while len(finished_overlays(folder / "out")) < 10:
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.01)
    finally:
        process.send_signal(with_signal)
        _, words = process.communicate(timeout=60)
    return process.returncode, words


def test_after_kills_at_random_moments_the_results_are_the_same_to_the_byte(folder: Path) -> None:
    command = [sys.executable, "-m", "cam_audit", *SCAN[:-2]]
    chance = random.Random(1)
    begin = time.perf_counter()
    # as long as those that are killed, which import everything too
    run(folder, *SCAN, importing=True)
    seconds = time.perf_counter() - begin
    shutil.rmtree(folder / "out")
    count = killed_until_it_ends(command, folder / "out", seconds, chance)
    assert count.faults == ()
    assert differences(folder / "out", folder / "undisturbed") == ()


def test_finished_images_are_not_done_again(folder: Path) -> None:
    cut_off(folder)
    before = finished_overlays(folder / "out")
    result = run(folder, *SCAN, "--resume")
    assert f"of which {len(before)} images are done" in result.stderr
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert differences(folder / "out", folder / "undisturbed") == ()


@pytest.mark.parametrize(("number", "expected"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ctrl_c_and_a_cancelled_job_end_the_scan_with_how_to_go_on(
    folder: Path, number: signal.Signals, expected: int
) -> None:
    code, words = cut_off(folder, with_signal=number)
    assert code == expected
    *_, last = words.strip().splitlines()
    command = re.fullmatch(r"cam-audit: interrupted; go on with `cam-audit (.*)`", last)
    assert command
    assert command[1].split() == [*SCAN, "--workers", "1", "--resume"]
    run(folder, *command[1].split())
    assert differences(folder / "out", folder / "undisturbed") == ()


def test_without_saying_which_a_scan_that_was_cut_off_is_not_touched(folder: Path) -> None:
    cut_off_scan()
    before = finished_overlays(folder / "out")
    complaint = run(folder, *SCAN, code=2).stderr
    assert complaint.count("\n") == 1
    assert "--resume" in complaint
    assert "--fresh" in complaint
    assert finished_overlays(folder / "out") == before
    run(folder, *SCAN, "--fresh")
    assert all(path.stat().st_mtime_ns != moment for path, moment in before.items())
    assert differences(folder / "out", folder / "undisturbed") == ()


def test_other_options_are_refused_with_what_differs(folder: Path) -> None:
    cut_off_scan()
    before = finished_overlays(folder / "out")
    (folder / "map.csv").write_text("folder,class\nant,ant\n")
    net(red=0, ant=125).write(folder / "honest.onnx")
    for options, message in {
        ("--size", "64"): "had --size none, not 64",
        ("--top", "2"): "had --top 3, not 2",
        ("--overlays", "none"): "had --overlays all, not none",
        ("--labels", "map.csv"): "had --labels none, not map.csv",
        ("--model", "honest.onnx"): "had the model ",
    }.items():
        complaint = run(folder, *SCAN, *options, "--resume", code=2).stderr
        assert message in complaint
        assert "--fresh" in complaint
        assert finished_overlays(folder / "out") == before
    run(folder, *SCAN, "--resume")
    assert differences(folder / "out", folder / "undisturbed") == ()


def test_images_that_changed_came_or_went_meanwhile_are_seen_as_they_are(folder: Path) -> None:
    cut_off_scan(images=20)
    photos = folder / "photos"
    (photos / "ant" / "00.png").write_bytes((photos / "cow" / "00.png").read_bytes())
    (photos / "ant" / "01.png").unlink()
    shutil.copy(photos / "cow" / "01.png", photos / "bee" / "new.png")
    (photos / "ant" / "02.png").write_bytes(b"no image any more")
    run(folder, *SCAN, "--resume", code=3)
    shutil.rmtree(folder / "undisturbed")
    run(folder, *SCAN[:-1], "undisturbed", code=3)
    assert differences(folder / "out", folder / "undisturbed") == ()


def test_where_images_went_others_are_taken_to_parts_as_in_a_new_scan(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cam_audit.findings.sample.MAX_PART_IMAGES", 12)
    ants = sorted((ImageSource("", f"ant/{index:02}.png", "ant", 0) for index in range(14)), key=draw_key)
    options = {"overlays": "none", "foreground": "none"}
    cut_off_scan(images=20, **options)
    # of those whose activations were kept, so that the thirteenth takes its place
    (folder / "photos" / ants[0].name).unlink()
    scan(resume=True, **options)
    scan(out="anew", **options)
    assert (folder / "out" / "parts" / "ant" / "1.jpg").is_file()
    assert differences(Path("out"), Path("anew")) == ()


def test_what_enters_the_last_convolution_comes_back_as_it_was(folder: Path) -> None:
    replace(net(red=100, ant=0), in_each_cell=True).write(folder / "cheat.onnx")
    options = {"overlays": "none", "foreground": "none"}
    cut_off_scan(images=20, **options)
    scan(resume=True, **options)
    scan(out="anew", **options)
    assert (folder / "out" / "parts" / "ant" / "1.jpg").is_file()
    assert differences(Path("out"), Path("anew")) == ()


def test_another_foreground_net_is_refused(folder: Path) -> None:
    options = {"overlays": "none", "foreground": "told.onnx"}
    net(red=0, ant=125).write(folder / "told.onnx")
    cut_off_scan(**options)
    net(red=0, ant=124).write(folder / "told.onnx")
    with pytest.raises(CamAuditError, match="had the foreground net "):
        scan(resume=True, **options)


def test_masks_that_changed_meanwhile_are_seen_as_they_are(folder: Path) -> None:
    shutil.copytree("photos", "masks")
    first, second = Path("masks/ant/00.png"), Path("masks/ant/01.png")
    second.rename("later.png")
    masks = {"masks": Path("masks"), "overlays": "none"}
    cut_off_scan(**masks)
    half = np.zeros((96, 96, 3), np.uint8)
    half[:48] = 255
    first.write_bytes(encode(half))
    Path("later.png").rename(second)
    scan(resume=True, **masks)
    scan(out="anew", **masks)
    assert differences(Path("out"), Path("anew")) == ()


def test_boxes_that_changed_meanwhile_are_seen_as_they_are(folder: Path) -> None:
    for path in Path("photos").rglob("*.png"):
        file = Path("boxes", path.relative_to("photos")).with_suffix(".txt")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("0 0.5 0.5 0.2 0.2\n")
    boxes = {"boxes": Path("boxes"), "overlays": "none"}
    cut_off_scan(**boxes)
    Path("boxes/ant/00.txt").write_text("0 0.5 0.5 0.9 0.9\n")
    scan(resume=True, **boxes)
    scan(out="anew", **boxes)
    assert differences(Path("out"), Path("anew")) == ()


@pytest.mark.skipif("AzureExecutionProvider" not in ort.get_available_providers(), reason="needs another provider")
def test_other_execution_providers_are_refused(folder: Path) -> None:
    cut_off_scan()
    with pytest.raises(CamAuditError, match="had --provider "):
        scan(resume=True, provider=("azure",))


def test_a_label_map_that_changed_is_refused(folder: Path) -> None:
    labels = Path("map.csv")
    labels.write_text("ant,ant\n")
    cut_off_scan(labels=labels)
    labels.write_text("ant,bee\n")
    with pytest.raises(CamAuditError, match="had the content of --labels "):
        scan(resume=True, labels=labels)


@pytest.mark.parametrize(
    "options",
    [
        {"overlays": "flagged"},
        {"overlays": "none"},
        {"limit": 30},
        {"out": "photos/out"},
        {"dataset": Path("photos/ant")},
    ],
    ids=str,
)
def test_options_that_change_what_is_seen_or_drawn_do_not_hinder(
    folder: Path, options: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    cut_off_scan(**options)
    scan(resume=True, **options)
    assert "of which 10 images are done" in capsys.readouterr().err
    scan(**{**options, "out": "anew"})
    assert differences(Path(options.get("out", "out")), Path("anew")) == ()


def test_anew_means_anew_but_not_where_run_json_no_longer_tells_that_the_files_are_ours(folder: Path) -> None:
    cut_off_scan()
    before = finished_overlays(folder / "out")
    run_file = folder / "out" / "run.json"
    ours = run_file.read_bytes()
    run_file.unlink()
    assert "out: holds journal, overlays, which no scan wrote" in run(folder, *SCAN, "--fresh", code=2).stderr
    assert finished_overlays(folder / "out") == before
    assert list((folder / "out" / "journal").iterdir())
    run_file.write_bytes(ours)
    assert "are done" not in run(folder, *SCAN, "--fresh").stderr
    assert all(path.stat().st_mtime_ns != moment for path, moment in before.items())


def test_pictures_of_findings_that_have_gone_are_removed(folder: Path) -> None:
    cut_off_scan()
    gone = ["maps/CA202-gone.png", "counterfactuals/CA202-gone/paste-1-edited.jpg", "counterfactuals/edits.json"]
    list_pictures(folder / "out", gone)
    for name in gone:
        write_bytes(folder / "out" / name, b"of a scan that was cut off after its findings")
    run(folder, *SCAN, "--resume")
    assert differences(folder / "out", folder / "undisturbed") == ()


def test_nothing_to_go_on_with_is_a_scan_from_the_start(folder: Path) -> None:
    run(folder, *SCAN, "--resume")
    assert differences(folder / "out", folder / "undisturbed") == ()
    # and of one that is finished, nothing is done again
    before = {path: path.stat().st_mtime_ns for path in (folder / "out").rglob("*")}
    shown = run(folder, *SCAN, "--resume", "--output", "csv=again.csv")
    assert shown.stderr == "note: out: the scan in this folder is finished, so there is nothing to go on with\n"
    assert {path: path.stat().st_mtime_ns for path in (folder / "out").rglob("*")} == before
    assert (folder / "again.csv").read_text().count("\n") == (folder / "out" / "results.csv").read_text().count("\n")


def test_a_finished_scan_is_not_replaced_by_that_of_another_data_set_or_net(folder: Path) -> None:
    shutil.copytree("undisturbed", "out")
    before = (folder / "out" / "run.json").read_bytes()
    shutil.copytree("photos", "others")
    net(red=0, ant=125).write(folder / "honest.onnx")
    another_net = [word if word != "cheat.onnx" else "honest.onnx" for word in SCAN]
    another_set = [word if word != "photos" else "others" for word in SCAN]
    for arguments in (another_net, another_set, [*another_set, "--resume"]):
        complaint = run(folder, *arguments, code=2).stderr
        assert complaint.startswith("cam-audit: out: holds the finished scan of photos with the net ")
        assert complaint.endswith("name another folder with -o, or replace it by --fresh\n")
        assert (folder / "out" / "run.json").read_bytes() == before
    run(folder, *another_net, "--fresh")
    assert (folder / "out" / "run.json").read_bytes() != before


def test_two_scans_do_not_write_into_one_folder(folder: Path) -> None:
    first = start("--workers", "1")
    try:
        while not finished_overlays(folder / "out"):
            time.sleep(0.01)
        complaint = run(folder, *SCAN, "--fresh", code=2).stderr
        assert "another scan is writing into this folder" in complaint
        assert first.wait(60) == 0
    finally:
        first.kill()
    assert differences(folder / "out", folder / "undisturbed") == ()


def test_only_a_scan_that_can_go_on_says_how(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["cam-audit", "scan", "my photos", "--fresh"])
    assert how_to_go_on(Path("out")) == ""
    cut_off_scan()
    assert how_to_go_on(Path("out")) == "; go on with `cam-audit scan 'my photos' --resume`"
