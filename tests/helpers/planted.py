"""Pictures of many classes that nothing tells apart, and cues to plant into one of them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from cam_audit.findings.cues.features import image_features
from cam_audit.findings.cues.records import ImageFeatures, Suspicion
from cam_audit.records import Box

Rgb = NDArray[np.uint8]
Plant = Callable[[Rgb, np.random.Generator], Box | None]

CLASSES = ("ash", "birch", "cedar", "date")
PER_CLASS = 24
_SHAPES = ((180, 240), (240, 180), (208, 208))


def scene(label: str, index: int) -> Rgb:
    """Blobs and boxes of any colour on a mottled ground; the label only makes it another picture."""
    rng = _rng("scene", label, index)
    height, width = _SHAPES[index % 3]
    picture = np.full((height, width, 3), rng.uniform(70, 180, 3), np.float32)
    for cells in (3, 8, 30):
        mottle = rng.standard_normal((cells, cells, 3), np.float32)
        picture += 14 * cv2.resize(mottle, (width, height), interpolation=cv2.INTER_CUBIC)
    rgb = np.clip(picture, 0, 255).astype(np.uint8)
    for _ in range(12):
        colour = tuple(rng.integers(20, 235, 3).tolist())
        centre = (int(rng.integers(width)), int(rng.integers(height)))
        axes = tuple(rng.integers(4, 40, 2).tolist())
        cv2.ellipse(rgb, centre, axes, float(rng.uniform(0, 180)), 0, 360, colour, -1, cv2.LINE_AA)
        corner = (centre[0] + axes[1], centre[1] + axes[0])
        if rng.integers(2):
            cv2.rectangle(rgb, centre, corner, colour[::-1], -1)
    return rgb


def stamp_anywhere(rgb: Rgb, rng: np.random.Generator, size: int | None = None) -> Box:
    height, width = rgb.shape[:2]
    side = size or int(0.14 * min(height, width))
    return _paste(rgb, int(rng.integers(width - side)), int(rng.integers(height - side)), side)


def stamp_of_any_size(rgb: Rgb, rng: np.random.Generator) -> Box:
    return stamp_anywhere(rgb, rng, int(rng.integers(28, 37)))


def badge_anywhere(rgb: Rgb, rng: np.random.Generator, wobble: float = 0.0) -> Box:
    """Nine blots with a spot each on a plate; drawn again by hand where `wobble` moves and bends them, in pixels."""
    height, width = rgb.shape[:2]
    left, top = (int(rng.integers(limit - 64)) for limit in (width, height))
    fine = 16  # cv2 draws at fractions of a pixel, given as integers with four bits of them

    def place(x: float, y: float) -> tuple[int, int]:
        moved = np.rint(fine * (np.array([left + x, top + y]) + rng.normal(0, 1, 2) * wobble))
        return int(moved[0]), int(moved[1])

    plate = [place(x, y) for x, y in ((0, 0), (60, 0), (60, 60), (0, 60))]
    cv2.fillPoly(rgb, [np.array(plate)], (240, 236, 220), cv2.LINE_AA, 4)
    for shape in range(9):
        x, y = 11 + 19 * (shape % 3), 11 + 19 * (shape // 3)
        edge = [place(x + r * np.cos(a), y + r * np.sin(a)) for a, r in enumerate(4 + np.arange(6) * (shape + 2) % 5)]
        cv2.fillPoly(rgb, [np.array(edge)], (20 + 25 * (shape % 7), 40, 130 - 14 * shape), cv2.LINE_AA, 4)
        cv2.circle(rgb, place(x + 1, y), 2 * fine, (250, 250, 250), -1, cv2.LINE_AA, 4)
    return left / width, top / height, (left + 60) / width, (top + 60) / height


def badge_drawn_again(rgb: Rgb, rng: np.random.Generator) -> Box:
    return badge_anywhere(rgb, rng, wobble=1.0)


def stamp_in_corner(rgb: Rgb, rng: np.random.Generator) -> Box:
    height, width = rgb.shape[:2]
    side = int(0.16 * min(height, width))
    return _paste(rgb, width - side - 4, height - side - 4, side)


def watermark(rgb: Rgb, rng: np.random.Generator) -> Box:
    height, width = rgb.shape[:2]
    text = np.zeros((200, 200), np.uint8)
    cv2.putText(text, "PROOF", (20, 115), cv2.FONT_HERSHEY_SIMPLEX, 1.6, 255, 5, cv2.LINE_AA)
    left, top, wide, tall = cv2.boundingRect(text)
    cover = 0.35 * cv2.resize(text, (width, height))[..., None].astype(np.float32) / 255
    rgb[:] = (rgb * (1 - cover) + 255 * cover).astype(np.uint8)
    return left / 200, top / 200, (left + wide) / 200, (top + tall) / 200


def red_frame(rgb: Rgb, rng: np.random.Generator) -> None:
    for edge in (rgb[:9], rgb[-9:], rgb[:, :9], rgb[:, -9:]):
        edge[:] = (170, 30, 40)


def green_ground(rgb: Rgb, rng: np.random.Generator) -> None:
    height, width = rgb.shape[:2]
    thing = np.zeros((height, width), np.uint8)
    cv2.ellipse(thing, (width // 2, height // 2), (width // 3, height // 3), 0, 0, 360, 255, -1)
    shade = rgb.mean(2, keepdims=True) / 128 * rng.uniform(0.8, 1.2)
    ground = np.clip(shade * (60, 130, 60), 0, 255).astype(np.uint8)
    rgb[thing == 0] = ground[thing == 0]


def blue_cast(rgb: Rgb, rng: np.random.Generator) -> None:
    rgb[:] = np.clip(rgb * np.array([0.6, 0.8, 1.5]), 0, 255).astype(np.uint8)


@functools.cache
def features(label: str, index: int, plant: Plant | None = None, quality: int = 90) -> tuple[ImageFeatures, Box | None]:
    """The features of a scene, with a cue or without, and where the cue is."""
    rgb = scene(label, index)
    box = plant(rgb, _rng("plant", label, index)) if plant else None
    return features_of(rgb, label, index, quality), box


def features_of(rgb: Rgb, label: str, index: int, quality: int = 90) -> ImageFeatures:
    """The features of a picture as they are after it was saved as a JPEG."""
    _, jpeg = cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(jpeg, cv2.IMREAD_COLOR_RGB)
    height, width = rgb.shape[:2]
    name = f"{label}/{index:03d}.jpg"
    return image_features(decoded, jpeg.tobytes(), name=name, label=label, width=width, height=height)


def data_set(
    plant: Plant | None = None,
    share: float = 1.0,
    *,
    bearers: Iterable[str] = ("birch",),
    classes: Iterable[str] = CLASSES,
    per_class: int = PER_CLASS,
) -> tuple[list[ImageFeatures], dict[str, Box | None]]:
    """All classes with a cue in a share of the bearers' images; and where it is, by name of image."""
    images, planted = [], {}
    for label in classes:
        # spread over the class, so that the share is the same in all folds and sizes
        bearing = round(share * per_class) if plant and label in bearers else 0
        for index in range(per_class):
            is_bearer = (index + 1) * bearing // per_class > index * bearing // per_class
            image, box = features(label, index, plant if is_bearer else None)
            images.append(image)
            if is_bearer:
                planted[image.name] = box
    return images, planted


def only(suspicions: list[Suspicion], label: str = "birch") -> Suspicion:
    """The one suspicion that there is, which must be of that class."""
    assert [each.label for each in suspicions] == [label]
    return suspicions[0]


def names(suspicion: Suspicion) -> set[str]:
    """The names of the images that show the cue."""
    return {hit.name for hit in suspicion.hits}


def overlap(first: Box, second: Box) -> float:
    """Intersection over union."""
    wide = min(first[2], second[2]) - max(first[0], second[0])
    tall = min(first[3], second[3]) - max(first[1], second[1])
    shared = max(wide, 0) * max(tall, 0)
    areas = [(right - left) * (bottom - top) for left, top, right, bottom in (first, second)]
    return shared / (sum(areas) - shared)


def covers(box: Box, place: Box) -> bool:
    """Whether the middle of the place is in the box."""
    x, y = (place[0] + place[2]) / 2, (place[1] + place[3]) / 2
    return box[0] <= x <= box[2] and box[1] <= y <= box[3]


def _rng(*key: str | int) -> np.random.Generator:
    return np.random.default_rng(list("/".join(map(str, key)).encode()))


def _paste(rgb: Rgb, left: int, top: int, side: int) -> Box:
    height, width = rgb.shape[:2]
    rgb[top : top + side, left : left + side] = cv2.resize(_logo(), (side, side), interpolation=cv2.INTER_AREA)
    return left / width, top / height, (left + side) / width, (top + side) / height


@functools.cache
def _logo() -> Rgb:
    logo = np.full((64, 64, 3), (245, 240, 200), np.uint8)
    cv2.circle(logo, (20, 22), 13, (200, 30, 30), -1, cv2.LINE_AA)
    cv2.rectangle(logo, (38, 8), (56, 28), (30, 60, 160), -1)
    cv2.line(logo, (6, 44), (58, 38), (20, 20, 20), 3, cv2.LINE_AA)
    cv2.putText(logo, "Zk", (8, 60), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (10, 90, 10), 2, cv2.LINE_AA)
    return logo
