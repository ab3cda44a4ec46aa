"""Class names from files."""

from __future__ import annotations

from pathlib import Path

import pytest

from cam_audit.errors import CamAuditError
from cam_audit.models.class_list import ClassList, imagenet_classes, read_class_list


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("tench\ngoldfish\n", ClassList(("tench", "goldfish"))),
        ("﻿tench \r\n\r\n  great white shark, white shark\r\n", ClassList(("tench", "great white shark, white shark"))),
        ("index,wnid,name\n1,n2,b\n0,n1,a\n", ClassList(("a", "b"), ("n1", "n2"))),
        ('index,name,wnid\n0,"shark, white",n1\n', ClassList(("shark, white",), ("n1",))),
        ("größe\n名前", ClassList(("größe", "名前"))),
        ("index,name\n1,b\n0,a\n", ClassList(("a", "b"))),
        ("1 b c\n0 a\n", ClassList(("a", "b c"))),
        ("0: a\n1: b\n", ClassList(("a", "b"))),
        ("0,a\n1,b\n", ClassList(("a", "b"))),
        (
            "n01440764 tench, Tinca tinca\nn01443537 goldfish",
            ClassList(("tench, Tinca tinca", "goldfish"), ("n01440764", "n01443537")),
        ),
        ('["a", "b"]', ClassList(("a", "b"))),
        ("['a', \"b's\"]", ClassList(("a", "b's"))),
        ('{"1": "b", "0": "a"}', ClassList(("a", "b"))),
        ("{0: 'a',\n 1: 'b',\n}\n", ClassList(("a", "b"))),
        ("{'b': 1, 'a': 0}", ClassList(("a", "b"))),
        (
            '{"architectures": ["X"], "id2label": {"0": "a", "1": "b"}, "label2id": {"a": 0, "b": 1}}',
            ClassList(("a", "b")),
        ),
        ('{"0": ["n1", "a"], "1": ["n2", "b"]}', ClassList(("a", "b"), ("n1", "n2"))),
        ("0\n1\n2\n", ClassList(("0", "1", "2"))),
        ("zone 0\nzone 1\n", ClassList(("zone 0", "zone 1"))),
        ("ferrari 458\naudi 100\n", ClassList(("ferrari 458", "audi 100"))),
        ("income >= 50\nincome < 50\n", ClassList(("income >= 50", "income < 50"))),
        ("{0: 7, 1: 9}", ClassList(("7", "9"))),
        ("{'3': 0, '7': 1}", ClassList(("3", "7"))),
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
        (b"1 a\n2 b\n", "must count from 0 and leave out nothing"),
        (b"file,label\na.jpg,cat\nb.jpg,dog\n", "file,label: no name of a class; give one name a line"),
        (b"cat: 0\ndog: 1\n", "cat: 0: no name of a class"),
        (b"<html><body>sign in</body></html>", "<html><body>sign in</body></html>: no name of a class"),
        (b"nc: 2\nnames:\n  - cat\n", "names:: no name of a class"),
        (b"import os\ndef f(x):\n    return x\n", "def f(x):: no name of a class"),
        (b"import os\nos.system('x')\n", "import os: no name of a class"),
        (b"from a.b import c\nd\n", "from a.b import c: no name of a class"),
        (b"cat\nwidth = 224\n", "width = 224: no name of a class"),
        (b"0.25\n0.5\n", "0.25: no name of a class"),
        (b"cat 0\ndog 1\n", "cat 0: no name of a class"),
        (b"a\x00b\n", "no name of a class"),
        (b"a" * 201, "no name of a class"),
        (b"{'a': f(0)}", "neither JSON nor a dict or list of Python"),
        (b"{" * 100_000, "neither JSON nor a dict or list of Python"),
        (b'{"0": "a", "2": "b"}', "must count from 0 and leave out nothing"),
        (b"[1.5]", "1.5: no name of a class"),
        (b'[["a"]]', "no name of a class"),
        (b"{}", "no class names in it"),
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
