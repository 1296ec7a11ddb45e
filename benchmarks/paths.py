"""How high Eq. (2) rises on the lowest path found from memory to a grokked network (C89, C90).

    python benchmarks/paths.py [--quick] [--save]

Of narrow networks, mod 31: the same train sets from both starts, each at its end. They are trained
first where the store has not got them. A path takes some minutes, a network up to a quarter of an
hour.

A path is a string of networks, straight between neighbours (Draxler et al. 2018), whose highest
points the minimiser lowers together. The other network is first brought nearer by two changes that
keep function and norm: a turned residual stream, hidden units in another order.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from engine import CPU, options, save
from jaxtyping import Float
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from grokkit import model, optimum
from grokkit.engine.lbfgs import LBFGS, Objective
from grokkit.engine.stack import batched_loss
from grokkit.model import Weights, flat, named
from grokkit.optimum import Rows
from grokkit.runs import Run
from grokkit.store.store import Store
from varma2023 import experiments, measures, profiles
from varma2023.two_starts.analysis import by_start
from varma2023.two_starts.barrier import DENSE, IN_MEMORY
from varma2023.two_starts.sweeps import two_minima

NETWORKS = 24  # between the two ends
STAGES = ((2, 5.0, 300), (4, 5.0, 900), (4, 1.0, 400), (4, 1.0, 400))
"""Points read on each segment; how far below the highest a point still counts, in Eq. (2) over
alpha; and gradients."""
PULL = 0.01  # of neighbours: half of this times segments x squared distances is added
HIGH = 1.2  # times the cost of the higher end: above this the logarithm of a cost counts
ROUNDS = 20  # of bringing near, each with both changes
HISTORY = 20  # pairs of the minimiser
READS = {"W_Q": 1, "W_K": 1, "W_V": 1, "W_in": 0, "W_U": 0}  # axis of the residual stream
WRITES = ("W_E", "W_pos", "W_O", "W_out", "b_out")  # their last axis is the residual stream


class Path(NamedTuple):
    """Networks from one end to the other, and Eq. (2) over alpha on the way."""

    networks: Rows
    at: Float[np.ndarray, " point"]  # the part of its length, from 0 to 1
    costs: Float[np.ndarray, " point"]
    tops: list[float]  # the highest on the straight line, and after each stage


def nearer(theta: Weights, to: Weights) -> Weights:
    """The same function at the same norm as `theta`, nearer to `to`.

    By turns the best rotation of the residual stream (Procrustes) and the best order of the hidden
    units (an assignment), each of which can only shorten the distance.
    """
    theta = {name: weights.double() for name, weights in theta.items()}
    to = {name: weights.double() for name, weights in to.items()}
    both = (*READS, *WRITES)
    for _ in range(ROUNDS):
        U, _, Vh = torch.linalg.svd(sum(_stream(theta[k], k).T @ _stream(to[k], k) for k in both))
        theta = {name: _turned(weights, name, U @ Vh) for name, weights in theta.items()}
        own, other = (_units(each) for each in (theta, to))
        _, order = linear_sum_assignment(-(other @ own.T).numpy())
        theta |= {name: theta[name][..., order] for name in ("W_in", "b_in")}
        theta["W_out"] = theta["W_out"][order]
    return theta


def _stream(weights: Tensor, name: str) -> Float[Tensor, "row d_model"]:
    """The matrix with its axis of the residual stream last."""
    last = weights.movedim(READS.get(name, -1), -1)
    return last.reshape(-1, last.shape[-1])


def _turned(weights: Tensor, name: str, R: Float[Tensor, "d_model d_model"]) -> Tensor:
    """The matrix where the residual stream x is x R."""
    if name in READS:
        return (weights.movedim(READS[name], -1) @ R).movedim(-1, READS[name])
    return weights @ R if name in WRITES else weights


def _units(theta: Weights) -> Float[Tensor, "unit parameter"]:
    """The parameters of each hidden unit in a row."""
    return torch.cat([theta["W_in"].T, theta["b_in"].unsqueeze(1), theta["W_out"]], 1)


def lowest(run: Run, start: Weights, end: Weights) -> Path:
    """The lowest path found between two networks of the run's train set.

    Both stay as they are, but that `end` is brought `nearer` to `start`.
    """
    ends = torch.stack([flat(start).double(), flat(nearer(end, start))])
    parts = torch.linspace(0, 1, NETWORKS + 2, dtype=torch.float64)[1:-1].unsqueeze(1)
    inner = torch.lerp(ends[0], ends[1], parts)
    path = read(run, ends)
    high, tops = HIGH * path.costs[[0, -1]].max(), path.tops
    for points, width, gradients in STAGES:
        string = LBFGS(inner.reshape(1, -1), HISTORY)
        objective = _highest(_costs(run, points * (NETWORKS + 1)), ends, points, width, high)
        for _ in range(gradients):
            string.step(objective)
        inner = string.point.view(NETWORKS, -1)
        path = read(run, torch.cat([ends[:1], inner, ends[1:]]))
        tops += path.tops
    return path._replace(tops=tops)


def _highest(costs: Objective, ends: Rows, points: int, width: float, high: float) -> Objective:
    """The soft maximum of the costs of so many points of each segment, and a pull of neighbours.

    Costs above `high` count by their logarithm, so that a string on which no network fits can be
    lowered at all.
    """
    parts = torch.arange(points, dtype=torch.float64).div(points).view(-1, 1, 1)

    def value_and_gradient(row: Rows) -> tuple[Tensor, Rows]:
        x = torch.cat([ends[:1], row.view(-1, ends.shape[1]), ends[1:]])
        steps = x[1:] - x[:-1]
        value, slope = costs(torch.lerp(x[:-1], x[1:], parts).flatten(0, 1))
        shown = torch.where(value > high, high * (1 + (value / high).log()), value)
        weight = (shown / width).softmax(0) * (high / value).clamp(max=1)
        slope = (slope * weight.unsqueeze(1)).view(points, *steps.shape)
        pull = PULL * len(steps)
        gradient = torch.zeros_like(x)
        gradient[:-1] += ((1 - parts) * slope).sum(0) - pull * steps
        gradient[1:] += (parts * slope).sum(0) + pull * steps
        total = width * (shown / width).logsumexp(0) + pull / 2 * steps.square().sum()
        return total.unsqueeze(0), gradient[1:-1].reshape(1, -1)

    return value_and_gradient


def read(run: Run, networks: Rows) -> Path:
    """Straight lines from each network to the next, with Eq. (2) over alpha along them."""
    costs, lengths = _costs(run, len(networks) - 1), (networks[1:] - networks[:-1]).norm(dim=1)
    parts = torch.arange(DENSE, dtype=torch.float64) / DENSE
    values = [costs(torch.lerp(networks[:-1], networks[1:], part))[0] for part in parts]
    at = lengths.cumsum(0).unsqueeze(1) + (parts - 1) * lengths.unsqueeze(1)
    along = torch.cat([torch.stack(values, 1).flatten(), costs(networks[1:])[0][-1:]])
    where = torch.cat([at.flatten(), lengths.sum().view(1)]) / lengths.sum()
    return Path(networks, where.numpy(), along.numpy(), [float(along.max())])


def _costs(run: Run, count: int) -> Objective:
    """Eq. (2) over alpha and its gradient, of so many networks at a time, in float64."""
    return eq_2(batched_loss([run] * count, torch.float64, CPU), run.alpha)


def eq_2(loss: Objective, alpha: float) -> Objective:
    """Eq. (2) over alpha and its gradient, from the train loss and its gradient."""

    def value_and_gradient(rows: Rows) -> tuple[Tensor, Rows]:
        value, slope = loss(rows)
        return optimum.objective(value, rows.norm(dim=1), alpha), slope / alpha + rows

    return value_and_gradient


def accuracies(run: Run, networks: Rows) -> Float[np.ndarray, " network"]:
    """The test accuracy of each network on the path."""
    task, rows = run.operation, run.split()[1]
    inputs = model.tokens(torch.from_numpy(task.inputs[rows]), task.n_tokens)
    labels = torch.from_numpy(run.example_labels()[rows])
    found = (model.forward(named(row, run.shapes), inputs)[:, -1] for row in networks)
    return np.array([float((own.argmax(1) == labels).double().mean()) for own in found])


def connected(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Narrow networks between whose ends paths are sought (choices C89, C90).

    As `two_minima`, on a size near D_crit and, for longer, on one above.
    """
    near, above = ((110,), ()) if profile == "quick" else ((212,), (340,))
    own = {"model": profiles.NARROW, "keep_weights": True}
    long = two_minima(profile, seeds, above, epochs=54_000, **own) if above else []
    return [*two_minima(profile, seeds, near, **own), *long]


def main() -> None:
    args = options(__doc__).parse_args()
    torch.set_num_threads(1)
    runs = connected("quick" if args.quick else "published")
    rules, memories = by_start(experiments.load_or_train(runs, Store()))
    rows = []
    for memory, rule in zip(memories, rules, strict=True):
        where: dict[str, Any] = {"dataset_size": memory.run.dataset_size, "seed": memory.run.seed}
        where["at_rest"] = [measures.rests(end) for end in (memory, rule)]
        if (right := measures.at_the_end(memory)) > IN_MEMORY:  # it has left by itself
            found = {"at": [], "costs": [], "tops": [], "accuracies": [right]}
        else:
            path = lowest(memory.run, memory.weights(), rule.weights())
            found = {name: [*np.round(getattr(path, name), 4)] for name in ("at", "costs", "tops")}
            found["accuracies"] = [*accuracies(memory.run, path.networks)]
        rows.append(where | found)
        print(where, found["tops"][-1:], flush=True)
        save(args, "paths", CPU, rows=rows)  # what is known so far


if __name__ == "__main__":
    main()
