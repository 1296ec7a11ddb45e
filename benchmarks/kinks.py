"""How much of the minimiser's residual is that of hidden units on the kink of their ReLU.

    python benchmarks/kinks.py [--quick] [--save]

Of networks in memory, mod 31, from which `pushed` starts. They are trained first where the
store has not got them, which takes an hour.

On a kink the derivative of a ReLU may be anything from 0 to 1, and a point can be a minimum only
if some choice of these makes the gradient vanish (Clarke 1975). The residual takes 0 or 1.
"""

from itertools import product
from typing import NamedTuple

import numpy as np
import torch
from engine import CPU, options, save
from jaxtyping import Float, Int
from torch import Tensor

from grokkit import model
from grokkit.model import Weights, cross_entropy, flat, named
from grokkit.optimum import room
from grokkit.runs import Run
from grokkit.store.store import Store
from varma2023 import experiments
from varma2023.two_starts.sweeps import pushed

NEAR = 1e-3  # of the median size of a pre-activation: closer to 0 is on the kink
MOST = 1000  # pairs of example and unit whose derivatives are chosen
SWEEPS = 100  # over them, one derivative at a time


class Kinks(NamedTuple):
    """A network's residual, with the derivatives that its ReLUs have and with others."""

    residual: float
    on_kinks: float  # with the best derivatives of units on their kink
    elsewhere: float  # with the best ones of as many other units, which they do not have
    share: float  # of all pairs of example and unit, those on the kink
    crowded: float  # how many times as many as if sizes were even up to a hundred times that


def kinks(run: Run, theta: Weights, seed: int = 0) -> Kinks:
    """The residual of this network of the run's, which takes half a minute."""
    row = flat(theta).double().requires_grad_()
    task, rows = run.operation, run.split()[0]
    inputs = model.tokens(torch.from_numpy(task.inputs[rows]), task.n_tokens)
    labels = torch.from_numpy(run.example_labels()[rows])
    resid, pre = _to_hidden(named(row, run.shapes), inputs)
    hidden, weights = pre.relu(), named(row, run.shapes)
    logits = (resid + hidden @ weights["W_out"] + weights["b_out"]) @ weights["W_U"]
    loss = cross_entropy(logits, labels).mean()
    gradient, of_hidden = torch.autograd.grad(loss, (row, hidden), retain_graph=True)
    pull, size = run.alpha * row.detach(), pre.detach().abs()
    off = (gradient + pull / room(row.detach(), run.weight_decay)) / pull.norm()
    near = NEAR * size.median()
    on, far = ((size < near).nonzero(), (size >= 100 * near).nonzero())
    draw, found = np.random.default_rng(seed), []
    for pairs in (on, far):
        some = draw.permutation(len(pairs))[: min(MOST, len(on))]
        jumps = _jumps(run, row, inputs, pairs[some], of_hidden / pull.norm())
        found.append(_least_norm(off, jumps, (pre.detach()[tuple(pairs[some].T)] > 0).double()))
    even = float((size < 100 * near).double().mean()) / 100
    share = len(on) / size.numel()
    on_kinks, elsewhere = found
    return Kinks(float(off.norm()), on_kinks, elsewhere, share, share / even)


def _to_hidden(weights: Weights, inputs: Int[Tensor, "batch 4"]) -> tuple[Tensor, Tensor]:
    """The residual stream at `=` before the MLP [batch, d_model], and pre-activations."""
    none = {name: torch.zeros_like(weights[name]) for name in ("W_out", "b_out")}
    eye = torch.eye(len(weights["b_out"]), dtype=torch.float64)
    resid = model.forward({**weights, **none, "W_U": eye}, inputs)[:, -1]
    return resid, resid @ weights["W_in"] + weights["b_in"]


def _jumps(
    run: Run, row: Tensor, inputs: Tensor, pairs: Int[Tensor, "pair 2"], of_hidden: Tensor
) -> Float[Tensor, "pair parameter"]:
    """What the gradient has more where the unit of a pair is on than where it is off."""
    jumps = torch.empty(len(pairs), len(row), dtype=torch.float32)
    for i in pairs[:, 0].unique():
        _, [pre] = _to_hidden(named(row, run.shapes), inputs[i : i + 1])
        for k in (pairs[:, 0] == i).nonzero().flatten():
            unit = pairs[k, 1]
            [jumps[k]] = torch.autograd.grad(pre[unit] * of_hidden[i, unit], row, retain_graph=True)
    return jumps


def _least_norm(off: Tensor, jumps: Tensor, now: Float[Tensor, " pair"]) -> float:
    """min || off + (d - now) jumps || over derivatives d in [0, 1], by coordinate descent."""
    G, c = (jumps @ jumps.T).double().numpy(), (jumps @ off.float()).double().numpy()
    moved, low, slope = np.zeros(len(c)), -now.numpy(), c.copy()
    for _, k in product(range(SWEEPS), np.flatnonzero(G.diagonal())):
        step = np.clip(moved[k] - slope[k] / G[k, k], low[k], low[k] + 1) - moved[k]
        slope += step * G[k]
        moved[k] += step
    return float(max(float(off.square().sum()) + moved @ (c + slope), 0.0)) ** 0.5


def main() -> None:
    args = options(__doc__).parse_args()
    torch.set_num_threads(1)
    starts = [run.init for run in pushed("quick" if args.quick else "published") if run.init]
    rows = []
    for record in experiments.load_or_train(starts, Store()):
        where = {"dataset_size": record.run.dataset_size, "seed": record.run.seed}
        rows.append(where | kinks(record.run, record.weights())._asdict())
        print(rows[-1], flush=True)
    save(args, "kinks", CPU, rows=rows)


if __name__ == "__main__":
    main()
