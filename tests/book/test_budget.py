"""What the paper's grid takes: counts against the paper's own numbers, times against limits."""

import pytest

from grokkit.runs import Run
from grokkit.sweeps import plan
from varma2023 import estimate, profiles
from varma2023.engine.measured import load
from varma2023.publish import budget

SEMI = budget.budget("semi_grokking")


def test_semi_grokking_is_the_papers_grid():
    each = 30_000_000
    assert (SEMI.runs, SEMI.steps, SEMI.longest_steps) == (200, 200 * each, each)


def test_runs_that_others_start_from_are_counted_once_and_waited_for():
    ungrok, of_all = (budget.budget(name) for name in ("ungrokking", "full_data"))
    own = profiles.ungrokking("paper")
    each = [run.epochs * plan.flop(run) for run in own]
    assert ungrok.runs == len(own) + of_all.runs
    assert ungrok.flop == pytest.approx(sum(each) + of_all.flop)
    [epochs] = {run.epochs for run in own}
    assert ungrok.longest_steps == epochs + of_all.longest_steps


def test_cores_help_until_each_has_one_run():
    one, many, more = (budget.seconds_on_cores(SEMI, cores) for cores in (1, 100, 10_000))
    assert one == pytest.approx(100 * many)
    assert more == pytest.approx(SEMI.longest / SEMI.flop * one)  # the longest run alone
    assert budget.seconds_on_cores(SEMI, 10**6) == more


def test_the_rate_gives_the_measured_time_of_the_measured_run():
    run, threads = Run(epochs=1), budget.measured_threads()
    flop = plan.flop(run)
    step = budget.Budget("", "", 1, 1, flop, flop / threads, 1)
    case = {"n_runs": 1, "dataset_size": 3830, "way": "grokkit"}
    [ms] = [row["ms"] for row in load("engine-cpu")["rows"] if row.items() >= case.items()]
    assert budget.seconds_on_cores(step, threads) == pytest.approx(ms / 1000)


def test_a_gpu_has_its_rate_and_its_latency():
    assert budget.seconds_on_gpu(SEMI, 1e9, 1.0) == pytest.approx(30_000)  # steps alone
    assert budget.seconds_on_gpu(SEMI, 1.0, 0.0) == pytest.approx(SEMI.flop / 1e12)


def test_durations_are_said_in_two_digits():
    said = ["5 s", "1 minute", "2 hours", "3.3 days", "250 years"]
    assert list(map(estimate.duration, (5, 60, 7250, 86400 * 3.27, 31557600 * 250))) == said
