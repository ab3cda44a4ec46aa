"""Files become the right pictures, or a reason; folders become the right names."""

from __future__ import annotations

import contextlib
import itertools
import os
import struct
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from picture_files import FORMATS, RGB
from pictures import encode, gradient, seen_by_pillow

from cam_audit.errors import CamAuditError, ImageError
from cam_audit.images import decode as images
from cam_audit.images.decode import decode, read_image
from cam_audit.images.find import find_images
from cam_audit.images.resize import network_size, resize
from cam_audit.reports.output_folder import OUTPUT_MARKS


def difference(got: NDArray[np.uint8], expected: NDArray[np.uint8]) -> int:
    assert got.shape == expected.shape
    return int(np.abs(got.astype(int) - expected).max())


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_and_colour_mode_becomes_the_same_rgb_picture(name: str) -> None:
    data, picture, allowed = FORMATS[name]
    rgb, width, height = decode(data)
    assert (rgb.dtype, width, height) == (np.uint8, 96, 64)
    assert difference(rgb, picture) <= allowed


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_exif_orientations_turn_the_picture_upright(file_format: str) -> None:
    for orientation in range(1, 9):
        data = encode(RGB, file_format, orientation=orientation, **({} if file_format == "TIFF" else {"quality": 95}))
        expected = seen_by_pillow(data)
        assert expected.shape == ((64, 96, 3) if orientation < 5 else (96, 64, 3))
        rgb, width, height = decode(data)
        assert (height, width) == rgb.shape[:2]
        assert difference(rgb, expected) <= 2, orientation


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("name", FORMATS)
def test_a_file_cut_anywhere_is_refused_or_whole(name: str) -> None:
    data, picture, allowed = FORMATS[name]
    for cut in (1, 2, 4, 10, 30):
        with pytest.raises(ImageError, match=r"^not an image that can be read, or damaged or truncated$"):
            decode(data[:cut])
    for cut in (*(len(data) * part // 8 for part in range(1, 8)), len(data) - 30):
        # what is cut off may be a later frame or page
        with contextlib.suppress(ImageError):
            assert difference(decode(data[:cut])[0], picture) <= allowed, cut


def test_a_jpeg_cut_in_its_pixels_is_refused_reduced_too() -> None:
    data = encode(gradient(1600, 1200), "JPEG", quality=90)
    for needed in (None, 200):
        with pytest.raises(ImageError, match="damaged or truncated"):
            decode(data[: len(data) * 2 // 3], needed=needed)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file is empty"),
        (b"not a picture, a shopping list\n" * 9, "not an image"),
        (b"\xff\xd8\xff\xe0", "not an image"),
        (bytes(1000), "not an image"),
        (b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 1 +X 1\n\x80\x80\x80\x81", "not an image"),
        (b"PF\n1 1\n-1.0\n" + struct.pack("<3f", 1, 1, 1), "not an image"),
        (b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 3\nMAXVAL 255\nTUPLTYPE RGB\nENDHDR\n\xff\xff\xff", "not an image"),
    ],
)
def test_what_is_no_image_is_refused_with_the_reason(data: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "list.jpg"
    path.write_bytes(data)
    for needed in (None, 800):
        with pytest.raises(ImageError, match=reason):
            read_image(path, needed=needed)


def bomb(width: int, height: int) -> bytes:
    data = bytearray(encode(RGB))
    data[16:24] = struct.pack(">II", width, height)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    return bytes(data)


def jpeg_bomb(width: int, height: int) -> bytes:
    data = encode(RGB, "JPEG")
    return data.replace(struct.pack(">HH", 64, 96), struct.pack(">HH", height, width), 1)


@pytest.mark.parametrize("data", [bomb(100_000, 100_000), jpeg_bomb(65_000, 65_000)], ids=["png", "jpeg"])
@pytest.mark.parametrize("needed", [None, 800])
def test_a_header_that_declares_a_huge_picture_is_refused_before_memory_is_taken(
    data: bytes, needed: int | None
) -> None:
    with pytest.raises(ImageError, match=f"larger than {(1 << 30) // 6:,} pixels"):
        decode(data, needed=needed)


@pytest.mark.parametrize("name", ["avif", "tiff rgba", "jpeg"])
def test_the_pixel_limit_holds_for_what_pillow_decodes_and_for_reduced_jpegs(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENCV_IO_MAX_IMAGE_PIXELS", str(96 * 64))
    decode(FORMATS[name][0], needed=40)
    monkeypatch.setenv("OPENCV_IO_MAX_IMAGE_PIXELS", str(96 * 64 - 1))
    with pytest.raises(ImageError, match="larger than 6,143 pixels"):
        decode(FORMATS[name][0], needed=40)


def test_a_big_jpeg_is_no_reason_for_pillow_to_warn() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _, *size = decode(jpeg_bomb(12_000, 12_000), needed=800)
    assert size == [12_000, 12_000]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("width", "height"), [(1600, 1200), (1201, 1199), (900, 1599)])
def test_a_reduced_decode_shows_the_same_picture_and_returns_the_full_size(
    orientation: int, width: int, height: int
) -> None:
    data = encode(gradient(width, height), "JPEG", quality=90, orientation=orientation)
    full, full_width, full_height = decode(data)
    for needed in (150, 300, 700):
        rgb, *size = decode(data, needed=needed)
        assert size == [full_width, full_height]
        assert needed <= max(rgb.shape[:2])
        assert needed == 700 or max(rgb.shape[:2]) < 4 * needed < max(full.shape[:2])
        assert difference(rgb, resize(full, rgb.shape[1], rgb.shape[0])) <= 4


def test_a_decode_is_not_reduced_below_what_is_needed() -> None:
    data = encode(gradient(600, 400), "JPEG")
    assert decode(data, needed=301)[0].shape == (400, 600, 3)
    assert decode(data, needed=300)[0].shape == (200, 300, 3)
    assert decode(encode(gradient(600, 400)), needed=75)[0].shape == (400, 600, 3)


def test_a_file_is_read_as_its_bytes_are_decoded(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(encode(gradient(600, 400), "JPEG"))
    assert read_image(path)[0].shape == (400, 600, 3)
    assert read_image(str(path), needed=300)[0].shape == (200, 300, 3)


def test_a_file_that_cannot_be_read_is_an_image_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImageError, match="cannot be read: No such file"):
        read_image(tmp_path / "gone.jpg")
    with pytest.raises(ImageError, match="not a file but a folder"):
        read_image(tmp_path)
    (tmp_path / "big.jpg").write_bytes(encode(RGB, "JPEG"))
    monkeypatch.setattr(images, "MAX_FILE_BYTES", 100)
    with pytest.raises(ImageError, match="larger than 100 bytes"):
        read_image(tmp_path / "big.jpg")


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        (500, 375, (299, 224)),
        (375, 500, (224, 299)),
        (224, 224, (224, 224)),
        (100, 50, (448, 224)),
        (896, 224, (896, 224)),
        (2000, 100, (896, 45)),
        (100, 2000, (45, 896)),
        (100_000, 1, (896, 32)),
        (1, 100_000, (32, 896)),
        (1, 1, (224, 224)),
    ],
)
def test_the_shortest_side_becomes_the_nets_unless_the_picture_is_very_long(
    width: int, height: int, expected: tuple[int, int]
) -> None:
    assert network_size(width, height, 224, 32) == expected


def test_network_size_keeps_the_aspect_and_its_limits_for_any_picture() -> None:
    for width, height in itertools.product((1, 3, 50, 333, 4000, 99_999), repeat=2):
        got_width, got_height = network_size(width, height, 64, 16)
        assert min(got_width, got_height) >= 16
        assert max(got_width, got_height) <= 4 * 64
        if max(width, height) <= 4 * min(width, height):
            assert min(got_width, got_height) == 64
            assert abs(got_width / got_height - width / height) <= 0.51 / 64 * max(got_width / got_height, 1)


def test_resize_takes_area_means_where_it_shrinks() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (12, 18, 3), np.uint8)
    means = rgb.reshape(4, 3, 6, 3, 3).mean(axis=(1, 3))
    assert np.abs(resize(rgb, 6, 4) - means).max() <= 0.51


def test_resize_interpolates_smoothly_where_it_grows_and_leaves_an_equal_size_alone() -> None:
    rgb = gradient(20, 10)
    assert resize(rgb, 20, 10) is rgb
    grown = resize(rgb, 80, 40)
    assert difference(grown, gradient(80, 40)) <= 12
    assert len(np.unique(grown[0, :, 0])) > 60


def tree(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return root


def test_the_walk_is_recursive_and_sorted_by_the_whole_name(tmp_path: Path) -> None:
    names = [
        "b.PNG",
        "a/z.jpg",
        "a/b/c.webp",
        "a.jpg",
        'a b/q\'s "x"\n.jpeg',
        "Ж/ё.tif",
        "B.gif",
        "a-c/1.bmp",
    ]
    tree(tmp_path, *names, "notes.txt", "a/photo.jpg.txt", "jpg")
    assert find_images(tmp_path).names == sorted(names)


def test_hidden_files_and_folders_are_left_out(tmp_path: Path) -> None:
    tree(tmp_path, "a.jpg", ".b.jpg", ".cache/c.jpg", "d/.e/f.jpg")
    assert find_images(tmp_path).names == ["a.jpg"]


def test_a_folder_named_like_an_image_is_entered_not_listed(tmp_path: Path) -> None:
    assert find_images(tree(tmp_path, "album.jpg/a.png")).names == ["album.jpg/a.png"]


def test_links_that_loop_end_and_every_folder_is_entered_once_by_its_own_name(tmp_path: Path) -> None:
    tree(tmp_path, "b/1.jpg", "c/2.jpg")
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b" / "up").symlink_to("..")
    (tmp_path / "c" / "self").symlink_to(".")
    assert find_images(tmp_path).names == ["b/1.jpg", "c/2.jpg"]
    assert find_images(tmp_path, follow_links=True).names == ["b/1.jpg", "c/2.jpg"]


def test_image_links_to_nothing_or_to_themselves_are_listed_so_that_the_scan_says_so(tmp_path: Path) -> None:
    tree(tmp_path, "a.jpg")
    (tmp_path / "gone.jpg").symlink_to("nowhere.jpg")
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("one")
    assert find_images(tmp_path, follow_links=True).names == ["a.jpg", "gone.jpg", "loop.jpg"]


def test_links_that_lead_outside_are_counted_and_followed_only_when_asked(tmp_path: Path) -> None:
    tree(tmp_path, "data/a.jpg", "outside/b.jpg", "outside/c.jpg")
    data = tmp_path / "data"
    (data / "folder").symlink_to(tmp_path / "outside")
    (data / "file.jpg").symlink_to(tmp_path / "outside" / "c.jpg")
    (data / "inside.jpg").symlink_to("a.jpg")
    (data / "notes.txt").symlink_to(tmp_path / "outside" / "c.jpg")
    found = find_images(data)
    assert (found.names, found.links_left_out) == (["a.jpg", "inside.jpg"], 2)
    found = find_images(data, follow_links=True)
    assert found.names == ["a.jpg", "file.jpg", "folder/b.jpg", "folder/c.jpg", "inside.jpg"]
    assert found.links_left_out == 0


def test_a_folder_whose_name_starts_like_the_data_sets_is_outside(tmp_path: Path) -> None:
    tree(tmp_path, "data/a.jpg", "data-more/b.jpg")
    (tmp_path / "data" / "more").symlink_to(tmp_path / "data-more")
    assert find_images(tmp_path / "data").links_left_out == 1


def test_a_data_set_given_by_a_link_is_walked(tmp_path: Path) -> None:
    tree(tmp_path, "data/x/a.jpg")
    (tmp_path / "link").symlink_to("data")
    assert find_images(tmp_path / "link").names == ["x/a.jpg"]


def test_the_output_folder_and_earlier_outputs_are_not_scanned(tmp_path: Path) -> None:
    tree(
        tmp_path,
        "a.jpg",
        "now/overlays/a.jpg.png",
        "old/run.json",
        "old/overlays/a.jpg.png",
        "overlays/b.jpg",
    )
    (tmp_path / "link").symlink_to("now")
    assert find_images(tmp_path, output=tmp_path / "now", marks=OUTPUT_MARKS).names == ["a.jpg", "overlays/b.jpg"]
    assert "now/overlays/a.jpg.png" in find_images(tmp_path, output=tmp_path / "elsewhere", marks=OUTPUT_MARKS).names


def test_of_an_output_folder_that_is_the_data_set_itself_only_the_pictures_of_maps_are_left_out(tmp_path: Path) -> None:
    tree(tmp_path, "run.json", "overlays/a.jpg.png", "maps/CA201.png", "a.jpg", "cat/b.jpg", "cat/overlays/c.jpg")
    assert find_images(tmp_path, marks=OUTPUT_MARKS).names == ["a.jpg", "cat/b.jpg", "cat/overlays/c.jpg"]


def test_a_single_file_is_its_own_data_set(tmp_path: Path) -> None:
    tree(tmp_path, "a.jpg", "b.jpg")
    found = find_images(tmp_path / "b.jpg")
    assert (found.names, found.links_left_out) == (["b.jpg"], 0)


def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(CamAuditError, match=rf"cannot read the folder {tmp_path}: Permission denied"):
        find_images(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="file names that are not UTF-8 exist on Linux only")
def test_a_name_that_is_not_utf8_is_found_and_read(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xff\xfe.png"
    with open(path, "wb") as file:
        file.write(encode(RGB))
    (name,) = find_images(tmp_path).names
    assert difference(read_image(tmp_path / name)[0], RGB) == 0


@pytest.mark.shared
def test_real_photos_decode_as_pillow_shows_them(shared: Path) -> None:
    paths = sorted((shared / "photos" / "imagenet").rglob("*.JPEG"))[::12]
    assert paths
    for path in paths:
        assert difference(read_image(path)[0], seen_by_pillow(path.read_bytes())) <= 4, path
