"""Words name classes by folded name, WordNet id or index; none where that is not certain."""

from __future__ import annotations

import unicodedata

import pytest

from cam_audit.errors import CamAuditError
from cam_audit.models.class_names import ClassNames

NAMES = (
    "tench",
    "great white shark",
    "black-and-tan coonhound",
    "crane",
    "Cardigan",
    "cardigan",
    "crane",
    "7",
    "Straße",
)
IDS = tuple(f"n{index:08}" for index in range(len(NAMES)))
CLASSES = ClassNames(NAMES, IDS)


@pytest.mark.parametrize(
    ("word", "index"),
    [
        ("tench", 0),
        ("TENCH", 0),
        (" Tench ", 0),
        ("great_white_shark", 1),
        ("Great-White  Shark", 1),
        ("black_and_tan_coonhound", 2),
        ("STRASSE", 8),
        ("n00000003", 3),
        ("n00000006", 6),
        ("4", 4),
        ("0", 0),
        ("08", 8),
        ("7", 7),
        ("Cardigan", 4),
        ("cardigan", 5),
        # two classes of one name: neither is certain
        ("crane", None),
        ("CRANE", None),
        ("CARDIGAN", None),
        ("greatwhiteshark", None),
        ("9", None),
        ("-1", None),
        ("1.0", None),
        ("²", None),
        ("٣", None),
        ("", None),
        ("n1", None),
    ],
)
def test_a_word_names_a_class_by_folded_name_id_or_index(word: str, index: int | None) -> None:
    assert CLASSES.find(word) == index


def test_a_name_goes_before_an_id_and_an_id_before_an_index() -> None:
    classes = ClassNames(("2", "a", "b", "c"), ("3", "1", "", ""))
    assert [classes.find(word) for word in "2310"] == [0, 0, 1, 0]


def test_a_net_without_ids_has_no_class_of_the_empty_name() -> None:
    assert ClassNames(("a", "b"), ("", "")).find("") is None


def test_the_nearest_name_is_offered_for_a_typo() -> None:
    assert CLASSES.nearest("Grate White Shark") == "great white shark"
    assert CLASSES.nearest("zzzzzzzz") is None


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("tensch", "here: the net has no class 'tensch'; did you mean 'tench'?"),
        ("zzzzzzzz", "here: the net has no class 'zzzzzzzz'; "),
        ("crane", "here: 2 classes are called 'crane'; name one by its index: 3 or 6"),
        ("CARDIGAN", "name one by its index: 4 or 5"),
    ],
)
def test_a_word_that_must_name_a_class_and_does_not_is_refused_with_a_hint(word: str, message: str) -> None:
    with pytest.raises(CamAuditError) as caught:
        CLASSES.require(word, "here")
    assert message in str(caught.value)
    assert CLASSES.require("tench", "here") == 0


@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC", "NFKD"])
def test_a_name_is_found_in_any_unicode_normal_form_and_case(form: str) -> None:
    classes = ClassNames(("café \N{LATIN SMALL LIGATURE FI}n", "Ångström_bird"), ("", ""))
    for index, name in enumerate(classes.names):
        assert classes.find(unicodedata.normalize(form, name)) == index
        assert classes.find(unicodedata.normalize(form, name.upper()).replace(" ", "-")) == index


def test_an_index_is_no_name() -> None:
    assert CLASSES.find("4") == 4
    assert CLASSES.find_name("4") is None
    assert CLASSES.find_name("7") == 7
    assert CLASSES.find_name("n00000003") == 3
