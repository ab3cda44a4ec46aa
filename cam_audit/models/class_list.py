"""The names of a net's classes, read from a file as people have them."""

from __future__ import annotations

import ast
import csv
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cam_audit.errors import CamAuditError

IMAGENET_FILE = Path(__file__).parent / "data" / "imagenet_classes.csv"

FORMS = (
    "one name a line, `index name` a line, CSV with the columns index,name, or JSON or a Python dict of index and name"
)
# Keys under which other programs keep names: transformers, ultralytics, fastai and torchvision.
NAMES_KEYS = ("id2label", "names", "vocab", "classes", "class_to_idx", "label2id")
LONGEST_NAME = 200
INDEXED = re.compile(r"(\d{1,9})\s*[\s,:;]\s*(\S.*)")
NAME_INDEX = re.compile(r"(\S.*?)\s+(\d{1,9})")
# of Python or of a configuration
STATEMENT = re.compile(r"import\s+[\w.]+|from\s+\S+\s+import\b.*|[\w.]+\s*=\s*[^=\s].*")
FRACTION = re.compile(r"[-+]?\d*\.\d+([eE][-+]?\d+)?")
WORDNET = re.compile(r"(n\d{8})\s+(\S.*)")


@dataclass(frozen=True)
class ClassList:
    """A name a class and, where the file has them, a WordNet id a class."""

    names: tuple[str, ...]
    ids: tuple[str, ...] | None = None


def imagenet_classes() -> ClassList:
    """The 1000 classes of ImageNet (ILSVRC 2012), in the order that every net of it uses."""
    return read_class_list(IMAGENET_FILE)


def read_class_list(path: Path) -> ClassList:
    """Read the names of classes, in the order of a net's outputs; empty lines are left out.

    It takes one name a line; `index name` or `wnid name` a line; CSV with the columns index, name and perhaps wnid; a
    list, or a dict of index and name either way round, in JSON or Python, also under a key such as `id2label`.

    Raises CamAuditError where the file can't be read, or looks like none of these.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise CamAuditError(f"{path}: class names must be UTF-8 text") from None
    except OSError as error:
        raise CamAuditError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        return parse_class_list(text)
    except ValueError as error:
        raise CamAuditError(f"{path}: {error}") from None


def parse_class_list(text: str) -> ClassList:
    """The classes in a text, as `read_class_list`; raises ValueError with the reason where it is no list of classes."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise ValueError("no class names in it")
    if lines[0][0] in "{[":
        return _from_value(_value(text))
    if {"index", "name"} <= {cell.strip() for cell in lines[0].split(",")}:
        return _from_table(lines)
    indexed = [INDEXED.fullmatch(line) for line in lines]
    if all(indexed):
        return ClassList(_in_order([(match[1], match[2]) for match in indexed if match]))
    synsets = [WORDNET.fullmatch(line) for line in lines]
    if all(synsets):
        pairs = [(match[1], match[2]) for match in synsets if match]
        return ClassList(tuple(name for _, name in pairs), tuple(wnid for wnid, _ in pairs))
    _require_names(lines)
    return ClassList(tuple(lines))


def _require_names(lines: Sequence[str]) -> None:
    """Raise ValueError where lines are no names but a table, a program or a page."""
    commas = {len(re.findall(r",(?=\S)", line)) for line in lines}
    odd = next((line for line in lines if len(line) > LONGEST_NAME or not line.isprintable()), None)
    odd = odd or next((line for line in lines if line[0] in "<{[#" or line[-1] in "{}[]:;"), None)
    odd = odd or next((line for line in lines if STATEMENT.fullmatch(line) or FRACTION.fullmatch(line)), None)
    if odd is None and len(lines) > 1 and len(commas) == 1 and commas != {0}:
        odd = lines[0]
    if odd is None and len(lines) > 1 and all(re.fullmatch(r"[^:=]+[:=]\s*\S+", line) for line in lines):
        odd = lines[0]
    turned = {match[1]: int(match[2]) for match in map(NAME_INDEX.fullmatch, lines) if match}
    # "cat 0", "dog 1", but neither "zone 0", "zone 1" nor "audi 100", "ferrari 458"
    if odd is None and len(lines) > 1 and sorted(turned.values()) == list(range(len(lines))):
        odd = lines[0]
    if odd is not None:
        raise ValueError(f"{odd:.40}: no name of a class; give {FORMS}")


def _value(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        raise ValueError(f"neither JSON nor a dict or list of Python; give {FORMS}") from None


def _from_value(value: object) -> ClassList:
    """The classes of a list, or of a dict either way round, which may be the value of a key."""
    if isinstance(value, Mapping):
        inner = next((value[key] for key in NAMES_KEYS if isinstance(value.get(key), Mapping | list)), None)
        value = value if inner is None else inner
    if isinstance(value, list):
        return ClassList(tuple(map(_name, value)))
    if not isinstance(value, Mapping):
        raise ValueError(f"no class names in it; give {FORMS}")
    items = list(value.items())
    counting = {str(index) for index in range(len(items))}
    if {str(index) for _, index in items} == counting != {str(key) for key, _ in items}:
        items = [(index, name) for name, index in items]
    # torchvision's and Keras's list of ImageNet: {"0": ["n01440764", "tench"]}
    if items and all(isinstance(pair, list | tuple) and len(pair) == 2 for _, pair in items):
        ids = _in_order([(index, pair[0]) for index, pair in items])
        return ClassList(_in_order([(index, pair[1]) for index, pair in items]), ids)
    return ClassList(_in_order(items))


def _in_order(items: Sequence[tuple[object, object]]) -> tuple[str, ...]:
    """Names by their indices; raises ValueError where these do not count from 0."""
    by_index = {str(index).strip(): _name(name) for index, name in items}
    if len(by_index) < len(items) or any(str(index) not in by_index for index in range(len(items))):
        raise ValueError("the indices of the classes must count from 0 and leave out nothing")
    if not items:
        raise ValueError("no class names in it")
    return tuple(by_index[str(index)] for index in range(len(items)))


def _name(value: object) -> str:
    if not isinstance(value, str | int) or isinstance(value, bool) or not str(value).strip():
        raise ValueError(f"{value!r:.40}: no name of a class; give {FORMS}")
    return str(value).strip()


def _from_table(lines: Sequence[str]) -> ClassList:
    try:
        header, *cells = csv.reader(lines, skipinitialspace=True)
    except csv.Error as error:
        raise ValueError(f"cannot be read as CSV: {error}") from None
    columns = [column.strip() for column in header]
    if any(len(row) < len(columns) for row in cells):
        raise ValueError(f"a CSV of classes needs the columns {','.join(columns)} in every row")
    rows = [dict(zip(columns, row, strict=False)) for row in cells]
    names = _in_order([(row["index"], row["name"]) for row in rows])
    ids = {row["index"].strip(): row.get("wnid", "") for row in rows}
    return ClassList(names, tuple(ids[str(index)] for index in range(len(rows))) if "wnid" in columns else None)
