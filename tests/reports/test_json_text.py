"""JSON in pieces, which must be what the json module makes of the whole."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cam_audit.reports.json_text import json_pieces, json_text

NAMES = ['a "b"\\.png', "two\nlines\r\u2028.png", "\x85\x1c", "Ж 😀"]


@pytest.mark.parametrize("items", [[], [1], [{"path": name, "box": [0.5, None], "none": {}} for name in NAMES]])
def test_json_in_pieces_is_the_document_of_the_whole(items: list[Any]) -> None:
    document = {"version": 1, 'a "name"': {"deep": [[], {"x": NAMES}]}, "items": items, "last": NAMES}
    whole = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    assert json_text(document) == whole
    assert "".join(json_pieces(document)) == whole
    assert "".join(json_pieces(document | {"items": iter(items)})) == whole
    assert "".join(json_pieces({"items": iter(items), "more": iter(items)})) == json_text(
        {"items": items, "more": items}
    )


def test_what_utf8_can_not_hold_is_escaped_in_pieces_too() -> None:
    assert (
        "".join(json_pieces({"names": iter(["\udcff.png"])})).encode() == json_text({"names": ["\udcff.png"]}).encode()
    )


def test_an_item_is_not_made_before_its_piece_is_asked_for() -> None:
    made = []

    def items() -> Any:
        for number in range(3):
            made.append(number)
            yield number

    pieces = json_pieces({"items": items()})
    while not made:
        next(pieces)
    assert made == [0]
