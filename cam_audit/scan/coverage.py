"""In which classes cues were looked for, and why not in the others: the one rule behind every "no findings"."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from cam_audit.findings.chosen_codes import ALL_CODES
from cam_audit.findings.codes import CODES
from cam_audit.findings.sample import MIN_IMAGES, Observation
from cam_audit.records import ImageSource
from cam_audit.text import MAX_NAMED, count, some

# A class is compared with so many images of the others, of all together, or there is no all-clear.
MIN_OTHERS = 6
# An unknown folder of which the net takes so large a share for a class may be of this class, 0..1.
MOST = 0.5

MAY_BE_ONE = "so these may be one class; --labels says what each is"
NO_CLASSES = "cues are looked for by comparing class folders, and there are not two of them"
HOW_TO_TELL = "--labels, --label-pattern or --class-level says where the classes are"
OF_SEVERAL = f"fewer than {MIN_IMAGES} of its images can be read, differ, and have no other label"
TOO_SMALL = f"there are fewer than {MIN_IMAGES} different images of the class that can be read"
NOT_ASKED = "--select and --ignore leave out every code of a cue"
NO_OTHERS = "there are too few images of other classes to compare with"


@dataclass(frozen=True, slots=True)
class Coverage:
    """In how many classes and images cues were looked for; `uncovered`: by label, why not in the other classes.

    `notes`: the same in sentences.
    """

    classes: int
    images: int
    uncovered: Mapping[str, str]
    notes: tuple[str, ...]


def coverage_of(
    classes: Mapping[str, Sequence[ImageSource]],
    observations: Collection[Observation],
    class_names: Sequence[str],
    of_several: Collection[str] = (),
    wanted: Collection[str] = ALL_CODES,
) -> Coverage:
    """What a scan covers; `classes`: all images by label, `observations`: the images that were looked at.

    `of_several`: the labels that images have beside others. `wanted`: the codes that were looked for.

    A class is covered if MIN_IMAGES of it and MIN_OTHERS of others were looked at, it stands for a class of the net,
    and no other label may stand for that class: then images with its cue would count as images of other classes, and
    nothing would be found.
    """
    if not any(CODES[code].finder for code in wanted):
        return Coverage(0, 0, dict.fromkeys(classes or ("",), NOT_ASKED), ())
    if len(classes) < 2:
        why = f"{NO_CLASSES}; {HOW_TO_TELL}"
        return Coverage(0, 0, dict.fromkeys(classes or ("",), why), (NO_CLASSES,))
    looked = Counter(each.source.label for each in observations)
    uncovered: dict[str, str] = {}
    small = [label for label in sorted(classes) if looked[label] < MIN_IMAGES]
    uncovered |= {label: OF_SEVERAL if label in of_several else TOO_SMALL for label in small}
    alone = [label for label in sorted(classes) if looked.total() - looked[label] < MIN_OTHERS]
    uncovered |= dict.fromkeys((label for label in alone if label not in small), NO_OTHERS)
    notes = []
    if small:
        # if all classes are too small, no image is sampled
        images = looked if looked else Counter({label: len(classes[label]) for label in small})
        named = some([f"{label!r}: {images[label]} of {len(classes[label])}" for label in small])
        notes.append(
            f"no cue was looked for in {len(small)} of {len(classes)} classes, which have fewer than {MIN_IMAGES} "
            f"different images that can be read ({named})"
        )
    if 0 < len(small) < len(classes) and all(label in uncovered for label in classes):
        notes.append("that leaves too few images to compare the other class with")
    of_class = _labels_by_class(observations)
    scattered = of_class.pop(None, [])
    alike = {index: labels for index, labels in of_class.items() if len(labels) > 1}
    for number, (index, labels) in enumerate(alike.items()):
        taken = f"the net takes most of {_named(labels)} for {class_names[index or 0]!r}"
        uncovered |= {label: f"{taken}, {MAY_BE_ONE}" for label in labels if label not in uncovered}
        if number == 0:
            more = f" (and likewise of other labels for {count(len(alike) - 1, 'other class', 'other classes')})"
            notes.append(f"a cue may have been missed: {taken}{more if len(alike) > 1 else ''}, {MAY_BE_ONE}")
    if scattered:
        taken = f"no class of the net is called {_named(scattered)}, and it takes these images for several classes"
        why = f"{taken}; --labels says what each is"
        uncovered |= {label: why for label in scattered if label not in uncovered}
        notes.append(f"a cue may have been missed: {why}")
    covered = [label for label in classes if label not in uncovered]
    return Coverage(len(covered), looked.total() if covered else 0, uncovered, tuple(notes))


def _labels_by_class(observations: Collection[Observation]) -> dict[int | None, list[str]]:
    """The labels by the index of their class: the one they are named like or, if none, the one the net takes most for.

    None for labels whose images the net takes for several classes. Small labels count only if they are named like one.
    """
    groups: dict[str, list[Observation]] = {}
    for observation in observations:
        groups.setdefault(observation.source.label, []).append(observation)
    of_class: dict[int | None, list[str]] = {}
    for label, group in sorted(groups.items()):
        index = group[0].source.label_class
        if index is None:
            if len(group) < MIN_IMAGES:
                continue
            predicted, times = Counter(each.predicted for each in group).most_common(1)[0]
            index = predicted if times >= MOST * len(group) else None
        of_class.setdefault(index, []).append(label)
    return of_class


def _named(labels: Sequence[str]) -> str:
    if len(labels) > MAX_NAMED:
        return f"{', '.join(map(repr, labels[:MAX_NAMED]))} and {count(len(labels) - MAX_NAMED, 'other')}"
    *most, last = map(repr, labels)
    return f"{', '.join(most)} and {last}" if most else last
