"""Read the metadata of a CAM-ready file, which a stranger may have written."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cam_audit.errors import ModelError
from cam_audit.models import file_format

HOW_TO_MAKE_ONE = "make the file again from the plain classifier with `cam-audit models adapt`"

# Readers of CSV take cells of at most 131,072 letters.
MAX_NAME = 10_000


@dataclass(frozen=True)
class FileMetadata:
    """The metadata of a file, by keys without the prefix; each method raises ModelError for a value of another kind."""

    path: Path
    values: Mapping[str, str]

    def text(self, key: str, default: str | None = None) -> str:
        """A text, or the default where the key is missing."""
        value = self.values.get(file_format.METADATA_PREFIX + key, default)
        if value is None:
            raise ModelError(
                f"{self.path}: not CAM-ready, its metadata lacks {file_format.METADATA_PREFIX}{key}; {HOW_TO_MAKE_ONE}"
            )
        return value

    def choice(self, key: str, known: Sequence[str]) -> str:
        """One of the known texts, the first of them where the key is missing."""
        value = self.text(key, known[0])
        if value not in known:
            raise ModelError(
                f"{self.path}: its metadata {file_format.METADATA_PREFIX}{key} is {value!r:.90}; there is "
                f"{' and '.join(known)}"
            )
        return value

    def strings(self, key: str, *, optional: bool = False) -> tuple[str, ...]:
        """A list of names; empty where an optional key is missing."""
        if optional and file_format.METADATA_PREFIX + key not in self.values:
            return ()
        value = self._json(key)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise ModelError(f"{self.path}: its metadata {file_format.METADATA_PREFIX}{key} is not a list of names")
        longest = max(map(len, value), default=0)
        if longest > MAX_NAME:
            raise ModelError(
                f"{self.path}: its metadata {file_format.METADATA_PREFIX}{key} has a name of {longest:,} letters; "
                f"{MAX_NAME:,} are allowed"
            )
        return tuple(value)

    def input_size(self) -> tuple[int, int]:
        """The net's own size (H, W) in pixels."""
        value = self._json(file_format.INPUT_SIZE_KEY)
        if not (
            isinstance(value, list)
            and len(value) == 2
            and all(type(side) is int and 8 <= side <= 8192 for side in value)
        ):
            raise ModelError(f"{self.path}: its metadata {file_format.METADATA_PREFIX}input_size is not [H, W]")
        return value[0], value[1]

    def _json(self, key: str) -> object:
        text = self.text(key)
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            raise ModelError(f"{self.path}: its metadata {file_format.METADATA_PREFIX}{key} is not JSON") from None
