"""What kind of picture a file is, told by how it begins; and which suffixes say what a file is without a look."""

from __future__ import annotations

import os
import re
import stat

from cam_audit.inside import AnyPath

# Enough for the four letters of DICOM, which come after 128 bytes for others to use.
HEAD_BYTES = 132
IMAGE_SUFFIXES = frozenset(
    ".jpg .jpeg .jpe .jfif .png .webp .bmp .dib .gif .tif .tiff .avif .jp2 "
    ".ppm .pgm .pbm .pnm .ras .sr .heic .heif .jxl .dcm .dicom".split()
)
# Files of these are not looked into. Raw files of cameras are among them: they begin as TIFF does, and what a decoder
# would find in them is a thumbnail.
OTHER_SUFFIXES = frozenset(
    ".txt .csv .tsv .json .jsonl .xml .yaml .yml .toml .md .html .htm .pdf .py .ipynb .log .xls .xlsx .mat .npy .npz "
    ".pkl .h5 .hdf5 .parquet .pt .pth .onnx .zip .gz .tar .7z .mp4 .webm .avi .mov .mkv .svg .psd .xcf .ai .eps .db "
    ".cr2 .cr3 .crw .nef .nrw .arw .sr2 .srf .dng .orf .rw2 .raf .pef .srw .raw .rwl .3fr .fff .iiq .mrw .x3f .kdc "
    ".dcr .erf .mef .mos".split()
)
# A suffix of letters tells a kind; `.2024` or what follows the dot in a sentence does not.
_SUFFIX = re.compile(r"\.(?=.*[a-z])[a-z0-9_~-]{1,10}")
_SIGNATURES = (
    (re.compile(rb"\xff\xd8\xff"), "JPEG"),
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "PNG"),
    (re.compile(rb"GIF8[79]a"), "GIF"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "WebP"),
    # two letters are no proof: the reserved bytes and the size of the second header are
    (re.compile(rb"BM.{4}\0{4}.{4}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0", re.DOTALL), "BMP"),
    (re.compile(rb"II[*+]\0|MM\0[*+]"), "TIFF"),
    # the first brand may be that of all such files, and the next ones tell
    (re.compile(rb".{4}ftyp(avi[fs]|m(if|sf)1.{4}(....)*?avi[fs])", re.DOTALL), "AVIF"),
    (re.compile(rb".{4}ftyp(hei[cxms]|hev[cx]|mif1|msf1)", re.DOTALL), "HEIC"),
    (re.compile(rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51"), "JPEG 2000"),
    (re.compile(rb"\0\0\0\x0cJXL |\xff\x0a"), "JPEG XL"),
    (re.compile(rb"P[1-6]\s+(#[^\n]*\n\s*)*\d+\s+(#[^\n]*\n\s*)*\d+\s"), "PNM"),
    (re.compile(rb"\x59\xa6\x6a\x95"), "Sun raster"),
    (re.compile(rb".{128}DICM", re.DOTALL), "DICOM"),
)


def kind_of(head: bytes) -> str | None:
    """What kind of picture a file is, by its first HEAD_BYTES; None where they are those of none that is known."""
    return next((kind for signature, kind in _SIGNATURES if signature.match(head)), None)


def suffix_of(name: AnyPath) -> str:
    """The suffix of a file's name in small letters, "" where it has none that tells a kind."""
    suffix = os.path.splitext(name)[1].lower()
    return suffix if _SUFFIX.fullmatch(suffix) else ""


def is_picture(path: str, *, look: bool = True) -> bool:
    """Whether a file's suffix says that it is a picture or, where that is missing or unknown, how it begins does.

    look: whether the file may be opened.
    """
    suffix = suffix_of(path)
    if suffix in IMAGE_SUFFIXES or suffix in OTHER_SUFFIXES or not look:
        return suffix in IMAGE_SUFFIXES
    try:
        # a pipe would keep its reader waiting, and a device may act
        if not stat.S_ISREG(os.stat(path).st_mode):
            return False
        with open(path, "rb", buffering=0) as file:
            return kind_of(file.read(HEAD_BYTES)) is not None
    except OSError:
        return False
