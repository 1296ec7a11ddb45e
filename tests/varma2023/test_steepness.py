"""How steep a loss is over a distance, on losses whose second differences are known."""

from dataclasses import replace

import pytest
import torch
from handmade import record, shown
from torch.autograd.functional import hessian
from torch.func import grad_and_value

from grokkit import model, tasks
from grokkit.engine.batched import named
from grokkit.engine.stack import shapes
from grokkit.model import ModelConfig, initialise
from grokkit.runs import Run
from varma2023.convergence import steepness

SMALL = Run(p=5, dataset_size=12, model=ModelConfig(8, 2, 4), keep_weights=True)


def rowwise(loss):
    """Value and gradient of each row, as the engine gives them."""

    def value_and_gradient(rows):
        slopes, values = zip(*map(grad_and_value(loss), rows), strict=True)
        return torch.stack(values), torch.stack(slopes)

    return value_and_gradient


def test_in_a_parabola_it_is_the_largest_curvature_at_any_distance():
    curvature = torch.tensor([3.0, 7.0, 1.0], dtype=torch.float64)
    loss = rowwise(lambda x: (curvature * x**2).sum() / 2)
    points = torch.tensor([[1.0, 2, 3], [0, 0, 0]], dtype=torch.float64)
    for distance in (1e-3, 1.0):
        found = steepness.second_difference(loss, points, distance, steps=60)
        torch.testing.assert_close(found, torch.full((2,), 7.0, dtype=torch.float64))


def test_a_wall_shows_only_at_the_distance_where_it_stands():
    def loss(x):  # flat to 0.1, and steep from there on; curvature 2 in the other direction
        return x[1] ** 2 + 1000 * (x[0].abs() - 0.1).relu() ** 2

    point = torch.zeros(1, 2, dtype=torch.float64)
    near, far = (steepness.second_difference(rowwise(loss), point, h) for h in (0.05, 0.2))
    assert float(near) == pytest.approx(2, rel=1e-3)
    assert float(far) == pytest.approx(2 * 1000 * 0.1**2 / 0.2**2, rel=1e-3)


def network(**fields):
    theta = initialise(SMALL.model, 5, seed=1)
    one = record(replace(SMALL, **fields), [0, 1], test_accuracy=1, train_accuracy=1)
    return replace(one, read_weights=lambda _: theta)


def test_over_a_short_way_it_is_the_largest_eigenvalue_of_the_textbooks_hessian():
    one, run = network(), SMALL
    inputs = torch.from_numpy(tasks.task("x+y", 5).inputs[run.split()[0]])
    labels = torch.from_numpy(run.example_labels()[run.split()[0]])

    def loss(row):
        theta = {name: w[0] for name, w in named(row.unsqueeze(0), shapes(run)).items()}
        logits = model.forward(theta, model.tokens(inputs, 5))[:, -1]
        return model.cross_entropy(logits, labels).mean()

    point = torch.cat([w.flatten() for w in one.weights().values()]).double()
    largest = float(torch.linalg.eigvalsh(hessian(loss, point))[-1])
    found = float(steepness.second_difference(rowwise(loss), point.unsqueeze(0), 1e-5, 60))
    assert found == pytest.approx(largest, rel=1e-3)
    # in float32, with a few steps, over a longer way; in the unit of the limit
    assert steepness.steepness(one, 1e-3) == pytest.approx(largest * run.lr / run.eps, rel=0.2)


def test_the_limit_is_that_of_averaged_gradients():
    assert steepness.stable_below(Run()) == pytest.approx(38)
    # theta <- theta - lr m with m <- beta1 m + (1 - beta1) c theta, on both sides of the limit
    for share, grows in ((0.99, False), (1.01, True)):
        rate = share * steepness.stable_below(Run(beta1=0.6))
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
