"""`cam-audit explain`: what a code means, how it is measured, and what to do."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import wrap

import click
from click.shell_completion import CompletionItem

import cam_audit
from cam_audit.cli.helpful import HelpfulCommand
from cam_audit.cli.process.exits import Exit
from cam_audit.cli.terminal import prose_width, which_there_are
from cam_audit.findings.codes import CODES, Code

# In a wheel the manual lies in the package, in a clone beside it.
MANUALS = tuple(Path(cam_audit.__file__).parent / place for place in ("findings.md", "../docs/findings.md"))


def _code(_: click.Context, __: click.Parameter, word: str | None) -> Code | None:
    """The code of a name in capital or small letters."""
    if word is not None and word.upper() not in CODES:
        raise click.BadParameter(f"there is no code {word!r}; {which_there_are(word.upper(), tuple(CODES))}")
    return CODES[word.upper()] if word else None


def _complete(_: click.Context, __: click.Parameter, begin: str) -> list[CompletionItem]:
    codes = (code for name, code in CODES.items() if name.startswith(begin.upper()))
    return [CompletionItem(code.code, help=code.title) for code in codes]


@click.command(cls=HelpfulCommand, short_help="Say what a code such as CA203 means.")
@click.argument("code", required=False, callback=_code, shell_complete=_complete)
def explain(code: Code | None) -> int:
    """Say what CODE means, how it is measured, what it does not establish, and what to do; without CODE, list all.

    CODE is that of a finding or a flag, such as CA203.
    """
    if code is None:
        lines = [f"{each.code}  {each.title}" for each in CODES.values()]
    else:
        lines = _paragraphs(code)
    click.echo("\n".join(lines))
    return Exit.CLEAN


def _paragraphs(code: Code) -> list[str]:
    kind = "a flag of an image" if code.is_flag else "a finding about a class"
    if code.is_about_pairs:
        kind = "a finding about pairs of images"
    parts = {
        "Reported from": f"{code.threshold}.",
        "How it is measured": _measured(code),
        "Limits": code.limits,
        "What to do": code.what_to_do,
    }
    width = prose_width()
    lines = [*wrap(f"{code.code} {code.title} ({kind})", width), "", *wrap(code.meaning, width)]
    for title, words in parts.items():
        if words:
            lines += ["", *wrap(f"{title}: {words}", width, subsequent_indent="  ")]
    return lines


def _measured(code: Code) -> str:
    """What the manual says of how a code is measured."""
    manual = next(file for file in MANUALS if file.is_file()).read_text(encoding="utf-8")
    section = manual.split(f"\n## {code.code} ", 1)[1].split("\n## ", 1)[0]
    points = dict(re.findall(r"^- \*\*([^*]+)\*\*:\s+(.*?)(?=\n-|\n\n|\Z)", section, re.MULTILINE | re.DOTALL))
    # of some flags the threshold is all there is to measure
    words = " ".join((points.get("Measured") or points["Threshold"]).split())
    # as markdown has it, for which a terminal has no use
    return re.sub(r"\*\*|`|(?<=\])\([^)]*\)|[\[\]](?=\(|[^\[\]]*\))", "", words)
