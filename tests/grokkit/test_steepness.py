"""How steep a loss is over a distance, on losses whose second differences are known."""

import math
from dataclasses import replace

import pytest
import torch
from tiny import fresh, textbook_loss
from torch.autograd.functional import hessian
from torch.func import grad_and_value

from grokkit.engine.metrics import METRICS
from grokkit.engine.steepness import second_difference
from grokkit.model import ModelConfig, flat
from grokkit.runs import Run

RUN = Run(p=5, dataset_size=12, model=ModelConfig(8, 2, 4), precision="float64", steepness=1e-3)
ALONG = METRICS.index("steepness")


def rowwise(loss):
    """Value and gradient of each row, as the engine gives them."""

    def value_and_gradient(rows):
        slopes, values = zip(*map(grad_and_value(loss), rows), strict=True)
        return torch.stack(values), torch.stack(slopes)

    return value_and_gradient


def test_in_a_parabola_it_is_the_largest_curvature_at_any_distance():
    curvature = torch.tensor([3.0, 7.0, 1.0], dtype=torch.float64)
    loss = rowwise(lambda x: (curvature * x**2).sum() / 2)
    points = torch.tensor([[1.0, 2, 3], [0, 0, 1]], dtype=torch.float64)
    for distance in (1e-3, 1.0):
        found = second_difference(loss, points, distance / points.norm(dim=1), steps=60)
        torch.testing.assert_close(found, torch.full((2,), 7.0, dtype=torch.float64))


def test_a_wall_shows_only_at_the_distance_where_it_stands():
    def loss(x):  # flat to 0.1, and steep from there on; curvature 2 in the other direction
        return x[1] ** 2 + 1000 * (x[0].abs() - 0.1).relu() ** 2

    point, parts = torch.tensor([[0.0, 2.0]], dtype=torch.float64), torch.tensor([[0.025], [0.1]])
    near, far = (second_difference(rowwise(loss), point, part) for part in parts)
    assert float(near) == pytest.approx(2, rel=1e-3)
    assert float(far) == pytest.approx(2 * 1000 * 0.1**2 / 0.2**2, rel=1e-3)


def test_along_a_run_it_is_the_largest_eigenvalue_of_the_hessian_in_adams_metric():
    stack, loss, v = fresh([RUN]), textbook_loss(RUN), 0.0
    for epoch in range(1, 31):
        v += (1 - RUN.beta2) * (grad_and_value(loss)(flat(stack.theta(0)))[0] ** 2 - v)
        stack.advance()
        if epoch % 15 == 0:
            each = ((v / (1 - RUN.beta2**epoch)).sqrt() + RUN.eps) ** -0.5
            curvature = each * hessian(loss, flat(stack.theta(0))) * each.unsqueeze(1)
            largest = RUN.lr * float(torch.linalg.eigvalsh(curvature)[-1])
            found = float(stack.metrics()[0, ALONG])
            assert 0.99 * largest < found < 1.001 * largest  # six steps of the power method


def test_it_is_that_of_the_exact_loss_and_of_no_run_that_does_not_ask():
    def at_start(run: Run) -> float:
        return float(fresh([run]).metrics()[0, ALONG])

    assert at_start(replace(RUN, loss="rounded")) == at_start(RUN)
    assert math.isnan(at_start(replace(RUN, steepness=0.0)))


def test_it_does_not_depend_on_who_is_beside_it():
    curvature = torch.arange(1.0, 9, dtype=torch.float64)
    loss = rowwise(lambda x: (curvature * x**2).sum() / 2)
    rows = torch.eye(8, dtype=torch.float64)[[2, 2]]
    one, other = second_difference(loss, rows, torch.full((2,), 1e-3), steps=1)
    assert one == other
