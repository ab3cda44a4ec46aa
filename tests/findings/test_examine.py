"""Which images are asked how much of their score lies in the surroundings, and which are flagged for it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from data_sets import flagged
from meadows import LARGE, audited, draw_meadows, meadow_net, red_net, share_of, size_of

from cam_audit.findings.sample import draw_key
from cam_audit.models.model import Model, load_model
from cam_audit.records import AuditResult, ImageSource

pytestmark = pytest.mark.usefixtures("described_once")

# Of the noise in the cells, some is left by rounding, which the net sees.
ROUNDING = 0.02


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return load_model(meadow_net().write(tmp_path_factory.mktemp("net") / "meadow.onnx"))


@pytest.fixture(scope="module")
def red(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return load_model(red_net().write(tmp_path_factory.mktemp("red") / "red.onnx"))


Drawn = Callable[..., Path]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    """Sets of so many ants, bees and cows, each drawn once; no test changes them."""

    @functools.cache
    def of(*counts: int, around: tuple[str, ...] = ("ant",)) -> Path:
        return draw_meadows(tmp_path_factory.mktemp("meadows"), counts, around)

    return of


def names(label: str, count: int) -> list[str]:
    """In the order in which they are drawn."""
    return sorted(
        (f"{label}/{n:02}.png" for n in range(count)), key=lambda name: draw_key(ImageSource("", name, label, 0))
    )


def assert_shares(shares: Mapping[str, float], ants: list[str], others: list[str]) -> None:
    """Those of ants are as large as their meadows, others have none, and no other image was asked."""
    assert shares.keys() == {*ants, *others}
    for name in ants:
        assert shares[name] == pytest.approx(share_of(size_of(name)), abs=ROUNDING), name
    assert all(shares[name] == 0 for name in others)


def found(result: AuditResult) -> list[tuple[str, str]]:
    return [(finding.code, finding.label) for finding in result.findings]


def test_images_with_more_than_half_of_their_score_around_are_flagged_and_no_cue_is_said_to_be_in_them(
    drawn: Drawn, net: Model, red: Model
) -> None:
    result = audited(net, drawn(26, 26, 26), foreground=red)
    assert found(result) == [("CA207", "ant")]
    (finding,) = result.findings
    assert finding.severity in ("warning", "error")
    assert finding.evidence["surroundings_share"] == pytest.approx(finding.evidence["score"], abs=ROUNDING)
    ants, others = names("ant", 26), names("bee", 26) + names("cow", 26)
    assert_shares(result.surroundings, ants, others)
    # large meadows have 25 of 34, small ones 4 of 13
    assert flagged(result, "CA107") == {name for name in ants if size_of(name) == LARGE}
    assert set(result.flags) == flagged(result, "CA107")
    assert result.passes == finding.evidence["passes"]


def test_without_a_foreground_net_nothing_is_asked_or_found(drawn: Drawn, net: Model) -> None:
    result = audited(net, drawn(26, 26, 26))
    assert (found(result), result.flags, result.surroundings) == ([], {}, {})
    assert result.parts


def test_where_other_classes_have_the_same_around_them_no_image_is_flagged(
    drawn: Drawn, net: Model, red: Model
) -> None:
    result = audited(net, drawn(26, 26, 26, around=("ant", "bee", "cow")), foreground=red)
    assert "CA207" not in {code for code, _ in found(result)}
    assert flagged(result, "CA107") == set()
    # though most of an ant's score may well lie there
    of_ants = {name: share for name, share in result.surroundings.items() if name.startswith("ant")}
    assert_shares(of_ants, names("ant", 26), [])


SAMPLED, APART = 28, 24


@pytest.fixture
def few_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a class 28 images are sampled, and 24 of these are taken to parts."""
    monkeypatch.setattr("cam_audit.findings.sample.MAX_SAMPLED_PER_CLASS", SAMPLED)
    monkeypatch.setattr("cam_audit.findings.sample.MAX_PART_IMAGES", APART)


@pytest.mark.usefixtures("few_are_sampled")
def test_all_images_of_a_class_with_a_warning_are_asked_and_those_of_others_that_were_taken_to_parts(
    drawn: Drawn, net: Model, red: Model
) -> None:
    looks: list[tuple[int, int]] = []
    result = audited(net, drawn(33, 30, 28), foreground=red, on_look=lambda *look: looks.append(look))
    assert found(result) == [("CA207", "ant")]
    (finding,) = result.findings
    assert finding.severity != "note"
    assert finding.evidence["images"] == APART
    ants = names("ant", 33)
    assert_shares(result.surroundings, ants, names("bee", 30)[:APART] + names("cow", 28)[:APART])
    assert flagged(result, "CA107") == {name for name in ants if size_of(name) == LARGE}
    # or it would be no test of those that were asked later
    assert {size_of(name) for name in ants[:APART]} == {size_of(name) for name in ants[APART:]}
    assert set(result.flags) == flagged(result, "CA107")
    # a pass each for 4 that were sampled and 5 that were not
    assert result.passes == finding.evidence["passes"] + 9
    assert looks == [(number, 9) for number in range(1, 10)]
    assert any(note.startswith("in the class with a cue, the other 5 images") for note in result.notes)


@pytest.mark.usefixtures("few_are_sampled")
def test_of_a_class_with_a_note_those_are_asked_that_were_taken_to_parts(
    drawn: Drawn, net: Model, red: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cam_audit.findings.sample.MAX_PART_IMAGES", 22)
    looks: list[tuple[int, int]] = []
    result = audited(net, drawn(33, 30, 28), foreground=red, on_look=lambda *look: looks.append(look))
    (finding,) = result.findings
    # with fewer than 24 images it stays a note
    assert (finding.code, finding.severity, finding.evidence["images"]) == ("CA207", "note", 22)
    ants = names("ant", 33)[:22]
    assert_shares(result.surroundings, ants, names("bee", 30)[:22] + names("cow", 28)[:22])
    assert flagged(result, "CA107") == {name for name in ants if size_of(name) == LARGE}
    assert looks == []
    assert result.passes == finding.evidence["passes"]
    assert not any("with a cue" in note for note in result.notes)


@pytest.mark.usefixtures("few_are_sampled")
def test_an_image_that_is_gone_or_torn_by_then_is_neither_flagged_nor_has_it_a_share(
    drawn: Drawn, net: Model, red: Model, tmp_path: Path
) -> None:
    for path in drawn(33, 30, 28).glob("*/*.png"):
        (tmp_path / path.parent.name).mkdir(exist_ok=True)
        (tmp_path / path.parent.name / path.name).write_bytes(path.read_bytes())
    gone, torn = [name for name in names("ant", 33)[APART:] if size_of(name) == LARGE][:2]

    def on_record(record: object) -> None:
        if record.source.name == "cow/27.png":  # type: ignore[attr-defined]
            (tmp_path / gone).unlink()
            (tmp_path / torn).write_bytes(b"torn")

    result = audited(net, tmp_path, foreground=red, on_record=on_record)
    left = [name for name in names("ant", 33) if name not in (gone, torn)]
    assert_shares(result.surroundings, left, names("bee", 30)[:APART] + names("cow", 28)[:APART])
    assert flagged(result, "CA107") == {name for name in left if size_of(name) == LARGE}
    assert result.passes == result.findings[0].evidence["passes"] + 7


def test_where_all_images_were_sampled_no_note_tells_of_others(drawn: Drawn, net: Model, red: Model) -> None:
    assert audited(net, drawn(26, 26, 26), foreground=red).notes == ()
