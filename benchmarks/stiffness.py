"""How stiff memory's minimum is against the rule, where kinks are rounded (choice C112).

    python benchmarks/stiffness.py [--quick] [--save]

Of narrow networks, mod 31, whose ReLUs are `model.rounded_relu` throughout: from random weights to
a minimum of Eq. (2), for each of several sizes of the train set. A network takes some minutes.

The least Eq. (2) at a given share of the trigonometric logits has, at a minimum, the curvature
1 / (g H^-1 g) as a function of that share: g its gradient, H the Hessian of Eq. (2) over alpha.
Where a minimum ends this is 0. Symmetries of the network cost it nothing, since they leave the
share as it is: g has no part along them.
"""

from dataclasses import replace
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import torch
from engine import CPU, options, save
from paths import eq_2
from scipy.sparse.linalg import LinearOperator, cg
from torch import Tensor

from grokkit.decomposition import trig_share
from grokkit.engine.batched import forward
from grokkit.engine.lbfgs import LBFGS, Objective
from grokkit.engine.stack import tabulated_loss
from grokkit.model import flat, named
from grokkit.runs import Run
from grokkit.store.store import Store
from varma2023 import experiments, profiles

KINK = 0.5  # over which ReLUs are rounded: about the size of a pre-activation
SIZES, SEEDS, GRADIENTS = (149, 180, 212, 260, 300), 5, 20_000
AT_REST = 1e-3  # residual at which a network is at its minimum
NEAR = 1e-6  # of the norm: how far gradients are read from the minimum
STEPS, EXACT = 1500, 1e-2  # of conjugate gradients at most; their residual


class Stiffness(NamedTuple):
    """A network at its minimum, and how much it resists the rule."""

    cost: float  # Eq. (2) over alpha
    residual: float
    accuracy: float  # on test examples
    share: float  # of the trigonometric logits
    stiffness: float  # d^2 of the least Eq. (2) over alpha / d share^2
    unsolved: float  # residual of the linear equation


def costs(run: Run) -> Objective:
    """Eq. (2) over alpha and its gradient, with rounded ReLUs."""
    smooth = replace(profiles.minimised(run, 20, None), kink=KINK, tolerance=0.0)
    return eq_2(tabulated_loss([smooth], torch.float64), run.alpha)


def logits(run: Run, row: Tensor) -> Tensor:
    """Of every example, [x, y, label], with rounded ReLUs."""
    x, y = torch.tensor(run.operation.inputs).T.unsqueeze(1)
    return forward(named(row.unsqueeze(0), run.shapes), x, y, KINK).view(3 * [run.p])


def minimum(run: Run, point: Tensor, gradients: int) -> Tensor:
    """Where the minimiser comes from this point, at rest or after so many gradients."""
    network, objective = LBFGS(point.double().unsqueeze(0)), costs(run)
    for _ in range(gradients):
        network.step(objective)
        if network.gradient.norm() < AT_REST * network.point.norm() or network.stuck.all():
            break
    return network.point[0]


def stiffness(run: Run, point: Tensor) -> Stiffness:
    """What a network at its minimum resists."""
    objective, row = costs(run), point.clone().requires_grad_()
    share = trig_share(Z := logits(run, row))
    [g] = torch.autograd.grad(share, row)

    def along(v: np.ndarray) -> np.ndarray:
        """The Hessian times v, by central differences of the gradient."""
        size = float(np.linalg.norm(v))
        step = torch.from_numpy(v) * (NEAR * point.norm() / size)
        (_, up), (_, down) = (objective((point + s).unsqueeze(0)) for s in (step, -step))
        return ((up - down)[0] / (2 * step.norm()) * size).numpy()

    H = LinearOperator((len(point),) * 2, along, dtype=float)
    x, _ = cg(H, g.numpy(), rtol=EXACT, maxiter=STEPS)
    left = float(np.linalg.norm(along(x) - g.numpy()) / g.norm())
    value, slope = objective(point.unsqueeze(0))
    _, test = run.split()
    right = Z.detach().flatten(0, 1).argmax(1).numpy() == run.example_labels()
    return Stiffness(
        float(value),
        float(slope.norm() / point.norm()),
        float(right[test].mean()),
        float(share.detach()),
        1 / float(g.numpy() @ x),
        left,
    )


def networks(quick: bool) -> list[Run]:
    """Narrow networks in the order of measuring, each from random weights; by seed, then size."""
    p, sizes, seeds = (17, (60, 110), 1) if quick else (31, SIZES, SEEDS)
    base = Run(p=p, dataset_size=1, model=profiles.NARROW)
    each = product(range(seeds), sizes)
    return [replace(base, seed=seed, dataset_size=size) for seed, size in each]


def main() -> None:
    args = options(__doc__).parse_args()
    torch.set_num_threads(1)
    rows: list[dict[str, Any]] = []
    for run in networks(args.quick):
        [start] = experiments.load_or_train([profiles.early(run)], Store())
        point = minimum(run, flat(start.weights()), 2000 if args.quick else GRADIENTS)
        where = {"dataset_size": run.dataset_size, "seed": run.seed}
        rows.append(where | stiffness(run, point)._asdict())
        print(rows[-1], flush=True)
        save(args, "stiffness", CPU, rows=rows)  # what is known so far


if __name__ == "__main__":
    main()
