"""Intervals and corrections, against published tables, brute force, and how often they hold what is true."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import product
from statistics import NormalDist

import numpy as np
import pytest

from cam_audit.findings.intervals import (
    LEVEL,
    Estimate,
    holm,
    mean_interval,
    paired_difference,
    share_interval,
    t_quantile,
)


def t_below(quantile: float, freedom: int) -> float:
    """The chance that Student's t is smaller: its density added up by Simpson's rule."""
    factor = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / math.sqrt(freedom * math.pi)
    x = np.linspace(0, quantile, 4001)
    density = factor * (1 + x**2 / freedom) ** (-(freedom + 1) / 2)
    return 0.5 + float((density[0] + 4 * density[1::2].sum() + 2 * density[2:-1:2].sum() + density[-1]) * x[1] / 3)


@pytest.mark.parametrize(
    ("freedom", "quantiles"),
    # as in any table of t, for 0.95, 0.975, 0.99 and 0.995
    [
        (5, (2.015, 2.571, 3.365, 4.032)),
        (10, (1.812, 2.228, 2.764, 3.169)),
        (20, (1.725, 2.086, 2.528, 2.845)),
        (30, (1.697, 2.042, 2.457, 2.750)),
        (60, (1.671, 2.000, 2.390, 2.660)),
        (120, (1.658, 1.980, 2.358, 2.617)),
    ],
)
def test_quantiles_of_t_are_those_of_the_tables(freedom: int, quantiles: tuple[float, ...]) -> None:
    found = [t_quantile(probability, freedom) for probability in (0.95, 0.975, 0.99, 0.995)]
    assert found == pytest.approx(quantiles, rel=1.2e-3)
    assert t_quantile(0.025, freedom) == pytest.approx(-found[1])


@pytest.mark.parametrize("tests", [1, 2, 4])
@pytest.mark.parametrize("error", [0.05, 0.0052])
# the expansion is a little short for the smallest samples
@pytest.mark.parametrize(("freedom", "short"), [(3, 0.12), (4, 0.05), (5, 0.03), (11, 0.001), (35, 1e-4), (71, 1e-4)])
def test_quantiles_leave_the_chance_that_they_should(freedom: int, short: float, error: float, tests: int) -> None:
    one_sided = error / tests / 2
    assert 1 - t_below(t_quantile(1 - one_sided, freedom), freedom) == pytest.approx(one_sided, rel=short)


def test_the_interval_of_a_mean_is_students() -> None:
    # his table of the sleep gained with two drugs (Student 1908): R's t.test gives 0.7001142 to 2.4598858
    gained = [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]
    interval = mean_interval(gained)
    assert interval.value == pytest.approx(1.58)
    assert (interval.low, interval.high) == pytest.approx((0.7001142, 2.4598858), abs=1e-4)
    assert mean_interval([0.3] * 9) == Estimate(0.3, pytest.approx(0.3), pytest.approx(0.3))


@pytest.mark.parametrize(
    ("hits", "images", "low", "high"),
    # table I of Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in Medicine 17 (1998)
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_the_interval_of_a_share_is_wilsons(hits: int, images: int, low: float, high: float) -> None:
    interval = share_interval(hits, images)
    assert interval.value == hits / images
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=5e-5)
    turned = share_interval(images - hits, images)
    assert (turned.low, turned.high) == pytest.approx((1 - high, 1 - low), abs=5e-5)


@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
def test_a_share_at_the_end_of_its_interval_is_just_so_far_from_what_was_seen(level: float) -> None:
    z = NormalDist().inv_cdf((1 + level) / 2)
    for hits, images in product(range(8), [7]):
        interval = share_interval(hits, images, level)
        for end in {interval.low, interval.high} - {0.0, 1.0}:
            assert abs(hits / images - end) == pytest.approx(z * math.sqrt(end * (1 - end) / images))
    assert share_interval(0, 7, level).low == 0
    assert share_interval(7, 7, level).high == 1


Table = tuple[int, int, int, int]


def answers(table: Table) -> tuple[list[bool], list[bool]]:
    """Both answers of each image, from how many say yes and yes, yes and no, no and yes, no and no."""
    pairs = [pair for pair, many in zip(product([True, False], repeat=2), table, strict=True) for _ in range(many)]
    return [first for first, _ in pairs], [second for _, second in pairs]


def newcombe(table: Table, *, corrected: bool, level: float = LEVEL) -> tuple[float, float]:
    """Newcombe's interval by the four cells, with the correction of method 10 or without it."""
    yes, first, second, no = table
    n = sum(table)
    margins = (yes + first) * (second + no) * (yes + second) * (first + no)
    phi = yes * no - first * second
    if corrected and phi > 0:
        phi = max(phi - n / 2, 0)
    phi = phi / math.sqrt(margins) if margins else 0
    z = NormalDist().inv_cdf((1 + level) / 2)

    def ends(p: float) -> tuple[float, float]:
        reach = z * math.sqrt(z * z + 4 * n * p * (1 - p))
        return (2 * n * p + z * z - reach) / (2 * (n + z * z)), (2 * n * p + z * z + reach) / (2 * (n + z * z))

    p, q = (yes + first) / n, (yes + second) / n
    (low, high), (lower, higher) = ends(p), ends(q)
    down = (p - low) ** 2 + (higher - q) ** 2 - 2 * phi * (p - low) * (higher - q)
    up = (high - p) ** 2 + (q - lower) ** 2 - 2 * phi * (high - p) * (q - lower)
    return p - q - math.sqrt(max(0, down)), p - q + math.sqrt(max(0, up))


@pytest.mark.parametrize(
    ("table", "low", "high"),
    [
        # Altman, Machin, Bryant and Gardner, "Statistics with Confidence" (2000), chapter 6
        ((14, 5, 0, 22), 0.011, 0.226),
        # Fagerland, Lydersen and Laake, "Statistical Analysis of Contingency Tables" (2017), chapter 8
        ((59, 6, 16, 80), -0.1186, -0.0046),
    ],
)
def test_the_interval_of_a_paired_difference_is_the_published_one_but_for_its_correction(
    table: Table, low: float, high: float
) -> None:
    assert newcombe(table, corrected=True) == pytest.approx((low, high), abs=6e-4)
    interval = paired_difference(*answers(table))
    assert (interval.low, interval.high) == pytest.approx(newcombe(table, corrected=False))
    # the correction is for caution, and small
    assert low < interval.low < interval.value < interval.high < high
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=0.02)


@pytest.mark.parametrize("level", [0.9, 0.95, 0.9853])
def test_the_interval_of_a_paired_difference_by_its_four_cells(level: float) -> None:
    for table in product(range(0, 10, 3), repeat=4):
        if not sum(table):
            continue
        interval = paired_difference(*answers(table), level)
        assert interval.value == pytest.approx((table[1] - table[2]) / sum(table))
        assert (interval.low, interval.high) == pytest.approx(newcombe(table, corrected=False, level=level), abs=1e-7)
        # in the other order the interval is the same, turned
        turned = paired_difference(*answers(table)[::-1], level)
        assert (turned.low, turned.high) == pytest.approx((-interval.high, -interval.low))


@pytest.mark.parametrize("function", [partial(mean_interval, []), partial(mean_interval, [1.0])])
def test_an_interval_of_a_mean_takes_two_values(function: Callable[[], Estimate]) -> None:
    with pytest.raises(ValueError, match="two values"):
        function()


@pytest.mark.parametrize("function", [partial(share_interval, 0, 0), partial(paired_difference, [], [])])
def test_a_share_takes_an_image(function: Callable[[], Estimate]) -> None:
    with pytest.raises(ValueError, match="one image"):
        function()


def test_pairs_are_of_the_same_images() -> None:
    with pytest.raises(ValueError, match="shorter"):
        paired_difference([True, False], [True])


def rejected_by_holm(chances: Sequence[float], error: float) -> set[int]:
    """Holm's procedure as he tells it: in the order of their chances, until the first that is too large."""
    rejected = set()
    for place, index in enumerate(sorted(range(len(chances)), key=chances.__getitem__)):
        if chances[index] > error / (len(chances) - place):
            break
        rejected.add(index)
    return rejected


def normal(middle: float, level: float) -> Estimate:
    """The interval of a normal variable of deviation 1."""
    reach = NormalDist().inv_cdf((1 + level) / 2)
    return Estimate(middle, middle - reach, middle + reach)


def test_an_interval_is_above_its_threshold_where_holm_rejects() -> None:
    random = np.random.default_rng(0)
    seen = set()
    for _ in range(400):
        count = int(random.integers(1, 6))
        middles, thresholds = random.uniform(0, 4, count).tolist(), random.choice([0.0, 0.5], count).tolist()
        estimates = holm([partial(normal, middle) for middle in middles], thresholds)
        chances = [1 - NormalDist().cdf(middle - t) for middle, t in zip(middles, thresholds, strict=True)]
        rejected = rejected_by_holm(chances, (1 - LEVEL) / 2)
        above = {k for k, (e, t) in enumerate(zip(estimates, thresholds, strict=True)) if e.low > t}
        assert above == rejected
        assert [estimate.value for estimate in estimates] == middles
        # none is narrower than without a correction, nor wider than by that of Bonferroni
        for estimate, middle in zip(estimates, middles, strict=True):
            widest = normal(middle, 1 - (1 - LEVEL) / count)
            assert widest.low - 1e-9 <= estimate.low <= normal(middle, LEVEL).low + 1e-9
        seen.add((count, len(rejected)))
    # all that there may be, up to five of five
    assert {(5, rejected) for rejected in range(5)} <= seen


def test_nothing_tried_is_nothing_corrected_and_one_is_as_it_was() -> None:
    assert holm([], []) == []
    assert holm([partial(normal, 1.0)], [0.0], 0.9) == [normal(1.0, 0.9)]


SEED = 11


@pytest.mark.parametrize("freedom", [3, 11, 35])
def test_the_interval_of_a_mean_holds_it_as_often_as_it_says(freedom: int) -> None:
    random = np.random.default_rng(SEED)
    draws = 4000
    intervals = [mean_interval((0.4 + random.normal(size=freedom + 1)).tolist()) for _ in range(draws)]
    held = sum(interval.low <= 0.4 <= interval.high for interval in intervals) / draws
    # four standard deviations of a share of 95 % are 1.4 %
    assert held == pytest.approx(LEVEL, abs=0.014)


@pytest.mark.parametrize(
    ("cells", "images"),
    [((0.1, 0.4, 0.1, 0.4), 36), ((0.05, 0.05, 0.05, 0.85), 36), ((0.3, 0.2, 0.2, 0.3), 72), ((0, 0.6, 0, 0.4), 36)],
)
def test_the_interval_of_a_paired_difference_holds_it_about_as_often_as_it_says(
    cells: tuple[float, ...], images: int
) -> None:
    draws = np.random.default_rng(SEED).multinomial(images, cells, 3000).tolist()
    intervals = [paired_difference(*answers(tuple(draw))) for draw in draws]
    truth = cells[1] - cells[2]
    held = sum(interval.low <= truth <= interval.high for interval in intervals) / len(intervals)
    # shares of few images come in steps, and so does the coverage
    assert 0.93 <= held <= 0.99


def test_of_many_tests_that_show_nothing_one_seldom_seems_to() -> None:
    random = np.random.default_rng(SEED)
    wrong = 0
    for _ in range(1500):
        values = [random.normal(size=36).tolist() for _ in range(4)]
        wrong += any(estimate.low > 0 for estimate in holm([partial(mean_interval, each) for each in values], [0] * 4))
    # at most half of 5 %, and four standard deviations more
    assert 0.005 < wrong / 1500 <= 0.025 + 0.016
