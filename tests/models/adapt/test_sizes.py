"""H and W are freed only where the net computes the same at other sizes; otherwise `adapt` says why not."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from plain_nets import CHANNELS, SIDE, UNIT, Head, Net, flat_pool, gemm, plain, pool, save

from cam_audit.models.adapt import AdaptedModel, adapt

CELLS = SIDE // 2
EYE = np.eye(CHANNELS)[:, :, None, None]


def windows(net: Net, tensor: str) -> str:
    """Cut to 4x4 windows that are mixed with each other, so many a row as there are at this size: Swin's kind."""
    cut = net.op("Reshape", tensor, net.const([1, CHANNELS, -1, 4, CELLS // 4, 4]))
    mixed = net.op("Softmax", cut, axis=3)
    return gemm(net, flat_pool(net, net.op("Reshape", mixed, net.const([1, CHANNELS, -1, CELLS]))))


def position_table(net: Net, tensor: str) -> str:
    table = np.random.default_rng(0).normal(size=(1, CHANNELS, CELLS, CELLS))
    return gemm(net, flat_pool(net, net.op("Add", tensor, net.const(table))))


def padded_at_one_end(net: Net, tensor: str) -> str:
    """TensorFlow's SAME of an even side, written out: of an odd one it would be another."""
    weight = np.ones((CHANNELS, CHANNELS, 3, 3))
    return gemm(net, flat_pool(net, net.op("Conv", tensor, net.const(weight), pads=[0, 0, 1, 1], strides=[2, 2])))


def resized(net: Net, tensor: str) -> str:
    half = net.op("MaxPool", tensor, kernel_shape=[2, 2], strides=[2, 2])
    sizes = net.const(np.array([1, CHANNELS, CELLS, CELLS]))
    return gemm(net, flat_pool(net, net.op("Resize", half, "", "", sizes, mode="nearest")))


def over_cells(net: Net, tensor: str) -> str:
    """Attention of all cells to each other: no table, no window."""
    row = net.op("Reshape", tensor, net.const([0, CHANNELS, -1]))
    shares = net.op("Softmax", net.op("MatMul", net.op("Transpose", row, perm=[0, 2, 1]), row), axis=-1)
    mixed = net.op("MatMul", row, shares)
    return gemm(net, flat_pool(net, net.op("Reshape", mixed, net.op("Shape", tensor))))


def excited(net: Net, tensor: str) -> str:
    gate = net.op("Sigmoid", net.op("Conv", pool(net, tensor), net.const(EYE)))
    return gemm(net, flat_pool(net, net.op("Mul", tensor, gate)))


def grouped(net: Net, tensor: str) -> str:
    """Channels shuffled between groups, by the sizes that the graph finds itself."""
    height, width = (net.op("Slice", net.op("Shape", tensor), net.const([k]), net.const([k + 1])) for k in (2, 3))
    cut = net.op("Concat", net.const([1, 2, CHANNELS // 2]), height, width, axis=0)
    turned = net.op("Transpose", net.op("Reshape", tensor, cut), perm=[0, 2, 1, 3, 4])
    back = net.op("Concat", net.const([1, CHANNELS]), height, width, axis=0)
    return gemm(net, flat_pool(net, net.op("Reshape", turned, back)))


def found(head: Head, folder: Path, *, free: bool) -> AdaptedModel:
    side = ("H", "W") if free else (SIDE, SIDE)
    source = save(plain(head, shape=(1, 3, *side)), folder)
    return adapt(source, folder / "cam.onnx", preprocessing=UNIT, classes=None, net="test", input_size=(SIDE, SIDE))


@pytest.mark.parametrize("free", [True, False])
@pytest.mark.parametrize("head", [over_cells, excited, grouped])
def test_freed(head: Head, free: bool, tmp_path: Path) -> None:
    made = found(head, tmp_path, free=free)
    assert (made.dynamic_size, made.why_fixed) == (True, "")


@pytest.mark.parametrize("free", [True, False])
@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (windows, r"depends on the size|does not run"),
        (position_table, r"depends on the size|does not run"),
        (padded_at_one_end, "depends on the size"),
        (resized, "depends on the size"),
    ],
)
def test_kept(head: Head, reason: str, free: bool, tmp_path: Path) -> None:
    made = found(head, tmp_path, free=free)
    assert not made.dynamic_size
    assert re.search(reason, made.why_fixed)


def test_windows_that_run_at_any_size_are_no_proof(tmp_path: Path) -> None:
    """The source runs at 42x32 and 32x42 as it was exported, with windows that were meant for 32x32."""

    def head(net: Net, tensor: str) -> str:
        cut = net.op("Reshape", tensor, net.const([1, CHANNELS, -1, CELLS // 2]))
        shape = net.op("Shape", tensor)
        return gemm(net, flat_pool(net, net.op("Reshape", net.op("Softmax", cut, axis=3), shape)))

    made = found(head, tmp_path, free=True)
    assert not made.dynamic_size
    assert "depends on the size" in made.why_fixed
