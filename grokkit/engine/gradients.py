"""The gradient of a stack of runs, each on its own whole train set: on the CPU, and on a card."""

import ctypes
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from functools import cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from grokkit import tasks
from grokkit.engine import batched, tabulated
from grokkit.engine.lbfgs import Objective
from grokkit.runs import Run


def tabulated_loss(runs: Sequence[Run], dtype: torch.dtype, threads: int = 1) -> Objective:
    """L_x-ent of every run and its gradient, run by run through `tabulated`; for the CPU.

    `threads` of its own share a run's examples. torch should use one thread itself: how many it
    uses in a product of matrices changes the last bits.
    """
    each: tabulated.Each = map
    if threads > 1:
        each = ThreadPoolExecutor(threads, initializer=tabulated.begin_thread).map
    named = shapes(runs[0])
    examples, exacts = [], [run.loss == "exact" for run in runs]
    for run in runs:
        pairs, labels = map(torch.from_numpy, _train_set(run))
        n = tasks.task(run.task, run.p).n_tokens
        examples.append(tabulated.chunks(pairs, labels, n, run.model.n_heads, dtype))

    def value_and_gradient(
        rows: Float[Tensor, "run parameter"],
    ) -> tuple[Float[Tensor, " run"], Float[Tensor, "run parameter"]]:
        losses, slopes = [], []
        for row, own, exact in zip(rows.split(1), examples, exacts, strict=True):
            theta = {name: weight[0] for name, weight in batched.named(row, named).items()}
            loss, gradient = tabulated.gradient(theta, own, each, exact)
            losses.append(loss)
            slopes.append(torch.cat([slope.flatten() for slope in gradient.values()]))
        return torch.stack(losses), torch.stack(slopes)

    return value_and_gradient


def batched_loss(runs: Sequence[Run], dtype: torch.dtype, device: torch.device) -> Objective:
    """L_x-ent of every run and its gradient, all runs at once through `batched`; for accelerators."""
    named = shapes(runs[0])
    pairs, labels = zip(*map(_train_set, runs), strict=True)
    batch = batched.Batch.of(list(pairs), list(labels), dtype, device)
    half, exact = runs[0].precision == "bf16", runs[0].loss == "exact"

    def value_and_gradient(
        rows: Float[Tensor, "run parameter"],
    ) -> tuple[Float[Tensor, " run"], Float[Tensor, "run parameter"]]:
        rows = rows.detach().requires_grad_()
        with torch.enable_grad():
            with torch.autocast(device.type, torch.bfloat16) if half else nullcontext():
                loss = batched.train_loss(batched.named(rows, named), batch, exact)
            [gradient] = torch.autograd.grad(loss.sum(), rows)
        return loss.detach(), gradient

    return value_and_gradient


def shapes(run: Run) -> dict[str, tuple[int, ...]]:
    """Shape of every parameter of the run's network, by name."""
    return run.model.shapes(tasks.task(run.task, run.p).n_tokens)


def _train_set(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """Operand pairs [batch, 2] and labels [batch] of the train set."""
    rows = run.split()[0]
    return tasks.task(run.task, run.p).inputs[rows], run.example_labels()[rows]


@cache
def keep_freed_memory() -> None:
    """Have glibc reuse the megabytes that a step frees: else a tenth is page faults.

    From here on and in all of the process, which is why only the trainer asks for it.
    """
    M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
    with suppress(AttributeError, OSError, TypeError):  # another C library
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, 1 << 30)
        libc.mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)
