"""Quantise a CAM-ready file to int8 and measure what that changes; the only place that uses the quantiser.

Weights become int8 with a scale a channel, activations uint8 between the least and the largest value that the
calibration photos give. On x86 without VNNI such products may saturate: the measurement holds where it is made.

An int8 file does not offer `features`: 8 bits are too few for the last convolution to make the activations of them as
the contract has it. Left in float, it would cost SqueezeNet half of what int8 gains: 1.7 x instead of 2.3 x.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cam_audit.cam import SHOWN_FROM, normalised
from cam_audit.errors import ImageError, ModelError
from cam_audit.images.decode import read_image
from cam_audit.images.find import spread
from cam_audit.images.rgb import RgbImage
from cam_audit.models import file_format
from cam_audit.models.adapt.contents import read_contents
from cam_audit.models.adapt.quantisable import body, read_quantisable, write_with_metadata, write_without_features
from cam_audit.models.model import Model, load_model

MAX_PHOTOS = 300
MIN_PHOTOS = 12
# One photo of three calibrates, the others measure.
CALIBRATION_STEP = 3

Map = NDArray[np.float32]


@dataclass(frozen=True)
class Quantisation:
    """How the int8 file differs from the float file, on photos that were not used for calibration.

    `top1_agreement`: share of the photos with the same first class, 0..1; `cam_correlation`: mean correlation of
    the maps of the float file's first class, -1..1; `cam_iou`: mean intersection over union, 0..1, of the cells
    that an overlay colours; `speedup`: median of float time / int8 time, on one thread.
    """

    calibration_photos: int
    measured_photos: int
    top1_agreement: float
    cam_correlation: float
    cam_iou: float
    speedup: float


def quantize(model_path: Path, photos: Sequence[str | Path], target: Path) -> Quantisation:
    """Write an int8 file of the same contract; the measurement is returned, and stored in its metadata.

    At most 300 of the photos are used, evenly spread. Photos that can't be read are left out.

    Raises ModelError where the file is not CAM-ready, is quantised already or has no convolution, there are
    fewer than 12 photos, or the result fails the contract or can't be written.
    """
    model = load_model(model_path)
    images = _read(model, photos)
    if len(images) < MIN_PHOTOS:
        raise ModelError(f"{len(images)} photos that can be read; quantising takes at least {MIN_PHOTOS}")
    calibration = images[::CALIBRATION_STEP]
    measured = [image for index, image in enumerate(images) if index % CALIBRATION_STEP]
    metadata = read_contents(model_path).metadata
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".quantize-") as folder:
            draft = Path(folder, target.name)
            _write_int8(model_path, calibration, draft)
            write_with_metadata(draft, draft, metadata)
            quantisation = _compare(model, load_model(draft), len(calibration), measured)
            note = {**asdict(quantisation), "map_threshold": SHOWN_FROM, "float_sha256": model.sha256}
            write_with_metadata(draft, draft, {**metadata, file_format.QUANTISATION_KEY: json.dumps(note)})
            draft.replace(target)
    except OSError as error:
        raise ModelError(f"cannot write {target}: {error.strerror}") from None
    return quantisation


def _read(model: Model, photos: Sequence[str | Path]) -> list[RgbImage]:
    """Photos, evenly spread, at the size at which they enter the net."""
    images = []
    for photo in spread(photos, MAX_PHOTOS):
        with suppress(ImageError):
            rgb, _, _ = read_image(photo, needed=2 * min(model.input_size))
            images.append(model.fit(rgb))
    return images


class _CalibrationImages:
    """What the quantiser reads: one image at a time, as they differ in size."""

    def __init__(self, images: Sequence[RgbImage]) -> None:
        self.remaining = iter(images)

    def get_next(self) -> dict[str, RgbImage] | None:
        image = next(self.remaining, None)
        return None if image is None else {file_format.IMAGE: image[None]}


def _write_int8(model_path: Path, calibration: Sequence[RgbImage], target: Path) -> None:
    try:
        from onnxruntime import quantization
    except ImportError as error:
        raise ModelError(f"the quantiser lacks a package ({error}); pip install 'cam-audit[models]'") from None
    bare, prepared = target.with_name(f"bare-{target.name}"), target.with_name(f"prepared-{target.name}")
    write_without_features(model_path, bare)
    try:
        # batch norms are folded before scales are chosen
        quantization.quant_pre_process(str(bare), str(prepared), skip_symbolic_shape=True)
        model = read_quantisable(prepared)
        quantization.quantize_static(
            model,
            target,
            _CalibrationImages(calibration),
            quant_format=quantization.QuantFormat.QDQ,
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            nodes_to_quantize=body(model),
            calibrate_method=quantization.CalibrationMethod.MinMax,
        )
    except OSError:
        raise
    except Exception as error:
        # the quantiser and the converter of operator sets have no type of their own
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ModelError(f"{model_path}: cannot be quantised: {reason}") from None


@dataclass(frozen=True)
class _Comparison:
    agrees: bool
    correlation: float
    iou: float
    speedup: float


def _compare(model: Model, quantised: Model, calibrated: int, measured: Sequence[RgbImage]) -> Quantisation:
    # the first run of a session sets up its memory
    for each in (model, quantised):
        each.run(measured[0])
    comparisons = [_compare_on(image, model, quantised) for image in measured]
    return Quantisation(
        calibration_photos=calibrated,
        measured_photos=len(comparisons),
        top1_agreement=round(statistics.fmean(c.agrees for c in comparisons), 4),
        cam_correlation=round(statistics.fmean(c.correlation for c in comparisons), 4),
        cam_iou=round(statistics.fmean(c.iou for c in comparisons), 4),
        speedup=round(statistics.median(c.speedup for c in comparisons), 2),
    )


def _compare_on(image: RgbImage, model: Model, quantised: Model) -> _Comparison:
    start = time.perf_counter()
    expected = model.run(image)
    middle = time.perf_counter()
    found = quantised.run(image)
    end = time.perf_counter()
    first = int(expected.logits.argmax())
    maps = model.cam(expected, first), quantised.cam(found, first)
    return _Comparison(
        agrees=first == int(found.logits.argmax()),
        correlation=correlation(*maps),
        iou=coloured_iou(*maps),
        speedup=(middle - start) / (end - middle),
    )


def correlation(first: Map, second: Map) -> float:
    """Pearson's correlation of two maps (h, w); of flat ones, 1 with another flat one and 0 with any other."""
    deviations = [values - values.mean(dtype=np.float64) for values in (first, second)]
    norms = [float(np.sqrt((values**2).sum())) for values in deviations]
    if 0 in norms:
        return float(norms == [0, 0])
    return float((deviations[0] * deviations[1]).sum() / (norms[0] * norms[1]))


def coloured_iou(first: Map, second: Map) -> float:
    """Intersection over union of the cells of two maps (h, w) that an overlay colours: normalised, SHOWN_FROM or more.

    Of two flat maps, which have no such cell, it is 1.
    """
    cells = [normalised(values) >= SHOWN_FROM for values in (first, second)]
    union = int((cells[0] | cells[1]).sum())
    return int((cells[0] & cells[1]).sum()) / union if union else 1.0
