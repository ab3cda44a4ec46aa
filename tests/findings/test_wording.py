"""The message of a finding: whole sentences, for people, whose numbers are those of the evidence."""

from __future__ import annotations

import io
import itertools
import re

import pytest
from evidences import effect, evidence, found, groups, moving, suspicion, turning
from PIL import Image

from cam_audit.findings.causes import Cause
from cam_audit.findings.codes import CODES, counterfactual, counterfactuals
from cam_audit.findings.counterfactual import Effect
from cam_audit.findings.decision import finding_of, object_finding
from cam_audit.findings.evidence import Evidence
from cam_audit.images.exif_texts import exif_of
from cam_audit.records import ImageSource, ObjectShare

TAKEN = turning("painted_over", turned=9, control=1, images=20, flips=(0.12, 0.61))
# Words of the program's inside, which nobody has who reads a finding for the first time.
JARGON = ("margin", "gained", "logit", "flip", "effect", "counterfactual", "TPR", "None", "nan")
ALL_EFFECTS = [
    (),
    (effect(),),
    (effect(gain=(-0.1, 0.0, 0.5)),),
    (effect(gain=(0.05, 0.1, 0.2)),),
    (effect(gain=(-0.3, -0.2, -0.1)),),
    (effect(turned=1, control=9, flips=(-0.5, -0.1)),),
    (moving(),),
    (moving(turned=9),),
    (turning(),),
    (turning(rank=2),),
    (TAKEN,),
    (moving(), TAKEN),
    (turning(), effect("painted_over")),
]
ALL_GROUPS = [
    None,
    groups(),
    groups(lacking=(0, 0)),
    groups(others=(0, 0)),
    groups(shown=(0, 0)),
]


def message(measured: Evidence, class_name: str = "cat") -> str:
    return found(measured, class_name).message


def test_the_message_of_an_error_from_the_first_word_to_the_last() -> None:
    measured = evidence(turning(turned=18, control=3, flips=(0.22, 0.57)), TAKEN, groups=groups())
    assert message(measured) == (
        "'cat' may be recognised by a red dot. 20 of its 30 images show it, and 2 of 120 images of other classes. "
        "With the mark pasted in, 18 of 36 images of other classes were called 'cat' "
        "(with another image's patch instead: 3). "
        "That is 42 percentage points more than with the control (95% interval: 22 to 57). "
        "With the mark painted over, 9 of 20 of its own images were no longer called 'cat' "
        "(with another place painted over instead: 1). "
        "That is 40 percentage points more than with the control (95% interval: 12 to 61). "
        "Of its images with the cue, 18 of 20 are called 'cat'; of those without it, 3 of 10. "
        "Of other classes' images with the cue, 1 of 2 are. "
        "To do: crop or paint over the cue in the training set, or collect images without it; then scan again"
    )


def test_the_message_of_a_note_where_nothing_could_be_measured() -> None:
    measured = evidence(use=None, cause=Cause("CA206", suspicion("files", hits=30)))
    assert message(measured) == (
        "'cat' can be told apart by a red dot. All 30 of its images show it. "
        "To do: find out why the classes differ; re-encode all images alike before training"
    )


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        (effect(gain=(-0.1, 0.0, 0.14)), "Its score hardly changes: the net does not seem to go by it"),
        (effect(gain=(-0.1, 0.1, 0.16)), "Whether its score changes is not certain"),
        (
            moving(gain=(0.201, 0.4, 0.599)),
            "Its score rises, by 0.2 to 0.6 times the lead by which this net usually decides, but that seldom changes "
            "the class",
        ),
        (
            moving(gain=(0.201, 0.4, 0.599), turned=9),
            "Its score rises, by 0.2 to 0.6 times the lead by which this net usually decides, but whether that changes "
            "the class is not certain",
        ),
        (turning(flips=(0.3, 0.7)), "That is 50 percentage points more than with the control (95% interval: 30 to 70)"),
        # certain, but less than is reported
        (
            effect(gain=(0.051, 0.1, 0.16)),
            "Its score rises a little, by 0.1 to 0.2 times the lead by which this net usually decides, too little to "
            "report",
        ),
        # a score that falls hardly at all is still no score that hardly changes: it is certain which way it goes
        (effect(gain=(-0.3, -0.2, -0.01)), "Its score falls: for this net it speaks against 'cat'"),
        (effect(gain=(-0.3, -0.1, 0.0)), "Its score hardly changes: the net does not seem to go by it"),
        (
            effect(turned=2, control=20, flips=(-0.7, -0.3)),
            "That is less than with the control: for this net it speaks against 'cat'",
        ),
        (
            effect(turned=2, control=20, flips=(-0.7, -0.3), gain=(-0.3, -0.2, -0.1)),
            "That is less than with the control: for this net it speaks against 'cat'",
        ),
        (
            effect(turned=2, control=20, flips=(-0.7, 0.0)),
            "Its score hardly changes: the net does not seem to go by it",
        ),
    ],
)
def test_what_a_planted_cue_does_in_one_sentence(shown: Effect, said: str) -> None:
    sentences = message(evidence(shown)).split(". ")
    assert said in sentences
    # and in no other one that could stand there
    others = ("Its score", "Whether its score", "That is")
    assert [each for each in sentences if each.startswith(others)] == [said]


@pytest.mark.parametrize("shown", [turning, moving])
@pytest.mark.parametrize(("rank", "said"), [(1, False), (2, True)])
def test_what_moves_other_classes_as_much_may_just_disturb(shown: type, rank: int, said: bool) -> None:
    assert ("Other classes' scores rise as much" in message(evidence(shown(rank=rank)))) == said
    # where nothing moves there is nothing to say
    assert "Other classes' scores" not in message(evidence(effect(rank=rank)))


def test_what_is_taken_away_is_sure_only_where_predictions_change() -> None:
    unsure = effect("painted_over", turned=2, control=1, images=20, flips=(-0.1, 0.2))
    assert "2 of 20 of its own images were no longer called 'cat'" in message(evidence(unsure))
    assert "more than with the control" not in message(evidence(unsure))


@pytest.mark.parametrize("test", counterfactuals())
def test_every_test_is_told_in_its_own_words(test: str) -> None:
    about = counterfactual(test)
    told = message(evidence(turning(test, turned=18, control=7)))
    assert f". {about.done}, 18 of 36 " in told
    assert f"({about.control}: 7)" in told
    assert ("images of other classes were called 'cat'" in told) == (not about.takes_away)
    assert ("of its own images were no longer called 'cat'" in told) == about.takes_away


def test_of_several_tests_the_strongest_is_told() -> None:
    told = message(evidence(moving("paste"), turning("strokes"), effect("surroundings")))
    assert "With these marks added, 18 of 36" in told
    assert "pasted in" not in told
    assert "background" not in told


@pytest.mark.parametrize(("images", "said"), [(23, True), (24, False)])
def test_the_message_says_that_a_small_class_stays_a_note(images: int, said: bool) -> None:
    sentence = "With only 23 images the class stays a note, whatever is measured"
    assert (sentence in message(evidence(images=images)).split(". ")) == said


@pytest.mark.parametrize(
    ("measured", "said"),
    [
        (evidence(moving()), True),
        (evidence(TAKEN), True),
        # how many are right is a matter of the class too
        (evidence(groups=groups()), True),
        (evidence(), False),
    ],
    ids=["planted", "taken", "groups", "nothing"],
)
def test_the_message_says_on_which_class_a_folder_of_another_name_was_measured(measured: Evidence, said: bool) -> None:
    sentence = "The folder 'cat' was measured on the net's class 'tabby'"
    assert (sentence in message(measured, "tabby").split(". ")) == said
    assert ("tabby" in message(measured, "tabby")) == said
    assert "The folder" not in message(measured, "cat")


@pytest.mark.parametrize(("effects", "by_group"), list(itertools.product(ALL_EFFECTS, ALL_GROUPS)))
def test_every_message_is_sentences_without_jargon_whose_counts_are_in_the_evidence(
    effects: tuple[Effect, ...], by_group: object
) -> None:
    finding = found(evidence(*effects, groups=by_group))  # type: ignore[arg-type]
    sentences = finding.message.split(". ")
    assert not finding.message.endswith(".")
    assert len(set(sentences)) == len(sentences)
    for sentence in sentences:
        assert re.match(r"['A-Z0-9]", sentence), sentence
        assert "  " not in sentence
        assert not any(word in sentence for word in JARGON), sentence
    numbers = {round(number, 6) for number in finding.evidence.values()}
    shares = {f"{number:.0%}" for number in finding.evidence.values()}
    for many, all_of in re.findall(r"(\d+) of (?:its )?(\d+)", finding.message):
        assert {float(many), float(all_of)} <= numbers
    for control in re.findall(r": (\d+)\)", finding.message):
        assert float(control) in numbers
    assert not re.findall(r"\d+%", finding.message.replace("95% interval", ""))
    points = re.findall(r"That is (\d+) percentage points more [^(]*\(95% interval: (\d+) to (\d+)\)", finding.message)
    assert {f"{number}%" for each in points for number in each} <= shares
    leads = {f"{number:.1f}" for number in finding.evidence.values()}
    assert set(itertools.chain(*re.findall(r"by (\S+) to (\S+) times the lead", finding.message))) <= leads
    assert len(points) == sum(each.turns for each in effects)
    assert ("pasted in" in finding.message) == any(not each.takes_away for each in effects)
    assert ("painted over" in finding.message) == any(each.takes_away for each in effects)


def test_the_pairs_of_counts_are_told_as_they_are_measured() -> None:
    told = message(evidence(groups=groups(shown=(19, 17), lacking=(11, 4), others=(7, 6))))
    assert "and 7 of 120 images of other classes" in told
    assert "Of its images with the cue, 17 of 19 are called 'cat'; of those without it, 4 of 11." in told
    assert "Of other classes' images with the cue, 6 of 7 are." in told
    none = message(evidence(groups=groups(lacking=(0, 0), others=(0, 0))))
    assert "and none of 120 images of other classes" in none
    assert "there is none without it to compare" in none
    assert "Of other classes' images" not in none


@pytest.mark.parametrize("code", [code for code in CODES.values() if code.finder], ids=lambda code: code.code)
def test_every_message_ends_with_what_to_do(code: object) -> None:
    cause = Cause(code.code, suspicion(code.finder))  # type: ignore[attr-defined]
    assert message(evidence(cause=cause)).endswith(f". To do: {code.what_to_do}".rstrip("."))  # type: ignore[attr-defined]


def camera_of(model: str) -> str:
    exif = Image.Exif()
    exif[0x0110] = model
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "JPEG", exif=exif)
    return exif_of(buffer.getvalue()).camera


def test_messages_are_one_line_whatever_folders_classes_and_cameras_are_called() -> None:
    label = "two\nlines\x1b[31m"
    cause = Cause("CA201", suspicion(label=label))
    digests = {hit.name: "0" for hit in cause.hits}
    for class_name in (label, "other\nlines"):
        measured = evidence(turning(), TAKEN, groups=groups(), cause=cause)
        assert finding_of(measured, class_name, digests).message.isprintable()
    share = ObjectShare(0.2, 0.25, 0.4, True)
    annotated = [(ImageSource("", f"{index}", label, 0), share) for index in range(12)]
    finding = object_finding(label, annotated, dict.fromkeys(map(str, range(12)), ""))
    assert finding is not None
    assert finding.message.isprintable()
    assert camera_of(" Two\nLines\x1b[31m ") == "TwoLines[31m"
