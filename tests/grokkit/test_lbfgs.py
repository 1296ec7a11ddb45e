"""The minimiser finds the minima that other minimisers find, stack or not, broken off or not.

And a run that asks for it ends where it is at a minimum.
"""

from dataclasses import replace
from unittest import mock

import numpy as np
import pytest
import torch
from scipy import integrate, optimize
from tiny import CPU, MINIMISER, fresh, train
from torch import Tensor
from torch.testing import assert_close

from grokkit import optimum
from grokkit.decomposition import trig_share
from grokkit.engine import lbfgs, metrics, stack
from grokkit.engine.lbfgs import LBFGS, Objective
from grokkit.engine.metrics import MINIMUM_RESIDUAL, all_logits, at_minimum
from grokkit.engine.stack import batched_loss
from grokkit.model import ModelConfig, flat, initialise, named
from grokkit.runs import Run
from grokkit.tasks import task

SMALL = ModelConfig(d_model=16, n_heads=2, d_mlp=8)
RUNS = [Run(p=5, dataset_size=4, seed=n, model=SMALL, eps=0.02, weight_decay=0.5) for n in range(3)]


def column(runs: list[Run], name: str) -> Tensor:
    return torch.tensor([getattr(run, name) for run in runs], dtype=torch.float64)


def networks(
    runs: list[Run], dtype: torch.dtype = torch.float64, mlp: bool = True
) -> tuple[Tensor, Objective]:
    """The starts of a few small runs and their objective.

    Without its MLP, whose weights stay at zero then, a network has no ReLU and a smooth objective;
    with it a minimum may lie on a kink, where no minimiser gets to a vanishing gradient.
    """
    train_loss = batched_loss(runs, dtype, CPU)
    thetas = [initialise(run.model, run.p, run.seed) for run in runs]
    for theta in thetas if not mlp else []:
        theta |= {name: torch.zeros_like(theta[name]) for name in ("W_in", "b_in", "W_out")}
    columns = column(runs, "eps"), column(runs, "weight_decay")
    return torch.stack(list(map(flat, thetas))).to(dtype), lbfgs.total(train_loss, *columns)


def quadratics(spread: list[float]) -> tuple[Tensor, Objective]:
    """1/2 x' A x - b' x, with condition numbers of A as given."""
    rng, dimension = np.random.default_rng(0), 12
    scale = torch.stack([torch.logspace(0, np.log10(c), dimension).double() for c in spread])
    turn = torch.from_numpy(np.linalg.qr(rng.standard_normal((dimension, dimension)))[0])
    A = turn @ torch.diag_embed(scale) @ turn.T
    b = torch.ones(len(spread), dimension, dtype=torch.float64)

    def objective(x: Tensor) -> tuple[Tensor, Tensor]:
        Ax = (A @ x.unsqueeze(2)).squeeze(2)
        return (x * (Ax / 2 - b)).sum(1), Ax - b

    return torch.zeros_like(b), objective


def stepped(optimiser: LBFGS, objective: Objective, n: int) -> LBFGS:
    for _ in range(n):
        optimiser.step(objective)
    return optimiser


# --- the penalty -----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("share", [-1.7, -0.6, 1e-7, 1e-3, 0.0499, 0.0501, 0.5, 0.98, 1.0, 3.0])
def test_the_penalty_is_the_integral_of_its_slope_and_for_small_weights_that_of_eq_2(share, dtype):
    decays = [0.1, 1.0, 10.0]
    theta = torch.tensor([[share / decay] for decay in decays], dtype=dtype)
    found = optimum.penalty(theta, torch.tensor(decays, dtype=dtype))
    digits = 1e-11 if dtype == torch.float64 else 1e-4
    for decay, t, value, slope in zip(decays, theta[:, 0].tolist(), *found, strict=True):

        def rest(t, decay=decay):
            return t / max(1 - decay * abs(t), 0.01)

        kink = [np.sign(t) * 0.99 / decay]
        area, _ = integrate.quad(rest, 0, t, points=kink, epsabs=0, epsrel=1e-12, limit=500)
        assert slope.item() == pytest.approx(rest(t), rel=digits)
        assert value.item() == pytest.approx(area, rel=digits, abs=2e-16 * abs(share) / decay**2)
        if abs(share) < 0.01:
            assert value.item() == pytest.approx(t**2 / 2, rel=2e-3, abs=1e-20)


# --- the same minimum as others --------------------------------------------------------------


def test_it_finds_the_minimum_of_a_quadratic_of_any_conditioning():
    start, objective = quadratics([1.0, 1e3, 1e6])
    # of 3, at the start; no curvature is below 1, so the minimum is as near
    assert stepped(LBFGS(start), objective, 300).gradient.norm(dim=1).max() < 1e-3


def test_it_finds_the_minimum_that_scipy_finds():
    start, objective = networks(RUNS[1:2], mlp=False)
    near = stepped(LBFGS(start), objective, 80).point  # in the valley of one minimum
    found = stepped(LBFGS(near), objective, 250)

    def alone(x: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = objective(torch.from_numpy(x).unsqueeze(0))
        return value.item(), gradient[0].numpy()

    options = {"maxcor": 30, "ftol": 1e-14, "gtol": 1e-6}
    reference = optimize.minimize(alone, near[0], jac=True, method="L-BFGS-B", options=options)
    assert found.value.item() == pytest.approx(reference.fun, rel=1e-8)


def test_the_minimum_is_where_adamw_rests():
    start, objective = networks(RUNS[1:], mlp=False)
    found = stepped(LBFGS(start), objective, 320)
    expected = found.gradient.norm(dim=1) / found.point.norm(dim=1)
    assert expected.max() < 1e-7
    eps, weight_decay = column(RUNS[1:], "eps"), column(RUNS[1:], "weight_decay")
    _, slope = optimum.penalty(found.point, weight_decay)
    of_loss = (eps * weight_decay).unsqueeze(1) * (found.gradient - slope)
    rest = optimum.residual(found.point, of_loss, eps, weight_decay)
    assert_close(rest, expected, rtol=1e-6, atol=1e-12)


# --- a stack ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("dtype", "history"), [(torch.float32, 3), (torch.float64, 40)])
def test_a_run_in_a_stack_has_the_bits_that_it_has_alone(dtype, history):
    # of the objective's own bits `test_trainer` tells; here it works on each run by itself
    alone = [networks([run], dtype) for run in RUNS]

    def objective(x: Tensor) -> tuple[Tensor, Tensor]:
        parts = [one(x[i : i + 1]) for i, (_, one) in enumerate(alone)]
        return torch.cat([v for v, _ in parts]), torch.cat([g for _, g in parts])

    together = stepped(LBFGS(torch.cat([s for s, _ in alone]), history), objective, 40)
    assert len(set(together.iteration.tolist())) > 1  # their line searches were not in step
    for i, (start, own) in enumerate(alone):
        mine = {name: tensor[i : i + 1] for name, tensor in together.tensors().items()}
        assert_close(mine, stepped(LBFGS(start, history), own, 40).tensors(), rtol=0, atol=0)


def test_a_full_size_run_in_a_stack_has_the_bits_that_it_has_alone():
    # products over 2e5 parameters, where a maths library might choose its blocks by the batch
    n = 211_584
    start = torch.randn(3, n, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    bend = torch.linspace(1, 50, n, dtype=torch.float64)

    def objective(x: Tensor) -> tuple[Tensor, Tensor]:
        return (bend * (1 - x.cos())).sum(1), bend * x.sin()

    together = stepped(LBFGS(start, 10), objective, 13)
    for i in range(3):
        by_itself = stepped(LBFGS(start[i : i + 1], 10), objective, 13)
        assert torch.equal(together.point[i], by_itself.point[0])


@pytest.mark.parametrize("n", [0, 21])
def test_resumed_it_goes_on_with_the_same_bits(n):
    start, objective = networks(RUNS)
    unbroken = stepped(LBFGS(start, 8), objective, n + 20).tensors()
    saved = stepped(LBFGS(start, 8), objective, n).tensors()
    order = [2, 0, 1]  # runs may leave for another stack
    moved = LBFGS.restore({name: tensor[order] for name, tensor in saved.items()})
    stepped(moved, networks([RUNS[i] for i in order])[1], 20)
    assert_close(stepped(LBFGS.restore(saved), objective, 20).tensors(), unbroken, rtol=0, atol=0)
    reordered = {name: tensor[order] for name, tensor in unbroken.items()}
    assert_close(moved.tensors(), reordered, rtol=1e-4, atol=1e-4)


def test_a_step_is_one_evaluation_and_never_goes_uphill():
    start, objective = networks(RUNS)
    counted = mock.Mock(wraps=objective)
    optimiser = LBFGS(start)
    assert optimiser.gradient.isnan().all()
    last = torch.full((3,), torch.inf, dtype=torch.float64)
    for n in range(1, 60):
        optimiser.step(counted)
        assert counted.call_count == n
        assert (optimiser.value <= last * (1 + 1e-14)).all()
        last = optimiser.value.clone()
    assert_close((optimiser.value, optimiser.gradient), objective(optimiser.point), rtol=0, atol=0)


# --- the end, and bad input ------------------------------------------------------------------


def test_in_float32_it_says_when_it_is_stuck_and_float64_goes_on_from_there():
    start, objective = networks(RUNS[1:2], torch.float32, mlp=False)
    low = stepped(LBFGS(start), objective, 600)
    assert low.stuck.all()
    point, value = low.point.clone(), low.value.clone()
    low.step(objective)
    assert torch.equal(low.point, point)  # and stays
    high = stepped(LBFGS(point.double()), networks(RUNS[1:2], mlp=False)[1], 150)
    assert (high.value <= value + 1e-4 * value.abs()).all()
    after, before = (each.gradient.norm() / each.point.norm() for each in (high, low))
    assert after < before / 10


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_stiff_start_is_no_reason_to_forget_curvature(dtype):
    # the first epochs of random labels have curvatures of 1e9
    stiff = torch.logspace(0, 9, 30, dtype=dtype)

    def objective(x: Tensor) -> tuple[Tensor, Tensor]:
        return (stiff * x.square()).sum(1) / 2, stiff * x

    optimiser = stepped(LBFGS(torch.ones(1, 30, dtype=dtype)), objective, 60)
    assert optimiser.count == optimiser.iteration
    assert optimiser.value < 1e-4 * stiff.sum()


def test_at_a_minimum_it_is_stuck_at_once():
    start, objective = quadratics([10.0])
    A = torch.func.jacrev(lambda x: objective(x)[1])(start)[0, :, 0]
    rest = torch.linalg.solve(A, start[0] + 1)
    optimiser = stepped(LBFGS(rest.unsqueeze(0)), objective, 80)
    assert optimiser.stuck.all()
    assert_close(optimiser.point[0], rest)


def test_a_run_without_a_finite_value_is_stuck_and_does_not_disturb_others():
    start, objective = quadratics([10.0, 10.0])

    def broken(x: Tensor) -> tuple[Tensor, Tensor]:
        value, gradient = objective(x)
        return torch.stack([value[0] * torch.nan, value[1]]), gradient

    optimiser = stepped(LBFGS(start), broken, 60)
    assert optimiser.stuck[0]
    assert torch.equal(optimiser.point[0], start[0])
    assert optimiser.gradient[1].norm() < 1e-8


def test_a_cliff_on_the_way_is_no_end():
    start, objective = quadratics([100.0])

    def cliff(x: Tensor) -> tuple[Tensor, Tensor]:
        value, gradient = objective(x)
        over = x.norm(dim=1) > 2.0  # the minimum is nearer
        return value.masked_fill(over, torch.inf), gradient.masked_fill(over[:, None], torch.nan)

    assert stepped(LBFGS(100 * start + 0.3), cliff, 100).gradient.norm() < 1e-7


# --- at rest


@pytest.mark.parametrize(
    ("gradients", "fall", "residual", "rests"),
    [
        (1000, 0.0019, 0.19, True),
        (1000, 0.0021, 0.19, False),
        (1000, 0.0019, 0.21, False),
        (400, 0.0, 0.0, False),
        (0, 0.0, 0.0, False),
    ],
)
def test_a_minimum_neither_falls_nor_pulls(gradients, fall, residual, rests):
    at = np.array([0, 0.8 * gradients, gradients]).astype(int)
    assert at_minimum(at, np.array([9.0, 1 + fall, 1.0]), residual) is rests


def test_a_run_until_rest_ends_at_its_first_minimum_and_says_so(store, monkeypatch):
    monkeypatch.setattr(metrics, "MINIMUM_GRADIENTS", 100)
    run = replace(RUNS[0], **MINIMISER, epochs=3000, n_logged=40, until_rest=True)
    [record] = train([run], store)
    at = record["epoch"]
    level = optimum.objective(record["train_loss"], record["param_norm"], run.alpha)
    rests = [at_minimum(at[: i + 1], level[: i + 1], record["residual"][i]) for i in range(len(at))]
    assert rests[-1]
    assert not any(rests[:-1])
    assert at[-1] < run.epochs
    assert record.ended.startswith("at rest: residual ")
    assert record.final("residual") < MINIMUM_RESIDUAL


# --- pushed to a share of the rule


def test_a_spring_adds_its_energy_and_its_slope_below_its_length_alone():
    runs = [replace(RUNS[0], **MINIMISER, push=share) for share in (0.8, 0.001)]
    start, free = networks(runs)
    pulled = stack.pushed(free, runs, 0.5)
    (value, gradient), (without, slope) = pulled(start), free(start)
    share = trig_share(all_logits(named(start[0], runs[0].shapes), task("x+y", 5)).view(5, 5, 5))
    assert 0.0005 < share < 0.4
    assert_close(value - without, torch.tensor([1e4 * (share - 0.4) ** 2, 0]).double())
    assert_close(gradient[1], slope[1], rtol=0, atol=0)
    u = torch.randn_like(start)
    up, down = pulled(start + 1e-6 * u)[0], pulled(start - 1e-6 * u)[0]
    assert_close((up - down) / 2e-6, (gradient * u).sum(1), rtol=1e-5, atol=1e-5)


def test_a_pushed_network_gets_there_step_by_step(store):
    run = replace(RUNS[0], **MINIMISER, p=7, dataset_size=20, epochs=500, n_logged=40, push=0.9)
    [record] = train([run], store)
    reached = np.ceil(record["epoch"] / 25) / 20 * 0.9  # by the end of each of 20 steps
    assert np.all(record["trig_share"][1:] > 0.95 * np.maximum(reached - 0.045, 0)[1:])


# --- along kinks that are rounded, and less from step to step


def test_kinks_are_a_hundredth_as_wide_in_the_last_step_and_the_residual_is_of_that_loss(store):
    run = replace(RUNS[0], **MINIMISER, epochs=1000, n_logged=40, kink=0.5)
    whole, start = fresh([run], epoch=900), fresh([run]).optimiser.point
    for _ in range(50):
        whole.advance()
    (row,) = point = whole.optimiser.point
    free = stack.tabulated_loss([replace(run, kink=0.005)], row.dtype)
    assert_close(whole.train_loss(point), free(point), rtol=1e-12, atol=0)
    wide = stack.tabulated_loss([run], start.dtype)
    assert_close(fresh([run]).train_loss(start), wide(start), rtol=0, atol=0)
    [record] = train([run], store)
    assert record.final("residual") < 0.01
