"""Sweeps by name and size, and the call that gets their records."""

import inspect
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from tiny import SMALL, TINY, checkpoint, equal, train

from grokkit import tasks
from varma2023 import experiments, profiles, theme
from varma2023.efficiency.sweeps import memorising, starts
from varma2023.other_tasks.sweeps import LATE, other_tasks
from varma2023.ungrokking import sweeps

# --- what the sweeps hold


def test_the_papers_ungrokking_has_its_seven_sizes_ten_seeds_and_a_million_epochs():
    runs = profiles.ungrokking("paper")
    sizes = Counter(run.dataset_size for run in runs)
    assert list(sizes.values()) == [10] * 7
    assert (min(sizes), max(sizes)) == (390, 1494)
    steps = np.diff(np.log(sorted(sizes)))
    assert np.allclose(steps, steps.mean(), rtol=0.01)  # geometric
    assert {run.epochs for run in runs} == {1_000_000}


NOT_MADE = "grokking_longer muon_more leaving_more widths_more carried_53 lasting".split()  # quick


@pytest.mark.parametrize("name", experiments.EXPERIMENTS)
def test_a_sweep_has_no_run_twice_and_none_logs_more_points_than_a_line_may_have(name):
    for profile in profiles.PROFILES:
        runs = experiments.experiment(name).runs(profile)
        assert len({*runs}) == len(runs)
        assert bool(runs) != (name in NOT_MADE and profile == "quick")
        for run in experiments.experiment(name).runs(profile, seeds=1):
            assert len(run.log_epochs()) <= theme.MAX_POINTS


def test_a_grokking_run_under_way_is_made_again_as_it_was_and_no_other():
    first, again = profiles.grokking(), profiles.grokking_longer()
    assert {replace(run, epochs=run.epochs // 2) for run in again} < {*first}
    assert profiles.grokking_longer(lr=2e-3) == profiles.grokking_longer(epochs=50) == []
    assert [run.seed for run in profiles.grokking_longer(seeds=3)] == [again[0].seed]


@pytest.mark.parametrize("profile", profiles.PROFILES)
def test_ungrokking_only_takes_examples_away(profile):
    for run in profiles.ungrokking(profile, seeds=2):  # sets of one seed are nested (`test_tasks`)
        assert (run.init.dataset_size, run.init.seed) == (run.p**2, run.seed)


# --- changes


def test_a_change_applies_to_every_run_and_another_task_keeps_the_share_of_examples():
    runs = profiles.grokking(weight_decay=0.5, epochs=None, seeds=2)
    assert [(run.weight_decay, run.epochs) for run in runs] == [(0.5, 10_000)] * 2
    assert profiles.grokking(p=53, seeds=1)[0].dataset_size == round(0.29995 * 53**2)
    assert profiles.grokking(task="x/y", p=11, seeds=1)[0].dataset_size == round(3830 / 12769 * 110)
    assert profiles.grokking(p=53, dataset_size=1200, seeds=1)[0].dataset_size == 1200


@pytest.mark.parametrize("changes", [{"lr": 4e-3}, {"weight_decay": 0.5}, {"task": "x-y"}])
def test_where_a_field_changes_every_size_has_as_many_epochs(changes):
    runs = profiles.ungrokking(seeds=1, **changes)
    assert len(runs) > 2
    assert len({run.epochs for run in runs}) == 1


def test_a_list_may_be_an_iterator():
    for make, name, given in (
        (profiles.ungrokking, "sizes", [40, 120]),
        (sweeps.transition_adamw, "weight_decays", [0.5, 2.0]),
        (other_tasks, "tasks", ["x-y", "x*y"]),
    ):
        assert make("quick", **{name: iter(given)}) == make("quick", **{name: given}) != []


def test_in_ungrokking_only_task_and_network_change_the_start():
    [run] = profiles.ungrokking(p=11, model=TINY, weight_decay=0.1, epochs=50, seeds=1, sizes=[20])
    assert (run.weight_decay, run.epochs, run.dataset_size) == (0.1, 50, 20)
    assert (run.init.p, run.init.model, run.init.dataset_size) == (11, TINY, 121)
    assert run.init.weight_decay == 1
    assert run.init.epochs == profiles.full_data()[0].epochs


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: profiles.grokking("fast"), "published, quick, paper; got 'fast'"),
        (lambda: profiles.grokking(wd=0.5), "unknown field 'wd': a run has .*weight_decay"),
        (lambda: profiles.grokking(seeds=0), "at least 1, got 0"),
        (lambda: profiles.grokking(seeds=True), "at least 1, got True"),
        (lambda: profiles.grokking(p=10**6), "p must be at most 1000, got 1000000"),
        (lambda: profiles.grokking(p=7, dataset_size=49), r"dataset_size 1\.\.48, got 49"),
        (lambda: profiles.grokking(task="x/y", p=4), "needs a prime modulus p, got 4"),
        (lambda: profiles.ungrokking(sizes=[0], seeds=1), "must be 1..12769, got 0"),
        (lambda: profiles.ungrokking(sizes="123"), "sizes must be a list of whole .*'123'"),
        (lambda: sweeps.transition(sizes=[400.7]), r"whole numbers, got \[400.7\]"),
        (lambda: sweeps.transition(sizes=[]), r"whole numbers, got \[\]"),
        (lambda: sweeps.transition(sizes=400), "whole numbers, got 400"),
        (lambda: starts(weight_decays=["1"]), "weight_decays must be a list of"),
        (lambda: other_tasks(tasks="x-y"), "tasks must be a list of names"),
        (lambda: profiles.grokking(seed=7), "grokking sets seed itself.*give seeds"),
        (lambda: profiles.ungrokking(dataset_size=9), "g sets dataset_size itself.*give sizes"),
        (lambda: sweeps.transition_adamw(weight_decay=3), "itself; give weight_decays, got 3"),
        (lambda: memorising(labels="random"), "memorising sets labels itself, got 'random'"),
        (lambda: sweeps.transition_adamw(seeds=0), "at least 1, got 0"),
        (lambda: sweeps.transition_adamw(weight_decays=[0.0]), r"must be above 0, got \[0.0\]"),
        (lambda: experiments.experiment("groking"), "grokking, grokking_longer, full_data.*; got"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(make, message):
    with pytest.raises(ValueError, match=message):
        make()


OTHER = {
    "seed": 7, "dataset_size": 400, "weight_decay": 3.0, "labels": "random", "epochs": 7,
    "init_scale": 2.0, "loss": "rounded", "optimiser": "lbfgs", "precision": "float64",
    "tolerance": 0.5, "n_logged": 9, "keep_weights": True, "lr": 2e-3, "beta1": 0.8,
    "beta2": 0.9, "eps": 1e-7, "until_rest": True, "noise": 0.1,
}  # fmt: skip
SWEEPS = [
    name
    for name, each in experiments.EXPERIMENTS.items()
    if "changes" in inspect.signature(each.runs).parameters and name != "grokking_longer"
]


@pytest.mark.parametrize("name", SWEEPS)
def test_a_change_is_that_of_every_run_or_an_error_and_never_ignored(name):
    """Also a change that the runs of a sweep already have, as labels of `memorising`, is one."""
    for field, value in OTHER.items():
        try:
            runs = experiments.EXPERIMENTS[name].runs(seeds=1, **{field: value})
        except ValueError as error:  # set by the sweep, or not for this optimiser
            said = str(error)
            assert field in said or "precision" in said
            continue
        assert field != "seed"
        assert {getattr(run, field) for run in runs} == {value}, field


# --- records


def test_only_what_is_missing_is_trained(store, capsys):
    two = profiles.grokking(seeds=2, **SMALL)
    assert experiments.inventory(two, store) == (0, dict.fromkeys(two, 0))
    first = train(two, store)
    three = profiles.grokking(seeds=3, **SMALL)
    assert experiments.inventory(three, store) == (2, {three[2]: 0})
    experiments.load_or_train(three, store, device="cpu")
    assert "2 runs stored, 1 to train: 6 epochs" in capsys.readouterr().err
    again = train(three, store)
    assert [record.run for record in again] == three
    assert all(map(equal, first, again))


def test_an_inventory_counts_the_networks_to_start_from_and_what_checkpoints_hold(store):
    runs = profiles.ungrokking(seeds=2, sizes=[5, 9], p=5, model=TINY, epochs=4, n_logged=3)
    stored, left = experiments.inventory(runs, store)
    assert (stored, len(left), sum(r.epochs for r in left)) == (0, 6, 2 * runs[0].init.epochs + 16)
    two = profiles.grokking(seeds=2, **SMALL)
    store.save_checkpoint(checkpoint(two[1], 3))
    assert experiments.inventory(two, store) == (0, {two[0]: 0, two[1]: 3})


def test_other_tasks_start_from_most_of_the_examples_longer_where_told_or_late():
    runs = other_tasks(tasks=["x-y", "S_n: xy"], start_epochs=10_000)
    assert {run.init.epochs for run in runs} == {10_000}
    assert {(run.task, run.p) for run in runs} == {("x-y", 113), ("S_n: xy", 5)}
    for task, start in {run.task: run.init for run in other_tasks()}.items():
        times = 100 if task in LATE else 20
        assert (start.optimiser, start.epochs) == ("adamw", times * start.decay_time)
        every = tasks.task(task, start.p).n_examples
        assert start.dataset_size == round(0.95 * every)
        largest = max(run.dataset_size for run in other_tasks() if run.task == task)
        assert largest == start.dataset_size if task in LATE else largest < every / 2
        assert start.keep_weights
    for run in other_tasks("quick"):
        assert (run.init.optimiser, run.init.epochs) == ("adamw", 200)
        assert {*run.split()[0]} <= {*run.init.split()[0]}
