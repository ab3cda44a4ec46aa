"""A data set: is it there, which images are in it, and which class each folder stands for."""

from __future__ import annotations

import csv
import difflib
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cam_audit.errors import CamAuditError
from cam_audit.images.find import ImageList, find_images
from cam_audit.models.class_names import ClassNames
from cam_audit.records import ImageSource
from cam_audit.reports.looked_at import left_out
from cam_audit.reports.output_folder import OUTPUT_MARKS

if TYPE_CHECKING:
    from cam_audit.models.model import Model
    from cam_audit.scan.options import Options

MAX_NAMED = 5


def read_label_map(path: Path, classes: ClassNames) -> dict[str, int]:
    """Read a CSV of `folder,class` rows (with or without that header) into folder -> class index.

    Raises CamAuditError where the file can't be read or a row names no class of the net.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            rows = [(reader.line_num, row) for row in reader if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CamAuditError(f"{path}: cannot be read as CSV: {error}") from None
    if rows and [cell.strip().lower() for cell in rows[0][1]] == ["folder", "class"]:
        rows = rows[1:]
    mapping: dict[str, int] = {}
    for line, row in rows:
        if len(row) != 2:
            raise CamAuditError(f"{path}, line {line}: expected folder,class and found {len(row)} cells")
        mapping[row[0].strip("/")] = classes.require(row[1].strip(), f"{path}, line {line}")
    return mapping


def label_images(
    root: Path, names: Iterable[str], classes: ClassNames, label_map: Mapping[str, int]
) -> list[ImageSource]:
    """Image sources for `names` below `root`, each labelled by its first folder; `label_map` goes before names."""
    base = str(root if root.is_dir() else root.parent)
    known: dict[str, int | None] = {"": None}
    sources = []
    for name in names:
        # one string a class, however many images it has
        label = sys.intern(name.partition("/")[0] if "/" in name else "")
        if label not in known:
            known[label] = label_map[label] if label in label_map else classes.find(label)
        sources.append(ImageSource(base, name, label, known[label]))
    return sources


def require_folder(dataset: Path) -> None:
    """Raise CamAuditError, with the nearest existing name, where the data set does not exist."""
    if os.path.exists(dataset):
        return
    siblings = [path.name for path in dataset.parent.iterdir()] if dataset.parent.is_dir() else []
    close = difflib.get_close_matches(dataset.name, siblings, n=1)
    hint = f"; did you mean {dataset.parent / close[0]}?" if close else ""
    raise CamAuditError(f"{dataset}: no such folder{hint}")


def require_there(dataset: Path) -> None:
    """Raise CamAuditError where the data set has gone meanwhile, as one on a network or a stick may."""
    try:
        there = dataset.is_file() or _holds_anything(dataset)
    except OSError:
        there = False
    if not there:
        raise CamAuditError(f"{dataset}: the data set has gone, or can no longer be read")


def _holds_anything(folder: Path) -> bool:
    # asked for every image that can't be read, so it must not list a folder of a million files
    with os.scandir(folder) as entries:
        return next(entries, None) is not None


def images_of(options: Options, note: Callable[[str], None]) -> ImageList:
    """The images of the data set and what else is there; `note` is told which links and patterns leave out what.

    Raises CamAuditError where there is no image.
    """
    dataset, out = options.dataset, options.out
    found = find_images(
        dataset, output=out, marks=OUTPUT_MARKS, follow_links=options.follow_links, exclude=options.exclude
    )
    if found.links_left_out:
        note(f"{found.links_left_out} links that lead outside {dataset} are left out; --follow-links follows them")
    for pattern in (pattern for pattern, entries in found.excluded.items() if not entries):
        note(f"--exclude {pattern}: nothing in {dataset} is called so")
    for name, reason in found.unreadable.items() if not found.names else ():
        raise CamAuditError(f"cannot read the folder {dataset / name}: {reason}")
    if not found.names and out and dataset.resolve() == out.resolve():
        raise CamAuditError(f"{out}: the output folder is the data set itself; name another with -o")
    if not found.names:
        others = left_out(skipped(found, 0))
        raise CamAuditError(
            f"{dataset}: no images in this folder or below it" + (f", but {', '.join(others)}" if others else "")
        )
    return found


def skipped(found: ImageList, beyond_limit: int) -> dict[str, Any]:
    """What is not scanned, as run.json has it; beyond_limit: how many images are too many for `--limit`."""
    return {
        "kinds": {suffix: asdict(files) for suffix, files in found.others.items()},
        "excluded": dict(found.excluded),
        "links": found.links_left_out,
        "limit": beyond_limit,
    }


def sources_of(options: Options, model: Model, found: ImageList, note: Callable[[str], None]) -> list[ImageSource]:
    """The images to scan, with their labels; `note` is told which folders and labels are left out.

    Raises CamAuditError where the label map can't be used.
    """
    dataset = options.dataset
    classes = ClassNames(model.class_names, model.class_ids)
    label_map = read_label_map(options.labels, classes) if options.labels else {}
    # a folder that can't be looked into gets a row with the reason, as an image does
    names = sorted([*_spread(found.names, options.limit), *found.unreadable])
    sources = label_images(dataset, names, classes, label_map)
    labels = {source.label for source in sources}
    unused = sorted(label_map.keys() - labels) if options.limit is None else []
    if unused:
        note(f"{options.labels}: no folder is called {_some(unused)}")
    unmatched = sorted({s.label for s in sources if s.label and s.label_class is None})
    if unmatched:
        note(
            f"{len(unmatched)} of {len(labels - {''})} folders are named like no class of the net "
            f"({_some(unmatched)}); --labels map.csv can say which class each is"
        )
    return sources


def _some(names: Sequence[str]) -> str:
    return ", ".join([*names[:MAX_NAMED], *(["..."] if len(names) > MAX_NAMED else [])])


def _spread(names: Sequence[str], limit: int | None) -> Sequence[str]:
    """At most `limit` of the names, evenly spread, so that every class keeps its share."""
    if limit is None or limit >= len(names):
        return names
    return [names[index * len(names) // limit] for index in range(limit)]
