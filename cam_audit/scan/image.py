"""One image's way, from its file to what a scan says of it. Nothing is written: that belongs to the caller."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cam_audit.cam import Map, is_flat, map_statistics, peak
from cam_audit.errors import CamAuditError, ImageError
from cam_audit.findings.sample import Collected, observe
from cam_audit.folders import AnyFolder
from cam_audit.images.copies import hash_of, thumbnail_of
from cam_audit.images.decode import decode_picture, read_bytes, read_image
from cam_audit.images.depth import Ranges
from cam_audit.images.encode_jpeg import encode_jpeg
from cam_audit.images.exif_texts import exif_of
from cam_audit.images.png import encode_png
from cam_audit.images.resize import resize_mask
from cam_audit.images.rgb import RgbImage
from cam_audit.models import file_format
from cam_audit.models.model import Model, Prediction
from cam_audit.overlay import JET
from cam_audit.records import (
    Disagreement,
    ImageResult,
    ImageSource,
    ObjectShare,
    Record,
    Score,
    SkippedImage,
)
from cam_audit.reports.output_folder import PNG, overlay_name
from cam_audit.scan.objects import inside_share, remove_object
from cam_audit.sheets import FAINT_INK, RIGHT_INK, WRONG_INK, Panel, overlay_sheet

if TYPE_CHECKING:
    from cam_audit.scan.annotations import Annotations

TARGET_PREDICTED = "predicted"
TARGET_LABEL = "label"
# An eighth of the size of a PNG, in half the time, with no change that is seen at the size of a screen.
JPEG_QUALITY = 85
# Masks that are alike in a grid of so many cells a side are taken for copies of one.
OUTLINE_SIDE = 64


@dataclass(frozen=True)
class ScanSettings:
    """How to scan.

    `target`: whose map is described and drawn, TARGET_PREDICTED, TARGET_LABEL (the folder's class; the
    predicted one where the folder stands for none) or a class index. `top`: how many scores to keep, at most
    the number of classes. `size`: the shortest side in pixels at which images enter the net, None for the
    net's own. `overlay_size`: the longest side of an overlay's panels in pixels; `colormap`: one of
    `overlay.COLORMAPS`; `overlay_format`: one of `reports.output_folder.OVERLAY_FORMATS`.
    """

    target: str | int = TARGET_PREDICTED
    top: int = 3
    size: int | None = None
    overlay_size: int = 800
    colormap: str = JET
    overlay_format: str = PNG


@dataclass(frozen=True)
class ScanJob:
    """What a scan does with each of its images; picklable, so that other processes can do it too.

    `out`: the output folder that overlays are written to, None for no overlays. `sampled`: the names of the images
    that the audit looks at; `parts`: of those whose classes are taken to parts; `foreground`: the net, if any, that
    tells object from surroundings in images that are not annotated. `annotations`: where the objects are. `ranges`: of
    the data set's pixel values, by their kind.
    """

    model: Model
    settings: ScanSettings = field(default_factory=ScanSettings)
    out: AnyFolder | None = None
    sampled: frozenset[str] = frozenset()
    annotations: Annotations | None = None
    parts: frozenset[str] = frozenset()
    foreground: Model | None = None
    ranges: Ranges = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class ScannedImage:
    """What came of one image: its record and, if they are wanted, its overlay's file and what the audit keeps of it."""

    record: Record
    overlay: bytes | None = None
    collected: Collected | None = None


def require_size(model: Model, size: int | None) -> None:
    """Raise CamAuditError where the net does not take images whose shortest side has `size` pixels."""
    if model.fixed_size and size not in (None, min(model.input_size)):
        height, width = model.input_size
        raise CamAuditError(f"{model.path}: this net takes only {width}x{height} pixels; leave out --size")


def scan_image(job: ScanJob, source: ImageSource) -> ScannedImage:
    """Scan one image: read, decode, run the net, describe its map, draw, observe. It has no side effects.

    An image that can't be read or run gives a SkippedImage with the reason.
    """
    model, settings = job.model, job.settings
    mask, unannotated = None, ""
    try:
        data = read_bytes(source.path)
        picture = decode_picture(data, needed=needed_side(model, settings), path=source.path, ranges=job.ranges)
        rgb, width, height = picture.rgb, picture.width, picture.height
        fitted = model.fit(rgb, settings.size)
        prediction = run_net(model, fitted, features=source.name in job.parts, even=True)
        if job.annotations:
            # an annotation that can't be used costs the object, not the image
            try:
                mask = job.annotations.mask(source.name, rgb.shape[1], rgb.shape[0], (width, height))
            except ImageError as error:
                unannotated = str(error)
    except ImageError as error:
        return ScannedImage(SkippedImage(source, str(error)))
    except MemoryError:
        return ScannedImage(SkippedImage(source, "the image needs more memory than there is"))
    maps = ImageMaps(model, prediction, source.classes, settings.target)
    share = None if mask is None else _object_share(maps, fitted, mask)
    name = overlay_name(source.name, settings.overlay_format) if job.out else None
    record = image_result(maps, source, (width, height), settings.top, share=share, overlay=name)
    record = replace(
        record,
        reading=picture.reading,
        unannotated=unannotated,
        # of the picture as it enters the net, which is small
        picture_hash=hash_of(thumbnail_of(fitted)),
        exif=exif_of(data),
    )
    overlay = draw_overlay(maps, rgb, record.scores, settings) if record.overlay else None
    collected = None
    if source.name in job.sampled:
        wanted = source.name in job.parts
        size = (width, height)
        collected = observe(
            model, source, rgb, data, size, prediction, for_parts=wanted, foreground=job.foreground, mask=mask
        )
    return ScannedImage(record, overlay, collected)


def run_net(model: Model, fitted: RgbImage, *, features: bool = False, even: bool = False) -> Prediction:
    """`Model.run` on an image at the net's size; raises ImageError where that fails or gives scores of no use."""
    try:
        prediction = model.run(fitted, features=features, even=even)
    except MemoryError:
        raise
    except Exception as error:
        # onnxruntime has many exception types; whichever it is, it concerns this one image
        size = f"{fitted.shape[1]}x{fitted.shape[0]}"
        reason = " ".join(str(error).split())[:200]
        raise ImageError(f"the net cannot be run at {size}: {reason}") from None
    if not np.isfinite(prediction.logits).all():
        raise ImageError("the net gives scores that are not numbers")
    return prediction


def run_again(job: ScanJob, source: ImageSource) -> Prediction:
    """What the net says of an image that is read once more, as it was read in the scan. Raises ImageError."""
    rgb, _, _ = read_image(source.path, needed=needed_side(job.model, job.settings), ranges=job.ranges)
    return run_net(job.model, job.model.fit(rgb, job.settings.size))


class ImageMaps:
    """The class activation maps of one prediction, each computed once.

    `predicted`, `label`: the class of the largest logit and, if any, the folder's, or of several that which decides
    (`Model.deciding`); `label_predicted`: whether the net predicts the latter, perhaps among others; `shown`: whose map
    is described, by `target` as in `ScanSettings`.
    """

    def __init__(self, model: Model, prediction: Prediction, labels: Sequence[int], target: str | int) -> None:
        label = model.deciding(prediction.logits, labels) if labels else None
        self.model = model
        self.prediction = prediction
        self.predicted = int(prediction.logits.argmax())
        self.label = label
        self.label_predicted = label is not None and model.predicts(prediction.logits, label)
        if isinstance(target, int):
            self.shown = target
        else:
            self.shown = self.predicted if label is None or target != TARGET_LABEL else label
        self.of: Callable[[int], Map] = cache(partial(model.cam, prediction))


def image_result(
    maps: ImageMaps,
    source: ImageSource,
    full_size: tuple[int, int],
    top: int,
    *,
    share: ObjectShare | None = None,
    overlay: str | None = None,
) -> ImageResult:
    """What a prediction says of an image.

    full_size: (width, height) of the file's image; share: where the map lies with respect to the annotated object;
    overlay: where its overlay lies below the output folder, None if it gets none.
    """
    model, predicted, label = maps.model, maps.predicted, maps.label
    probabilities = model.probabilities(maps.prediction.logits)
    disagreement = None
    if label is not None and not maps.label_predicted:
        disagreement = _disagreement(maps.of(predicted), maps.of(label))
    return ImageResult(
        source=source,
        width=full_size[0],
        height=full_size[1],
        scores=top_scores(model, probabilities, top),
        label_score=None if label is None else float(probabilities[label]),
        cam_class=model.class_names[maps.shown],
        cam=map_statistics(maps.of(maps.shown)),
        overlay=overlay,
        disagreement=disagreement,
        object=share,
        flags=_flags(disagreement, maps.of(predicted), share),
        predicted=_predicted(maps),
        even_share=model.even_share(maps.prediction, maps.shown),
    )


def draw_overlay(
    maps: ImageMaps, rgb: RgbImage, scores: Sequence[Score], settings: ScanSettings, compare: int | None = None
) -> bytes:
    """An image's overlay as a file: the image, the map shown, those of prediction and folder where they disagree.

    rgb: the decoded image; compare: a class whose map is drawn as well.
    """
    sheet = overlay_sheet(rgb, scores, _panels(maps, compare), settings.overlay_size, settings.colormap)
    return encode_png(sheet) if settings.overlay_format == PNG else encode_jpeg(sheet, JPEG_QUALITY)


def needed_side(model: Model, settings: ScanSettings) -> int:
    """The long side, in pixels, that a reduced decode must keep to lose nothing that the net or the overlay shows."""
    return max(settings.overlay_size, 2 * (settings.size or min(model.input_size)))


def top_scores(model: Model, probabilities: NDArray[np.float64], top: int) -> tuple[Score, ...]:
    """The `top` most probable classes, best first; of equally probable ones, the net's first."""
    order = np.argsort(-probabilities, kind="stable")[:top]
    return tuple(Score(int(k), model.class_names[k], float(probabilities[k])) for k in order)


def _predicted(maps: ImageMaps) -> tuple[str, ...]:
    """The classes that a net with sigmoid scores predicts; another net predicts the one of the best score."""
    model = maps.model
    if model.scores != file_format.SIGMOID:
        return ()
    return tuple(model.class_names[index] for index in model.predicted(maps.prediction.logits))


def _flags(disagreement: Disagreement | None, cam: Map, share: ObjectShare | None) -> tuple[str, ...]:
    """The codes that an image earns by itself."""
    # an object that covers the whole picture leaves nothing else to look at
    outside = share is not None and share.inside is not None and share.inside <= share.area < 1
    return tuple(
        code
        for code, applies in (
            ("CA103", outside),
            ("CA104", disagreement is not None),
            ("CA105", is_flat(cam) or not (cam > 0).any()),
        )
        if applies
    )


def _disagreement(predicted: Map, label: Map) -> Disagreement:
    flat = is_flat(predicted) or is_flat(label)
    correlation = None if flat else float(np.corrcoef(predicted.ravel(), label.ravel())[0, 1])
    return Disagreement(correlation, peak(predicted), peak(label))


def _object_share(maps: ImageMaps, fitted: RgbImage, mask: NDArray[np.uint8]) -> ObjectShare:
    inside = inside_share(maps.of(maps.shown), mask)
    height, width = fitted.shape[:2]
    without = remove_object(fitted, resize_mask(mask, width, height))
    wins = maps.model.predicts(maps.model.run(without).logits, maps.predicted)
    outline = zlib.crc32(resize_mask(mask, OUTLINE_SIDE, OUTLINE_SIDE).tobytes())
    return ObjectShare(inside.share, inside.area, inside.centre_share, wins, outline)


def _panels(maps: ImageMaps, compare: int | None) -> list[Panel]:
    predicted, label = maps.predicted, maps.label
    if label is None or maps.label_predicted:
        captions = {predicted: ("predicted", FAINT_INK)}
        if label is not None:
            captions[label] = ("predicted = folder", RIGHT_INK)
        classes = [maps.shown]
    else:
        captions = {predicted: ("predicted", WRONG_INK), label: ("folder", RIGHT_INK)}
        classes = [maps.shown, predicted, label]
    if compare is not None:
        classes.append(compare)
    panels = [Panel("image")]
    probabilities = maps.model.probabilities(maps.prediction.logits)
    for index in dict.fromkeys(classes):
        role, ink = captions.get(index, ("class", FAINT_INK))
        words = f"{role}: {maps.model.class_names[index]}"
        panels.append(Panel(words, maps.of(index), ink, float(probabilities[index])))
    return panels
