"""The lowest path between two networks: its gradient, its ends, and what is read of it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from handmade import shown

from grokkit.engine.lbfgs import LBFGS
from grokkit.model import ModelConfig, flat, initialise, named
from grokkit.runs import Run
from varma2023.two_starts import barrier, figures, paths, sweeps

RUN = Run(p=7, dataset_size=20, model=ModelConfig(d_model=8, n_heads=2, d_mlp=6), eps=1e-3)
START, END = (initialise(RUN.model, RUN.operation.n_tokens, seed) for seed in (0, 1))


def test_a_turned_network_with_its_units_in_another_order_is_brought_back():
    theta = named(flat(START).double(), RUN.shapes)
    turn = torch.linalg.qr(torch.randn(8, 8, dtype=torch.float64))[0]
    other = {name: paths._turned(weights, name, turn) for name, weights in theta.items()}
    order = torch.randperm(6)
    other |= {name: other[name][..., order] for name in ("W_in", "b_in")}
    other["W_out"] = other["W_out"][order]
    far = float((flat(other) - flat(theta)).norm())
    both = torch.stack([flat(other), flat(theta)])
    costs, _ = paths._costs(RUN, 2)(both)
    assert costs[0] == pytest.approx(float(costs[1]), rel=1e-12)  # the same function
    back = float((flat(paths.nearest(other, theta)) - flat(theta)).norm())
    assert back < far / 2


def test_what_is_brought_near_keeps_its_function_and_norm():
    near = flat(paths.nearest(END, START))
    both = torch.stack([flat(END).double(), near])
    costs, _ = paths._costs(RUN, 2)(both)
    assert costs[0] == pytest.approx(float(costs[1]), rel=1e-9)
    assert (near - flat(START)).norm() < (both[0] - flat(START)).norm()


@pytest.mark.parametrize("high", [0.0, 1e9])
def test_the_slope_of_a_string_is_that_of_its_soft_maximum(high):
    ends = torch.stack([flat(START).double(), flat(END).double()])
    bent = torch.lerp(ends[0], ends[1], torch.tensor([[0.3], [0.7]]).double())
    row = (bent + 0.1 * torch.randn(bent.shape, dtype=torch.float64)).view(1, -1)
    lowered = paths._highest(paths._costs(RUN, 12), ends, 4, 0.5, high or 250.0)
    way, step = torch.randn_like(row), 1e-6
    (over, _), (under, _) = lowered(row + step * way), lowered(row - step * way)
    slope = float((lowered(row)[1] * way).sum())
    assert slope == pytest.approx(float(over - under) / (2 * step), rel=1e-5)


def test_a_path_is_lower_than_the_straight_line_and_leaves_its_ends(monkeypatch):
    monkeypatch.setattr(paths, "STAGES", ((2, 5.0, 60), (4, 1.0, 60)))
    string = LBFGS(torch.stack([flat(START), flat(END)]).double())
    for _ in range(300):
        string.step(paths._costs(RUN, 2))
    start, end = (named(row, RUN.shapes) for row in string.point)
    path = paths.lowest(RUN, start, end)
    assert len(path.networks) == paths.NETWORKS + 2
    assert torch.equal(path.networks[0], flat(start))
    ends = torch.stack([path.networks[0], path.networks[-1]])
    assert path.costs[[0, -1]] == pytest.approx(string.value.numpy())
    straight = paths.read(RUN, ends)
    over = straight.costs.max() - straight.costs[0], path.costs.max() - path.costs[0]
    assert over[1] < over[0] / 2
    assert straight.at == pytest.approx(np.linspace(0, 1, paths.DENSE + 1))
    assert len(path.at) == len(path.costs) == paths.DENSE * (paths.NETWORKS + 1) + 1
    assert (np.diff(path.at) > 0).all()
    found = paths.accuracies(RUN, path.networks)
    assert ((found >= 0) & (found <= 1)).all()


def measured(heights=(6.0, 3.0), seeds=range(3), known=0.02) -> list[dict]:
    """Paths as `benchmarks/paths.py` saves them: up by so much and down, by size."""
    rows = []
    for size, height in zip((212, 276), heights, strict=False):
        for seed in seeds:
            costs = [250.0, 250.0 + height + seed, 230.0]
            where = {"dataset_size": size, "seed": seed, "at": [0.0, 0.5, 1.0]}
            rows.append(
                where
                | {
                    "costs": costs,
                    "tops": [400.0, max(costs)],
                    "accuracies": [known, 1.0],
                    "at_rest": [False] * 2,
                }
            )
    return rows


def test_heights_are_read_above_memory_and_only_where_a_path_begins_there():
    known = barrier.passes([*measured(), *measured(known=0.9)])
    assert [path.height for path in known] == [6.0, 7.0, 8.0, 3.0, 4.0, 5.0]
    text = barrier.passes_text(known, lambda path: path.height, ".1f")
    assert text == "7.0 (6.0 – 8.0) at 212; 4.0 (3.0 – 5.0) at 276"
    assert barrier.passes_fall(known) == "3 of 3"
    assert barrier.passes_table(known).count("<tr>") == 7
    fig = shown(figures.fig_passes(known), "On 6 paths from memory to the rule")
    assert len(fig.data) == 6 + 3
    assert fig.data[0].y[1] == 6.0


def test_paths_lead_between_both_starts_of_one_train_set():
    runs = sweeps.connected()
    rules, memories = runs[: len(runs) // 2], runs[len(runs) // 2 :]
    assert {run.init.dataset_size for run in rules} == {31**2}
    for rule, memory in zip(rules, memories, strict=True):
        assert replace(rule, init=None) == replace(memory, init=None, epochs=rule.epochs)
        assert memory.init.dataset_size == memory.dataset_size
