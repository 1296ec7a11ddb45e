"""How a network treats its operands, on networks and logits whose answer is known."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from handmade import record, shown

from grokkit.model import ModelConfig, initialise
from grokkit.runs import Run
from varma2023.decomposition import operands

P = 11
RUN = Run(p=P, dataset_size=60, model=ModelConfig(8, 2, 16), keep_weights=True)


def network(seed: int = 0, **zero: int):
    """Random weights, much larger than usual, so that attention is not uniform."""
    theta = initialise(RUN.model, P, seed, scale=4.0)
    for name in zero:
        theta[name] = theta[name] * 0
    return replace(record(replace(RUN, seed=seed), [0, 1]), read_weights=lambda _: theta)


@pytest.mark.parametrize(
    ("correct", "irrelevance"),
    [
        (lambda x, y: torch.cos((x - y) % P), 0.0),  # the distance decides
        (lambda x, y: torch.cos((x + y) % P), 1.0),  # it does not matter
    ],
)
def test_distance_irrelevance_is_0_where_distance_decides_else_1(monkeypatch, correct, irrelevance):
    x, y, label = torch.meshgrid(*[torch.arange(float(P))] * 3, indexing="ij")
    logits = (correct(x, y) * (label == (x + y) % P)).double().reshape(P * P, P)
    monkeypatch.setattr(operands, "all_logits", lambda _: logits)
    assert operands.distance_irrelevance(network()) == pytest.approx(irrelevance, abs=0.01)


def test_the_gradients_are_alike_where_only_the_sum_counts():
    one = network()
    assert operands.gradient_symmetry(one) < 0.9
    assert operands.gradient_symmetry(one, uniform=True) == pytest.approx(1)
    bare = network(W_Q=0, W_O=0)  # neither operand reaches the last position
    assert operands.gradient_symmetry(bare) == 0


def test_the_figure_has_a_point_a_network_and_both_corners():
    fig = shown(operands.fig_operands([network(), network(1)]), "2 networks")
    assert [trace.name for trace in fig.data] == ["a network"] * 2 + ["clock", "pizza"]


def test_the_dearer_of_networks_may_be_those_with_more_symmetric_gradients():
    def costing(one, norm):
        curves = {"train_loss": np.zeros(2), "param_norm": np.full(2, norm)}
        return replace(one, metrics={**one.metrics, **curves})

    own = [network(seed) for seed in range(4)]
    costs = [costing(one, 2 + operands.gradient_symmetry(one)) for one in own]
    assert operands.dearer_text(costs) == "1.00 (4 networks)"
    cheaper = [costing(one, 2 - operands.gradient_symmetry(one)) for one in own]
    assert operands.dearer_text(cheaper) == "-1.00 (4 networks)"


def ungrokked(symmetry, d_crit, cost, rests=True):
    """A row of `benchmarks/operands.py`."""
    known = {"symmetry": symmetry, "d_crit": d_crit, "crossing_rests": rests}
    return known | {"cost": cost, "cost_rests": True}


def test_symmetry_goes_with_what_is_read_of_networks_whose_ends_rest():
    rows = [
        ungrokked(part, 150 + 100 * part, 300 - 90 * part) for part in (0.1, 0.4, 0.5, 0.7, 0.9)
    ]
    falling = ungrokked(1.0, None, 100.0, rests=False)
    assert operands.correlation_text(rows, "d_crit") == "+1.00 (+1.00 – +1.00; 5 of 5 networks)"
    both = [*rows, falling]
    assert operands.correlation(both, "d_crit").value == pytest.approx(1)
    assert operands.correlation_text(both, "d_crit").endswith("; 5 of 6 networks)")
    assert operands.correlation(both, "cost").value == pytest.approx(-1)
    assert operands.correlation(both, "cost").n == 6
    costs = (2.0, 1.0, 4.0, 3.0, 5.0)
    assert operands.correlation(both, "d_crit", by="cost").value == pytest.approx(-1)
    assert operands.correlation(both, "d_crit", by="cost").n == 5  # that both are known of
    mixed = [ungrokked(float(rank), 200.0, cost) for rank, cost in enumerate(costs)]
    assert operands.correlation(mixed, "cost").value == pytest.approx(0.8)  # 1 - 6 * 4 / 120
    fig = shown(operands.fig_symmetric(both), "d_crit +1.00", "6 of 6 networks")
    assert [len(trace.x) for trace in fig.data] == [5, 6]
