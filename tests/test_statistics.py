"""The bootstrap over seeds, against the textbook interval of a mean, and its edge cases."""

import math

import numpy as np
import pytest

from grokkit import statistics
from grokkit.statistics import Interval, bootstrap


def mean(units):
    return float(np.mean(units))


def test_the_interval_of_a_mean_is_the_textbooks():
    values = np.random.default_rng(0).normal(3.0, 2.0, 200).tolist()
    found = bootstrap(values, mean, 4000)
    half = 1.96 * np.std(values) / math.sqrt(len(values))
    assert found.value == pytest.approx(np.mean(values))
    assert found.low == pytest.approx(np.mean(values) - half, abs=0.1 * half)
    assert found.high == pytest.approx(np.mean(values) + half, abs=0.1 * half)
    assert found.n == 200


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    rng, hits = np.random.default_rng(1), 0
    for _ in range(200):
        hits += bootstrap(rng.normal(0.0, 1.0, 30).tolist(), mean, 300).holds(0.0)
    assert 0.87 <= hits / 200 <= 0.99


def test_units_are_drawn_whole():
    units = [[0.0, 10.0], [0.0, 10.0], [0.0, 10.0]]  # every unit has the same mean
    found = bootstrap(units, lambda drawn: mean([mean(unit) for unit in drawn]), 100)
    assert (found.low, found.high) == (5.0, 5.0)


def test_one_unit_has_no_interval_and_says_so():
    found = bootstrap([2.0], mean)
    assert found.value == 2
    assert math.isnan(found.low)
    assert not found.holds(2.0)
    assert found.text(".1f") == "2.0 (no interval: 1 seed)"
    with pytest.raises(ValueError, match="at least one unit"):
        bootstrap([], mean)


def test_resamples_without_a_value_are_left_out():
    found = bootstrap([1.0, math.nan], lambda drawn: drawn[0] if drawn[0] == drawn[0] else math.nan)
    assert (found.low, found.high) == (1.0, 1.0)
    assert Interval(math.nan).text() == "none"
    assert Interval(2.0, 1.0, 3.0, 4).text(".0f") == "2 (1 – 3, 4 seeds)"
    assert Interval(2.0, 1.0, 3.0, 5).text(".0f") == "2 (1 – 3)"


def test_spearman_is_one_for_any_rising_curve_and_undefined_for_a_flat_one():
    x = np.array([1.0, 2.0, 5.0, 7.0])
    assert statistics.spearman(x, np.exp(x)) == pytest.approx(1)
    assert statistics.spearman(x, -x) == pytest.approx(-1)
    assert math.isnan(statistics.spearman(x, np.ones(4)))
    assert math.isnan(statistics.spearman(x[:2], x[:2]))


def test_two_samples_are_drawn_apart_and_a_single_unit_stays():
    def gap(one, other):
        return mean(one) - mean(other)

    both = statistics.bootstrap_two([1.0, 2.0, 3.0], [10.0, 20.0], gap)
    assert both.value == pytest.approx(2 - 15)
    assert 1 - 20 <= both.low < -13 < both.high <= 3 - 10
    assert both.n == 3
    fixed = statistics.bootstrap_two([5.0], [10.0, 20.0], gap)
    assert (fixed.low, fixed.value, fixed.high) == (5 - 20, 5 - 15, 5 - 10)
    assert math.isnan(statistics.bootstrap_two([5.0], [10.0], gap).low)
    with pytest.raises(ValueError, match="at least one unit"):
        statistics.bootstrap_two([], [1.0], gap)
