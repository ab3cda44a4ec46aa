"""Text that a terminal and UTF-8 can take: names of files and folders come from strangers."""

from __future__ import annotations


def printable(line: str) -> str:
    """A line without what could steer a terminal."""
    # surrogates stand for bytes that are not UTF-8; the stream escapes them
    return "".join(c if c.isprintable() or "\udc80" <= c <= "\udcff" else "\N{REPLACEMENT CHARACTER}" for c in line)
