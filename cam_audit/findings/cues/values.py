"""How well the values of a property, in words, tell one class from all others, and which of them do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from cam_audit.findings.cues.probe import (
    MAX_CHANCE,
    FloatArray,
    Labels,
    Separation,
    chance_of,
    class_weights,
    comparable,
    pooled,
    separation,
)
from cam_audit.findings.cues.records import Features, Hit, ImageFeatures, Recogniser, Suspicion
from cam_audit.workers import Each, one_by_one

THRESHOLD = 0.25
# Shares that are in memory at once.
_BLOCK_ELEMENTS = 1 << 22
# A further fact is named where it separates at least so much of what the best one does.
_ALSO = 0.75


def suspicions(
    finder: str,
    images: Sequence[ImageFeatures],
    facts: Mapping[str, Callable[[Features], str]],
    properties: Sequence[str],
    *,
    cue: str,
    tried: int = 1,
    each: Each = one_by_one,
) -> list[Suspicion]:
    """The classes that a property gives away, found by `finder`.

    facts: by name, what tells its value; those of the `properties` may tell a class, the others only say how. The score
    of an image, and a hit's `strength`, is the class-balanced share of the class among the other images with the same
    value, 0..1. A class is found if this tells 25 % of its images from the others (TPR2), and `tried` times less likely
    by chance. `numbers` has every property that does; `score` and `hits` are those of the best one. `cue`, with `{}`
    for them, names the values that separate most, also where they are what the class lacks.
    """
    ordered, labels = pooled(images)
    candidates = comparable(labels)
    if not candidates:
        return []
    seen = {name: np.array([value_of(image) for image in ordered]) for name, value_of in facts.items()}
    values = {name: seen[name] for name in properties}

    def told_by(of_images: NDArray[np.str_]) -> dict[int, Separation]:
        shares_of = value_shares(of_images, labels)
        separations = ((k, separation(shares_of(k), labels, k)) for k in candidates)
        return {k: separated for k, separated in separations if separated.reaches(THRESHOLD, tried)}

    telling: dict[int, dict[str, Separation]] = {}
    for name, by_class in zip(values, each(told_by, values.values()), strict=True):
        for k, separated in by_class.items():
            telling.setdefault(k, {})[name] = separated
    found = []
    for k, told in sorted(telling.items()):
        best_name = max(told, key=lambda name: told[name].rate)
        best = told[best_name]
        words = telling_facts(seen, labels, k) or [
            _in_words(name, values[name], labels, k, each.members) for name, each in told.items()
        ]
        found.append(
            Suspicion(
                finder=finder,
                label=ordered[best.members[0]].label,
                score=best.rate,
                threshold=THRESHOLD,
                images=int((labels == k).sum()),
                hits=tuple(Hit(ordered[i].name, score) for i, score in best.pairs()),
                cue=cue.format("; ".join(words)),
                numbers={name: each.rate for name, each in told.items()},
                recogniser=partial(_recogniser, facts[best_name], values[best_name], labels, k, best.limit),
            )
        )
    return found


def _recogniser(
    value_of: Callable[[Features], str], values: NDArray[np.str_], labels: Labels, class_index: int, limit: float
) -> Recogniser:
    """Recognises values of a property that the class has more of than the limit; values, labels: (n,) as learnt."""
    weights = class_weights(labels)

    def recognise(image: Features) -> Hit | None:
        same = weights * (values == value_of(image))
        strength = float(same[labels == class_index].sum() / max(same.sum(), np.finfo(np.float32).tiny))
        return Hit(image.name, strength) if strength > limit else None

    return recognise


def value_shares(values: NDArray[np.str_], labels: Labels) -> Callable[[int], FloatArray]:
    """What gives the class-balanced share of a class among the other images with the same value: float32 (n,), 0..1.

    values: (n,); labels: int (n,). All 0 for an image that shares its value with no other. The shares of all classes
    together would be as many as images times classes.
    """
    codes = np.unique(values, return_inverse=True)[1]
    sizes = np.bincount(labels)
    # images of one value and class have the same shares
    kinds, kind_of = np.unique(codes * len(sizes) + labels, return_inverse=True)
    totals = np.empty(len(kinds), np.float32)
    block = max(1, _BLOCK_ELEMENTS // len(sizes))
    for start in range(0, len(kinds), block):
        some = slice(start, start + block)
        with_value, of_class = np.divmod(kinds[some], len(sizes))
        first, last = int(with_value[0]), int(with_value[-1])
        within = (codes >= first) & (codes <= last)
        cells = np.bincount(
            (codes[within] - first) * len(sizes) + labels[within], minlength=(last + 1 - first) * len(sizes)
        )
        shares = cells.reshape(-1, len(sizes))[with_value - first].astype(np.float32)
        shares[np.arange(len(with_value)), of_class] -= 1
        shares /= sizes
        totals[some] = np.maximum(shares.sum(1), np.finfo(np.float32).tiny)
    totals = totals[kind_of]

    def of_class_alone(k: int) -> FloatArray:
        own = labels == k
        shares: FloatArray = np.bincount(codes[own], minlength=int(codes.max()) + 1)[codes].astype(np.float32)
        shares[own] -= 1
        shares /= sizes[k]
        shares /= totals
        return shares

    return of_class_alone


def telling_facts(facts: Mapping[str, NDArray[np.str_]], labels: Labels, class_index: int) -> list[str]:
    """In words, which values separate a class most, the best of each fact: those that it has, or that it lacks.

    facts: by name, the values (n,) of all images; labels: int (n,). A value separates by the difference of its shares
    in the class and in the others, which count the same. As every value is tried both ways, each must be as many times
    less likely by chance (Bonferroni).
    """
    own = labels == class_index
    weights = class_weights(labels)[~own]
    tried = []
    for place, (name, values) in enumerate(facts.items()):
        unique, codes = np.unique(values, return_inverse=True)
        # of all values at once, as each image may have its own
        in_own = np.bincount(codes[own], minlength=len(unique)) / int(own.sum())
        in_others = np.bincount(codes[~own], weights, minlength=len(unique)) / weights.sum()
        for value, *shares in zip(unique.tolist(), in_own.tolist(), in_others.tolist(), strict=True):
            tried.append((abs(shares[0] - shares[1]), place, name, value, shares))
    # of those that separate as much, what the class has comes before what it lacks
    tried.sort(key=lambda each: (-round(each[0], 9), each[4][0] < each[4][1], each[1]))
    named: dict[bytes, str] = {}
    names: set[str] = set()
    least = 0.0
    for gap, _, name, value, (share_own, share_others) in tried:
        if gap < least:
            break
        same = facts[name] == value
        has = share_own > share_others
        showing = same if has else ~same
        chance = chance_of(int(showing[own].sum()), int(showing.sum()), int(own.sum()), len(own))
        if name not in names and chance * 2 * len(tried) <= MAX_CHANCE:
            few = "" if has else "only "
            least = max(least, _ALSO * gap)
            names.add(name)
            words = f"{name} {value} in {few}{share_own:.0%} of the images, {share_others:.0%} of the others"
            named.setdefault(showing.tobytes(), words)
    return list(named.values())


def _in_words(name: str, values: NDArray[np.str_], labels: Labels, class_index: int, members: Sequence[int]) -> str:
    """The members' commonest value of a property, with its share of the class and of the others."""
    value = Counter(values[list(members)].tolist()).most_common(1)[0][0]
    same, own = values == value, labels == class_index
    others = np.average(same[~own], weights=class_weights(labels)[~own])
    return f"{name} {value} in {same[own].mean():.0%} of the images, {others:.0%} of the others"
