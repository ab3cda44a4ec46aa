"""Where classes and splits stand in the names of images."""

from __future__ import annotations

import pytest

from cam_audit.errors import CamAuditError
from cam_audit.models.class_names import ClassNames
from cam_audit.scan.layout import Place, deeper_level, layout_of

CLASSES = ClassNames(("cat", "dog", "bullet train"), ("", "", ""))


def places(*names: str, classes: ClassNames = CLASSES, level: int | None = None) -> list[tuple[str, str]]:
    layout = layout_of(names, classes, class_level=level)
    return [(place.word, place.split) for place in map(layout.place, names)]


def test_folders_called_splits_are_no_classes() -> None:
    names = [
        "Train/cat/1.jpg",
        "training/dog/1.jpg",
        "VALID/cat/a/2.jpg",
        "validation/dog/1",
        "val/cat/1",
        "test/1.jpg",
    ]
    assert places(*names) == [
        ("cat", "train"), ("dog", "train"), ("cat", "val"), ("dog", "val"), ("cat", "val"), ("", "test"),
    ]  # fmt: skip


def test_flat_splits_have_no_classes_and_are_none() -> None:
    assert places("train/1.jpg", "val/2.jpg") == [("", "train"), ("", "val")]


def test_a_class_may_be_called_as_splits_are() -> None:
    trains = ClassNames(("train", "bus"), ("", ""))
    assert places("train/1.jpg", "bus/1.jpg", classes=trains) == [("train", ""), ("bus", "")]
    assert places("train/a/1.jpg", "bus/1.jpg", classes=trains) == [("train", ""), ("bus", "")]
    assert places("train/train/1.jpg", "val/bus/1.jpg", classes=trains) == [("train", "train"), ("bus", "val")]
    # of an experiment: what lies below is no class
    assert places("test/patient 1/1.jpg", "control/patient 2/1.jpg") == [("test", ""), ("control", "")]
    # and a folder beside splits that is none
    assert places("train/cat/1.jpg", "more/1.jpg") == [("cat", "train"), ("more", "")]


def test_the_class_is_the_folder_of_the_level_that_is_asked_for() -> None:
    assert places("a/cat/x/1.jpg", "b/dog/1.jpg", "c/1.jpg", level=2) == [("cat", ""), ("dog", ""), ("", "")]
    assert places("set/train/cat/1.jpg", "set/val/dog/1.jpg", level=3) == [("cat", "train"), ("dog", "val")]
    assert places("train/cat/1.jpg", "val/dog/1.jpg", level=1) == [("train", ""), ("val", "")]


def test_the_level_of_the_class_is_known_for_the_draw() -> None:
    assert layout_of(["train/cat/1.jpg"], CLASSES).place("train/cat/1.jpg") == Place("cat", "train", 2)
    assert layout_of(["cat/1.jpg"], CLASSES).place("cat/1.jpg") == Place("cat", "", 1)
    assert layout_of(["1.jpg"], CLASSES).place("1.jpg") == Place("", "", 0)


@pytest.mark.parametrize(
    ("names", "level"),
    [
        (["a/cat/1/x.jpg", "b/dog/2/y.jpg"], (2, ["cat", "dog"])),
        (["w/train/cat/x.jpg", "w/train/dog/y.jpg"], (3, ["cat", "dog"])),
        # one class alone may be chance, and so may two among many
        (["a/cat/x.jpg", "b/cat/y.jpg"], None),
        (["a/cat/x", "a/dog/x", "a/1/x", "a/2/x", "a/3/x"], None),
        # numbers are no names
        (["a/0/x.jpg", "b/1/y.jpg"], None),
        (["a/x.jpg", "b/y.jpg"], None),
    ],
)
def test_a_deeper_level_is_named_like_classes(names: list[str], level: tuple[int, list[str]] | None) -> None:
    assert deeper_level(names, layout_of(names, CLASSES), CLASSES) == level


@pytest.mark.parametrize(
    ("pattern", "name", "word"),
    [
        ("{class}.{}.jpg", "cat.0.jpg", "cat"),
        ("{class}.{}.jpg", "deep/down/cat.0.JPG", "cat"),
        ("{class}_{}.jpg", "american_bulldog_12.jpg", "american_bulldog"),
        ("{}_{class}.png", "2020_01_cat.png", "cat"),
        ("{}/{class}-{}", "site/cat-1.png", "cat"),
        ("{}/{class}-{}", "cat-1.png", ""),
        ("{class}.{}.jpg", "cat.jpg", ""),
        ("{class}(1).jpg", "cat(1).jpg", "cat"),
    ],
)
def test_a_pattern_tells_the_class_of_a_file_name(pattern: str, name: str, word: str) -> None:
    assert layout_of([name], CLASSES, pattern=pattern).place(name).word == word


def test_a_pattern_keeps_the_split() -> None:
    assert layout_of(["train/cat.1.jpg"], CLASSES, pattern="{class}.{}").place("train/cat.1.jpg").split == "train"


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("cat.{}.jpg", "takes {class} once"),
        ("{class}{class}", "takes {class} once"),
        ("{class}{id}", "{id} means nothing"),
    ],
)
def test_a_pattern_that_means_nothing_is_refused(pattern: str, why: str) -> None:
    with pytest.raises(CamAuditError, match=f"--label-pattern .*{why}".replace("{", r"\{")):
        layout_of([], CLASSES, pattern=pattern)
