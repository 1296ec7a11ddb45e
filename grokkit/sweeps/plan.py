"""What a sweep trains: its runs and all that they start from, as stacks, and their work in FLOP."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from operator import attrgetter

import torch

from grokkit.engine import lbfgs
from grokkit.runs import Run

MAX_PADDING = 0.1  # share of a stack's rows that may be padding
MAX_RUNS = 200  # of a stack; each has its lock, an open file, of which a process has 256 on macOS

Stacks = list[list[Run]]


def with_inits(
    runs: Sequence[Run], stored: Callable[[Run], bool] = lambda run: False
) -> list[list[Run]]:
    """The runs and all that they start from, without repeats, in generations: inits first.

    Those that are `stored` are left out, and so is what only they start from. A run without its
    weights is, too, where the same with them is to be trained: `Store.get` reads that one's record.
    """
    depth: dict[Run, int] = {}

    def visit(run: Run) -> int:
        if run not in depth:
            depth[run] = -1 if stored(run) else 0 if run.init is None else visit(run.init) + 1
        return depth[run]

    for run in runs:
        visit(run)
    for kept in [run for run in depth if run.keep_weights and depth[run] >= 0]:
        depth.pop(replace(kept, keep_weights=False), None)
    return [[r for r in depth if depth[r] == d] for d in range(max(depth.values(), default=-1) + 1)]


def stack_bytes(run: Run, rows: int) -> int:
    """Memory of a run in a stack, in bytes: its parameters, optimiser and `rows` activations."""
    n = run.operation.n_tokens
    states = 2 * lbfgs.HISTORY + 8 if run.optimiser == "lbfgs" else 8
    # forward keeps z, resid, hidden and the logits' slopes; backward makes as much again
    activations = 2 * rows * (6 * run.model.d_model + 2 * run.model.d_mlp + 3 * n)
    return (8 if run.float64 else 4) * (states * run.n_parameters + activations)


def pack(runs: Sequence[Run], device: torch.device, epochs: Mapping[Run, int], free: int) -> Stacks:
    """Stacks of runs that can go in lockstep; on the CPU, where each goes by itself, of one.

    Elsewhere a stack's runs agree in network, optimiser and log, and in the epoch from which they
    continue (`epochs`, where not 0); sorted by size, and cut where it would pass half of the free
    memory, in bytes, or `MAX_PADDING` of its rows would be padding, or it has `MAX_RUNS`.
    """
    if device.type == "cpu":
        return [[run] for run in sorted(runs, key=lambda run: -work(run))]  # the longest first
    groups: dict[tuple, list[Run]] = {}
    alike = attrgetter(
        *("model", "optimiser", "precision", "loss", "epochs", "n_logged"),
        *("lr", "beta1", "beta2", "eps", "amplify", "muon", "clip", "push", "kink"),
    )
    for run in runs:
        groups.setdefault((run.operation.n_tokens, *alike(run), epochs.get(run, 0)), []).append(run)
    stacks: Stacks = []
    for group in groups.values():
        stacks.append([])
        for run in sorted(group, key=lambda r: (-r.dataset_size, r.key)):
            together = [*stacks[-1], run]
            used = sum(r.dataset_size for r in together)
            rows = together[0].dataset_size
            full = stack_bytes(run, rows) * len(together) > free // 2 or len(together) > MAX_RUNS
            if stacks[-1] and (full or used < (1 - MAX_PADDING) * rows * len(together)):
                stacks.append([])
            stacks[-1].append(run)
    return stacks


def sizes(run: Run) -> tuple[int, int, int, int]:
    """How many tokens, d_model, d_mlp and n_heads."""
    return run.operation.n_tokens, run.model.d_model, run.model.d_mlp, run.model.n_heads


def multiply_adds(run: Run) -> tuple[int, int]:
    """Those of the forward pass of `tabulated.gradient`: for each example, and once an epoch."""
    n, d, m, h = sizes(run)
    width = m + n
    tables = d * d * width + (n + 4) * d * (d + width) + m * d * n  # T, F and W_OU
    return m * n + (2 + 4) * h * width, tables  # the entries of A and B, and W_OU


def flop(run: Run) -> float:
    """FLOP of one epoch: 2 for each of `multiply_adds`, once forward and twice backward."""
    example, fixed = multiply_adds(run)
    return 6.0 * (run.dataset_size * example + fixed)


def work(run: Run) -> float:
    """FLOP of the whole run; of one that ends in float64, twice."""
    return (2 if run.float64 else 1) * flop(run) * run.epochs
