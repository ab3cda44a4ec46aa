"""Parquet: a row an image with typed columns, for pandas, DuckDB and the like; the findings are its metadata."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cam_audit.errors import CamAuditError
from cam_audit.files import replacing
from cam_audit.reports import results_csv
from cam_audit.reports.findings_json import render as findings_json
from cam_audit.reports.scan_report import ScanReport
from cam_audit.text import as_utf8

# Rows are written in groups, so that no table of a large scan is in memory.
ROWS = 4096
WHOLE = ("width", "height")
WORDS = ("path", "status", "error", "label", "cam_class", "overlay", "split", "predicted")
FINDINGS_KEY = b"cam_audit.findings"


def write(report: ScanReport, file: Path) -> None:
    """Write the images of a scan; raises CamAuditError where pyarrow is not installed or the file can't be written.

    Columns are those of results.csv, `flags` a list. The metadata `cam_audit.findings` is JSON: what the format json
    has, without the images.
    """
    arrow = require_pyarrow()
    schema = arrow.schema([(name, _type(arrow, name)) for name in results_csv.COLUMNS])
    document = json.loads("".join(findings_json(report)))
    document.pop("images", None)
    schema = schema.with_metadata({FINDINGS_KEY: json.dumps(document)})
    with replacing(file, binary=True) as stream, arrow.parquet.ParquetWriter(stream, schema) as writer:
        rows: list[dict[str, Any]] = []
        for image in report.images:
            cells = results_csv.values(image)
            cells = {name: as_utf8(cell) if isinstance(cell, str) else cell for name, cell in cells.items()}
            rows.append(cells | {"flags": list(image.flags)})
            if len(rows) == ROWS:
                writer.write_table(arrow.Table.from_pylist(rows, schema=schema))
                rows.clear()
        writer.write_table(arrow.Table.from_pylist(rows, schema=schema))


def require_pyarrow() -> Any:
    """pyarrow; raises CamAuditError where it is not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise CamAuditError("Parquet files take pyarrow; install it with: pip install 'cam-audit[parquet]'") from None
    return pyarrow


def _type(arrow: Any, column: str) -> Any:
    if column == "flags":
        return arrow.list_(arrow.string())
    if column in WHOLE:
        return arrow.int32()
    return arrow.string() if column in WORDS or column.endswith("_class") else arrow.float64()
