"""A file is a picture by its suffix or, where that says nothing, by how it begins."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from picture_files import FORMATS

from cam_audit.images.find import OtherFiles, find_images
from cam_audit.images.kinds import HEAD_BYTES, kind_of, suffix_of

KINDS = {
    "jpeg 2000": "JPEG 2000",
    "jpeg": "JPEG",
    "png": "PNG",
    "webp": "WebP",
    "tiff": "TIFF",
    "gif": "GIF",
    "bmp": "BMP",
    "avif": "AVIF",
    "ppm": "PNM",
    "pgm": "PNM",
    "pbm": "PNM",
    "sun raster": "Sun raster",
}
DICOM = bytes(128) + b"DICM"
HEIC = b"\0\0\0\x18ftypheic"


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_that_is_read_is_known_by_how_it_begins(name: str) -> None:
    expected = next(kind for start, kind in KINDS.items() if name.startswith(start))
    assert kind_of(FORMATS[name][0][:HEAD_BYTES]) == expected


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (DICOM, "DICOM"),
        (HEIC, "HEIC"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avif", "AVIF"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
        (b"MM\0+\0\x08\0\0", "TIFF"),
        (b"P5 # drawn by hand\n 12 7\n255\n", "PNM"),
        (b"", None),
        (b"P1 is the first paragraph", None),
        (b"BMW, Audi and others of their kind, all in a list", None),
        (b"\x1aE\xdf\xa3\x01\0\0\0", None),
        (b"RIFF\0\0\0\0WAVEfmt ", None),
    ],
)
def test_text_films_and_sounds_are_no_pictures(head: bytes, kind: str | None) -> None:
    assert kind_of(head) == kind


@pytest.mark.parametrize(
    ("name", "suffix"),
    [("a.JPG", ".jpg"), ("a", ""), ("a.", ""), ("1.2.840.113", ""), ("a.cr2", ".cr2"), ("Dr. Who and the rest", "")],
)
def test_a_suffix_has_letters_and_no_blanks(name: str, suffix: str) -> None:
    assert suffix_of(name) == suffix


def test_files_are_found_by_content_where_the_suffix_says_nothing(tmp_path: Path) -> None:
    jpeg, png, tiff = (FORMATS[name][0] for name in ("jpeg", "png", "tiff"))
    files = {
        **{"mug/0": jpeg, "mug/1.bak": png, "mug/2.2024": tiff, "mug/notes": b"to do", "mug/empty": b""},
        # a raw file of a camera begins as TIFF does, and a page of text may be called anything
        **{"mug/3.CR2": tiff, "mug/4.cr2": tiff, "dog/film.webm": b"\x1aE\xdf\xa3", "dog/a.jpg": b"damaged"},
        **{"__MACOSX/mug/0": jpeg, ".hidden/0": jpeg, "mug/._0": jpeg},
    }
    for name, data in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_bytes(data)
    os.mkfifo(tmp_path / "mug" / "pipe")
    (tmp_path / "mug" / "gone").symlink_to("nowhere")
    found = find_images(tmp_path)
    assert found.names == ["dog/a.jpg", "mug/0", "mug/1.bak", "mug/2.2024"]
    assert found.others == {
        ".cr2": OtherFiles(2, "mug/3.CR2"),
        ".webm": OtherFiles(1, "dog/film.webm"),
        "": OtherFiles(4, "mug/empty"),
    }


def test_a_link_that_leads_outside_is_not_opened_to_see_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "outside").write_bytes(FORMATS["jpeg"][0])
    (tmp_path / "data" / "link").symlink_to(tmp_path / "outside")
    found = find_images(tmp_path / "data")
    assert (found.names, found.others) == ([], {"": OtherFiles(1, "link")})
    assert find_images(tmp_path / "data", follow_links=True).names == ["link"]


@pytest.mark.parametrize(
    ("patterns", "names", "excluded"),
    [
        (["*_mask.png"], ["a/1.jpg", "a/b/2.jpg", "b/1.jpg"], [1]),
        (["b"], ["a/1.jpg", "a/1_mask.png"], [2]),
        (["/b"], ["a/1.jpg", "a/1_mask.png", "a/b/2.jpg"], [1]),
        (["a/*.jpg"], ["a/1_mask.png", "b/1.jpg"], [2]),
        (["b/", "1*"], ["a/b/2.jpg"], [1, 2]),
        (["nothing"], ["a/1.jpg", "a/1_mask.png", "a/b/2.jpg", "b/1.jpg"], [0]),
    ],
)
def test_patterns_leave_out_names_anywhere_and_paths_with_a_slash(
    patterns: list[str], names: list[str], excluded: list[int], tmp_path: Path
) -> None:
    for name in ("a/1.jpg", "a/1_mask.png", "a/b/2.jpg", "b/1.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).touch()
    found = find_images(tmp_path, exclude=patterns)
    assert found.names == names
    assert list(found.excluded.values()) == excluded
