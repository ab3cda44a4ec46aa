"""Text that a terminal and UTF-8 can take: names of files and folders come from strangers."""

from __future__ import annotations

import json
from collections.abc import Mapping


def printable(line: str) -> str:
    """A line without what could steer a terminal."""
    # surrogates stand for bytes that are not UTF-8; the stream escapes them
    return "".join(c if c.isprintable() or "\udc80" <= c <= "\udcff" else "\N{REPLACEMENT CHARACTER}" for c in line)


def as_utf8(text: str) -> str:
    """Text that UTF-8 can hold: what stands for a byte of a file name that is not UTF-8 becomes an escape."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def count(number: int, noun: str, plural: str = "") -> str:
    """`1 image`, `2 images`, `3 classes`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def json_text(document: Mapping[str, object], *, sort_keys: bool = False) -> str:
    """A JSON document, indented, UTF-8, ended by a newline."""
    return as_utf8(json.dumps(document, indent=2, ensure_ascii=False, sort_keys=sort_keys)) + "\n"
