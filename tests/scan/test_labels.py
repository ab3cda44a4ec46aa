"""The file of --labels is read in the forms in which people have it, and a wrong row is named by its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from cam_audit.errors import CamAuditError
from cam_audit.models.class_names import ClassNames
from cam_audit.scan.labels import Row, read_labels, row_of_folder, rows_of_images

NAMES = ("tench", "great white shark", "crane", "NV", "crane", "MEL")
CLASSES = ClassNames(NAMES, tuple(f"n{index:08}" for index in range(len(NAMES))))


def labels(tmp_path: Path, text: str, encoding: str = "utf-8") -> dict[str, tuple[str, int, str]]:
    (tmp_path / "map.csv").write_bytes(text.encode(encoding))
    rows = read_labels(tmp_path / "map.csv", CLASSES)
    return {key: (row.word, row.index, row.split) for key, row in rows.items()}


@pytest.mark.parametrize("sign", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("header", ["", "folder,class\n", "Path,Label\n", "image_name,class\n"])
def test_rows_are_read_with_any_delimiter_encoding_and_header(
    tmp_path: Path, sign: str, encoding: str, header: str
) -> None:
    text = f"{header}fish,tench\n\nКот/,3\n./a/b.jpg,Great_White-Shark\n".replace(",", sign).replace("\n", "\r\n")
    assert labels(tmp_path, text, encoding) == {
        "fish": ("tench", 0, ""),
        "Кот": ("3", 3, ""),
        "a/b.jpg": ("Great_White-Shark", 1, ""),
    }


def test_further_columns_are_ignored_and_the_split_is_used(tmp_path: Path) -> None:
    assert labels(tmp_path, "a.jpg,tench,12,2020\n") == {"a.jpg": ("tench", 0, "")}
    text = "age;filename;split;label\n12;a.jpg;Training;tench\n13;b.jpg;fold 3;NV\n14;c.jpg;;\n"
    assert labels(tmp_path, text) == {"a.jpg": ("tench", 0, "train"), "b.jpg": ("NV", 3, "fold 3")}


def test_the_class_column_is_the_one_that_holds_classes(tmp_path: Path) -> None:
    text = "lesion_id,image_id,label,dx,age\nHAM_1,ISIC_1,unsure,nv,80\nHAM_2,ISIC_2,sure,mel,70\n"
    assert labels(tmp_path, text) == {"ISIC_1": ("nv", 3, ""), "ISIC_2": ("mel", 5, "")}


def test_a_row_may_give_several_classes(tmp_path: Path) -> None:
    several = ClassNames(("a;b", "a", "b", "c"), ())
    (tmp_path / "map.csv").write_text("0.png,c; a\n1.png,a;b\n2.png,b;b;\n3.png,3;1\n")
    rows = read_labels(tmp_path / "map.csv", several)
    assert {key: row.classes for key, row in rows.items()} == {
        "0.png": (("a", 1), ("c", 3)),
        # a class of that name comes first
        "1.png": (("a;b", 0),),
        "2.png": (("b", 2),),
        "3.png": (("1", 1), ("3", 3)),
    }


def test_several_ones_in_the_columns_of_classes_are_several_classes(tmp_path: Path) -> None:
    (tmp_path / "map.csv").write_text("image,MEL,NV\nISIC_1,0,1\nISIC_2,1,1\n")
    rows = read_labels(tmp_path / "map.csv", CLASSES)
    assert {key: row.classes for key, row in rows.items()} == {
        "ISIC_1": (("NV", 3),),
        "ISIC_2": (("NV", 3), ("MEL", 5)),
    }


@pytest.mark.parametrize(
    ("line", "classes"),
    [("a.png,tench;NV", ["tench", "NV"]), ("a.png;tench, NV", ["tench, NV"]), ("a, 1.png\ttench;NV", ["tench", "NV"])],
)
def test_the_sign_that_comes_first_stands_between_the_cells(tmp_path: Path, line: str, classes: list[str]) -> None:
    (tmp_path / "map.csv").write_text(f"{line}\n{line.replace('a', 'b', 1)}\n")
    found = read_labels(tmp_path / "map.csv", ClassNames(("tench", "NV", "tench, NV"), ()))
    assert [word for word, _ in next(iter(found.values())).classes] == classes


def test_a_column_for_each_class_has_a_one_in_one(tmp_path: Path) -> None:
    text = "image,MEL,NV,UNK\nISIC_1,0.0,1.0,0.0\nISIC_2,1,0,0\nISIC_3,0,0,1\n"
    assert labels(tmp_path, text) == {"ISIC_1": ("NV", 3, ""), "ISIC_2": ("MEL", 5, "")}


def test_a_list_of_paths_has_an_index_each(tmp_path: Path) -> None:
    text = "ILSVRC2012_val_1.JPEG 3\nmy photos/b, 2.jpg   0\n\n"
    assert labels(tmp_path, text) == {"ILSVRC2012_val_1.JPEG": ("3", 3, ""), "my photos/b, 2.jpg": ("0", 0, "")}


def test_names_may_hold_commas_and_newlines(tmp_path: Path) -> None:
    assert labels(tmp_path, '"a, b\nc\rd",tench\n') == {"a, b\nc\rd": ("tench", 0, "")}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("folder,class\nfish,tensch\n", "map.csv, line 2: the net has no class 'tensch'; did you mean 'tench'?"),
        ("fish,tench\n\nbird,crane\n", "map.csv, line 3: 2 classes are called 'crane'; name one by its index: 2 or 4"),
        ("fish\n", "map.csv, line 1: expected folder,class or path,class and found one cell"),
        ('"a\nb",tench\nfish,tensch\n', "map.csv, line 3: the net has no class"),
        (f"fish,{'9' * 5000}\n", f"map.csv, line 1: the net has no class '{'9' * 89};"),
        ("a.jpg 3\nb.jpg 6\n", "map.csv, line 2: the net has no class '6'"),
        ("a.jpg,tench\nb.jpg,NV\n./a.jpg,NV\n", "map.csv, lines 1 and 3: 'a.jpg' is 'tench' and 'NV'"),
        ("", "map.csv: no row names a class"),
        ("folder,class\nfish,\n", "map.csv: no row names a class"),
    ],
)
def test_a_wrong_row_is_named_by_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(CamAuditError) as caught:
        labels(tmp_path, text)
    assert message in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "gone.csv"):
        with pytest.raises(CamAuditError, match=f"{path}: cannot be read as CSV"):
            read_labels(path, CLASSES)
    with pytest.raises(CamAuditError, match="cannot be read as CSV"):
        labels(tmp_path, "кот,tench", "cp1251")
    with pytest.raises(CamAuditError, match="cannot be read as CSV"):
        labels(tmp_path, f'"{"a" * 200_000}",tench')


def found(names: list[str], *keys: str) -> dict[str, str]:
    rows = {key: Row(key, 0, "", line) for line, key in enumerate(keys)}
    return {name: row.word for name, row in rows_of_images(names, rows).items()}


def test_a_row_names_an_image_by_its_path_with_or_without_suffix() -> None:
    assert found(["a/1.jpg", "a/2.jpg", "3.png"], "a/1.jpg", "a/2", "3.jpg") == {"a/1.jpg": "a/1.jpg", "a/2.jpg": "a/2"}


def test_a_row_names_an_image_by_the_longest_end_that_only_one_has() -> None:
    names = ["train/cat/1.jpg", "val/cat/1.jpg", "train/ISIC_7.jpg"]
    assert found(names, "/data/set/val/cat/1.jpg", "ISIC_7") == {
        "val/cat/1.jpg": "/data/set/val/cat/1.jpg",
        "train/ISIC_7.jpg": "ISIC_7",
    }
    # either image could be meant, or either row
    assert found(names, "1.jpg") == {}
    assert found(["1.jpg"], "a/1.jpg", "b/1.jpg") == {}


def test_the_row_of_the_deepest_folder_counts() -> None:
    rows = {key: Row(key, 0, "", line) for line, key in enumerate(("a", "a/b", "cat"))}

    def row(name: str, word: str) -> str | None:
        found = row_of_folder(name, word, rows)
        return found.word if found else None

    assert row("a/b/c/1.jpg", "a") == "a/b"
    assert row("a/c/1.jpg", "a") == "a"
    # the folder that is the class may be below a split
    assert row("train/cat/1.jpg", "cat") == "cat"
    assert row("1.jpg", "") is None
