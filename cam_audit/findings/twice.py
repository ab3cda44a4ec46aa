"""The same picture in two classes or in two splits, among all images of a scan: CA301 and CA302."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cam_audit.errors import ImageError
from cam_audit.findings.codes import CODES, IN_CLASSES, IN_SPLITS, NOTE, WARNING
from cam_audit.findings.decision import MAX_EXAMPLES, fingerprint
from cam_audit.findings.sample import Pictures
from cam_audit.images.copies import THUMBNAIL_SIDE, Thumbnail, are_copies, close_across, contrast_of, thumbnail_of
from cam_audit.images.decode import read_image
from cam_audit.images.depth import Ranges
from cam_audit.inside import AnyPath
from cam_audit.records import Example, Finding, ImageSource, Pair
from cam_audit.text import count
from cam_audit.workers import Each

# So many pictures are read again at most, and so many pairs are listed of a finding.
MAX_READ = 20_000
MAX_PAIRS = 1000
MAX_NAMED = 5
# A picture whose thumbnail deviates by fewer grey levels is nearly blank: others like it may be other pictures.
MIN_CONTRAST = 4.0
# The split that a net learns from, as `scan.layout` calls it; a picture in it and in another has leaked from it.
_LEARNT_FROM = "train"


@dataclass(frozen=True)
class Twice:
    """What is there twice: `findings`; `flags`: by image, the codes that it gets; `notes`: what was not compared."""

    findings: tuple[Finding, ...] = ()
    flags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class _Read(NamedTuple):
    """A picture that was read again: its thumbnail, its contrast, and a hash of its pixels."""

    thumbnail: Thumbnail
    contrast: float
    pixels: bytes


class _Found(NamedTuple):
    """Two images, by their numbers, that show one picture, and whether their pixels are the same."""

    first: int
    second: int
    same_pixels: bool


def pictures_twice(pictures: Pictures, *, needed: int, passes: Each, ranges: Ranges | None = None) -> Twice:
    """The pictures that lie in two classes or in two splits.

    Hashes propose pairs, whose pictures are read again and compared: by their pixels, and by small versions of them.
    `needed` and `ranges` as in `decode`; `each` is `map`, or one that uses several cores.
    """
    sources = pictures.sources
    groups = {
        IN_CLASSES: _numbers(source.label for source in sources),
        IN_SPLITS: _numbers(source.split for source in sources),
    }
    hashes = np.frombuffer(pictures.hashes, np.uint64) if sources else np.empty(0, np.uint64)
    proposed: dict[str, NDArray[np.intp]] = {}
    not_all = np.zeros(len(sources), bool)
    for code, of_each in groups.items():
        if len(set(of_each.tolist()) - {-1}) > 1:
            proposed[code], missed = close_across(hashes, of_each)
            not_all |= missed
    wanted = _wanted(proposed.values())
    again = dict(zip(wanted, _read([sources[number].path for number in wanted], needed, ranges, passes), strict=True))
    all_wanted = len({number for pairs in proposed.values() for number in pairs.ravel().tolist()})
    findings: list[Finding] = []
    flags: dict[str, tuple[str, ...]] = {}
    for code, pairs in proposed.items():
        found = list(_one_picture(pairs, again))
        if not found:
            continue
        finding = _finding(code, found, pictures, groups[code], again)
        findings.append(finding)
        for number in {number for pair in found for number in pair[:2]}:
            name = sources[number].name
            flags[name] = (*flags.get(name, ()), code)
            # it is reported, however many more there are like it
            not_all[number] = False
    return Twice(tuple(findings), flags, tuple(_notes(not_all, all_wanted)))


def _wanted(proposed: Iterable[NDArray[np.intp]]) -> list[int]:
    """The images of the first pairs, as many pairs as can be compared when at most MAX_READ pictures are read."""
    wanted: set[int] = set()
    for pairs in proposed:
        for pair in pairs.tolist():
            if len(wanted) < MAX_READ - 1 or wanted.issuperset(pair):
                wanted.update(pair)
    return sorted(wanted)


def _numbers(names: Iterable[str]) -> NDArray[np.intp]:
    """Names by the number of each that differs: int (n,), -1 for none."""
    known = {"": -1}
    return np.array([known.setdefault(name, len(known) - 1) for name in names], np.intp)


def _read(paths: Sequence[AnyPath], needed: int, ranges: Ranges | None, passes: Each) -> list[_Read | None]:
    """Pictures read again; None where one can no longer be read."""

    def read(path: AnyPath) -> _Read | None:
        try:
            rgb, width, height = read_image(path, needed=needed, ranges=ranges)
        except (ImageError, MemoryError):
            return None
        thumbnail = thumbnail_of(rgb)
        pixels = hashlib.blake2b(rgb.tobytes(), digest_size=16, key=f"{width}x{height}".encode()).digest()
        return _Read(thumbnail, contrast_of(thumbnail), pixels)

    return list(passes(read, paths))


def _one_picture(pairs: NDArray[np.intp], read: Mapping[int, _Read | None]) -> Iterator[_Found]:
    """Those of the pairs that show one picture, same pixels first; of each, no more pairs than tell of all images."""
    known = [(a, b, one, other) for a, b in pairs.tolist() if (one := read.get(a)) and (other := read.get(b))]
    same = [(a, b) for a, b, one, other in known if one.pixels == other.pixels]
    # what is nearly blank is one picture only where it is the same to the pixel
    rest = [pair for pair in known if pair[2].pixels != pair[3].pixels and pair[2].contrast >= MIN_CONTRAST]
    alike = are_copies(*(_stacked(pair[side].thumbnail for pair in rest) for side in (2, 3)))
    told: set[int] = set()
    for a, b, same_pixels in (
        *((a, b, True) for a, b in same),
        *((pair[0], pair[1], False) for pair, are in zip(rest, alike, strict=True) if are),
    ):
        if not told.issuperset((a, b)):
            told |= {a, b}
            yield _Found(a, b, same_pixels)


def _stacked(thumbnails: Iterable[Thumbnail]) -> NDArray[np.uint8]:
    return np.array(list(thumbnails), np.uint8).reshape(-1, THUMBNAIL_SIDE, THUMBNAIL_SIDE, 3)


def _finding(
    code: str,
    found: Sequence[_Found],
    pictures: Pictures,
    groups: NDArray[np.intp],
    read: Mapping[int, _Read | None],
) -> Finding:
    sources = pictures.sources
    ordered = sorted(
        found, key=lambda pair: (not pair.same_pixels, sources[pair.first].name, sources[pair.second].name)
    )
    same = sum(pair.same_pixels for pair in found)
    concerned = {number for pair in found for number in pair[:2]}
    compared = int((groups >= 0).sum())
    told = _told_of_classes if code == IN_CLASSES else _told_of_splits
    sentences, numbers = told(ordered, pictures)
    certain = f"In {count(same, 'pair')} the pixels are the same" if same else "In no pair are the pixels the same"
    rest = len(found) - same
    looks = "1 pair looks" if rest == 1 else f"{rest:,} pairs look"
    alike = f"{looks} the same: encoded again, resized, or taken one after the other" if rest else ""
    listed = ordered[:MAX_PAIRS]
    examples = [sources[number] for pair in listed for number in pair[:2]][:MAX_EXAMPLES]
    digests = [it.pixels.hex() for pair in listed for number in pair[:2] if (it := read[number])][:MAX_EXAMPLES]
    advice = CODES[code].what_to_do.rstrip(".")
    return Finding(
        code=code,
        severity=NOTE if code == IN_CLASSES and not same else WARNING,
        label="",
        message=". ".join([*sentences, "; ".join(filter(None, [certain, alike])), f"To do: {advice}"]),
        evidence={
            "images": compared,
            "hits": len(concerned),
            "score": round(len(concerned) / compared, 6),
            "threshold": 0.0,
            "pairs": len(found),
            "same_pixels": same,
            **numbers,
        },
        examples=tuple(Example(source.name) for source in examples),
        fingerprint=fingerprint(code, "", digests),
        pairs=tuple(_pair(sources[pair.first], sources[pair.second], pair.same_pixels) for pair in listed),
    )


def _pair(first: ImageSource, second: ImageSource, same_pixels: bool) -> Pair:
    return Pair((first.name, second.name), (first.label, second.label), (first.split, second.split), same_pixels)


def _told_of_classes(found: Sequence[_Found], pictures: Pictures) -> tuple[list[str], dict[str, float]]:
    sources = pictures.sources
    labels = Counter(
        tuple(sorted((sources[pair.first].label, sources[pair.second].label))) for pair in found
    ).most_common()
    named = [f"{times:,} x in {one!r} and {other!r}" for (one, other), times in labels[:MAX_NAMED]]
    more = [f"and in {count(len(labels) - MAX_NAMED, 'more pair')} of classes"] if len(labels) > MAX_NAMED else []
    return [f"The same picture lies in two classes: {', '.join([*named, *more])}"], {}


def _told_of_splits(found: Sequence[_Found], pictures: Pictures) -> tuple[list[str], dict[str, float]]:
    """By two splits, how many images of the one are in the other, and how often the net is right on them."""
    sources, right = pictures.sources, pictures.right
    leaked: dict[tuple[str, str], set[int]] = {}
    for pair in found:
        learnt_last = sorted(pair[:2], key=lambda each: (sources[each].split == _LEARNT_FROM, sources[each].split))
        into, origin = (sources[number].split for number in learnt_last)
        leaked.setdefault((into, origin), set()).add(learnt_last[0])
    sizes = Counter(source.split for source in sources)
    sentences = []
    for (into, origin), images in sorted(leaked.items(), key=lambda item: (-len(item[1]), item[0])):
        are = "is" if len(images) == 1 else "are"
        sentences.append(f"{len(images):,} of {count(sizes[into], 'image')} of {into!r} {are} in {origin!r}, too")
    into = max(leaked.items(), key=lambda item: (len(item[1]), item[0]))[0][0]
    within = frozenset().union(*(images for (split, _), images in leaked.items() if split == into))
    judged = [number for number, source in enumerate(sources) if source.split == into and right[number] >= 0]
    shown = [number for number in judged if number in within]
    numbers: dict[str, float] = {"leaked_images": len(within), "split_images": sizes[into]}
    if shown:
        others = [number for number in judged if number not in within]
        right_shown, right_others = (sum(right[number] for number in some) for some in (shown, others))
        numbers |= {"leaked_right": right_shown, "leaked_judged": len(shown)}
        numbers |= {"others_right": right_others, "others_judged": len(others)}
        apart = f"; on the other images of {into!r}, on {right_others:,} of {len(others):,}" if others else ""
        sentences.append(f"The net is right on {right_shown:,} of {len(shown):,} of these{apart}")
    return sentences, numbers


def _notes(not_all: NDArray[np.bool_], wanted: int) -> Iterator[str]:
    if not_all.any():
        yield (
            f"{count(int(not_all.sum()), 'picture')} are much like many others; of these each was compared with the "
            "nearest alone, so that CA301 and CA302 may miss some of them"
        )
    if wanted > MAX_READ:
        yield (
            f"{wanted:,} pictures may be in two classes or splits; {MAX_READ:,} of them were read again to "
            "decide, so CA301 and CA302 do not list all"
        )
