"""A data set: is it there, which images are in it, and which class and split each belongs to."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cam_audit.errors import CamAuditError
from cam_audit.images.find import ImageList, find_images, spread
from cam_audit.inside import Root
from cam_audit.models.class_names import ClassNames
from cam_audit.records import ImageSource
from cam_audit.reports.looked_at import left_out
from cam_audit.reports.output_folder import OUTPUT_MARKS
from cam_audit.scan.class_of_images import label_images
from cam_audit.scan.labels import read_labels
from cam_audit.scan.layout import layout_of, split_of
from cam_audit.scan.options import ALL
from cam_audit.scan.proposal import Proposal
from cam_audit.scan.told import tell
from cam_audit.text import some

if TYPE_CHECKING:
    from cam_audit.models.model import Model
    from cam_audit.scan.options import Options


def require_folder(dataset: Path) -> None:
    """Raise CamAuditError, with the nearest existing name, if the data set does not exist."""
    if os.path.exists(dataset):
        return
    siblings = [path.name for path in dataset.parent.iterdir()] if dataset.parent.is_dir() else []
    close = difflib.get_close_matches(dataset.name, siblings, n=1)
    hint = f"; did you mean {dataset.parent / close[0]}?" if close else ""
    raise CamAuditError(f"{dataset}: no such folder{hint}")


def require_there(dataset: Path) -> None:
    """Raise CamAuditError if the data set has gone meanwhile, as one on a network or a stick may."""
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
    """The images of the data set and what else is there; `note` gets the links left out and patterns that fit nothing.

    Raises CamAuditError if there is no image.
    """
    dataset, out = options.dataset, options.out
    found = find_images(
        dataset, output=out, marks=OUTPUT_MARKS, follow_links=options.follow_links, exclude=options.exclude
    )
    if found.links_left_out:
        note(f"{found.links_left_out} links that lead outside {dataset} are left out; --follow-links follows them")
    for pattern, entries in found.excluded.items():
        if not entries:
            note(f"--exclude {pattern}: nothing in {dataset} is called so")
    if found.names:
        return found
    for name, reason in found.unreadable.items():
        raise CamAuditError(f"cannot read the folder {dataset / name}: {reason}")
    if out and dataset.resolve() == out.resolve():
        raise CamAuditError(f"{out}: the output folder is the data set itself; name another with -o")
    others = left_out(skipped(found, Chosen([])))
    raise CamAuditError(
        f"{dataset}: no images in this folder or below it" + (f", but {', '.join(others)}" if others else "")
    )


def skipped(found: ImageList, chosen: Chosen) -> dict[str, Any]:
    """What is not scanned, as run.json has it."""
    return {
        "kinds": {suffix: asdict(files) for suffix, files in found.others.items()},
        "excluded": dict(found.excluded),
        "links": found.links_left_out,
        "split": chosen.other_splits,
        "limit": chosen.beyond_limit,
    }


@dataclass(frozen=True)
class Chosen:
    """The images to scan, sorted by name, and of what is left out, how many by --split and by --limit.

    `proposals`: a class for each folder, to look over, where the folders are not named like classes.
    """

    sources: list[ImageSource]
    other_splits: int = 0
    beyond_limit: int = 0
    proposals: Sequence[Proposal] = ()


def sources_of(options: Options, model: Model, found: ImageList, note: Callable[[str], None]) -> Chosen:
    """The images to scan, with their labels; `note` gets how the layout was read, and what has no class.

    Raises CamAuditError if the labels file or the pattern can't be used or fits no image, there is no such split, or
    only deeper folders are named like classes.
    """
    classes = ClassNames(model.class_names, model.class_ids)
    # a folder that can't be looked into gets a row with the reason, as an image does
    names = sorted([*found.names, *found.unreadable])
    layout = layout_of(names, classes, class_level=options.class_level, pattern=options.label_pattern)
    rows = read_labels(options.labels, classes) if options.labels else {}
    # a picture that is named itself may be a link
    guarded = options.dataset.is_dir() and not options.follow_links
    try:
        inside = Root.of(options.dataset).inside if guarded else ""
    except OSError as error:
        raise CamAuditError(f"cannot read the folder {options.dataset}: {error.strerror}") from None
    labelling = label_images(options.dataset, names, classes, layout, rows, inside)
    proposals = tell(options, classes, layout, labelling, note)
    sources = _of_split(options, labelling.sources)
    # so that every class keeps its share
    limited = sources if options.limit is None else spread(sources, options.limit)
    return Chosen(limited, len(names) - len(sources), len(sources) - len(limited), proposals)


def _of_split(options: Options, sources: list[ImageSource]) -> list[ImageSource]:
    """The images of the split that is asked for."""
    if options.split == ALL:
        return sources
    wanted = split_of(options.split) or options.split
    chosen = [source for source in sources if source.split.casefold() == wanted.casefold()]
    if not chosen:
        splits = sorted({source.split for source in sources} - {""})
        there = f"there are {some(splits)}" if splits else "no folder or labels file tells splits"
        raise CamAuditError(f"{options.dataset}: --split {options.split}: no image belongs to it; {there}")
    return chosen
