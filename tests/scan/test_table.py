"""Tables are read in the encodings and with the separators that spreadsheets and programs write."""

from __future__ import annotations

from pathlib import Path

import pytest

from cam_audit.errors import CamAuditError
from cam_audit.scan.table import Line, read_table


def table(folder: Path, content: bytes) -> list[Line]:
    (folder / "table.csv").write_bytes(content)
    return read_table(folder / "table.csv")


@pytest.mark.parametrize("sign", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_any_separator_encoding_and_end_of_line(tmp_path: Path, sign: str, encoding: str, end: str) -> None:
    text = end.join(["кот.jpg, cat ,", "", "b.jpg,dog,x"]).replace(",", sign)
    assert table(tmp_path, text.encode(encoding)) == [(1, ["кот.jpg", "cat", ""]), (3, ["b.jpg", "dog", "x"])]


def test_the_separator_is_the_one_in_all_lines(tmp_path: Path) -> None:
    assert table(tmp_path, b"a;b.jpg,cat\nc,dog\n") == [(1, ["a;b.jpg", "cat"]), (2, ["c", "dog"])]


def test_a_quoted_cell_may_go_over_lines(tmp_path: Path) -> None:
    assert table(tmp_path, b'"a\nb",cat\nc,dog\n') == [(2, ["a\nb", "cat"]), (3, ["c", "dog"])]


def test_a_list_of_paths_has_an_index_each(tmp_path: Path) -> None:
    assert table(tmp_path, b"a b.jpg  3\n\nc.jpg 0 \n") == [(1, ["a b.jpg", "3"]), (3, ["c.jpg", "0"])]


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(CamAuditError, match=r"table\.csv: cannot be read as CSV: neither UTF-8 nor UTF-16"):
        table(tmp_path, b"\xff\xff,a\n")
    with pytest.raises(CamAuditError, match=r"none\.csv: cannot be read as CSV: No such file"):
        read_table(tmp_path / "none.csv")
