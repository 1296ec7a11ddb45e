"""Sweeps over the other tasks: Fig. 8, and the circuits that the tasks end with."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np

from grokkit import tasks
from grokkit.runs import Run
from varma2023 import profiles
from varma2023.measures import OTHER_TASKS
from varma2023.profiles import PAPER_SIZES, Grid, sets

REST_LATER = (("x/y", False), ("x^2+y^2", False), ("S_n: xy", True))
"""Task, and whether a network starts from one trained on every example (choice C102)."""


def grokked_tasks(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Not in the paper: every task to a minimum of Eq. (2) on 60% of its examples.

    From random weights; permutations from networks trained on every example as well, since from
    random weights S5 ends in memory. Of these x y x^-1 is not published: its network did not hold
    the rule. Those of `REST_LATER` have more gradients, until at rest. Final weights are kept, for
    their circuits.
    """
    count = profiles.seed_range(profile, seeds, published=1, quick=1, paper=5)
    settings = {"published": (53, 5, 1000), "quick": (11, 4, 50), "paper": (113, 5, 3000)}
    modulus, n, gradients = settings[profile]
    plain = profiles.QUICK_RUN if profile == "quick" else Run()
    runs = []
    for task in ("x+y", *OTHER_TASKS):
        p = n if task in tasks.PERMUTATION else modulus
        size = round(0.6 * tasks.task(task, p).n_examples)
        for seed in count:
            base = replace(plain, task=task, p=p, dataset_size=size, seed=seed)
            inits = [profiles.early(base)]
            if task in tasks.PERMUTATION and not (task == "S_n: xyx^-1" and profile == "published"):
                inits += profiles.full_data(profile, task=task, p=p, seeds=1)
            for init in inits:
                run = profiles.minimised(base, gradients, replace(init, seed=seed), "mixed")
                if profile == "published" and (task, init.dataset_size > size) in REST_LATER:
                    run = replace(run, epochs=6 * gradients, until_rest=True)
                runs.append(replace(run, keep_weights=True))
    return runs


MOST = 0.95  # share of the examples that a network has before it ungroks: the others tell its rule
LATE = ("x/y or x-y", "x^2+xy+y^2", "S_n: xyx^-1", "S_n: xyx")
"""Tasks whose networks hold the rule late, if at all: they have a longer start, and more sizes."""

STARTS = {"published": (4e-3, 20, 100), "quick": (4e-3, 0.8, 0.8), "paper": (1e-3, 20, 100)}
"""Of the networks that runs start from: learning rate and decay times, then those of `LATE`."""

SIZES = 300 * 20 ** (np.arange(9) / 7)
LARGER = {"x/y": SIZES[:8]} | dict.fromkeys(LATE, (*SIZES, MOST * profiles.EVERYTHING))
"""Published sizes of tasks that have more than the first seven."""


def task_starts(
    profile: str = "published",
    seeds: int | None = None,
    tasks: Sequence[str] | None = None,
    epochs: int | None = None,
) -> list[Run]:
    """The networks from which the other tasks ungrok, by AdamW on `MOST` of the examples.

    The modular tasks at the paper's p = 113, the permutations in S5; by default for as long as
    `STARTS` says (choice C50). Without their weights: `other_tasks` trains them for itself.
    """
    count = len(profiles.seed_range(profile, seeds, published=2))
    modulus, n = (13, 4) if profile == "quick" else (113, 5)
    lr, usual, late = STARTS[profile]
    found = []
    for task in OTHER_TASKS if tasks is None else tasks:
        own = n if task.startswith("S_n") else modulus
        for run in profiles.full_data(profile, count, task=task, p=own, lr=lr):
            length = epochs or round((late if task in LATE else usual) * run.decay_time)
            most = round(MOST * run.dataset_size)
            found.append(replace(run, dataset_size=most, epochs=length, keep_weights=False))
    return found


@sets(
    *("seed", "dataset_size"),
    published=Grid(2, 6000, SIZES[:7]),
    quick=Grid(1, 40, (30, 700), run=profiles.QUICK_RUN),
    paper=Grid(10, 20_000, PAPER_SIZES),
)
def other_tasks(
    profile: str, grid: Grid, tasks: Sequence[str] | None = None, start_epochs: int | None = None
) -> list[Run]:
    """Fig. 8: where ungrokking ends on the nine other tasks, by reduced dataset size D'.

    From the networks of `task_starts` (which `start_epochs` can train for longer), until at rest;
    the published ones of some tasks at `LARGER` sizes as well.
    """
    return _ungrok(profile, grid, OTHER_TASKS if tasks is None else tasks, LARGER, start_epochs)


RUNGS = 430 * (4 / 3) ** np.arange(6)
BY_DECAY = {"x*y": None, "x^2+y^2": None, "S_n: xy": [430, 461, 497, *RUNGS[1:4]], "x-y": RUNGS[3:]}
"""Tasks at two weight decays, and which have published sizes of their own (choice C75)."""
STILL_FALLING = {
    **dict.fromkeys(((560, 2.0, 0, "x*y"), (1019, 0.5, 0, "x-y"), (1019, 0.5, 1, "x-y")), 3),
    **dict.fromkeys(((D, decay, 1, "S_n: xy") for D in (485, 520) for decay in (0.5, 2.0)), 3),
    (647, 0.5, 0, "S_n: xy"): 3,
}
"""Ends that were not at rest, with so many times the gradients."""


@sets(
    *("seed", "dataset_size", "weight_decay"),
    published=Grid(2, 6000, (450, 560, 700, 880, 1100), (0.5, 2.0)),
    quick=Grid(1, 40, (30, 250, 700), *profiles.QUICK),
    paper=Grid(10, 20_000, PAPER_SIZES),
)
def tasks_by_decay(profile: str, grid: Grid) -> list[Run]:
    """Fig. 8: whether weight decay moves D_crit on some of these tasks, of the paper's grid all."""
    names = tuple(BY_DECAY)
    chosen = {"published": names, "quick": names[:2], "paper": OTHER_TASKS}[profile]
    return profiles.longer(profile, _ungrok(profile, grid, chosen, BY_DECAY), STILL_FALLING)


def _ungrok(
    profile: str,
    grid: Grid,
    tasks: Sequence[str],
    own: Mapping[str, Collection[float] | None],
    start_epochs: int | None = None,
) -> list[Run]:
    """These tasks on the grid; published ones on sizes of their `own`, unless others are given."""
    runs, how = [], {"lr": Run.lr, "until_rest": profile != "quick"}
    for task in tasks:
        starts = task_starts(profile, grid.seeds, [task], start_epochs)
        inits = [replace(start, keep_weights=True) for start in starts]
        sizes = own.get(task) if profile == "published" and not grid.exact else None
        here = grid if sizes is None else replace(grid, sizes=sizes)
        runs += profiles.to_the_minimum(inits, here, how)
    return runs
