"""Image files made to hurt end as an error in bounded time and memory, and never end a scan."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable
from pathlib import Path

import fuzz_images
import numpy as np
import pytest
from commands import ROOT, run
from picture_files import FORMATS, RGB, png_chunk
from pictures import RED, encode, gradient, square
from PIL import EpsImagePlugin, Image

from cam_audit.errors import ImageError
from cam_audit.images.decode import decode, read_bytes
from cam_audit.images.find import find_images
from cam_audit.images.guards import MAX_JPEG_SCANS, PNG_SIGNATURE
from cam_audit.images.mask import decode_mask, read_mask
from cam_audit.models.model import Model
from cam_audit.records import ImageResult, ImageSource, SkippedImage
from cam_audit.scan import ScanSettings, scan

HUGE = 100_000
SMALL_MEMORY = 1 << 30


def in_a_child(data: bytes, path: Path, memory: int = SMALL_MEMORY) -> str:
    """What comes of a file in a process of its own, which may take `memory` bytes of address space above its start."""
    path.write_bytes(data)
    code = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from cam_audit.images.decode import decode\n"
        "from cam_audit.images.mask import decode_mask\n"
        "pages = int(Path('/proc/self/statm').read_text().split()[0])\n"
        f"limit = pages * resource.getpagesize() + {memory}\n"
        "resource.setrlimit(resource.RLIMIT_AS, (limit, limit))\n"
        "data = Path(sys.argv[1]).read_bytes()\n"
        "for function in (decode, lambda data: decode(data, needed=8), decode_mask):\n"
        "    try:\n"
        "        function(data)\n"
        "        print('decoded', end=';')\n"
        "    except Exception as error:\n"
        "        print(type(error).__name__, error, end=';')\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "ignore", "-c", code, str(path)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, (result.returncode, result.stderr[-500:])
    return result.stdout


def patched(name: str, *changes: tuple[bytes, bytes]) -> bytes:
    data = FORMATS[name][0]
    for old, new in changes:
        assert old in data
        data = data.replace(old, new, 1)
    return data


def huge_png() -> bytes:
    header = struct.pack(">IIBBBBB", HUGE, HUGE, 8, 2, 0, 0, 0)
    return b"".join(
        [
            PNG_SIGNATURE,
            png_chunk(b"IHDR", header),
            png_chunk(b"IDAT", zlib.compress(bytes(9))),
            png_chunk(b"IEND", b""),
        ]
    )


def tiff_side(tag: int, side: int, kind: str) -> tuple[bytes, bytes]:
    """The entry of a side of a TIFF, a short ("H") or a long number ("I"), and one that is huge."""
    entry = struct.pack(f"<HHI{kind}", tag, {"H": 3, "I": 4}[kind], 1, side).ljust(12, b"\0")
    return entry, struct.pack("<HHII", tag, 4, 1, HUGE)


HEADERS = {
    "png": huge_png(),
    "jpeg": patched("jpeg", (struct.pack(">HH", 64, 96), struct.pack(">HH", 65_000, 65_000))),
    "jpeg progressive": patched("jpeg progressive", (struct.pack(">HH", 64, 96), struct.pack(">HH", 65_000, 65_000))),
    "gif": patched("gif", (struct.pack("<HH", 96, 64), struct.pack("<HH", 65_535, 65_535))),
    "bmp": patched("bmp", (struct.pack("<ii", 96, 64), struct.pack("<ii", HUGE, HUGE))),
    "tiff": patched("tiff deflate", tiff_side(256, 96, "H"), tiff_side(257, 64, "H")),
    "tiff rgba": patched("tiff rgba", tiff_side(256, 96, "I"), tiff_side(257, 64, "I")),
    "webp": patched("webp", (FORMATS["webp"][0][20:25], b"\x2f\xff\xff\xff\x0f")),
    "avif": patched("avif", (b"ispe" + struct.pack(">III", 0, 96, 64), b"ispe" + struct.pack(">III", 0, HUGE, HUGE))),
    "jpeg 2000": patched("jpeg 2000 codestream", (struct.pack(">II", 96, 64), struct.pack(">II", HUGE, HUGE))),
    "ppm": b"P6 %d %d 255 xxx" % (HUGE, HUGE),
    "sun raster": struct.pack(">8I", 0x59A66A95, HUGE, HUGE, 24, 0, 1, 0, 0),
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_of_a_huge_picture_is_refused_in_little_memory(name: str, tmp_path: Path) -> None:
    answer = in_a_child(HEADERS[name], tmp_path / "huge")
    assert answer.count("ImageError") == 3, answer


def damaged_animation() -> bytes:
    """A whole PNG, with a frame that begins with a filter that there is not."""
    still = b"".join(b"\0" + row.tobytes() for row in RGB)
    return PNG_SIGNATURE + b"".join(
        [
            png_chunk(b"IHDR", struct.pack(">IIBBBBB", 96, 64, 8, 2, 0, 0, 0)),
            png_chunk(b"acTL", struct.pack(">II", 2, 0)),
            png_chunk(b"IDAT", zlib.compress(still)),
            png_chunk(b"fcTL", struct.pack(">IIIIIHHBB", 1, 96, 64, 0, 0, 1, 10, 0, 0)),
            png_chunk(b"fdAT", struct.pack(">I", 2) + zlib.compress(b"\x09" + still[1:])),
            png_chunk(b"IEND", b""),
        ]
    )


def long_chunk(kind: bytes) -> bytes:
    """A PNG in which a chunk says that it is 3 GB long."""
    data = FORMATS["png"][0]
    at = data.index(kind) - 4
    return data[:at] + struct.pack(">I", 3_000_000_000) + data[at + 4 :]


def many_components() -> bytes:
    """A JPEG 2000 of 16,384 components in 1,000 tiles, for which OpenJPEG would take 18 GB."""
    components = 16_384
    size = struct.pack(">HIIIIIIIIH", 0, 8000, 8, 0, 0, 8, 8, 0, 0, components) + b"\x07\x01\x01" * components
    segments = (
        (0xFF51, size),
        (0xFF52, struct.pack(">BBHBBBBBB", 0, 0, 1, 0, 0, 4, 4, 0, 1)),
        (0xFF5C, b"\x40\x40"),
        (0xFF90, struct.pack(">HIBB", 0, 14, 0, 1)),
    )
    body = b"".join(struct.pack(">HH", marker, len(data) + 2) + data for marker, data in segments)
    return b"\xff\x4f" + body + b"\xff\x93\xff\xd9"


HARMFUL = {
    "long chunk": long_chunk(b"IDAT"),
    "long last chunk": long_chunk(b"IEND"),
    "many components": many_components(),
    "many components after a decoy": b"\xff\x4f\xff\x51\0\x64\0\0" + many_components()[2:],
}


@pytest.mark.parametrize("name", HARMFUL)
def test_files_that_fill_the_memory_of_opencv_are_refused(name: str, tmp_path: Path) -> None:
    answers = in_a_child(HARMFUL[name], tmp_path / "harmful").split(";")[:2]
    assert all(answer.startswith("ImageError") for answer in answers), answers


def test_a_png_is_read_without_its_animation_which_crashes_opencv(tmp_path: Path) -> None:
    assert in_a_child(damaged_animation(), tmp_path / "damaged") == "decoded;" * 3
    np.testing.assert_array_equal(decode(damaged_animation())[0], RGB)


def with_scans(count: int, *, thumbnail: bytes = b"", after: bytes = b"") -> bytes:
    """A progressive JPEG with the last of its scans repeated, so that there are `count`."""
    data = FORMATS["jpeg progressive"][0]
    last = data.rindex(b"\xff\xda")
    repeated = data[last:-2] * (count - data.count(b"\xff\xda"))
    application = b"\xff\xe5" + struct.pack(">H", len(thumbnail) + 2) + thumbnail
    return data[:2] + application + data[2:-2] + repeated + data[-2:] + after


def test_a_jpeg_of_more_scans_than_any_program_makes_is_refused() -> None:
    assert decode(with_scans(MAX_JPEG_SCANS))[0].shape == RGB.shape
    hidden_end = FORMATS["jpeg"][0][:500] + b"\xff\xd9"
    for data in (with_scans(MAX_JPEG_SCANS + 1), with_scans(MAX_JPEG_SCANS + 1, thumbnail=hidden_end)):
        for function in (decode, decode_mask):
            with pytest.raises(ImageError, match="more than 100 scans"):
                function(data)


def test_only_the_scans_of_the_picture_itself_are_counted() -> None:
    others = b"\xff\xda\0\x02" * 150
    for data in (with_scans(20, thumbnail=others), with_scans(20, after=others)):
        assert decode(data)[0].shape == RGB.shape


@pytest.mark.parametrize("shape", [(1, 65_535), (65_535, 1)])
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "TIFF", "BMP", "GIF", "AVIF", "JPEG2000", "PPM"])
def test_a_picture_one_pixel_wide_is_read_or_refused(
    file_format: str, shape: tuple[int, int], model: Model, tmp_path: Path
) -> None:
    if file_format == "JPEG":
        shape = (min(shape[0], 65_500), min(shape[1], 65_500))
    picture = np.full((*shape, 3), RED, np.uint8)
    (tmp_path / "long.png").write_bytes(encode(picture, file_format))
    (record,) = scan_files(model, tmp_path)
    assert isinstance(record, SkippedImage) or (record.height, record.width) == shape


def scan_files(model: Model, root: Path) -> list[ImageResult | SkippedImage]:
    sources = [ImageSource(str(root), name, "", None) for name in find_images(root).names]
    return list(scan(model, sources, ScanSettings(), overlays=root / "out", workers=2))


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("name", FORMATS)
def test_a_flipped_bit_leaves_a_right_picture_or_an_error(name: str) -> None:
    """No format but PNG has checksums, so that only the picture's size can be told to be right."""
    data, picture, _ = FORMATS[name]
    random = np.random.default_rng(zlib.crc32(name.encode()))
    for _ in range(100):
        flipped = bytearray(data)
        flipped[random.integers(len(data))] ^= 1 << int(random.integers(8))
        try:
            rgb, width, height = decode(bytes(flipped))
        except ImageError:
            continue
        assert rgb.shape == (height, width, 3)
        assert rgb.dtype == np.uint8
        if name.startswith("png"):
            assert rgb.shape != picture.shape or np.array_equal(rgb, picture) or _is_ancillary(data, flipped)


def _is_ancillary(data: bytes, flipped: bytes) -> bool:
    """Whether two PNGs differ in a chunk that a decoder need not heed, or in the checksum of one."""
    at = next(index for index, (a, b) in enumerate(zip(data, flipped, strict=True)) if a != b)
    start = len(PNG_SIGNATURE)
    while start < len(data):
        end = start + 12 + int.from_bytes(data[start : start + 4], "big")
        if start <= at < end:
            return not data[start + 4 : start + 5].isupper() or 4 <= at - start < 8
        start = end
    return False


def pipe(path: Path) -> None:
    os.mkfifo(path)


def unix_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("make", [pipe, unix_socket, device])
def test_a_file_that_is_none_is_an_error_and_nobody_waits_for_it(
    make: Callable[[Path], None], model: Model, tmp_path: Path
) -> None:
    make(tmp_path / "odd.jpg")
    (tmp_path / "right.png").write_bytes(encode(square(RED, 0, 0)))
    names = find_images(tmp_path, follow_links=True).names
    assert names == ["odd.jpg", "right.png"]
    sources = [ImageSource(str(tmp_path), name, "", None) for name in names]
    odd, right = scan(model, sources, ScanSettings())
    assert isinstance(odd, SkippedImage)
    assert odd.reason == "not a file but a folder, a pipe or a device"
    assert isinstance(right, ImageResult)


def test_a_pipe_given_as_the_data_set_or_as_a_mask_ends_in_one_line(folder: Path) -> None:
    os.mkfifo(folder / "photos" / "red" / "pipe.png")
    assert "1 x not a file" in run(folder, "scan", "photos", "--net", "tiny", code=3).stdout
    (folder / "masks" / "red").mkdir(parents=True)
    os.mkfifo(folder / "masks" / "red" / "0.png")
    result = run(folder, "scan", "photos", "--net", "tiny", "--masks", "masks", code=3)
    assert "masks/red/0.png: not a file" in result.stdout


def test_a_file_that_becomes_a_pipe_after_it_was_looked_at_does_not_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"x")
    regular = os.stat(path)
    path.unlink()
    os.mkfifo(path)
    monkeypatch.setattr(os, "stat", lambda *_, **__: regular)
    with pytest.raises(ImageError, match="not a file"):
        read_bytes(path)


def test_a_file_that_grows_while_it_is_read_is_read_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"begin")
    stopping = threading.Event()

    def grow() -> None:
        with path.open("ab") as file:
            while not stopping.is_set():
                file.write(b"more")
                file.flush()
                stopping.wait(0.0001)

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        sizes = [(os.stat(path).st_size, len(read_bytes(path)), os.stat(path).st_size) for _ in range(100)]
    finally:
        stopping.set()
        writer.join()
    assert all(before <= read <= after for before, read, after in sizes)


def test_a_file_that_vanishes_after_the_walk_is_an_error(model: Model, tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(encode(square(RED, 0, 0)))
    sources = [ImageSource(str(tmp_path), name, "", None) for name in find_images(tmp_path).names]
    (tmp_path / "a.png").unlink()
    gone, right = scan(model, sources, ScanSettings())
    assert isinstance(gone, SkippedImage)
    assert gone.reason == "the file cannot be read: No such file or directory"
    assert isinstance(right, ImageResult)


def test_a_mask_in_postscript_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow gives such files to Ghostscript; here, to a program that leaves a trace."""
    interpreter = tmp_path / "gs"
    interpreter.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    interpreter.chmod(0o755)
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", str(interpreter))
    mask = tmp_path / "mask.png"
    Image.fromarray(gradient(8, 8)).save(mask, "EPS")
    with pytest.raises(ImageError, match="not an image"):
        read_mask(mask)
    assert not (tmp_path / "ran").exists()
    with contextlib.suppress(OSError):
        Image.open(mask).load()
    assert (tmp_path / "ran").exists()


def test_mutated_files_of_every_format_neither_crash_nor_hang_the_decoder() -> None:
    """A short run; tests/helpers/fuzz_images.py does longer ones and makes a file again from its number."""
    findings = fuzz_images.fuzz(first=0, files=10_000)
    assert findings.faults == []
    assert findings.files == 10_000
    # else the mutations would be so wild that nothing gets far
    assert findings.outcomes["decoded"] > 1500
    assert findings.megabytes < fuzz_images.MEMORY >> 20


def test_the_fuzz_run_tells_what_crashes_and_what_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The watchdog itself, with a decoder that fails for two files of five."""
    script = tmp_path / "fuzz.py"
    source = Path(fuzz_images.__file__).read_text(encoding="utf-8").replace("SECONDS = 20", "SECONDS = 1")
    failing = "os.kill(os.getpid(), 11) if number == 1 else time.sleep(9) if number == 3 else 1 / (number - 4)"
    script.write_text(
        source.replace("        if number % 4 == 0:\n", f"        import os; {failing}\n        if True:\n")
    )
    monkeypatch.setattr(fuzz_images, "__file__", str(script))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "tests" / "helpers")]))
    faults = fuzz_images.fuzz(first=0, files=5).faults
    assert [fault.partition("(")[0] for fault in faults] == [
        "1: ended the process: SIGSEGV",
        "3: ended the process: SIGALRM",
        "4: raised: ZeroDivisionError",
    ]
