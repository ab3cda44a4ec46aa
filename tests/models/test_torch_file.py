"""Tensors out of torch's legacy files, written here opcode by opcode, and what must not get through."""

from __future__ import annotations

import os
import pickle
import struct
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

from cam_audit.errors import ModelError
from cam_audit.models.torch_file import read_tensors

MAGIC = 119547037146038801333356
ELEMENTS = {np.dtype("f4"): b"FloatStorage", np.dtype("i8"): b"LongStorage"}


def text(word: str) -> bytes:
    return b"X" + struct.pack("<I", len(word)) + word.encode()


def number(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def row(*items: bytes) -> bytes:
    return b"(" + b"".join(items) + b"t"


def tensor(key: str, storage: np.ndarray, offset: int, shape: tuple[int, ...], stride: tuple[int, ...]) -> bytes:
    """The opcodes of `_rebuild_tensor_v2(storage, offset, shape, stride, False, OrderedDict())`."""
    kind = b"ctorch\n" + ELEMENTS[storage.dtype] + b"\n"
    reference = row(text("storage"), kind, text(key), text("cpu"), number(storage.size), b"N") + b"Q"
    sizes = row(*map(number, shape)), row(*map(number, stride))
    arguments = row(reference, number(offset), *sizes, b"\x89", b"ccollections\nOrderedDict\n)R")
    return b"ctorch._utils\n_rebuild_tensor_v2\n" + arguments + b"R"


def legacy_file(entries: dict[str, bytes], storages: dict[str, np.ndarray], magic: int = MAGIC) -> bytes:
    """A file as `torch.save` wrote it before 1.6."""
    items = b"".join(text(name) + value + b"s" for name, value in entries.items())
    parts = [pickle.dumps(value, protocol=2) for value in (magic, 1001, {"little_endian": True})]
    parts += [b"\x80\x02ccollections\nOrderedDict\n)R" + items + b".", pickle.dumps(list(storages), protocol=2)]
    parts += [struct.pack("<q", storage.size) + storage.tobytes() for storage in storages.values()]
    return b"".join(parts)


STORAGE = np.arange(24, dtype=np.float32)
COUNT = np.array([7], np.int64)
FILE = legacy_file(
    {
        "whole": tensor("0", STORAGE, 0, (2, 3, 4), (12, 4, 1)),
        "transposed": tensor("0", STORAGE, 0, (4, 6), (1, 4)),
        "part": tensor("0", STORAGE, 10, (3,), (2,)),
        "scalar": tensor("1", COUNT, 0, (), ()),
    },
    {"0": STORAGE, "1": COUNT},
)


def test_tensors_keep_their_names_shapes_types_and_strides() -> None:
    tensors = read_tensors(FILE)
    assert list(tensors) == ["whole", "transposed", "part", "scalar"]
    np.testing.assert_array_equal(tensors["whole"], STORAGE.reshape(2, 3, 4), strict=True)
    np.testing.assert_array_equal(tensors["transposed"], STORAGE.reshape(6, 4).T, strict=True)
    np.testing.assert_array_equal(tensors["part"], np.float32([10, 12, 14]), strict=True)
    np.testing.assert_array_equal(tensors["scalar"], np.array(7), strict=True)
    assert not tensors["whole"].flags.writeable


@pytest.mark.parametrize(
    ("entry", "name"),
    [
        (b"cos\nsystem\n" + text("touch caught") + b"\x85R", "os.system"),
        (b"cbuiltins\neval\n" + text("1") + b"\x85R", "builtins.eval"),
        (b"cposix\nsystem\n" + text("touch caught") + b"\x85R", "posix.system"),
        (b"ctorch\nload\n" + text("other.pth") + b"\x85R", "torch.load"),
        (b"cnumpy\nndarray\n" + row(number(1 << 30)) + b"\x85R", "numpy.ndarray"),
    ],
)
def test_a_file_that_names_anything_but_tensors_is_refused_and_nothing_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: bytes, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match=f"holds {name}, which is no tensor; refused"):
        read_tensors(legacy_file({"x": entry}, {}))
    assert os.listdir(tmp_path) == []


def test_every_pickle_of_the_file_is_read_with_the_same_care() -> None:
    attack = b"\x80\x02cos\nsystem\n" + text("true") + b"\x85R."
    pickles = [pickle.dumps(value, protocol=2) for value in (MAGIC, 1001, {}, OrderedDict(), [])]
    for index in range(len(pickles)):
        with pytest.raises(ModelError, match=r"holds os\.system"):
            read_tensors(b"".join([*pickles[:index], attack, *pickles[index + 1 :]]))


@pytest.mark.parametrize(
    "content",
    [
        legacy_file({"x": tensor("0", STORAGE, 1, (24,), (1,))}, {"0": STORAGE}),
        legacy_file({"x": tensor("0", STORAGE, 0, (2, 2), (24, 1))}, {"0": STORAGE}),
        legacy_file({"x": tensor("0", STORAGE, 0, (3,), (-1,))}, {"0": STORAGE}),
        legacy_file({"x": tensor("0", STORAGE, -4, (3,), (1,))}, {"0": STORAGE}),
        legacy_file({"x": tensor("0", STORAGE, 0, (24,), (1,))}, {"0": STORAGE[:20]}),
        legacy_file({"x": tensor("0", STORAGE, 0, (24,), (1,))}, {}),
        legacy_file({"x": tensor("0", STORAGE, 0, (24,), (1,))}, {"1": STORAGE}),
        legacy_file({"x": number(3)}, {}),
        legacy_file({}, {}, magic=7),
        pickle.dumps([1, 2, 3]),
        b"PK\x03\x04 a zip archive, as torch writes now",
        b"",
    ],
    ids=[
        "past the end",
        "stride past the end",
        "backwards",
        "before the start",
        "short storage",
        "no storage",
        "another storage",
        "a number",
        "another magic number",
        "a list",
        "zip",
        "empty",
    ],
)
def test_a_file_that_does_not_fit_together_is_refused(content: bytes) -> None:
    with pytest.raises(ModelError):
        read_tensors(content)


def test_a_file_that_was_cut_off_anywhere_is_refused() -> None:
    for end in range(len(FILE)):
        with pytest.raises(ModelError):
            read_tensors(FILE[:end])


@pytest.mark.torch
def test_a_file_that_torch_writes_reads_as_torch_reads_it(tmp_path: Path) -> None:
    import torch

    net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    state = net.state_dict()
    state["turned"] = torch.arange(12.0).reshape(3, 4).T[1:]
    torch.save(state, tmp_path / "state.pth", _use_new_zipfile_serialization=False)
    tensors = read_tensors((tmp_path / "state.pth").read_bytes())
    assert list(tensors) == list(state)
    for name, values in state.items():
        np.testing.assert_array_equal(tensors[name], values.numpy(), strict=True)
