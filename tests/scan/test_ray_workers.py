"""Scans by two nodes of Ray, as on two machines: the same to the byte, whatever dies."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import ROOT, run
from data_sets import net, table
from resume import differences, finished_overlays
from small_scans import SCAN, scan, start

from cam_audit.errors import CamAuditError
from cam_audit.findings import sample

pytestmark = pytest.mark.scale
# In the worker processes, an image of these bytes crashes or hangs the decoder.
CRASH, HANG = b"crash", b"hang"
BAD_DECODER = """
import ctypes, sys, time
if any("default_worker" in word for word in sys.argv) or "default_worker" in " ".join(sys.orig_argv):
    import cv2
    decode = cv2.imdecode
    def imdecode(data, flags):
        if data.tobytes() == b"crash":
            ctypes.string_at(0)
        if data.tobytes() == b"hang":
            time.sleep(1000)
        return decode(data, flags)
    cv2.imdecode = imdecode
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Two nodes of one processor each; their decoder crashes at CRASH and hangs at HANG."""
    from ray.cluster_utils import Cluster

    hook = tmp_path_factory.mktemp("hook")
    (hook / "sitecustomize.py").write_text(BAD_DECODER)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join((str(hook), str(ROOT))))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        made = Cluster()
        for _ in range(2):
            add_node(made)
        yield made
        made.shutdown()


def add_node(cluster: Any) -> Any:
    """Another node of one processor; on a busy machine one may miss the half minute that Ray gives it to start."""
    for _ in range(4):
        try:
            return cluster.add_node(num_cpus=1, object_store_memory=100 << 20, include_dashboard=False)
        except Exception as error:
            failure = error
    raise failure


@pytest.fixture
def folder(drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: photos that the test may change, and what an undisturbed scan finds in them."""
    work = Path(shutil.copytree(drawn, tmp_path / "work"))
    monkeypatch.chdir(work)
    # that of `run`, so that both have the same foreground net
    monkeypatch.setenv("XDG_CACHE_HOME", str(work))
    return work


def begun(cluster: Any, *options: str) -> subprocess.Popen[str]:
    """A scan by the cluster that has drawn ten overlays."""
    process = start("--ray", cluster.address, *options)
    while len(finished_overlays(Path("out"))) < 10:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.01)
    return process


def test_a_scan_by_two_nodes_is_the_same_to_the_byte(folder: Path, cluster: Any) -> None:
    result = run(folder, *SCAN, "--ray", cluster.address, importing=True)
    assert "note: Ray " in result.stderr
    assert ": 2 nodes with 2 processors" in result.stderr
    assert result.stderr.count("\n") == 1
    assert differences(folder / "out", folder / "undisturbed") == ()


def test_second_looks_and_overlays_of_flagged_images_are_done_by_the_nodes_too(
    folder: Path, cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # so that of each class two are not sampled
    monkeypatch.setattr(sample, "MAX_SAMPLED_PER_CLASS", 12)
    scan(out="here", overlays="flagged")
    # here, the images can't be read for it
    monkeypatch.setattr("cam_audit.scan.image.read_bytes", None)
    monkeypatch.setattr("cam_audit.findings.second_look.read_bytes", None)
    monkeypatch.setattr("cam_audit.findings.audited_net.read_image", None)
    scan(out="there", overlays="flagged", ray=cluster.address)
    assert differences(folder / "there", folder / "here") == ()
    assert len(list((folder / "there" / "overlays").rglob("*.png"))) >= 14


def test_an_image_that_ends_its_worker_is_a_row_and_the_scan_goes_on(
    folder: Path, cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # each try takes a new worker process
    monkeypatch.setattr("cam_audit.scan.ray_workers.MOST_IMAGES", 3)
    bad = folder / "photos" / "bee" / "05.png"
    bad.write_bytes(CRASH)
    scan(ray=cluster.address)
    bad.write_bytes(b"")
    scan(out="expected")
    rows = folder / "out" / "results.csv"
    before = rows.read_bytes()
    rows.write_bytes(before.replace(b'"scanning it, a worker process was killed or crashed"', b"the file is empty"))
    assert rows.read_bytes() != before
    assert differences(folder / "out", folder / "expected") == ()


def test_an_image_at_which_a_worker_hangs_is_a_row(folder: Path, cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from cam_audit.scan import ray_workers

    for name, value in {"SECONDS": 20, "MOST_IMAGES": 1, "TRIES": 1}.items():
        monkeypatch.setattr(ray_workers, name, value)
    (folder / "photos" / "bee" / "05.png").write_bytes(HANG)
    scan(ray=cluster.address)
    assert [row["path"] for row in table(folder / "out") if row["status"] == "error"] == ["bee/05.png"]


def test_a_node_and_a_worker_that_are_killed_lose_nothing(folder: Path, cluster: Any) -> None:
    import psutil

    third = add_node(cluster)
    process = begun(cluster)
    working = [each for each in psutil.process_iter(["cmdline"]) if "ray::work" in " ".join(each.info["cmdline"] or ())]
    if working:
        working[0].kill()
    cluster.remove_node(third, allow_graceful=False)
    _, words = process.communicate(timeout=120)
    assert process.returncode == 0, words
    assert "3 nodes" in words
    assert differences(folder / "out", folder / "undisturbed") == ()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_driver_that_is_ended_can_go_on(folder: Path, cluster: Any, number: signal.Signals, code: int) -> None:
    process = begun(cluster)
    process.send_signal(number)
    _, words = process.communicate(timeout=60)
    assert process.returncode == code, words
    if number != signal.SIGKILL:
        assert "--resume`" in words
    result = run(folder, *SCAN, "--ray", cluster.address, "--resume", importing=True)
    assert "images are done" in result.stderr
    assert differences(folder / "out", folder / "undisturbed") == ()


def test_workers_of_another_version_or_net_are_refused(
    folder: Path, cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cam_audit.scan import ray_worker, ray_workers

    here = ray_worker.programs_here()
    with monkeypatch.context() as patch:
        patch.setattr(ray_workers, "programs_here", lambda: {**here, "cam-audit": "0.0.1"})
        with pytest.raises(CamAuditError, match=rf"has cam-audit {here['cam-audit']}, not 0.0.1; install the same"):
            scan(ray=cluster.address)
    of = ray_worker.PackedModel.of
    other = net(red=0, ant=125).write(folder / "other.onnx")
    with monkeypatch.context() as patch:
        patch.setattr(
            ray_workers.PackedModel,
            "of",
            lambda model: ray_worker.PackedModel(
                of(model).path, other.read_bytes(), of(model).sha256, of(model).providers
            ),
        )
        with pytest.raises(CamAuditError, match="has another net"):
            scan(resume=False, ray=cluster.address)
    scan(resume=False, ray=cluster.address)
    assert differences(folder / "out", folder / "undisturbed") == ()


def test_an_output_folder_or_a_data_set_that_a_node_lacks_is_refused(tmp_path: Path) -> None:
    from cam_audit.scan.ray_worker import TOKEN_FILE, _require_shared

    with pytest.raises(CamAuditError, match="all nodes must have the data set, at the same path"):
        _require_shared(str(tmp_path / "photos"), None, "token")
    (tmp_path / "out").mkdir()
    for content in (None, "other"):
        if content:
            (tmp_path / "out" / TOKEN_FILE).write_text(content)
        with pytest.raises(CamAuditError, match="all nodes must share the output folder"):
            _require_shared(str(tmp_path), tmp_path / "out", "token")
    (tmp_path / "out" / TOKEN_FILE).write_text("token")
    _require_shared(str(tmp_path), tmp_path / "out", "token")


def test_where_no_cluster_answers_one_line_says_so(folder: Path) -> None:
    for address, words in {
        "127.0.0.1:1": "no Ray cluster answers there",
        "nowhere": "no Ray cluster answers there",
        "ray://a:1": "give the HOST:PORT",
    }.items():
        with pytest.raises(CamAuditError, match=words) as error:
            scan(ray=address)
        assert "\n" not in str(error.value)
    assert not (folder / "out").exists()
