"""Two ways to converge, compared on records written by hand; when a run may end early."""

from dataclasses import replace

import numpy as np
import pytest
from handmade import record, shown

from grokkit.engine import metrics
from grokkit.runs import Run
from varma2023 import measures, profiles
from varma2023.convergence import analysis, figures, sweeps

ADAMW = Run(p=53, dataset_size=1200, epochs=10_000, keep_weights=True)
LBFGS = profiles.minimised(ADAMW, 100, profiles.early(ADAMW))
# Eq. (2) over alpha ends at 5 + 24^2 / 2 = 293
END = {"train_loss": 5e-8, "param_norm": 24.0, "correct_logit": 45.0, "test_accuracy": 1.0}


def ended(run, epoch, residual, **changes):
    return record(run, epoch, residual=residual, train_accuracy=1.0, **{**END, **changes})


def pair(**changes):
    """AdamW below a residual of 1 at 5,000 epochs, the minimiser at 100 gradients after 400."""
    adamw = ended(ADAMW, [0, 5000, 10_000], [9.0, 0.9, 0.2])
    return measures.Pair(adamw, ended(LBFGS, [0, 50, 100], [9.0, 2.0, 0.05], **changes))


def test_the_minimiser_is_charged_the_epochs_before_the_handover():
    both = pair()
    assert analysis.gradients(both, 1.0) == (5000, 100 + 400)
    assert analysis.savings([both], 1.0) == pytest.approx([10])
    assert analysis.savings([both], 0.1) == []  # AdamW never gets there
    more = replace(ADAMW, dataset_size=2809)
    start = analysis.charged(ended(replace(LBFGS, init=more), [0], [1.0]))
    assert start == 0  # the start of both ways


@pytest.mark.parametrize(
    ("changes", "differs"),
    [
        ({}, set()),
        ({"param_norm": 24.1}, set()),
        ({"param_norm": 25.0}, {"norm", "objective"}),
        ({"correct_logit": 50.0}, {"logit"}),
        ({"test_accuracy": 0.9}, {"test accuracy"}),
        ({"train_loss": 5e-7}, {"objective"}),
    ],
)
def test_ends_agree_in_what_they_share(changes, differs):
    both = pair(**changes)
    assert {name for name, same in analysis.agreement(both).items() if not same} == differs
    assert analysis.agreeing([both]) == (not differs)
    assert all(name in analysis.ends_table([both]) for name in differs)


def test_a_pair_is_of_one_train_set_and_two_ways_and_its_lower_end_is_told():
    one, other = pair().adamw, pair().lbfgs
    assert measures.pairs([one, other])[0].kind == "grokking"
    with pytest.raises(ValueError, match="a pair is a run of adamw and one of lbfgs"):
        measures.pairs([one, one])
    with pytest.raises(ValueError, match="differ in seed: they are no pair"):
        measures.pairs([one, ended(replace(LBFGS, seed=3), [0], [1.0])])
    three = pair(param_norm=20.0).lbfgs, other, pair(param_norm=28.0).lbfgs
    assert [analysis.below(each, one) for each in three] == [True, False, False]
    assert [analysis.below(one, each) for each in three] == [False, False, True]


@pytest.mark.parametrize("profile", ["published", "quick"])
def test_the_experiments_pair_up_and_keep_alpha(profile):
    stand_ins = [ended(run, [0, 1], [1.0, 0.5]) for run in sweeps.convergence(profile)]
    kinds = [pair.kind for pair in measures.pairs(stand_ins)]
    assert set(kinds) == {"grokking", "ungrokking", "random labels"}
    strengths = sweeps.strength(profile)
    assert {round(run.eps * run.weight_decay, 20) for run in strengths} == {1e-8}
    assert len({round(run.lr * run.weight_decay, 12) for run in strengths}) == 1  # the pace


def test_a_strength_is_compared_with_that_of_c_1_seed_by_seed():
    runs = sweeps.strength("published")[:6]  # two seeds
    weaker = {1e-7: 30.0}, {1e-7: 54.0}
    records = [
        ended(run, [0, 9], [1.0, 0.01], correct_logit=weaker[run.seed].get(run.eps, 45.0))
        for run in runs
    ]
    shift = analysis.strength_shift(records, 10.0, "correct_logit")
    assert shift.each == pytest.approx([-1 / 3, 0.2])
    assert shift.value == pytest.approx(-1 / 15)
    assert analysis.strength_shift(records, 0.1, "param_norm").value == 0
    papers = [ended(Run(eps=eps), [0], [1.0]) for eps in (1e-7, 1e-8)]
    assert analysis.typical_weight(papers) == pytest.approx(24 / 226_944**0.5)


LONG = np.arange(0, 20_001, 100)


def rest(residual, accuracy, decay_time=1000.0):
    """`metrics.at_rest` of 20,000 epochs with these curves, at a tolerance of 0.3."""
    curves = (np.broadcast_to(np.asarray(c, float), LONG.shape) for c in (residual, accuracy))
    return metrics.at_rest(LONG, *curves, 0.3, decay_time)


def test_rest_needs_a_low_residual_a_still_accuracy_and_time():
    assert rest(0.1, 1.0)
    assert not rest(0.5, 1.0)
    assert rest(0.1, np.nan)  # no test set
    assert not rest(0.1, np.linspace(1, 0.98, len(LONG)))  # ungrokking slowly: 0.005 a quarter
    assert rest(np.where(LONG < 14_000, 9.0, 0.1), np.where(LONG < 14_000, 0.5, 1.0))
    assert not rest(np.where(LONG < 18_000, 9.0, 0.1), 1.0)
    assert not rest(0.1, 1.0, decay_time=5000.0)  # five times that is more than all its epochs
    assert not rest(0.1, 1.0, decay_time=np.inf)  # no weight decay, no fixed point
    assert rest(np.where(LONG % 500, 0.1, 3.0), 1.0)  # a spike now and then


@pytest.mark.parametrize(
    ("optimiser", "changes", "at_rest"),
    [
        ("lbfgs", {}, True),
        ("lbfgs", {"residual": 0.25}, False),
        ("lbfgs", {"param_norm": [24.3, 24.0]}, False),  # Eq. (2) by 0.5% in the last fifth
        ("adamw", {}, True),
        ("adamw", {"residual": 0.25}, True),  # AdamW hovers
        ("adamw", {"residual": 0.35}, False),
        ("adamw", {"param_norm": [24.3, 24.0]}, True),
    ],
)
def test_a_run_rests_by_the_rule_of_its_optimiser(optimiser, changes, at_rest):
    run = ADAMW if optimiser == "adamw" else replace(LBFGS, epochs=1000)
    one = ended(run, [0, run.epochs], **{"residual": 0.1, **changes})
    assert measures.rests(one) == at_rest
    told = {f"every end is at rest ({2 * at_rest} of 2)": at_rest or None}
    assert measures.resting([one, one]) == told


def test_an_early_end_is_where_the_rule_first_holds_and_looks_the_same_or_not():
    run = replace(ADAMW, epochs=20_000)
    arrived = np.where(LONG < 4000, 2.0, 0.1)
    safe = ended(run, LONG, arrived)
    [end] = analysis.early_ends([safe], 0.3)
    assert 4000 < end.epoch <= 9000
    assert end.same
    falls = np.where(LONG < 15_000, 1.0, 0.2)  # a plateau, then not
    late = ended(run, LONG, arrived, test_accuracy=falls)
    assert not analysis.early_ends([late], 0.3)[0].same
    assert analysis.early_ends([safe], 0.05) == []
    assert "1 of 2" in analysis.early_table([safe, late], [0.3])


def test_figures_of_two_ways_of_strengths_and_of_early_ends_are_fit_to_print():
    fig = shown(figures.fig_two_ways([pair(), pair(param_norm=20.0)]), "1 pairs end alike")
    assert {trace.name for trace in fig.data} == {"AdamW, p = 53", "minimiser, p = 53"}
    first = next(t for t in fig.data if t.name.startswith("minimiser"))
    np.testing.assert_array_equal(first.x, [400, 450, 500])
    assert "grokking, p = 53, D = 1,200, seed 0" in first.hovertemplate
    found = [ended(run, [0, 9], [1.0, 0.01]) for run in sweeps.strength("quick")]
    shown(figures.fig_strength(found), "24.00 for λ 10")
    row = "<td>24.00</td><td>45.0</td><td>1.000</td><td>0.01</td><td>"
    assert analysis.strength_table(found).count(row) == 3  # by c
    fourth = replace(found[0].run, eps=1e-6, weight_decay=0.01)
    fig = figures.fig_strength([*found, ended(fourth, [0, 9], [1.0, 0.01])])
    assert len(fig.data) == 2 * 4  # of any number, none is dropped
    safe = ended(replace(ADAMW, epochs=20_000), LONG, 0.1)
    fig = shown(figures.fig_early_end([safe], 0.3), "1 of 1 runs could have ended")
    before, after, mark = fig.data
    assert before.x[1] == after.x[0] == mark.x[0]
    assert after.x[1] == 1
