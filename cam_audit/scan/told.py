"""Notes about a data set's labels before it is scanned: how its layout was read, and what has no class."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from cam_audit.errors import CamAuditError, OptionError
from cam_audit.models.class_names import ClassNames
from cam_audit.reports.output_folder import PROPOSALS_FILE
from cam_audit.scan.class_of_images import Labelling
from cam_audit.scan.layout import Layout, deeper_level
from cam_audit.scan.proposal import Proposal, counted_from_one, near_classes
from cam_audit.text import count, some

if TYPE_CHECKING:
    from cam_audit.scan.options import Options

Note = Callable[[str], None]


def tell(options: Options, classes: ClassNames, layout: Layout, labelling: Labelling, note: Note) -> list[Proposal]:
    """Say in notes how the labels were read; returns a class for each folder if folders are not named like classes.

    Raises CamAuditError if the labels file or the pattern fits no image, or only deeper folders are named like classes.
    """
    names = [source.name for source in labelling.sources]
    labels = {source.label: source.label_class for source in labelling.sources if source.label and not source.several}
    labels |= {label: index for source in labelling.sources for label, index in source.several}
    if layout.splits and not options.class_level:
        note(f"{some(sorted(layout.splits))}: splits of the data set; the folders in them are the classes")
    _tell_of_file(options, labelling, names, note)
    _tell_of_images_without(options, labelling, names, note)
    _require_no_deeper_level(options, names, layout, classes, labels)
    if labelling.indices:
        first = labelling.indices[0]
        note(f"numbers are taken for the indices of classes, from 0: {first} = {classes.names[int(first)]}")
    if labelling.ambiguous:
        one, two = classes.names[:2]
        note(
            f"{some(labelling.ambiguous)}: classes counted from 1 (1 = {one}), or from 0 (1 = {two})? None is taken "
            f"for a class of the net; {_way_out(options, 'counts from 1')}"
        )
        return counted_from_one(labelling.ambiguous, classes)
    return _tell_of_unknown(options, classes, labels, note)


def _tell_of_file(options: Options, labelling: Labelling, names: Sequence[str], note: Note) -> None:
    """Say which rows of the labels file name nothing."""
    file, dataset, unused = options.labels, options.dataset, labelling.rows_unused
    if file and not labelling.rows_used:
        raise CamAuditError(
            f"{file}: no row names a folder or an image of {dataset}; rows name {some(unused)}, and there is {names[0]}"
        )
    if unused:
        rows = count(labelling.rows_used + len(unused), "row")
        name = "names" if len(unused) == 1 else "name"
        note(f"{file}: {len(unused):,} of {rows} {name} nothing in {dataset} ({some(unused)})")


def _tell_of_images_without(options: Options, labelling: Labelling, names: Sequence[str], note: Note) -> None:
    """Say which images have no class, if others have one."""
    without = [source.name for source in labelling.sources if not source.label]
    if options.label_pattern and len(without) == len(names):
        raise CamAuditError(f"--label-pattern {options.label_pattern}: fits no image, such as {names[0]}")
    if without and len(without) < len(names):
        why = f"no row of {options.labels} names it" if labelling.by_image else "no folder or file name gives it"
        have = "has" if len(without) == 1 else "have"
        note(f"{len(without):,} of {count(len(names), 'image')} {have} no class, as {why} ({some(without)})")


def _require_no_deeper_level(
    options: Options, names: Sequence[str], layout: Layout, classes: ClassNames, labels: Iterable[str]
) -> None:
    """Raise OptionError if no folder that is taken for a class is named like one, but deeper ones are."""
    told = options.labels or options.label_pattern or options.class_level
    if told or any(classes.find_name(label) is not None for label in labels):
        return
    deeper = deeper_level(names, layout, classes)
    if deeper:
        level, folders = deeper
        own = 2 if layout.splits else 1
        raise OptionError(
            f"{options.dataset}: no folder of level {own} is named like a class of the net ({some(sorted(labels))}), "
            f"but those of level {level} are ({some(folders)}); scan with --class-level {level}, or with --class-level "
            f"{own} if these are the classes",
            "--class-level",
            str(level),
        )


def _tell_of_unknown(
    options: Options, classes: ClassNames, labels: dict[str, int | None], note: Note
) -> list[Proposal]:
    """Say which labels are no classes of the net; returns a class for each if most are named almost like one."""
    unknown = sorted(label for label, known in labels.items() if known is None)
    if not unknown:
        return []
    proposals = near_classes(unknown, classes) if 2 * len(unknown) > len(labels) else []
    near = [f"{each.folder}: {each.name}" for each in proposals if each.name]
    if 2 * len(near) < len(unknown):
        proposals, near = [], []
    way_out = _way_out(options, "proposes a class for each") if near else "--labels map.csv can say which class each is"
    note(
        f"{len(unknown)} of {count(len(labels), 'folder')} {'is' if len(unknown) == 1 else 'are'} named like no class "
        f"of the net ({some(near or unknown)}); "
        f"{way_out}"
    )
    return proposals


def _way_out(options: Options, what: str) -> str:
    if options.out is None:
        return "--labels map.csv can say which class each is"
    file = options.out / PROPOSALS_FILE
    return f"{file} {what}: look it over, and scan with --labels {file}"
