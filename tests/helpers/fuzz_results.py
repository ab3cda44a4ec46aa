"""Mutated results of a scan through the commands that read them: each ends well, or with one line for people.

    python tests/helpers/fuzz_results.py OUT --files 2000     # ends with 1 where a command ended otherwise
    python tests/helpers/fuzz_results.py OUT --first 4711 --files 1     # that file again

A file is made from its number and OUT alone, so that one that was found comes back.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import shutil
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import numpy as np

from cam_audit.cli.process.libraries import set_environment
from cam_audit.cli.process.program import cam_audit
from cam_audit.errors import CamAuditError
from cam_audit.reports.baseline import judge, read_baseline
from cam_audit.reports.formats import FORMATS
from cam_audit.reports.output_folder import read_results
from cam_audit.reports.part_maps import read_part_maps

REVIEW, BASELINE = "review.json", "baseline.json"
# So many commands get each file.
COMMANDS = 4
OF_OUT = (
    "run.json",
    "findings.json",
    "results.csv",
    "photos.json",
    "counterfactuals/edits.json",
    "parts/maps.json",
)
FILES = (*OF_OUT, REVIEW, BASELINE)
DEEP: Any = []
for _ in range(200):
    DEEP = [DEEP]
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2**63, 10**400, 0.5, -0.5, 1e308, 1e-320, float("nan"), float("inf")),
    *(
        "",
        "a",
        "0",
        "CA201",
        "CA999",
        "error",
        "../x",
        "/x",
        "\0",
        "\ud800",
        "\udcff",
        "\u202e",
        "x" * 200_000,
        "9" * 5000,
    ),
    *([], [0], [[]], [None] * 2, [0.5] * 4, ["a"] * 2, {}, {"": 0}, {"a": {}}, DEEP),
)
CELLS = (
    "",
    "a",
    "-1",
    "1e400",
    "nan",
    "inf",
    "9" * 5000,
    "1_0",
    "٣",
    "0x1",
    "'",
    '"',
    "\0",
    ";",
    "CA999",
    "../x",
    "x" * 200_000,
    # as much as a cell may hold
    "x" * 131_072,
)
ENCODINGS = ("utf-16", "utf-8-sig", "latin-1", "utf-32")


@dataclass
class Outcome:
    """What came of the files: how often commands ended how, and the tracebacks by where they arose."""

    runs: Counter[str] = field(default_factory=Counter)
    faults: dict[str, list[str]] = field(default_factory=dict)

    def show(self) -> None:
        """Print how often files ended how, and the faults, those that came most first."""
        print(*(f"{number:6} {end}" for end, number in self.runs.most_common()), sep="\n")
        for fault, where in sorted(self.faults.items(), key=lambda item: -len(item[1])):
            print(f"{len(where):5} {fault}\n      {where[0]}")


def prepared(out: Path, folder: Path) -> dict[str, str]:
    """The texts of all files of a scan's output folder that commands read, and of a review and a baseline of it."""
    report = read_results(out)
    review = {
        "tool": "cam-audit",
        "schema_version": 2,
        "model_sha256": report.run["model"]["sha256"],
        "findings": {finding.fingerprint: {"verdict": "fine", "code": finding.code} for finding in report.findings},
        "images": {image.path: "fine" for image in report.images if image.flags},
        "parts": {part.fingerprint: {"verdict": "shortcut"} for part in report.parts},
    }
    (folder / REVIEW).write_text(json.dumps(review), encoding="utf-8")
    _command("baseline", str(out), "-b", str(folder / BASELINE), "--review", str(folder / REVIEW))
    places = {name: out / name for name in OF_OUT} | {name: folder / name for name in (REVIEW, BASELINE)}
    with contextlib.ExitStack() as stack:
        files = {name: stack.enter_context(place.open(encoding="utf-8", newline="")) for name, place in places.items()}
        return {name: file.read() for name, file in files.items()}


def mutated(text: str, random: np.random.Generator) -> bytes:
    """A file's text with something in it changed."""
    kind = random.random()
    if kind < 0.1:
        return _other_bytes(text, random)
    if text.startswith("{"):
        document = json.loads(text)
        for _ in range(random.geometric(0.7)):
            _change(document, random)
        return json.dumps(document).encode()
    rows = [line.split(",") for line in text.splitlines(keepends=True)]
    for _ in range(random.geometric(0.5)):
        row = rows[random.integers(len(rows))]
        row[random.integers(len(row))] = CELLS[random.integers(len(CELLS))]
    return "".join(map(",".join, rows)).encode()


def _other_bytes(text: str, random: np.random.Generator) -> bytes:
    """A text in another encoding, cut off, with a byte changed, twice, or with brackets in front."""
    data = text.encode()
    place = int(random.integers(len(data)))
    bracket = "[{"[random.integers(2)]
    return (
        text.encode(ENCODINGS[random.integers(len(ENCODINGS))], "replace"),
        data[:place],
        data[:place] + bytes([random.integers(256)]) + data[place + 1 :],
        data + data,
        ("[" if bracket == "[" else '{"a":').encode() * 100_000 + data,
        b"",
    )[random.integers(6)]


def _change(document: Any, random: np.random.Generator) -> None:
    """Replace, remove or rename one value somewhere in a document, each depth as likely."""
    inner = document
    while True:
        keys = list(inner) if isinstance(inner, dict) else range(len(inner))
        if not keys:
            return
        key = keys[random.integers(len(keys))]
        if not isinstance(inner[key], dict | list) or not inner[key] or random.random() < 0.3:
            break
        inner = inner[key]
    kind = random.random()
    if kind < 0.15:
        del inner[key]
    elif kind < 0.25 and isinstance(inner, dict):
        name = VALUES[random.integers(len(VALUES))]
        inner[name if isinstance(name, str) else "other"] = inner.pop(key)
    elif kind < 0.35 and isinstance(inner, list):
        inner.append(inner[key])
    else:
        inner[key] = VALUES[random.integers(len(VALUES))]


def try_file(out: Path, texts: dict[str, str], seed: int, outcome: Outcome) -> None:
    """Give a mutated file of a number to some of the commands that read it, in the current folder."""
    random = np.random.default_rng(seed)
    name = FILES[random.integers(len(FILES))]
    bad, review, baseline = Path("bad"), Path(REVIEW), Path(BASELINE)
    for each in (review, baseline):
        each.write_text(texts[each.name], encoding="utf-8")
    for each in OF_OUT:
        (bad / each).write_text(texts[each], encoding="utf-8", newline="")
    (Path(name) if name in (REVIEW, BASELINE) else bad / name).write_bytes(mutated(texts[name], random))
    commands = _commands(name, out, bad)
    for number in sorted(random.permutation(len(commands))[:COMMANDS].tolist()):
        command = commands[number]
        end, fault = ending(lambda command=command: _command(*command))
        shutil.rmtree("challenge", ignore_errors=True)
        outcome.runs[end] += 1
        if fault:
            outcome.faults.setdefault(fault, []).append(f"{seed} ({name}): {' '.join(command)}")


def _commands(name: str, out: Path, bad: Path) -> list[tuple[str, ...]]:
    review = ("baseline", str(bad), "-b", "new.json", "--review", REVIEW)
    if name == REVIEW:
        return [review]
    if name == BASELINE:
        return [("baseline", str(bad), "-b", BASELINE), ("judge", str(bad))]
    formats = [(f"--output={format}=rendered",) for format in FORMATS]
    return [
        *(("report", str(bad), *format) for format in formats),
        *(("compare", str(bad), str(out), "--output", f"{format}=-") for format in ("text", "markdown", "json")),
        ("compare", str(out), str(bad)),
        ("baseline", str(bad), "-b", "new.json"),
        review,
        ("judge", str(bad)),
        ("challenge", str(bad), "-o", "challenge"),
    ]


def ending(command: Callable[[], object]) -> tuple[str, str]:
    """How a command ended, and where an error arose that is not for people, or "" if none did."""
    try:
        command()
        return "well", ""
    except (CamAuditError, click.ClickException) as error:
        line = str(error) if isinstance(error, CamAuditError) else error.format_message()
        return ("refused", "") if len(line) < 2000 else ("a long line", f"{len(line)} letters: {line[:200]}")
    except Exception as error:
        ours = [frame for frame in traceback.extract_tb(error.__traceback__) if "/cam_audit/" in frame.filename]
        places = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in ours[-2:]]
        return "traceback", f"{type(error).__name__} {' '.join(places)}: {str(error)[:80]}"


def _command(*arguments: str) -> None:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        if arguments[0] == "judge":
            from cam_audit.cli.baseline import judgement

            out = Path(arguments[1])
            click.echo(
                judgement(Path(BASELINE), judge(read_baseline(Path(BASELINE)), read_results(out), read_part_maps(out)))
            )
        else:
            cam_audit.main(list(arguments), prog_name="cam-audit", standalone_mode=False)


def fuzz(out: Path, seeds: range) -> Outcome:
    """Try the files of these numbers, made of a scan's output folder; the photos are where it says, from here."""
    outcome, here = Outcome(), Path.cwd()
    out = out.absolute()
    # as the program does before it runs a command
    set_environment()
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(out, Path(folder, "bad"))
        for name in {*os.listdir(here)} - {out.name}:
            Path(folder, name).symlink_to(here / name)
        os.chdir(folder)
        try:
            texts = prepared(out, Path())
            for seed in seeds:
                try_file(out, texts, seed, outcome)
        finally:
            os.chdir(here)
    return outcome


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--files", type=int, default=1000)
    given = parser.parse_args()
    outcome = fuzz(given.out, range(given.first, given.first + given.files))
    outcome.show()
    return bool(outcome.faults)


if __name__ == "__main__":
    sys.exit(main())
