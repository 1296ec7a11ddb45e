"""Where both starts lead (App. A.2), and what it takes to go from one minimum to the other."""

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np

from grokkit.runs import STAGES, Run
from varma2023 import profiles
from varma2023.profiles import PAPER_SIZES, QUICK_RUN, Changes, Grid, from_random, longer, sets

FIG_5 = np.linspace(1500, 2050, 20)
QUICK_SIZES = (120, 250, 400, 620)


@sets(
    *("seed", "dataset_size"),
    published=Grid(2, 1500, (700, 1050, *FIG_5, 3000, 3568, 4243, 6000, 8485)),
    quick=Grid(1, 80, QUICK_SIZES, run=QUICK_RUN),
    paper=Grid(10, 3000, sorted([*PAPER_SIZES, *FIG_5])),
)
def from_scratch(profile: str, grid: Grid, **changes: Any) -> list[Run]:
    """The ends of Fig. 5: random weights, taken to a minimum of Eq. (2), by size.

    AdamW for a few hundred epochs, until the train set is memorised, and then the minimiser. The
    published and the paper's sizes hold the twenty of Fig. 5.
    """
    return from_random(grid, changes)


DOWN = (300, 450, 600, 700, 800, 900, 1050, 1500, 3000)
UP = (700, 1050, 1500, 2050, 3000, 3568, 4243)


@sets(
    *("seed", "dataset_size"),
    published=Grid(5, 1500, DOWN),
    quick=Grid(1, 80, QUICK_SIZES, run=QUICK_RUN),
    paper=Grid(10, 3000, PAPER_SIZES),
)
def both_starts(profile: str, grid: Grid, **changes: Any) -> list[Run]:
    """App. A.2: from networks trained on every example, then from random weights (choice C57).

    By size, each with as many gradients, at rest or not. The published ones on the sizes around
    which the one and the other cross one half; the others on the same.
    """
    up = replace(grid, sizes=UP) if grid.sizes is DOWN else grid
    inits = profiles.full_data(profile, grid.seeds, **profiles.shared(changes))
    return [*profiles.to_the_minimum(inits, grid, changes), *from_random(up, changes)]


SECOND_TRY = 8  # seed of the fresh network that has a second size


@sets(
    *("seed", "dataset_size"),
    published=Grid(5, 54_000, AT_REST := (3000,)),
    quick=Grid(1, 80, (250, 400), run=QUICK_RUN),
    paper=Grid(10, 100_000, PAPER_SIZES),
)
def starts_at_rest(profile: str, grid: Grid, **changes: Any) -> list[Run]:
    """App. A.2 and A.4: both starts again, until at rest (choice C76).

    By the networks of `finer`, whose D_crit is known, and from random weights of their seeds. The
    published runs have fresh networks on a smaller size, too.
    """
    changes = {"until_rest": profile != "quick", **changes}
    inits = profiles.full_data(profile, 2 * grid.seeds, **profiles.shared(changes))[grid.seeds :]
    every = replace(grid, seeds=2 * grid.seeds)  # the later half, as there
    runs = from_random(every, changes)
    if grid.sizes is AT_REST:
        smaller = from_random(replace(every, sizes=(1365, 1380), epochs=100_000), changes)
        runs += [run for run in smaller if run.dataset_size == 1365 or run.seed == SECOND_TRY]
    fresh = [run for run in runs if run.seed >= grid.seeds]
    return [*profiles.to_the_minimum(inits, grid, changes), *fresh]


# by size, weight decay and seed: which ends have so many times the gradients
GROKKED_FOR_LONGER = {(180, 1.0, 2): 3}
FRESH_FOR_LONGER = {
    **dict.fromkeys(product((149, 180, 228), (1.0,), range(5)), 3),
    **dict.fromkeys(((149, 1.0, 4), (228, 1.0, 0), (280, 1.0, 0)), 9),  # choice C105
    (280, 1.0, 4): 3,
}


@sets(
    *("seed", "dataset_size"),
    published=Grid(5, 6000, (149, 180, 228, 280), run=Run(p=31, dataset_size=1)),
    quick=Grid(1, 80, (60, 110), run=replace(QUICK_RUN, p=17, dataset_size=1)),
    paper=Grid(10, 20_000, (149, 180, 228, 280), run=Run(p=31, dataset_size=1)),
)
def two_minima(profile: str, grid: Grid, **changes: Any) -> list[Run]:
    """Not in the paper: the same train sets from both starts, until at rest (choice C33).

    First from networks trained on every example, then from random weights. Most of the published
    runs are also in `moduli`, `memory_at_rest` and `upper_branch`.
    """
    changes = {"until_rest": profile != "quick", "p": grid.run.p, **changes}
    inits = profiles.full_data(profile, grid.seeds, **profiles.shared(changes))
    grokked, fresh = profiles.to_the_minimum(inits, grid, changes), from_random(grid, changes)
    kinds = (grokked, GROKKED_FOR_LONGER), (fresh, FRESH_FOR_LONGER)
    return [run for own, more in kinds for run in longer(profile, own, more, **changes)]


PUSH = 0.9  # of the logits' norm: nearly all is the rule


@sets(
    *("seed", "dataset_size", "until_rest", "keep_weights", "n_logged", "tolerance"),
    published=Grid(5, 4000, (149, 180, 228, 280), run=Run(p=31, dataset_size=1)),
    quick=Grid(1, 80, (60, 110), run=replace(QUICK_RUN, p=17, dataset_size=1)),
    paper=Grid(10, 20_000, (149, 180, 228, 280), run=Run(p=31, dataset_size=1)),
)
def pushed(profile: str, grid: Grid, **changes: Any) -> list[Run]:
    """Not in the paper: networks in memory, pushed towards the rule by a spring (choice C77).

    From random weights until at rest in memory, for as many gradients at most, and then for as many
    while the spring raises the share of the trigonometric logits (`engine.stack.pushed`).
    """
    starts = from_random(grid, {"until_rest": profile != "quick", "p": grid.run.p, **changes})
    starts = [replace(run, keep_weights=True) for run in starts]
    how: Changes = {"push": PUSH, "n_logged": 4 * STAGES + 2, "tolerance": 0.0}
    how |= {"until_rest": False, "keep_weights": False}
    return [replace(start, init=start, **how) for start in starts]


SPEEDS = (0.25, 4)  # times the gradients of a push (choice C81)
SPEEDS_AT = 228  # examples


def other_speeds(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Not in the paper: the networks of `pushed` on one size, pushed faster and slower (C81)."""
    size = {"published": SPEEDS_AT, "quick": 60, "paper": SPEEDS_AT}[profile]
    own = [run for run in pushed(profile, seeds) if run.dataset_size == size]
    return [replace(run, epochs=round(times * run.epochs)) for times in SPEEDS for run in own]


RELEASED_AT = (228, 280)  # examples (choice C77)


def released(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Not in the paper: networks of `pushed`, let go at the end and taken to a minimum (C77)."""
    sizes = {"published": RELEASED_AT, "quick": (60,), "paper": RELEASED_AT}[profile]
    own = [run for run in pushed(profile, seeds) if run.dataset_size in sizes]
    ends = [replace(run, keep_weights=True) for run in own]
    return [replace(end.init, init=end, keep_weights=False) for end in ends if end.init]


SHAKE: Changes = {"optimiser": "adamw", "precision": "float32", "lr": 4e-3, "noise": 1000.0}
SHAKE |= {"epochs": 640, "n_logged": 10, "tolerance": 0.0, "until_rest": False}
SHAKEN_AT = (180, 228)  # examples (choice C37)


def shaken(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Not in the paper: ends of `two_minima`, shaken and taken to a minimum again (choice C37).

    By AdamW with noise on the gradient that drowns the loss, which moves every weight at random,
    and then by the minimiser. The noisy runs are here too, without their weights: they begin with
    the end that is shaken, which on another machine need not be that of `two_minima`.
    """
    sizes = {"published": SHAKEN_AT, "quick": (60,), "paper": (149, 180, 228, 280)}[profile]
    found = []
    for run in two_minima(profile, seeds):
        if run.dataset_size in sizes:
            end = replace(run, keep_weights=True)
            noisy = replace(end, init=end, **SHAKE)
            found += [replace(noisy, keep_weights=False), replace(run, init=noisy)]
    return found
