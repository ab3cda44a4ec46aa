"""Text that a terminal, a page and UTF-8 can take: names of files and folders come from strangers."""

from __future__ import annotations

from collections.abc import Sequence

MAX_NAMED = 5


def visible(text: str) -> str:
    """Text with a mark for each letter that can't be seen, such as one that turns the line round."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def printable(line: str) -> str:
    """A line without what could steer a terminal: `visible`, but for bytes that are not UTF-8.

    Surrogates stand for these, and the stream that the line is printed to escapes them.
    """
    return "".join(letter if "\udc80" <= letter <= "\udcff" else visible(letter) for letter in line)


def as_utf8(text: str) -> str:
    """Text that UTF-8 can hold: what stands for a byte of a file name that is not UTF-8 becomes an escape."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def cut(text: str, most: int) -> str:
    """A text of at most so many letters, and `...` where there are more."""
    return text if len(text) <= most else f"{text[:most]}..."


def count(number: int, noun: str, plural: str = "") -> str:
    """`1 image`, `2 images`, `3 classes`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def some(names: Sequence[str], most: int = MAX_NAMED) -> str:
    """The first names, and `...` if there are more: `a, b, ...`."""
    return ", ".join([*names[:most], *(["..."] if len(names) > most else [])])


def aligned(rows: Sequence[Sequence[str]], columns: int | None = None) -> list[str]:
    """A table whose first row is its head, as lines of at most so many columns, None for any number.

    Where it is too wide, each row becomes lines `head: cell`, with an empty line between rows.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    if columns is None or sum(widths) + 2 * (len(widths) - 1) <= columns:
        return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    head, *others = rows
    wide = max(map(len, head)) + 1
    blocks = [[f"{name + ':':{wide}} {cell}" for name, cell in zip(head, row, strict=True) if cell] for row in others]
    return [line for block in blocks for line in ("", *block)][1:]
