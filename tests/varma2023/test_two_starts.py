"""App. A on records written by hand: relative strength, two starts, the loop."""

from dataclasses import replace
from math import isnan, log

import numpy as np
import pytest
from transitions import SIZES, crossing, end, sweep

from grokkit.runs import Run
from varma2023.measures import at_the_end
from varma2023.two_starts import analysis

FRESH = Run(dataset_size=500, epochs=400, keep_weights=True)


def of_norm(norm, size=500, **finals):
    return end(Run(dataset_size=size, epochs=100), 0.5, param_norm=norm, **finals)


def fresh(d_crit, **finals):
    """Ends from random weights that cross at this D_crit, with a higher train loss."""
    made = crossing(d_crit, init=None)
    return [end(r.run, at_the_end(r), **{"train_loss": 2e-7, **finals}) for r in made]


def test_the_ratio_is_of_the_two_parts_and_is_not_drawn_over_a_negative_one():
    assert analysis.ratio(of_norm(30, trig_logit=50.0, mem_logit=10.0)) == pytest.approx(5)
    assert isnan(analysis.ratio(of_norm(30, trig_logit=70.0, mem_logit=-10.0)))


@pytest.mark.parametrize("seed", range(5))
def test_the_part_orders_runs_as_the_ratio_does(seed):
    parts = np.random.default_rng(seed).uniform(0.1, 50, (20, 2))
    records = [
        of_norm(30, trig_logit=trig, mem_logit=mem, correct_logit=trig + mem) for trig, mem in parts
    ]
    by_ratio = np.argsort([analysis.ratio(record) for record in records])
    assert list(by_ratio) == list(np.argsort([analysis.trig_part(r) for r in records]))


@pytest.mark.parametrize("n", [1, 3, 4])
def test_the_buckets_hold_every_run_once_and_equally_many(n):
    records = [of_norm(norm) for norm in np.random.default_rng(0).uniform(20, 40, 12)]
    groups = analysis.by_norm(records, n)
    held = [record for here in groups.values() for record in here]
    assert sorted(map(id, held)) == sorted(map(id, records))
    assert {len(here) for here in groups.values()} == {12 // n}
    for (low, high), here in groups.items():
        assert all(low <= record.final("param_norm") <= high for record in here)


def test_the_ratio_rises_at_every_step_or_not():
    records = sweep({0: 800, 1: 900})
    for record in records:
        record.metrics["param_norm"] = record["param_norm"] + record.run.dataset_size / 1000
        part = log(record.run.dataset_size)
        record.metrics["trig_logit"] = np.full(2, part)
        record.metrics["mem_logit"] = record["correct_logit"] - part
    assert all(analysis.ratio_criteria(records).values())
    assert analysis.rank_correlation(records).value == pytest.approx(1)
    records[3].metrics["trig_logit"] = np.zeros(2)
    steps = "on every curve each larger train set has the larger ratio"
    assert not analysis.ratio_criteria(records)[steps]


def test_the_ratio_goes_over_so_many_decades():
    records = [of_norm(30, trig_logit=t, mem_logit=1.0) for t in (0.01, 1.0, 1000.0)]
    records.append(of_norm(30, trig_logit=5.0, mem_logit=-1.0))
    assert analysis.decades(records) == pytest.approx(5)


def test_accuracy_is_smooth_if_it_does_not_fall_and_does_not_jump():
    assert all(analysis.smooth_criteria(crossing(800, steep=0.5)).values())
    jump = crossing(800, steep=50)
    assert list(analysis.smooth_criteria(jump).values()) == [True, False]
    falls = crossing(800, steep=0.5)
    falls[3].metrics["test_accuracy"] = falls[2]["test_accuracy"] - 0.1
    assert not analysis.smooth_criteria(falls)["no curve falls"]
    assert all(analysis.quick_criteria(crossing(800)).values())


def test_the_norm_of_one_size_is_compared_between_weight_decays():
    records = [
        replace(of_norm(norm, size), run=Run(dataset_size=size, weight_decay=decay))
        for size, norms in ((500, (20.0, 22.0)), (900, (30.0, 30.0)))
        for norm, decay in zip(norms, (1.0, 2.0), strict=True)
    ]
    assert analysis.norm_spread(records).text(".1%") == "5.0% (0.0% – 10.0%)"


def test_pairs_are_of_one_train_set_and_weight_decay():
    down = sweep({0: 800, 3: 900})
    up = fresh(1900)[1:]
    pairs = analysis.two_starts(down, up)
    assert [pair.grokked.run.dataset_size for pair in pairs] == list(SIZES[1:])
    assert {(p.grokked.run.seed, p.grokked.run.weight_decay) for p in pairs} == {(0, 1.0)}
    assert len(analysis.at_one_decay(down, up)) == len(SIZES)
    assert analysis.two_starts(down, []) == []


def test_the_lower_end_is_told_by_loss_and_by_the_objective():
    down = crossing(800)
    low = analysis.two_starts(down, fresh(1900))[0]
    assert low.lower == {"train loss": True, "objective": True}
    small = analysis.two_starts(down, fresh(1900, param_norm=20.0))[0]
    assert small.lower == {"train loss": True, "objective": False}
    table = analysis.starts_table([low, small])
    assert table.count("<td>train loss, objective</td>") == 1
    assert table.count(f"<td>{low.grokked.final('param_norm'):.1f} / 20.0</td>") == 1


@pytest.mark.parametrize(
    ("d_crit", "half", "loop"), [(1900, True, True), (1200, False, False), (9000, True, True)]
)
def test_the_way_up_needs_more_than_twice_as_many_or_not(d_crit, half, loop):
    down, up = crossing(800), fresh(d_crit)
    assert analysis.half_the_size(down, up) == half
    loop_criteria = analysis.loop_criteria(down, up)
    assert list(loop_criteria.values()) == [True, loop]
    ratio = f"{d_crit / 800:.2f} (1 seed)" if d_crit < 3000 else "not known, as one of them was"
    assert analysis.crit_ratio_text(down, up).startswith(ratio)


def test_one_curve_both_ways_is_no_loop():
    parts = analysis.loop_criteria(crossing(800), fresh(800))
    assert not any(parts.values())
    assert not analysis.loop_criteria(crossing(900), fresh(800))[next(iter(parts))]


def test_the_norms_table_names_every_bucket_and_all():
    records = sweep({0: 800, 1: 900})
    for i, record in enumerate(records):
        record.metrics["param_norm"] = record["param_norm"] + i % 6
    text = analysis.norms_table(records)
    assert text.count("<tr>") == analysis.N_BUCKETS + 2
    assert "300, 500, 700, 900, 1,500, 3,000" in text
