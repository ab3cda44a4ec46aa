"""Tables as people have them: CSV of a spreadsheet or a program, or a list of paths with a number each."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from cam_audit.errors import CamAuditError

# A path and, after space alone, the index of its class.
_INDEXED = re.compile(r"(.*\S)\s+(\d+)\s*")
_DELIMITERS = "\t;,"
# So many lines tell the delimiter.
_LOOKED_AT = 20

# Cells of a row, and the line at which it ends.
Line = tuple[int, list[str]]


def read_table(path: Path) -> list[Line]:
    """The rows that are not empty, cells without space around them, with the lines at which they end.

    Comma, `;` or tab between cells; UTF-8, or UTF-16 that begins with its mark. A list of paths, each with an index
    after a space, as ImageNet's and Caffe's, has two cells a row. Raises CamAuditError where the file can't be read.
    """
    try:
        text = _decoded(path.read_bytes())
        lines = [line for line in text.splitlines() if line.strip()][:_LOOKED_AT]
        delimiter = _delimiter(lines)
        if not delimiter:
            pairs = ((number, _INDEXED.fullmatch(line)) for number, line in enumerate(text.splitlines(), 1))
            return [(number, [pair[1].strip(), pair[2]]) for number, pair in pairs if pair]
        return [(line, cells) for line, cells in _rows(text, delimiter) if any(cells)]
    except UnicodeDecodeError:
        raise CamAuditError(f"{path}: cannot be read as CSV: neither UTF-8 nor UTF-16; save it as UTF-8") from None
    except OSError as error:
        raise CamAuditError(f"{path}: cannot be read as CSV: {error.strerror}") from None
    except csv.Error as error:
        raise CamAuditError(f"{path}: cannot be read as CSV: {error}") from None


def _rows(text: str, delimiter: str) -> Iterator[Line]:
    """The rows of a CSV text; raises csv.Error with the line."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    try:
        for cells in reader:
            yield reader.line_num, [cell.strip() for cell in cells]
    except csv.Error as error:
        limit = csv.field_size_limit()
        why = f"a cell of more than {limit:,} letters" if "field limit" in str(error) else error
        raise csv.Error(f"line {reader.line_num}: {why}") from None


def _decoded(data: bytes) -> str:
    """Text as spreadsheets save it: UTF-8, or UTF-16 where it begins as that does."""
    is_utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return data.decode("utf-16" if is_utf16 else "utf-8-sig")


def _delimiter(lines: Sequence[str]) -> str:
    """What stands between the cells; "" in a list of paths, each with an index."""
    everywhere = [sign for sign in _DELIMITERS if lines and all(sign in line for line in lines)]
    if everywhere and everywhere[0] != "\t":
        # the other one stands within cells
        everywhere.sort(key=lines[0].index)
    if not everywhere and lines and all(map(_INDEXED.fullmatch, lines)):
        return ""
    # a quoted name may go over several lines, of which not all have one
    anywhere = [sign for sign in _DELIMITERS if any(sign in line for line in lines)]
    return next(iter((*everywhere, *anywhere)), ",")
