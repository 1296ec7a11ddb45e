"""Networks along a ray, on networks whose degree is known."""

from dataclasses import replace

import numpy as np
import pytest
from handmade import record, shown

from grokkit.model import ModelConfig, initialise
from grokkit.runs import Run
from varma2023.efficiency import rays

SMALL = Run(p=7, dataset_size=20, model=ModelConfig(8, 2, 16), keep_weights=True)


def network(**factors: float):
    """Random weights, some of them multiplied; the correct logit is made positive."""
    theta = initialise(SMALL.model, 7, seed=3)
    theta |= {name: factor * theta[name] for name, factor in factors.items()}
    one = replace(record(SMALL, [0, 1]), read_weights=lambda _: theta)
    right_way = theta | {"W_U": float(np.sign(rays.along_ray(one)[2])) * theta["W_U"]}
    return replace(one, read_weights=lambda _: right_way)


def test_without_attention_and_mlp_only_the_shortest_path_is_left():
    one = network(W_O=0, W_out=0)
    logits = rays.along_ray(one)
    np.testing.assert_allclose(logits / logits[2], rays.FACTORS**2, rtol=1e-5)
    assert rays.kappa_on_ray(one) == pytest.approx(rays.SHORTEST)


def test_the_longest_path_has_degree_six_where_the_attention_pattern_stays():
    # much larger than what skips the attention, or the MLP
    one = network(W_pos=0, W_O=1e4, W_in=1e4, W_out=1e4)
    assert rays.kappa_on_ray(one, frozen=True) == pytest.approx(rays.LONGEST, abs=0.01)
    even = network(W_pos=0, W_Q=0, W_O=1e4, W_in=1e4, W_out=1e4)  # attends to all alike
    assert rays.kappa_on_ray(even) == pytest.approx(rays.kappa_on_ray(even, frozen=True))
    parts = rays.kappa_of_parts(one)  # the trigonometric one, and the rest
    assert parts == pytest.approx([rays.LONGEST] * 2, abs=0.01)


def test_the_figure_has_a_curve_a_network_and_both_powers():
    fig = shown(rays.fig_rays([network(W_O=0, W_out=0)], [network()]), "2 networks along a ray")
    assert len(fig.data) == 4
    assert fig.data[1].y[2] == 1
