"""Efficiency (Sec. 5.1): networks of one circuit, each taken to a minimum of Eq. (2)."""

from dataclasses import replace
from typing import Any

import numpy as np

from grokkit.runs import Run
from varma2023 import profiles
from varma2023.profiles import QUICK, QUICK_RUN, Grid, early, from_random, longer, seed_range, sets

PAPERS_STILL_FALLING = dict.fromkeys(((1260, 1.0, 2, "random"), (794, 1.0, 3, "random")), 3)
FALLING_ON_500 = dict.fromkeys(((500, 1.0, 1, "random"), (500, 1.0, 3, "random")), 3)


@sets(
    *("seed", "dataset_size", "weight_decay", "labels"),
    published=Grid(5, 18_000, (500, 794, 1260)),
    quick=Grid(1, 80, (60, 120, 240, 480), *QUICK),
    paper=Grid(10, 3000, np.geomspace(500, 8000, 9)),
)
def memorising(profile: str, grid: Grid, **changes: Any) -> list[Run]:
    """Fig. 3a, b: networks that can only memorise, on random labels, by size and weight decay.

    From AdamW's weights after a few hundred epochs to a minimum of Eq. (2). The published ones
    until they are at rest, at the weight decay that is nearest to 1; those of the least size go on
    from there, at every weight decay (choice C38).
    """
    if profile != "published":
        return from_random(grid, changes, labels="random")
    rest, nearest = {"until_rest": True, **changes}, min(grid.decays, key=lambda w: abs(w - 1))
    ends = from_random(replace(grid, decays=(nearest,)), rest, labels="random")
    ends = longer(profile, ends, PAPERS_STILL_FALLING | FALLING_ON_500, **changes)
    least = min(run.dataset_size for run in ends)
    inits = [replace(run, keep_weights=True) for run in ends if run.dataset_size == least]
    more = replace(grid, epochs=3000, sizes=[least], exact=True)
    moved = profiles.to_the_minimum(inits, more, rest)
    return [*moved, *(run for run in ends if run.dataset_size != least)]


@sets(
    *("seed", "dataset_size", "weight_decay"),
    published=Grid(5, 3000, np.geomspace(4000, 8000, 3)),
    quick=Grid(1, 120, (640, 900), *QUICK),
    paper=Grid(10, 3000, np.linspace(4000, 8000, 9)),
)
def generalising(profile: str, grid: Grid, **changes: Any) -> list[Run]:
    """Fig. 3c, d: networks that generalise, on large train sets, by size and weight decay.

    From the networks of `grokking` to a minimum of Eq. (2), until they are at rest (choice C15).
    """
    inits = profiles.grokking(profile, grid.seeds, **profiles.shared(changes))
    return profiles.to_the_minimum(inits, grid, {"until_rest": profile != "quick", **changes})


ANEW = {"published": 12.0, "quick": 3.0, "paper": 40.0}  # lr x epochs of AdamW: it has grokked


@sets(
    *("seed", "dataset_size"),
    published=Grid(5, 6000, np.geomspace(4000, 8000, 3), run=Run(lr=4e-3)),
    quick=Grid(1, 120, (640, 900), run=QUICK_RUN),
    paper=Grid(10, 6000, np.linspace(4000, 8000, 9)),
)
def generalising_anew(profile: str, grid: Grid, **changes: Any) -> list[Run]:
    """Fig. 3c, d as the paper seems to train them: from random weights on each size (choice C73).

    By AdamW until they have grokked, then to a minimum of Eq. (2), until they are at rest.
    """

    def grokked(run: Run) -> Run:
        return replace(early(run), epochs=round(ANEW[profile] / run.lr))

    return from_random(grid, {"until_rest": profile != "quick", **changes}, grokked)


@sets(
    *("seed", "dataset_size", "weight_decay"),
    published=Grid(5, 3000, (5657,)),
    quick=Grid(1, 120, (800,), *QUICK),
    paper=Grid(10, 3000, (5657,)),
)
def starts(profile: str, grid: Grid, **changes: Any) -> list[Run]:
    """Not in the paper: the C_gen of the very networks that `transition` starts from.

    From networks trained on every example to a minimum of Eq. (2), on so many examples that nothing
    ungroks, until they are at rest: what D_crit is predicted from, seed by seed (choice C38).
    """
    inits = profiles.full_data(profile, grid.seeds, **profiles.shared(changes))
    return profiles.to_the_minimum(inits, grid, {"until_rest": profile != "quick", **changes})


MULTIPLES = np.array([1.7, 2.15, 2.6])  # of p ln p: sizes around D_crit
STILL_FALLING = dict.fromkeys(((180, 1.0, 2, "random"), (276, 1.0, 2, "random"), (228, 1.0, 0)), 3)
"""Ends near D_crit, by size, weight decay, seed (and labels), with so many times the gradients."""


def memory_at_rest(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Not in the paper: what memory costs near D_crit at p = 31, until at rest (choice C31).

    Networks that never grokked, at weight decay 1: on random labels, then, up to the second size,
    on the true ones. `delay.sweeps.upper_branch` has more of these.
    """
    count = len(seed_range(profile, seeds))
    quick = profile == "quick"
    p, network = (17, QUICK_RUN.model) if quick else (31, profiles.PAPERS.model)
    sizes, first = MULTIPLES * p * np.log(p), Run(p=p, dataset_size=1, model=network)
    grid = Grid(count, 80 if quick else 18_000, sizes, (1.0,), first, exact=True)
    own, fewer = {"until_rest": not quick}, replace(grid, sizes=sizes[:2])
    runs = [*from_random(grid, own, labels="random"), *from_random(fewer, own)]
    return longer(profile, runs, STILL_FALLING)


ROUNDED_ENDS = ((228, 4), (276, 1), (276, 3), (276, 4))
ROUNDED_FALLING = {(size, 1.0, seed, "random"): 3 for size, seed in ROUNDED_ENDS}
"""As `STILL_FALLING`, for `along_rounded_kinks`."""


def along_rounded_kinks(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Not in the paper: both costs at p = 31 once more, along rounded kinks (choice C79).

    Memory of random labels on the sizes of `memory_at_rest`, then the rule, from networks trained
    on every example, on the largest size of ungrokking, with twice the seeds.
    """
    memory = [run for run in memory_at_rest(profile, seeds) if run.labels == "random"]
    p, count = memory[0].p, len(seed_range(profile, seeds))
    epochs = 80 if profile == "quick" else 6000
    grid = Grid(2 * count, epochs, (profiles.LARGEST * p * np.log(p),), (1.0,), exact=True)
    rules = profiles.to_the_minimum(profiles.full_data(profile, grid.seeds, p=p), grid, {})
    runs = [replace(run, epochs=epochs, **profiles.ROUNDED) for run in (*memory, *rules)]
    return longer(profile, runs, ROUNDED_FALLING)


def papers_rounded(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Not in the paper: memory at p = 113 once more, along rounded kinks (choice C80).

    Of random labels on the middle size of `papers_memory`, where it costs what the rule costs.
    """
    memory, epochs = papers_memory(profile, seeds=seeds), 80 if profile == "quick" else 6000
    sizes = sorted({run.dataset_size for run in memory})
    runs = [run for run in memory if run.dataset_size == sizes[len(sizes) // 2]]
    return [replace(run, epochs=epochs, **profiles.ROUNDED) for run in runs]


@sets(
    *("seed", "dataset_size", "labels"),
    published=Grid(5, 18_000, (500, 794, 1260)),  # the least three of `memorising`
    quick=Grid(1, 80, (60, 120, 240), run=QUICK_RUN),
    paper=Grid(10, 18_000, np.geomspace(500, 8000, 9)),
)
def papers_memory(profile: str, grid: Grid, **changes: Any) -> list[Run]:
    """Not in the paper: what memory costs near D_crit at p = 113, until at rest (choice C35)."""
    runs = from_random(grid, {"until_rest": profile != "quick", **changes}, labels="random")
    return longer(profile, runs, PAPERS_STILL_FALLING, **changes)
