"""What a document must be like that anybody may have written: checked once, when it is read, by tables of fields.

A check takes a value as JSON has it, and returns what it means. It raises FieldError where the value is something else;
tables and lists add where that is, as in `findings[2].severity: must be note, warning or error, not 'bad'`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from cam_audit.folders import leads_outside
from cam_audit.text import as_utf8, cut

# Documents of ours are at most eight deep. What is much deeper ends programs that read it by recursion.
MAX_DEPTH = 32
MAX_SHOWN = 60
# The largest whole number that every reader of JSON has exactly.
MAX_WHOLE = 2**53

Check = Callable[[Any], Any]


class FieldError(ValueError):
    """A value that is not what its field must be; `place`: the field, as keys and numbers of list items lead to it."""

    def __init__(self, wrong: str, place: str = "") -> None:
        super().__init__(f"{place.removeprefix('.')}: {wrong}" if place else wrong)
        self.wrong = wrong
        self.place = place

    def within(self, place: str) -> FieldError:
        """The same, told from further out."""
        return FieldError(self.wrong, place + self.place)


def parse_json(text: str) -> Any:
    """What a JSON text holds, with finite numbers, at most MAX_DEPTH deep. Raises ValueError where it is none."""
    try:
        document = json.loads(text, parse_constant=_refused, parse_float=_finite)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    depth = 0
    level: list[Any] = [[document]]
    while level := [inner for each in level for inner in _values(each) if isinstance(inner, dict | list)]:
        depth += 1
        if depth > MAX_DEPTH:
            raise ValueError("nested too deeply")
    return document


def text(value: Any) -> str:
    """A text, as UTF-8 can hold it: names that are not UTF-8 come back with escapes, as those in results.csv do."""
    return as_utf8(_of(str, value, "a text"))


def exact_text(value: Any) -> str:
    """A text with all that is in it, surrogates too, which stand for bytes that are not UTF-8."""
    return str(_of(str, value, "a text"))


def truth(value: Any) -> bool:
    """True or false."""
    return bool(_of(bool, value, "true or false"))


def system_path(value: Any) -> str:
    """A path of a file as the system has it: surrogates in it stay, which stand for bytes that are not UTF-8."""
    path = str(_of(str, value, "a path"))
    try:
        path.encode("utf-8", "surrogateescape")
    except UnicodeError:
        raise FieldError(f"{quoted(path)} is no path") from None
    if "\0" in path:
        raise FieldError(f"{quoted(path)} is no path")
    return path


def path_below(value: Any) -> str:
    """A path that leads to a file below the folder that it is in."""
    path = text(value)
    if leads_outside(path):
        raise FieldError(f"{quoted(path)} leads outside")
    return path


def one_of(*words: str) -> Check:
    """One of these words."""

    def check(value: Any) -> str:
        if value not in words:
            raise FieldError(f"must be {_either(words)}, not {quoted(value)}")
        return str(value)

    return check


def real(low: float = -MAX_WHOLE, high: float = MAX_WHOLE) -> Check:
    """A number from `low` to `high`, finite in any case."""

    def check(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise FieldError(f"must be {_range('a number', low, high)}, not {quoted(value)}")
        return value

    return check


def whole(low: int = 0, high: int = MAX_WHOLE) -> Check:
    """A whole number from `low` to `high`."""

    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise FieldError(f"must be {_range('a whole number', low, high)}, not {quoted(value)}")
        return value

    return check


def optional(check: Check) -> Check:
    """Null, or what `check` takes."""
    return lambda value: None if value is None else check(value)


def listed(check: Check, length: int | None = None) -> Check:
    """A list, of so many items where `length` says it; a tuple of what `check` makes of each."""

    def check_all(value: Any) -> tuple[Any, ...]:
        _of(list, value, "a list")
        if length not in (None, len(value)):
            raise FieldError(f"must be a list of {length}, not of {len(value)}")
        return tuple(_at(f"[{index}]", check, item) for index, item in enumerate(value))

    return check_all


def by_name(check: Check, name: Check = text) -> Check:
    """An object whose names are anybody's; what `name` and `check` make of each of its names and values."""

    def check_all(value: Any) -> dict[str, Any]:
        return {
            _at(f".{quoted(key)}", name, key): _at(f".{cut(key, MAX_SHOWN)}", check, item)
            for key, item in _of(dict, value, "an object").items()
        }

    return check_all


def table(required: Mapping[str, Check], may_be: Mapping[str, Check] | None = None, make: Check | None = None) -> Check:
    """An object with these fields, and perhaps those of `may_be`; what `make` makes of it, which may raise ValueError.

    Further fields stay as they are: other versions have others.
    """

    def check(value: Any) -> Any:
        item = dict(_of(dict, value, "an object"))
        missing = next((name for name in required if name not in item), None)
        if missing is not None:
            raise FieldError("is missing", f".{missing}")
        for name, check_field in {**required, **(may_be or {})}.items():
            if name in item:
                item[name] = _at(f".{name}", check_field, item[name])
        return make(item) if make else item

    return check


def quoted(value: object) -> str:
    """A value as a message shows it, cut off where it is long."""
    words = ascii(value) if isinstance(value, str | int | float | None) else f"{type(value).__name__} {value!r}"
    return cut(words, MAX_SHOWN)


def _at(place: str, check: Check, value: Any) -> Any:
    try:
        return check(value)
    except FieldError as error:
        raise error.within(place) from None
    except ValueError as error:
        raise FieldError(str(error), place) from None


def _of(kind: type, value: Any, words: str) -> Any:
    if not isinstance(value, kind):
        raise FieldError(f"must be {words}, not {quoted(value)}")
    return value


def _range(kind: str, low: float, high: float) -> str:
    least, most = (f"{end:,}" for end in (low, high))
    if high >= MAX_WHOLE:
        return kind if low <= -MAX_WHOLE else f"{kind} of {least} or more"
    return f"{kind} from {least} to {most}"


def _either(words: tuple[str, ...]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else words[0]


def _values(value: Any) -> Any:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _refused(constant: str) -> float:
    raise ValueError(f"{constant} is no number in JSON")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"{cut(digits, MAX_SHOWN)} is too large a number")
    return value
