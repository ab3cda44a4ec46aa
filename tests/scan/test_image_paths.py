"""Paths in tables and annotation files find the image that they are about, and none where several could be meant."""

from __future__ import annotations

import unicodedata

from cam_audit.scan.image_paths import by_path, match, normal


def found(names: list[str], *paths: str) -> dict[str, str]:
    return match(names, {normal(path): path for path in paths})


def test_the_whole_path_goes_before_any_end() -> None:
    assert found(["a/1.jpg", "b/a/1.jpg"], "b/a/1.jpg", "a/1.jpg") == {"a/1.jpg": "a/1.jpg", "b/a/1.jpg": "b/a/1.jpg"}


def test_a_path_without_suffix_is_about_any_but_one_with_another_suffix_is_not() -> None:
    assert found(["a/1.jpg", "2.png"], "a/1", "2.jpg") == {"a/1.jpg": "a/1"}
    assert match(["a/1.jpg"], by_path(["a/1.txt"])) == {"a/1.jpg": "a/1.txt"}


def test_the_longest_end_that_one_image_and_one_path_have() -> None:
    names = ["train/cat/1.jpg", "val/cat/1.jpg", "train/ISIC_7.jpg"]
    assert found(names, "/data/val/cat/1.jpg", "ISIC_7", "1.jpg") == {
        "val/cat/1.jpg": "/data/val/cat/1.jpg",
        "train/ISIC_7.jpg": "ISIC_7",
    }
    assert found(["1.jpg"], "a/1.jpg", "b/1.jpg") == {}


def test_paths_of_other_systems_are_the_same_paths() -> None:
    name = unicodedata.normalize("NFD", "é/1.jpg")
    assert found([name], ".\\é\\1.jpg") == {name: ".\\é\\1.jpg"}
    assert match([name], by_path(["é/1.png"])) == {name: "é/1.png"}
