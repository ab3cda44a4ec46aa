"""A command that is killed just before its file takes its place leaves no half of it, and the next run works."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from commands import environment, run
from file_server import gives, serving
from plain_nets import flat_pool, gemm, plain
from small_scans import prepare

from cam_audit.models import zoo
from cam_audit.models.model import load_model

NAME = "resnet18"
# The command in a process that kills itself where the last file would take its place: as late as can be.
KILLED = """
import os, signal, sys
from dataclasses import replace
from cam_audit.cli import main
from cam_audit.models import zoo
from cam_audit.models.class_list import ClassList

ending, size, sha256, *command = sys.argv[1:]
kept = os.replace, os.rename
def placed(how):
    def place(source, target, **options):
        if ending and os.fspath(target).endswith(ending):
            os.kill(os.getpid(), signal.SIGKILL)
        return how(source, target, **options)
    return place
os.replace, os.rename = map(placed, kept)
zoo.ZOO["NAME"] = replace(zoo.ZOO["NAME"], size=int(size), sha256=sha256)
zoo.imagenet_classes = lambda: ClassList(tuple("abcde"), tuple(f"n{index}" for index in range(5)))
sys.argv = ["cam-audit", *command]
main()
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photos, a net, a plain net, and the results of a scan in `undisturbed`."""
    folder = prepare(tmp_path_factory.mktemp("killed"))
    (folder / "plain.onnx").write_bytes(plain(lambda n, t: gemm(n, flat_pool(n, t))).SerializeToString())
    (folder / "made").mkdir()
    return folder


def ended(place: Path, ending: str, *command: str, net: bytes = b"", **variables: str) -> int:
    """How a command ends that is killed where a file with that end of its path takes its place; "": is not killed."""
    known = str(len(net)), hashlib.sha256(net).hexdigest()
    script = textwrap.dedent(KILLED).replace("NAME", NAME)
    process = subprocess.run(
        [sys.executable, "-c", script, ending, *known, *command],
        cwd=place,
        env={**environment(), **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in process.stderr
    return process.returncode


@pytest.mark.parametrize("is_there", [False, True])
@pytest.mark.parametrize("ending", ["README.md", "challenge.csv"])
def test_challenge(place: Path, is_there: bool, ending: str) -> None:
    made = place / "made" / f"challenge-{is_there}-{ending}"
    if is_there:
        made.mkdir()
    # a new folder takes its place as a whole
    at = f"{made.name}/{ending}" if is_there else made.name
    assert ended(place, at, "challenge", "undisturbed", "-o", str(made)) == -signal.SIGKILL
    assert not (made / "challenge.csv").exists()
    if is_there and ending == "challenge.csv":
        # which has all but the table: a person sees that it is not whole
        run(place, "challenge", "undisturbed", "-o", str(made), code=2)
        return
    run(place, "challenge", "undisturbed", "-o", str(made))
    assert (made / "challenge.csv").is_file()


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (("models", "adapt", "plain.onnx", "--preset", "imagenet"), "adapted.onnx"),
        (("models", "quantize", "cheat.onnx", "--photos", "photos"), "int8.onnx"),
    ],
)
def test_nets_that_are_made(place: Path, command: tuple[str, ...], name: str) -> None:
    target = place / "made" / name
    target.write_bytes(b"before")
    assert ended(place, name, *command, "-o", str(target)) == -signal.SIGKILL
    assert target.read_bytes() == b"before"
    target.unlink()
    run(place, *command, "-o", str(target))
    assert load_model(target).class_names


@pytest.mark.parametrize("ending", [f"{zoo.ZOO[NAME].stem}.onnx", f"{NAME}.onnx"])
def test_nets_that_are_downloaded(place: Path, ending: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = plain(lambda n, t: n.op("Softmax", gemm(n, flat_pool(n, t)))).SerializeToString()
    facts, cache = zoo.ZOO[NAME], place / f"cache-{ending}"
    with serving(monkeypatch) as server:
        path = f"/legacy_models/resolve/main/validated/vision/classification/{facts.folder}/model/{facts.stem}.onnx"
        server.has(f"/mirror{path}", gives(data))
        how = {"XDG_CACHE_HOME": str(cache), "CAM_AUDIT_MODEL_URL": server["/mirror/"], "no_proxy": "*"}
        assert ended(place, ending, "models", "pull", NAME, net=data, **how) == -signal.SIGKILL
        assert list(cache.rglob(f"models/{NAME}.onnx")) == []
        assert ended(place, "", "models", "pull", NAME, net=data, **how) == 0
    (net,) = cache.rglob(f"models/{NAME}.onnx")
    assert load_model(net).class_names
