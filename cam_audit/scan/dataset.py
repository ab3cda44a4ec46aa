"""A data set: is it there, which images are in it, and which class and split each belongs to."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cam_audit.errors import CamAuditError, OptionError
from cam_audit.images.find import ImageList, find_images
from cam_audit.models.class_names import ClassNames, is_number
from cam_audit.records import ImageSource
from cam_audit.reports.looked_at import left_out
from cam_audit.reports.output_folder import OUTPUT_MARKS
from cam_audit.scan.labelling import Labelling, label_images
from cam_audit.scan.labels import read_labels
from cam_audit.scan.layout import Layout, deeper_level, layout_of, split_of
from cam_audit.scan.options import ALL
from cam_audit.scan.proposal import Proposal, counted_from_one, near_classes
from cam_audit.text import count

if TYPE_CHECKING:
    from cam_audit.models.model import Model
    from cam_audit.scan.options import Options

MAX_NAMED = 5
# Of --split: no split is left out.


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
        others = left_out(skipped(found, Chosen([])))
        raise CamAuditError(
            f"{dataset}: no images in this folder or below it" + (f", but {', '.join(others)}" if others else "")
        )
    return found


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
    """The images to scan, with their labels; `note` is told what the layout was taken for, and what has no class.

    Raises CamAuditError where the labels file or the pattern can't be used or fits no image, there is no such split,
    or only deeper folders are named like classes.
    """
    classes = ClassNames(model.class_names, model.class_ids)
    # a folder that can't be looked into gets a row with the reason, as an image does
    names = sorted([*found.names, *found.unreadable])
    layout = layout_of(names, classes, class_level=options.class_level, pattern=options.label_pattern)
    rows = read_labels(options.labels, classes) if options.labels else {}
    labelling = label_images(options.dataset, names, classes, layout, rows)
    proposals = _told(options, classes, names, layout, labelling, note)
    sources = _of_split(options, labelling.sources)
    limited = _spread(sources, options.limit)
    return Chosen(limited, len(names) - len(sources), len(sources) - len(limited), proposals)


def _told(
    options: Options,
    classes: ClassNames,
    names: Sequence[str],
    layout: Layout,
    labelling: Labelling,
    note: Callable[[str], None],
) -> Sequence[Proposal]:
    """Tell what the layout was taken for; returns what class each folder could be, where it is asked about."""
    dataset, file, pattern = options.dataset, options.labels, options.label_pattern
    if layout.splits and options.class_level is None:
        note(f"{_listed(layout.splits)}: parts of the data set; classes are told by what is in them")
    without = [source.name for source in labelling.sources if not source.label]
    if file and not labelling.rows_used:
        raise CamAuditError(f"{file}: no row names an image or a folder of {dataset}, such as {names[0]}")
    if pattern and len(without) == len(names):
        raise CamAuditError(f"--label-pattern {pattern}: fits no image, such as {names[0]}")
    if file and labelling.rows_unused:
        unused = labelling.rows_unused
        note(
            f"{file}: {count(len(unused), 'row')} of {labelling.rows_used + len(unused):,} name nothing in {dataset} "
            f"({_some(unused)})"
        )
    if without and len(without) < len(names):
        why = f"no row of {file} names" if labelling.by_image else "no class is told of"
        note(f"{why} {count(len(without), 'image')} of {len(names):,} ({_some(without)})")
    labels = {source.label: source.label_class for source in labelling.sources if source.label}
    named = [label for label, known in labels.items() if known is not None and not is_number(label)]
    if labels and not (named or file or pattern or options.class_level):
        _require_no_deeper_level(options, names, layout, classes, sorted(labels))
    if labelling.indices:
        first = labelling.indices[0]
        note(f"numbers are taken for the indices of classes, from 0: {first} = {classes.names[int(first)]}")
    unmatched = sorted(label for label, known in labels.items() if known is None)
    if labelling.ambiguous:
        one, two = classes.names[:2]
        note(
            f"{_listed(labelling.ambiguous)}: classes counted from 1 (1 = {one}) or from 0 (1 = {two})? "
            "None is taken for a class of the net; --labels with rows folder,class says which each is"
        )
        return counted_from_one(labelling.ambiguous, classes)
    if not unmatched:
        return ()
    proposals = near_classes(unmatched, classes) if 2 * len(unmatched) > len(labels) else []
    near = [f"{each.folder}: {each.name}?" for each in proposals if each.name]
    if 2 * len(near) < len(unmatched):
        near = []
    note(
        f"{len(unmatched)} of {len(labels)} folders are named like no class of the net "
        f"({_some(near or unmatched)}); --labels map.csv can say which class each is"
    )
    return proposals if near else ()


def _require_no_deeper_level(
    options: Options, names: Sequence[str], layout: Layout, classes: ClassNames, labels: Sequence[str]
) -> None:
    """Raise OptionError where no folder that is taken for a class is named like one, but deeper ones are."""
    deeper = deeper_level(names, layout, classes)
    if deeper:
        level, folders = deeper
        own = 2 if layout.splits else 1
        raise OptionError(
            f"{options.dataset}: no folder of level {own} is named like a class of the net ({_some(labels)}), but "
            f"those of level {level} are ({_some(folders)}); scan with --class-level {level}, or with --class-level {own} if "
            "the classes are of this level",
            "--class-level",
            str(level),
        )


def _of_split(options: Options, sources: list[ImageSource]) -> list[ImageSource]:
    """The images of the split that is asked for."""
    if options.split == ALL:
        return sources
    wanted = split_of(options.split) or options.split
    chosen = [source for source in sources if source.split.casefold() == wanted.casefold()]
    if not chosen:
        splits = sorted({source.split for source in sources} - {""})
        there = f"there are {_listed(splits)}" if splits else "no folder or labels file tells splits"
        raise CamAuditError(f"{options.dataset}: --split {options.split}: no image belongs to it; {there}")
    return chosen


def _listed(words: Iterable[str]) -> str:
    some = sorted(words, key=lambda word: (len(word), word) if word.isdigit() else (0, word))
    return f"{', '.join(some[:MAX_NAMED])}{', ...' if len(some) > MAX_NAMED else ''}"


def _some(names: Sequence[str]) -> str:
    return ", ".join([*names[:MAX_NAMED], *(["..."] if len(names) > MAX_NAMED else [])])


def _spread(sources: list[ImageSource], limit: int | None) -> list[ImageSource]:
    """At most `limit` of the images, evenly spread, so that every class keeps its share."""
    if limit is None or limit >= len(sources):
        return sources
    return [sources[index * len(sources) // limit] for index in range(limit)]
