"""Every format of the one canonical report, byte for byte as a person has looked at it.

`python tests/reports/test_golden.py` writes the files in tests/reports/golden anew; look at the
difference before you commit it.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from canonical import canonical_report, rendered

from cam_audit.reports.formats import FORMATS

GOLDEN = Path(__file__).with_name("golden")


def golden_file(name: str) -> Path:
    return GOLDEN / f"report.{name}"


def golden(name: str) -> bytes:
    """The canonical report in a format; of a page without its styles and scripts, which hold no name."""
    text = rendered(name, canonical_report())
    if name == "html":
        text = re.sub(r"<(style|script)>.*?</\1>", r"<\1></\1>", text, flags=re.DOTALL)
        text = re.sub(r"sha256-[A-Za-z0-9+/]+=", "sha256-", text)
    return text.encode("utf-8")


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_renders_the_canonical_report_as_its_golden_file(name: str) -> None:
    assert golden(name) == golden_file(name).read_bytes()


def test_there_are_no_golden_files_of_other_formats() -> None:
    assert {file.name for file in GOLDEN.iterdir()} == {golden_file(name).name for name in FORMATS}


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for each in FORMATS:
        golden_file(each).write_bytes(golden(each))
