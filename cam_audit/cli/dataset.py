"""The data set on the command line: is it there, and which images and classes are in it."""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cam_audit.cli.terminal import note
from cam_audit.errors import CamAuditError
from cam_audit.labels import ClassNames, label_images, read_label_map
from cam_audit.records import ImageSource

if TYPE_CHECKING:
    from cam_audit.cli.task import Task
    from cam_audit.model import Model

MAX_NAMED = 5


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


def sources_of(task: Task, model: Model) -> list[ImageSource]:
    """The images to scan, with their labels; tells on stderr which links, folders and labels are left out.

    Raises CamAuditError where there is no image, or the label map can't be used.
    """
    from cam_audit.images import find_images

    found = find_images(task.dataset, output=task.out, follow_links=task.follow_links)
    if found.links_left_out:
        note(f"{found.links_left_out} links that lead outside {task.dataset} are left out; --follow-links follows them")
    for name, reason in found.unreadable.items() if not found.names else ():
        raise CamAuditError(f"cannot read the folder {task.dataset / name}: {reason}")
    if not found.names and task.dataset.resolve() == task.out.resolve():
        raise CamAuditError(f"{task.out}: the output folder is the data set itself; name another with -o")
    if not found.names:
        raise CamAuditError(f"{task.dataset}: no images in this folder or below it")
    classes = ClassNames(model.class_names, model.class_ids)
    label_map = read_label_map(task.labels, classes) if task.labels else {}
    # a folder that can't be looked into gets a row with the reason, as an image does
    names = sorted([*_spread(found.names, task.limit), *found.unreadable])
    sources = label_images(task.dataset, names, classes, label_map)
    labels = {source.label for source in sources}
    unused = sorted(label_map.keys() - labels) if task.limit is None else []
    if unused:
        note(f"{task.labels}: no folder is called {_some(unused)}")
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
