"""From image files to records: decode, run, map, draw; the library's main entry."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cam_audit.cam import map_statistics
from cam_audit.errors import CamAuditError, ImageError
from cam_audit.images import RgbImage, network_size, read_image, resize
from cam_audit.model import Model, Prediction
from cam_audit.output import overlay_name, write_bytes
from cam_audit.overlay import Panel, overlay_sheet
from cam_audit.png import encode_png
from cam_audit.records import ImageResult, ImageSource, Record, Score, SkippedImage

TARGET_PREDICTED = "predicted"
TARGET_LABEL = "label"
# Enough images under way that a slow one at the head of the order does not leave the other workers idle.
WINDOW_PER_WORKER = 8


@dataclass(frozen=True)
class ScanSettings:
    """How to scan.

    `target`: whose map is described and drawn, TARGET_PREDICTED, TARGET_LABEL (the folder's class; the
    predicted one where the folder stands for none) or a class index. `top`: how many scores to keep, at most
    the number of classes. `size`: the shortest side in pixels at which images enter the net, None for the
    net's own. `overlay_size`: the longest side of an overlay's panels in pixels.
    """

    target: str | int = TARGET_PREDICTED
    top: int = 3
    size: int | None = None
    overlay_size: int = 800


def available_cores() -> int:
    """The number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def scan(
    model: Model,
    sources: Iterable[ImageSource],
    settings: ScanSettings,
    *,
    overlays: Path | None = None,
    workers: int | None = None,
) -> Iterator[Record]:
    """Scan images; yields one record an image, in the order of `sources`, whatever the number of workers.

    With `overlays`, a PNG an image is written to that folder's `overlays/`. An image that can't be read or run
    yields a SkippedImage with the reason.

    Raises CamAuditError where an overlay can't be written or `size` does not suit the net.
    """
    if model.fixed_size and settings.size not in (None, min(model.input_size)):
        raise CamAuditError(
            f"{model.path}: this net takes only {model.input_size[1]}x{model.input_size[0]} pixels; leave out --size"
        )
    workers = workers or available_cores()
    remaining = iter(sources)
    pool = ThreadPoolExecutor(workers, thread_name_prefix="scan")
    window: deque[Future[Record]] = deque()
    try:
        for source in islice(remaining, workers * WINDOW_PER_WORKER):
            window.append(pool.submit(scan_image, model, source, settings, overlays))
        while window:
            record = window.popleft().result()
            for source in islice(remaining, 1):
                window.append(pool.submit(scan_image, model, source, settings, overlays))
            yield record
    finally:
        pool.shutdown(cancel_futures=True)


def scan_image(model: Model, source: ImageSource, settings: ScanSettings, overlays: Path | None) -> Record:
    """Scan one image: see `scan`."""
    try:
        rgb, width, height = read_image(source.path, needed=_needed(model, settings))
        prediction = _run(model, rgb, settings)
    except ImageError as error:
        return SkippedImage(source, str(error))
    except MemoryError:
        return SkippedImage(source, "the image needs more memory than there is")
    probabilities = softmax(prediction.logits)
    order = np.argsort(-probabilities, kind="stable")[: settings.top]
    scores = tuple(Score(int(k), model.class_names[k], float(probabilities[k])) for k in order)
    label = source.label_class
    shown = _shown_class(settings.target, scores[0].class_index, label)
    cam = model.cam(prediction, shown)
    overlay = None
    if overlays is not None:
        overlay = overlay_name(source.name)
        panels = _panels(model, prediction, scores[0].class_index, label, shown)
        sheet = overlay_sheet(rgb, scores, panels, settings.overlay_size)
        write_bytes(overlays / overlay, encode_png(sheet))
    return ImageResult(
        source=source,
        width=width,
        height=height,
        scores=scores,
        label_score=None if label is None else float(probabilities[label]),
        cam_class=model.class_names[shown],
        cam=map_statistics(cam),
        overlay=overlay,
    )


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Probabilities, float64 (K,), that sum to 1."""
    powers = np.exp(logits.astype(np.float64) - float(logits.max()))
    probabilities: NDArray[np.float64] = powers / powers.sum()
    return probabilities


def _needed(model: Model, settings: ScanSettings) -> int:
    """The long side, in pixels, that a reduced decode must keep to lose nothing that the net or the overlay shows."""
    return max(settings.overlay_size, 2 * (settings.size or min(model.input_size)))


def _run(model: Model, rgb: RgbImage, settings: ScanSettings) -> Prediction:
    if model.fixed_size:
        height, width = model.input_size
    else:
        shortest = settings.size or min(model.input_size)
        width, height = network_size(rgb.shape[1], rgb.shape[0], shortest, model.cell)
    try:
        prediction = model.run(resize(rgb, width, height))
    except Exception as error:
        # onnxruntime has many exception types; whichever it is, it concerns this one image
        raise ImageError(f"the net cannot be run at {width}x{height}: {str(error)[:200]}") from None
    if not np.isfinite(prediction.logits).all():
        raise ImageError("the net gives scores that are not numbers")
    return prediction


def _shown_class(target: str | int, predicted: int, label: int | None) -> int:
    if isinstance(target, int):
        return target
    return label if target == TARGET_LABEL and label is not None else predicted


def _panels(model: Model, prediction: Prediction, predicted: int, label: int | None, shown: int) -> list[Panel]:
    """The image, the map of the class shown and, where prediction and folder disagree, the maps of both."""
    classes = [shown]
    if label is not None and label != predicted:
        classes += [index for index in (predicted, label) if index != shown]
    roles = {label: "folder", predicted: "predicted"} if label != predicted else {predicted: "predicted = folder"}
    return [
        Panel("image"),
        *(
            Panel(f"{roles.get(index, 'class')}: {model.class_names[index]}", model.cam(prediction, index))
            for index in classes
        ),
    ]
