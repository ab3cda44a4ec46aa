"""Execution providers of onnxruntime other than the CPU's: named, proved, and left for the CPU where they fail.

Which are here depends on the package that brings onnxruntime. Azure's comes with the plain one; it takes no step of a
net. OpenVINO's is tested where `onnxruntime-openvino` is installed.
"""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from pictures import GREEN, RED, encode, square
from tiny_net import colour_net

import cam_audit
from cam_audit.errors import CamAuditError, ModelError
from cam_audit.models import file_format, providers
from cam_audit.models.model import Model, load_model
from cam_audit.models.protobuf import without_outputs

AZURE, OPENVINO, CPU = "AzureExecutionProvider", "OpenVINOExecutionProvider", "CPUExecutionProvider"
ROOT = Path(__file__).parents[2]
DEMO = ROOT / "cam_audit" / "demo" / "demo-biased.onnx"


def needs(provider: str) -> pytest.MarkDecorator:
    """Skip where onnxruntime lacks a provider."""
    return pytest.mark.skipif(provider not in ort.get_available_providers(), reason=f"needs {provider}")


@pytest.fixture
def net(tmp_path: Path) -> Path:
    """A CAM-ready file."""
    return colour_net().write(tmp_path / "colour.onnx")


def other_provider(monkeypatch: pytest.MonkeyPatch, open_session) -> None:
    """Let onnxruntime say that it has CUDA, and let `open_session` open what is to run on it."""
    monkeypatch.setattr(ort, "get_available_providers", lambda: ["CUDAExecutionProvider", CPU])
    monkeypatch.setattr(providers, "open_session", open_session)


class FakeSession:
    """A session that says that CUDA runs it, runs on the CPU, and gives `wrong` times the logits."""

    def __init__(self, model: bytes, wrong: float = 1.0) -> None:
        self._session = ort.InferenceSession(model)
        self._wrong = wrong

    def run(self, names: list[str], inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        values = self._session.run(names, inputs)
        return [
            value * np.float32(self._wrong if name == "logits" else 1)
            for name, value in zip(names, values, strict=True)
        ]

    def get_providers(self) -> list[str]:
        return ["CUDAExecutionProvider", CPU]


def test_the_cpu_runs_a_net_unless_others_are_named(net: Path) -> None:
    for model in (load_model(net), load_model(net, "cpu"), load_model(net, ["CPUExecutionProvider"])):
        assert (model.providers, model.fallback) == ((CPU,), "")


@pytest.mark.parametrize(
    ("name", "said", "way_out"),
    [
        ("cudnn", "is no execution provider of this onnxruntime", ""),
        ("", "is no execution provider of this onnxruntime", ""),
        ("Dml", "is not in this onnxruntime", "; `pip uninstall onnxruntime` and `pip install onnxruntime-directml` "),
        ("coremlexecutionprovider", "is not in this onnxruntime", ""),
    ],
)
def test_a_provider_that_is_not_here_is_named_with_those_that_are(
    net: Path, monkeypatch: pytest.MonkeyPatch, name: str, said: str, way_out: str
) -> None:
    monkeypatch.setattr(ort, "get_available_providers", lambda: [OPENVINO, CPU])
    with pytest.raises(CamAuditError) as error:
        load_model(net, name)
    assert str(error.value).startswith(f"--provider {name}: it {said} {ort.__version__}, which has OpenVINO, CPU")
    assert str(error.value).partition("which has OpenVINO, CPU")[2].startswith(way_out)
    assert ("pip" in str(error.value)) == bool(way_out)


@needs(AZURE)
def test_a_provider_that_takes_no_step_of_a_net_leaves_all_to_the_cpu_and_that_is_said(net: Path) -> None:
    rgb = square(RED, 8, 8, 16)
    on_cpu, model = load_model(net), load_model(net, "azure")
    assert model.fallback == ("Azure can't do all steps of the net; the others, perhaps all of them, run on the CPU")
    assert model.providers == (AZURE, CPU)
    np.testing.assert_array_equal(model.run(rgb).logits, on_cpu.run(rgb).logits)
    assert pickle.loads(pickle.dumps(model)).providers == (AZURE, CPU)


def test_a_provider_that_fails_leaves_the_net_to_the_cpu_and_that_is_said(net: Path, monkeypatch) -> None:
    def fails(model: bytes, names: list[str], **_: bool) -> ort.InferenceSession:
        raise ModelError("the net: not an ONNX file that onnxruntime can load: no GPU")

    other_provider(monkeypatch, fails)
    model = load_model(net, "CUDA")
    assert model.providers == (CPU,)
    assert model.fallback.startswith("CUDA can't run the net, so it runs on the CPU: ")
    assert model.fallback.endswith(": no GPU")


def test_a_provider_that_does_not_start_leaves_the_net_to_the_cpu(net: Path, monkeypatch) -> None:
    # onnxruntime may say nothing but that the session has the CPU alone
    other_provider(monkeypatch, lambda model, names, **_: ort.InferenceSession(model))
    model = load_model(net, "cuda")
    assert model.providers == (CPU,)
    assert model.fallback.endswith("so it runs on the CPU: CUDAExecutionProvider did not start")


def test_a_provider_that_computes_something_else_is_refused(net: Path, monkeypatch) -> None:
    other_provider(monkeypatch, lambda model, names, **_: FakeSession(model, 1.0005))
    assert load_model(net, "cuda").providers == ("CUDAExecutionProvider", CPU)
    other_provider(monkeypatch, lambda model, names, **_: FakeSession(model, 1.002))
    with pytest.raises(ModelError, match=r"on CUDA, the output 'logits' differs from the CPU's by 0\.002 of the larg"):
        load_model(net, "cuda")


@needs(OPENVINO)
@pytest.mark.parametrize("file", ["colour", "demo", "features"])
def test_on_openvino_all_outputs_are_those_of_the_cpu(tmp_path: Path, net: Path, file: str) -> None:
    path = {"colour": net, "demo": DEMO}.get(file) or colour_net(in_each_cell=True).write(tmp_path / "f.onnx")
    on_cpu, model = load_model(path), load_model(path, "openvino")
    assert (model.providers, model.fallback) == ((OPENVINO, CPU), "")
    generator = np.random.default_rng(0)
    for size in ((96, 96), (96, 160), (130, 96)):
        rgb = generator.integers(0, 256, (*size, 3), np.uint8)
        found, expected = model.run(rgb), on_cpu.run(rgb)
        for value, same in ((found.logits, expected.logits), (found.activations, expected.activations)):
            np.testing.assert_allclose(value, same, rtol=0, atol=1e-3 * np.abs(same).max())


def test_outputs_are_left_out_of_a_file_and_nothing_else(net: Path) -> None:
    before = onnx.load(net)
    after = onnx.load_from_string(without_outputs(net.read_bytes(), [file_format.CAM_WEIGHT, "image"]))
    assert [output.name for output in after.graph.output] == ["logits", "activations", "cam_bias"]
    for output in before.graph.output:
        if output.name == file_format.CAM_WEIGHT:
            before.graph.output.remove(output)
            break
    assert after == before


@pytest.mark.parametrize("size", [100, 127, 128, 20_000])
def test_leaving_out_no_output_gives_the_same_file(size: int) -> None:
    # the length of the graph takes one, two and three bytes
    graph = onnx.helper.make_graph([], "g" * size, [], [])
    model = onnx.helper.make_model(graph).SerializeToString()
    assert without_outputs(model, ["logits"]) == model


@needs(AZURE)
def test_a_scan_says_once_that_the_cpu_helps_out_and_finds_the_same(tmp_path: Path) -> None:
    for colour, value in (("red", RED), ("green", GREEN)):
        (tmp_path / "photos" / colour).mkdir(parents=True)
        for index in range(12):
            (tmp_path / "photos" / colour / f"{index}.png").write_bytes(encode(square(value, index, index)))
    net = colour_net().write(tmp_path / "colour.onnx")
    other = colour_net(bias=np.float32([0, 0, 0, 0.4])).write(tmp_path / "other.onnx")
    notes: list[str] = []

    class Notes(cam_audit.Observer):
        def on_note(self, words: str) -> None:
            notes.append(words)

    found, same = (
        cam_audit.audit(tmp_path / "photos", net, foreground=str(other), provider=provider, observer=Notes())
        for provider in (["azure"], ())
    )
    assert sum("Azure can't do all steps" in words for words in notes) == 1
    assert found.run["settings"]["provider"] == [AZURE, CPU]
    assert (found.findings, tuple(found.images)) == (same.findings, tuple(same.images))


def test_a_model_with_a_provider_is_not_given_another(net: Path, tmp_path: Path) -> None:
    loaded: Model = load_model(net)
    with pytest.raises(CamAuditError, match="has its provider already"):
        cam_audit.audit(tmp_path, loaded, provider="cpu")
