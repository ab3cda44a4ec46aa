"""HEIC and DICOM become the right pictures where their extras are installed; else the error says what to install."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from picture_files import RGB
from pictures import encode, seen_by_pillow
from PIL import Image

from cam_audit.errors import ImageError
from cam_audit.images.decode import decode_picture, read_image
from cam_audit.images.find import find_images

HEIC_START = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"
DICOM_START = bytes(128) + b"DICM"


@pytest.mark.parametrize(
    ("package", "data", "extra"), [("pillow_heif", HEIC_START, "heic"), ("pydicom", DICOM_START, "dicom")]
)
def test_without_the_package_the_error_says_what_to_install(
    package: str, data: bytes, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImageError, match=rf"by an extra: pip install 'cam-audit\[{extra}\]'$"):
        decode_picture(data)


def heic(orientation: int = 1) -> bytes:
    pillow_heif = pytest.importorskip("pillow_heif")
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = pillow_heif.from_pillow(Image.fromarray(RGB))
    file.info["exif"] = exif.tobytes()
    buffer = io.BytesIO()
    file.save(buffer, quality=95)
    return buffer.getvalue()


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_heic_is_upright(orientation: int) -> None:
    picture = decode_picture(heic(orientation))
    expected = seen_by_pillow(encode(RGB, orientation=orientation)).astype(int)
    assert picture.rgb.shape == expected.shape
    assert np.abs(picture.rgb - expected).max() <= 8
    assert (picture.width, picture.height, picture.reading) == (*expected.shape[1::-1], "HEIC")


def test_damaged_and_large_heic_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = heic()
    with pytest.raises(ImageError, match="damaged"):
        decode_picture(data[:200])
    monkeypatch.setenv("OPENCV_IO_MAX_IMAGE_PIXELS", str(96 * 64 - 1))
    with pytest.raises(ImageError, match="larger than 6,143 pixels"):
        decode_picture(data)


CT = np.tile(np.linspace(-1000, 3000, 96).astype(np.int16), (64, 1))
PREAMBLE = 132


def dicom(values: NDArray[np.generic], photometric: str = "MONOCHROME2", **elements: Any) -> bytes:
    """A DICOM file of uncompressed values, (H, W), (frames, H, W) or (H, W, 3)."""
    pytest.importorskip("pydicom")
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", "1.2.3"
    colour = photometric == "RGB"
    dataset.Rows, dataset.Columns = values.shape[:2] if colour else values.shape[-2:]
    dataset.SamplesPerPixel = 3 if colour else 1
    if colour:
        dataset.PlanarConfiguration = 0
    dataset.PhotometricInterpretation = photometric
    dataset.BitsAllocated = dataset.BitsStored = 8 * values.dtype.itemsize
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(values.dtype.kind == "i")
    dataset.PixelData = values.tobytes()
    for name, value in elements.items():
        setattr(dataset, name, value)
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def test_the_first_voi_window_is_applied_to_values_in_their_unit() -> None:
    picture = decode_picture(
        dicom(CT, WindowCenter=[40, 300], WindowWidth=[400, 2000], RescaleSlope=2, RescaleIntercept=-24)
    )
    hounsfield = 2.0 * CT - 24
    expected = 255 * np.clip((hounsfield - 39.5) / 399 + 0.5, 0, 1)
    assert np.abs(picture.rgb - expected[..., None]).max() <= 0.51
    assert picture.reading == "DICOM, VOI window"


@pytest.mark.parametrize("function", ["LINEAR_EXACT", "SIGMOID"])
def test_windows_have_three_functions(function: str) -> None:
    got = decode_picture(dicom(CT, WindowCenter=40, WindowWidth=400, VOILUTFunction=function)).rgb[..., 0]
    share = (CT - 40.0) / 400
    expected = np.clip(share + 0.5, 0, 1) if function == "LINEAR_EXACT" else 1 / (1 + np.exp(-4 * share))
    assert np.abs(got - 255 * expected).max() <= 0.51


def test_monochrome1_is_black_where_values_are_high() -> None:
    dark, light = (
        decode_picture(dicom(CT, kind, WindowCenter=1000, WindowWidth=4000)).rgb.astype(int)
        for kind in ("MONOCHROME1", "MONOCHROME2")
    )
    np.testing.assert_array_equal(dark + light, 255)


def test_a_look_up_table_goes_before_a_window() -> None:
    pytest.importorskip("pydicom")
    from pydicom.dataset import Dataset

    table = Dataset()
    table.LUTDescriptor = [256, 0, 16]
    table.add_new("LUTData", "US", list(range(65535, -1, -257)))
    values = np.tile(np.arange(256, dtype=np.uint8), (4, 1))
    picture = decode_picture(dicom(values, VOILUTSequence=[table], WindowCenter=10, WindowWidth=2))
    np.testing.assert_array_equal(picture.rgb[..., 1], 255 - values)
    assert "table" in picture.reading


def test_without_a_window_the_range_is_that_of_other_files() -> None:
    picture = decode_picture(dicom((CT + 1000).astype(np.uint16)))
    np.testing.assert_array_equal(picture.rgb[..., 0], (CT + 1000) >> 4)
    assert picture.reading == "DICOM, no VOI window, 16-bit values that fill 12 bits"


def test_the_bits_that_are_stored_tell_the_range() -> None:
    picture = decode_picture(dicom((CT + 1000).astype(np.uint16) // 8, BitsStored=12, HighBit=11))
    np.testing.assert_array_equal(picture.rgb[..., 0], (CT + 1000) // 8 >> 4)


def test_the_first_frame_counts_and_is_said_to() -> None:
    picture = decode_picture(dicom(np.stack([CT, -CT]), NumberOfFrames=2, WindowCenter=1000, WindowWidth=4001))
    assert np.abs(picture.rgb[..., 0] - 255 * (CT + 999.5 + 1) / 4000).max() <= 1
    assert picture.reading == "DICOM, VOI window, the first of its frames (2)"


def test_colour_dicom() -> None:
    picture = decode_picture(dicom(RGB, "RGB"))
    np.testing.assert_array_equal(picture.rgb, RGB)
    assert picture.reading == "DICOM RGB"


def test_dicom_is_found_by_content_and_read_without_its_preamble(tmp_path: Path) -> None:
    data = dicom(RGB, "RGB")
    (tmp_path / "IM0001").write_bytes(data)
    (tmp_path / "bare.dcm").write_bytes(data[PREAMBLE:])
    assert find_images(tmp_path).names == ["IM0001", "bare.dcm"]
    for name in ("IM0001", "bare.dcm"):
        np.testing.assert_array_equal(read_image(tmp_path / name)[0], RGB)


def test_what_cannot_be_shown_of_dicom_is_refused_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    data = dicom(CT)
    for cut in (140, 300, len(data) - 1000):
        with pytest.raises(ImageError, match="DICOM file") as error:
            decode_picture(data[:cut])
        assert "\n" not in str(error.value)
    with pytest.raises(ImageError, match="whose window has the width 0"):
        decode_picture(dicom(CT, WindowCenter=1, WindowWidth=0))
    monkeypatch.setenv("OPENCV_IO_MAX_IMAGE_PIXELS", str(96 * 64 - 1))
    with pytest.raises(ImageError, match="larger than 6,143 pixels"):
        decode_picture(data)
