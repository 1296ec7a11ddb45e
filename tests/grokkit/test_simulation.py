"""The simulation against the paper's formulas, autograd, and the minimum it must end at."""

import math
import re
from dataclasses import replace
from numbers import Integral

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from grokkit.simulation import TABLE_1, Toy, is_number, simulate, simulate_panels
from grokkit.theorems import EqualCircuits, optimal_weights
from varma2023.simulation.analysis import curve_table, marks, marks_table

CURVES = ("train_loss", "test_loss", "gen_logit", "mem_logit", "param_norm")
REFERENCE = """
1,000 0.605 7.326 0.00 6.72 9.79
4,000 0.484 5.358 1.14 5.83 8.76
6,000 0.209 0.523 5.66 2.31 5.84
10,000 0.185 0.242 7.10 1.05 5.53
"""


def cells(table: str) -> list[list[str]]:
    return [re.findall("<td>(.*?)</td>", row) for row in re.findall("<tr>(.*?)</tr>", table)]


def test_the_panels_have_the_reference_values_and_only_a_groks():
    a, b, c = (simulate(toy) for toy in TABLE_1.values())
    found = cells(curve_table(a, [1_000, 4_000, 6_000, 10_000]))[1:]
    assert found == [line.split() for line in REFERENCE.strip().splitlines()]
    assert abs(b.test_loss[-1] - 5.98) < 5e-3
    assert abs(c.train_loss[-1] - 0.184) < 5e-4
    assert abs(c.test_loss[-1] - 0.231) < 5e-4
    assert [marks(found).outcome for found in (a, b, c)] == ["groks", "never", "together"]
    for found in (a, b, c):  # no weight comes back to zero
        assert min(found.gen_logit[1:].min(), found.mem_logit[1:].min()) > 0
    found = simulate_panels(Toy(), 1)  # around the defaults
    assert {name: trajectory.toy for name, trajectory in found.items()} == TABLE_1


def test_tables_quote_the_last_step_and_the_marks():
    assert cells(curve_table(simulate(Toy(), 50), [1_000]))[1][0] == "50"
    first, second = cells(marks_table({name: simulate(TABLE_1[name]) for name in "ab"}))[1:]
    assert first == ["a", "step 2,831", "9.79 (step 782)", "step 169", "step 5,393"]
    assert second[-2:] == ["step 169", "never"]


def papers_losses(toy: Toy, w: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Of training and of test."""
    gen, mem = w[0] * w[1], w[2] * w[3]
    decay = (gen ** (1 / toy.kappa) * toy.P_gen) ** 2 + (mem ** (1 / toy.kappa) * toy.P_mem) ** 2
    train = torch.exp(gen + mem) / (toy.n_labels - 1 + torch.exp(gen + mem))
    test = torch.exp(gen) / (toy.n_labels - 2 + torch.exp(gen) + torch.exp(mem))
    return -torch.log(train) + toy.alpha * decay, -torch.log(test) + toy.alpha * decay


@pytest.mark.parametrize("toy", [*TABLE_1.values(), Toy(kappa=0.7, alpha=0.03, n_labels=2)])
def test_descent_equals_autograd_on_the_formulas_of_appendix_c(toy):
    toy = replace(toy, w_gen=(0.3, 0.4), w_mem=(0.2, 1.0))  # autograd gives nan at a power of zero
    w = torch.tensor([*toy.w_gen, *toy.w_mem], dtype=torch.float64, requires_grad=True)
    found = simulate(toy, steps=400)
    for step in range(401):
        loss, test_loss = papers_losses(toy, w)
        assert abs(found.train_loss[step] - loss.item()) < 1e-11
        assert abs(found.test_loss[step] - test_loss.item()) < 1e-11
        assert abs(found.gen_logit[step] - (w[0] * w[1]).item()) < 1e-11
        (gradient,) = torch.autograd.grad(loss, w)
        w = (w - toy.lr * gradient).detach().requires_grad_()


def test_a_dead_circuit_stays_dead_and_equal_circuits_stay_equal():
    assert (simulate(Toy(w_gen=(0.0, 0.0)), steps=500).gen_logit == 0).all()
    found = simulate(Toy(P_gen=2.0, w_gen=(0.0, 1.0)), steps=500)
    assert np.array_equal(found.gen_logit, found.mem_logit)


@given(log_every=st.integers(1, 700), steps=st.integers(1, 600))
@settings(max_examples=20)
def test_logging_less_often_leaves_out_steps_and_changes_none(log_every, steps):
    every, some = simulate(Toy(), steps), simulate(Toy(), steps, log_every)
    assert (some.step[0], some.step[-1]) == (0, steps)
    for curve in CURVES:
        assert np.array_equal(getattr(every, curve)[some.step], getattr(some, curve))


def test_descent_ends_at_the_minimum_of_equation_6():
    toy = Toy(lr=0.02)
    end = simulate(toy, steps=100_000, log_every=100_000)
    best = optimal_weights(EqualCircuits((toy.P_gen, toy.P_mem), toy.kappa, 2.0, 2 * toy.alpha))
    assert np.allclose([end.gen_logit[-1], end.mem_logit[-1]], best, rtol=1e-9)
    assert abs(best[0] / best[1] - 8) < 1e-12  # (P_mem / P_gen)^(2 kappa / (2 - kappa)) = 2^3


def test_far_out_logits_keep_their_loss():
    found = simulate(Toy(alpha=0.0, w_mem=(30.0, 30.0)), steps=1)
    assert found.train_loss[-1] == 0
    assert abs(found.test_loss[-1] - 900) < 1e-9


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"kappa": 2.0}, r"kappa must be in \(0, 2\), got 2.0"),
        ({"kappa": 0.0}, "kappa must be a positive number, got 0.0"),
        ({"P_gen": -1.0}, "P_gen must be a positive number, got -1.0"),
        ({"lr": math.nan}, "lr must be a positive number, got nan"),
        ({"alpha": -0.1}, "alpha must be 0 or more, got -0.1"),
        ({"n_labels": 1}, "n_labels must be a whole number >= 2, got 1"),
        ({"w_mem": (0.0, -1.0)}, "w_mem must be two numbers"),
    ],
)
def test_a_bad_value_is_named_with_what_is_allowed(change, named):
    with pytest.raises(ValueError, match=named):
        replace(Toy(), **change)


@pytest.mark.parametrize(
    ("value", "number", "whole"),
    [
        *((value, True, True) for value in (3, np.int64(3))),
        *((value, True, False) for value in (2.5, np.float32(2.5))),
        *((value, False, False) for value in ("3", True, None, math.nan, math.inf, [3])),
        (torch.tensor(3.0), False, False),
    ],
)
def test_what_is_a_number_and_what_a_whole_one(value, number, whole):
    assert (is_number(value), is_number(value, Integral)) == (number, whole)


@pytest.mark.parametrize("change", [{"kappa": 1e-309}, {"P_gen": 1e200}])
def test_a_pull_beyond_every_number_is_said(change):
    with pytest.raises(ValueError, match="step 1 overshoots"):
        simulate(replace(Toy(alpha=1e10), **change), 10)


def test_a_weight_that_overshoots_stops_at_zero_and_recovers():
    toy = Toy(P_gen=2.85, P_mem=7.7, kappa=1.78, alpha=0.03, w_gen=(0.0, 0.9), w_mem=(0.0, 0.8))
    found = simulate(toy, 5_000)
    assert (found.mem_logit[1:] == 0).any()
    assert found.mem_logit[-50:].max() > 0
