"""The same picture in two places: told from pictures that were saved again, and silent about all others."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from pictures import Rgb, encode
from planted import scene

from cam_audit.findings import twice
from cam_audit.findings.sample import Pictures
from cam_audit.findings.twice import Twice, pictures_twice
from cam_audit.images.copies import close_across, hash_of, thumbnail_of
from cam_audit.images.decode import read_image
from cam_audit.records import Finding, ImageSource

SCENES = [scene(label, index) for label in ("ash", "birch") for index in range(6)]
CLASSES = {"ash": 0, "birch": 1, "cedar": 2}


def jpeg(rgb: Rgb) -> bytes:
    return encode(rgb, "JPEG", quality=80)


def found(
    root: Path, files: Mapping[str, bytes], *, classes: Mapping[str, int] = CLASSES, order: random.Random | None = None
) -> Twice:
    """What is there twice among files `split/class/name`; a split or class of "-" is none."""
    names = sorted(files)
    if order:
        order.shuffle(names)
    pictures = Pictures()
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(files[name])
        split, label, _ = ("" if part == "-" else part for part in name.split("/"))
        source = ImageSource(str(root), name, label, classes.get(label), split)
        rgb = read_image(source.path)[0]
        pictures.add(source, hash_of(thumbnail_of(rgb)), None if source.label_class is None else "wrong" not in name)
    return pictures_twice(pictures, needed=10_000, passes=map)


def only(result: Twice, code: str) -> Finding:
    (finding,) = result.findings
    assert finding.code == code
    return finding


def test_different_pictures_are_silent(tmp_path: Path) -> None:
    files = {
        f"{split}/{label}/{n}.png": encode(rgb)
        for n, rgb in enumerate(SCENES)
        for split, label in [("train", "ash" if n % 2 else "birch")]
    }
    assert found(tmp_path, files) == Twice()


def test_the_same_pixels_in_two_classes_are_a_warning_and_say_so(tmp_path: Path) -> None:
    files = {f"-/ash/{n}.png": encode(rgb) for n, rgb in enumerate(SCENES)}
    # another file of the same pixels
    files["-/birch/again.png"] = encode(SCENES[3], "BMP")
    result = found(tmp_path, files)
    finding = only(result, "CA301")
    assert (finding.severity, finding.label) == ("warning", "")
    assert [(pair.paths, pair.labels, pair.same_pixels) for pair in finding.pairs] == [
        (("-/ash/3.png", "-/birch/again.png"), ("ash", "birch"), True)
    ]
    assert [example.path for example in finding.examples] == list(finding.pairs[0].paths)
    assert result.flags == dict.fromkeys(finding.pairs[0].paths, ("CA301",))
    numbers = {name: finding.evidence[name] for name in ("images", "hits", "pairs", "same_pixels")}
    assert numbers == {"images": len(SCENES) + 1, "hits": 2, "pairs": 1, "same_pixels": 1}
    assert finding.message.startswith("The same picture lies in two classes: 1 x in 'ash' and 'birch'. In 1 pair the")


def test_pictures_in_two_classes_that_only_look_the_same_are_a_note(tmp_path: Path) -> None:
    files = {f"-/ash/{n}.png": encode(rgb) for n, rgb in enumerate(SCENES)}
    files |= {f"-/birch/{n}.jpg": jpeg(rgb) for n, rgb in enumerate(SCENES[:2])}
    finding = only(found(tmp_path, files), "CA301")
    assert finding.severity == "note"
    assert "In no pair are the pixels the same; 2 pairs look the same" in finding.message
    assert {pair.paths for pair in finding.pairs} == {(f"-/ash/{n}.png", f"-/birch/{n}.jpg") for n in range(2)}


def test_a_picture_of_two_splits_is_a_leak_and_its_accuracy_is_told(tmp_path: Path) -> None:
    files = {f"train/ash/{n}.png": encode(rgb) for n, rgb in enumerate(SCENES[:6])}
    files |= {f"test/ash/{n}.jpg": jpeg(rgb) for n, rgb in enumerate(SCENES[:3])}
    files |= {f"test/ash/{'wrong' if n % 2 else 'right'}{n}.png": encode(rgb) for n, rgb in enumerate(SCENES[6:])}
    finding = only(found(tmp_path, files), "CA302")
    assert finding.severity == "warning"
    assert finding.message.startswith(
        "3 of 9 images of 'test' are in 'train', too. The net is right on 3 of 3 of these; on the other images of "
        "'test', on 3 of 6. In no pair"
    )
    told = {
        name: finding.evidence[name]
        for name in ("leaked_images", "split_images", "leaked_right", "leaked_judged", "others_right", "others_judged")
    }
    assert list(told.values()) == [3, 9, 3, 3, 3, 6]
    assert {pair.splits for pair in finding.pairs} == {("test", "train")}


def test_a_picture_of_another_class_in_another_split_is_both(tmp_path: Path) -> None:
    files = {"train/ash/1.png": encode(SCENES[0]), "val/birch/1.png": encode(SCENES[0])}
    result = found(tmp_path, files)
    assert [finding.code for finding in result.findings] == ["CA301", "CA302"]
    assert result.flags == dict.fromkeys(files, ("CA301", "CA302"))


@pytest.mark.parametrize(
    "files",
    [
        ("-/ash/1.png", "-/ash/2.png"),
        ("train/ash/1.png", "train/ash/2.png"),
        ("-/ash/1.png", "-/-/2.png"),
        ("train/ash/1.png", "-/ash/2.png"),
    ],
)
def test_copies_within_a_class_and_a_split_are_none_of_these(tmp_path: Path, files: tuple[str, str]) -> None:
    assert found(tmp_path, dict.fromkeys(files, encode(SCENES[0]))) == Twice()


def test_classes_that_the_net_does_not_know_are_compared_as_well(tmp_path: Path) -> None:
    files = {"-/ash/1.png": encode(SCENES[0]), "-/birch/1.png": encode(SCENES[0])}
    assert only(found(tmp_path, files, classes={}), "CA301").severity == "warning"


def test_blank_pictures_count_only_where_their_pixels_are_the_same(tmp_path: Path) -> None:
    black = np.zeros((60, 60, 3), np.uint8)
    speck = black.copy()
    speck[30, 30] = 40
    assert found(tmp_path, {"-/ash/1.png": encode(black), "-/birch/1.png": encode(speck)}) == Twice()
    same = found(tmp_path, {"-/ash/1.png": encode(black), "-/birch/1.png": encode(black)})
    assert only(same, "CA301").evidence["same_pixels"] == 1


def test_the_result_does_not_depend_on_the_order_of_arrival(tmp_path: Path) -> None:
    files = {f"train/ash/{n}.png": encode(rgb) for n, rgb in enumerate(SCENES)}
    files |= {f"test/birch/{n}.jpg": jpeg(rgb) for n, rgb in enumerate(SCENES)}
    expected = found(tmp_path, files)
    assert len(expected.findings) == 2
    for seed in range(3):
        shuffled = found(tmp_path, files, order=random.Random(seed))
        assert {frozenset(pair.paths) for pair in shuffled.findings[0].pairs} == {
            frozenset(pair.paths) for pair in expected.findings[0].pairs
        }
        assert shuffled.flags == expected.flags


def test_a_picture_that_is_gone_by_then_is_in_no_pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(twice, "read_image", lambda path, **of: read_image(Path(f"{path}.gone")))
    assert found(tmp_path, {"-/ash/1.png": encode(SCENES[0]), "-/birch/1.png": encode(SCENES[0])}) == Twice()


def test_what_is_not_compared_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {f"-/{label}/{n}.png": encode(rgb) for n, rgb in enumerate(SCENES[:4]) for label in ("ash", "birch")}
    monkeypatch.setattr(twice, "MAX_READ", 4)
    monkeypatch.setattr(twice, "close_across", lambda *of: (close_across(*of)[0], np.ones(8, bool)))
    result = found(tmp_path, files)
    assert only(result, "CA301").evidence["pairs"] == 2
    # of the four that were read, all are told
    alike, too_many = result.notes
    assert alike.startswith("4 pictures are much like many others")
    assert too_many.startswith("8 pictures may be in two classes or splits; 4 of them were read again")
    monkeypatch.setattr(twice, "MAX_PAIRS", 1)
    finding = only(found(tmp_path, files), "CA301")
    assert (len(finding.pairs), len(finding.examples)) == (1, 2)
