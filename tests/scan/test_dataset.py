"""Folders stand for classes by name, WordNet id, index or label map; for none where that is not certain."""

from __future__ import annotations

from pathlib import Path

import pytest

from cam_audit.errors import CamAuditError
from cam_audit.models.class_names import ClassNames
from cam_audit.scan.dataset import label_images, read_label_map

NAMES = (
    "tench",
    "great white shark",
    "black-and-tan coonhound",
    "crane",
    "Cardigan",
    "cardigan",
    "crane",
    "7",
    "Straße",
)
IDS = tuple(f"n{index:08}" for index in range(len(NAMES)))
CLASSES = ClassNames(NAMES, IDS)


@pytest.mark.parametrize(
    ("word", "index"),
    [
        ("tench", 0),
        ("TENCH", 0),
        (" Tench ", 0),
        ("great_white_shark", 1),
        ("Great-White  Shark", 1),
        ("black_and_tan_coonhound", 2),
        ("STRASSE", 8),
        ("n00000003", 3),
        ("n00000006", 6),
        ("4", 4),
        ("0", 0),
        ("08", 8),
        # a class that is called 7 goes before the class of index 7
        ("7", 7),
        ("Cardigan", 4),
        ("cardigan", 5),
        # two classes of one name: neither is certain
        ("crane", None),
        ("CRANE", None),
        ("CARDIGAN", None),
        ("greatwhiteshark", None),
        ("9", None),
        ("-1", None),
        ("1.0", None),
        ("²", None),
        ("٣", None),
        ("", None),
        ("n1", None),
    ],
)
def test_a_word_names_a_class_by_folded_name_id_or_index(word: str, index: int | None) -> None:
    assert CLASSES.find(word) == index


def test_a_name_goes_before_an_id_and_an_id_before_an_index() -> None:
    classes = ClassNames(("2", "a", "b", "c"), ("3", "1", "", ""))
    assert [classes.find(word) for word in "2310"] == [0, 0, 1, 0]


def test_a_net_without_ids_has_no_class_of_the_empty_name() -> None:
    assert ClassNames(("a", "b"), ("", "")).find("") is None


def test_the_nearest_name_is_offered_for_a_typo() -> None:
    assert CLASSES.nearest("Grate White Shark") == "great white shark"
    assert CLASSES.nearest("zzzzzzzz") is None


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("tensch", "here: the net has no class 'tensch'; did you mean 'tench'?"),
        ("zzzzzzzz", "here: the net has no class 'zzzzzzzz'; "),
        ("crane", "here: 2 classes are called 'crane'; name one by its index: 3 or 6"),
        ("CARDIGAN", "name one by its index: 4 or 5"),
    ],
)
def test_a_word_that_must_name_a_class_and_does_not_is_refused_with_a_hint(word: str, message: str) -> None:
    with pytest.raises(CamAuditError) as caught:
        CLASSES.require(word, "here")
    assert message in str(caught.value)
    assert CLASSES.require("tench", "here") == 0


def label_map(tmp_path: Path, text: str, encoding: str = "utf-8") -> dict[str, int]:
    (tmp_path / "map.csv").write_bytes(text.encode(encoding))
    return read_label_map(tmp_path / "map.csv", CLASSES)


@pytest.mark.parametrize(
    "text",
    [
        "folder,class\nfish,tench\nКот,4\n",
        "fish,tench\nКот,4\n",
        "Folder, Class\r\nfish, tench\r\nКот,Cardigan",
        "\n\nfish/,n00000000\n\n/Кот,4\n",
        '"fish",tench\n"Кот","Cardigan"\n',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_label_map_is_read_with_or_without_its_header(tmp_path: Path, text: str, encoding: str) -> None:
    assert label_map(tmp_path, text, encoding) == {"fish": 0, "Кот": 4}


def test_folder_names_in_a_label_map_may_hold_commas_and_newlines(tmp_path: Path) -> None:
    assert label_map(tmp_path, '"a, b\nc\rd",tench\n') == {"a, b\nc\rd": 0}


def test_an_empty_label_map_maps_nothing(tmp_path: Path) -> None:
    assert label_map(tmp_path, "") == label_map(tmp_path, "folder,class\n") == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "folder,class\nfish,tensch\n",
            "map.csv, line 2: the net has no class 'tensch'; did you mean 'tench'?",
        ),
        ("fish,tench\n\nbird,crane\n", "map.csv, line 3: 2 classes are called 'crane'"),
        ("fish\n", "map.csv, line 1: expected folder,class and found 1 cells"),
        ("fish,tench,0\n", "map.csv, line 1: expected folder,class and found 3 cells"),
        ("fish;tench\n", "map.csv, line 1: expected folder,class and found 1 cells"),
        ('"a\nb",tench\nfish,tensch\n', "map.csv, line 3: the net has no class"),
        (f"fish,{'9' * 5000}\n", f"map.csv, line 1: the net has no class '{'9' * 89};"),
    ],
)
def test_a_wrong_row_is_named_by_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(CamAuditError) as caught:
        label_map(tmp_path, text)
    assert message in str(caught.value)


def test_a_label_map_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "gone.csv"):
        with pytest.raises(CamAuditError, match=f"{path}: cannot be read as CSV"):
            read_label_map(path, CLASSES)
    with pytest.raises(CamAuditError, match="cannot be read as CSV"):
        label_map(tmp_path, "кот,tench", "utf-16")
    with pytest.raises(CamAuditError, match="cannot be read as CSV"):
        label_map(tmp_path, f'"{"a" * 200_000}",tench')


def test_images_are_labelled_by_their_first_folder(tmp_path: Path) -> None:
    names = ["a.jpg", "tench/a.jpg", "tench/deep/crane/b.jpg", "crane/c.jpg", "Great_White_Shark/d.jpg"]
    sources = label_images(tmp_path, names, CLASSES, {})
    assert [source.name for source in sources] == names
    assert [source.path for source in sources] == [str(tmp_path / name) for name in names]
    assert [(source.label, source.label_class) for source in sources] == [
        ("", None),
        ("tench", 0),
        ("tench", 0),
        ("crane", None),
        ("Great_White_Shark", 1),
    ]


def test_the_label_map_goes_before_the_names_of_folders(tmp_path: Path) -> None:
    sources = label_images(tmp_path, ["tench/a.jpg", "fish/b.jpg"], CLASSES, {"tench": 1, "fish": 2})
    assert [source.label_class for source in sources] == [1, 2]


def test_a_single_image_lies_beside_its_name(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.touch()
    (source,) = label_images(path, ["a.jpg"], CLASSES, {})
    assert (source.path, source.label) == (str(path), "")


@pytest.mark.shared
def test_folders_of_real_photos_stand_for_the_class_of_their_file_name(shared: Path) -> None:
    rows = [line.split(",", 2) for line in (shared / "models" / "imagenet_classes.csv").read_text().splitlines()[1:]]
    classes = ClassNames(tuple(row[2].strip('"') for row in rows), tuple(row[1] for row in rows))
    folder = shared / "photos" / "imagenet"
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.JPEG"))
    sources = label_images(folder, names, classes, {})
    assert len(sources) == 167
    unsure = [source.label for source in sources if source.label_class is None]
    assert unsure == ["maillot"]
    for source in sources:
        if source.label_class is not None:
            assert classes.ids[source.label_class] in source.name
