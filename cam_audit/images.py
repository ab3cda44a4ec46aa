"""Find, decode and resize images; the only decoder of the project."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path

import cv2
import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps, JpegImagePlugin

from cam_audit.errors import CamAuditError, ImageError
from cam_audit.guards import DAMAGED, PNG_SIGNATURE, require_safe, still_png
from cam_audit.output import OVERLAYS_FOLDER, RUN_FILE
from cam_audit.witness import decoding

# Workers are threads with one image each; OpenCV's own threads on top of them would fight for the cores.
cv2.setNumThreads(1)

IMAGE_SUFFIXES = frozenset(
    ".jpg .jpeg .jpe .jfif .png .webp .bmp .dib .gif .tif .tiff .avif .jp2 "
    ".ppm .pgm .pbm .pnm .ras .sr .heic .heif .jxl".split()
)
# Pillow knows more formats; of those, some are never masks, and PostScript is a program that it would run.
MASK_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "DIB", "GIF", "TIFF", "AVIF", "JPEG2000", "PPM", "SUN")
MAX_FILE_BYTES = 1 << 30
MAX_ASPECT = 4
PILLOW_VERSION: str = PIL.__version__

RgbImage = NDArray[np.uint8]


@dataclass(frozen=True)
class ImageList:
    """Names of image files below a folder, sorted, and how many links were left out as they lead outside it.

    `unreadable`: why folders below it can't be looked into, by their names.
    """

    names: list[str]
    links_left_out: int
    unreadable: Mapping[str, str] = field(default_factory=dict)


def find_images(root: Path, *, output: Path | None = None, follow_links: bool = False) -> ImageList:
    """The image files below `root`, by their relative names with `/` between folders, sorted.

    Hidden files and folders, the folder `output` and earlier outputs of a scan (they hold `run.json` beside
    `overlays`) are left out; of `root` itself, were it such an output, only the pictures of maps. Symbolic links are
    followed where they stay inside `root`, or everywhere with `follow_links`; no folder is entered twice. `root` may
    also be a single image file.

    Raises CamAuditError where `root` cannot be read.
    """
    if root.is_file():
        return ImageList([root.name], 0)
    real_root = os.path.realpath(root)
    entered = {os.path.realpath(output)} if output else set()
    names: list[str] = []
    unreadable: dict[str, str] = {}
    links_left_out = 0
    folders = [(str(root), "")]
    # Linked folders come last, so that a folder is known by its own name and not by a link's.
    linked: list[tuple[str, str]] = []
    while folders or linked:
        folder, prefix = folders.pop() if folders else linked.pop(0)
        real = os.path.realpath(folder)
        if real in entered:
            continue
        entered.add(real)
        try:
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            if not prefix:
                raise CamAuditError(f"cannot read the folder {folder}: {error.strerror}") from None
            unreadable[prefix[:-1]] = str(error.strerror)
            continue
        if {RUN_FILE, OVERLAYS_FOLDER} <= {entry.name for entry in entries}:
            if folder != str(root):
                continue
            # snapshots of a live session lie in their own output folder, where users sort them into class folders
            entries = [entry for entry in entries if entry.name not in ("overlays", "maps")]
        for entry in entries:
            # a link to nothing and a pipe are images that can't be read, which the scan must say
            is_image = os.path.splitext(entry.name)[1].lower() in IMAGE_SUFFIXES
            broken = entry.is_symlink() and not os.path.exists(entry.path)
            is_folder = not broken and entry.is_dir()
            if entry.name.startswith(".") or not (is_folder or is_image):
                continue
            if broken:
                names.append(prefix + entry.name)
            elif entry.is_symlink() and not follow_links and not _is_below(entry.path, real_root):
                links_left_out += 1
            elif is_folder:
                (linked if entry.is_symlink() else folders).append((entry.path, f"{prefix}{entry.name}/"))
            else:
                names.append(prefix + entry.name)
    return ImageList(sorted(names), links_left_out, unreadable)


def _is_below(path: str, real_root: str) -> bool:
    return os.path.commonpath([real_root, os.path.realpath(path)]) == real_root


def decode(data: bytes, *, needed: int | None = None, path: str | Path = "") -> tuple[RgbImage, int, int]:
    """Decode an image file's bytes; returns (RGB uint8 (H, W, 3), full width, full height).

    EXIF orientation is applied, 16 bits become 8 by their high byte, CMYK, grey and palette become RGB, alpha
    is dropped as training pipelines do; of an animation, the first frame. With `needed`, a JPEG may be decoded
    at a half, a quarter or an eighth as long as its longest side keeps at least `needed` pixels; the sizes
    returned beside it are those of the full picture all the same. `path`: where the bytes are from, for the
    `witness`.

    Raises ImageError for what is no image, is damaged or truncated, has more pixels than
    $OPENCV_IO_MAX_IMAGE_PIXELS (cam-audit sets 2^30 / 6), or would take gigabytes or hours.
    """
    if not data:
        raise ImageError("the file is empty")
    with decoding(path, needed):
        return _decode(data, needed)


def _decode(data: bytes, needed: int | None) -> tuple[RgbImage, int, int]:
    require_safe(data)
    picture = _left_to_pillow(data)
    if picture:
        upright = _decode_by_pillow(picture)
        return upright, upright.shape[1], upright.shape[0]
    still = still_png(data) if data.startswith(PNG_SIGNATURE) else data
    full = _jpeg_size(data) if needed else None
    if full:
        _require_few_pixels(*full)
    factor = _reduction(full, needed) if full and needed else 1
    flags = {
        1: cv2.IMREAD_COLOR_RGB,
        2: cv2.IMREAD_REDUCED_COLOR_2,
        4: cv2.IMREAD_REDUCED_COLOR_4,
        8: cv2.IMREAD_REDUCED_COLOR_8,
    }
    try:
        image = cv2.imdecode(np.frombuffer(still, np.uint8), flags[factor])
    except cv2.error as error:
        if "MAX_IMAGE" in str(error):
            raise _too_large() from None
        raise ImageError("the image cannot be decoded") from None
    if image is None:
        raise ImageError(DAMAGED)
    if factor > 1:
        image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    rgb: RgbImage = image  # type: ignore[assignment]
    height, width = rgb.shape[:2]
    if full and factor > 1:
        # EXIF may have turned the picture: the reduced one tells which of the two header sizes is its width
        width, height = full if (width > height) == (full[0] > full[1]) else full[::-1]
    return rgb, width, height


def read_image(path: str | Path, *, needed: int | None = None) -> tuple[RgbImage, int, int]:
    """Read and `decode` an image file; raises ImageError with the reason where that fails."""
    return decode(read_bytes(path), needed=needed, path=path)


def read_mask(path: str | Path) -> NDArray[np.uint8]:
    """Read and `decode_mask` an image file; raises ImageError with the reason where that fails."""
    data = read_bytes(path)
    with decoding(path, is_mask=True):
        return decode_mask(data)


def decode_mask(data: bytes) -> NDArray[np.uint8]:
    """Decode a mask from an image file's bytes: uint8 (H, W), 1 where any channel is not 0, else 0.

    Of a palette image the index counts, not the colour; alpha is dropped; EXIF orientation is applied. In a
    JPEG, whose compression leaves faint pixels round every edge, the object is what is brighter than half of
    its brightest pixel.

    Raises ImageError for what is no image of MASK_FORMATS, is damaged, or is too large.
    """
    require_safe(data)
    try:
        picture = Image.open(io.BytesIO(data), formats=MASK_FORMATS)
        _require_few_pixels(picture.width, picture.height)
        pixels = np.asarray(ImageOps.exif_transpose(picture))
    except (ImageError, MemoryError):
        raise
    except Image.DecompressionBombError:
        raise _too_large() from None
    except Exception:
        # Pillow's plugins raise a dozen types for damaged files
        raise ImageError(DAMAGED) from None
    if picture.getbands()[-1] in ("A", "a"):
        pixels = pixels[..., :-1]
    # by channels, as numpy is slow over an axis of three
    brightest = pixels if pixels.ndim == 2 else reduce(np.maximum, np.moveaxis(pixels, 2, 0))
    background = brightest.max() // 2 if picture.format == "JPEG" else 0
    return (brightest > background).astype(np.uint8)


def read_bytes(path: str | Path) -> bytes:
    """The bytes of an image file, as many as it has when it is opened.

    Raises ImageError where it can't be read, is larger than MAX_FILE_BYTES, or is a folder, a pipe or a device.
    """
    try:
        # before it is opened, as opening is what makes a device act, and again after, as it may have been replaced
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            _require_listing(path)
        _size_of(status)
        with open(path, "rb", opener=_open_without_waiting) as file:
            return file.read(_size_of(os.fstat(file.fileno())))
    except OSError as error:
        raise ImageError(f"the file cannot be read: {error.strerror}") from None


def _require_listing(folder: str | Path) -> None:
    """Raise ImageError, with why, for a folder that can't be looked into, as one among the images is."""
    try:
        os.scandir(folder).close()
    except OSError as error:
        raise ImageError(f"the folder cannot be read: {error.strerror}") from None


def _open_without_waiting(path: str, flags: int) -> int:
    """Open a file; a pipe, for which one would wait until somebody writes, at once."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _size_of(status: os.stat_result) -> int:
    if not stat.S_ISREG(status.st_mode):
        raise ImageError("not a file but a folder, a pipe or a device")
    if status.st_size > MAX_FILE_BYTES:
        raise ImageError(f"the file is larger than {MAX_FILE_BYTES:,} bytes")
    return status.st_size


def network_size(width: int, height: int, shortest: int, cell: int) -> tuple[int, int]:
    """Width and height at which a picture enters the net.

    The shortest side becomes `shortest`, aspect kept; a picture of more than MAX_ASPECT to 1 is scaled until
    its long side is MAX_ASPECT x `shortest`, but no side falls below one `cell` of the map (pixels).
    """
    scale = min(shortest / min(width, height), MAX_ASPECT * shortest / max(width, height))
    return max(cell, round(width * scale)), max(cell, round(height * scale))


def resize(rgb: RgbImage, width: int, height: int) -> RgbImage:
    """Resize to exactly `width` x `height`: area mean where it shrinks, bicubic where it grows."""
    if (width, height) == (rgb.shape[1], rgb.shape[0]):
        return rgb
    shrinks = width < rgb.shape[1] or height < rgb.shape[0]
    return cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)  # type: ignore[return-value]


def resize_mask(mask: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Resize a mask of 0 and 1 to exactly `width` x `height`: 1 where at least half of a pixel is 1."""
    if (width, height) == (mask.shape[1], mask.shape[0]):
        return mask
    shrinks = width < mask.shape[1] or height < mask.shape[0]
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_NEAREST
    grey = cv2.resize(mask * np.uint8(255), (width, height), interpolation=interpolation)
    return (grey > 127).astype(np.uint8)


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    """(width, height) from a JPEG's header, before EXIF orientation; None for anything else."""
    if not data.startswith(b"\xff\xd8"):
        return None
    try:
        # not by Image.open, which warns of big pictures on stderr
        return JpegImagePlugin.JpegImageFile(io.BytesIO(data)).size
    except Exception:
        # OpenCV will say what is wrong with it
        return None


def _left_to_pillow(data: bytes) -> ImageFile.ImageFile | None:
    """The picture, not decoded yet, where OpenCV would get it wrong; None for all others.

    OpenCV 5.0 does not turn AVIF upright, swaps red and blue in AVIF with alpha, and darkens TIFF by its alpha.
    """
    try:
        if data[4:8] == b"ftyp" and data[8:12] in (b"avif", b"avis"):
            from PIL import AvifImagePlugin

            return AvifImagePlugin.AvifImageFile(io.BytesIO(data))
    except Exception:
        # Pillow's plugins raise a dozen types for damaged files
        raise ImageError(DAMAGED) from None
    try:
        if data[:2] in (b"II", b"MM"):
            from PIL import TiffImagePlugin

            tiff = TiffImagePlugin.TiffImageFile(io.BytesIO(data))
            return tiff if tiff.mode in ("RGBA", "RGBa", "LA", "PA") else None
    except Exception:
        # OpenCV reads kinds of TIFF that Pillow does not
        return None
    return None


def _decode_by_pillow(picture: ImageFile.ImageFile) -> RgbImage:
    _require_few_pixels(picture.width, picture.height)
    try:
        return np.array(ImageOps.exif_transpose(picture).convert("RGB"))
    except MemoryError:
        raise
    except Image.DecompressionBombError:
        raise _too_large() from None
    except Exception:
        # Pillow's plugins raise a dozen types for damaged files
        raise ImageError(DAMAGED) from None


def _pixel_limit() -> int:
    return int(os.environ["OPENCV_IO_MAX_IMAGE_PIXELS"])


def _require_few_pixels(width: int, height: int) -> None:
    if width * height > _pixel_limit():
        raise _too_large()


def _too_large() -> ImageError:
    return ImageError(f"the image is larger than {_pixel_limit():,} pixels")


def _reduction(full: tuple[int, int], needed: int) -> int:
    """The largest of 8, 4, 2 and 1 that leaves `needed` pixels and tells wide from tall as the full size does."""
    long, short = max(full), min(full)
    for factor in (8, 4, 2):
        if long // factor >= needed and (long == short or -(-long // factor) > -(-short // factor)):
            return factor
    return 1
