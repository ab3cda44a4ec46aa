"""From image files to records: decode, run, map, draw; the library's main entry."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cam_audit.cam import Map, is_flat, map_statistics, peak
from cam_audit.errors import CamAuditError, ImageError
from cam_audit.files import write_bytes
from cam_audit.images.decode import decode, read_bytes
from cam_audit.images.png import encode_png
from cam_audit.images.resize import resize_mask
from cam_audit.images.rgb import RgbImage
from cam_audit.models.model import Model, Prediction
from cam_audit.overlay import FAINT_INK, RIGHT_INK, WRONG_INK, Panel, overlay_sheet
from cam_audit.profile import Profile, timed
from cam_audit.records import Disagreement, ImageResult, ImageSource, ObjectShare, Record, Score, SkippedImage
from cam_audit.reports.folder import overlay_name
from cam_audit.scan.journal import Journal, stamp_of
from cam_audit.scan.objects import inside_share, remove_object
from cam_audit.workers import available_cores, in_order

if TYPE_CHECKING:
    from cam_audit.findings.sample import Collector
    from cam_audit.scan.annotations import Annotations

TARGET_PREDICTED = "predicted"
TARGET_LABEL = "label"


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


def require_size(model: Model, size: int | None) -> None:
    """Raise CamAuditError where the net does not take images whose shortest side has `size` pixels."""
    if model.fixed_size and size not in (None, min(model.input_size)):
        height, width = model.input_size
        raise CamAuditError(f"{model.path}: this net takes only {width}x{height} pixels; leave out --size")


def scan(
    model: Model,
    sources: Iterable[ImageSource],
    settings: ScanSettings,
    *,
    overlays: Path | None = None,
    workers: int | None = None,
    collector: Collector | None = None,
    annotations: Annotations | None = None,
    journal: Journal | None = None,
    profile: Profile | None = None,
) -> Generator[Record]:
    """Scan images; yields one record an image, in the order of `sources`, whatever the number of workers.

    With `overlays`, a PNG an image is written to that folder's `overlays/`. A `collector` gathers what an audit
    needs; `annotations` say where the objects are. With a `journal`, images that it has are not done again, and those
    that are done are added to it. An image that can't be read or run yields a SkippedImage with the reason.

    Raises CamAuditError where an overlay or the journal can't be written or `size` does not suit the net.
    """
    require_size(model, settings.size)
    workers = workers or available_cores()
    scan_one = partial(
        scan_image,
        model,
        settings=settings,
        overlays=overlays,
        collector=collector,
        annotations=annotations,
        journal=journal,
        profile=profile,
    )
    with profile.running(workers) if profile else contextlib.nullcontext():
        yield from in_order(workers, scan_one, sources)


def scan_image(
    model: Model,
    source: ImageSource,
    *,
    settings: ScanSettings,
    overlays: Path | None = None,
    collector: Collector | None = None,
    annotations: Annotations | None = None,
    journal: Journal | None = None,
    profile: Profile | None = None,
) -> Record:
    """Scan one image: see `scan`."""
    mark = annotations.mark(source.name) if journal and annotations else ""
    finished = journal.finished(source, overlay=overlays is not None, annotation=mark) if journal else None
    if finished and (collector is None or collector.restore(source)):
        return finished
    # before it is read, so that a change while it is read does not go unnoticed
    stamp = stamp_of(source.path, mark) if journal else None
    try:
        with timed(profile, "decode"):
            data = read_bytes(source.path)
            rgb, width, height = decode(data, needed=needed_side(model, settings), path=source.path)
        with timed(profile, "resize"):
            fitted = model.fit(rgb, settings.size)
        with timed(profile, "run"):
            prediction = run_net(model, fitted)
        mask = annotations.mask(source.name, rgb.shape[1], rgb.shape[0]) if annotations else None
    except ImageError as error:
        return SkippedImage(source, str(error))
    except MemoryError:
        return SkippedImage(source, "the image needs more memory than there is")
    if collector:
        with timed(profile, "audit"):
            collector.observe(source, rgb, data, (width, height), prediction)
    result = describe(
        model,
        source,
        rgb,
        fitted,
        prediction,
        settings,
        full_size=(width, height),
        overlays=overlays,
        mask=mask,
        profile=profile,
    )
    if journal and stamp:
        journal.add(result, stamp)
    return result


def run_net(model: Model, fitted: RgbImage) -> Prediction:
    """`Model.run` on an image at the net's size; raises ImageError where that fails or gives scores of no use."""
    try:
        prediction = model.run(fitted)
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


def describe(
    model: Model,
    source: ImageSource,
    rgb: RgbImage,
    fitted: RgbImage,
    prediction: Prediction,
    settings: ScanSettings,
    *,
    full_size: tuple[int, int],
    overlays: Path | None = None,
    mask: NDArray[np.uint8] | None = None,
    compare: int | None = None,
    profile: Profile | None = None,
) -> ImageResult:
    """What a prediction says of an image; with `overlays`, its overlay is written to that folder's `overlays/`.

    rgb: the decoded image, uint8 (H, W, 3); fitted: the same as it entered the net; full_size: (width, height) of the
    file's image; mask: 1 where the object is, uint8 (H, W); compare: a class whose map is drawn as well.

    Raises CamAuditError where the overlay can't be written.
    """
    map_of = cache(partial(model.cam, prediction))
    with timed(profile, "map"):
        probabilities = softmax(prediction.logits)
        scores = top_scores(model, probabilities, settings.top)
        predicted, label = scores[0].class_index, source.label_class
        shown = _shown_class(settings.target, predicted, label)
        cam = map_of(shown)
        statistics = map_statistics(cam)
        disagreement = None
        if label is not None and label != predicted:
            disagreement = _disagreement(map_of(predicted), map_of(label))
    shares = None
    if mask is not None:
        # nearly all of which is one more run of the net
        with timed(profile, "run"):
            shares = _object_share(model, fitted, predicted, cam, mask)
    overlay = None
    if overlays is not None:
        overlay = overlay_name(source.name)
        with timed(profile, "draw"):
            panels = _panels(model, map_of, predicted, label, shown, compare)
            sheet = overlay_sheet(rgb, scores, panels, settings.overlay_size)
        with timed(profile, "encode"):
            png = encode_png(sheet)
        with timed(profile, "write"):
            write_bytes(overlays / overlay, png)
    return ImageResult(
        source=source,
        width=full_size[0],
        height=full_size[1],
        scores=scores,
        label_score=None if label is None else float(probabilities[label]),
        cam_class=model.class_names[shown],
        cam=statistics,
        overlay=overlay,
        disagreement=disagreement,
        object=shares,
        flags=_flags(disagreement, map_of(predicted), shares),
    )


def _flags(disagreement: Disagreement | None, cam: Map, shares: ObjectShare | None) -> tuple[str, ...]:
    """The codes that an image earns by itself."""
    # round an object that covers the whole picture there is nothing to look at
    outside = shares is not None and shares.inside is not None and shares.inside <= shares.area < 1
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


def _object_share(model: Model, fitted: RgbImage, predicted: int, cam: Map, mask: NDArray[np.uint8]) -> ObjectShare:
    inside = inside_share(cam, mask)
    height, width = fitted.shape[:2]
    without = remove_object(fitted, resize_mask(mask, width, height))
    wins = int(model.run(without).logits.argmax()) == predicted
    return ObjectShare(inside.share, inside.area, inside.centre_share, wins)


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Probabilities, float64 (K,), that sum to 1."""
    powers = np.exp(logits.astype(np.float64) - float(logits.max()))
    probabilities: NDArray[np.float64] = powers / powers.sum()
    return probabilities


def top_scores(model: Model, probabilities: NDArray[np.float64], top: int) -> tuple[Score, ...]:
    """The `top` most probable classes, best first; of equally probable ones, the net's first."""
    order = np.argsort(-probabilities, kind="stable")[:top]
    return tuple(Score(int(k), model.class_names[k], float(probabilities[k])) for k in order)


def needed_side(model: Model, settings: ScanSettings) -> int:
    """The long side, in pixels, that a reduced decode must keep to lose nothing that the net or the overlay shows."""
    return max(settings.overlay_size, 2 * (settings.size or min(model.input_size)))


def _shown_class(target: str | int, predicted: int, label: int | None) -> int:
    if isinstance(target, int):
        return target
    return label if target == TARGET_LABEL and label is not None else predicted


def _panels(
    model: Model, map_of: Callable[[int], Map], predicted: int, label: int | None, shown: int, compare: int | None
) -> list[Panel]:
    """The image and the maps of the class shown, of prediction and folder where they disagree, and of `compare`."""
    if label is None or label == predicted:
        role, ink = ("predicted", FAINT_INK) if label is None else ("predicted = folder", RIGHT_INK)
        captions = {predicted: (role, ink)}
        classes = [shown]
    else:
        captions = {predicted: ("predicted", WRONG_INK), label: ("folder", RIGHT_INK)}
        classes = [shown, predicted, label]
    if compare is not None:
        classes.append(compare)
    panels = [Panel("image")]
    for index in dict.fromkeys(classes):
        role, ink = captions.get(index, ("class", FAINT_INK))
        panels.append(Panel(f"{role}: {model.class_names[index]}", map_of(index), ink))
    return panels
