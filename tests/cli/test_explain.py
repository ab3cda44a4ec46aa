"""`cam-audit explain` says what the table of codes and the manual say, and fits the terminal."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import ROOT, run

from cam_audit.findings.codes import CODES


@pytest.mark.parametrize("code", CODES)
def test_every_code_is_explained(code: str, tmp_path: Path, command) -> None:
    shown, _ = command("explain", code)
    words = " ".join(shown.split())
    entry = CODES[code]
    assert words.startswith(f"{code} {entry.title} (a f")
    for said in (entry.meaning, entry.threshold, entry.limits, entry.what_to_do):
        assert said in words
    # what the manual says and the table does not
    measured = words.split("How it is measured: ")[1].split(" Limits: ")[0]
    manual = " ".join((ROOT / "docs" / "findings.md").read_text().split()).replace("**", "").replace("`", "")
    assert len(measured) > 40
    assert measured[:40] in manual
    assert "**" not in measured
    assert "](" not in measured


def test_small_letters_do(tmp_path: Path) -> None:
    assert run(tmp_path, "explain", "ca203").stdout == run(tmp_path, "explain", "CA203").stdout


def test_without_a_code_all_are_listed(tmp_path: Path) -> None:
    lines = run(tmp_path, "explain").stdout.splitlines()
    assert lines == [f"{code.code}  {code.title}" for code in CODES.values()]
