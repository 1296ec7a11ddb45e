"""The transition of ungrokking on curves written by hand, whose crossings are known."""

from dataclasses import replace
from math import log

import numpy as np
import pytest
from handmade import ungrokking

from grokkit import transition


def curve(accuracies, seed=0, **changes):
    """Runs at these sizes that end at these accuracies."""
    made = [ungrokking(size, end, seed) for size, end in accuracies.items()]
    return [replace(each, run=replace(each.run, **changes)) for each in made]


def test_a_crossing_is_linear_in_the_logarithm_of_the_size():
    found = transition.d_crit(curve({400: 0.0, 900: 1.0}))
    assert found.value == pytest.approx((400 * 900) ** 0.5)
    assert (found.low, found.high) == (400, 900)
    quarter = transition.d_crit(curve({400: 0.0, 900: 1.0}), 0.25)
    assert log(quarter.value / 400) == pytest.approx(log(900 / 400) / 4)
    assert not found.censored
    assert str(found) == "600"


@pytest.mark.parametrize(
    ("ends", "text"),
    [({300: 0.6, 900: 1.0}, "below 300"), ({300: 0.0, 3000: 0.4}, "above 3,000")],
)
def test_a_curve_that_never_crosses_is_censored(ends, text):
    found = transition.d_crit(curve(ends))
    assert found.censored
    assert str(found) == text


def test_the_last_crossing_counts_and_a_size_at_the_level_is_above():
    found = transition.d_crit(curve({300: 0.2, 500: 0.9, 800: 0.3, 1000: 0.8}))
    assert 800 < found.value < 1000
    assert transition.d_crit(curve({300: 0.0, 600: 0.5, 900: 1.0})).value == pytest.approx(600)


def test_seeds_of_one_size_are_averaged_and_the_interval_is_over_them():
    runs = curve({400: 0.0, 900: 1.0}) + curve({400: 0.0, 900: 0.6}, seed=1)
    sizes, values = transition.curve(runs)
    np.testing.assert_allclose(sizes, [400, 900])
    np.testing.assert_allclose(values, [0, 0.8])
    interval = transition.d_crit_interval(runs)
    each = [transition.d_crit(runs[:2]).value, transition.d_crit(runs[2:]).value]
    assert interval.n == 2
    assert [interval.low, interval.high] == pytest.approx(each)
    assert interval.value == pytest.approx((each[0] * each[1]) ** 0.5)


def test_a_curve_needs_records():
    with pytest.raises(ValueError, match="at least one record"):
        transition.d_crit([])
