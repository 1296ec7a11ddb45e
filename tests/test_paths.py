"""The lowest path between two networks: its gradient, its ends, and what is read of it."""

import numpy as np
import paths
import pytest
import torch
from handmade import shown

from grokkit.engine.lbfgs import LBFGS
from grokkit.model import ModelConfig, flat, initialise, named
from grokkit.runs import Run
from varma2023.two_starts import barrier, figures

RUN = Run(p=7, dataset_size=20, model=ModelConfig(d_model=8, n_heads=2, d_mlp=6), eps=1e-3)
DRAW = torch.Generator().manual_seed(0)


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=DRAW)


def network(seed: int) -> dict[str, torch.Tensor]:
    """A network at its start, with biases."""
    theta = initialise(RUN.model, RUN.operation.n_tokens, seed)
    return theta | {name: drawn(*theta[name].shape) for name in ("b_in", "b_out")}


START, END = network(0), network(1)


def cost(theta) -> float:
    return float(paths._costs(RUN, 1)(flat(theta).double().unsqueeze(0))[0])


def test_a_turned_network_with_its_units_in_another_order_is_brought_back():
    theta = named(flat(START).double(), RUN.shapes)
    turn, order = torch.linalg.qr(drawn(8, 8))[0], torch.randperm(6, generator=DRAW)
    other = {name: paths._turned(weights, name, turn) for name, weights in theta.items()}
    other |= {name: other[name][..., order] for name in ("W_in", "b_in")}
    other["W_out"] = other["W_out"][order]
    assert cost(other) == pytest.approx(cost(theta), rel=1e-9)  # the same function
    far, back = (
        float((flat(each) - flat(theta)).norm()) for each in (other, paths.nearer(other, theta))
    )
    assert back < 1e-6 * far


def test_what_is_brought_nearer_keeps_its_function_and_norm():
    near = paths.nearer(END, START)
    assert cost(near) == pytest.approx(cost(END), rel=1e-9)
    assert flat(near).norm() == pytest.approx(float(flat(END).norm()))
    assert (flat(near) - flat(START)).norm() < (flat(END) - flat(START)).norm()


@pytest.mark.parametrize("high", [0.9, 9.0])
def test_the_slope_of_a_string_is_that_of_its_soft_maximum(high):
    ends = torch.stack([flat(START).double(), flat(END).double()])
    bent = torch.lerp(ends[0], ends[1], torch.tensor([[0.3], [0.7]]).double())
    row = (bent + 0.1 * drawn(*bent.shape)).view(1, -1)
    known = paths.read(RUN, torch.cat([ends[:1], row.view(2, -1), ends[1:]])).costs
    above = high * known.max()
    assert known.min() < above
    assert (known.max() < above) == (high > 1)
    lowered = paths._highest(paths._costs(RUN, 12), ends, 4, 0.3 * known.max(), above)
    way, step = drawn(*row.shape), 1e-6
    (over, _), (under, _) = lowered(row + step * way), lowered(row - step * way)
    slope = float((lowered(row)[1] * way).sum())
    assert slope == pytest.approx(float(over - under) / (2 * step), rel=1e-5)


def test_a_path_is_lower_than_the_straight_line_and_keeps_its_ends(monkeypatch):
    monkeypatch.setattr(paths, "STAGES", ((2, 5.0, 60), (4, 1.0, 60)))
    string = LBFGS(torch.stack([flat(START), flat(END)]).double())
    for _ in range(300):
        string.step(paths._costs(RUN, 2))
    start, end = (named(row, RUN.shapes) for row in string.point)
    path = paths.lowest(RUN, start, end)
    assert len(path.networks) == paths.NETWORKS + 2
    assert torch.equal(path.networks[0], flat(start))
    assert path.costs[[0, -1]] == pytest.approx(string.value.numpy())
    straight = paths.read(RUN, path.networks[[0, -1]])
    assert [straight.costs.max(), path.costs.max()] == path.tops[::2]
    over = straight.costs.max() - straight.costs[0], path.costs.max() - path.costs[0]
    assert over[1] < over[0] / 20
    assert straight.at == pytest.approx(np.linspace(0, 1, paths.DENSE + 1))
    assert len(path.at) == len(path.costs) == paths.DENSE * (paths.NETWORKS + 1) + 1
    assert (np.diff(path.at) > 0).all()
    found = paths.accuracies(RUN, path.networks)
    assert ((found >= 0) & (found <= 1)).all()


def measured(seed: int, known=0.02) -> dict:
    """A path as `benchmarks/paths.py` saves it."""
    costs = [250.0] * paths.DENSE + [256.0 + seed] * paths.DENSE + [230.0]
    found = {"costs": costs, "at": [*np.linspace(0, 1, len(costs))], "accuracies": [known, 0.5, 1]}
    where = {
        "dataset_size": 212 if seed < 2 else 340,
        "seed": seed,
        "tops": [400.0, 260.0 + seed, 256.0 + seed],
    }
    return where | found | {"at_rest": [False, True]}


def test_rises_are_read_above_memory_and_only_where_a_path_begins_there():
    rows = [*[measured(seed) for seed in (2, 0, 1)], measured(3, known=0.9)]
    assert barrier.left_text(rows) == "1 of 2 at 340, 0 of 2 at 212"
    known = barrier.passes(rows)
    assert [(path.seed, path.rise, path.last_fall) for path in known] == [
        *((0, 6.0, 4.0), (1, 7.0, 4.0), (2, 8.0, 4.0))
    ]
    assert [path.climb for path in known] == [path.rise for path in known]  # it falls only later
    assert known[0]._replace(costs=[9.0, 5.0, 7.0, 4.0]).climb == 2.0  # below its start
    assert (
        barrier.passes_text(known, lambda path: path.rise, ".1f") == "6.0, 7.0 at 212; 8.0 at 340"
    )
    assert barrier.passes_table(known).count("<tr>") == 4
    said = "On 3 paths from memory to a grokked network Eq. (2) rises by 6.0, 7.0 at 212; 8.0"
    fig = shown(figures.fig_passes(known), said)
    line, ends, accuracies, _ = fig.data[:4]
    assert len(fig.data) == 3 * 4
    assert max(line.y) == 6.0
    assert [*ends.x] == [0, 1]
    assert [symbol.endswith("-open") for symbol in ends.marker.symbol] == [True, False]
    assert [*accuracies.x] == [0, 0.5, 1]
