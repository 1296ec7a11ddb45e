"""App. D: each statement as a property, and Theorem D.4 against a search that does not know it."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from grokkit import theorems
from grokkit.theorems import EqualCircuits
from varma2023.theorems import analysis


def positive(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(math.log(low), math.log(high)).map(math.exp)


@given(seed=st.integers(0, 2**16), scale=st.floats(-5.0, 5.0))
def test_scaled_loss_is_torchs_cross_entropy(seed, scale):
    rng = np.random.default_rng(seed)
    logits, labels = rng.normal(size=(6, 5)), rng.integers(0, 5, 6)
    kept = logits.copy()
    theirs = torch.nn.functional.cross_entropy(torch.tensor(scale * logits), torch.tensor(labels))
    assert abs(theorems.scaled_loss(logits, labels, scale) - theirs.item()) < 1e-12
    assert np.array_equal(logits, kept)


@given(x=positive(0.05, 20), r=st.floats(1, 6), c=positive(1e-2, 10), part=st.floats(0.01, 0.99))
def test_lemma_d3_holds_with_epsilon_on_the_right(x, r, c, part):
    delta = theorems.lemma_d3_delta(x, r, c)
    eps = part * delta
    assert 0 < delta <= x
    assume(eps * c > 1e-9 * x**r)  # else the difference of the powers is lost in rounding
    assert x**r - (x - eps) ** r > eps * (r * x ** (r - 1) - c)
    assert 0 < theorems.lemma_d3_delta(x, r, 1e-20) <= x


def test_the_gradient_of_equation_6_vanishes_at_the_optimal_weights():
    P = torch.tensor([1.0, 2.0, 1.5], dtype=torch.float64)
    found = EqualCircuits(tuple(P.tolist()), kappa=1.3, q=2.4, alpha=0.02, n_labels=50)
    w = torch.tensor(theorems.optimal_weights(found), requires_grad=True)
    fit = torch.log1p((found.n_labels - 1) * torch.exp(-w.sum()))
    decay = ((w ** (1 / found.kappa) * P) ** found.q).sum()
    (gradient,) = torch.autograd.grad(fit + found.alpha / found.q * decay, w)
    assert gradient.abs().max() < 1e-13


def test_tied_circuits_share_below_q_and_one_takes_all_above():
    below = EqualCircuits((1.0, 1.0, 3.0), kappa=1.0)
    assert theorems.optimal_shares(below)[0] == theorems.optimal_shares(below)[1]
    above = replace(below, kappa=3.0)
    one, split = theorems.optimal_weights(above), np.array([0.5, 0.5, 0.0])
    assert (one > 0).sum() == 1
    assert theorems.effective_loss(above, one) < theorems.effective_loss(above, one.sum() * split)


def test_decay_too_strong_for_the_data_leaves_no_circuit():
    found = EqualCircuits((1.0, 2.0), kappa=3.0, alpha=100.0)
    assert (theorems.optimal_weights(found) == 0).all()
    assert (analysis.minimise_weights(found) == 0).all()


COUNTS = (analysis.count_d1_failures, analysis.count_d2_failures, analysis.largest_d4_gap)


@pytest.mark.parametrize(
    ("function", "arguments", "named"),
    [
        (EqualCircuits, ((),), "P must be a tuple of parameter norms"),
        (EqualCircuits, ((1.0, 0.0),), "P must be a positive number, got 0.0"),
        (EqualCircuits, ((1.0, 2.0), -1.0), "kappa must be a positive number, got -1.0"),
        (EqualCircuits, ((1.0, 2.0), 1.2, 0.0), "q must be a positive number, got 0.0"),
        (EqualCircuits, ((1.0, 2.0), 1.2, 2.0, 0.01, 0), "n_labels must be a whole number >= 2"),
        (theorems.lemma_d3_delta, (0.0, 2.0, 1.0), "must be"),
        (theorems.lemma_d3_delta, (1.0, 0.5, 1.0), "must be"),
        (theorems.lemma_d3_delta, (1.0, 2.0, -1.0), "must be"),
        # of no draws none fails, which is not to say that the statement holds
        *((count, (n, 0), f"1 or more, got {n}") for count in COUNTS for n in (0, -1)),
        (analysis.count_d3_failures, (0, 0, True), "1 or more, got 0"),
    ],
)
def test_a_bad_value_is_named_with_what_is_allowed(function, arguments, named):
    with pytest.raises(ValueError, match=named):
        function(*arguments)


def test_sharing_costs_least_at_the_optimal_share():
    for kappa in (0.5, 1.2, 1.9, 2.5):
        found = EqualCircuits((1.0, 2.0), kappa)
        share = np.linspace(0, 1, 10_001)
        cost = analysis.sharing_cost(found, share)
        assert abs(share[cost.argmin()] - theorems.optimal_shares(found)[0]) < 1e-4
        assert cost[-1] == 1


def test_the_printed_lemma_breaks_on_every_draw():
    assert analysis.count_d3_failures(500, seed=0, as_printed=True) == 500
