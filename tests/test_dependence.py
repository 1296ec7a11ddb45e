"""Whether D_crit moves with a field of the runs: by seed, and as an equivalence over seeds."""

from dataclasses import replace
from math import isnan

import numpy as np
import pytest
from transitions import crossing, sweep

from varma2023.ungrokking import analysis

DECAYS = (0.1, 0.5, 1.0, 1.5, 2.0)


def test_the_shift_of_one_seed_is_that_of_a_power_law():
    assert analysis.log_shift(sweep({0: 800}, DECAYS, 0.05)) == pytest.approx(0.05 * np.log(20))
    assert analysis.log_shift(sweep({0: 800}, DECAYS)) == pytest.approx(0, abs=1e-12)


def test_without_two_values_or_with_one_d_crit_unknown_there_is_no_shift():
    one, beyond = sweep({0: 800}, (1.0,)), crossing(9000, weight_decay=0.5)
    for records in (one, sweep({0: 800}) + beyond):
        assert isnan(analysis.log_shift(records))
        assert analysis.same_d_crit(records) is None
    # one seed that cannot be told leaves all of them open
    assert (
        analysis.same_d_crit(sweep({0: 800, 1: 900}) + crossing(9000, seed=1, weight_decay=0.5))
        is None
    )


def test_another_field_than_weight_decay_can_be_asked_about():
    records = [
        replace(each, run=replace(each.run, eps=eps))
        for eps, d_crit in ((1e-9, 800), (1e-8, 880), (1e-7, 968))
        for each in crossing(d_crit)
    ]
    assert analysis.shift_interval(records, "eps").value == pytest.approx(0.21)
    assert analysis.same_d_crit(records, "eps") is False
    assert analysis.largest_gap(records, "eps") > 0.15


@pytest.mark.parametrize(
    ("powers", "same"),
    [
        ((0.01, 0.02), True),
        ((0.01, 0.04), False),  # 20^0.04 is 1.13: of few seeds, each must be within a tenth
        ((-0.04, 0.04), False),  # the mean alone would be 0
        ((0.0, 0.01, 0.02, 0.0, 0.01), True),
        ((-0.08, 0.08, -0.08, 0.08, 0.0), False),  # a mean of 0, and an interval wider than 10 %
    ],
)
def test_the_same_is_an_equivalence_over_seeds(powers, same):
    records = [
        each
        for seed, power in enumerate(powers)
        for each in sweep({seed: 700 + 50 * seed}, DECAYS, power)
    ]
    assert analysis.same_d_crit(records) is same
    interval = analysis.shift_interval(records)
    assert interval.value == pytest.approx(20 ** np.mean(powers) - 1, abs=1e-3)
    assert interval.bounded == (len(powers) >= 5)


def test_the_largest_gap_is_within_one_seed_and_size():
    records = sweep({0: 500, 1: 2000}, decays=(1.0, 2.0))
    assert analysis.largest_gap(records) == pytest.approx(0)
    records[0].metrics["test_accuracy"] = records[0]["test_accuracy"] + 0.3
    assert analysis.largest_gap(records) == pytest.approx(0.3)
