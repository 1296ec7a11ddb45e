"""The textbook model and the exact loss, against torch's own pieces and float64."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis.strategies import floats, integers
from tiny import TINY
from torch.testing import assert_close

from grokkit import model, tasks


def test_the_paper_widths_give_the_paper_parameters_with_the_spreads_of_choice_c4():
    theta = model.initialise(model.ModelConfig(), 113, seed=0)
    shapes = [tuple(theta[name].shape) for name in ("W_E", "W_Q", "W_U")]
    assert shapes == [(115, 128), (4, 128, 32), (128, 113)]
    assert model.param_norm(theta) == pytest.approx(42, abs=0.5)  # SPEC: ||theta_0|| is about 42
    for name, weight in theta.items():
        expected = 0.0 if name.startswith("b") else (115 if name == "W_U" else 128) ** -0.5
        spread = float(weight.double().square().mean().sqrt())
        assert spread == pytest.approx(expected, rel=0.1), name


def test_initialisation_depends_on_the_seed_alone():
    one, same, other = (model.initialise(TINY, 5, seed) for seed in (3, 3, 4))
    assert_close(one, same, rtol=0, atol=0)
    assert not torch.equal(one["W_E"], other["W_E"])
    assert_close(model.initialise(TINY, 5, seed=3, scale=2.0)["W_E"], 2 * one["W_E"])


def test_forward_agrees_with_torchs_own_attention_head_by_head():
    theta = {k: v.double() for k, v in model.initialise(TINY, 5, seed=0).items()}
    theta["b_in"] = torch.randn(TINY.d_mlp, dtype=torch.float64)
    tokens = model.tokens(torch.tensor(tasks.task("x+y", 5).inputs), 5)
    seen = model.forward(theta, tokens)
    resid = theta["W_E"][tokens] + theta["W_pos"]
    after = resid.clone()
    for head in range(2):
        q, k, v = (resid @ theta[name][head] for name in ("W_Q", "W_K", "W_V"))
        z = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        after = after + F.linear(z, theta["W_O"][head].T)
    after = after + F.linear(
        F.linear(after, theta["W_in"].T, theta["b_in"]).relu(), theta["W_out"].T, theta["b_out"]
    )
    assert_close(seen, F.linear(after, theta["W_U"].T), rtol=1e-12, atol=1e-12)


@given(integers(0, 2**16), floats(-30, 30))
def test_cross_entropy_equals_log_softmax_in_float64(seed, margin):
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(6, 11, generator=generator, dtype=torch.float64)
    labels = torch.randint(11, (6,), generator=generator)
    logits = logits.scatter_add(1, labels[:, None], torch.full((6, 1), margin, dtype=torch.float64))
    expected = F.cross_entropy(logits, labels, reduction="none")
    assert_close(model.cross_entropy(logits, labels), expected, rtol=1e-9, atol=1e-13)


WIDTHS = [(name, value) for name in ("d_model", "n_heads", "d_mlp") for value in (-1, 0, 10**6)]


@pytest.mark.parametrize(("name", "value"), [*WIDTHS, ("n_heads", 3)])
def test_bad_widths_name_the_field_and_value(name, value):
    says = "divide d_model = 128" if value == 3 else "be at least 1 and at most 16384"
    with pytest.raises(ValueError, match=rf"{name} must {says}.*, got {value}"):
        model.ModelConfig(**{name: value})
