"""Ends of ungrokking written by hand: curves of known D_crit."""

from collections.abc import Sequence
from math import log
from typing import Any

from handmade import record

from grokkit.runs import Record, Run

SIZES = (300, 500, 700, 900, 1500, 3000)
START = Run(dataset_size=12769, epochs=3000, keep_weights=True)


def end(run: Run, accuracy: float, **finals: Any) -> Record:
    """A record that ends at this accuracy; further metrics by name."""
    known = {"train_loss": 1e-7, "param_norm": 30.0, "correct_logit": 60.0, "residual": 0.1}
    known |= {"test_loss": [2e-6, 5.0]}
    logits = {"trig_logit": 60 * accuracy + 1, "mem_logit": 59 - 60 * accuracy}
    values = {**known, **logits, "train_accuracy": 1.0, "test_accuracy": [1.0, accuracy], **finals}
    return record(run, [0, run.epochs], **values)


def crossing(
    d_crit: float, sizes: Sequence[int] = SIZES, steep: float = 1.0, **changes: Any
) -> list[Record]:
    """Runs whose accuracy is linear in log D, between 0 and 1, and a half at `d_crit`."""
    fields = {"init": START, "epochs": 1500, **changes}
    made = []
    for size in sizes:
        accuracy = min(max(0.5 + steep * log(size / d_crit), 0.0), 1.0)
        made.append(end(Run(dataset_size=size, **fields), accuracy))
    return made


def sweep(
    d_crits: dict[int, float], decays: Sequence[float] = (0.1, 1.0, 2.0), power: float = 0.0
) -> list[Record]:
    """By seed, curves that cross at D_crit times weight decay to a power."""
    return [
        each
        for seed, d_crit in d_crits.items()
        for decay in decays
        for each in crossing(d_crit * decay**power, seed=seed, weight_decay=decay)
    ]
