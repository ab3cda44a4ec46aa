"""Which class and split each image belongs to: what the layout and the labels file say of it, brought together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from cam_audit.models.class_names import ClassNames, fold
from cam_audit.records import ImageSource
from cam_audit.scan.image_paths import normal
from cam_audit.scan.labels import SEVERAL, Row, numbers_among, row_of_folder, rows_of_images
from cam_audit.scan.layout import Layout, Place

# What a class is known by: its index in the net or, if the net has no such class, its folded name.
Key = int | str


@dataclass(frozen=True)
class Labelling:
    """The images with their labels, in the order of their names, and what became of the labels file.

    `by_image`: whether its rows name images. `rows_used`: how many rows name anything that is there; `rows_unused`:
    what the others name. `indices`: the words that were taken for indices of classes; `ambiguous`: those that were not,
    as they may count from 0 or from 1.
    """

    sources: list[ImageSource]
    by_image: bool
    rows_used: int
    rows_unused: tuple[str, ...]
    indices: tuple[str, ...]
    ambiguous: tuple[str, ...]


def label_images(
    dataset: Path,
    names: Sequence[str],
    classes: ClassNames,
    layout: Layout,
    rows: Mapping[str, Row],
    inside: str = "",
) -> Labelling:
    """The images `names` of a data set with class and split; `rows` have precedence over names of folders.

    `inside`: as in `ImageSource`.

    All that stands for one class has one label: its word in folders or rows, or the net's name if there are several.
    If rows name images, the other images have no class.
    """
    places = {name: layout.place(name) for name in names}
    of_images = _rows_of_images(places, rows)
    of_folders = _rows_of_folders(places, rows, of_images)
    used = {row.line for row in (*of_images.values(), *of_folders.values())}
    bare = [] if of_images else [place for name, place in places.items() if name not in of_folders and place.word]
    numbers = numbers_among({place.word for place in bare}, classes)
    ambiguous = frozenset(numbers if _counts_from_one(numbers) else ())
    known = {word: None if word in ambiguous else classes.find(word) for word in {place.word for place in bare}}
    # nobody would know the class by an index
    called = {
        word: word if classes.find_name(word) is not None else classes.names[index]
        for row in rows.values()
        for word, index in row.classes
    }
    keys: dict[str, list[tuple[Key, str]]] = {}
    for name, place in places.items():
        row = of_images.get(name) or of_folders.get(name)
        if row:
            keys[name] = [(index, called[word]) for word, index in row.classes]
        elif of_images or not place.word:
            keys[name] = []
        else:
            known_as = known[place.word]
            keys[name] = [(fold(place.word) if known_as is None else known_as, place.word)]
    labels = _labels(chain.from_iterable(keys.values()), classes)
    root = str(dataset if dataset.is_dir() else dataset.parent)
    sources = []
    for name, place in places.items():
        of_image, row = [key for key, _ in keys[name]], of_images.get(name) or of_folders.get(name)
        indices = [key for key in of_image if isinstance(key, int)]
        sources.append(
            ImageSource(
                root,
                name,
                SEVERAL.join(labels[key] for key in of_image),
                indices[0] if len(indices) == 1 else None,
                (row.split if row else "") or place.split,
                0 if of_images else place.level,
                inside,
                tuple((labels[index], index) for index in indices) if len(indices) > 1 else (),
            )
        )
    return Labelling(
        sources,
        bool(of_images),
        len(used),
        tuple(path for path, row in rows.items() if row.line not in used),
        tuple(word for word in numbers if known[word] is not None),
        tuple(sorted(ambiguous, key=int)),
    )


def _rows_of_images(places: Mapping[str, Place], rows: Mapping[str, Row]) -> dict[str, Row]:
    """The rows that name images, by the image; a row that names a folder names no image that is called alike."""
    if not rows:
        return {}
    folders = {normal(place.word) for place in places.values()}
    for holder in {normal(name).rpartition("/")[0] for name in places}:
        parts = holder.split("/")
        folders.update("/".join(parts[:depth]) for depth in range(1, len(parts) + 1))
    return rows_of_images(list(places), {path: row for path, row in rows.items() if path not in folders})


def _rows_of_folders(
    places: Mapping[str, Place], rows: Mapping[str, Row], of_images: Mapping[str, Row]
) -> dict[str, Row]:
    """The rows of the folders that hold images, by the image; images with a row of their own are left out."""
    if not rows:
        return {}
    found: dict[tuple[str, str], Row | None] = {}
    of_folders = {}
    for name, place in places.items():
        if name in of_images:
            continue
        where = name.rpartition("/")[0], place.word
        if where not in found:
            found[where] = row_of_folder(name, place.word, rows)
        row = found[where]
        if row:
            of_folders[name] = row
    return of_folders


def _counts_from_one(numbers: Sequence[str]) -> bool:
    """Whether numbers are all of 1, 2, ... up to the last, so that they may not be indices, which begin with 0."""
    values = sorted(set(map(int, numbers)))
    return len(values) > 1 and values == list(range(1, len(values) + 1))


def _labels(called: Iterable[tuple[Key, str]], classes: ClassNames) -> dict[Key, str]:
    """One label for each class, by its key, and no label for two: what folders and files call it."""
    words: dict[Key, set[str]] = {}
    for key, word in called:
        words.setdefault(key, set()).add(word)
    labels: dict[Key, str] = {}
    taken: set[str] = set()
    for key, of_key in words.items():
        own = classes.names[key] if isinstance(key, int) else ""
        label = _as_folder(own if own in of_key else min(of_key))
        if label in taken:
            # the net has two classes of this name
            label = f"{label} {key}"
        taken.add(label)
        labels[key] = label
    return labels


def _as_folder(word: str) -> str:
    """A word as the folder of a class may be called: reports have one for each."""
    return "-" if word in (".", "..") else word.replace("/", "-")
