"""All that stands for one class has one label, and what is not certain stands for none."""

from __future__ import annotations

from pathlib import Path

import pytest

from cam_audit.models.class_names import ClassNames
from cam_audit.scan.class_of_images import Labelling, label_images
from cam_audit.scan.labels import Row
from cam_audit.scan.layout import layout_of

NAMES = ("tench", "great white shark", "crane", "and/or", "crane")
CLASSES = ClassNames(NAMES, tuple(f"n{index:08}" for index in range(len(NAMES))))


def labelled(root: Path, names: list[str], rows: dict[str, Row] | None = None, **options: str) -> Labelling:
    return label_images(root, names, CLASSES, layout_of(names, CLASSES, **options), rows or {})  # type: ignore[arg-type]


def labels(*names: str, **rows: tuple[str, int]) -> list[tuple[str, int | None]]:
    of_file = {key: Row(word, index, "", line) for line, (key, (word, index)) in enumerate(rows.items())}
    found = labelled(Path("/nowhere"), list(names), of_file)
    return [(source.label, source.label_class) for source in found.sources]


def test_images_are_labelled_by_their_first_folder(tmp_path: Path) -> None:
    names = ["a.jpg", "tench/a.jpg", "tench/deep/crane/b.jpg", "crane/c.jpg", "Great_White_Shark/d.jpg"]
    sources = labelled(tmp_path, names).sources
    assert [source.name for source in sources] == names
    assert [source.path for source in sources] == [str(tmp_path / name) for name in names]
    assert [(source.label, source.label_class) for source in sources] == [
        ("", None),
        ("tench", 0),
        ("tench", 0),
        ("crane", None),
        ("Great_White_Shark", 1),
    ]


def test_folders_of_one_class_have_one_label() -> None:
    # the net's own name where it is among them, else the first
    assert labels("Tench/1", "n00000000/1", "tench/1") == [("tench", 0)] * 3
    assert labels("Tench/1", "TENCH/1") == [("TENCH", 0)] * 2
    # of folders that the net does not know, too
    assert labels("red_cat/1", "Red Cat/1") == [("Red Cat", None)] * 2


def test_the_rows_go_before_the_names_of_folders() -> None:
    assert labels("tench/a.jpg", "fish/b.jpg", tench=("great white shark", 1), fish=("n00000000", 0)) == [
        ("great white shark", 1),
        ("n00000000", 0),
    ]


def test_an_index_in_a_file_is_called_by_its_class_and_no_two_classes_alike() -> None:
    assert labels("a/1", "b/1", "c/1", a=("2", 2), b=("4", 4), c=("0", 0)) == [
        ("crane", 2),
        ("crane 4", 4),
        ("tench", 0),
    ]


def test_a_label_is_the_name_of_a_folder() -> None:
    assert labels("a/1", a=("and/or", 3)) == [("and-or", 3)]
    assert labels("..jpg") == [("", None)]


def test_where_rows_name_images_the_others_have_no_class(tmp_path: Path) -> None:
    rows = {"a/1.jpg": Row("tench", 0, "val", 1), "a/9.jpg": Row("tench", 0, "", 2)}
    found = labelled(tmp_path, ["a/1.jpg", "tench/2.jpg"], rows)
    assert [(source.label, source.split, source.level) for source in found.sources] == [
        ("tench", "val", 0),
        ("", "", 0),
    ]
    assert found.by_image
    assert (found.rows_used, found.rows_unused) == (1, ("a/9.jpg",))


def test_a_row_of_a_folder_names_no_image_that_is_called_alike() -> None:
    assert labels("fish/1.jpg", "birds/fish.jpg", "tench/2.jpg", fish=("great white shark", 1)) == [
        ("great white shark", 1),
        ("birds", None),
        ("tench", 0),
    ]


def test_rows_name_folders_below_a_split_and_the_words_of_a_pattern(tmp_path: Path) -> None:
    rows = {"fish": Row("tench", 0, "", 1)}
    found = labelled(tmp_path, ["train/fish/1.jpg", "val/fish/1.jpg"], rows)
    assert [(s.label, s.split, s.below_class) for s in found.sources] == [
        ("tench", "train", "/1.jpg"),
        ("tench", "val", "/1.jpg"),
    ]
    (source,) = labelled(tmp_path, ["fish.1.jpg"], rows, pattern="{class}.{}.jpg").sources
    assert (source.label, source.label_class) == ("tench", 0)


@pytest.mark.parametrize(
    ("folders", "indices", "ambiguous"),
    [
        ("012", "012", ""),
        ("04", "04", ""),
        ("12", "", "12"),
        ("1234", "", "1234"),
        ("123456", "", "123456"),
        ("3", "3", ""),
        ("24", "24", ""),
    ],
)
def test_numbers_are_indices_unless_they_may_count_from_one(folders: str, indices: str, ambiguous: str) -> None:
    found = labelled(Path("/nowhere"), [f"{folder}/a.jpg" for folder in folders])
    assert ("".join(found.indices), "".join(found.ambiguous)) == (indices, ambiguous)
    expected = [None if folder in ambiguous else int(folder) for folder in folders]
    assert [source.label_class for source in found.sources] == expected


def test_a_single_image_lies_beside_its_name(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.touch()
    (source,) = labelled(path, ["a.jpg"]).sources
    assert (source.path, source.label) == (str(path), "")


@pytest.mark.shared
def test_folders_of_real_photos_stand_for_the_class_of_their_file_name(shared: Path) -> None:
    rows = [line.split(",", 2) for line in (shared / "models" / "imagenet_classes.csv").read_text().splitlines()[1:]]
    classes = ClassNames(tuple(row[2].strip('"') for row in rows), tuple(row[1] for row in rows))
    folder = shared / "photos" / "imagenet"
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.JPEG"))
    sources = label_images(folder, names, classes, layout_of(names, classes), {}).sources
    assert len(sources) == 167
    unsure = [source.label for source in sources if source.label_class is None]
    assert unsure == ["maillot"]
    for source in sources:
        if source.label_class is not None:
            assert classes.ids[source.label_class] in source.name
