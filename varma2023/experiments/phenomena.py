"""The phenomena of Fig. 1: grokking, and ungrokking over time."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from grokkit import tasks
from grokkit.runs import Run
from varma2023.experiments.base import QUICK_P, apply, check_profile, minimised, seed_range, sets

SLOW_TASKS = {"x/y or x-y": (10_000, 5000), "S_n: xyx^-1": (25_000, 0), "S_n: xyx": (10_000, 0)}
"""Tasks that 3,000 epochs leave unlearned: their epochs, and gradients of the minimiser after."""


@sets("seed")
def grokking(profile: str = "published", seeds: int | None = None, **changes: Any) -> list[Run]:
    """Figs. 1a, 9, 11: from scratch on 30 % of x + y mod 113, five seeds, final weights kept.

    The quick profile takes 65 % of x + y mod 31, where seeds grok in 900 to 2,000 epochs, and the
    first of them.
    """
    check_profile(profile)
    base = Run(keep_weights=True)
    if profile == "quick":
        base = Run(p=QUICK_P, dataset_size=620, epochs=2500, n_logged=80, keep_weights=True)
    count = seed_range(seeds, 1 if profile == "quick" else 5)
    runs = [apply(base, {**changes, "seed": seed}) for seed in count]
    examples = tasks.task(runs[0].task, runs[0].p).n_examples
    if runs[0].dataset_size == examples:
        raise ValueError(
            f"grokking is seen on a test set, which {runs[0].task} at p = {runs[0].p} has for "
            f"dataset_size 1..{examples - 1}, got {examples}"
        )
    return runs


@sets("seed", "dataset_size")
def full_data(profile: str = "published", seeds: int | None = None, **changes: Any) -> list[Run]:
    """The networks from which ungrokking starts (Sec. 5.2): trained on every example.

    By AdamW for 3,000 epochs; a task of `SLOW_TASKS` for longer, and then maybe by the minimiser.
    """
    check_profile(profile)
    epochs, gradients = SLOW_TASKS.get(changes.get("task") or Run.task, (3000, 0))
    base = Run(dataset_size=12769, epochs=epochs, n_logged=60, keep_weights=True)
    if profile == "quick":
        base = replace(base, p=QUICK_P, dataset_size=QUICK_P**2, epochs=600)
    default = {"published": 2, "quick": 2, "paper": 10}[profile]
    runs = [apply(base, {**changes, "seed": seed}) for seed in seed_range(seeds, default)]
    if not gradients or profile == "quick":
        return runs
    return [replace(minimised(run, gradients, run, "mixed"), keep_weights=True) for run in runs]


@sets("seed", "dataset_size")
def ungrokking(
    profile: str = "published",
    seeds: int | None = None,
    sizes: Sequence[int] | None = None,
    **changes: Any,
) -> list[Run]:
    """Figs. 1b, 7: grokked networks trained further on fewer examples, by size and then by seed.

    `sizes` are the reduced dataset sizes D'. A change of task, p or model also applies to the
    networks that the runs start from; another (weight decay, lr, eps, epochs) does not (choice C7).
    """
    check_profile(profile)
    shared = {name: changes.get(name) for name in ("task", "p", "model")}
    inits = full_data(profile, seeds, **shared)
    base = Run(epochs=20_000, n_logged=160)
    grid = np.geomspace(390, 1494, 7) / 12769
    if profile == "quick":
        base, grid = Run(epochs=2000, n_logged=60), np.array([40, 120, 400]) / QUICK_P**2
    if profile == "paper":
        base = Run(epochs=1_000_000, n_logged=400)
    examples = inits[0].dataset_size
    given = np.rint(grid * examples).astype(int) if sizes is None else sizes
    runs = []
    for size in given:
        for init in inits:
            start = replace(
                base, task=init.task, p=init.p, model=init.model, dataset_size=int(size), init=init
            )
            own = {**changes, **dict.fromkeys(shared), "seed": init.seed}
            runs.append(apply(start, own))
    return runs
