"""An all-clear for a class takes that its cue would have been found."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from cam_audit.findings.sample import classes_of
from cam_audit.records import ImageSource
from cam_audit.scan.coverage import MAY_BE_ONE, NO_CLASSES, NO_OTHERS, TOO_SMALL, Coverage, coverage_of

NAMES = ("ant", "bee", "cow")


def covered(**labels: tuple[int, int | None, int]) -> Coverage:
    """By label: how many images, the class that the label stands for, and the one that the net takes most for."""
    sources, observations = [], []
    for label, (images, known, predicted) in labels.items():
        for number in range(images):
            source = ImageSource("/nowhere", f"{label}/{number}", label, known)
            sources.append(source)
            # the last third is taken for cows, and all of a class that the net does not know for several
            said = predicted if number < 2 * images / 3 else 2
            said = number % 3 if predicted < 0 else said
            observations.append(SimpleNamespace(source=source, predicted=said))
    of_any_kind: list[Any] = observations
    return coverage_of(classes_of(sources), of_any_kind, NAMES)


def test_classes_with_enough_images_are_covered() -> None:
    assert covered(ant=(12, 0, 0), bee=(12, 1, 1)) == Coverage(2, 24, {}, ())
    # labels that the net does not know count as what it takes them for
    assert covered(red=(12, None, 0), blue=(12, None, 1)).classes == 2


def test_small_classes_and_those_without_others_are_not() -> None:
    found = covered(ant=(30, 0, 0), bee=(11, 1, 1))
    assert (found.classes, found.images, found.uncovered) == (1, 41, {"bee": TOO_SMALL})
    found = covered(ant=(30, 0, 0), bee=(5, 1, 1))
    assert (found.classes, found.images) == (0, 0)
    assert found.uncovered == {"ant": NO_OTHERS, "bee": TOO_SMALL}
    assert found.notes[-1] == "that leaves too few images to compare the other class with"


def test_without_two_classes_nothing_is_covered_and_it_says_what_helps() -> None:
    for found in (covered(ant=(30, 0, 0)), covered()):
        assert (found.classes, found.notes) == (0, (NO_CLASSES,))
        (why,) = set(found.uncovered.values())
        assert why.startswith(NO_CLASSES)
        assert "--labels" in why


def test_labels_that_may_be_one_class_get_no_all_clear() -> None:
    found = covered(ant=(20, 0, 0), ant_2=(20, None, 0), bee=(20, 1, 1))
    assert (found.classes, set(found.uncovered)) == (1, {"ant", "ant_2"})
    why = f"the net takes most of 'ant' and 'ant_2' for 'ant', {MAY_BE_ONE}"
    assert set(found.uncovered.values()) == {why}
    assert found.notes == (f"a cue may have been missed: {why}",)
    # two classes of the net are two, whatever it takes them for
    assert covered(ant=(20, 0, 0), bee=(20, 1, 0)).classes == 2
    # a handful of images hides no cue
    assert covered(ant=(20, 0, 0), ant_2=(8, None, 0), bee=(20, 1, 1)).uncovered == {"ant_2": TOO_SMALL}


def test_many_classes_that_may_be_one_take_one_note() -> None:
    found = covered(a=(20, None, 0), b=(20, None, 0), c=(20, None, 1), d=(20, None, 1))
    assert found.classes == 0
    assert found.notes == (
        "a cue may have been missed: the net takes most of 'a' and 'b' for 'ant' (and likewise of other labels for 1 "
        f"other class), {MAY_BE_ONE}",
    )


def test_a_label_that_the_net_takes_for_several_classes_gets_no_all_clear() -> None:
    found = covered(berlin=(21, None, -1), ant=(20, 0, 0), bee=(20, 1, 1))
    taken = "no class of the net is called 'berlin', and it takes these images for several classes"
    why = f"{taken}; --labels says what each is"
    assert (found.classes, found.uncovered) == (2, {"berlin": why})
    assert found.notes == (f"a cue may have been missed: {why}",)
    assert covered(berlin=(21, None, -1), paris=(21, None, -1)).classes == 0
    # what a class is called counts, whatever the net says of its images
    assert covered(ant=(21, 0, -1), bee=(20, 1, 1)).classes == 2
