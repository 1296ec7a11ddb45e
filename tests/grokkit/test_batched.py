"""The stack against the textbook model: logits and gradients, all tasks, mixed sizes."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis.strategies import floats, integers
from torch.testing import assert_close

from grokkit import model, tasks
from grokkit.engine import batched

CONFIG = model.ModelConfig(d_model=16, n_heads=4, d_mlp=24)
CASES = [*((name, 7) for name in tasks.MODULAR), *((name, 3) for name in tasks.PERMUTATION)]


def networks(n_tokens, seeds, dtype, scale=1.0):
    thetas = [model.initialise(CONFIG, n_tokens, seed, scale) for seed in seeds]
    for seed, theta in zip(seeds, thetas, strict=True):  # biases that are not zero
        generator = torch.Generator().manual_seed(seed)
        for name in ("b_in", "b_out"):
            theta[name] = 0.3 * torch.randn(theta[name].shape, generator=generator)
    return [{name: weight.to(dtype) for name, weight in theta.items()} for theta in thetas]


def stacked(thetas):
    return {name: torch.stack([theta[name] for theta in thetas]) for name in thetas[0]}


def textbook(theta, task, rows, labels):
    """Logits at the last position, loss and gradient of one network on the given rows."""
    theta = {name: weight.clone().requires_grad_() for name, weight in theta.items()}
    tokens = model.tokens(torch.from_numpy(task.inputs[rows]), task.n_tokens)
    logits = model.forward(theta, tokens)[:, -1]
    loss = model.cross_entropy(logits, torch.from_numpy(labels[rows])).mean()
    gradient = torch.autograd.grad(loss, list(theta.values()))
    return logits.detach(), loss.detach(), dict(zip(theta, gradient, strict=True))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
@pytest.mark.parametrize(("name", "p"), CASES)
def test_logits_and_gradients_of_a_mixed_stack_are_the_textbook_models(name, p, dtype, tolerance):
    task = tasks.task(name, p)
    sizes, seeds = [task.n_examples, 11, 5], [0, 1, 2]
    rows = [tasks.split(task, size, seed)[0] for size, seed in zip(sizes, seeds, strict=True)]
    thetas = networks(task.n_tokens, seeds, dtype)
    theta = {name: w.requires_grad_() for name, w in stacked(thetas).items()}
    batch = batched.Batch.of([task.inputs[r] for r in rows], [task.labels[r] for r in rows], dtype)
    logits = batched.forward(theta, batch.x, batch.y)
    losses = batched.train_loss(theta, batch)
    gradient = dict(
        zip(theta, torch.autograd.grad(losses.sum(), list(theta.values())), strict=True)
    )
    for i, single in enumerate(thetas):
        expected, loss, slopes = textbook(single, task, rows[i], task.labels)
        scale = float(expected.abs().max())
        assert_close(logits[i, : sizes[i]], expected, rtol=0, atol=tolerance * scale)
        assert_close(losses[i], loss, rtol=tolerance, atol=0)
        for parameter, slope in slopes.items():
            largest = max(float(slope.abs().max()), 1e-12)
            assert_close(gradient[parameter][i], slope, rtol=0, atol=10 * tolerance * largest)


@given(integers(0, 2**16), floats(0.2, 3.0))
def test_attention_survives_scores_far_apart(seed, scale):
    # norms of Q and K up to 9 times larger: scores spread over tens of nats
    task = tasks.task("x+y", 5)
    [theta] = networks(5, [seed], torch.float64)
    theta["W_Q"] = theta["W_Q"] * scale * 4
    theta["W_K"] = theta["W_K"] * scale * 4
    expected, _, _ = textbook(theta, task, np.arange(25), task.labels)
    x, y = torch.from_numpy(task.inputs.T).unsqueeze(1)
    assert_close(batched.forward(stacked([theta]), x, y)[0], expected, rtol=1e-9, atol=1e-9)


def test_attention_stays_finite_where_every_denominator_would_underflow():
    [theta] = networks(5, [0], torch.float32)
    theta["W_K"] = theta["W_K"] * 1e4
    x, y = torch.from_numpy(tasks.task("x+y", 5).inputs.T).unsqueeze(1)
    assert batched.forward(stacked([theta]), x, y).isfinite().all()


@given(integers(0, 2**16))
def test_the_one_pass_loss_is_the_textbook_loss(seed):
    generator = torch.Generator().manual_seed(seed)
    logits = 10 * torch.randn(2, 6, 9, generator=generator, dtype=torch.float64)
    labels = torch.randint(9, (2, 6), generator=generator)
    one, two = (logits.clone().requires_grad_() for _ in range(2))
    mine, plain = batched.cross_entropy(one, labels), model.cross_entropy(two, labels)
    assert_close(mine, plain, rtol=1e-10, atol=1e-30)
    weight = torch.randn(2, 6, generator=generator, dtype=torch.float64)
    (mine * weight).sum().backward()
    (plain * weight).sum().backward()
    assert_close(one.grad, two.grad, rtol=1e-9, atol=1e-30)


@pytest.mark.parametrize("margin", [10.0, 25.0, 45.0, 60.0])
def test_the_one_pass_loss_is_exact_in_float32(margin):
    logits = torch.randn(1, 5, 113, generator=torch.Generator().manual_seed(1))
    labels = torch.arange(5)[None]
    logits[0, torch.arange(5), labels[0]] = logits.max() + margin
    single, double = logits.clone().requires_grad_(), logits.double().requires_grad_()
    loss, reference = batched.cross_entropy(single, labels), model.cross_entropy(double, labels)
    loss.sum().backward()
    reference.sum().backward()
    assert_close(loss.double(), reference, rtol=1e-5, atol=0)
    assert_close(single.grad.double(), double.grad, rtol=1e-5, atol=1e-45)


def test_padding_has_no_weight_and_no_gradient():
    task = tasks.task("x+y", 7)
    rows = [np.arange(20), np.arange(4)]
    batch = batched.Batch.of([task.inputs[r] for r in rows], [task.labels[r] for r in rows])
    assert batch.weight[1, 4:].abs().sum() == 0
    assert_close(batch.weight.sum(1), torch.ones(2))
