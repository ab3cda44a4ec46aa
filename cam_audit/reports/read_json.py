"""Read the JSON documents that cam-audit and its report write, and that people keep, merge and mail."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from cam_audit.errors import CamAuditError
from cam_audit.reports.output_folder import TOOL

Document = TypeVar("Document")


def read_document(
    file: Path, kind: str, schema_version: int, parse: Callable[[Mapping[str, Any]], Document]
) -> Document:
    """What `parse` makes of the file's JSON object; `kind` says in messages what it should be, e.g. "a baseline".

    Documents of versions 1 to `schema_version` are read. Raises CamAuditError where the file can't be read, is no such
    document, or is of a newer version.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise CamAuditError(f"{file}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise CamAuditError(f"{file}: not {kind}: not JSON: {error}") from None
    if not isinstance(content, dict) or content.get("tool") != TOOL:
        raise CamAuditError(f"{file}: not {kind} of {TOOL}")
    version = content.get("schema_version")
    if isinstance(version, int) and version > schema_version:
        raise CamAuditError(
            f"{file}: written by a newer {TOOL} (schema_version {version}, and this one reads {schema_version}); "
            f"update {TOOL}"
        )
    if version not in range(1, schema_version + 1):
        raise CamAuditError(f"{file}: not {kind}: schema_version is {version!r}, not 1 to {schema_version}")
    try:
        return parse(content)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CamAuditError(f"{file}: not {kind} as {TOOL} writes it: {error!r}") from None
