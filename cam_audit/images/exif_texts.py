"""What EXIF data say of a picture: with which camera and program it was made, and when. `decode` turns it by them.

Not by Pillow: of odd EXIF data it warns on stderr (of 745 among 2,000 damaged headers), and no thread can silence that
for itself.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from cam_audit.records import Exif

_MARK = b"Exif\0\0"
_MAKE, _MODEL, _SOFTWARE, _CHANGED, _EXIF_DIRECTORY, _TAKEN = 0x010F, 0x0110, 0x0131, 0x0132, 0x8769, 0x9003
_ASCII, _LONG, _DIRECTORY = 2, 4, 13
_START_OF_SCAN = 0xDA
# A directory of more entries is damaged.
_MAX_ENTRIES = 1000
_DATE = re.compile(r"(\d{4})[:-](\d\d)[:-](\d\d)")


def exif_of(data: bytes) -> Exif:
    """The EXIF data of a JPEG, PNG, WebP or TIFF file; data: its bytes. What is missing or damaged is "".

    Source: Exif 2.32 (CIPA DC-008); the directories are those of TIFF 6.0.
    """
    tiff = _tiff_in(data)
    if not tiff:
        return Exif()
    try:
        tags = dict(_tags(tiff, struct.unpack_from(_order(tiff) + "I", tiff, 4)[0]))
        below = tags.get(_EXIF_DIRECTORY)
        taken = dict(_tags(tiff, below)).get(_TAKEN) if isinstance(below, int) else None
    except struct.error:
        return Exif()
    words = {tag: value for tag, value in tags.items() if isinstance(value, str)}
    make, model = words.get(_MAKE, ""), words.get(_MODEL, "")
    # most models begin with what their maker is called
    known = make and model.casefold().startswith(make.split()[0].casefold())
    date = _DATE.match(taken if isinstance(taken, str) else words.get(_CHANGED, ""))
    return Exif(
        camera=model if known else f"{make} {model}".strip(),
        software=words.get(_SOFTWARE, ""),
        date="-".join(date.groups()) if date and date[1] != "0000" else "",
    )


def _tiff_in(data: bytes) -> bytes:
    """The TIFF structure that holds the EXIF data of a file; empty where there is none."""
    if data.startswith((b"II*\0", b"MM\0*")):
        return data
    if data.startswith(b"\xff\xd8"):
        return next((part.removeprefix(_MARK) for part in _segments(data) if part.startswith(_MARK)), b"")
    if data.startswith(b"\x89PNG"):
        return next((part for kind, part in _chunks(data, 8, ">", 4) if kind == b"eXIf"), b"")
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        parts = (part for kind, part in _chunks(data, 12, "<", 0) if kind == b"EXIF")
        return next(parts, b"").removeprefix(_MARK)
    return b""


def _segments(data: bytes) -> Iterator[bytes]:
    """The APP1 segments of a JPEG, before its picture."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != _START_OF_SCAN:
        size = int.from_bytes(data[at + 2 : at + 4], "big")
        if data[at + 1] == 0xE1:
            yield data[at + 4 : at + 2 + size]
        at += 2 + size


def _chunks(data: bytes, at: int, order: str, after: int) -> Iterator[tuple[bytes, bytes]]:
    """The chunks of a PNG or RIFF file with their kinds; after: bytes of a checksum behind each."""
    while at + 8 <= len(data):
        first, second = data[at : at + 4], data[at + 4 : at + 8]
        size, kind = (first, second) if order == ">" else (second, first)
        length: int = struct.unpack(order + "I", size)[0]
        yield kind, data[at + 8 : at + 8 + length] if kind in (b"eXIf", b"EXIF") else b""
        # those of RIFF begin at even places
        at += 8 + length + after + (length % 2 if order == "<" else 0)


def _order(tiff: bytes) -> str:
    return "<" if tiff[:2] == b"II" else ">"


def _tags(tiff: bytes, directory: int) -> Iterator[tuple[int, str | int]]:
    """The texts, and the numbers of four bytes, of a directory; raises struct.error where it is cut off."""
    order = _order(tiff)
    (entries,) = struct.unpack_from(order + "H", tiff, directory)
    for entry in range(directory + 2, directory + 2 + 12 * min(entries, _MAX_ENTRIES), 12):
        try:
            tag, kind, count, offset = struct.unpack_from(order + "HHII", tiff, entry)
        except struct.error:
            return
        if kind == _ASCII:
            # four bytes or fewer are in place of the offset
            text = tiff[offset : offset + count] if count > 4 else tiff[entry + 8 : entry + 8 + count]
            yield tag, _printable(text.split(b"\0")[0])
        elif kind in (_LONG, _DIRECTORY) and count == 1:
            yield tag, offset


def _printable(text: bytes) -> str:
    """Text that ends up in messages: no line breaks, and nothing that steers a terminal."""
    return "".join(filter(str.isprintable, text.decode("ascii", "replace"))).strip()
