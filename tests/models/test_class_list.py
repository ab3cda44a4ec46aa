"""Class names from files."""

from __future__ import annotations

from pathlib import Path

import pytest

from cam_audit.errors import CamAuditError
from cam_audit.models.class_names import ClassList, imagenet_classes, read_class_list


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("tench\ngoldfish\n", ClassList(("tench", "goldfish"))),
        ("﻿tench \r\n\r\n  great white shark, white shark\r\n", ClassList(("tench", "great white shark, white shark"))),
        ("index,wnid,name\n1,n2,b\n0,n1,a\n", ClassList(("a", "b"), ("n1", "n2"))),
        ('index,name,wnid\n0,"shark, white",n1\n', ClassList(("shark, white",), ("n1",))),
        ("größe\n名前", ClassList(("größe", "名前"))),
    ],
)
def test_one_name_a_line_or_a_table(tmp_path: Path, content: str, expected: ClassList) -> None:
    (tmp_path / "classes").write_text(content, encoding="utf-8", newline="")
    assert read_class_list(tmp_path / "classes") == expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no class names in it"),
        (b"\n \n", "no class names in it"),
        (b"\xff\xfe", "must be UTF-8 text"),
        (b"index,wnid,name\n", "no class names in it"),
        (b"index,name\n0,a\n", "needs the columns index,wnid,name in every row"),
        (b"index,wnid,name\n0,n1\n", "needs the columns index,wnid,name in every row"),
        (b"index,wnid,name\nfirst,n1,a\n", "must count from 0 and leave out nothing"),
        (b"index,wnid,name\n0,n1,a\n2,n2,b\n", "must count from 0 and leave out nothing"),
        (b"index,wnid,name\n0,n1,a\n0,n2,b\n", "must count from 0 and leave out nothing"),
        (b"index,wnid,name\n0,n1," + b"a" * 200_000, "cannot be read as CSV: field larger than field limit"),
    ],
)
def test_a_file_that_is_no_list_of_classes_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "classes"
    path.write_bytes(content)
    with pytest.raises(CamAuditError) as caught:
        read_class_list(path)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CamAuditError, match=r"gone: cannot be read: No such file"):
        read_class_list(tmp_path / "gone")


def test_imagenet_has_its_thousand_classes() -> None:
    classes = imagenet_classes()
    assert len(classes.names) == 1000
    assert classes.ids is not None
    assert len(set(classes.ids)) == 1000
    assert (classes.names[281], classes.ids[281]) == ("tabby", "n02123045")
    assert (classes.names[999], classes.ids[999]) == ("toilet tissue", "n15075141")
