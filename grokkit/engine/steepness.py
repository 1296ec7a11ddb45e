"""How steep a loss is around a point, over the length of a step.

The train loss has kinks, where a unit of the ReLU turns on, and walls, where an example loses its
margin. So its curvature at a point says little of a step, its second difference over one more.
"""

import torch

from grokkit.engine.lbfgs import Objective
from grokkit.optimum import PerRun, Rows

STEPS = 6  # of the power method; twice as many change little but over a thousandth of the norm


def second_difference(
    loss: Objective, point: Rows, part: PerRun, scale: Rows | float = 1.0, steps: int = STEPS
) -> PerRun:
    """(L(point + h u) - 2 L(point) + L(point - h u)) / h^2, the largest over some directions u.

    h is this part of the norm of the point; NaN where that is 0. The directions are the steps of a
    power method from a random u: the next one is that of the difference of both gradients. So it is
    a lower bound of the largest over all u. For a small h and many steps it is the largest
    curvature, where none is as far below 0. With a `scale` of each parameter it is that of the loss
    as a function of point / scale.
    """
    noise = torch.Generator().manual_seed(0)
    u = torch.randn(1, point.shape[1], generator=noise, dtype=torch.float64).to(point)
    found, middle = point.new_zeros(len(point)), loss(point)[0]
    h = part.to(point) * point.norm(dim=1)
    for _ in range(steps):
        u = h.unsqueeze(1) * u / u.norm(dim=1, keepdim=True).clamp(torch.finfo(u.dtype).tiny)
        (up, rise), (down, fall) = loss(point + scale * u), loss(point - scale * u)
        found = torch.maximum(found, (up - 2 * middle + down) / h**2)
        u = scale * (rise - fall)
    return found
