"""Words for strangers' names and for numbers."""

from __future__ import annotations

import pytest

from cam_audit.text import count, printable, some, visible


def test_counts_are_in_english() -> None:
    assert [count(1, "image"), count(2_000, "image"), count(2, "class", "classes")] == [
        "1 image",
        "2,000 images",
        "2 classes",
    ]


def test_of_many_names_the_first_stand_for_all() -> None:
    assert [some([]), some("ab"), some("abcde"), some("abcdef"), some("abc", 2)] == [
        "",
        "a, b",
        "a, b, c, d, e",
        "a, b, c, d, e, ...",
        "a, b, ...",
    ]


@pytest.mark.parametrize("sign", ["\n", "\r", "\x1b", "\u2028", "\u202e", "\0"])
def test_signs_that_steer_are_replaced(sign: str) -> None:
    assert printable(f"a{sign}é😀") == "a\ufffdé😀"


def test_letters_that_cannot_be_seen_leave_a_mark() -> None:
    assert visible("a\u202egpj.exe\n\x1b[0m") == "a\ufffdgpj.exe\ufffd\ufffd[0m"
    assert visible("Ж/ё 😀") == "Ж/ё 😀"


def test_bytes_that_are_not_utf8_are_left_to_the_stream() -> None:
    assert printable("a\udcff\x1b") == "a\udcff\ufffd"
    assert visible("a\udcff\x1b") == "a\ufffd\ufffd"
