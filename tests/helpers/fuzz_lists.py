"""Mutated lists that a user gives with the data set: labels, metadata, classes, boxes and masks. Each is read, or
refused with one line for people.

    python tests/helpers/fuzz_lists.py --files 2000     # ends with 1 where one ended otherwise
    python tests/helpers/fuzz_lists.py --first 4711 --files 1     # that file again

A file is made from its number alone, so that one that was found comes back.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from fuzz_results import CELLS, Outcome, ending, mutated
from PIL import Image

from cam_audit.errors import ImageError
from cam_audit.models.class_list import read_class_list
from cam_audit.models.class_names import ClassNames
from cam_audit.scan.annotations import load_annotations
from cam_audit.scan.labels import read_labels, rows_of_images
from cam_audit.scan.metadata import read_metadata

NAMES = [f"{label}/{number}.jpg" for label in ("ant", "bee") for number in range(4)]
SIDES = 64, 48
CLASSES = ClassNames(("ant", "bee", "cow; calf"), ("n01", "n02", "n03"))
# So many numbers, words and signs stand in place of others in YOLO and VOC files.
WORDS = (
    *CELLS,
    "0 " * 2000,
    "<a>",
    "&a;",
    "</object>",
    "<!DOCTYPE a>",
    "<!ENTITY a 'b'>",
    "-1e308",
    "1e-320",
    "\ufeff",
)

Reader = Callable[[Path], object]


def _labels(path: Path) -> object:
    return rows_of_images(NAMES, read_labels(path, CLASSES))


def _annotated(path: Path, **how: Path) -> None:
    annotations = load_annotations(NAMES, **how)
    assert annotations is not None
    for name in NAMES:
        annotations.mark(name)
        # why not is in the row of results
        with contextlib.suppress(ImageError):
            annotations.mask(name, *SIDES, SIDES)


def _boxes(path: Path) -> None:
    _annotated(path, boxes=path if path.suffix == ".json" else path.parent.parent)


def _masks(path: Path) -> None:
    _annotated(path, masks=path.parent.parent)


def _documents() -> dict[str, tuple[str, Reader]]:
    """By the name of a file, its text and what reads it; a folder in front of it is that of all like it."""
    table = "".join(f"{name},{name[:3]},{'train' if number % 2 else 'test'}\n" for number, name in enumerate(NAMES))
    hot = "".join(f"{name},{int(name[0] == 'a')},{int(name[0] == 'b')}\n" for name in NAMES)
    polygon = [4, 4, 40, 4, 40, 30]
    shapes = [
        {"bbox": [4, 5, 20, 20]},
        {"bbox": [0, 0, 64, 48], "segmentation": [polygon]},
        {"segmentation": {"size": [48, 64], "counts": [100, 200, 48 * 64 - 300]}},
        {"segmentation": {"size": [48, 64], "counts": "PPYo1"}},
    ]
    coco = {
        "images": [{"id": n, "file_name": name, "width": 64, "height": 48} for n, name in enumerate(NAMES)],
        "categories": [{"id": 1, "name": "ant"}, {"id": 2, "name": "bee"}],
        "annotations": [
            {"id": n, "image_id": n, "category_id": 1 + n % 2, **shapes[n % len(shapes)]} for n in range(len(NAMES))
        ],
    }
    box = "<bndbox><xmin>4</xmin><ymin>5</ymin><xmax>40</xmax><ymax>40</ymax></bndbox>"
    size = "<size><width>64</width><height>48</height><depth>3</depth></size>"
    voc = f"<annotation>{size} <object> <name>ant</name> {box} </object> <object> {box} </object> </annotation>"
    yolo = "0 0.5 0.5 0.25 0.25\n1 0.2 0.2 0.1 0.1 0.9\n1 0.1 0.1 0.4 0.1 0.4 0.4\n"
    return {
        "labels.csv": (f"path,class,split\n{table}", _labels),
        "hot.csv": (f"image,ant,bee\n{hot}", _labels),
        "folders.csv": ("ant;ant\nbee;bee\n", _labels),
        "list.txt": ("".join(f"{name} {int(name[0] == 'b')}\n" for name in NAMES), _labels),
        "metadata.csv": (f"image,camera,day\n{table}", lambda path: read_metadata(path, NAMES)),
        "classes.txt": ("ant\nbee\ncow; calf\n", read_class_list),
        "classes.json": (json.dumps({"0": ["n01", "ant"], "1": ["n02", "bee"]}), read_class_list),
        "coco.json": (json.dumps(coco), _boxes),
        "voc/ant/0.xml": (voc, _boxes),
        "yolo/ant/0.txt": (yolo, _boxes),
        "yolo/classes.txt": ("ant\nbee\n", lambda path: _boxes(path.parent / "ant" / "0.txt")),
        "yolo/data.yaml": ("names:\n  0: ant\n  1: bee\n", lambda path: _boxes(path.parent / "ant" / "0.txt")),
    }


def _mask(random: np.random.Generator) -> bytes:
    buffer = io.BytesIO()
    values = random.integers(0, 2, SIDES[::-1], np.uint8) * 255
    Image.fromarray(values).save(buffer, ("PNG", "BMP", "GIF")[random.integers(3)])
    return buffer.getvalue()


def _broken(data: bytes, random: np.random.Generator) -> bytes:
    """Bytes with some of them changed, or cut off."""
    changed = bytearray(data)
    for _ in range(random.geometric(0.3)):
        changed[random.integers(len(changed))] = random.integers(256)
    return bytes(changed[: random.integers(len(changed)) if random.random() < 0.2 else None])


def _with_other_words(text: str, random: np.random.Generator) -> bytes:
    """A text that is no table and no JSON, with some of what stands between spaces and brackets replaced."""
    words = text.replace("<", " <").replace(">", "> ").split(" ")
    for _ in range(random.geometric(0.5)):
        words[random.integers(len(words))] = WORDS[random.integers(len(WORDS))]
    return " ".join(words).encode("utf-8", "surrogatepass")


def try_list(seed: int, outcome: Outcome, documents: Mapping[str, tuple[str, Reader]]) -> None:
    """Read the list of a number in the current folder, in which all others are whole."""
    random = np.random.default_rng(seed)
    if random.random() < 0.1:
        name, reader = "masks/ant/0.png", _masks
        data = _broken(_mask(random), random)
    else:
        name = [*documents][random.integers(len(documents))]
        text, reader = documents[name]
        data = (
            _with_other_words(text, random)
            if random.random() < 0.5 and not name.endswith((".csv", ".json"))
            else mutated(text, random)
        )
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    before = path.read_bytes() if path.exists() else None
    path.write_bytes(data)
    end, fault = ending(lambda: reader(path))
    outcome.runs[end] += 1
    if fault:
        outcome.faults.setdefault(fault, []).append(f"{seed} ({name})")
    if before is not None:
        path.write_bytes(before)


def fuzz_lists(seeds: range) -> Outcome:
    """Read the lists of these numbers."""
    outcome, here, documents = Outcome(), Path.cwd(), _documents()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            for name, (text, _) in documents.items():
                Path(name).parent.mkdir(parents=True, exist_ok=True)
                Path(name).write_text(text, encoding="utf-8")
            for seed in seeds:
                try_list(seed, outcome, documents)
        finally:
            os.chdir(here)
    return outcome


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--files", type=int, default=1000)
    given = parser.parse_args()
    outcome = fuzz_lists(range(given.first, given.first + given.files))
    outcome.show()
    return bool(outcome.faults)


if __name__ == "__main__":
    sys.exit(main())
