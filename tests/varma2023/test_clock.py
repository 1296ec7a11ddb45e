"""A learning rate as a clock: the same runs for the same time, compared seed by seed."""

from math import isnan

import evidence as made
import numpy as np
import pytest
from handmade import record

from varma2023 import profiles
from varma2023.clock import analysis, figures, sweeps


@pytest.mark.parametrize("profile", profiles.PROFILES)
def test_every_rate_has_the_papers_runs_for_the_same_time(profile):
    runs = sweeps.learning_rates(profile, seeds=2)
    own = profiles.grokking(profile, 2) + profiles.ungrokking_at_first(profile, 2)
    assert own == [run for run in runs if run.lr == own[0].lr]
    assert len(runs) == len({run.lr for run in runs}) * len(own)
    assert {round(run.lr * run.epochs, 6) for run in runs} == {r.lr * r.epochs for r in own}
    assert {run.init for run in runs} == {run.init for run in own}


@pytest.mark.parametrize("profile", profiles.PROFILES)
def test_random_labels_are_learnt_for_the_same_time_at_every_rate(profile):
    runs = sweeps.memory_rates(profile, seeds=2)
    assert len(runs) == 2 * len({run.lr for run in runs}) > 2
    assert len({round(run.lr * run.epochs, 6) for run in runs}) == 1
    assert {(run.labels, run.init) for run in runs} == {("random", None)}


def test_memory_is_compared_seed_by_seed_with_the_papers_rate():
    records = []
    for run in sweeps.memory_rates("quick", seeds=5):
        fast = run.lr > 4e-3
        norm = (20.0 + run.seed) * (1.1 if fast else 1.0)
        ends = {"param_norm": norm, "correct_logit": 40 / norm}
        ends["train_accuracy"] = [1, 1, 1, 1, 0.9 if fast else 1]
        losses = [4.0, 1e-3, 1e-6, 1e-2 if fast else 1e-6, 1e-6]
        records.append(record(run, [0, 1, 2, 3, 4], train_loss=losses, test_accuracy=0.0, **ends))
    norms = analysis.memory_ratios(records, "param_norm")
    assert [*norms] == [2e-3, 4e-3, 8e-3]
    assert norms[8e-3].text() == "1.10 (1.10 – 1.10)"
    assert analysis.memory_ratios(records, "correct_logit")[8e-3].value == pytest.approx(1 / 1.1)
    usual, fast = analysis.memory_table(records).split("<tr>")[-2:]
    assert "22.0 (" in usual
    assert "24.2 (" in fast
    assert (usual.count("0 of 5"), fast.count("5 of 5")) == (3, 2)


def test_a_ratio_is_that_of_each_seed():
    slower = analysis.rates(made.at_rates(time=1.5))[-1].time_ratio
    assert slower.value == pytest.approx(1.5, rel=1e-3)
    assert slower.within(1.49, 1.51)
    larger = analysis.rates(made.at_rates(d_crit=1.2))[-1].size_ratio
    assert larger.value == pytest.approx(1.2, rel=0.02)


def test_a_seed_that_never_groks_leaves_no_ratio():
    records = made.at_rates()
    one = next(r for r in analysis.grokking(records) if r.run.lr == 4e-3)
    one.metrics["test_accuracy"] = np.full(3, 0.5)
    assert isnan(analysis.times([one])[one.run.seed])
    last = analysis.rates(records)[-1]
    assert isnan(last.time_ratio.value)
    assert not last.time_ratio.bounded
    assert last.unlike == ["time to grok"]


def test_a_seed_that_never_groks_at_the_papers_rate_leaves_no_ratio_at_the_others():
    pairs, paced = (made.at_rates(), analysis.rates), (made.by_pace(), analysis.paces)
    for records, of in (pairs, paced):
        usual = analysis.grokking(records)[0]
        assert usual.run.lr == analysis.reference(records)
        usual.metrics["test_accuracy"] = np.full(len(usual["epoch"]), 0.5)
        assert isnan(of(records)[-1].time_ratio.value)
    assert [pace.changes for pace in analysis.paces(paced[0])] == [False, True, True]


def test_the_table_and_the_sentence_say_what_differs_and_what_is_lost():
    records = made.at_rates(d_crit=1.5)
    text = "at η = 0.002: nothing; at η = 0.004: size at accuracy ½, accuracy"
    assert analysis.unlike_text(records) == text
    last = analysis.ungrokking(records)[-1]
    last.metrics["train_accuracy"] = np.full(len(last["epoch"]), 0.9)
    assert analysis.rates_table(records).count("<td>1 of 40</td>") == 1
    assert "at η = 0.004 time to grok 3.0" in figures.fig_clock(records).layout.meta["alt"]


@pytest.mark.parametrize("profile", profiles.PROFILES)
def test_networks_grok_at_every_rate_for_the_same_time_and_warm_up_at_the_papers(profile):
    runs = sweeps.steep_rates(profile, seeds=2)
    cold = [run for run in runs if run.init is None]
    warm = [run for run in runs if run.init]
    own = profiles.grokking(profile, 2)
    assert {round(run.lr * run.epochs, 6) for run in cold} == {own[0].lr * own[0].epochs}
    assert {(run.init.lr, run.init.epochs) for run in warm} == {(own[0].lr, sweeps.WARM)}
    assert len({round(run.lr * run.epochs + sweeps.WARM * own[0].lr, 6) for run in warm}) == 1
    assert {run.lr for run in warm} == {*sorted({run.lr for run in cold})[-2:]}
    assert all(run.steepness for run in runs)


def test_the_edge_counts_while_a_network_fits_calmly_and_before_it_generalises():
    run = made.by_pace()[0].run
    curves = {"train_accuracy": [0, 1, 1, 1, 1], "test_accuracy": [0, 0, 0, 0.5, 1]}
    losses = {"train_loss": [1, 1e-6, 1e-3, 1e-6, 1e-6]}
    at = [0, 100, 200, 300, 400]
    calm = record(run, at, steepness=[99, 30, 99, 30, 99], **curves, **losses)
    assert calm["steepness"][analysis.in_memory(calm)].tolist() == [30, 30]
    assert not analysis.at_edge(calm)
    assert analysis.at_edge(record(run, at, steepness=[0, 0, 0, 31, 0], **curves, **losses))
    curves["train_accuracy"] = [1, 1, 1, 1, 1]  # after a warm-up, when Adam has no moments yet
    assert not analysis.at_edge(record(run, at, steepness=[99, 0, 0, 0, 0], **curves, **losses))


def test_steepness_that_rounding_hides_is_not_read():
    [hidden] = [r for r in made.by_pace(seeds=(0,)) if r.run.lr == 0.016 and not r.run.init]
    assert analysis.steepest_text([hidden]) == "36"
    hidden.metrics["train_loss"] = np.full(len(hidden["epoch"]), 1e-3)
    assert analysis.at_edge(hidden)
    assert not analysis.at_edge(hidden, analysis.readable)
    assert analysis.steepest_text([hidden]) == "hidden by rounding"


def test_a_rate_is_told_by_its_time_its_edge_and_what_it_loses():
    records = made.by_pace(kept=0.5)
    *_, rate = analysis.paces(records)
    assert rate.changes
    assert rate.reaches
    assert rate.time_ratio.value == pytest.approx(0.4, rel=0.02)
    assert not any(pace.changes or pace.reaches for pace in analysis.paces(records)[:-1])
    *_, cold, warm = analysis.paces_table(records).split("<tr>")
    assert [row.count("5 of 5") for row in (cold, warm)] == [3, 2]
    assert "0.016 after a warm-up, timed from its end</td><td>1.2</td><td>none" in warm
    assert analysis.paces_table(records).count("0 of 5") == 11
    assert "0 of 5 at η = 0.004, 5 of 5" in figures.fig_first(records).layout.meta["alt"]
