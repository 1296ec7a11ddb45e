"""The simulation against the paper's formulas and autograd; App. D against search and algebra."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from grokkit.toy import (
    TABLE_1,
    EqualCircuits,
    Toy,
    effective_loss,
    lemma_d3_delta,
    marks,
    minimise_weights,
    optimal_shares,
    optimal_weights,
    panels,
    scaled_loss,
    simulate,
)

CURVES = ("train_loss", "test_loss", "gen_logit", "mem_logit", "param_norm")


def positive(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(math.log(low), math.log(high)).map(math.exp)


# Values, not an EqualCircuits: building one inside a strategy runs beartype, which draws at random.
EQUATION_6 = st.fixed_dictionaries(
    {
        "P": st.lists(positive(0.5, 4.0), min_size=1, max_size=4, unique=True).map(tuple),
        "kappa": positive(0.2, 5.0),
        "q": positive(0.5, 4.0),
        "alpha": positive(1e-4, 1e-1),
        "n_labels": st.integers(2, 500),
    }
)


def circuits(drawn: dict) -> EqualCircuits:
    """The drawn circuits, away from the ties and from kappa = q, where the shares jump."""
    assume(abs(drawn["kappa"] / drawn["q"] - 1) > 0.02)
    least = sorted(drawn["P"])[:2]
    assume(len(least) == 1 or least[1] / least[0] > 1.01)
    return EqualCircuits(**drawn)


# --- the simulation (Sec. 3, App. C) ---


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (1_000, (0.605, 7.326, 0.00, 6.72, 9.79)),
        (4_000, (0.484, 5.358, 1.14, 5.83, 8.76)),
        (6_000, (0.209, 0.523, 5.66, 2.31, 5.84)),
        (10_000, (0.185, 0.242, 7.10, 1.05, 5.53)),
    ],
)
def test_panel_a_has_the_reference_values(step, expected):
    found = simulate(TABLE_1["a"])
    for curve, value in zip(CURVES, expected, strict=True):
        tolerance = 5e-4 if "loss" in curve else 5.1e-3
        assert abs(getattr(found, curve)[step] - value) < tolerance, curve


def test_panels_b_and_c_have_the_reference_values():
    b, c = simulate(TABLE_1["b"]), simulate(TABLE_1["c"])
    assert abs(b.test_loss[-1] - 5.98) < 5e-3
    assert abs(c.train_loss[-1] - 0.184) < 5e-4
    assert abs(c.test_loss[-1] - 0.231) < 5e-4


def test_only_panel_a_groks():
    outcomes = {panel: marks(simulate(toy)).outcome for panel, toy in TABLE_1.items()}
    assert outcomes == {"a": "groks", "b": "never", "c": "together"}


def test_panels_around_the_defaults_are_table_1():
    assert panels(Toy()) == TABLE_1


def papers_train_loss(toy: Toy, w: torch.Tensor) -> torch.Tensor:
    gen, mem = w[0] * w[1], w[2] * w[3]
    decay = (gen ** (1 / toy.kappa) * toy.P_gen) ** 2 + (mem ** (1 / toy.kappa) * toy.P_mem) ** 2
    odds = torch.exp(gen + mem) / (toy.n_labels - 1 + torch.exp(gen + mem))
    return -torch.log(odds) + toy.alpha * decay


@pytest.mark.parametrize("toy", [*TABLE_1.values(), Toy(kappa=0.7, alpha=0.03, n_labels=2)])
def test_descent_equals_autograd_on_the_formula_of_appendix_c(toy):
    toy = replace(toy, w_gen=(0.3, 0.4))  # autograd gives nan at a power of zero
    toy = replace(toy, w_mem=(0.2, 1.0))
    w = torch.tensor([*toy.w_gen, *toy.w_mem], dtype=torch.float64, requires_grad=True)
    found = simulate(toy, steps=400)
    for step in range(401):
        loss = papers_train_loss(toy, w)
        assert abs(found.train_loss[step] - loss.item()) < 1e-11
        assert abs(found.gen_logit[step] - (w[0] * w[1]).item()) < 1e-11
        (gradient,) = torch.autograd.grad(loss, w)
        w = (w - toy.lr * gradient).detach().requires_grad_()


def test_test_loss_is_the_formula_of_appendix_c():
    toy, found = Toy(), simulate(Toy(), steps=3_000, log_every=10)
    gen, mem = np.exp(found.gen_logit), np.exp(found.mem_logit)
    fit = -np.log(gen / (toy.n_labels - 2 + gen + mem))
    assert np.allclose(found.test_loss, fit + toy.alpha * found.param_norm**2, rtol=1e-12)


def test_a_zero_weight_with_a_zero_partner_never_moves():
    found = simulate(Toy(w_gen=(0.0, 0.0)), steps=2_000)
    assert (found.gen_logit == 0).all()


def test_equal_circuits_started_equally_stay_equal():
    found = simulate(Toy(P_gen=2.0, w_gen=(0.0, 1.0)), steps=2_000)
    assert np.array_equal(found.gen_logit, found.mem_logit)


@given(log_every=st.integers(1, 700), steps=st.integers(1, 600))
@settings(max_examples=20)
def test_logging_less_often_leaves_out_steps_and_changes_none(log_every, steps):
    every, some = simulate(Toy(), steps), simulate(Toy(), steps, log_every)
    assert some.step[0] == 0
    assert some.step[-1] == steps
    for curve in CURVES:
        assert np.array_equal(getattr(every, curve)[some.step], getattr(some, curve))


def test_descent_ends_at_the_minimum_of_equation_6():
    toy = Toy(lr=0.02)
    end = simulate(toy, steps=100_000, log_every=100_000)
    best = optimal_weights(EqualCircuits((toy.P_gen, toy.P_mem), toy.kappa, 2.0, 2 * toy.alpha))
    assert np.allclose([end.gen_logit[-1], end.mem_logit[-1]], best, rtol=1e-9)
    assert abs(best[0] / best[1] - 8) < 1e-12  # (P_mem / P_gen)^(2 kappa / (2 - kappa)) = 2^3


def test_far_out_logits_keep_their_loss():
    found = simulate(Toy(alpha=0.0, w_mem=(30.0, 30.0)), steps=1)
    assert found.train_loss[-1] == 0
    assert abs(found.test_loss[-1] - 900) < 1e-9


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"kappa": 2.0}, r"kappa must be in \(0, 2\), got 2.0"),
        ({"kappa": 0.0}, "kappa must be a positive number, got 0.0"),
        ({"P_gen": -1.0}, "P_gen must be a positive number, got -1.0"),
        ({"lr": math.nan}, "lr must be a positive number, got nan"),
        ({"alpha": -0.1}, "alpha must be 0 or more, got -0.1"),
        ({"n_labels": 1}, "n_labels must be 2 or more, got 1"),
        ({"w_mem": (0.0, -1.0)}, "w_mem must be two numbers"),
    ],
)
def test_a_bad_value_is_named_with_what_is_allowed(change, named):
    with pytest.raises(ValueError, match=named):
        replace(Toy(), **change)


def test_a_descent_that_diverges_says_so():
    with pytest.raises(ValueError, match="overshoots and leaves a circuit at zero"):
        simulate(Toy(lr=10.0, kappa=0.3, alpha=1.0, w_mem=(2.0, 2.0)))


def test_a_weight_that_overshoots_stops_at_zero_and_recovers():
    toy = Toy(P_gen=2.85, P_mem=7.7, kappa=1.78, alpha=0.03, w_gen=(0.0, 0.9), w_mem=(0.0, 0.8))
    found = simulate(toy, 5_000)
    assert (found.mem_logit[1:] == 0).any()
    assert found.mem_logit[-50:].max() > 0


# --- Appendix D ---


@given(seed=st.integers(0, 2**16), scale=st.floats(1.01, 20.0))
def test_theorem_d1_scaling_up_a_perfect_classifier_lowers_its_loss(seed, scale):
    rng = np.random.default_rng(seed)
    logits, labels = rng.normal(size=(6, 5)), rng.integers(0, 5, 6)
    logits[range(6), labels] = np.delete(logits, 0, 1).max(1) + logits.max(1) + 5
    assert scaled_loss(logits, labels, scale) < scaled_loss(logits, labels, 1.0)


def test_theorem_d1_needs_every_example_right():
    logits, labels = np.array([[2.0, 0.0], [1.0, 0.0]]), np.array([0, 1])
    assert scaled_loss(logits, labels, 9.0) > scaled_loss(logits, labels, 1.0)


@given(seed=st.integers(0, 2**16), scale=st.floats(-5.0, 5.0))
def test_scaled_loss_is_torchs_cross_entropy(seed, scale):
    rng = np.random.default_rng(seed)
    logits, labels = rng.normal(size=(6, 5)), rng.integers(0, 5, 6)
    kept = logits.copy()
    theirs = torch.nn.functional.cross_entropy(torch.tensor(scale * logits), torch.tensor(labels))
    assert abs(scaled_loss(logits, labels, scale) - theirs.item()) < 1e-12
    assert np.array_equal(logits, kept)


@given(a=st.floats(0, 1e6), b=st.floats(0, 1e6), r=st.floats(0.01, 1.0))
def test_lemma_d2_a_power_up_to_one_is_subadditive(a, b, r):
    assert (a + b) ** r <= (a**r + b**r) * (1 + 1e-14)


@given(
    x=positive(0.05, 20),
    r=st.floats(1.0, 6.0),
    c=positive(1e-2, 10),
    part=st.floats(0.01, 0.99),
)
def test_lemma_d3_holds_with_epsilon_on_the_right(x, r, c, part):
    delta = lemma_d3_delta(x, r, c)
    eps = part * delta
    assert 0 < delta <= x
    assume(eps * c > 1e-9 * x**r)  # else the difference of the powers is lost in rounding
    assert x**r - (x - eps) ** r > eps * (r * x ** (r - 1) - c)


@given(x=positive(0.1, 10), r=st.floats(1.0, 4.0), delta=positive(1e-6, 1.0))
def test_lemma_d3_fails_with_delta_on_the_right(x, r, delta):
    c = r * x ** (r - 1) / 2
    eps = min(delta, x) * 1e-3  # below delta: no delta will do
    assert x**r - (x - eps) ** r < delta * (r * x ** (r - 1) - c)


@given(EQUATION_6)
@settings(max_examples=60)
def test_theorem_d4_agrees_with_a_search_that_does_not_know_it(drawn):
    found = circuits(drawn)
    closed, searched = optimal_weights(found), minimise_weights(found)
    assert np.abs(closed - searched).max() < 1e-6 * max(1.0, closed.sum())


@given(EQUATION_6)
@settings(max_examples=60)
def test_theorem_d4_gives_weight_as_it_says(drawn):
    found = circuits(drawn)
    w, P = optimal_weights(found), np.array(found.P)
    if found.kappa >= found.q:
        assert (w[min(P) < P] == 0).all()
    else:
        log_w = np.log(w) + found.q * found.kappa / (found.q - found.kappa) * np.log(P)
        assert np.ptp(log_w[w > 1e-250]) < 1e-9


@given(EQUATION_6, st.integers(0, 2**16))
@settings(max_examples=60)
def test_no_weights_drawn_at_random_beat_the_optimal_ones(drawn, seed):
    found = circuits(drawn)
    best = optimal_weights(found)
    rng = np.random.default_rng(seed)
    near = best * rng.uniform(0.8, 1.25, (200, len(best)))
    far = rng.exponential(best.sum() + 1, (200, len(best)))
    drawn = effective_loss(found, np.concatenate([near, far]))
    assert (drawn >= effective_loss(found, best) - 1e-12).all()


def test_the_gradient_of_equation_6_vanishes_at_the_optimal_weights():
    P = torch.tensor([1.0, 2.0, 1.5], dtype=torch.float64)
    found = EqualCircuits(tuple(P.tolist()), kappa=1.3, q=2.4, alpha=0.02, n_labels=50)
    w = torch.tensor(optimal_weights(found), requires_grad=True)
    fit = torch.log1p((found.n_labels - 1) * torch.exp(-w.sum()))
    decay = ((w ** (1 / found.kappa) * P) ** found.q).sum()
    (gradient,) = torch.autograd.grad(fit + found.alpha / found.q * decay, w)
    assert gradient.abs().max() < 1e-13


def test_tied_circuits_share_below_q_and_one_takes_all_above():
    below = EqualCircuits((1.0, 1.0, 3.0), kappa=1.0)
    assert optimal_shares(below)[0] == optimal_shares(below)[1]
    above = replace(below, kappa=3.0)
    one, split = optimal_weights(above), np.array([0.5, 0.5, 0.0])
    assert (one > 0).sum() == 1
    assert effective_loss(above, one) < effective_loss(above, one.sum() * split)


def test_decay_too_strong_for_the_data_leaves_no_circuit():
    found = EqualCircuits((1.0, 2.0), kappa=3.0, alpha=100.0)
    assert (optimal_weights(found) == 0).all()
    assert (minimise_weights(found) == 0).all()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"P": ()}, "at least one"),
        ({"P": (1.0, 0.0)}, "P must be a positive number, got 0.0"),
        ({"kappa": -1.0}, "kappa must be a positive number, got -1.0"),
        ({"q": 0.0}, "q must be a positive number, got 0.0"),
        ({"n_labels": 0}, "n_labels must be 2 or more, got 0"),
    ],
)
def test_a_bad_circuit_is_named_with_what_is_allowed(change, named):
    with pytest.raises(ValueError, match=named):
        replace(EqualCircuits((1.0, 2.0)), **change)


@pytest.mark.parametrize(("x", "r", "c"), [(0.0, 2.0, 1.0), (1.0, 0.5, 1.0), (1.0, 2.0, -1.0)])
def test_lemma_d3_refuses_what_it_does_not_cover(x, r, c):
    with pytest.raises(ValueError, match="Lemma"):
        lemma_d3_delta(x, r, c)
