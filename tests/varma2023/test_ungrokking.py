"""The transition of ungrokking on curves written by hand, whose crossings are known."""

from itertools import chain
from math import exp, isnan, log

import evidence as made
import numpy as np
import pytest
from evidence import CALM, FALLING, RESTLESS, by_seed, crossing, with_rest
from handmade import record, shown, ungrokking

from grokkit.runs import Run
from grokkit.tasks import task
from varma2023 import board, measures
from varma2023.other_tasks.analysis import tasks_table
from varma2023.ungrokking import analysis, claims, figures


def curve(accuracies, seed=0):
    """Runs at these sizes that end at these accuracies."""
    return [ungrokking(size, end, seed) for size, end in accuracies.items()]


# --- D_crit of one curve


@pytest.mark.parametrize(
    ("ends", "text"),
    [
        ({300: 0.0, 400: 0.0, 900: 1.0}, "600"),  # linear in the logarithm of the size
        ({900: 0.75, 300: 0.1, 400: 0.25}, "600"),  # in whatever order the runs come
        ({300: 0.0, 600: 0.5, 900: 1.0}, "600"),  # a size at the level is above it
        ({300: 0.2, 350: 0.9, 400: 0.0, 900: 1.0}, "600"),  # the last crossing counts
        ({300: 0.6, 900: 1.0}, "below 300"),
        ({300: 0.0, 3000: 0.4}, "above 3,000"),
    ],
)
def test_d_crit_is_where_a_curve_crosses_a_half_or_it_is_censored(ends, text):
    found = measures.d_crit(curve(ends))
    assert str(found) == text
    assert found.censored == (" " in text)
    assert found.censored or found.low < found.value <= found.high


def test_seeds_of_one_size_are_averaged_and_a_curve_crosses_other_levels_elsewhere():
    runs = curve({400: 0.0, 900: 1.0}) + curve({400: 0.0, 900: 0.6}, seed=1)
    np.testing.assert_allclose(measures.curve(runs), [[400, 900], [0, 0.8]])
    quarter = measures.d_crit(runs[:2], 0.25)
    assert (quarter.low, quarter.value, quarter.high) == (400, pytest.approx(400 * 1.5**0.5), 900)
    with pytest.raises(ValueError, match="at least one record"):
        measures.d_crit([])


def test_a_text_gives_d_crit_over_seeds_or_of_each_where_one_is_censored():
    both = by_seed({0: 800, 1: 900}, (1.0,))
    assert analysis.d_crits_text(both) == "seed 0: 800, seed 1: 900"
    assert measures.d_crit_text(both) == "849 (800, 900; 2 seeds)"  # the geometric mean
    assert measures.d_crit_text([*both, *crossing(9000, seed=2)]) == "800, 900, above 3,000"
    assert measures.d_crit_text(by_seed({0: 9000, 1: 9000})) == "above 3,000 (each of 2 seeds)"


@pytest.mark.parametrize("rest", [RESTLESS, FALLING], ids=["residual", "Eq. (2)"])
def test_d_crit_can_be_told_where_the_ends_beside_every_crossing_rest(rest):
    runs = by_seed({0: 800, 1: 900}, (1.0,))
    assert measures.crossings_rest(runs)
    for row, each in enumerate(runs):
        found = measures.d_crit([r for r in runs if r.run.seed == each.run.seed])
        rests = measures.crossings_rest([*runs[:row], *with_rest([each], rest), *runs[row + 1 :]])
        assert rests == (each.run.dataset_size not in (found.low, found.high))
    assert not measures.crossings_rest(crossing(9000))
    assert not measures.crossings_rest([])


# --- the shape of a transition


def test_a_transition_has_two_ends_and_a_short_way_between():
    sharp, blunt, half = crossing(800), crossing(800, steep=0.25), crossing(2500)
    assert list(measures.transition_criteria(sharp).values()) == [True, True, True]
    assert not any(measures.transition_criteria(blunt).values())
    assert list(measures.transition_criteria(half).values()) == [True, False, False]
    assert not all(measures.transition_criteria(sharp + crossing(2500, seed=1)).values())
    runs = crossing(800, (300, 400, 700, 1790, 3000), steep=0.5)
    assert measures.widths(runs).median == pytest.approx(exp(0.8 / 0.5))
    assert measures.widths(crossing(300)).seen == 0  # 0.1 lies below the sizes


def test_a_run_that_does_not_fit_is_told():
    records = crossing(800)
    assert all(analysis.fit_criteria(records).values())
    records[2].metrics["train_accuracy"] = records[2]["train_accuracy"] * 0.99
    assert not any(analysis.fit_criteria(records).values())


def test_adamw_is_compared_at_equal_epochs_and_at_equal_decay_times():
    slow, fast = (
        record(
            Run(dataset_size=500, epochs=epochs, weight_decay=decay),
            [0, epochs // 4, epochs // 2, epochs],
            test_accuracy=[1.0, 0.75, 0.5, 0.0],
        )
        for decay, epochs in ((0.5, 40_000), (2.0, 20_000))
    )
    at = analysis.equal_epochs([slow, fast])  # 20,000
    assert (at(slow), at(fast)) == (0.5, 0.0)
    at = analysis.equal_decay_times([slow, fast])  # 20 of 2,000 and of 500 epochs
    assert (at(slow), at(fast)) == (0.0, 0.5)
    text = analysis.adamw_table([slow, fast])
    assert "D<sub>crit</sub> at epoch 20,000" in text
    assert "after 20 decay times" in text
    # ended early, and a rounding after the last evaluation: as the run ended
    for decay, epochs, last in ((1.0, 20_000, 9000), (0.3, 3366, 3366)):
        run = Run(dataset_size=500, epochs=epochs, weight_decay=decay)
        one = record(run, [0, last], test_accuracy=[1.0, 0.4])
        assert analysis.equal_decay_times([one])(one) == analysis.equal_epochs([one])(one) == 0.4


def forgetting(size, decay):
    """Accuracy a half when the size is 100 times the decay times so far: below, it is forgotten."""
    run = Run(dataset_size=size, epochs=100_000, weight_decay=decay)
    at = np.geomspace(1, run.epochs, 400)
    half = np.clip(size / (100 * at / run.decay_time) - 0.5, 0, 1)
    return record(run, at, test_accuracy=half, residual=np.ones(400))


def test_d_crit_rises_with_the_decay_times_alike_for_every_weight_decay():
    sizes = np.geomspace(80, 6000, 24).astype(int).tolist()
    slow, fast = ([forgetting(size, decay) for size in sizes] for decay in (0.1, 0.5))
    for runs, last in ((slow, 10), (fast, 50)):
        curve = analysis.d_crit_over_time(runs)
        assert curve[0][0] == 1
        known = [(t, crit) for t, crit in curve if 1.2 < t < 10]
        assert [crit / t for t, crit in known] == pytest.approx([100] * len(known), rel=0.06)
        assert curve[-1][0] <= last
    both = [*slow, *fast]
    assert analysis.by_decay_text(both) == "996 – 4,998 by weight decay"
    assert analysis.lasting(both, 20) == fast
    assert claims.shift_text(analysis.lasting(both, 1000)) == "none"
    fig = shown(figures.fig_over_time(both, by_seed({0: 800})), "By the minimiser: 800")
    lines = {trace.name: trace for trace in fig.data if trace.fill is None}
    assert set(lines) == {"the minimiser", "weight decay 0.1", "weight decay 0.5"}
    assert all(len(line.x) for line in lines.values())
    above = shown(figures.fig_over_time(both[:24], crossing(9000)), "By the minimiser: above 3,000")
    assert {trace.name for trace in above.data} == {"weight decay 0.1"}
    low = shown(figures.fig_over_time(both[:2], by_seed({0: 800})))  # below a half from the start
    assert {trace.name for trace in low.data} == {"the minimiser"}


def test_both_routes_are_told_at_weight_decay_1_if_they_have_it():
    routes = by_seed({0: 700}, (0.5, 1.0)), by_seed({0: 800}, (2.0,))
    assert analysis.both_text(*routes) == "700 (1 seed) by AdamW, 800 (1 seed) by the minimiser"


def test_of_a_run_that_ended_early_the_last_nine_tenths_must_fit():
    run = Run(dataset_size=500, epochs=100_000)
    curves = {"train_accuracy": [0.9, 1, 1], "test_accuracy": 1.0, "residual": 0.1}
    [row] = measures.ungrokked([record(run, [0, 900, 5000], **curves)])
    assert (row.dataset_size, row.train_accuracy) == (500, 1)


def test_a_spike_counts_once_a_network_has_forgotten():
    curves = {"train_accuracy": [1] * 5, "train_loss": [1e-7, 1e-4, 1e-7, 1e-4, 1e-7]}
    epochs = [0, 10, 1000, 2000, 3000]
    spiky = record(Run(), epochs, test_accuracy=[1, 0.9, 0.3, 0.1, 0.1], **curves)
    knows = record(Run(seed=1), epochs, test_accuracy=[1] * 5, **curves)
    assert analysis.spiking_text([spiky, knows]) == "1 of 2, at weight decay 1 from epoch 2,000 on"
    assert analysis.spiking_text([knows]) == "0 of 1"


def test_the_tables_say_what_the_curves_do_and_tasks_are_told_apart():
    assert analysis.transition_table(by_seed({0: 800})).count("800 (1 seed)") == 3
    assert "above 3,000" in analysis.transition_table(crossing(9000))
    row = "<td>x+y</td><td>0</td><td>800</td><td>900</td><td>14 of 14</td>"
    assert row in analysis.tasks_table(crossing(800) + crossing(900, weight_decay=2.0))
    records = crossing(800) + crossing(100, task="x-y")
    groups = measures.group(records, "task")
    assert list(groups) == ["x+y", "x-y"]
    assert [measures.task_ungroks(here) for here in groups.values()] == [True, False]
    starts = [
        record(Run(task=task, epochs=700), [700], test_accuracy=[end], residual=[end / 2])
        for task, end in zip(("x+y", "x-y", "x-y"), (0.75, 1.0, 0.5), strict=True)
    ]
    text = tasks_table(records, starts)
    assert "below 300" in text
    assert "6.3%" in text  # 800 of 12,769
    # epochs before, and what the networks know of the examples that they were not trained on
    assert "<td>700; 0.75 (0.38)</td>" in text
    assert "<td>700; 1.00 (0.5), 0.50 (0.25)</td>" in text
    assert measures.described(records).startswith("14 runs of x+y, x-y, p = 113, D = 300")


# --- whether D_crit moves with a field: by seed, and as an equivalence over seeds


def test_without_two_values_or_with_one_d_crit_unknown_there_is_no_shift():
    one, beyond = crossing(800), crossing(9000, seed=1, weight_decay=0.5)
    # one seed that cannot be told leaves all of them open
    for records in (one, by_seed({1: 800}) + beyond, by_seed({0: 800, 1: 900}) + beyond):
        assert isnan(analysis.shift_interval(records).value)
        assert analysis.same_d_crit(records) is None


def test_the_largest_gap_is_within_one_seed_and_size():
    records = by_seed({0: 500, 1: 2000}, (1.0, 2.0))
    assert analysis.largest_gap(records) == pytest.approx(0)
    records[0].metrics["test_accuracy"] = records[0]["test_accuracy"] + 0.3
    assert analysis.largest_gap(records) == pytest.approx(0.3)
    assert analysis.gap_text(records) == "0.30, in the mean over seeds 0.15"


def test_a_law_through_the_known_moduli_is_off_where_the_truth_leaves_it():
    known, new = analysis.known_and_new([*chain(*made.by_modulus(factor=1.1).values())])
    off = analysis.off_by(known, new)
    assert [*off["p ln p"].values()] == pytest.approx([0.1], abs=0.02)
    flatter = (31 * log(31)) / 31 ** (5 / 3) / (53 * log(53) * 113 * log(113)) ** 0.5
    truth = 1.1 * flatter * (53 * 113) ** (5 / 6)
    assert off["p to the 5/3"][31] == pytest.approx(truth - 1, abs=0.02)
    power, said = analysis.power_text(known).split(", ")  # through two points
    assert float(power) == pytest.approx(1 + log(log(113) / log(53)) / log(113 / 53), abs=0.02)
    assert said == "and is within 0% of each"
    assert analysis.predictions_text(known, new).startswith("149 by p ln p and 10")


@pytest.mark.parametrize(
    ("factor", "rest", "met"), [(1.1, CALM, True), (1.3, CALM, False), (1.0, FALLING, None)]
)
def test_another_modulus_is_a_criterion_of_its_own(factor, rest, met):
    result = board.judge("B13", **made.by_modulus(more=[(73, factor, rest)]))
    assert result.core
    assert result.further["p ln p is within 20% at p = 73, too"] is met
    assert "; at p = 73: " in result.ours


@pytest.mark.parametrize(("size", "mirrors"), [(100, "any"), (100, "none"), (101, "all")])
def test_facts_are_counted_once_and_unseen_ones_are_those_that_are_left(size, mirrors):
    run = Run(p=17, dataset_size=size, mirrors=mirrors)
    inputs = task("x+y", 17).inputs
    trained = {frozenset(pair) for pair in inputs[run.split()[0]].tolist()}
    assert analysis.n_facts(run) == len(trained)
    new = [frozenset(pair) not in trained for pair in inputs[run.split()[1]].tolist()]
    for right, share in (([not fact for fact in new], 0), ([True] * len(new), 1)):
        known = record(run, [0], test_accuracy=np.mean(right))
        assert analysis.unseen(known) == pytest.approx(share, abs=1e-12)


def test_the_cost_of_the_rule_is_compared_at_the_largest_size():
    found = made.by_mirrors(ratio=1.2)["mirrors"]  # there Eq. (2) is as large as D_crit
    assert analysis.rules_ratio(found).value == pytest.approx(1.2, rel=0.01)
    assert analysis.mirrors_ratio(found).value == pytest.approx(1.2, rel=0.01)


@pytest.mark.parametrize(("field", "unit"), [("weight_decay", 1.0), ("eps", 1e-8)])
@pytest.mark.parametrize(
    ("powers", "same"),
    [
        ((0.05,), False),
        ((0.01, 0.02), True),
        ((0.01, 0.04), False),  # 20^0.04 is 1.13: of few seeds, each must be within a tenth
        ((-0.04, 0.04), False),  # the mean alone would be 0
        ((0.0, 0.01, 0.02, 0.0, 0.01), True),
        ((-0.08, 0.08, -0.08, 0.08, 0.0), False),  # a mean of 0, and an interval wider than 10 %
    ],
)
def test_the_same_is_an_equivalence_over_seeds(powers, same, field, unit):
    records, values = [], [unit * value for value in made.ALL_DECAYS]
    for seed, power in enumerate(powers):
        records += made.sweep((seed,), 700 + 50 * seed, power, field, values)
    assert analysis.same_d_crit(records, field) is same
    assert analysis.same_d_crit(with_rest(records, FALLING), field) is None
    interval = analysis.shift_interval(records, field)
    assert interval.value == pytest.approx(20 ** np.mean(powers) - 1, abs=1e-3)
    assert interval.bounded == (len(powers) >= 5)


def test_longer_runs_are_told_by_a_tenth_of_their_epochs_and_their_end():
    run = Run(dataset_size=1610, epochs=1000)
    long = record(run, [0, 100, 1000], test_accuracy=[1, 0.18, 0.11])
    assert analysis.later_text([long, long]) == "0.18, 0.11 on 1,610; 0.18, 0.11 on 1,610"
