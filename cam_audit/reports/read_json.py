"""Read the JSON documents that cam-audit and its report write, and that people keep, merge and mail."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cam_audit.errors import CamAuditError
from cam_audit.reports.fields import Check, parse_json, quoted
from cam_audit.reports.output_folder import TOOL


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
