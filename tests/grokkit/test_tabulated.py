"""The tabulated gradient against autograd through the textbook model, in float64 and float32."""

import math
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from hypothesis import given, settings
from hypothesis.strategies import integers, sampled_from
from torch.testing import assert_close

from grokkit import model, tasks
from grokkit.engine import tabulated
from grokkit.model import ModelConfig


def setting(p, config, size, seed, dtype, scale=1.0, task="x+y"):
    """Parameters, tokens, labels and chunks of some examples of a task."""
    task = tasks.task(task, p)
    theta = model.initialise(config, task.n_tokens, seed, scale)
    theta = {name: weight.to(dtype) for name, weight in theta.items()}
    generator = torch.Generator().manual_seed(seed)
    for name in ("b_in", "b_out"):  # they start at 0
        theta[name] = torch.randn(theta[name].shape, generator=generator).to(dtype)
    rows = tasks.split(task, size, seed)[0]
    inputs, labels = torch.from_numpy(task.inputs[rows]), torch.from_numpy(task.labels[rows])
    return theta, model.tokens(inputs, task.n_tokens), inputs, labels


def textbook(theta, tokens, labels):
    """Train loss and gradient through `model.forward`."""
    theta = {name: weight.clone().requires_grad_() for name, weight in theta.items()}
    logits = model.forward(theta, tokens)[:, -1]
    loss = model.cross_entropy(logits, labels).mean()
    slopes = torch.autograd.grad(loss, list(theta.values()))
    return loss.detach(), dict(zip(theta, slopes, strict=True))


@settings(max_examples=40)
@given(
    p=sampled_from([3, 5, 11]),
    heads=sampled_from([1, 2, 4]),
    d_mlp=integers(1, 30),
    seed=integers(0, 2**20),
    chunk=integers(1, 40),
    task=sampled_from(["x+y", "x/y", "x^2+y^2"]),
)
def test_the_gradient_is_that_of_the_textbook_model(p, heads, d_mlp, seed, chunk, task):
    config = ModelConfig(d_model=8, n_heads=heads, d_mlp=d_mlp)
    n_examples = tasks.task(task, p).n_examples
    size = 1 + seed % n_examples
    theta, tokens, pairs, labels = setting(p, config, size, seed, torch.float64, task=task)
    parts = tabulated.chunks(pairs, labels, p, heads, torch.float64, chunk)
    assert sum(len(part.labels) for part in parts) == size
    loss, slopes = tabulated.gradient(theta, parts)
    expected, gradient = textbook(theta, tokens, labels)
    assert_close(loss, expected, rtol=1e-10, atol=1e-12)
    for name, slope in slopes.items():
        assert_close(slope, gradient[name], rtol=1e-8, atol=1e-11)


@pytest.mark.parametrize("scale", [0.3, 1.0, 3.0])
def test_float32_agrees_with_float64_at_the_papers_size(scale):
    theta, tokens, pairs, labels = setting(113, ModelConfig(), 3000, 0, torch.float64, scale)
    expected, gradient = textbook(theta, tokens, labels)
    single = {name: weight.float() for name, weight in theta.items()}
    loss, slopes = tabulated.gradient(
        single, tabulated.chunks(pairs, labels, 113, 4, torch.float32)
    )
    assert_close(loss.double(), expected, rtol=1e-5, atol=0)
    for name, slope in slopes.items():
        assert (slope - gradient[name]).norm() < 2e-5 * gradient[name].norm()


def test_a_gradient_far_below_float32s_epsilon_is_still_exact():
    # logits that are right by 60: the loss is 1e-26, and plain float32 cross-entropy gives 0
    theta, tokens, pairs, labels = setting(5, ModelConfig(8, 2, 12), 25, 0, torch.float64)
    logits = model.forward(theta, tokens)[:, -1]
    theta["W_U"] *= 0
    fit = torch.linalg.lstsq(_features(theta, tokens), 60.0 * torch.eye(5)[labels].double())
    theta["W_U"] = fit.solution
    expected, gradient = textbook(theta, tokens, labels)
    assert logits.shape == (25, 5)
    single = {name: weight.float() for name, weight in theta.items()}
    loss, slopes = tabulated.gradient(single, tabulated.chunks(pairs, labels, 5, 2, torch.float32))
    assert_close(loss.double(), expected, rtol=1e-3, atol=0)
    for name, slope in slopes.items():
        assert (slope - gradient[name]).norm() <= 1e-2 * gradient[name].norm()


def _features(theta, tokens):
    """The last residual stream [batch, d_model]: what W_U reads."""
    identity = dict(theta, W_U=torch.eye(8, dtype=torch.float64))
    return model.forward(identity, tokens)[:, -1]


def test_the_bits_do_not_depend_on_how_many_threads_share_the_parts():
    theta, _, pairs, labels = setting(113, ModelConfig(), 5000, 0, torch.float32)
    parts = tabulated.chunks(pairs, labels, 113, 4, torch.float32)
    assert len(parts) == 5
    loss, alone = tabulated.gradient(theta, parts)
    with ThreadPoolExecutor(3, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        same, shared = tabulated.gradient(theta, parts, pool.map)
    assert torch.equal(loss, same)
    assert all(torch.equal(alone[name], slope) for name, slope in shared.items())


def test_a_begun_thread_flushes_denormals_and_the_gradient_is_the_same():
    theta, tokens, pairs, labels = setting(31, ModelConfig(), 400, 0, torch.float32)
    theta["W_U"] *= 60
    logits = model.forward(theta, tokens)[:, -1]
    behind = logits.amax(1, keepdim=True) - logits
    assert ((behind > 88) & (behind < 103)).any()  # whose exponentials are denormal
    parts = tabulated.chunks(pairs, labels, 31, 4, torch.float32)

    def product():
        return (torch.tensor(1e-30) * torch.tensor(1e-10)).item()

    with ThreadPoolExecutor(1, initializer=tabulated.begin_thread) as pool:
        assert pool.submit(product).result() == 0
        loss, flushed = pool.submit(tabulated.gradient, theta, parts).result()
    assert product() > 0  # the thread that asked is left as it was
    expected, slopes = tabulated.gradient(theta, parts)
    assert_close(loss, expected)
    for name, slope in slopes.items():
        assert_close(flushed[name], slope, rtol=1e-5, atol=1e-30)


def test_the_rounded_loss_is_torchs_cross_entropy_in_value_and_gradient():
    theta, tokens, pairs, labels = setting(7, ModelConfig(8, 2, 12), 30, 3, torch.float64)
    parts = tabulated.chunks(pairs, labels, 7, 2, torch.float64, 8)
    loss, slopes = tabulated.gradient(theta, parts, exact=False)
    theta = {name: weight.requires_grad_() for name, weight in theta.items()}
    logits = model.forward(theta, tokens)[:, -1]
    expected = torch.nn.functional.cross_entropy(logits, labels)
    gradient = torch.autograd.grad(expected, list(theta.values()))
    assert_close(loss, expected.detach(), rtol=1e-10, atol=1e-12)
    for slope, other in zip(slopes.values(), gradient, strict=True):
        assert_close(slope, other, rtol=1e-8, atol=1e-11)


def test_the_rounded_loss_loses_small_slopes_in_float32_and_the_exact_one_does_not():
    config = ModelConfig(8, 2, 12)
    theta, _, pairs, labels = setting(5, config, 20, 1, torch.float64)
    for name in ("W_E", "W_pos", "W_out", "W_U", "b_out"):
        theta[name].zero_()
    theta["W_U"][0, 0], theta["b_out"][0] = 24.0, 1.0  # label 0 leads every other one by 24
    sums = {}
    for dtype in (torch.float32, torch.float64):
        weights = {name: weight.to(dtype) for name, weight in theta.items()}
        parts = tabulated.chunks(pairs, torch.zeros_like(labels), 5, 2, dtype)
        for exact in (True, False):
            _, slopes = tabulated.gradient(weights, parts, exact=exact)
            sums[dtype, exact] = float(slopes["b_out"][0])
    right = -24 * 4 * math.exp(-24)
    assert sums[torch.float64, False] == pytest.approx(right, rel=1e-5)
    assert sums[torch.float32, True] == pytest.approx(right, rel=1e-4)
    assert sums[torch.float32, False] == 0  # beside a probability of 1 there is no room for it
