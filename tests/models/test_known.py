"""Nets are found by name in the documented folders, and a name that is not found gets the way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from cam_audit.errors import ModelError
from cam_audit.models import known
from cam_audit.models.known import find_net, how_to_make_again, model_folders


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The first three model folders, on a machine that has nothing else."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CAM_AUDIT_MODELS", str(tmp_path / "chosen"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name, appauthor: str(tmp_path / "cache" / name))
    found = [tmp_path / "chosen", tmp_path / "onnx_models", tmp_path / "cache" / "cam-audit" / "models"]
    for folder in found:
        folder.mkdir(parents=True)
    return found


def test_nets_are_looked_for_in_the_chosen_folder_then_here_then_the_cache_then_the_package(
    folders: list[Path],
) -> None:
    for folder in reversed(folders):
        (folder / "resnet18.onnx").touch()
        assert find_net("resnet18").resolve() == folder / "resnet18.onnx"
    assert [folder.resolve() for folder in model_folders()] == [*folders, Path(known.__file__).parents[1] / "demo"]


def test_without_the_variable_there_are_three_folders(folders: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    for value in (None, ""):
        if value is None:
            monkeypatch.delenv("CAM_AUDIT_MODELS")
        else:
            monkeypatch.setenv("CAM_AUDIT_MODELS", value)
        assert len(model_folders()) == 3


def test_a_file_is_made_again_as_its_net_is_made_or_by_adapt() -> None:
    assert how_to_make_again("squeezenet", Path("/somewhere/squeezenet.onnx")) == (
        "`cam-audit models pull squeezenet` or `python scripts/export_onnx.py --net squeezenet`"
    )
    # no command brings a net that comes with the package
    for net in ("my net", "demo-fixed"):
        command = how_to_make_again(net, Path("/somewhere/my net.onnx"))
        assert command == "`cam-audit models adapt PLAIN.onnx -o 'my net.onnx'`"


def test_any_file_in_a_model_folder_has_a_name(folders: list[Path]) -> None:
    (folders[0] / "my net.v2.onnx").touch()
    assert find_net("my net.v2") == folders[0] / "my net.v2.onnx"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet18", "the net resnet18 is not on this machine yet; make it with `"),
        ("mobilenetv2", "`python scripts/export_onnx.py --net mobilenetv2`"),
        (
            "resnet-18",
            "no net is called 'resnet-18'; known are resnet18, squeezenet, googlenet, mobilenetv2, ",
        ),
        ("resnet-18", "did you mean resnet18?"),
        ("zzz", "for a file of your own use --model FILE"),
        ("mine.onnx", "for a file of your own use --model mine.onnx"),
        ("nets/mine", "for a file of your own use --model nets/mine"),
        ("../chosen/mine", "--model ../chosen/mine"),
        ("n" * 300, "no net is called"),
        ("", "no net is called ''"),
    ],
)
def test_a_net_that_is_not_there_gets_the_way_out(folders: list[Path], name: str, message: str) -> None:
    (folders[0] / "mine.onnx").touch()
    with pytest.raises(ModelError) as caught:
        find_net(name)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
