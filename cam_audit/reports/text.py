"""Text that a terminal and UTF-8 can take: names of files and folders come from strangers."""

from __future__ import annotations

import json
from collections.abc import Mapping


def printable(line: str) -> str:
    """A line without what could steer a terminal."""
    # surrogates stand for bytes that are not UTF-8; the stream escapes them
    return "".join(c if c.isprintable() or "\udc80" <= c <= "\udcff" else "\N{REPLACEMENT CHARACTER}" for c in line)


def count(number: int, noun: str) -> str:
    """A number and its noun, which gets an s where it needs one."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def json_text(document: Mapping[str, object], *, sort_keys: bool = False) -> str:
    """A JSON document, indented, UTF-8, ended by a newline."""
    text = json.dumps(document, indent=2, ensure_ascii=False, sort_keys=sort_keys)
    # a file name that is not UTF-8 reaches us with surrogates, which UTF-8 can't hold
    return text.encode("utf-8", "backslashreplace").decode("utf-8") + "\n"
