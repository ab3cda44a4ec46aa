"""Every format of the one canonical report, byte for byte as a person has looked at it.

`python tests/test_golden.py` writes the files in tests/golden anew; look at the difference before you commit it.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from canonical import canonical_report

from cam_audit.reports import FORMATS

GOLDEN = Path(__file__).with_name("golden")


def golden_file(name: str) -> Path:
    return GOLDEN / f"report.{name}"


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_renders_the_canonical_report_as_its_golden_file(name: str) -> None:
    assert FORMATS[name](canonical_report()).encode("utf-8") == golden_file(name).read_bytes()


def test_there_are_no_golden_files_of_other_formats() -> None:
    assert {file.name for file in GOLDEN.iterdir()} == {golden_file(name).name for name in FORMATS}


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for each, render in FORMATS.items():
        golden_file(each).write_bytes(render(canonical_report()).encode("utf-8"))
