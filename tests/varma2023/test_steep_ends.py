"""How steep the loss is around trained networks, and what the page says of it."""

from dataclasses import replace

import pytest
import torch
from handmade import record, shown
from tiny import textbook_loss
from torch.autograd.functional import hessian

from grokkit.model import ModelConfig, flat, initialise
from grokkit.runs import Run
from varma2023 import measures
from varma2023.convergence import steepness

SMALL = Run(p=5, dataset_size=12, model=ModelConfig(8, 2, 4), keep_weights=True)


def network(**fields):
    theta = initialise(SMALL.model, 5, seed=1)
    one = record(replace(SMALL, **fields), [0, 1], test_accuracy=1, train_accuracy=1)
    return replace(one, read_weights=lambda _: theta)


def test_it_is_the_largest_eigenvalue_of_the_textbooks_hessian_in_the_unit_of_the_limit():
    one, run = network(), SMALL
    point = flat(one.weights()).double()
    largest = float(torch.linalg.eigvalsh(hessian(textbook_loss(run), point))[-1])
    # in float32, with a few steps, over a long way
    assert steepness.steepness(one, 1e-3) == pytest.approx(largest * run.lr / run.eps, rel=0.2)


def test_the_limit_is_that_of_averaged_gradients():
    assert measures.stable_below(Run()) == pytest.approx(38)
    # theta <- theta - lr m with m <- beta1 m + (1 - beta1) c theta, on both sides of the limit
    for share, grows in ((0.99, False), (1.01, True)):
        rate = share * measures.stable_below(Run(beta1=0.6))
        theta, m = 1.0, 0.0
        for _ in range(3000):
            m = 0.6 * m + 0.4 * theta
            theta -= rate * m
        assert (abs(theta) > 1) == grows


def test_the_figure_and_the_texts_tell_networks_with_the_rule_from_others():
    rule, other = network(), replace(network(seed=1), metrics={"epoch": network()["epoch"]})
    assert steepness.holds_rule(rule)
    assert not steepness.holds_rule(other)
    fig = shown(steepness.fig_steepness([rule, other]), "around 2 networks")
    assert {"rule", "no rule", "38, AdamW's limit"} <= {trace.name for trace in fig.data}


def test_texts_count_those_below_the_limit_and_leave_out_what_is_above_it(monkeypatch):
    flat, steep = network(), network(seed=1)
    told = {(flat.run, 1e-4): 19.0, (steep.run, 1e-4): 74.0}
    found = lambda record, part: told.get((record.run, part), 1e5)  # noqa: E731
    monkeypatch.setattr(steepness, "steepness", found)
    monkeypatch.setattr(steepness, "rests", lambda record: record is steep)
    expected = "1 of 2 over 0.0001 of the norm, 0 of 2 over 0.001 of the norm (1 of them at rest)"
    assert steepness.told([flat, steep]) == expected
    assert steepness.fastest([flat, steep]) == "0.002"
