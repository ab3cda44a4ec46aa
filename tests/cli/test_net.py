"""`--net` of a net that is not on this machine: asked for on a terminal, downloaded if allowed, then scanned."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from file_server import Server, serving, stand_in_for_the_zoo
from pictures import encode
from plain_nets import picture

import cam_audit
from cam_audit.errors import ModelError
from cam_audit.models.model import load_model

Command = Callable[..., tuple[str, str]]
COMMAND = ("scan", "photos", "--net", "resnet18")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with serving(monkeypatch) as found:
        stand_in_for_the_zoo(found, monkeypatch)
        yield found


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Photos, on a machine that has no net."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CAM_AUDIT_MODELS", raising=False)
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name, appauthor: str(tmp_path / "cache"))
    (tmp_path / "photos" / "a").mkdir(parents=True)
    for index in range(2):
        (tmp_path / "photos" / "a" / f"{index}.png").write_bytes(encode(picture(64, 64, index)))
    return tmp_path


def test_with_download_a_net_is_downloaded_checked_adapted_and_scanned(
    command: Command, folder: Path, server: Server
) -> None:
    output, error = command(*COMMAND, "--download")
    file = folder / "cache" / "models" / "resnet18.onnx"
    assert load_model(file).net == "resnet18"
    assert error.splitlines()[0] == f"note: resnet18 (Apache-2.0) is in {file} from now on"
    assert output.startswith("2 images, 0 errors")
    assert (folder / "cam-audit-out" / "report.html").exists()
    asked = len(server.requests)
    command(*COMMAND, "--download")
    assert len(server.requests) == asked, "it is there now"


def test_the_configuration_may_allow_it(command: Command, folder: Path) -> None:
    (folder / "pyproject.toml").write_text("[tool.cam-audit]\nnet = 'squeezenet'\ndownload = true\n")
    assert command("scan", "photos")[0].startswith("2 images, 0 errors")


@pytest.mark.parametrize("typed", ["\n", "y\n", "YES\n"])
def test_on_a_terminal_it_asks_once(command: Command, server: Server, typed: str) -> None:
    output, error = command(*COMMAND, typed=typed)
    question = f"The net resnet18 is not on this machine yet. Download 0.0 MB from {server['/mirror']}? [Y/n]: "
    assert (output + error).count(question) == 1
    assert "2 images, 0 errors" in output


def test_who_says_no_hears_of_the_other_ways(command: Command, server: Server, folder: Path) -> None:
    error = command(*COMMAND, code=2, typed="n\n")[1]
    assert "make it with `cam-audit models pull resnet18` or `python scripts/export_onnx.py" in error.splitlines()[-1]
    assert server.requests == []
    assert not (folder / "cache").exists()


@pytest.mark.parametrize("asking", [COMMAND, ("live", "--net", "resnet18", "--no-window")], ids=["scan", "live"])
def test_elsewhere_nothing_is_downloaded_unasked(command: Command, server: Server, asking: tuple[str, ...]) -> None:
    error = command(*asking, code=2)[1]
    assert error.count("\n") == 1
    assert error.endswith("or add --download to this command\n")
    assert server.requests == []


@pytest.mark.parametrize("extra", [(), ("--download",)])
def test_without_onnx_one_line_says_so_before_anything_is_downloaded(
    command: Command, server: Server, monkeypatch: pytest.MonkeyPatch, extra: tuple[str, ...]
) -> None:
    for name in [name for name in sys.modules if name.startswith(("cam_audit.models.adapt", "cam_audit.models.zoo"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("cam_audit.models.zoo", raising=False)
    monkeypatch.setitem(sys.modules, "onnx", None)
    error = command(*COMMAND, *extra, code=2, typed=None if extra else "y\n")[1]
    assert error == (
        "cam-audit: the net resnet18 is not on this machine yet, and to download it: the package onnx is missing; "
        "install it with: pip install 'cam-audit[models]'\n"
    )
    assert server.requests == []


def test_a_data_set_that_is_not_there_is_said_before_anything_is_downloaded(command: Command, server: Server) -> None:
    assert "fotos: no such folder" in command("scan", "fotos", "--net", "resnet18", "--download", code=2)[1]
    assert server.requests == []


def test_a_download_that_fails_is_one_line(command: Command, server: Server, folder: Path) -> None:
    server.answers.clear()
    error = command(*COMMAND, "--download", code=2)[1]
    assert error.splitlines()[-1].startswith("cam-audit: the download failed: ")
    assert error.count("the server answers 404") == 2
    assert not (folder / "cam-audit-out").exists()


def test_a_library_downloads_only_if_it_is_told_to(server: Server) -> None:
    with pytest.raises(ModelError, match="not on this machine yet"):
        cam_audit.audit("photos", "resnet18")
    assert server.requests == []
    assert len(cam_audit.audit("photos", "resnet18", download=True).images) == 2
    assert len(cam_audit.audit("photos", "resnet18").images) == 2
