"""JSON documents as text, whole or in pieces."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from cam_audit.text import as_utf8


def json_text(document: Mapping[str, object], *, sort_keys: bool = False) -> str:
    """A JSON document, indented, UTF-8, ended by a newline."""
    return as_utf8(json.dumps(document, indent=2, ensure_ascii=False, sort_keys=sort_keys)) + "\n"


def json_pieces(document: Mapping[str, object]) -> Iterator[str]:
    """The pieces of a JSON document as `json_text` has it, in which iterators stand for lists that may be long."""
    yield "{"
    for number, (name, value) in enumerate(document.items()):
        yield f"{',' if number else ''}\n  {_json(name)}: "
        if not isinstance(value, Iterator):
            yield _json(value, depth=1)
            continue
        yield "["
        count = 0
        for count, item in enumerate(value, 1):
            yield f"{',' if count > 1 else ''}\n    {_json(item, depth=2)}"
        yield "\n  ]" if count else "]"
    yield "\n}\n"


def _json(value: object, depth: int = 0) -> str:
    """A value of a document that is indented so many times."""
    # within strings, line ends are escaped
    return as_utf8(json.dumps(value, indent=2, ensure_ascii=False)).replace("\n", "\n" + depth * "  ")
