"""Kills scans at random moments and lets them go on: are the results those of a scan that was left alone?

    python benchmarks/resume.py --kills 100
    python benchmarks/resume.py --kills 30 --signal INT --net resnet18

Draws pictures with planted shortcuts, scans them once undisturbed, then again and again with a signal at a moment drawn
evenly from the time that the undisturbed scan took, going on with --resume until a scan comes to its end; then from
the start, until so many kills are reached. Every result must be the same to the byte, and no overlay of an image that
the journal had as finished may be written again. After INT (Ctrl-C) and TERM, the exit code and the line that tells how
to go on must be right; how long they took to end the scan is printed.
"""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import click

from cam_audit.demo import write_dataset
from cam_audit.reports.output_folder import JOURNAL_FOLDER, is_finished

RESULTS = (
    *("results.csv", "findings.json", "overlays/**/*.png", "maps/*.png"),
    *("counterfactuals/*.json", "counterfactuals/*/*.jpg", "parts/*/*.jpg"),
)
OVERLAYS_FOLDER = "overlays"
# Seconds in which Python itself starts, and answers a signal in its own way.
START = 0.5


@dataclass(frozen=True)
class Count:
    """How often a scan was killed before it ended, and what went wrong.

    `amid_images`: how often in the middle of its images. `seconds`: how long each kill took to end it.
    """

    kills: int
    amid_images: int
    faults: tuple[str, ...]
    seconds: tuple[float, ...]


@click.command()
@click.option("--kills", default=100, show_default=True)
@click.option("--images-per-class", default=24, show_default=True)
@click.option("--net", default="demo-biased", show_default=True)
@click.option("--signal", "name", type=click.Choice(["KILL", "INT", "TERM"]), default="KILL", show_default=True)
@click.option("--seed", default=0, show_default=True)
def main(kills: int, images_per_class: int, net: str, name: str, seed: int) -> None:
    """Kill, go on, compare, and print what came of it; exit code 1 where anything differs."""
    chance, number = random.Random(seed), signal.Signals[f"SIG{name}"]
    with tempfile.TemporaryDirectory() as folder:
        images = Path(folder, "images")
        write_dataset(images, shuffled=False, images_per_class=images_per_class)
        command = [sys.executable, "-m", "cam_audit", "scan", str(images), "--net", net, "--fail-on", "never"]
        begin = time.perf_counter()
        undisturbed = Path(folder, "undisturbed")
        subprocess.run([*command, "-o", str(undisturbed)], check=True, capture_output=True)
        seconds = time.perf_counter() - begin
        counts: list[Count] = []
        while sum(count.kills for count in counts) < kills:
            out = Path(folder, "killed")
            counts.append(killed_until_it_ends(command, out, seconds, chance, number))
            counts[-1] = replace(counts[-1], faults=counts[-1].faults + differences(out, undisturbed))
            shutil.rmtree(out)
    faults = [fault for count in counts for fault in count.faults]
    print(
        f"{sum(count.kills for count in counts)} kills, {sum(count.amid_images for count in counts)} of them amid "
        f"images, in {len(counts)} scans of {5 * images_per_class} images ({seconds:.1f} s each, seed {seed}): "
        f"{len(faults)} faults"
    )
    print("\n".join(faults), end="\n" if faults else "")
    took = [seconds for count in counts for seconds in count.seconds]
    print(f"SIG{name} ended the scan within {median(took):.2f} s (median), {max(took):.2f} s (longest)")
    sys.exit(1 if faults else 0)


def killed_until_it_ends(
    command: Sequence[str], out: Path, seconds: float, chance: random.Random, number: signal.Signals = signal.SIGKILL
) -> Count:
    """Begin a scan into `out`, kill it, go on with it, and so on until it ends before its moment has come."""
    kills = amid_images = 0
    took: list[float] = []
    faults: list[str] = []
    done: dict[Path, int] = {}
    while True:
        options = ["-o", str(out), *(["--resume"] if kills else [])]
        process = subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            first = 0 if number == signal.SIGKILL else START
            _, complaint = process.communicate(timeout=chance.uniform(first, seconds))
        except subprocess.TimeoutExpired:
            begin = time.perf_counter()
            process.send_signal(number)
            _, complaint = process.communicate()
            took.append(time.perf_counter() - begin)
            kills += 1
            before, done = done, finished_overlays(out)
            amid_images += len(done) > len(before)
            if number != signal.SIGKILL and not is_finished(out):
                faults += _unlike_an_end_by(number, process.returncode, complaint.decode(), len(done) > len(before))
        else:
            if process.returncode:
                faults.append(f"exit code {process.returncode}: {complaint.decode()}")
            before = done
        faults += [
            f"{path.name} was written again" for path, moment in before.items() if path.stat().st_mtime_ns != moment
        ]
        if is_finished(out) or process.returncode not in (-number, 128 + number):
            return Count(kills, amid_images, tuple(faults), tuple(took))


def _unlike_an_end_by(number: signal.Signals, code: int, complaint: str, further: bool) -> tuple[str, ...]:
    """What is wrong with how a scan ended by a signal that it could answer; `further`: it had finished an image."""
    last = (complaint.strip().splitlines() or [""])[-1]
    under_way = further or "going on with the scan" in complaint
    expected = "cam-audit: interrupted; go on with `cam-audit scan" if under_way else "cam-audit: interrupted"
    if code == 128 + number and last.startswith(expected) and "Traceback" not in complaint:
        return ()
    return (f"{number.name} ended with code {code} and {complaint!r}",)


def finished_overlays(out: Path) -> dict[Path, int]:
    """The overlays of the images that the journal has as finished, each with the time at which it was written."""
    try:
        lines = (out / JOURNAL_FOLDER / "images.jsonl").read_bytes().splitlines(keepends=True)
    except FileNotFoundError:
        return {}
    names = [json.loads(line)["name"] for line in lines[1:] if line.endswith(b"\n")]
    overlays = [out / OVERLAYS_FOLDER / f"{name}.png" for name in names]
    return {path: path.stat().st_mtime_ns for path in overlays}


def differences(out: Path, undisturbed: Path) -> tuple[str, ...]:
    """What the results in two output folders differ in; temporary files that were left behind count too."""
    found, expected = (
        {path.relative_to(folder).as_posix(): path.read_bytes() for pattern in RESULTS for path in folder.glob(pattern)}
        for folder in (out, undisturbed)
    )
    left = [path.name for path in out.rglob("*.part")] + [JOURNAL_FOLDER] * (out / JOURNAL_FOLDER).exists()
    differing = sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
    return (*(f"{name} differs" for name in differing), *(f"{name} was left behind" for name in left))


if __name__ == "__main__":
    main()
