"""The residual with the best derivatives on kinks: by hand for one unit, and as scipy has it."""

import kinks
import pytest
import torch
from scipy.optimize import lsq_linear

from grokkit import model, tasks
from grokkit.model import ModelConfig
from grokkit.optimum import room
from grokkit.runs import Run


def test_on_a_kink_the_residual_is_that_of_the_best_mixture_of_both_sides():
    small = ModelConfig(d_model=8, n_heads=2, d_mlp=4)
    run = Run(p=5, dataset_size=6, model=small, eps=0.02, weight_decay=0.5)
    theta = {k: w.double() for k, w in model.initialise(small, 5, seed=1).items()}
    pairs = torch.from_numpy(tasks.task("x+y", 5).inputs[run.split()[0]])
    labels = torch.from_numpy(run.example_labels()[run.split()[0]])
    _resid, pre = kinks._to_hidden(theta, model.tokens(pairs, 5))
    theta["b_in"][2] -= pre[3, 2]  # one unit is on its kink for one example
    sides = []
    for shift in (-1e-9, 1e-9):
        own = theta | {"b_in": theta["b_in"] + shift * torch.eye(4)[2].double()}
        own = {name: w.clone().requires_grad_() for name, w in own.items()}
        loss = model.cross_entropy(model.forward(own, model.tokens(pairs, 5))[:, -1], labels).mean()
        slope = model.flat(dict(zip(own, torch.autograd.grad(loss, [*own.values()]), strict=True)))
        pull = 0.02 * 0.5 * model.flat(theta)
        sides.append((slope + pull / room(model.flat(theta), 0.5)) / pull.norm())
    off, jump = sides[0], sides[1] - sides[0]
    part = float((-(off @ jump) / (jump @ jump)).clamp(0, 1))
    found = kinks.kinks(run, theta)
    assert found.on_kinks == pytest.approx(float((off + part * jump).norm()), rel=1e-5)
    either = [pytest.approx(float(side.norm()), rel=1e-6) for side in sides]
    assert found.on_kinks <= found.residual + 1e-9
    assert found.residual in either
    assert found.share == 1 / 24


def test_derivatives_from_0_to_1_are_chosen_as_scipy_does():
    draw = torch.Generator().manual_seed(0)
    off = torch.randn(40, generator=draw).double()
    jumps, now = torch.randn(12, 40, generator=draw), torch.randint(2, (12,), generator=draw)
    bounds = (-now.double().numpy(), 1 - now.double().numpy())
    best = lsq_linear(jumps.double().numpy().T, -off.numpy(), bounds).cost
    found = kinks._least_norm(off, jumps, now.double())
    assert found == pytest.approx((2 * best) ** 0.5, rel=1e-5)
    assert found < off.norm()
