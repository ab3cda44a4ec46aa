"""Read the JSON documents that cam-audit and its report write, and that people keep, merge and mail."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from cam_audit.errors import CamAuditError
from cam_audit.folders import read_in
from cam_audit.reports import schema
from cam_audit.reports.fields import Check, parse_json, quoted
from cam_audit.reports.schema import TOOL

Parsed = TypeVar("Parsed")


def read_if_there(out: Path, name: str, parse: Callable[[str], Parsed], absent: Parsed) -> Parsed:
    """What `parse` makes of a document in an output folder, or `absent` if the scan wrote none.

    Raises CamAuditError if it can't be read, or `parse` raises ValueError.
    """
    try:
        return parse(read_in(out, name, schema.MAX_BYTES).decode())
    except (FileNotFoundError, NotADirectoryError):
        return absent
    except OSError as error:
        raise CamAuditError(f"{out / name}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise CamAuditError(f"{out / name}: damaged: {error}; scan again") from None


def read_document(file: Path, kind: str, schema_version: int, check: Check) -> Any:
    """What a check of `fields` makes of a file's JSON object; `kind` says what it should be, such as "a baseline".

    Documents of versions 1 to `schema_version` are read. Raises CamAuditError where the file can't be read, is no such
    document, or is of a newer version.
    """
    try:
        content = parse_json(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise CamAuditError(f"{file}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise CamAuditError(f"{file}: not {kind}: not JSON: {error}") from None
    if not isinstance(content, dict) or content.get("tool") != TOOL:
        raise CamAuditError(f"{file}: not {kind} of {TOOL}")
    version = content.get("schema_version")
    if isinstance(version, int) and version > schema_version:
        raise CamAuditError(
            f"{file}: written by a newer {TOOL} (schema_version {quoted(version)}, and this one reads "
            f"{schema_version}); update {TOOL}"
        )
    if not isinstance(version, int) or version not in range(1, schema_version + 1):
        raise CamAuditError(f"{file}: not {kind}: schema_version is {quoted(version)}, not 1 to {schema_version}")
    try:
        return check(content)
    except ValueError as error:
        raise CamAuditError(f"{file}: not {kind} as {TOOL} writes it: {error}") from None
