"""Read objects from the files of Pascal VOC and YOLO. An object that is malformed is left out, with the reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree

from cam_audit.errors import ImageError
from cam_audit.images.decode import read_bytes
from cam_audit.records import Box
from cam_audit.scan.outlines import ImageObjects, Points, RunLengths, image_objects
from cam_audit.scan.shapes import Reading, as_box, as_number, as_polygon, as_size

# How far YOLO's fractions may leave 0..1: programs that write them round.
ROUNDING = 0.01


def read_voc(path: Path, place: str, reading: Reading) -> ImageObjects:
    """The boxes of a Pascal VOC file: `bndbox` of each `object`, its first and last pixels counted from 1.

    place: the file's name in the reasons for what is left out. A file that is not VOC is left out. So is a file with a
    DOCTYPE: no annotation needs one, and its entities can make a small file huge.
    """
    shapes: list[Box] = []
    size = None
    with reading.leaving_out(place):
        root = _xml(path)
        size = as_size(root.findtext("size/width"), root.findtext("size/height"))
        for number, element in enumerate(root.findall("object"), 1):
            with reading.leaving_out(f"{place}: object {number}"):
                if reading.wants((element.findtext("name") or "").strip()):
                    shapes.append(_voc_box(element, size))
    return image_objects(shapes, size, in_pixels=not size)


def read_yolo(path: Path, place: str, reading: Reading, names: Mapping[int, str] | None = None) -> ImageObjects:
    """The objects of a YOLO file: a line each, `class x y width height` as fractions with x, y the centre.

    A sixth number is the confidence of a detector; a line with more is the polygon `class x1 y1 x2 y2 ...`. place: the
    name of the file in the reasons for what is left out; names: those of the classes, by their numbers.
    """
    shapes: list[Box | Points | RunLengths] = []
    with reading.leaving_out(place):
        for number, line in enumerate(_read_one_of_many(path).decode("utf-8-sig", errors="replace").splitlines(), 1):
            with reading.leaving_out(f"{place}: line {number}"):
                words = line.split()
                if words and reading.wants(words[0], _class_name(words[0], names or {})):
                    shapes.append(_yolo_shape([as_number(word, "a coordinate") for word in words[1:]]))
    return image_objects(shapes, None)


def _voc_box(element: ElementTree.Element, size: tuple[int, int] | None) -> Box:
    left, top, right, bottom = (
        as_number(element.findtext(f"bndbox/{side}"), side) for side in ("xmin", "ymin", "xmax", "ymax")
    )
    return as_box(left - 1, top - 1, right, bottom, size)


def _yolo_shape(numbers: Sequence[float]) -> Box | Points:
    if len(numbers) == 5:
        # the last is a confidence
        numbers = numbers[:4]
    if not all(-ROUNDING <= number <= 1 + ROUNDING for number in numbers):
        raise ValueError("coordinates must be fractions of the image's sides, 0 to 1")
    if len(numbers) == 4:
        x, y, width, height = numbers
        return as_box(x - width / 2, y - height / 2, x + width / 2, y + height / 2, (1, 1))
    if len(numbers) >= 6 and len(numbers) % 2 == 0:
        return as_polygon(list(numbers), (1, 1))
    raise ValueError("expected `class x y width height`, or `class` and the x y pairs of a polygon")


def _class_name(number: str, names: Mapping[int, str]) -> str:
    return names.get(int(number), number) if number.isdecimal() else number


class _WithoutDoctype(ElementTree.TreeBuilder):
    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise ValueError("it has a DOCTYPE; remove that line")


def _xml(path: Path) -> ElementTree.Element:
    """The root of a VOC file; raises ValueError if it is no VOC file."""
    try:
        root = ElementTree.fromstring(_read_one_of_many(path), ElementTree.XMLParser(target=_WithoutDoctype()))
    except (ElementTree.ParseError, LookupError) as error:
        raise ValueError(f"cannot be read as XML: {error}") from None
    if root.tag != "annotation":
        raise ValueError(f"not Pascal VOC: its root is <{root.tag:.40}> instead of <annotation>")
    return root


def _read_one_of_many(path: Path) -> bytes:
    """Read a file that was found in a folder, which a pipe or a device may be too; raises ValueError where it can't."""
    try:
        return read_bytes(path)
    except ImageError as error:
        raise ValueError(str(error)) from None
