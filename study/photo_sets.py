"""Folder-per-class data sets in memory: drawn ones, whose masks are known, and the user's folders."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from planting import Mask, Rgb

from cam_audit.demo import CLASSES, draw_in, setting_of
from cam_audit.errors import CamAuditError
from cam_audit.images.decode import read_image
from cam_audit.images.find import find_images
from cam_audit.images.mask import read_mask
from cam_audit.images.resize import network_size, resize, resize_mask

SHORT_SIDE = 400
JPEG_QUALITY = 95


@dataclass(frozen=True, eq=False)
class Picture:
    """A labelled image: name within the class, index of the class, rgb uint8 (H, W, 3), mask uint8 (H, W)."""

    stem: str
    label: int
    rgb: Rgb
    mask: Mask | None = None


# The logits, float (K,), of a picture.
Floats = NDArray[np.floating]
Classifier = Callable[[Picture], Floats]


@dataclass(frozen=True)
class PhotoSet:
    """Pictures of some classes, by index into `class_names`."""

    class_names: tuple[str, ...]
    pictures: tuple[Picture, ...]

    def halves(self, seed: int) -> tuple[PhotoSet, PhotoSet]:
        """The set cut in two at random, half of each class in either."""
        rng = np.random.default_rng(seed)
        halves: tuple[list[Picture], list[Picture]] = ([], [])
        for label in range(len(self.class_names)):
            members = [picture for picture in self.pictures if picture.label == label]
            for position, index in enumerate(rng.permutation(len(members))):
                halves[position % 2].append(members[index])
        first, second = (PhotoSet(self.class_names, tuple(half)) for half in halves)
        return first, second


def drawn_set(images_per_class: int, seed: int) -> PhotoSet:
    """The demo's five things in settings that no class is tied to."""
    pictures = []
    for label, name in enumerate(CLASSES):
        for index in range(images_per_class):
            rgb, mask = draw_in(setting_of(name, index, shuffled=True, seed=seed), name, index, seed=seed)
            pictures.append(Picture(f"{name}_{index:03d}", label, rgb, mask))
    return PhotoSet(CLASSES, tuple(pictures))


def folder_set(folder: Path, images_per_class: int, seed: int, masks: Path | None = None) -> PhotoSet:
    """At most that many photos of each class below `folder`, chosen at random, no short side over 400 px.

    masks: a folder with <class>/<stem>.png for photos whose object is known.
    """
    members: dict[str, list[str]] = {}
    for name in find_images(folder).names:
        class_name, _, rest = name.partition("/")
        if rest:
            members.setdefault(class_name, []).append(name)
    if len(members) < 2:
        raise CamAuditError(f"{folder}: not a folder of at least two classes' folders with images")
    rng = np.random.default_rng(seed)
    pictures = []
    for label, names in enumerate(members.values()):
        for index in sorted(rng.permutation(len(names))[:images_per_class]):
            mask = _mask(masks, names[index]) if masks else None
            pictures.append(Picture(f"{index:05d}", label, *_read(folder / names[index], mask)))
    return PhotoSet(tuple(members), tuple(pictures))


def write_set(pictures: Iterable[Picture], class_names: tuple[str, ...], folder: Path) -> None:
    """Write folder/<class>/<stem>.jpg, all at the same JPEG quality, so that files tell nothing."""
    for picture in pictures:
        path = folder / name_of(picture, class_names)
        path.parent.mkdir(parents=True, exist_ok=True)
        _, data = cv2.imencode(".jpg", picture.rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        path.write_bytes(data.tobytes())


def name_of(picture: Picture, class_names: tuple[str, ...]) -> str:
    """The picture's path below the folder that `write_set` writes."""
    return f"{class_names[picture.label]}/{picture.stem}.jpg"


def _read(path: Path, mask: Mask | None) -> tuple[Rgb, Mask | None]:
    rgb, _, _ = read_image(path)
    height, width = rgb.shape[:2]
    size = network_size(width, height, min(SHORT_SIDE, height, width), 1)
    return resize(rgb, *size), None if mask is None else 255 * resize_mask(mask, *size)


def _mask(masks: Path, name: str) -> Mask | None:
    path = (masks / name).with_suffix(".png")
    return read_mask(path) if path.is_file() else None
