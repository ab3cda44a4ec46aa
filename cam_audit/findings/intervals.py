"""Confidence intervals in closed form, and the correction where several hypotheses are tried."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist, fmean, stdev

LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """An estimate and the ends of its confidence interval."""

    value: float
    low: float
    high: float


def mean_interval(values: Sequence[float], level: float = LEVEL) -> Estimate:
    """The mean of independent values and Student's interval; raises ValueError for fewer than two values.

    Example:
        >>> mean_interval([1.0, 2.0, 3.0, 4.0])
        Estimate(value=2.5, low=0.448..., high=4.551...)
    """
    if len(values) < 2:
        raise ValueError("an interval takes two values")
    mean, half = fmean(values), t_quantile((1 + level) / 2, len(values) - 1) * stdev(values) / sqrt(len(values))
    return Estimate(mean, mean - half, mean + half)


def share_interval(hits: int, images: int, level: float = LEVEL) -> Estimate:
    """A share, 0..1, and Wilson's score interval (Wilson 1927); raises ValueError where there are no images.

    Example:
        >>> share_interval(40, 40)
        Estimate(value=1.0, low=0.91..., high=1.0)
    """
    if images < 1:
        raise ValueError("a share takes one image")
    z = _z(level)
    share = hits / images
    middle = (share + z * z / (2 * images)) / (1 + z * z / images)
    half = z / (1 + z * z / images) * sqrt(share * (1 - share) / images + z * z / (4 * images * images))
    # exact at the ends, where rounding would leave them
    return Estimate(share, 0.0 if hits == 0 else middle - half, 1.0 if hits == images else middle + half)


def paired_difference(first: Sequence[bool], second: Sequence[bool], level: float = LEVEL) -> Estimate:
    """The difference of two shares of the same images, -1..1: how often `first` holds minus how often `second` does.

    Source: the hybrid of Wilson's intervals of Newcombe, "Improved confidence intervals for the difference between
    binomial proportions based on paired data", Statistics in Medicine 17 (1998), without a correction of the
    correlation for continuity.

    Raises ValueError where there are no images.

    Example:
        >>> paired_difference([True] * 29 + [False] * 7, [False] * 36)
        Estimate(value=0.80..., low=0.62..., high=0.90...)
    """
    images = len(first)
    one, two = share_interval(sum(first), images, level), share_interval(sum(second), images, level)
    both = sum(a and b for a, b in zip(first, second, strict=True))
    neither = sum(not a and not b for a, b in zip(first, second, strict=True))
    rows, columns = sum(first), sum(second)
    spread = rows * (images - rows) * columns * (images - columns)
    only_first, only_second = rows - both, columns - both
    correlation = (both * neither - only_first * only_second) / sqrt(spread) if spread else 0.0

    def reach(a: float, b: float) -> float:
        return sqrt(max(0.0, a * a - 2 * correlation * a * b + b * b))

    difference = one.value - two.value
    return Estimate(
        difference,
        difference - reach(one.value - one.low, two.high - two.value),
        difference + reach(one.high - one.value, two.value - two.low),
    )


def holm(
    intervals: Sequence[Callable[[float], Estimate]], thresholds: Sequence[float], level: float = LEVEL
) -> list[Estimate]:
    """Estimates, each with the interval that Holm's correction gives it among all that were tried.

    intervals: give an estimate at a confidence level. An interval lies above its threshold if, and only if, Holm's
    procedure rejects that the effect is no larger: the chance that any of them does wrongly is at most half of
    1 - level, whatever their number.

    Source: Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6
    (1979).
    """
    estimates: dict[int, Estimate] = {}
    left = set(range(len(intervals)))
    while left:
        tried = {index: intervals[index](1 - (1 - level) / len(left)) for index in left}
        above = {index for index in left if tried[index].low > thresholds[index]}
        settled = above or left
        estimates |= {index: tried[index] for index in settled}
        left -= settled
    return [estimates[index] for index in range(len(intervals))]


def t_quantile(probability: float, freedom: int) -> float:
    """The quantile of Student's t, by its expansion around the normal's (Abramowitz and Stegun 26.7.5).

    For five degrees of freedom and 0.975 it is right to three digits, for more to more.
    """
    z: float = NormalDist().inv_cdf(probability)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    rest: float = sum(term / freedom**power for power, term in enumerate(terms, 1))
    return z + rest


def _z(level: float) -> float:
    return NormalDist().inv_cdf((1 + level) / 2)
