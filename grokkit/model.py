"""The network of App. A written out plainly, its initialisation, and its loss.

This is the textbook model: what the book explains and what the tests compare `engine` against.
"""

from dataclasses import dataclass
from math import prod

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

N_CTX = 4  # <x> <op> <y> <=>
MOST_WIDE = 1 << 14  # of the widths of a network
Weights = dict[str, Float[Tensor, "..."]]  # of one network, by name
Logits = Float[Tensor, "*batch label"]
Each = Float[Tensor, "*batch 1"]  # a number of each example
Hidden = Float[Tensor, "*batch d_mlp"]


@dataclass(frozen=True)
class ModelConfig:
    """Widths of the 1-layer decoder-only transformer. Defaults are App. A."""

    d_model: int = 128  # width of the residual stream
    n_heads: int = 4  # attention heads; must divide d_model
    d_mlp: int = 512  # hidden units of the MLP

    def __post_init__(self) -> None:
        for name, value in vars(self).copy().items():
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
                raise ValueError(f"{name} must be an integer, got {value!r}")
            if not 1 <= value <= MOST_WIDE:
                raise ValueError(f"{name} must be at least 1 and at most {MOST_WIDE}, got {value}")
            object.__setattr__(self, name, int(value))
        if self.d_model % self.n_heads:
            whole = f"d_model = {self.d_model} (d_head = d_model / n_heads)"
            raise ValueError(f"n_heads must divide {whole}, got {self.n_heads}")

    @property
    def d_head(self) -> int:
        return self.d_model // self.n_heads

    def shapes(self, n_tokens: int) -> dict[str, tuple[int, ...]]:
        """Shape of every parameter for n_tokens operands (and as many labels)."""
        heads = (self.n_heads, self.d_model, self.d_head)
        return {
            "W_E": (n_tokens + 2, self.d_model),  # operands, then the operation, then `=`
            "W_pos": (N_CTX, self.d_model),
            "W_Q": heads,
            "W_K": heads,
            "W_V": heads,
            "W_O": (self.n_heads, self.d_head, self.d_model),
            "W_in": (self.d_model, self.d_mlp),
            "b_in": (self.d_mlp,),
            "W_out": (self.d_mlp, self.d_model),
            "b_out": (self.d_model,),
            "W_U": (self.d_model, n_tokens),
        }


def initialise(config: ModelConfig, n_tokens: int, seed: int, scale: float = 1.0) -> Weights:
    """Parameters at epoch 0, float32: N(0, 1)/sqrt(d_model), W_U N(0, 1)/sqrt(d_vocab), biases 0.

    The paper does not state its initialisation; this is choice C4. `scale` multiplies all of it.
    """
    rng = np.random.default_rng([seed, *b"init"])
    theta = {}
    for name, shape in config.shapes(n_tokens).items():
        fan_in = n_tokens + 2 if name == "W_U" else config.d_model
        draw = rng.standard_normal(shape) if name.startswith("W") else np.zeros(shape)
        theta[name] = torch.from_numpy(scale * draw / fan_in**0.5).float()
    return theta


def forward(theta: Weights, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos label"]:
    """Logits of the network of App. A at every position: causal attention, then the MLP."""
    resid = theta["W_E"][tokens] + theta["W_pos"]
    query = torch.einsum("bpm,hmd->bhpd", resid, theta["W_Q"])
    key = torch.einsum("bpm,hmd->bhpd", resid, theta["W_K"])
    value = torch.einsum("bpm,hmd->bhpd", resid, theta["W_V"])
    score = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5  # batch head pos pos
    future = torch.ones_like(score[0, 0], dtype=torch.bool).triu(1)
    z = score.masked_fill(future, -torch.inf).softmax(-1) @ value
    resid = resid + torch.einsum("bhpd,hdm->bpm", z, theta["W_O"])
    hidden = F.relu(resid @ theta["W_in"] + theta["b_in"])
    resid = resid + hidden @ theta["W_out"] + theta["b_out"]
    return resid @ theta["W_U"]


def tokens(inputs: Int[Tensor, "batch 2"], n_tokens: int) -> Int[Tensor, "batch 4"]:
    """The sequences <x> <op> <y> <=> of the operand pairs (x, y)."""
    x, y = inputs.T
    return torch.stack([x, torch.full_like(x, n_tokens), y, torch.full_like(x, n_tokens + 1)], 1)


def rounded_relu(pre: Hidden, kink: float) -> tuple[Hidden, Hidden]:
    """The ReLU, between -kink and kink a parabola that goes on smoothly; and its derivative."""
    slope = ((pre + kink) / (2 * kink)).clamp(0, 1)
    return torch.where(slope < 1, kink * slope.square(), pre), slope


def cross_entropy(logits: Logits, labels: Int[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    """The loss of every example in nats: `loss_of_margin` of its logits."""
    correct = labels.unsqueeze(-1)
    others = logits.scatter(-1, correct, -torch.inf)
    return loss_of_margin(logits.gather(-1, correct), others)[0].squeeze(-1)


def loss_of_margin(own: Each, others: Logits) -> tuple[Each, Each, Each, Logits]:
    """Eq. (1), -log softmax(o)[y*] in nats, as log(1 + e^m), m = log sum_{y != y*} e^o_y - o_y*.

    Exact for tiny losses: in float32 the usual form rounds to multiples of 1.2e-7 and loses the
    gradient of the correct logit. From o_y*, and all logits with -inf in its place: the loss, m,
    the sum over e^(its largest o_y), and the terms of that sum, which overwrite `others`.
    """
    top = others.detach().amax(-1, keepdim=True)
    others = others.sub_(top).exp_()
    total = others.sum(-1, keepdim=True)
    margin = total.log() + top - own
    return F.softplus(margin, threshold=40.0), margin, total, others


def flat(theta: Weights) -> Float[Tensor, " parameter"]:
    """All parameters in a row, in the network's order."""
    return torch.cat([weight.flatten() for weight in theta.values()])


def named(
    flat: Float[Tensor, "*run parameter"], shapes: dict[str, tuple[int, ...]]
) -> dict[str, Float[Tensor, "..."]]:
    """The inverse of `flat`, of one network or of several: views, by name, of these shapes."""
    parts = flat.split([prod(shape) for shape in shapes.values()], -1)
    return {name: w.unflatten(-1, shapes[name]) for name, w in zip(shapes, parts, strict=True)}


def param_norm(theta: Weights) -> Float[Tensor, ""]:
    """P = ||theta||_2 over all parameters (Sec. 2), in float64."""
    return torch.stack([weight.double().square().sum() for weight in theta.values()]).sum().sqrt()
