"""Both fast forms of the gradient, in one batch and from tables, against the textbook model's."""

import math
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from hypothesis import given
from hypothesis.strategies import booleans, floats, integers, sampled_from
from tiny import SMALL_TASKS, examples
from torch.testing import assert_close

from grokkit import model, tasks
from grokkit.engine import batched, tabulated
from grokkit.model import ModelConfig

CONFIG = ModelConfig(d_model=16, n_heads=4, d_mlp=24)


def network(n_tokens, seed=0, config=CONFIG, scale=1.0):
    """Parameters in float64 with biases that are not zero."""
    theta = model.initialise(config, n_tokens, seed, scale)
    generator = torch.Generator().manual_seed(seed)
    for name in ("b_in", "b_out"):
        theta[name] = 0.3 * torch.randn(theta[name].shape, generator=generator)
    return to(theta, torch.float64)


def to(theta, dtype):
    return {name: weight.to(dtype) for name, weight in theta.items()}


def textbook(theta, pairs, labels, cross_entropy=model.cross_entropy, kink=0.0):
    """Logits at the last position, loss and gradient through `model.forward`.

    With a kink the ReLU is its mean over shifts of up to so much, which is the parabola.
    """
    theta = {name: weight.clone().requires_grad_() for name, weight in theta.items()}
    with pytest.MonkeyPatch.context() as patch:
        if kink:
            patch.setattr(model.F, "relu", lambda z: _mean_relu(z, kink))
        logits = model.forward(theta, model.tokens(pairs, theta["W_U"].shape[1]))[:, -1]
    loss = cross_entropy(logits, labels).mean()
    slopes = torch.autograd.grad(loss, list(theta.values()))
    return logits.detach(), loss.detach(), dict(zip(theta, slopes, strict=True))


def _mean_relu(z, kink):
    return (z + kink).clamp(0, 2 * kink) ** 2 / 4 / kink + (z - kink).clamp(min=0)


def from_tables(theta, pairs, labels, size=tabulated.CHUNK, **options):
    (_, n), n_heads, dtype = theta["W_U"].shape, len(theta["W_Q"]), theta["W_U"].dtype
    chunks = tabulated.chunks(pairs, labels, n, n_heads, dtype, size)
    return tabulated.gradient(theta, chunks, **options)


def gap(slopes, gradient):
    """The largest relative distance of a parameter's slopes from the gradient's."""
    return max((slope - gradient[k]).norm() / gradient[k].norm() for k, slope in slopes.items())


# --- in one batch


def stacked(thetas):
    return {name: torch.stack([theta[name] for theta in thetas]) for name in thetas[0]}


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
@pytest.mark.parametrize(("name", "p"), SMALL_TASKS)
@pytest.mark.parametrize("kink", [0.0, 0.5])
def test_logits_and_gradients_of_a_mixed_stack_are_the_textbooks(name, p, dtype, tolerance, kink):
    task = tasks.task(name, p)
    sets = [examples(p, size, seed, name) for seed, size in enumerate((task.n_examples, 11, 5))]
    thetas = [to(network(task.n_tokens, seed), dtype) for seed in range(3)]
    theta = {name: w.requires_grad_() for name, w in stacked(thetas).items()}
    batch = batched.Batch.of(sets, dtype, torch.device("cpu"))
    logits = batched.forward(theta, batch.x, batch.y, kink)
    losses = batched.train_loss(theta, batch, kink=kink)
    slopes = torch.autograd.grad(losses.sum(), list(theta.values()))
    for i, (single, own) in enumerate(zip(thetas, sets, strict=True)):
        expected, loss, gradient = textbook(single, *own, kink=kink)
        scale = float(expected.abs().max())
        assert_close(logits[i, : len(own[1])], expected, rtol=0, atol=tolerance * scale)
        assert_close(losses[i], loss, rtol=tolerance, atol=0)
        for slope, there in zip(slopes, gradient.values(), strict=True):
            largest = max(float(there.abs().max()), 1e-12)
            assert_close(slope[i], there, rtol=0, atol=10 * tolerance * largest)


@given(integers(0, 2**16), floats(0.8, 12.0))
def test_attention_survives_scores_far_apart(seed, scale):
    # norms of Q and K up to 12 times larger: scores spread over tens of nats
    theta, (pairs, labels) = network(5, seed), examples(5, 25)
    theta |= {name: theta[name] * scale for name in ("W_Q", "W_K")}
    found = batched.forward(stacked([theta]), *pairs.T.unsqueeze(1))[0]
    assert_close(found, textbook(theta, pairs, labels)[0], rtol=1e-9, atol=1e-9)
    theta = to(theta | {"W_K": theta["W_K"] * 1e4}, torch.float32)  # denominators would underflow
    assert batched.forward(stacked([theta]), *pairs.T.unsqueeze(1)).isfinite().all()


@pytest.mark.parametrize("margin", [-30.0, 10.0, 18.0, 25.0, 40.0, 45.0, 60.0])
@pytest.mark.parametrize("cross_entropy", [model.cross_entropy, batched._CrossEntropy.apply])
def test_the_loss_is_exact_in_float32_where_the_usual_form_fails(cross_entropy, margin):
    logits = torch.randn(1, 5, 113, generator=torch.Generator().manual_seed(1))
    labels = torch.arange(5)[None]
    logits[0, torch.arange(5), labels[0]] = logits.max() + margin
    single, double = logits.clone().requires_grad_(), logits.double().requires_grad_()
    loss, reference = cross_entropy(single, labels), model.cross_entropy(double, labels)
    (loss.sum() + reference.sum()).backward()
    assert_close(loss.double(), reference, rtol=1e-5, atol=0)
    assert_close(single.grad.double(), double.grad, rtol=1e-5, atol=1e-45)
    if margin >= 25:  # what the exact form is for: torch's float32 loss has no gradient left here
        usual = logits[0].clone().requires_grad_()
        torch.nn.functional.cross_entropy(usual, labels[0], reduction="sum").backward()
        assert (usual.grad[torch.arange(5), labels[0]] == 0).all()


# --- from tables


@given(
    p=sampled_from([3, 5, 11]),
    heads=sampled_from([1, 2, 4]),
    d_mlp=integers(1, 30),
    seed=integers(0, 2**20),
    chunk=integers(1, 40),
    task=sampled_from(["x+y", "x/y", "x^2+y^2"]),
    exact=booleans(),
    kink=sampled_from([0.0, 0.01, 1.0]),
)
def test_the_gradient_is_the_textbook_models(p, heads, d_mlp, seed, chunk, task, exact, kink):
    theta = network(p, seed, ModelConfig(d_model=8, n_heads=heads, d_mlp=d_mlp))
    pairs, labels = examples(p, 1 + seed % tasks.task(task, p).n_examples, seed, task)
    loss, slopes = from_tables(theta, pairs, labels, chunk, exact=exact, kink=kink)
    plain = model.cross_entropy if exact else torch.nn.functional.cross_entropy
    _, expected, gradient = textbook(theta, pairs, labels, plain, kink)
    assert_close(loss, expected, rtol=1e-10, atol=1e-12)
    assert_close(slopes, gradient, rtol=1e-8, atol=1e-11)


@pytest.mark.parametrize("scale", [0.3, 3.0])
def test_float32_agrees_with_float64_at_the_papers_size(scale):
    theta, own = network(113, 0, ModelConfig(), scale), examples(113, 3000)
    _, expected, gradient = textbook(theta, *own)
    loss, slopes = from_tables(to(theta, torch.float32), *own)
    assert_close(loss.double(), expected, rtol=1e-5, atol=0)
    assert gap(slopes, gradient) < 2e-5


def test_a_gradient_far_below_float32s_epsilon_is_still_exact():
    # logits that are right by 60: the loss is 1e-26, and plain float32 cross-entropy gives 0
    theta, (pairs, labels) = network(5, 0, ModelConfig(8, 2, 12)), examples(5, 25)
    residual = dict(theta, W_U=torch.eye(8, dtype=torch.float64))  # what W_U reads
    features = model.forward(residual, model.tokens(pairs, 5))[:, -1]
    theta["W_U"] = torch.linalg.lstsq(features, 60.0 * torch.eye(5)[labels].double()).solution
    _, expected, gradient = textbook(theta, pairs, labels)
    loss, slopes = from_tables(to(theta, torch.float32), pairs, labels)
    assert_close(loss.double(), expected, rtol=1e-3, atol=0)
    assert gap(slopes, gradient) <= 1e-2


def test_the_bits_do_not_depend_on_how_many_threads_share_the_parts():
    theta, own = to(network(113, 0, ModelConfig()), torch.float32), examples(113, 5000)
    loss, alone = from_tables(theta, *own)
    with ThreadPoolExecutor(3, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        same, shared = from_tables(theta, *own, each=pool.map)
    assert_close((same, shared), (loss, alone), rtol=0, atol=0)


@pytest.mark.skipif(not torch.set_flush_denormal(False), reason="denormals are not flushed here")
def test_a_begun_thread_flushes_denormals_and_the_gradient_is_the_same():
    theta, own = to(network(31, 0, ModelConfig()), torch.float32), examples(31, 400)
    theta["W_U"] *= 60
    logits = textbook(theta, *own)[0]
    behind = logits.amax(1, keepdim=True) - logits
    assert ((behind > 88) & (behind < 103)).any()  # whose exponentials are denormal

    def product():
        return (torch.tensor(1e-30) * torch.tensor(1e-10)).item()

    with ThreadPoolExecutor(1, initializer=tabulated.begin_thread) as pool:
        assert pool.submit(product).result() == 0
        loss, flushed = pool.submit(from_tables, theta, *own).result()
    assert product() > 0  # the thread that asked is left as it was
    expected, slopes = from_tables(theta, *own)
    assert_close(loss, expected)
    assert_close(flushed, slopes, rtol=1e-5, atol=1e-30)


def test_the_rounded_loss_loses_small_slopes_in_float32_and_the_exact_one_does_not():
    theta, (pairs, _) = network(5, 1, ModelConfig(8, 2, 12)), examples(5, 20, 1)
    theta |= {k: torch.zeros_like(theta[k]) for k in ("W_E", "W_pos", "W_out", "W_U", "b_out")}
    theta["W_U"][0, 0], theta["b_out"][0] = 24.0, 1.0  # label 0 leads every other one by 24
    labels = torch.zeros(20, dtype=torch.int64)

    def slope(dtype, exact):
        return float(from_tables(to(theta, dtype), pairs, labels, exact=exact)[1]["b_out"][0])

    right = -24 * 4 * math.exp(-24)
    assert slope(torch.float64, False) == pytest.approx(right, rel=1e-5)
    assert slope(torch.float32, True) == pytest.approx(right, rel=1e-4)
    assert slope(torch.float32, False) == 0  # beside a probability of 1 there is no room for it
