"""Which codes are looked for: `--select` and `--ignore`."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from cam_audit.errors import CamAuditError
from cam_audit.findings.codes import CODES

ALL_CODES = frozenset(CODES)


def chosen_codes(select: Iterable[str], ignore: Iterable[str]) -> frozenset[str]:
    """The codes to look for: those that `select` names, or all if it names none, without those that `ignore` names.

    A word is a code, the beginning of several such as CA2, or more of these with commas between. Raises CamAuditError
    for a word that is neither, and if no code is left.
    """
    selected, ignored = _named("select", select), _named("ignore", ignore)
    chosen = (selected or frozenset(CODES)) - ignored
    if not chosen:
        raise CamAuditError("--select and --ignore leave no code to look for")
    return chosen


def _named(option: str, words: Iterable[str]) -> frozenset[str]:
    codes: set[str] = set()
    for word in (part.strip().upper() for words_ in words for part in words_.split(",")):
        named = {code for code in CODES if word and code.startswith(word)}
        if not named:
            close = get_close_matches(word, CODES, n=1)
            hint = f"did you mean {close[0]}?" if close else "`cam-audit explain` lists them"
            raise CamAuditError(f"--{option}: there is no code {word!r}; {hint}")
        codes |= named
    return frozenset(codes)
