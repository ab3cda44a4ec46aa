"""What EXIF data say, as Pillow writes them; nothing of what is damaged, and never an exception."""

from __future__ import annotations

import random

import pytest
from pictures import encode, gradient
from PIL import Image

from cam_audit.images.exif_texts import exif_of
from cam_audit.records import Exif

RGB = gradient(96, 64)
CAMERA = "Nikon D40"
MAKE, MODEL, SOFTWARE, CHANGED, DIRECTORY, TAKEN = 0x010F, 0x0110, 0x0131, 0x0132, 0x8769, 0x9003


def said(big_endian: bool = False, taken: str = "", **words: str) -> Image.Exif:
    exif = Image.Exif()
    exif.endian = ">" if big_endian else "<"
    tags = {"make": MAKE, "model": MODEL, "software": SOFTWARE, "changed": CHANGED}
    for name, word in words.items():
        exif[tags[name]] = word
    if taken:
        exif.get_ifd(DIRECTORY)[TAKEN] = taken
    return exif


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("big_endian", [False, True])
def test_camera_program_and_day_are_told_in_every_format(file_format: str, big_endian: bool) -> None:
    exif = said(big_endian, "2019:03:04 05:06:07", make="NIKON CORPORATION", model="NIKON D40", software="GIMP 2.10")
    data = encode(RGB, file_format, exif=exif.tobytes())
    assert exif_of(data) == Exif("NIKON D40", "GIMP 2.10", "2019-03-04")


@pytest.mark.parametrize(
    ("make", "model", "camera"),
    [
        ("Canon", "Canon EOS 5D", "Canon EOS 5D"),
        ("OLYMPUS", "E-M1", "OLYMPUS E-M1"),
        ("Sony", "", "Sony"),
        ("", "G9", "G9"),
    ],
)
def test_a_maker_is_named_once(make: str, model: str, camera: str) -> None:
    words = {name: word for name, word in (("make", make), ("model", model)) if word}
    assert exif_of(encode(RGB, "JPEG", exif=said(**words))).camera == camera


@pytest.mark.parametrize(
    ("model", "told"), [("  ", ""), (f"  {CAMERA} ", CAMERA), ("two\nlines", "twolines"), ("\x1b[0m", "[0m")]
)
def test_what_is_told_is_printable(model: str, told: str) -> None:
    assert exif_of(encode(RGB, "JPEG", exif=said(model=model))).camera == told


def test_strange_bytes_do_no_harm() -> None:
    strange = encode(RGB, "JPEG", exif=said(model=CAMERA)).replace(b"Nikon D40", b"Nikon\xff\xfe40")
    assert exif_of(strange).camera == "Nikon\ufffd\ufffd40"


def test_the_day_of_the_last_change_stands_for_one_that_is_missing_and_none_for_zeros() -> None:
    assert exif_of(encode(RGB, "JPEG", exif=said(changed="2020:01:02 03:04:05"))).date == "2020-01-02"
    assert exif_of(encode(RGB, "JPEG", exif=said(changed="0000:00:00 00:00:00"))).date == ""


@pytest.mark.parametrize("data", [b"", b"\xff\xd8", b"GIF89a", b"RIFF\0\0\0\0WEBP", b"\x89PNG\r\n\x1a\n", b"II*\0"])
def test_files_without_say_nothing(data: bytes) -> None:
    assert exif_of(data) == Exif()
    assert exif_of(encode(RGB, "PNG")) == Exif()


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_whatever_is_damaged_there_is_no_exception(file_format: str) -> None:
    exif = said(taken="2019:03:04 05:06:07", make="Nikon", model="Nikon D40 with a long name")
    whole = encode(RGB, file_format, exif=exif.tobytes())
    rng = random.Random(4)
    for size in range(700):
        exif_of(whole[:size])
    for _ in range(1000):
        broken = bytearray(whole)
        for _ in range(rng.randint(1, 30)):
            broken[rng.randrange(2, min(400, len(whole)))] = rng.choice((0, 255, rng.randrange(256)))
        told = exif_of(bytes(broken))
        assert "".join((told.camera, told.software, told.date)).isprintable()
