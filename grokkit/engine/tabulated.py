"""The gradient of one network on the CPU, with half of the arithmetic that `batched` needs.

From the embedding to the pre-activations of the MLP, and to the logits past it, everything but the
attention pattern is linear. So it is tabulated, for each head, over n + 4 rows: the n operands
(embeddings alone), the positions of x and of y, the operation and `=` (both with their position):

    T[head, row] = row W_V W_O [W_in | W_U].

An example's pattern picks the rows of x and y, a sparse matrix product; the last four rows, and the
biases, are the same for all, F. With W_OU = W_out W_U one dense product per example remains:

    [pre | direct] = A T + B F,    logits = direct + relu(pre) W_OU,

A [batch, heads rows] sparse, B [batch, 4 n_heads + 1]. The gradient is taken by hand from the
logits to T, F, W_OU and the scores, in chunks that stay in the cache, and by autograd from there.
"""

import ctypes
import warnings
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from math import inf

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from grokkit.model import Logits, Weights, loss_of_margin, rounded_relu

CHUNK = 1024  # examples at a time: their activations fit the cache of a core
PARTS = 4  # sums of chunks that can be taken at the same time
Each = Callable[..., Iterable]
Answers = Int[Tensor, "*batch 1"]  # the label of each example


def begin_thread() -> None:
    """Prepare a thread for gradients: torch uses one thread in it, and flushes denormals to zero.

    A network near its minimum has slopes under 1e-38, of labels that it rules out. They take a
    processor many times as long as others, and are nothing next to Adam's epsilon.
    """
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)


@cache
def keep_freed_memory() -> None:
    """Have glibc reuse the megabytes that a step frees: else a tenth is page faults.

    From here on and in all of the process, which is why only the trainer asks for it.
    """
    M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
    with suppress(AttributeError, OSError, TypeError):  # another C library
        libc = ctypes.CDLL(None)
        if not libc.mallopt(M_MMAP_THRESHOLD, 1 << 30):  # an older glibc, which takes less
            libc.mallopt(M_MMAP_THRESHOLD, 1 << 25)
        libc.mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)


@dataclass(frozen=True, eq=False)
class Chunk:
    """Some examples of a train set, and where their patterns stand in A and in its transpose."""

    pairs: Int[Tensor, "batch 2"]  # x and y
    labels: Answers
    A: Tensor  # sparse CSR [batch, heads rows]; only its values change from epoch to epoch
    At: Tensor  # sparse CSR [heads rows, batch]
    order: Int[Tensor, " entry"]  # of A's values in At


def chunks(
    pairs: Int[Tensor, "batch 2"],
    labels: Int[Tensor, " batch"],
    n: int,
    n_heads: int,
    dtype: torch.dtype,
    size: int = CHUNK,
) -> list[Chunk]:
    """A train set, of n possible operands, in chunks of at most `size` and nearly equal size."""
    size, n_rows, made = -(-len(pairs) // -(-len(pairs) // size)), n + 4, []
    for own, answers in zip(pairs.split(size), labels.split(size), strict=True):
        columns = own.unsqueeze(1) + n_rows * torch.arange(n_heads).unsqueeze(1)
        columns = columns.flatten()  # batch head 2
        order = columns.argsort(stable=True)
        example = torch.arange(len(own)).repeat_interleave(2 * n_heads)
        A = _sparse(torch.bincount(example), columns, n_rows * n_heads, dtype)
        per_column = torch.bincount(columns, minlength=n_rows * n_heads)
        At = _sparse(per_column, example[order], len(own), dtype)
        made.append(Chunk(own, answers.unsqueeze(1), A, At, order))
    return made


def _sparse(per_row: Tensor, columns: Tensor, width: int, dtype: torch.dtype) -> Tensor:
    """A CSR matrix of zeros with so many entries in each row, at these columns."""
    starts, size = F.pad(per_row.cumsum(0), (1, 0)), (len(per_row), width)
    values = torch.zeros(len(columns), dtype=dtype)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse")  # torch calls its CSR format beta
        return torch.sparse_csr_tensor(starts, columns, values, size, check_invariants=False)


def gradient(
    theta: Weights, examples: list[Chunk], each: Each = map, exact: bool = True, kink: float = 0.0
) -> tuple[Float[Tensor, ""], Weights]:
    """L_x-ent of Eq. (1) on the examples, in nats, and its gradient in every parameter.

    `each` is `map`, or one that works on several parts of the examples at a time: the parts, and
    the order in which they are added, and so the bits, do not depend on it. The loss is exact, or
    torch's, whose rounding stops small slopes. With a `kink` the ReLU is `model.rounded_relu`.
    """
    theta = {name: weight.detach().requires_grad_() for name, weight in theta.items()}
    with torch.enable_grad():
        inputs = _tables(theta)
    score, T, bias, W_OU = (table.detach() for table in inputs)
    ends = len(score) * torch.arange(1, score.shape[1] + 1).unsqueeze(1)
    shared = (ends + torch.arange(-4, 0)).flatten()  # head 4: rows of T that every example has
    tables = [score, T, torch.cat([T[shared], bias]), W_OU]
    total = sum(len(chunk.labels) for chunk in examples)

    def part(chunks: list[Chunk]) -> list[Tensor]:
        sums = [torch.zeros_like(table) for table in tables]
        sums.append(score.new_zeros(()))  # of the loss
        for chunk in chunks:
            _accumulate(chunk, tables, sums, 1 / total, exact, kink)
        return sums

    parts = list(each(part, [examples[i::PARTS] for i in range(min(PARTS, len(examples)))]))
    for sums in parts[1:]:
        for first, more in zip(parts[0], sums, strict=True):
            first += more
    d_score, d_T, d_fixed, d_W_OU, loss = parts[0]
    d_T[shared] += d_fixed[:-1]
    found = torch.autograd.grad(inputs, list(theta.values()), [d_score, d_T, d_fixed[-1:], d_W_OU])
    return loss, dict(zip(theta, found, strict=True))


def _tables(theta: Weights) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Scores [row, head], T [head row, m + n], the biases as F's last row, and W_OU [m, n]."""
    W_E, W_pos = theta["W_E"], theta["W_pos"]
    last = W_E[-2:] + W_pos[1::2]  # the operation and =
    rows = torch.cat([W_E[:-2], W_pos[::2], last])
    resid_eq = last[1:]
    d_head = theta["W_Q"].shape[-1]
    query = torch.einsum("m,hmd->hd", resid_eq[0], theta["W_Q"])
    score = rows @ torch.einsum("hmd,hd->mh", theta["W_K"], query) / d_head**0.5
    onward = torch.cat([theta["W_in"], theta["W_U"]], 1)  # d_model (d_mlp + label)
    value = torch.matmul(rows, theta["W_V"])  # head row d_head
    W_O_onward = (theta["W_O"].flatten(0, 1) @ onward).unflatten(0, (-1, d_head))
    b_out = (theta["b_out"] @ theta["W_U"]).unsqueeze(0)
    bias = resid_eq @ onward + torch.cat([theta["b_in"].unsqueeze(0), b_out], 1)
    return score, torch.bmm(value, W_O_onward).flatten(0, 1), bias, theta["W_out"] @ theta["W_U"]


def _accumulate(
    chunk: Chunk, tables: list[Tensor], sums: list[Tensor], share: float, exact: bool, kink: float
) -> None:
    """Add a chunk's part of the gradients in the four tables, and of the loss, to `sums`.

    The tables: score [row, head], T [head row, width], F [special row, width], W_OU [d_mlp, label].
    """
    score, T, fixed, W_OU = tables
    d_score, d_T, d_fixed, d_W_OU, loss = sums
    (batch, _), n_heads, d_mlp = chunk.pairs.shape, score.shape[1], len(W_OU)
    scores = score[-4:].repeat(batch, 1, 1)  # batch pos head, of positions x, y, operation, =
    scores[:, :2] += score[chunk.pairs]
    pattern = scores.softmax(1).transpose(1, 2).contiguous()  # batch head pos
    entries = pattern[:, :, :2].flatten()
    B = torch.cat([pattern.flatten(1), pattern.new_ones(batch, 1)], 1)
    chunk.A.values().copy_(entries)
    chunk.At.values().copy_(entries[chunk.order])

    out = torch.mm(B, fixed).addmm_(chunk.A, T)
    pre, logits = out[:, :d_mlp], out[:, d_mlp:]
    hidden, slope = rounded_relu(pre, kink) if kink else (pre.relu_(), None)
    logits.addmm_(hidden, W_OU)
    loss += (_to_slopes if exact else _to_rounded_slopes)(logits, chunk.labels, share)
    d_W_OU.addmm_(hidden.T, logits)
    if slope is None:
        torch.ops.aten.threshold_backward.grad_input(logits @ W_OU.T, hidden, 0, grad_input=hidden)
    else:
        torch.mul(logits @ W_OU.T, slope, out=pre)

    d_T.addmm_(chunk.At, out)  # out now holds the slopes of [pre | direct]
    d_fixed.addmm_(B.T, out)
    d_entries = torch.sparse.sampled_addmm(chunk.A, out, T.T, beta=0.0).values()
    d_pattern = torch.mm(out, fixed[:-1].T).unflatten(1, (n_heads, 4))
    d_pattern[:, :, :2] += d_entries.view(batch, n_heads, 2)
    d_scores = pattern * (d_pattern - (pattern * d_pattern).sum(2, keepdim=True))
    d_scores = d_scores.transpose(1, 2)  # batch pos head
    d_score[-4:] += d_scores.sum(0)
    d_score.index_add_(0, chunk.pairs.flatten(), d_scores[:, :2].reshape(-1, n_heads))


def _to_slopes(logits: Logits, labels: Answers, share: float) -> Float[Tensor, ""]:
    """The sum of the losses times `share`; its slopes in the logits replace these, in place."""
    own = logits.gather(1, labels)
    loss, margin, total, others = loss_of_margin(own, logits.scatter_(1, labels, -inf))
    slope = margin.sigmoid() * share
    others.mul_(slope / total).scatter_(1, labels, -slope)
    return loss.sum() * share


def _to_rounded_slopes(logits: Logits, labels: Answers, share: float) -> Float[Tensor, ""]:
    """As `_to_slopes`, but as torch.nn.functional.cross_entropy has them: softmax - one-hot.

    In float32 the right label's slope, probability - 1, is a multiple of 6e-8.
    """
    log_softmax = logits.log_softmax(1)
    loss = -log_softmax.gather(1, labels).sum() * share
    logits.copy_(log_softmax.exp_())
    logits.scatter_add_(1, labels, -torch.ones_like(labels, dtype=logits.dtype)).mul_(share)
    return loss
