"""Records written by hand, with curves whose every mark is known; a figure and what it says."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from grokkit.runs import Record, Run
from varma2023 import theme


def record(run: Run, epoch: Sequence[int], **metrics: Any) -> Record:
    """A record with these curves; a number stands for a constant curve."""
    epoch = np.asarray(epoch, dtype=np.int64)
    return altered(Record(run, {"epoch": epoch}, {}), **metrics)


def altered(record: Record, **curves: Any) -> Record:
    """The record with other curves; a number stands for a constant one."""
    same = record["epoch"].shape
    whole = {k: np.broadcast_to(np.asarray(v, float), same) for k, v in curves.items()}
    return Record(record.run, {**record.metrics, **whole}, {})


EPOCHS = [0, 100, 200, 1000, 1500, 2000, 3000, 3500, 4000, 5000, 6000, 8000, 10_000]


def grokking(seed: int = 0, shift: float = 1.0, **changes: Any) -> Record:
    """A run with the five marks of Fig. 9 at epochs 200, 200, 1,500, 3,500 and 6,000.

    `shift` stretches the epochs (and the run); `changes` replace fields of the run.
    """
    at = [round(shift * epoch) for epoch in EPOCHS]
    return record(
        Run(seed=seed, epochs=at[-1], **changes),
        at,
        train_loss=[4.7, 1, 0.1, 1e-3, 1e-5, 1e-6, 1e-7, 1e-7, 1e-7, 1e-7, 1e-7, 1e-7, 1e-7],
        test_loss=[4.7, 10, 15, 20, 20, 20, 19, 16, 10, 5, 0.1, 1e-3, 1e-6],
        train_accuracy=[0.01, 0.9, *[1] * 11],
        test_accuracy=[0.01, 0.01, 0.05, 0.05, 0.1, 0.1, 0.2, 0.3, 0.5, 0.9, 0.99, 1, 1],
        param_norm=[42, 55, 60, 58, 55, 50, 45, 42, 40, 38, 36, 34, 34],
        trig_logit=[0, 2, 4, 15, 21, 30, 40, 45, 50, 48, 46, 42, 40],
        mem_logit=[0, 6, 10, 18, 20, 15, 8, 6, 4, 2, 1, 0, 0],
        trig_share=np.linspace(0, 0.98, 13),
        correct_logit=[0, 8, 14, 33, 41, 45, 48, 51, 54, 50, 47, 42, 40],
        residual=0.3,
    )


def ungrokking(size: int, end: float, seed: int = 0, train: float = 1.0) -> Record:
    """A run from test accuracy 1 to `end`, with a residual of 0.2; `train` is its middle fit."""
    start = Run(dataset_size=12769, epochs=3000, seed=seed, keep_weights=True)
    return record(
        Run(dataset_size=size, epochs=1000, seed=seed, init=start),
        [0, 1, 10, 100, 500, 1000],
        train_loss=[1e-7, 1e-6, 1e-7, 1e-7, 1e-7, 1e-7],
        test_loss=[1e-6, 1, 3, 5, 8, 10],
        train_accuracy=[1, 0.5, 1, 1, train, 1],
        test_accuracy=[1, 0.9, 0.8, 0.7, (end + 0.7) / 2, end],
        param_norm=33,
        residual=0.2,
    )


ENDS = {390: 0.02, 800: 0.5, 1494: 0.99}
UNGROKKED = [ungrokking(size, end, seed) for size, end in ENDS.items() for seed in (0, 1)]


def shown(fig: go.Figure, *said: str) -> go.Figure:
    """The figure, which is fit to print, and whose alt text says this."""
    for text in said:
        assert text in theme.alt(fig), theme.alt(fig)
    return theme.show(fig)
