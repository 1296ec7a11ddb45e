"""The bootstrap over seeds, against the textbook interval of a mean, and its edge cases."""

import math

import numpy as np
import pytest
from scipy import stats

from varma2023 import statistics
from varma2023.statistics import Interval, bootstrap


def mean(units):
    return float(np.mean(units))


def test_the_interval_of_a_mean_is_the_textbooks():
    values = np.random.default_rng(0).normal(3.0, 2.0, 200).tolist()
    found = bootstrap(values, mean)
    half = 1.96 * np.std(values) / math.sqrt(len(values))
    assert found.value == pytest.approx(np.mean(values))
    assert found.low == pytest.approx(np.mean(values) - half, abs=0.1 * half)
    assert found.high == pytest.approx(np.mean(values) + half, abs=0.1 * half)
    assert found.n == 200


@pytest.mark.parametrize("n", [5, 10, 40])
def test_of_few_units_the_interval_of_a_mean_is_nearly_as_wide_as_students(n):
    samples = np.random.default_rng(n).normal(size=(60, n))
    widths = [
        found.high - found.low for found in (bootstrap(one.tolist(), mean) for one in samples)
    ]
    students = 2 * stats.t.ppf(0.975, n - 1) * samples.std(axis=1, ddof=1) / math.sqrt(n)
    assert np.mean(widths / students) == pytest.approx(1, abs=0.15)  # by percentiles 0.63 of five
    assert statistics.tail_of(10**6) == pytest.approx(0.025, rel=1e-4)


def test_units_are_drawn_whole_and_resamples_without_a_value_left_out():
    units = [[0.0, 10.0]] * 5  # every unit has the same mean
    found = bootstrap(units, lambda drawn: mean([mean(unit) for unit in drawn]))
    assert (found.low, found.high) == (5.0, 5.0)
    found = bootstrap([1.0, 1.0, 1.0, 1.0, math.nan], lambda drawn: drawn[0])
    assert (found.low, found.high) == (1.0, 1.0)


@pytest.mark.parametrize("n", [5, 40, 160])
def test_the_interval_of_a_share_is_that_of_clopper_and_pearson(n):
    none, every = statistics.proportion(0, n), statistics.proportion(n, n)
    assert (none.value, none.low, none.n) == (0, 0, n)
    assert none.high == pytest.approx(1 - 0.025 ** (1 / n))  # closed form
    assert (every.low, every.high) == pytest.approx((1 - none.high, 1))


@pytest.mark.parametrize("n", range(1, 7))
def test_fewer_than_five_units_have_no_interval_but_their_own_values(n):
    values = [float(i) for i in range(n)]
    found = bootstrap(values, mean)
    assert (found.value, found.n) == (np.mean(values), n)
    assert found.bounded == (n >= statistics.FEW)
    assert found.each == (() if found.bounded else tuple(values))


def test_a_text_has_the_interval_or_the_values_of_few_seeds():
    assert bootstrap([2.0], mean).text(".1f") == "2.0 (1 seed)"
    assert bootstrap([1.0, 3.0], mean).text(".1f") == "2.0 (1.0, 3.0; 2 seeds)"
    assert Interval(2.0, 1.0, 3.0, 5).text(".0f") == "2 (1 – 3)"
    assert Interval(math.nan).text() == "none"


@pytest.mark.parametrize(
    ("found", "within"),
    [
        (Interval(0.0, -0.9, 0.9, 5), True),
        (Interval(0.0, -1.1, 0.9, 5), False),  # its value alone would be within
        (Interval(0.0, -0.9, 1.1, 5), False),
        (Interval(0.0, n=2, each=(-0.9, 0.9)), True),
        (Interval(0.0, n=2, each=(-1.1, 1.1)), False),
        (Interval(0.0), False),  # nothing is known
        (Interval(math.nan, n=1, each=(math.nan,)), False),
    ],
)
def test_within_asks_for_the_whole_interval_or_for_every_seed(found, within):
    assert found.within(-1, 1) is within


def test_spearman_is_one_for_any_rising_curve_and_undefined_for_a_flat_one():
    x = np.array([1.0, 2.0, 5.0, 7.0])
    assert statistics.spearman(x, np.exp(x)) == pytest.approx(1)
    assert statistics.spearman(x, -x) == pytest.approx(-1)
    assert math.isnan(statistics.spearman(x, np.ones(4)))
    assert math.isnan(statistics.spearman(x[:2], x[:2]))


def test_two_samples_are_drawn_apart_and_few_units_have_no_interval():
    def gap(one, other):
        return mean(one) - mean(other)

    one, other = [1.0, 2.0, 3.0, 4.0, 5.0], [10.0, 20.0] * 3
    both = statistics.bootstrap_of([one, other], gap)
    assert both.value == pytest.approx(3 - 15)
    assert 1 - 20 <= both.low < -12 < both.high <= 5 - 10
    assert both.n == 5
    fixed = statistics.bootstrap_of([[5.0] * 5, other], gap)
    assert fixed.high - fixed.low < both.high - both.low
    few = statistics.bootstrap_of([[5.0], other], gap)
    assert (few.value, few.bounded, few.n) == (5 - 15, False, 1)
    for none in (bootstrap([], mean), statistics.bootstrap_of([[], [1.0]], gap)):
        assert math.isnan(none.value)


def test_a_ratio_of_a_seed_whose_value_is_not_known_is_none():
    for above, below in ((5.0, math.inf), (math.inf, 5.0), (math.nan, 5.0)):
        assert math.isnan(statistics.mean_ratio({0: above}, {0: below}).value)
    found = statistics.mean_ratio({0: 8.0, 1: 2.0, 2: 9.0}, {0: 2.0, 1: 2.0})
    assert found.value == pytest.approx(2)
