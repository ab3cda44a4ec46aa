"""DICOM, the pictures of hospitals, by an extra."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cam_audit.errors import ImageError
from cam_audit.images.depth import RangeFor, to_8_bits, up_to
from cam_audit.images.guards import require_few_pixels
from cam_audit.images.rgb import RgbImage

DICOM_SUFFIXES = (".dcm", ".dicom")
MAX_REASON = 100


def decode_dicom(data: bytes, range_for: RangeFor) -> tuple[RgbImage, str]:
    """The first frame of a DICOM file, uint8 (H, W, 3), and how its values became that.

    Values go through the modality's transform and the first VOI window or look-up table. Without one, and in colour,
    they become 8 bits by `depth.to_8_bits`: unsigned values by BitsStored, others by `range_for`. MONOCHROME1 is
    inverted.

    Raises ImageError where it is damaged, has no pixels, or pydicom or what it needs to decompress is not installed,
    and what `require_few_pixels` raises. Source: DICOM PS3.3, C.7.6.3.1.2, C.11.1 and C.11.2.
    """
    try:
        import pydicom
    except ImportError:
        raise ImageError("DICOM is read by an extra: pip install 'cam-audit[dicom]'") from None
    try:
        # not all files have the preamble that tells what they are
        dataset = pydicom.dcmread(io.BytesIO(data), force=True)
        if "PixelData" not in dataset:
            raise ImageError("a DICOM file without pixels, or damaged")
        require_few_pixels(int(dataset.Columns), int(dataset.Rows))
        return _decoded(dataset, range_for)
    except (ImageError, MemoryError):
        raise
    except Exception as error:
        # pydicom raises a dozen types for damaged files and for compressions it has no decoder for
        reason = " ".join(str(error).split())[:MAX_REASON]
        raise ImageError(f"the DICOM file cannot be decoded: {reason}") from None


def _decoded(dataset: Any, range_for: RangeFor) -> tuple[RgbImage, str]:
    from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi
    from pydicom.pixels.utils import pixel_array

    frames = int(dataset.get("NumberOfFrames") or 1)
    first = f", the first of its frames ({frames})" if frames > 1 else ""
    values = pixel_array(dataset, index=0)
    photometric = dataset.PhotometricInterpretation
    stored, allocated = int(dataset.BitsStored), int(dataset.BitsAllocated)
    if stored < allocated and not int(dataset.PixelRepresentation) and not dataset.get("RescaleSlope"):
        range_for = up_to((1 << stored) - 1)
    if photometric == "PALETTE COLOR":
        values = apply_color_lut(values, dataset)
    if values.ndim == 3:
        rgb, words = to_8_bits(values[..., :3], range_for)
        return np.ascontiguousarray(rgb), f"DICOM {photometric}{first}" + (f", {words}" if words else "")
    values = apply_modality_lut(values, dataset)
    if dataset.get("VOILUTSequence"):
        table = apply_voi(values, dataset, index=0)
        most = (1 << int(dataset.VOILUTSequence[0].LUTDescriptor[2])) - 1
        grey, words = np.rint(table * (255.0 / most)).clip(0, 255).astype(np.uint8), "VOI look-up table"
    elif dataset.get("WindowWidth") is not None and dataset.get("WindowCenter") is not None:
        grey, words = _windowed(values.astype(np.float64), dataset), "VOI window"
    else:
        grey, words = to_8_bits(values, range_for)
        words = f"no VOI window{', ' + words if words else ''}"
    if photometric == "MONOCHROME1":
        grey = 255 - grey
    return np.repeat(grey[..., None], 3, axis=2), f"DICOM, {words}{first}"


def _windowed(values: NDArray[np.float64], dataset: Any) -> NDArray[np.uint8]:
    """Grey values 0..255 by the first window: C.11.2.1.2.1 (LINEAR), C.11.2.1.3.1 (SIGMOID) and .2 (LINEAR_EXACT)."""
    centre, width = (float(np.ravel(dataset[name].value)[0]) for name in ("WindowCenter", "WindowWidth"))
    function = dataset.get("VOILUTFunction") or "LINEAR"
    if width < (1 if function == "LINEAR" else 0) or (width == 0 and function != "LINEAR"):
        raise ImageError(f"a DICOM file whose window has the width {width:g}")
    if function == "SIGMOID":
        shares = 1 / (1 + np.exp(-4 * (values - centre) / width))
    elif function == "LINEAR_EXACT":
        shares = (values - centre) / width + 0.5
    elif width == 1:
        shares = (values > centre - 0.5).astype(np.float64)
    else:
        shares = (values - (centre - 0.5)) / (width - 1) + 0.5
    grey: NDArray[np.uint8] = np.rint(255 * shares.clip(0, 1)).astype(np.uint8)
    return grey
