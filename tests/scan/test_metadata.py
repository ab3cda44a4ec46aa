"""The table of --metadata: read in the forms in which people have it, or refused with what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from cam_audit.errors import CamAuditError
from cam_audit.scan.metadata import read_metadata

NAMES = ["cat/1.jpg", "cat/2.jpg", "dog/1.jpg"]
ROWS = {"cat/1.jpg": ("north", "A"), "dog/1.jpg": ("south", "")}


def read(folder: Path, content: bytes) -> tuple[tuple[str, ...], dict[str, tuple[str, ...]]]:
    (folder / "table.csv").write_bytes(content)
    table = read_metadata(folder / "table.csv", NAMES)
    return table.columns, dict(table.rows)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("line", ["\n", "\r\n"])
def test_spreadsheets_of_all_kinds_are_read(tmp_path: Path, delimiter: str, encoding: str, line: str) -> None:
    rows = [("path", "site", "scanner"), ("cat/1.jpg", "north", "A"), ("dog/1.jpg", "south", "")]
    text = line.join(delimiter.join(row) for row in rows)
    assert read(tmp_path, text.encode(encoding)) == (("site", "scanner"), ROWS)


@pytest.mark.parametrize(
    "content",
    [
        "site,File Name,scanner\nnorth,cat/1.jpg,A\nsouth,dog/1.jpg\n",
        "image,site,scanner\n./cat/1.jpg,north,A\n\ndog\\1.jpg,south,\n",
        "image_id,site,scanner\ncat/1,north,A\ndog/1,south,\nelsewhere/9,west,B\n",
        "which,site,scanner\n/data/photos/cat/1.jpg,north,A\n/data/photos/dog/1.jpg,south,\n",
    ],
)
def test_rows_find_their_images_by_path_by_stem_or_by_the_end_of_the_path(tmp_path: Path, content: str) -> None:
    assert read(tmp_path, content.encode()) == (("site", "scanner"), ROWS)


def test_what_is_said_can_be_printed(tmp_path: Path) -> None:
    columns, rows = read(tmp_path, b'path,"si\x1bte"\ncat/1.jpg,"no\nrth"\n')
    assert columns == ("si\ufffdte",)
    assert rows == {"cat/1.jpg": ("no\ufffdrth",)}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "holds no rows below a header; expected path and further columns such as site"),
        (b"path,site\n", "holds no rows below a header"),
        (b"path\ncat/1.jpg\n", "expected a header with path and further columns, and found path"),
        (b"path,site,site\ncat/1.jpg,a,b\n", "two columns are called 'site'"),
        (b"path,site\ncat/1.jpg,a\ncat/1.jpg,b\n", "lines 2 and 3: both are about 'cat/1.jpg', and they differ"),
        (b"site,path\na\n", "line 2: expected 2 cells and found 1"),
        (
            b"path,site\nbird/7.jpg,a\n",
            "no row is about an image of the data set; rows begin with a path such as cat/1.jpg",
        ),
        (b"path,site\n\xff\xff,a\n", "cannot be read as CSV"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.raises(CamAuditError) as error:
        read(tmp_path, content)
    assert words in str(error.value)
    assert str(error.value).startswith(str(tmp_path / "table.csv"))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CamAuditError, match=r"none\.csv: cannot be read as CSV"):
        read_metadata(tmp_path / "none.csv", NAMES)
