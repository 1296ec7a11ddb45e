"""The network of `model` for many models at once and without the work that does not matter.

Every parameter has a leading `run` axis. Two facts about one layer without LayerNorm, whose loss
reads the last position only, save four fifths of the arithmetic of `model.forward`, exactly:

- there is one query per model (the `=` token at the last position), so W_Q folds into the keys;
- a residual row before attention depends on its token and position only, so scores and values
  exist for 2 n + 2 distinct rows (x slot, y slot, operation, `=`) instead of four per example.
  With e = exp(score) and v = e * value tabulated, attention is a sum of table rows:
  z = (v_x + v_y + v_op + v_eq) / (e_x + e_y + e_op + e_eq).

W_O, the MLP and the unembedding then run once per example.
"""

from dataclasses import dataclass
from math import inf, log

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from grokkit.model import loss_of_margin, rounded_relu

Theta = dict[str, Float[Tensor, "run ..."]]
Operand = Int[Tensor, "run batch"]  # of each example: x or y


@dataclass(frozen=True, eq=False)
class Batch:
    """Train sets of a stack of runs, padded to the longest; padding has weight 0."""

    x: Operand
    y: Operand
    labels: Int[Tensor, "run batch"]
    weight: Float[Tensor, "run batch"]  # 1 / dataset_size of the run

    @classmethod
    def of(
        cls, sets: list[tuple[Tensor, Tensor]], dtype: torch.dtype, device: torch.device
    ) -> "Batch":
        """From the train sets of several runs: pairs [dataset_size, 2], labels [dataset_size]."""
        weights = [torch.full(own.shape, 1 / len(own), dtype=torch.float64) for _, own in sets]
        columns = (*map(list, zip(*sets, strict=True)), weights)
        pairs, labels, weight = (pad_sequence(rows, batch_first=True) for rows in columns)
        x, y = pairs.permute(2, 0, 1).contiguous().to(device)
        return cls(x, y, labels.to(device), weight.to(device, dtype))


def forward(
    theta: Theta, x: Operand, y: Operand, kink: float = 0.0
) -> Float[Tensor, "run batch label"]:
    """Logits at the last position for the operand pairs (x, y) of every run.

    With a `kink` the ReLU is `model.rounded_relu`.
    """
    resid_eq, e, v = _attention_tables(theta)
    z = _attend(e, v, x, y)  # run batch d_model
    resid = torch.baddbmm(resid_eq.unsqueeze(1), z, theta["W_O"].flatten(1, 2))
    pre = torch.baddbmm(theta["b_in"].unsqueeze(1), resid, theta["W_in"])
    hidden = rounded_relu(pre, kink)[0] if kink else pre.relu_()
    resid = resid + torch.baddbmm(theta["b_out"].unsqueeze(1), hidden, theta["W_out"])
    return torch.bmm(resid, theta["W_U"])


def _attention_tables(theta: Theta) -> tuple[Tensor, Tensor, Tensor]:
    """The residual of `=` [run, d_model], and e [run, row, head] and v [run, row, head d_head].

    The 2 n + 2 rows are those of the x slot, the y slot, the operation and `=`.
    """
    W_E, W_pos = theta["W_E"], theta["W_pos"]
    operand, last = W_E[:, :-2], W_E[:, -2:] + W_pos[:, 1::2]
    rows = torch.cat([operand + W_pos[:, 0:1], operand + W_pos[:, 2:3], last], 1)
    resid_eq = rows[:, -1]
    d_head = theta["W_K"].shape[-1]
    query = torch.einsum("rm,rhmd->rhd", resid_eq, theta["W_Q"])
    folded_key = torch.einsum("rhmd,rhd->rmh", theta["W_K"], query) / d_head**0.5
    score = torch.bmm(rows, folded_key)  # run rows head
    # A score may lie so far below its model's largest that exp() vanishes, and with it a
    # denominator; such a score counts as e^-78 (float32) or e^-637 (float64) of the largest.
    floor = 0.9 * log(torch.finfo(score.dtype).tiny)
    e = (score - score.detach().amax(1, keepdim=True)).clamp(min=floor).exp()
    value = torch.einsum("rnm,rhmd->rnhd", rows, theta["W_V"])
    return resid_eq, e, (value * e.unsqueeze(-1)).flatten(2)


def _attend(
    e: Float[Tensor, "run rows head"], v: Float[Tensor, "run rows hd"], x: Operand, y: Operand
) -> Float[Tensor, "run batch hd"]:
    """Attention output of every example, by adding the table rows of its four tokens."""
    n_runs, n_rows, n_heads = e.shape
    n = (n_rows - 2) // 2
    table = torch.cat([v, e], -1)  # one gather for both
    fixed = table[:, -2:].sum(1, keepdim=True)
    offset = n_rows * torch.arange(n_runs, device=x.device).unsqueeze(1)
    flat = table.flatten(0, 1)
    total = flat.index_select(0, (x + offset).flatten())
    total = total + flat.index_select(0, (y + n + offset).flatten())
    total = total.view(n_runs, -1, table.shape[-1]) + fixed
    numerator, denominator = total.split([v.shape[-1], n_heads], -1)
    return (numerator.unflatten(-1, (n_heads, -1)) / denominator.unsqueeze(-1)).flatten(2)


class _CrossEntropy(torch.autograd.Function):
    """`model.cross_entropy` and its slopes by hand; not twice differentiable."""

    @staticmethod
    def forward(ctx, logits, labels):
        correct = labels.unsqueeze(-1)
        own, others = logits.gather(-1, correct), logits.scatter(-1, correct, -inf)
        loss, *found = loss_of_margin(own, others)
        ctx.save_for_backward(*found, correct)
        return loss.squeeze(-1)

    @staticmethod
    def backward(ctx, grad):
        margin, total, others, correct = ctx.saved_tensors
        slope = grad.unsqueeze(-1) * margin.sigmoid()
        return (others * (slope / total)).scatter_(-1, correct, -slope), None


def train_loss(
    theta: Theta, batch: Batch, exact: bool = True, kink: float = 0.0
) -> Float[Tensor, " run"]:
    """L_x-ent of Eq. (1) of every run on its own train set, in nats; or torch's, which rounds."""
    logits = forward(theta, batch.x, batch.y, kink).to(batch.weight.dtype)  # from bfloat16
    if exact:
        loss = _CrossEntropy.apply(logits, batch.labels)
    else:
        loss = torch.nn.functional.cross_entropy(logits.mT, batch.labels, reduction="none")
    return (loss * batch.weight).sum(1)
