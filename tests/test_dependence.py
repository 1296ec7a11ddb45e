"""Whether D_crit moves: the regression against other ways to it, and the power by simulation."""

from dataclasses import replace
from math import isnan

import numpy as np
import pytest
from scipy import stats
from transitions import crossing, sweep

from grokkit import dependence, statistics

DECAYS = (0.1, 0.5, 1.0, 1.5, 2.0)


def of(records, **kinds):
    return dependence.dependence(statistics.by_seed(records), **kinds)


def noisy(seed=0, shift=0.0, n_seeds=2):
    """A dependence on weight decay with noise of 2 % in D_crit, and a level for each seed."""
    rng, x = np.random.default_rng(seed), np.log(DECAYS)
    x = x - x.mean()
    slope = np.log1p(shift) / np.log(20)
    y = slope * x + rng.normal(0, 0.02, (n_seeds, len(x)))
    y -= y.mean(1, keepdims=True)
    return dependence.Dependence(np.tile(x, n_seeds), y.ravel(), n_seeds, 20.0, 0)


def test_a_power_law_is_found_whatever_the_seeds_own_level():
    found = of(sweep({0: 700, 1: 950}, power=0.05))
    assert found.slope == pytest.approx(0.05)
    assert found.shift == pytest.approx(20**0.05 - 1)
    assert (found.n_seeds, found.censored, found.factor) == (2, 0, 20)


def test_the_test_is_that_of_an_ordinary_regression_for_one_seed():
    found = noisy(3, n_seeds=1)
    other = stats.linregress(found.x, found.y)
    assert found.slope == pytest.approx(other.slope)
    assert found.error == pytest.approx(other.stderr)
    assert found.p_value == pytest.approx(other.pvalue)


def test_seeds_have_levels_of_their_own_as_with_one_column_a_seed():
    found = noisy(5, shift=0.03)
    half = len(found.x) // 2
    level = np.repeat(np.eye(2), half, axis=0)  # a column a seed
    columns = np.column_stack([found.x, level])
    fitted, rest, *_ = np.linalg.lstsq(columns, found.y, rcond=None)
    variance = rest[0] / (len(found.y) - 3) * np.linalg.inv(columns.T @ columns)[0, 0]
    assert found.slope == pytest.approx(fitted[0])
    assert found.error == pytest.approx(variance**0.5)


def test_of_shifts_that_it_can_see_the_test_finds_four_in_five():
    error = 0.02 / np.sqrt(noisy().x @ noisy().x)  # the true one
    found = noisy()
    factor = np.log1p(found.detectable) / (found.error * np.log(20))
    shift = 20 ** (factor * error) - 1  # what a test that knew the noise could see
    seen = [noisy(seed, shift).p_value < dependence.SIGNIFICANT for seed in range(1000)]
    assert np.mean(seen) == pytest.approx(dependence.POWER, abs=0.04)
    false = [noisy(seed).p_value < dependence.SIGNIFICANT for seed in range(1000)]
    assert np.mean(false) == pytest.approx(dependence.SIGNIFICANT, abs=0.02)


def test_a_test_without_degrees_of_freedom_says_nothing():
    for records in (sweep({0: 800}, decays=(1.0, 2.0)), sweep({0: 800}, decays=(1.0,))):
        found = of(records)
        assert isnan(found.p_value)
        assert isnan(found.detectable)
        assert not all(dependence.same_parts(records).values())
    assert isnan(of(sweep({0: 800}, decays=(1.0,))).shift)


def test_curves_without_a_crossing_are_left_out_and_counted():
    records = sweep({0: 700, 1: 900}) + crossing(9000, seed=1, weight_decay=0.5)
    found = of(records)
    assert found.censored == 1
    assert len(found.x) == 6
    assert not dependence.same_parts(records)["every curve has a D_crit"]


def test_another_field_than_weight_decay_can_be_asked_about():
    records = [
        replace(each, run=replace(each.run, eps=eps))
        for eps, d_crit in ((1e-9, 800), (1e-8, 880), (1e-7, 968))
        for each in crossing(d_crit)
    ]
    assert of(records, knob="eps").slope == pytest.approx(np.log(1.1) / np.log(10))
    assert of(records, knob="eps").shift == pytest.approx(0.21)


@pytest.mark.parametrize(("power", "same"), [(0.001, True), (0.2, False)])
def test_the_same_means_a_small_shift_that_would_have_been_seen(power, same):
    records = sweep({0: 700, 1: 900}, DECAYS, power)
    for i, each in enumerate(records):  # a little noise, or there is nothing to test against
        each.metrics["test_accuracy"] = each["test_accuracy"] + 0.003 * (-1) ** (i // 6)
    parts = dependence.same_parts(records)
    assert all(parts.values()) == same
    assert parts["a shift of 10% would have been seen"]


def test_the_largest_gap_is_within_one_seed_and_size():
    records = sweep({0: 500, 1: 2000}, decays=(1.0, 2.0))
    assert dependence.largest_gap(records) == pytest.approx(0)
    records[0].metrics["test_accuracy"] = records[0]["test_accuracy"] + 0.3
    assert dependence.largest_gap(records) == pytest.approx(0.3)
    assert list(dependence.gap_parts(records).values()) == [False]


def test_the_shift_has_an_interval_over_seeds():
    records = sweep({0: 700}, DECAYS, 0.1) + sweep({1: 900}, DECAYS, 0.0)
    interval = dependence.shift_interval(records)
    assert interval.value == pytest.approx(20**0.05 - 1)
    assert [interval.low, interval.high] == pytest.approx([0, 20**0.1 - 1], abs=1e-9)
    assert interval.n == 2
