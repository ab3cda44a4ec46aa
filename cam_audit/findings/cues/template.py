"""Finds what lies at the same place in the images of one class: overlays, watermarks, fixed stamps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from cam_audit.findings.controls import elsewhere_mask
from cam_audit.findings.counterfactual import CueTest
from cam_audit.findings.cues.edges import EVERYWHERE, SIDE, Greys, Pixels, edges
from cam_audit.findings.cues.picture import THUMBNAIL
from cam_audit.findings.cues.probe import Labels, class_weights, comparable, pooled, separation
from cam_audit.findings.cues.records import Features, Groups, Hit, ImageFeatures, Recogniser, Suspicion, sample_of
from cam_audit.findings.edits import strokes_of
from cam_audit.records import Box, Edit
from cam_audit.workers import Each, one_by_one

NAME = "template"
THRESHOLD = 0.20
# How much of a full edge the class has, on average, more than the others at the template's pixels.
MIN_STRENGTH = 0.25

_FOLDS = 5
_PIXELS = 250
_OTHERS = 600
# Strong pixels so near to each other are one part; parts weaker than this share of the strongest are noise.
_JOIN = 7
_MIN_PART = 0.25
# An extent over so much of the picture has no place worth a word.
_MOST = 0.6

Floats = NDArray[np.float32]

FEATURES = {"thumbnail": THUMBNAIL}


def find(images: Sequence[ImageFeatures], each: Each = one_by_one) -> list[Suspicion]:
    """The classes in which edges at fixed places tell at least 20 % of the images from the others (TPR2).

    The template D is the class's mean of u (see `edges`) minus that of the other classes, each class counting the
    same, where the class's is the longer one: to lack what the other class bears is no mark. An image's score,
    and a hit's `strength`, is how much of D it shows: sum u.D / sum D.D over the 250 pixels where D is longest,
    about 1 on average in the class. Five folds: each image is scored by a D made without its own. The root mean
    square length of the D of all images over its 250 pixels must reach 0.25.
    """
    ordered, labels = pooled(images)
    candidates = comparable(labels)
    if not candidates:
        return []
    greys = np.stack([image["thumbnail"] for image in ordered])
    folds = np.arange(len(ordered)) % _FOLDS
    by_class = np.split(np.arange(len(labels)), np.flatnonzero(np.diff(labels)) + 1)
    sample = np.array(sample_of([members.tolist() for members in by_class], _OTHERS))

    def find_in(k: int) -> Suspicion | None:
        templates = templates_of(k)
        strength = float(np.sqrt((_strongest(templates[-1])[1] ** 2).sum(1).mean()))
        if strength < MIN_STRENGTH:
            return None
        own, others = by_class[k], sample[labels[sample] != k]
        looked_at = np.concatenate([own, others])
        scores = _scores(templates, greys[looked_at], folds[looked_at])
        separated = separation(scores, labels[looked_at], k)
        if not separated.reaches(THRESHOLD):
            return None
        hits = looked_at[list(separated.members)]
        box, mask = _place(templates[-1])
        usual = np.average(greys[others], axis=0, weights=class_weights(labels[others]))
        return Suspicion(
            finder=NAME,
            label=ordered[own[0]].label,
            score=separated.rate,
            threshold=THRESHOLD,
            images=len(own),
            hits=tuple(Hit(ordered[looked_at[i]].name, score, box) for i, score in separated.pairs()),
            cue=f"marks or edges at the same place ({_in_words(box)})",
            numbers={"strength": strength},
            box=box,
            overlay=((greys[hits].mean(0) - usual) * mask).astype(np.float32),
            recogniser=partial(_recogniser, *_strongest(templates[-1]), separated.limit, box),
        )

    templates_of = _templates(greys, labels, folds, each)
    return [suspicion for suspicion in each(find_in, candidates) if suspicion]


def tests(suspicion: Suspicion, groups: Groups) -> list[CueTest]:
    """The strokes of the overlay, added, and painted over; controls are other images' detail, and another place."""
    if suspicion.overlay is None:
        return []
    mask = strokes_of(suspicion.overlay)
    add, paint = Edit("strokes", mask=mask), Edit("painted_over", mask=mask)
    paint_elsewhere = Edit("painted_over", mask=elsewhere_mask(mask))
    return [
        CueTest("strokes", suspicion.hits, lambda _: add, lambda _: add),
        CueTest("painted_over", suspicion.hits, lambda _: paint, lambda _: paint_elsewhere),
    ]


def _recogniser(pixels: Pixels, template: Floats, limit: float, box: Box) -> Recogniser:
    """Recognises what shows more of the template (250, 2) at its pixels (250,) than the limit."""

    def recognise(image: Features) -> Hit | None:
        strength = float(_shown(image["thumbnail"][None], pixels, template)[0])
        return Hit(image.name, strength, box) if strength > limit else None

    return recognise


def _templates(greys: Greys, labels: Labels, folds: Pixels, each: Each) -> Callable[[int], Floats]:
    """What gives the templates D of a class: float32 (6, pixels, 2), five without a fold, the last of all."""

    def means_of(k: int) -> tuple[Floats, Floats]:
        return _held_out_means(greys[labels == k], folds[labels == k])

    total = np.zeros((_FOLDS + 1, len(EVERYWHERE), 2), np.float32)
    classes = np.zeros((_FOLDS + 1, 1, 1), np.float32)
    for means, known in each(means_of, range(int(labels.max()) + 1)):
        total += means
        classes += known

    def templates_of(k: int) -> Floats:
        # computed again, as the means of a thousand classes would fill the memory
        means, _ = means_of(k)
        others = (total - means) / (classes - 1)
        clearer = np.linalg.norm(means, axis=2, keepdims=True) > np.linalg.norm(others, axis=2, keepdims=True)
        return np.where(clearer, means - others, np.float32(0))

    return templates_of


def _held_out_means(greys: Greys, folds: Pixels) -> tuple[Floats, Floats]:
    """Means of u over the images outside each fold and, last, over all: float32 (6, pixels, 2).

    Beside them whether there are any: float32 (6, 1, 1), 1 or 0; where there are none, the mean is 0.
    """
    kept = np.ones((_FOLDS + 1, len(greys)), np.float32)
    kept[folds, np.arange(len(greys))] = 0
    counts = kept.sum(1)[:, None, None]
    return np.tensordot(kept, edges(greys), axes=1) / np.maximum(counts, 1), np.minimum(counts, 1)


def _strongest(template: Floats) -> tuple[Pixels, Floats]:
    """The pixels (250,) where a template (pixels, 2) is longest, and the template there (250, 2)."""
    pixels = np.argsort(-(template**2).sum(1), kind="stable")[:_PIXELS]
    return pixels, template[pixels]


def _scores(templates: Floats, greys: Greys, folds: Pixels) -> Floats:
    """How much of the template made without its own fold each image shows: float32 (n,)."""
    scores = np.zeros(len(greys), np.float32)
    for fold in range(_FOLDS):
        pixels, template = _strongest(templates[fold])
        if template.any():
            scores[folds == fold] = _shown(greys[folds == fold], pixels, template)
    return scores


def _shown(greys: Greys, pixels: Pixels, template: Floats) -> Floats:
    """How much of a template (m, 2) each image shows at its pixels (m,): float32 (n,)."""
    shown: Floats = (edges(greys, pixels) * template).sum((1, 2)) / (template**2).sum()
    return shown


def _place(template: Floats) -> tuple[Box, NDArray[np.bool_]]:
    """The box around the strongest pixels that lie together, and what they cover, bool (112, 112)."""
    pixels, values = _strongest(template)
    strength = np.zeros((SIDE, SIDE), np.float32)
    strength.flat[pixels] = (values**2).sum(1)
    covered = cv2.dilate((strength > 0).astype(np.uint8), np.ones((_JOIN, _JOIN), np.uint8))
    count, parts = cv2.connectedComponents(covered)
    sums = np.bincount(parts.ravel(), strength.ravel(), count)
    mask = np.isin(parts, np.flatnonzero(sums >= _MIN_PART * sums.max()))
    rows, columns = np.nonzero(mask & (strength > 0))
    box = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]) / SIDE
    left, top, right, bottom = box.tolist()
    return (left, top, right, bottom), mask


def _in_words(box: Box) -> str:
    left, top, right, bottom = box
    if max(right - left, bottom - top) > _MOST:
        return "across the picture"
    column = _third((left + right) / 2, "left", "right")
    row = _third((top + bottom) / 2, "top", "bottom")
    return " ".join(word for word in (row, column) if word) or "middle"


def _third(position: float, low: str, high: str) -> str:
    return low if position < 1 / 3 else high if position > 2 / 3 else ""
