"""Time of an epoch with denormal numbers and without, for networks at their start and end.

    python benchmarks/denormals.py [--rounds 7] [--quick] [--save]

A network near its minimum has slopes that float32 can only hold as denormals, below 1e-38, which a
processor takes far longer for; the engine flushes them to zero (`tabulated.begin_thread`). Both
ways are timed in turns in one process, on one thread, from the weights of shipped runs, and of one
that is trained first, which takes some minutes.
"""

from dataclasses import replace
from functools import partial

import torch
from engine import CPU, options, save
from forms import measure
from torch import Tensor

from grokkit.engine import stack, tabulated
from grokkit.runs import Run
from grokkit.store.store import Store
from varma2023 import experiments, profiles
from varma2023.convergence import sweeps


def networks() -> dict[str, Run]:
    """Runs of AdamW by what they are; all but the ungrokked one ship with their weights."""
    adamw = sweeps.convergence()[::2]
    ungrokked = next(run for run in adamw if run.init and run.p == 113)
    return {
        "grokked": profiles.grokking()[0],
        "ungrokked": replace(ungrokked, keep_weights=True),
        "random labels": next(run for run in adamw if run.labels == "random" and run.p == 113),
        "every example": profiles.full_data()[0],
    }


def points(run: Run, store: Store) -> dict[int, Tensor]:
    """The parameters of the run in a row, at epoch 0 and at its end, by epoch.

    Raises:
        LookupError: the store has not got the run.
    """
    runs = {0: run, run.epochs: replace(run, init=run)}
    return {epoch: stack.start(each, store)["point"] for epoch, each in runs.items()}


def rows_of(name: str, run: Run, point: Tensor, epoch: int, rounds: int) -> list[dict]:
    """Two rows: milliseconds of an epoch from this point, with denormals kept and flushed."""

    def epoch_of(own: stack.Stack, flush: bool) -> None:
        torch.set_flush_denormal(flush)
        own.advance()

    kept, flushed = (stack.Stack([run], [{"point": point}], CPU) for _ in range(2))
    ways = {"kept": partial(epoch_of, kept, False), "flushed": partial(epoch_of, flushed, True)}
    try:
        found = measure(ways, run.dataset_size, rounds, "denormals")
    finally:
        torch.set_flush_denormal(False)
    return [{"network": name, "p": run.p, "epoch": epoch, **row} for row in found]


def main() -> None:
    args = options(__doc__, rounds=7).parse_args()
    tabulated.keep_freed_memory()  # as the trainer does
    torch.set_num_threads(1)
    rows, store = [], Store()
    for name, run in list(networks().items())[: 1 if args.quick else None]:
        experiments.load_or_train([run], store, "cpu")
        for epoch, point in points(run, store).items():
            print(f"\n{name}, p = {run.p}, epoch {epoch:,}")
            rows += rows_of(name, run, point, epoch, args.rounds)
    save(args, "denormals", CPU, rows=rows)


if __name__ == "__main__":
    main()
