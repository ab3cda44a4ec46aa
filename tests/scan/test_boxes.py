"""Boxes and outlines of every format mark the pixels that they say, or are refused with what is wrong where."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from annotated import BLOCK, HEIGHT, NAME, WIDTH, block, boxes_of, coco, voc, write
from numpy.typing import NDArray

from cam_audit.errors import CamAuditError, ImageError
from cam_audit.scan.annotations import load_annotations

UTF_16 = '<?xml version="1.0" encoding="utf-16"?>'

# from 5, 2 up to 9, 8 in a picture of 20 x 10
BOX_FILES: dict[str, dict[str, object]] = {
    "coco": {"boxes.json": coco()},
    "coco, fractions of pixels": {"boxes.json": coco([5.2, 1.8, 3.9, 6.1])},
    "coco, bare file name": {"boxes.json": coco(file_name="a.jpg")},
    "coco, other folder": {"boxes.json": coco(file_name="train2017/a.jpg")},
    "coco, backslashes": {"boxes.json": coco(file_name="horse\\a.jpg")},
    "coco, longer path": {"boxes.json": coco(file_name="/data/photos/horse/a.jpg")},
    "coco, ids as fractions": {"boxes.json": coco(id=7.0)},
    "coco, ids as text": {"boxes.json": coco(id="7")},
    "coco, byte order mark": {"boxes.json": json.dumps(coco()).encode("utf-8-sig")},
    "coco, size unknown": {"boxes.json": coco(width=None, height=None)},
    "coco, size 0": {"boxes.json": coco(height=0)},
    "voc, size unknown": {"horse/a.xml": voc((6, 3, 9, 8), size=None)},
    "voc, size 0": {"horse/a.xml": voc((6, 3, 9, 8), size=(0, 0))},
    "voc": {"horse/a.xml": voc((6, 3, 9, 8))},
    "voc, full name": {"horse/a.jpg.xml": voc((6, 3, 9, 8))},
    "voc, file name only": {"a.xml": voc((6, 3, 9, 8))},
    "voc, utf-16": {"a.xml": voc((6, 3, 9, 8), head=UTF_16).encode("utf-16")},
    "voc beside class list": {"horse/a.xml": voc((6, 3, 9, 8)), "classes.txt": "horse\n"},
    "yolo": {"horse/a.txt": "0 0.35 0.5 0.2 0.6\n"},
    "yolo, several lines": {"horse/a.txt": "0 0.3 0.5 0.1 0.6\r\n\r\n3 0.4 0.5 0.1 0.6"},
    "yolo, polygon": {"horse/a.txt": "0 0.25 0.2 0.45 0.2 0.45 0.8 0.25 0.8"},
    "yolo, confidence": {"horse/a.txt": "0 0.35 0.5 0.2 0.6 0.93"},
    "yolo, file name only": {"a.txt": "0 0.35 0.5 0.2 0.6"},
    "yolo beside class list": {"horse/a.txt": "0 0.35 0.5 0.2 0.6", "classes.txt": "horse\n"},
}


@pytest.mark.parametrize("kind", BOX_FILES)
def test_boxes_of_every_format_mark_the_same_pixels(kind: str, tmp_path: Path) -> None:
    boxes = boxes_of(tmp_path, BOX_FILES[kind])
    assert boxes
    assert boxes.matched == 1
    mask = boxes.mask(NAME, WIDTH, HEIGHT)
    assert mask is not None
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, BLOCK)
    assert boxes.mask("horse/b.jpg", WIDTH, HEIGHT) is None


@pytest.mark.parametrize("kind", ["coco", "voc", "yolo"])
def test_boxes_follow_the_size_of_the_picture(kind: str, tmp_path: Path) -> None:
    boxes = boxes_of(tmp_path, BOX_FILES[kind])
    assert boxes
    tripled = boxes.mask(NAME, 3 * WIDTH, 3 * HEIGHT)
    np.testing.assert_array_equal(tripled, BLOCK.repeat(3, axis=0).repeat(3, axis=1))
    halved = boxes.mask(NAME, WIDTH // 2, HEIGHT // 2)
    assert halved is not None
    np.testing.assert_array_equal(np.argwhere(halved)[[0, -1]], [[1, 2], [3, 3]])


def test_voc_pixels_count_from_1_and_belong_to_the_box(tmp_path: Path) -> None:
    boxes = boxes_of(tmp_path, {"a.xml": voc((1, 1, WIDTH, 1), (WIDTH, HEIGHT, WIDTH, HEIGHT))})
    assert boxes
    expected = block(0, 0, WIDTH, 1) | block(WIDTH - 1, HEIGHT - 1, WIDTH, HEIGHT)
    np.testing.assert_array_equal(boxes.mask(NAME, WIDTH, HEIGHT), expected)


@pytest.mark.parametrize(
    ("bbox", "expected"),
    [
        ([-3, -3, 5, 6], block(0, 0, 2, 3)),
        ([18, 9, 1e300, 50], block(18, 9, WIDTH, HEIGHT)),
        ([5, 2, 0, 0], block(5, 2, 6, 3)),
        ([19.9, 9.9, 0.1, 0.1], block(19, 9, WIDTH, HEIGHT)),
    ],
)
def test_a_box_is_cut_at_the_sides_and_has_at_least_a_pixel(
    bbox: list[float], expected: NDArray[np.uint8], tmp_path: Path
) -> None:
    boxes = boxes_of(tmp_path, {"boxes.json": coco(bbox)})
    assert boxes
    np.testing.assert_array_equal(boxes.mask(NAME, WIDTH, HEIGHT), expected)


def test_yolo_fractions_may_be_rounded_past_the_sides(tmp_path: Path) -> None:
    boxes = boxes_of(tmp_path, {"horse/a.txt": "0 0.5 0.5 1.000001 1.000001\n0 -1e-7 1.0000001 .1 .1"})
    assert boxes
    np.testing.assert_array_equal(boxes.mask(NAME, WIDTH, HEIGHT), block(0, 0, WIDTH, HEIGHT))


def test_a_file_name_that_two_images_bear_finds_none_of_them(tmp_path: Path) -> None:
    content = coco(file_name="a.jpg")
    content["images"].append({"id": 8, "file_name": "cow/b.jpg", "width": WIDTH, "height": HEIGHT})
    content["annotations"].append({"id": 80, "image_id": 8, "bbox": [0, 0, 1, 1]})
    boxes = boxes_of(tmp_path, {"boxes.json": content}, [NAME, "cow/a.jpg", "horse/b.jpg"])
    assert boxes
    assert boxes.matched == 1
    assert boxes.mask("horse/b.jpg", WIDTH, HEIGHT) is not None
    assert boxes.mask(NAME, WIDTH, HEIGHT) is None


def test_a_file_name_that_two_annotations_bear_is_found_by_its_path_only(tmp_path: Path) -> None:
    files = {"horse/a.txt": "0 0.35 0.5 0.2 0.6", "cow/a.txt": "0 0.5 0.5 1 1"}
    boxes = boxes_of(tmp_path, files, [NAME, "sheep/b.jpg"])
    assert boxes
    np.testing.assert_array_equal(boxes.mask(NAME, WIDTH, HEIGHT), BLOCK)
    with pytest.raises(CamAuditError, match="no image of the data set is annotated"):
        boxes_of(tmp_path, files, ["sheep/a.jpg"])


@pytest.mark.parametrize(
    "files",
    [{"horse/a.txt": "\n"}, {"horse/a.xml": voc(size=None)}, {"b.json": coco() | {"annotations": []}}],
)
def test_an_image_without_a_box_is_not_annotated(files: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(CamAuditError, match="no image of the data set is annotated here"):
        boxes_of(tmp_path, files)


@pytest.mark.parametrize("kind", ["coco", "voc"])
def test_boxes_made_for_a_picture_before_it_was_turned_are_refused(kind: str, tmp_path: Path) -> None:
    boxes = boxes_of(tmp_path, BOX_FILES[kind])
    assert boxes
    with pytest.raises(ImageError, match=r"the boxes of horse/a\.jpg: made for a picture of 20x10 pixels"):
        boxes.mask(NAME, HEIGHT, WIDTH)


ENTITIES = '<!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;&x;&x;">]>'
OUTER_ENTITY = '<!DOCTYPE a SYSTEM "file:///etc/hostname">'
KLINGON = "<?xml version='1.0' encoding='klingon'?><a/>"
DOCTYPE = "it has a DOCTYPE; remove that line"
OUTSIDE = "the box lies outside the image"
FRACTIONS = "coordinates must be fractions of the image's sides, 0 to 1"
LINE = "expected `class x y width height`"
NO_JSON = "cannot be read as JSON: .* folder of Pascal VOC or YOLO"
NOT_COCO = "not COCO: it needs a list of objects"


MALFORMED: dict[str, tuple[str, object, str]] = {
    "json cut": ("b.json", json.dumps(coco())[:50], rf"b\.json: {NO_JSON}"),
    "json deep": ("b.json", "[" * 200_000, NO_JSON),
    "json of bytes": ("b.json", b"\x80\x81", NO_JSON),
    "json list": ("b.json", [coco()], f"{NOT_COCO} `images`"),
    "json of another kind": ("b.json", {"images": []}, f"{NOT_COCO} `annotations`"),
    "coco annotation true": ("b.json", {"images": [], "annotations": [True]}, "annotation True: it is no object"),
    "coco image a number": ("b.json", {"images": [1], "annotations": []}, "image 1: it is no object"),
    "coco image without id": ("b.json", coco(id=None), "image None: it has no id"),
    "coco image without name": ("b.json", coco(file_name=None), "image 7: it has no file_name"),
    "coco image of a width in words": ("b.json", coco(width="wide"), "image 7: .*width must be a number, not 'wide'"),
    "coco image of negative height": ("b.json", coco(height=-1), "image 7: .*height must be positive, not 20 and -1"),
    "coco other image": ("b.json", coco(id=8), "annotation 70: there is no image 7"),
    "coco no box": ("b.json", coco(None), "annotation 70: it has no bbox"),
    "coco short box": ("b.json", coco([1, 2, 3]), r"annotation 70: bbox must be \[x, y, .* not \[1, 2, 3\]"),
    "coco words": ("b.json", coco([1, 2, 3, "x"]), "annotation 70: bbox must be a number, not 'x'"),
    "coco not finite": ("b.json", coco([1, 2, 3, np.inf]), "annotation 70: bbox must be a number, not inf"),
    "coco huge": ("b.json", coco([1, 2, 3, 10**400]), "annotation 70: bbox must be a number, not 1000"),
    "coco negative": ("b.json", coco([5, 5, -1, 2]), "annotation 70: the box has a negative width or height"),
    "coco outside": ("b.json", coco([20, 0, 5, 5]), f"annotation 70: {OUTSIDE}"),
    "voc cut": ("a.xml", voc((6, 3, 9, 8))[:90], r"a\.xml: cannot be read as XML: .* line 1, column"),
    "voc encoding": ("a.xml", KLINGON, "cannot be read as XML"),
    "voc entities": ("a.xml", voc((6, 3, "&y;", 8), head=ENTITIES), DOCTYPE),
    "voc outer entity": ("a.xml", voc((6, 3, "&x;", 8), head=OUTER_ENTITY), DOCTYPE),
    "voc another root": ("a.xml", "<kml/>", "not Pascal VOC: its root is <kml>"),
    "voc size -1": ("a.xml", voc((6, 3, 9, 8), size=(-1, 5)), "a.xml: .* must be positive, not -1 and 5"),
    "voc short box": ("a.xml", voc((6, 3, 9)), "object 1: ymax must be a number, not None"),
    "voc words": ("a.xml", voc((6, "top", 9, 8)), "object 1: ymin must be a number, not 'top'"),
    "voc negative": ("a.xml", voc((9, 3, 6, 8)), "object 1: the box has a negative"),
    "voc outside": ("a.xml", voc((21, 3, 26, 8)), f"object 1: {OUTSIDE}"),
    "yolo short": ("horse/a.txt", "\n0 0.5 0.5 1\n", rf"horse/a\.txt: line 2: {LINE}"),
    "yolo odd polygon": ("a.txt", "0 .1 .1 .2 .2 .3 .3 .4", f"line 1: {LINE}"),
    "yolo class alone": ("a.txt", "\n0\n", f"line 2: {LINE}"),
    "yolo words": ("a.txt", "horse a b c d", "line 1: a coordinate must be a number, not 'a'"),
    "yolo bytes": ("a.txt", b"0 \xff .5 1 1", "line 1: a coordinate must be a number"),
    "yolo nan": ("a.txt", "0 nan .5 1 1", "line 1: a coordinate must be a number, not 'nan'"),
    "yolo pixels": ("a.txt", "0 7 5 4 6", f"line 1: {FRACTIONS}"),
    "yolo negative": ("a.txt", "0 .5 .5 -.005 .1", "line 1: the box has a negative"),
    "neither": ("a.csv", "1,2,3,4", r"boxes: holds neither Pascal VOC \.xml nor YOLO \.txt files"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_boxes_are_refused_with_file_and_place_in_one_line(case: str, tmp_path: Path) -> None:
    file, content, reason = MALFORMED[case]
    with pytest.raises(CamAuditError, match=reason) as error:
        boxes_of(tmp_path, {file: content})
    assert str(error.value).startswith(str(tmp_path))
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < len(str(tmp_path)) + 260


def test_boxes_that_are_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CamAuditError, match=r"nowhere\.json: cannot be read: No such file"):
        load_annotations([NAME], boxes=tmp_path / "nowhere.json")


@pytest.mark.parametrize("suffix", ["txt", "xml"])
def test_nobody_waits_for_a_pipe_among_box_files(suffix: str, tmp_path: Path) -> None:
    (tmp_path / "horse").mkdir()
    os.mkfifo(tmp_path / "horse" / f"a.{suffix}")
    with pytest.raises(CamAuditError, match=rf"horse/a\.{suffix}: not a file but"):
        load_annotations([NAME], boxes=tmp_path)


def test_deeply_nested_xml_is_read_or_refused(tmp_path: Path) -> None:
    deep = "<annotation>" + "<a>" * 300_000 + "</a>" * 300_000 + "</annotation>"
    with pytest.raises(CamAuditError):
        boxes_of(tmp_path, {"horse/a.xml": deep})


def test_box_files_of_images_outside_the_data_set_are_not_read(tmp_path: Path) -> None:
    boxes = boxes_of(tmp_path, {"horse/a.txt": "0 0.35 0.5 0.2 0.6", "horse/b.txt": "damaged"})
    assert boxes
    assert boxes.matched == 1


def test_a_bad_object_costs_that_object_and_all_are_told_together(tmp_path: Path) -> None:
    content = coco()
    bad: list[tuple[object, object]] = [(8, [1, 1, 5, 5]), (7, []), (7, [25, 5, 10, 10]), (7, None)]
    content["annotations"] += [
        {"id": 100 + number, "image_id": image, "category_id": 1, "bbox": bbox}
        for number, (image, bbox) in enumerate(bad)
    ]
    boxes = boxes_of(tmp_path, {"boxes.json": content})
    assert boxes
    np.testing.assert_array_equal(boxes.mask(NAME, WIDTH, HEIGHT), BLOCK)
    assert boxes.faults == (
        "annotation 100: there is no image 8",
        "annotation 101: bbox must be [x, y, width, height], not []",
        f"annotation 102: {OUTSIDE}",
        "annotation 103: it has no bbox",
    )


def test_a_bad_file_costs_its_image(tmp_path: Path) -> None:
    names = [NAME, "horse/b.jpg", "horse/c.jpg"]
    files = {
        "horse/a.xml": voc((6, 3, 9, 8), (6, 3, 9)),
        "horse/b.xml": "<annotation",
        "horse/c.xml": voc((6, 3, 9, 8)),
    }
    boxes = boxes_of(tmp_path, files, names)
    assert boxes
    for name in (NAME, "horse/c.jpg"):
        np.testing.assert_array_equal(boxes.mask(name, WIDTH, HEIGHT), BLOCK)
    assert boxes.mask("horse/b.jpg", WIDTH, HEIGHT) is None
    assert [fault.split(": ")[0] for fault in boxes.faults] == ["horse/a.xml", "horse/b.xml"]


def two_categories() -> dict[str, Any]:
    content = coco()
    content["annotations"].append({"id": 71, "image_id": 7, "category_id": 2.0, "bbox": [0, 0, WIDTH, HEIGHT]})
    content["categories"].append({"id": 2, "name": "Watermark"})
    return content


@pytest.mark.parametrize(
    ("categories", "expected"),
    [
        ((), block(0, 0, WIDTH, HEIGHT)),
        (("horse",), BLOCK),
        (("1",), BLOCK),
        (("watermark",), block(0, 0, WIDTH, HEIGHT)),
        (("Horse", "watermark"), block(0, 0, WIDTH, HEIGHT)),
    ],
)
@pytest.mark.parametrize("kind", ["coco", "voc", "yolo"])
def test_categories_are_picked_by_name_or_number(
    kind: str, categories: tuple[str, ...], expected: NDArray[np.uint8], tmp_path: Path
) -> None:
    if kind == "coco":
        path = write(tmp_path / "b.json", json.dumps(two_categories()))
    elif kind == "voc":
        named = voc((6, 3, 9, 8), (1, 1, WIDTH, HEIGHT)).split("<object>")
        text = f"{named[0]}<object><name>horse</name>{named[1]}<object><name>watermark</name>{named[2]}"
        write(tmp_path / "horse" / "a.xml", text)
        path = tmp_path
        categories = tuple(category.replace("1", "horse") for category in categories)
    else:
        write(tmp_path / "horse" / "a.txt", "1 0.35 0.5 0.2 0.6\n2 0.5 0.5 1 1\n")
        write(tmp_path / "classes.txt", "dog\nhorse\nwatermark\n")
        path = tmp_path
    boxes = load_annotations([NAME], boxes=path, categories=categories)
    assert boxes
    np.testing.assert_array_equal(boxes.mask(NAME, WIDTH, HEIGHT), expected)
    assert len(boxes.categories) == (0 if categories else 2)


def test_pixels_of_a_size_that_is_not_told_are_those_of_the_file_though_it_is_decoded_smaller(tmp_path: Path) -> None:
    boxes = boxes_of(tmp_path, {"boxes.json": coco([4, 2, 8, 6], width=None)})
    assert boxes
    mask = boxes.mask(NAME, WIDTH // 2, HEIGHT // 2, (WIDTH, HEIGHT))
    assert mask is not None
    expected = np.zeros((HEIGHT // 2, WIDTH // 2), np.uint8)
    expected[1:4, 2:6] = 1
    np.testing.assert_array_equal(mask, expected)


@pytest.mark.parametrize("outline", [{"bbox": [WIDTH, 0, 5, 5]}, {"segmentation": [[30, 1, 40, 1, 40, 9]]}])
def test_what_lies_outside_a_picture_of_unknown_size_is_told_when_it_is_seen(
    outline: dict[str, object], tmp_path: Path
) -> None:
    content = coco(width=None)
    content["annotations"][0].update(outline)
    boxes = boxes_of(tmp_path, {"boxes.json": content})
    assert boxes
    with pytest.raises(ImageError, match=rf"^the boxes of {NAME}: they lie outside the picture$"):
        boxes.mask(NAME, WIDTH, HEIGHT)


def test_data_yaml_names_the_classes_of_yolo(tmp_path: Path) -> None:
    write(tmp_path / "labels" / "horse" / "a.txt", "1 0.35 0.5 0.2 0.6\n2 0.5 0.5 1 1\n")
    write(tmp_path / "data.yaml", "names:\n  1: horse\n  2: watermark\n")
    boxes = load_annotations([NAME], boxes=tmp_path / "labels", categories=["horse"])
    assert boxes
    np.testing.assert_array_equal(boxes.mask(NAME, WIDTH, HEIGHT), BLOCK)


def test_an_unknown_category_is_answered_with_those_there_are(tmp_path: Path) -> None:
    path = write(tmp_path / "b.json", json.dumps(two_categories()))
    with pytest.raises(
        CamAuditError, match=r"--category cow: no object is of this category; there are Watermark, horse$"
    ):
        load_annotations([NAME], boxes=path, categories=["horse", "cow"])


@pytest.mark.parametrize(
    ("names", "file_names", "found"),
    [
        # the whole path goes before any end of it
        (["cat/a.jpg", "x/cat/a.jpg"], ["cat/a.jpg"], {"cat/a.jpg": 0}),
        (["cat/a.jpg", "dog/a.jpg"], ["/data/cat/a.jpg", "/data/dog/a.jpg"], {"cat/a.jpg": 0, "dog/a.jpg": 1}),
        (["train/cat/a.jpg"], ["dog/a.jpg", "C:\\photos\\cat\\a.jpg"], {"train/cat/a.jpg": 1}),
        # two of either could be any one's
        (["cat/a.jpg"], ["train/cat/a.jpg", "val/cat/a.jpg"], {}),
        (["train/a.jpg", "val/a.jpg"], ["a.jpg"], {}),
        (["cat/a.jpg", "cat/a.png"], ["x/a.jpg"], {"cat/a.jpg": 0}),
    ],
)
def test_file_names_are_matched_by_their_longest_common_end(
    names: list[str], file_names: list[str], found: dict[str, int], tmp_path: Path
) -> None:
    images = [
        {"id": number, "file_name": name, "width": WIDTH, "height": HEIGHT} for number, name in enumerate(file_names)
    ]
    # the column tells which of them was found
    annotations = [{"image_id": number, "bbox": [number, 0, 1, 1]} for number in range(len(images))]
    path = write(tmp_path / "b.json", json.dumps({"images": images, "annotations": annotations}))
    if not found:
        with pytest.raises(CamAuditError, match="no image of the data set is annotated"):
            load_annotations(names, boxes=path)
        return
    boxes = load_annotations(names, boxes=path)
    assert boxes
    masks = {name: boxes.mask(name, WIDTH, HEIGHT) for name in names}
    assert {name: int(mask.argmax()) for name, mask in masks.items() if mask is not None} == found
