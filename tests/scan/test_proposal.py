"""A labels file that is proposed has the nearest classes, and is read as it was written."""

from __future__ import annotations

from pathlib import Path

import pytest

from cam_audit.models.class_list import imagenet_classes
from cam_audit.models.class_names import ClassNames
from cam_audit.scan.labels import read_labels
from cam_audit.scan.proposal import counted_from_one, labels_file, near_classes

IMAGENET = imagenet_classes()
CLASSES = ClassNames(IMAGENET.names, IMAGENET.ids or ())


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("husky", "Siberian husky"),
        ("golden_retriever_photos", "golden retriever"),
        ("labrador", "Labrador retriever"),
        ("goldenretriever", "golden retriever"),
        ("tabby 2", "tabby"),
        ("xyzzy", ""),
        ("2020", ""),
    ],
)
def test_the_nearest_class_has_the_folders_words_or_is_spelt_alike(folder: str, name: str) -> None:
    (proposal,) = near_classes([folder], CLASSES)
    assert proposal.name == name


def test_what_else_it_could_be_is_named() -> None:
    (proposal,) = near_classes(["retriever"], CLASSES)
    assert {proposal.name, *proposal.others} < {name for name in CLASSES.names if "retriever" in name}
    assert len(proposal.others) == 3


def test_the_file_is_read_as_labels(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text(labels_file(near_classes(["husky", "xyzzy", "tabby, 2"], CLASSES)), encoding="utf-8")
    read = {folder: CLASSES.names[row.index] for folder, row in read_labels(file, CLASSES).items()}
    assert read == {"husky": "Siberian husky", "tabby, 2": "tabby"}


def test_folders_counted_from_one_are_the_classes_before_their_numbers(tmp_path: Path) -> None:
    classes = ClassNames(("cat", "dog", "mug"), ("", "", ""))
    file = tmp_path / "labels.csv"
    file.write_text(labels_file(counted_from_one(["1", "2", "3", "4"], classes)), encoding="utf-8")
    assert {folder: row.index for folder, row in read_labels(file, classes).items()} == {"1": 0, "2": 1, "3": 2}
    assert file.read_text().splitlines()[1:] == [
        "1,0,1 if counted from 0: dog",
        "2,1,2 if counted from 0: mug",
        "3,2,",
        "4,,",
    ]
