"""How grave a finding is, what is in its evidence, and what makes it the same one again."""

from __future__ import annotations

import dataclasses
import itertools
import re

import pytest
from evidences import BOX, DIGESTS, effect, evidence, found, groups, moving, suspicion, turning

from cam_audit.findings.causes import Cause
from cam_audit.findings.codes import ERROR, NOTE, WARNING, counterfactual, counterfactuals
from cam_audit.findings.counterfactual import Effect
from cam_audit.findings.decision import (
    Annotated,
    fingerprint,
    object_finding,
    order,
    outside_examples,
    severity,
)
from cam_audit.findings.evidence import Use
from cam_audit.findings.intervals import share_interval
from cam_audit.records import Finding, ImageSource, ObjectShare

NOTHING = effect(flips=(-0.1, 0.05))
# Of what takes the cue away only the predictions count.
TAKEN = turning("painted_over", gain=(-0.1, 0.1, 0.3))
PLANTED_ONES = [name for name, test in counterfactuals().items() if not test.takes_away]
TAKEN_ONES = [name for name, test in counterfactuals().items() if test.takes_away]


@pytest.mark.parametrize(
    ("effects", "expected"),
    [
        ((), NOTE),
        ((NOTHING,), NOTE),
        ((moving(),), WARNING),
        ((turning(),), ERROR),
        # predictions change, though by less than moves the score for certain
        ((turning(gain=(-0.1, 0.1, 0.3)),), ERROR),
        # one test of several is enough
        ((NOTHING, moving("strokes")), WARNING),
        ((NOTHING, turning("strokes")), ERROR),
        # what is taken away counts where planting it moves the score
        ((moving(), TAKEN), ERROR),
        ((NOTHING, TAKEN), NOTE),
        ((TAKEN,), NOTE),
        ((moving(), effect("painted_over", flips=(-0.1, 0.05), gain=(2, 3, 4))), WARNING),
        # and to take it away moves no score by itself
        ((effect("painted_over", flips=(-0.1, 0.05), gain=(2, 3, 4)),), NOTE),
    ],
)
def test_severity_is_by_what_the_tests_show(effects: tuple[Effect, ...], expected: str) -> None:
    for several in itertools.permutations(effects):
        assert severity(24, evidence(*several)) == expected
        assert found(evidence(*several, images=24)).severity == expected


@pytest.mark.parametrize("images", [12, 23])
def test_a_class_of_few_images_gets_a_note_whatever_is_measured(images: int) -> None:
    assert severity(images, evidence(turning(), TAKEN)) == NOTE
    assert severity(24, evidence(turning(), TAKEN)) == ERROR


@pytest.mark.parametrize("test", PLANTED_ONES)
def test_a_warning_takes_that_the_whole_interval_is_above_what_the_test_must_gain(test: str) -> None:
    least = counterfactual(test).min_gain
    assert severity(24, evidence(moving(test))) == WARNING
    assert severity(24, evidence(moving(test, gain=(least, 0.5, 0.6)))) == NOTE


@pytest.mark.parametrize("effects", [(turning(),), (moving(), TAKEN)], ids=["planted", "taken"])
@pytest.mark.parametrize(("there", "expected"), [(None, WARNING), (-0.1, WARNING), (0.0, WARNING), (0.001, ERROR)])
def test_an_error_takes_that_the_map_has_more_at_the_cue(
    effects: tuple[Effect, ...], there: float | None, expected: str
) -> None:
    use = None if there is None else Use(there, 1.0, 0.5)
    assert severity(24, evidence(*effects, use=use)) == expected


@pytest.mark.parametrize(
    ("finder", "code", "test", "expected"),
    [
        ("statistics", "CA211", "sharpness", ERROR),
        ("framing", "CA213", "framed", ERROR),
        ("colour", "CA204", "cast", WARNING),
    ],
)
def test_a_cue_without_a_place_needs_no_map_to_be_an_error(finder: str, code: str, test: str, expected: str) -> None:
    assert severity(24, evidence(turning(test), use=None, finder=finder, code=code)) == expected


@pytest.mark.parametrize(
    ("rank", "z", "stands_out"),
    [(1, None, True), (2, None, False), (None, None, True), (1, 1.99, False), (3, 2.0, True)],
)
def test_warning_and_error_take_that_the_class_stands_out(rank: int | None, z: float | None, stands_out: bool) -> None:
    assert severity(24, evidence(turning(rank=rank, z=z))) == (ERROR if stands_out else NOTE)
    assert severity(24, evidence(moving(rank=rank, z=z))) == (WARNING if stands_out else NOTE)
    taken = dataclasses.replace(TAKEN, rank=rank, z=z)
    assert severity(24, evidence(moving(), taken)) == (ERROR if stands_out else WARNING)


@pytest.mark.parametrize(
    ("flips", "turned", "expected"),
    [((0.0, 0.7), 18, WARNING), ((0.001, 0.7), 18, ERROR), ((0.001, 0.7), 3, WARNING), ((0.001, 0.7), 4, ERROR)],
)
def test_an_error_takes_that_enough_predictions_change_and_none_by_chance(
    flips: tuple[float, float], turned: int, expected: str
) -> None:
    # of 36 images a tenth are 3.6
    assert severity(24, evidence(turning(flips=flips, turned=turned))) == expected


@pytest.mark.parametrize("test", TAKEN_ONES)
def test_an_error_takes_that_taking_the_cue_away_does_not_show_the_contrary(test: str) -> None:
    contrary = effect(test, control=9, flips=(-0.4, -0.1))
    assert severity(24, evidence(turning(), contrary)) == WARNING
    # what may as well be nothing is no contrary
    assert severity(24, evidence(turning(), effect(test, control=9, flips=(-0.4, 0.0)))) == ERROR
    assert severity(24, evidence(turning(), effect(test, gain=(-0.5, -0.4, -0.3), flips=(-0.1, 0.1)))) == ERROR


@pytest.mark.parametrize("test", PLANTED_ONES)
def test_a_way_of_planting_that_fails_does_not_contradict_one_that_works(test: str) -> None:
    failing = effect(test, control=9, flips=(-0.4, -0.1), gain=(-0.5, -0.4, -0.3))
    assert severity(24, evidence(turning(), failing)) == ERROR
    assert severity(24, evidence(failing)) == NOTE


def test_the_fingerprint_is_the_code_the_class_and_the_images_and_no_scores() -> None:
    first = fingerprint("CA201", "cat", ["a", "b"])
    assert re.fullmatch("[0-9a-f]{32}", first)
    assert fingerprint("CA201", "cat", ["b", "a"]) == first
    others = {
        fingerprint(*other)
        for other in (("CA202", "cat", ["a", "b"]), ("CA201", "dog", ["a", "b"]), ("CA201", "cat", ["a", "c"]))
    }
    assert len(others | {first}) == 4
    assert fingerprint("CA201", "\udcff", []) != fingerprint("CA201", "\udcfe", [])

    cue = suspicion()
    weak = found(evidence(cause=Cause("CA201", cue)))
    turned = dataclasses.replace(cue, score=0.9, numbers={}, cue="else", hits=cue.hits[:12][::-1])
    strong = found(evidence(turning(), cause=Cause("CA201", turned)))
    assert (weak.severity, strong.severity) == (NOTE, ERROR)
    assert weak.fingerprint == strong.fingerprint == fingerprint("CA201", "cat", list(DIGESTS.values())[:12])
    fewer = Cause("CA201", dataclasses.replace(cue, hits=cue.hits[1:]))
    assert found(evidence(cause=fewer)).fingerprint != weak.fingerprint


@pytest.mark.parametrize(("hits", "examples"), [(5, 5), (12, 12), (20, 12)])
def test_examples_are_the_most_suspicious_hits_with_their_boxes(hits: int, examples: int) -> None:
    finding = found(evidence(cause=Cause("CA201", suspicion(hits=hits))))
    assert [(example.path, example.box) for example in finding.examples] == [
        (f"cat/{index:02}.png", BOX) for index in range(examples)
    ]
    assert finding.evidence["hits"] == hits


def test_no_more_images_show_a_cause_than_the_finder_that_names_it_looked_at() -> None:
    """A background of 55 of 60 images, named by what the map shows in the 40 that were taken to parts."""
    context, border = suspicion("context", images=40, hits=30), suspicion("border", images=60, hits=55)
    apart = frozenset(f"cat/{index:02}.png" for index in range(40))
    cause = Cause("CA207", dataclasses.replace(context, looked_at=apart), (border,))
    finding = found(evidence(cause=cause))
    # it says "55 of its 40 images show it"
    assert finding.evidence["hits"] <= finding.evidence["images"]
    assert "All 40 of its images show it" in finding.message


def test_all_numbers_are_in_the_evidence() -> None:
    repeated, overlay = suspicion(), suspicion("template", hits=24)
    planted = turning("strokes", control=3, gain=(1 / 3, 2 / 3, 1), rank=2, z=4 / 3)
    weaker = moving("paste", rank=None)
    taken = effect("painted_over", turned=9, images=20, flips=(0.1, 0.6), gain=(0.2, 0.4, 0.8))
    measured = evidence(
        weaker,
        planted,
        taken,
        use=Use(2 / 3, 1.5, 0.125),
        cause=Cause("CA202", repeated, (overlay,)),
        changed={"a": True, "b": False, "c": True},
        groups=groups(lacking=(0, 0)),
        passes=51,
    )

    def numbers(prefix: str, each: Effect) -> dict[str, float]:
        both = {
            f"{prefix}{name}{end}": value
            for name, estimate in (("gain", each.gain), ("flips", each.flips))
            for end, value in (("", estimate.value), ("_low", estimate.low), ("_high", estimate.high))
        }
        counts = {"targets": each.images, "turned": each.turned, "control_turned": each.control_turned}
        standing = {"rank": each.rank, "z": each.z}
        return both | {f"{prefix}{name}": n for name, n in (counts | standing).items() if n is not None}

    called = {"shown": share_interval(18, 20), "others": share_interval(1, 2)}
    evidence_of = found(measured).evidence
    assert evidence_of == pytest.approx(
        {
            "images": 30,
            "hits": 24,
            "score": 20 / 30,
            "threshold": 0.1,
            "copies_left_out": 0,
            "duplicates_score": 20 / 30,
            "template_score": 24 / 30,
            "strength": 1 / 3,
            "use": 2 / 3,
            "use_everywhere": 1.5,
            "use_area": 0.125,
            **numbers("", planted),
            **numbers("strokes_", planted),
            **numbers("paste_", weaker),
            **numbers("taken_", taken),
            **numbers("painted_over_", taken),
            "removal_change_rate": 2 / 3,
            "others_looked_at": 120,
            "shown_images": 20,
            "shown_called": 18,
            "lacking_images": 0,
            "lacking_called": 0,
            "others_images": 2,
            "others_called": 1,
            **{f"{name}_called_low": share.low for name, share in called.items()},
            **{f"{name}_called_high": share.high for name, share in called.items()},
            "passes": 51,
        },
        abs=1e-6,
    )
    assert all(type(value) is float for value in evidence_of.values())


def test_what_was_not_measured_is_not_in_the_evidence() -> None:
    finding = found(evidence(use=None, finder="files", code="CA206"))
    assert finding.severity == NOTE
    always = {"images", "hits", "score", "threshold", "copies_left_out", "passes"}
    assert set(finding.evidence) == always | {"files_score", "strength"}


def shared(inside: float | None, area: float = 0.25, *, wins: bool = True, name: str = "a") -> Annotated:
    return ImageSource("", name, "cat", 0), ObjectShare(inside, area, 0.4, wins)


def named(*images: Annotated) -> list[Annotated]:
    return [
        (dataclasses.replace(source, name=f"cat/{index:02}.png"), share) for index, (source, share) in enumerate(images)
    ]


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        ([shared(0.2)] * 11, None),
        ([shared(0.2)] * 11 + [shared(None)] * 20, None),
        ([shared(0.2)] * 12, NOTE),
        ([shared(0.2)] * 23, NOTE),
        ([shared(0.2)] * 24, ERROR),
        ([shared(0.25)] * 24, ERROR),
        ([shared(0.26)] * 24, None),
        ([shared(0.2, wins=False)] * 24, WARNING),
        ([shared(0.2, wins=index % 2 == 0) for index in range(24)], WARNING),
        ([shared(0.2, wins=index < 13) for index in range(24)], ERROR),
        # medians, not means
        ([shared(0.2)] * 13 + [shared(1.0)] * 11, ERROR),
        ([shared(0.3)] * 13 + [shared(0.0)] * 11, None),
    ],
)
def test_evidence_outside_the_object(results: list[Annotated], expected: str | None) -> None:
    finding = object_finding("cat", named(*results), DIGESTS)
    assert (finding and finding.severity) == expected


def test_the_numbers_of_evidence_outside_the_object() -> None:
    results = named(*[shared(0.1 + index / 1000, wins=index < 10) for index in range(40)])
    finding = object_finding("cat", results, DIGESTS)
    assert finding is not None
    assert finding.code == "CA205"
    assert finding.evidence == pytest.approx(
        {
            "images": 40,
            "score": 0.1195 / 0.25,
            "threshold": 1,
            "copies_left_out": 0,
            "inside_share": 0.1195,
            "inside_area": 0.25,
            "centre_share": 0.4,
            "wins_without": 0.25,
        }
    )
    assert finding.message == (
        "'cat' has 12% of its positive map inside the annotated object, which covers 25% of the image (medians of 40 "
        "images); without the object the same class wins in 25%. To do: look at the overlays of the "
        "examples, then treat as CA203"
    )
    assert [example.path for example in finding.examples] == [f"cat/{index:02}.png" for index in range(12)]
    assert finding.examples[0].box is None
    assert finding.fingerprint == fingerprint("CA205", "cat", list(DIGESTS.values())[:12])


def test_the_examples_of_evidence_outside_are_the_furthest_outside_in_share_of_area() -> None:
    results = named(shared(0.3, 0.4), shared(0.2, 0.1), shared(0.5, 0.9), shared(0.3, 0.4))
    assert [source.name[-6:-4] for source in outside_examples(results)] == ["02", "00", "03", "01"]
    assert len(outside_examples(named(*[shared(0.2)] * 30))) == 12


def test_an_object_without_area_divides_nothing_by_zero() -> None:
    finding = object_finding("cat", named(*[shared(0.0, 0.0)] * 24), DIGESTS)
    assert finding is not None
    assert finding.evidence["score"] == 0


def test_findings_are_ordered_worst_first_and_never_by_chance() -> None:
    def finding(severity: str, gain: float | None, score: float, code: str = "CA201", label: str = "a") -> Finding:
        numbers = {"score": score} if gain is None else {"score": score, "gain": gain}
        return Finding(code, severity, label, "", numbers, (), "")

    ordered = [
        finding(ERROR, 0.9, 0.3),
        finding(ERROR, 0.2, 0.9),
        finding(WARNING, 0.1, 0.2),
        finding(WARNING, None, 0.9),
        finding(WARNING, None, 0.5),
        finding(NOTE, None, 0.5),
        finding(NOTE, None, 0.5, label="b"),
        finding(NOTE, None, 0.5, code="CA202"),
        finding(NOTE, -0.1, 1.0),
    ]
    for shift in range(len(ordered)):
        assert sorted(ordered[shift:] + ordered[:shift], key=order) == ordered
