"""Files are written whole or not at all."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest

from cam_audit.errors import CamAuditError
from cam_audit.files import replacing, write_bytes


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def write_text(path: Path, data: bytes) -> None:
    with replacing(path) as file:
        file.write(data.decode())


@pytest.mark.parametrize("write", [write_bytes, write_text])
def test_a_file_that_cannot_be_written_is_named_and_nothing_half_done_stays(
    tmp_path: Path, write: Callable[[Path, bytes], None]
) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "taken.png" / "x").mkdir(parents=True)
    for path in (tmp_path / "file" / "out" / "a.png", tmp_path / "taken.png", tmp_path / ("n" * 300)):
        with pytest.raises(CamAuditError, match=rf"cannot write {path}: \w"):
            write(path, b"data")
    assert files(tmp_path) == ["file"]


def test_write_bytes_makes_folders_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "c.png"
    for data in (b"first", b"second"):
        write_bytes(path, data)
        assert path.read_bytes() == data
    assert files(tmp_path) == ["a/b/c.png"]


def test_a_text_file_takes_its_place_only_when_its_block_ends_well(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    with replacing(path) as file:
        file.write("Ж\r\nold\n")
        assert not path.exists()
    assert path.read_bytes() == "Ж\r\nold\n".encode()
    with contextlib.suppress(KeyError), replacing(path) as file:
        file.write("new")
        raise KeyError
    assert path.read_bytes() == "Ж\r\nold\n".encode()
    assert files(tmp_path) == ["results.csv"]
