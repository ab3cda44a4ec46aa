"""Tables of fields take what they say, refuse all else, and name the field."""

from __future__ import annotations

import json

import pytest

from cam_audit.reports.fields import (
    MAX_DEPTH,
    FieldError,
    by_name,
    exact_text,
    listed,
    one_of,
    optional,
    parse_json,
    path_below,
    real,
    system_path,
    table,
    text,
    truth,
    whole,
)

TABLE = table({"size": whole(1, 9), "rows": listed(table({"name": text}))}, {"share": optional(real(0, 1))})


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


def test_an_object_with_all_its_fields_is_taken_and_further_ones_stay() -> None:
    given = {"size": 9, "rows": [{"name": "a"}, {"name": "b", "more": None}], "share": None, "other": [1]}
    assert TABLE(given) == {**given, "rows": ({"name": "a"}, {"name": "b", "more": None})}
    assert "share" not in TABLE({"size": 1, "rows": []})


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"size": 10}, "size: must be a whole number from 1 to 9, not 10"),
        ({"size": 1.0}, "size: must be a whole number from 1 to 9, not 1.0"),
        ({"size": True}, "size: must be a whole number from 1 to 9, not True"),
        ({"size": 10**400}, f"size: must be a whole number from 1 to 9, not 1{'0' * 59}..."),
        ({"share": "0"}, "share: must be a number from 0 to 1, not '0'"),
        ({"rows": {}}, "rows: must be a list, not dict {}"),
        ({"rows": [{"name": "a"}, {}]}, "rows[1].name: is missing"),
        ({"rows": [[]]}, "rows[0]: must be an object, not list []"),
        ({"rows": [{"name": None}]}, "rows[0].name: must be a text, not None"),
    ],
)
def test_what_is_wrong_is_told_with_its_place_in_one_short_line(changed: dict[str, object], words: str) -> None:
    with pytest.raises(FieldError) as error:
        TABLE({"size": 1, "rows": [], **changed})
    assert str(error.value) == words


def test_a_missing_field_is_told() -> None:
    with pytest.raises(FieldError, match=r"^size: is missing$"):
        TABLE({"rows": []})


def test_what_a_record_refuses_gets_its_place_too() -> None:
    def make(item: dict[str, object]) -> None:
        raise ValueError("no such thing")

    with pytest.raises(FieldError, match=r"^\[0\]\.inner: no such thing$"):
        listed(table({"inner": table({}, make=make)}))([{"inner": {}}])


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (real(), [0, -1.5, 2**53], [2**53 + 1, float("nan"), float("inf"), "1", None, True]),
        (one_of("a", "b"), ["a"], ["c", None, ["a"], 0]),
        (truth, [True, False], [0, 1, "true", None]),
        (listed(real(), 2), [[1, 2]], [[1], [1, 2, 3], "12", None]),
        (by_name(whole()), [{}, {"a": 0}], [{"a": -1}, [], None]),
        (path_below, ["a/b.png", "a"], ["", "..", "a/../b", "/a", "a//b", "a\0", 1]),
        (system_path, ["../a", "\udcff"], ["\ud800", "a\0b", None]),
        (exact_text, ["\ud800"], [1, None]),
    ],
)
def test_checks_take_what_they_say(check: object, good: list[object], bad: list[object]) -> None:
    for value in good:
        check(value)  # type: ignore[operator]
    for value in bad:
        with pytest.raises(FieldError):
            check(value)  # type: ignore[operator]


def test_surrogates_become_escapes_where_text_is_shown_and_stay_where_files_are_found() -> None:
    assert (text("\udcff"), system_path("\udcff"), exact_text("\udcff")) == (r"\udcff", "\udcff", "\udcff")


def test_json_is_read_to_a_depth_and_no_further() -> None:
    assert parse_json(nested(MAX_DEPTH)) == json.loads(nested(MAX_DEPTH))
    for depth in (MAX_DEPTH + 1, 900, 200_000):
        with pytest.raises(ValueError, match="nested too deeply"):
            parse_json(nested(depth))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "9" * 5000])
def test_numbers_are_finite_and_not_endless(number: str) -> None:
    with pytest.raises(ValueError, match=r"is no number in JSON|is too large a number|Exceeds the limit"):
        parse_json(f'{{"a": [{number}]}}')
