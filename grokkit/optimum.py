"""Where training ends: the minimum of Eq. (2), which is the fixed point of AdamW.

An update of AdamW, g / (|g| + eps) + lambda theta, vanishes where

    g + eps lambda theta / (1 - lambda |theta|) = 0

with g the gradient of the cross-entropy. For small lambda |theta| this is gradient descent on
Eq. (2) at rest, with alpha = eps lambda. Otherwise its decay term is the `penalty` below, and a
minimum of L_x-ent / alpha + penalty is where AdamW rests (choice C6).
"""

from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

ROOM = 0.01  # least 1 - lambda |theta|: any fixed point has |theta| < 1 / lambda
Number = TypeVar("Number")  # a float, an array or a tensor
PerRun = Float[Tensor, " run"]
Rows = Float[Tensor, "run parameter"]


def objective(train_loss: Number, param_norm: Number, alpha: float) -> Number:
    """Eq. (2) over alpha: L_x-ent / alpha + ||theta||^2 / 2. AdamW has alpha = eps lambda."""
    return train_loss / alpha + param_norm**2 / 2  # type: ignore[operator]


def room(
    theta: Float[Tensor, "*run parameter"], weight_decay: Float[Tensor, "*run 1"] | float
) -> Float[Tensor, "*run parameter"]:
    """1 - lambda |theta|, and at least 0.01: larger weights count as just below 1 / lambda."""
    return (1 - weight_decay * theta.abs()).clamp_(min=ROOM)


def penalty(theta: Rows, weight_decay: PerRun) -> tuple[PerRun, Rows]:
    """sum psi(theta) of each run and its slope, psi'(t) = t / room(t).

    Eq. (2) has psi(t) = t^2 / 2, which this is for small lambda |t|. With a = lambda |t|,
    psi = -(a + log(1 - a)) / lambda^2 up to a = 0.99, and then a parabola: AdamW never rests there.
    """
    decay = weight_decay.unsqueeze(1)
    share = decay * theta.abs()
    inside = share.clamp(max=1 - ROOM)
    a = inside.double()  # for in a + log(1 - a) all but a^2 / 2 cancels
    psi = -(a + torch.log1p(-a)).sum(1)
    beyond = ((share - inside) * (share + inside)).sum(1) / (2 * ROOM)
    value = (psi + beyond) / weight_decay.double().square()
    return value.to(theta.dtype), theta / room(theta, decay)


def residual(theta: Rows, gradient: Rows, eps: PerRun, weight_decay: PerRun) -> PerRun:
    """||g + eps lambda theta / (1 - lambda |theta|)|| / ||eps lambda theta||, 0 where AdamW rests.

    In float64; NaN without weight decay, which has no fixed point.
    """
    w, decay = theta.double(), weight_decay.double().unsqueeze(1)
    pull = eps.double().unsqueeze(1) * decay * w
    off = (gradient.double() + pull / room(w, decay)).norm(dim=1)
    return off / pull.norm(dim=1).where(weight_decay > 0, torch.nan)
