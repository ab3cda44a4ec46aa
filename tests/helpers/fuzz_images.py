"""Mutated picture files through the decoder: none may crash or hang it, or take more memory than is bounded.

    python tests/helpers/fuzz_images.py --files 100000     # two minutes; ends with 1 where a file did any of that
    python tests/helpers/fuzz_images.py --first 4711 --files 1 --save case    # that file again, and its bytes

The files are decoded in child processes, each many, which are watched and replaced when they die. A file is made
from its number alone, so that one that was found comes back.
"""

from __future__ import annotations

import argparse
import re
import resource
import signal
import struct
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from picture_files import FORMATS, PNG_SIGNATURE, png_chunk

from cam_audit.errors import ImageError
from cam_audit.findings.cues.files import file_facts
from cam_audit.images.decode import decode
from cam_audit.images.mask import decode_mask

# Address space for a child, libraries included: a picture of as many pixels as are allowed takes that in no format.
MEMORY = 6 << 30
SECONDS = 20
FILES_PER_CHILD = 20_000
BOUNDARIES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
PICTURES = [data for data, *_ in FORMATS.values()]


@dataclass
class Findings:
    """What came of the files: counts, what went wrong with which, the slowest in seconds, and the most memory."""

    outcomes: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    slowest: tuple[float, int] = (0.0, -1)
    megabytes: int = 0

    @property
    def files(self) -> int:
        return self.outcomes.total()


def mutated(seed: int) -> bytes:
    """The mutated picture file of a number."""
    random = np.random.default_rng(seed)
    data = bytearray(PICTURES[random.integers(len(PICTURES))])
    for _ in range(random.geometric(0.6)):
        _MUTATIONS[random.integers(len(_MUTATIONS))](data, random)
    # else hardly any mutant of a PNG would get past its checksums
    return _with_checksums(bytes(data)) if random.random() < 0.8 else bytes(data)


def _place(data: bytearray, random: np.random.Generator) -> int:
    """A place in a file, half of the time near its beginning, where the header is."""
    size = len(data) if random.random() < 0.5 else min(len(data), 200)
    return int(random.integers(size)) if size else 0


def _flip_bits(data: bytearray, random: np.random.Generator) -> None:
    for _ in range(random.geometric(0.3) if data else 0):
        data[_place(data, random)] ^= 1 << int(random.integers(8))


def _set_bytes(data: bytearray, random: np.random.Generator) -> None:
    for _ in range(random.geometric(0.3) if data else 0):
        data[_place(data, random)] = int(random.integers(256))


def _set_number(data: bytearray, random: np.random.Generator) -> None:
    at, order, kind = _place(data, random), "<>"[random.integers(2)], "BHI"[random.integers(3)]
    value = BOUNDARIES[random.integers(len(BOUNDARIES))] + int(random.integers(-1, 2))
    number = struct.pack(order + kind, value % (1 << 8 * struct.calcsize(kind)))
    data[at : at + len(number)] = number


def _cut(data: bytearray, random: np.random.Generator) -> None:
    del data[_place(data, random) :]


def _remove(data: bytearray, random: np.random.Generator) -> None:
    at = _place(data, random)
    del data[at : at + random.geometric(0.05)]


def _repeat(data: bytearray, random: np.random.Generator) -> None:
    at, to, length = _place(data, random), _place(data, random), int(random.geometric(0.02))
    data[to:to] = data[at : at + length] * int(random.geometric(0.3))


def _graft(data: bytearray, random: np.random.Generator) -> None:
    other, at = PICTURES[random.integers(len(PICTURES))], _place(data, random)
    data[at:] = other[int(random.integers(len(other))) :]


_MUTATIONS = (_flip_bits, _set_bytes, _set_number, _set_number, _cut, _remove, _repeat, _graft)


def _with_checksums(data: bytes) -> bytes:
    """A PNG with the checksum of each chunk put right; anything else as it is."""
    if not data.startswith(PNG_SIGNATURE):
        return data
    parts, at = [PNG_SIGNATURE], len(PNG_SIGNATURE)
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        if at + 12 + length > len(data):
            break
        parts.append(png_chunk(data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    return b"".join(parts) + data[at:]


def fuzz(first: int, files: int, jobs: int = 1) -> Findings:
    """Decode the files of the numbers from `first` on, in child processes."""
    findings = Findings()
    starts = range(first, first + files, FILES_PER_CHILD)
    batches = [range(start, min(start + FILES_PER_CHILD, first + files)) for start in starts]
    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(lambda batch: _watch(batch, findings), batches))
    return findings


def _watch(batch: range, findings: Findings) -> None:
    """Decode a batch in children, each of which goes on after the file that ended the one before."""
    at = batch.start
    while at < batch.stop:
        command = [sys.executable, __file__, "--child", "--first", str(at), "--files", str(batch.stop - at)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
            assert child.stdout
            for line in child.stdout:
                outcome, seconds, megabytes = line.rstrip("\n").split("\t")
                findings.outcomes[outcome.partition(":")[0]] += 1
                findings.slowest = max(findings.slowest, (float(seconds), at))
                findings.megabytes = max(findings.megabytes, int(megabytes))
                if outcome.startswith("raised"):
                    findings.faults.append(f"{at}: {outcome}")
                at += 1
        if at < batch.stop:
            ended = signal.Signals(-child.returncode).name if child.returncode < 0 else str(child.returncode)
            findings.outcomes["ended the process"] += 1
            findings.faults.append(f"{at}: ended the process: {ended}")
            at += 1


def _child(first: int, files: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    for number in range(first, first + files):
        data = mutated(number)
        begin = time.monotonic()
        # nothing is there to catch it: it ends the process, in whichever library it hangs
        signal.alarm(SECONDS)
        outcome = _outcome(data, number)
        signal.alarm(0)
        print(outcome, f"{time.monotonic() - begin:.3f}", _most_megabytes(), sep="\t", flush=True)


def _most_megabytes() -> int:
    """The most memory that this process had; getrusage would tell of the one that started it too."""
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(peak.group(1)) >> 10 if peak else 0


def _outcome(data: bytes, number: int) -> str:
    """Decode a file as a mask, reduced, or in full, and read what it is."""
    try:
        if number % 4 == 0:
            decode_mask(data)
            return "decoded"
        _, width, height = decode(data, needed=(None, 8)[number % 2])
        file_facts(data, width, height)
    except ImageError:
        return "refused"
    except MemoryError:
        return "too large for the memory"
    except Exception as error:
        return f"raised: {error!r:.200}".replace("\n", " ").replace("\t", " ")
    return "decoded"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--first", type=int, default=0, help="number of the first file")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--save", type=Path, help="write the first file there instead")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        _child(options.first, options.files)
        return 0
    if options.save:
        options.save.write_bytes(mutated(options.first))
        return 0
    begin = time.monotonic()
    findings = fuzz(options.first, options.files, options.jobs)
    print(f"files {options.first} to {options.first + options.files - 1} in {time.monotonic() - begin:.0f} s:", end=" ")
    print(", ".join(f"{count:,} {outcome}" for outcome, count in findings.outcomes.most_common()))
    print(f"slowest: {findings.slowest[0]:.1f} s (file {findings.slowest[1]}); most memory: {findings.megabytes:,} MB")
    print(*findings.faults, sep="\n")
    return 1 if findings.faults else 0


if __name__ == "__main__":
    sys.exit(main())
