"""What fails around a scan: disks that fill up, folders that can't be written or read, files that go or change."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import environment, run
from data_sets import net, table
from resume import differences, finished_overlays
from small_scans import SCAN, cut_off_scan, scan, start

from cam_audit.errors import CamAuditError
from cam_audit.findings import examine
from cam_audit.reports.output_folder import is_finished
from cam_audit.scan import run as scan_run
from cam_audit.scan.journal import is_unfinished, locked

# Root may do anything; without these capabilities it obeys permissions as everybody does.
OBEDIENT = ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if os.geteuid() == 0 else ()
needs_permissions = pytest.mark.skipif(bool(OBEDIENT) and not shutil.which("setpriv"), reason="root, and no setpriv")


@pytest.fixture
def folder(drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: photos that the test may change, and what an undisturbed scan finds in them."""
    work = Path(shutil.copytree(drawn, tmp_path / "work"))
    monkeypatch.chdir(work)
    return work


@contextlib.contextmanager
def amid_images(*options: str, images: int = 10) -> Iterator[subprocess.Popen[str]]:
    """A scan that has finished so many images and goes on meanwhile."""
    process = start("--workers", "1", *options)
    try:
        while len(finished_overlays(Path("out"))) < images:
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.01)
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def small_disk(folder: Path) -> Iterator[Path]:
    """`out` as a file system of its own, which the tests fill."""
    (folder / "out").mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=30m", "none", "out"], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting is not allowed here; test_a_file_that_can_not_grow_* stand in")
    yield folder / "out"
    subprocess.run(["umount", "--lazy", "out"], check=True)


def free(disk: Path) -> int:
    status = os.statvfs(disk)
    return status.f_bavail * status.f_frsize


def fill(disk: Path, room: int) -> None:
    """Leave so many bytes, in whole pages."""
    with (disk / ".ballast").open("wb") as file:
        file.write(bytes(free(disk) - room))
    assert free(disk) <= room + resource.getpagesize()


@pytest.mark.parametrize("share", [0, 0.4, 0.8, 0.97])
def test_a_full_disk_ends_the_scan_with_what_is_wrong_and_loses_nothing(
    small_disk: Path, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    # others may fill a disk that had room for all overlays when the scan began
    monkeypatch.setattr("cam_audit.scan.run.require_space", lambda job, sources, out: None)
    fill(small_disk, int(share * sum(path.stat().st_size for path in Path("undisturbed").rglob("*"))))
    with pytest.raises(CamAuditError, match="No space left on device"):
        scan()
    assert not list(small_disk.rglob("*.part"))
    assert not is_finished(small_disk)
    done = finished_overlays(small_disk)
    assert bool(done) == is_unfinished(small_disk) == (share > 0)
    (small_disk / ".ballast").unlink()
    scan(resume=True)
    assert all(path.stat().st_mtime_ns == moment for path, moment in done.items())
    assert differences(small_disk, Path("undisturbed")) == ()


def test_on_a_full_disk_the_command_says_how_to_go_on(small_disk: Path) -> None:
    # the overlays fit, and what is written after them does not
    fill(small_disk, int(0.97 * sum(path.stat().st_size for path in Path("undisturbed").rglob("*"))))
    complaint = run(Path.cwd(), *SCAN, code=2).stderr
    assert complaint.count("\n") == 1
    assert "No space left on device" in complaint
    (small_disk / ".ballast").unlink()
    run(Path.cwd(), *complaint.partition("`cam-audit ")[2].partition("`")[0].split())
    assert differences(small_disk, Path("undisturbed")) == ()


@pytest.fixture
def unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Coverage has files of its own, which could not grow either."""
    monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize(
    ("limit", "place"), [(0, "out/run.json"), (100_000, "out/overlays/"), (170_000, "out/report.html")]
)
def test_a_file_that_can_not_grow_ends_the_scan_and_loses_nothing(folder: Path, limit: int, place: str) -> None:
    process = start(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    _, words = process.communicate(timeout=120)
    assert process.returncode == 2, words
    assert words.count("\n") == 1
    assert f"cannot write {place}" in words
    assert "File too large" in words
    if is_finished(Path("out")):
        assert "`cam-audit report out`" in words
        run(folder, "report", "out")
        assert Path("out/report.html").exists()
    else:
        run(folder, *SCAN, "--resume")
    assert differences(Path("out"), Path("undisturbed")) == ()


@pytest.mark.usefixtures("unmeasured")
def test_a_journal_that_can_not_grow_keeps_what_it_has(folder: Path) -> None:
    command = ("photos/ant", *SCAN[2:], "--overlays", "none")
    process = subprocess.run(
        [sys.executable, "-m", "cam_audit", "scan", *command],
        env=environment(),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, 4_000)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 2
    assert re.fullmatch(
        r"cam-audit: cannot write out/journal/images.jsonl: File too large; go on with `.*`\n", process.stderr
    )
    lines = Path("out/journal/images.jsonl").read_bytes().splitlines(keepends=True)
    assert len(lines) > 3
    assert lines[-1].endswith(b"\n")
    assert f"of which {len(lines) - 1} images are done" in run(folder, "scan", *command, "--resume").stderr
    run(folder, "scan", *command[:-3], "undisturbed", "--overlays", "none", "--fresh")
    assert Path("out/results.csv").read_bytes() == Path("undisturbed/results.csv").read_bytes()


def test_the_rows_of_the_table_may_find_the_disk_full(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan_run, "unnamed_in", lambda _: Path("/dev/full").open("w+"))  # noqa: SIM115
    with pytest.raises(CamAuditError, match="cannot write to the output folder out: No space left on device"):
        scan()
    assert is_unfinished(Path("out"))


@needs_permissions
def test_an_output_folder_that_is_read_only_is_named(folder: Path) -> None:
    Path("out").mkdir(mode=0o555)
    process = start(before=OBEDIENT)
    _, words = process.communicate(timeout=60)
    assert (process.returncode, words) == (2, "cam-audit: cannot write to the output folder out: Permission denied\n")
    assert list(Path("out").iterdir()) == []


@needs_permissions
@pytest.mark.parametrize("mode", [0o700, 0o755, 0o777])
def test_the_output_folder_of_another_user_is_told_in_a_line(folder: Path, mode: int) -> None:
    if os.geteuid():
        pytest.skip("only root gives files away")
    cut_off_scan(images=3)
    for path in (Path("out"), *Path("out").rglob("*")):
        os.chown(path, 12345, 12345)
    Path("out").chmod(mode)
    before = {path: path.read_bytes() for path in Path("out/overlays").rglob("*.png")}
    process = start("--resume", before=OBEDIENT)
    _, words = process.communicate(timeout=60)
    assert process.returncode == 2
    assert re.fullmatch(r"cam-audit: .*(Permission denied|Path 'out' is not readable\. \(.*\))\n", words)
    assert {path: path.read_bytes() for path in Path("out/overlays").rglob("*.png")} == before
    Path("out").chmod(0o755)
    run(folder, *SCAN, "--resume")
    assert differences(folder / "out", folder / "undisturbed") == ()


@needs_permissions
def test_a_data_set_that_is_read_only_is_scanned_like_any_other(folder: Path) -> None:
    for path in (*Path("photos").rglob("*"), Path("photos")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    process = start(before=OBEDIENT)
    _, words = process.communicate(timeout=60)
    assert process.returncode == 0, words
    assert differences(Path("out"), Path("undisturbed")) == ()


@needs_permissions
def test_files_and_folders_without_permission_get_a_row_and_the_rest_is_scanned(folder: Path) -> None:
    locked_folder = Path("photos/cow/locked")
    locked_folder.mkdir()
    locked_class = Path(shutil.copytree("photos/bee", "photos/zoo"))
    closed_file = Path("photos/ant/00.png")
    try:
        for path in (locked_folder, locked_class, closed_file):
            path.chmod(0)
        process = start(before=OBEDIENT)
        _, words = process.communicate(timeout=60)
        assert process.returncode == 3, words
        rows = {row["path"]: row for row in table(Path("out"))}
        assert {path: row["error"] for path, row in rows.items() if row["status"] == "error"} == {
            "ant/00.png": "the file cannot be read: Permission denied",
            "cow/locked": "the folder cannot be read: Permission denied",
            "zoo": "the folder cannot be read: Permission denied",
        }
        assert sum(row["status"] == "ok" for row in rows.values()) == 41
    finally:
        locked_folder.chmod(0o755)
        locked_class.chmod(0o755)


@needs_permissions
def test_a_data_set_of_which_nothing_can_be_read_is_refused(folder: Path) -> None:
    shutil.rmtree("photos/bee")
    shutil.rmtree("photos/cow")
    Path("photos/ant").chmod(0)
    process = start(before=OBEDIENT)
    _, words = process.communicate(timeout=60)
    Path("photos/ant").chmod(0o755)
    assert (process.returncode, words) == (2, "cam-audit: cannot read the folder photos/ant: Permission denied\n")


@needs_permissions
def test_masks_that_can_not_all_be_read_are_refused(folder: Path) -> None:
    Path("masks/ant").mkdir(parents=True)
    Path("masks/ant").chmod(0)
    process = start("--masks", "masks", before=OBEDIENT)
    _, words = process.communicate(timeout=60)
    Path("masks/ant").chmod(0o755)
    assert (process.returncode, words) == (2, "cam-audit: cannot read the folder masks/ant: Permission denied\n")


def test_a_data_set_that_goes_ends_the_scan_and_not_with_a_thousand_errors(folder: Path) -> None:
    with amid_images() as process:
        Path("photos").rename("elsewhere")
        _, words = process.communicate(timeout=60)
    assert process.returncode == 2
    assert words.startswith("cam-audit: photos: the data set has gone, or can no longer be read; go on with `")
    Path("elsewhere").rename("photos")
    run(folder, *SCAN, "--resume")
    assert differences(Path("out"), Path("undisturbed")) == ()


def test_a_data_set_that_goes_after_its_images_were_scanned_does_not_change_the_findings(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_cues = examine.find_cues

    def unplug(*arguments: object) -> object:
        # a stick that is pulled out leaves the folder at which it was mounted
        Path("photos").rename("elsewhere")
        Path("photos").mkdir()
        return find_cues(*arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(examine, "find_cues", unplug)
        with pytest.raises(CamAuditError, match="photos: the data set has gone"):
            scan()
    assert not is_finished(Path("out"))
    Path("photos").rmdir()
    Path("elsewhere").rename("photos")
    scan(resume=True)
    assert differences(Path("out"), Path("undisturbed")) == ()


def test_files_that_go_or_change_during_the_scan_are_seen_as_they_are(folder: Path) -> None:
    last, other, cut = (Path("photos/cow") / name for name in ("13.png", "12.png", "11.png"))
    with amid_images() as process:
        last.unlink()
        other.write_bytes(Path("photos/ant/00.png").read_bytes())
        cut.write_bytes(cut.read_bytes()[:100])
        _, words = process.communicate(timeout=60)
    assert process.returncode == 3, words
    errors = {row["path"]: row["error"] for row in table(Path("out")) if row["status"] == "error"}
    assert errors.keys() == {"cow/11.png", "cow/13.png"}
    assert errors["cow/13.png"] == "the file cannot be read: No such file or directory"
    rows = {row["path"]: row["top1_score"] for row in table(Path("out"))}
    assert rows["cow/12.png"] == rows["ant/00.png"]


def test_where_the_report_can_not_be_written_the_scan_is_finished_all_the_same(folder: Path) -> None:
    cut_off_scan()
    Path("out/report.html/x").mkdir(parents=True)
    complaint = run(folder, *SCAN, "--resume", code=2).stderr
    assert complaint.splitlines(keepends=True)[-1] == (
        "cam-audit: cannot write out/report.html: Is a directory; everything else is in place, and "
        "`cam-audit report out` writes the report again\n"
    )
    assert differences(Path("out"), Path("undisturbed")) == ()
    shutil.rmtree("out/report.html")
    run(folder, "report", "out")
    assert Path("out/report.html").is_file()


def test_a_scan_cut_off_in_its_report_goes_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(scan_run, "write_report", interrupted)
        with pytest.raises(KeyboardInterrupt):
            scan()
    assert is_unfinished(Path("out"))
    scan(resume=True)
    assert Path("out/report.html").is_file()
    assert differences(Path("out"), Path("undisturbed")) == ()


def test_a_wrong_size_is_refused_before_earlier_results_are_removed(folder: Path) -> None:
    dataclasses.replace(net(red=100, ant=0), fixed_size=(96, 96)).write(folder / "cheat.onnx")
    shutil.copytree("undisturbed", "out")
    run(folder, *SCAN, "--size", "64", code=2)
    assert differences(Path("out"), Path("undisturbed")) == ()
    assert is_finished(Path("out"))


def test_two_demos_do_not_draw_into_one_folder(folder: Path) -> None:
    with locked(folder / "demo", print):
        complaint = run(folder, "demo", "demo", code=2).stderr
    assert complaint.startswith("cam-audit: demo: another scan is writing into this folder")
    assert not (folder / "demo" / "images").exists()
