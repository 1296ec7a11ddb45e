"""The transition of ungrokking (Sec. 5.2): by the minimiser of Eq. (2), and by AdamW."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np

from grokkit.model import ModelConfig
from grokkit.runs import Run
from varma2023 import profiles
from varma2023.profiles import EVERYTHING, NARROW, PAPER_SIZES, QUICK, QUICK_RUN, Grid, sets

# times the gradients of ends that were not at rest, by D', weight decay and seed; of another width,
# of random labels, or with a choice of mirror images by that, too (C19, C26 - C29, C50, C76, C78)
STILL_FALLING: dict[tuple[Any, ...], int] = {
    **dict.fromkeys(((650, 0.1, 3), (650, 2.0, 3), (770, 2.0, 0), (770, 1.5, 0)), 3),  # p = 113
    **dict.fromkeys(((180, 1.0, 2), (231, 1.0, 4), (344, 1.0, 3)), 3),  # 31, 53, 73
    **{(231, 1.0, 4, 64): 3, (547, 1.0, 0, 64): 9, (715, 1.0, 0, 64): 3},
    **dict.fromkeys(((size, 1.0, 0, 64, "random") for size in (231, 357, 547)), 3),
    **dict.fromkeys(((size, 1.0, 1, 64, "random") for size in (357, 547)), 3),
    **dict.fromkeys(((357, 1.0, 0, "random"), (357, 1.0, 1, "random"), (547, 1.0, 1, "random")), 3),
    **dict.fromkeys(((231, 1.0, 0, "random"), (547, 1.0, 0, "random")), 3),  # C78
    **{(231, 1.0, 1, "none"): 27, (231, 1.0, 3, "none"): 3, (231, 1.0, 4, "none"): 3},
    (560, 1.0, 7): 3,  # p = 113
}


@sets(
    *("seed", "dataset_size", "weight_decay"),
    published=Grid(5, 6000, (390, 550, 650, 770, 910, 1080, 1500)),
    quick=Grid(1, 120, (40, 120, 250, 400), *QUICK),
    paper=Grid(10, 20_000, PAPER_SIZES),
)
def transition(profile: str, grid: Grid, **changes: Any) -> list[Run]:
    """Figs. 4, 10: where ungrokking ends, by reduced dataset size D' and weight decay (C19).

    From networks trained on every example with weight decay 1 to a minimum of Eq. (2), until they
    are at rest. Of the published runs, those of `STILL_FALLING` have more gradients.
    """
    inits = profiles.full_data(profile, grid.seeds, **profiles.shared(changes))
    runs = profiles.to_the_minimum(inits, grid, {"until_rest": profile != "quick", **changes})
    return profiles.longer(profile, runs, STILL_FALLING, **changes)


@sets(
    *("seed", "dataset_size"),
    published=Grid(5, 6000, (500, 560, 620, 680, 740, 810, 890, 980, 1080, 1200)),
    quick=Grid(1, 120, (90, 180), run=QUICK_RUN),
    paper=Grid(10, 20_000, PAPER_SIZES),
)
def finer(profile: str, grid: Grid, **changes: Any) -> list[Run]:
    """Not in the paper: the middle of Fig. 10 by sizes a tenth apart (choice C20).

    At weight decay 1, by as many seeds as `transition` has, which come after those.
    """
    inits = profiles.full_data(profile, 2 * grid.seeds, **profiles.shared(changes))[grid.seeds :]
    runs = profiles.to_the_minimum(inits, grid, {"until_rest": profile != "quick", **changes})
    return profiles.longer(profile, runs, STILL_FALLING, **changes)


def a_million(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Fig. 7 for as long as the paper's, at four times its rate (choice C91)."""
    if profile == "quick":  # the same as in `ungrokking`
        return profiles.ungrokking(profile, 1, [120])
    runs = profiles.ungrokking(profile, seeds or 1, epochs=1_000_000)
    return [profiles.at_rate(run, 4) for run in runs]


@sets(
    *("seed", "dataset_size", "weight_decay"),
    published=Grid(5, 100_000, (300, 390, 610, 763, 955, 1494)),
    quick=Grid(1, 150, (40, 120, 400), (0.5, 2.0), QUICK_RUN),
    paper=Grid(10, 100_000, PAPER_SIZES),
)
def transition_adamw(profile: str, grid: Grid, **changes: Any) -> list[Run]:
    """Fig. 4 by the paper's protocol: AdamW from the networks trained on every example (C46).

    Every weight decay has as many epochs, the published ones as many as in Fig. 8. Those at
    `profiles.UNMOVED` end once they are at rest. Raises ValueError of a weight decay not above 0.
    """
    if min(grid.decays) <= 0:
        raise ValueError(f"weight_decays must be above 0, got {list(grid.decays)}")
    runs, chosen = [], grid.sizes_of(profiles.apply(grid.run, profiles.shared(changes)))
    for decay in grid.decays:
        own = {"epochs": grid.epochs, **changes, "weight_decay": decay}
        runs += profiles.ungrokking(profile, grid.seeds, chosen, **own)
    if profile != "published" or profiles.not_none(changes):
        return runs
    return [replace(r, tolerance=0.3) if r.dataset_size == profiles.UNMOVED else r for r in runs]


SHARES = np.array([0.04, 0.06, 0.08, 0.1, 0.12, 0.15, 0.2, 0.3])
EPSILONS = 1e-9, 1e-8, 1e-7


@sets(
    *("seed", "dataset_size"),
    published=Grid(5, 20_000, SHARES[1:6] * EVERYTHING),
    quick=Grid(1, 150, np.array([0.04, 0.15, 0.45]) * EVERYTHING),
    paper=Grid(10, 100_000, SHARES * EVERYTHING),
)
def epsilon(profile: str, grid: Grid) -> list[Run]:
    """Not in the paper: whether D_crit moves with Adam's epsilon, half of alpha = eps lambda.

    By AdamW (choice C19); the published sweep is at p = 53, at the middle sizes.
    """
    own = {"p": None if profile == "quick" else 53, "epochs": grid.epochs}
    sizes = grid.sizes_of(profiles.full_data(profile, 1, p=own["p"])[0])
    runs = [profiles.ungrokking(profile, grid.seeds, sizes, eps=eps, **own) for eps in EPSILONS]
    return [*chain(*runs)]


MULTIPLES = np.array([0.8, 1.1, 1.4, 1.7, 2.0, 2.6])  # of p ln p: sizes on both sides of D_crit


def _at_multiples(
    profile: str, count: int, p: int, of: np.ndarray, mirrors: str = "any", **shared: Any
) -> list[Run]:
    """Ungrokking at these multiples of p ln p by the minimiser, until at rest, at weight decay 1.

    From networks trained on every example.
    """
    quick = profile == "quick"
    sizes = (of[::2] if quick else of) * p * np.log(p)
    grid = Grid(count, 60 if quick else 6000, sizes, (1.0,), exact=True)
    inits = profiles.full_data(profile, count, p=p, **shared)
    return profiles.to_the_minimum(inits, grid, {"until_rest": not quick, "mirrors": mirrors})


def moduli(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Not in the paper: ungrokking at other moduli, all but 53 to test two laws (choice C26).

    By the minimiser, until at rest, from networks trained on every example with weight decay 1.
    At the moduli that came last, 73 and 97, only at the sizes around D_crit; at the first with
    more seeds (choice C40).
    """
    count = len(profiles.seed_range(profile, seeds))
    most = len(profiles.seed_range(profile, seeds, published=10))
    sizes = {17: MULTIPLES, 53: MULTIPLES}
    if profile != "quick":
        around = MULTIPLES[1:-1]
        sizes = {31: np.append(MULTIPLES, profiles.LARGEST), 53: MULTIPLES, 73: around, 97: around}
    counts = dict.fromkeys(sizes, count) | {min(sizes): most}
    runs = [run for p, of in sizes.items() for run in _at_multiples(profile, counts[p], p, of)]
    return profiles.longer(profile, runs, STILL_FALLING)


def _memory(
    profile: str, seeds: int, p: int, of: np.ndarray, network: ModelConfig, most: int = 6000
) -> list[Run]:
    """Memory of random labels at these multiples of p ln p, until at rest or `most` gradients."""
    quick, sizes = profile == "quick", of * p * np.log(p)
    first, own = Run(p=p, dataset_size=1), {"model": network, "until_rest": not quick}
    grid = Grid(seeds, 60 if quick else most, sizes, (1.0,), first, exact=True)
    return profiles.from_random(grid, own, labels="random")


def widths(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Not in the paper: ungrokking, and memory of random labels, at two widths (choice C28).

    By width, that is d_model, with d_mlp four times it: the runs of `moduli`, and at half the width
    one size more; then memory at every other of their sizes, with fewer seeds.
    """
    count, runs = len(profiles.seed_range(profile, seeds)), list[Run]()
    p, both = (17, (32, 64)) if profile == "quick" else (53, (64, 128))
    for width in both:
        network = profiles.of_width(width)
        more = MULTIPLES if width == both[-1] else np.append(MULTIPLES, profiles.LARGEST)
        runs += _at_multiples(profile, count, p, more, model=network)
        runs += _memory(profile, min(count, 2), p, MULTIPLES[1::2], network)
    return profiles.longer(profile, runs, STILL_FALLING)


_LATER = range(5, 10)
BESIDE: dict[int, dict[int, Sequence[int]]] = {
    64: {231: (8,), 294: _LATER, 357: (5, 6, 7, 9), 420: (5, 9), 547: (5, 9), 715: (9,)},
    128: {231: (5, 6, 9), 294: _LATER, 357: (5, 6, 7, 8)},
}
"""By d_model and size the seeds of the published networks of `widths_more`."""
BESIDE_FALLING: dict[tuple[Any, ...], int] = {
    **dict.fromkeys(((231, 1.0, 8, 64), (420, 1.0, 5, 64), (547, 1.0, 5, 64)), 3),
    (547, 1.0, 9, 64): 9,
    (715, 1.0, 9, 64): 27,
    (294, 1.0, 7): 3,
    (231, 1.0, 9): 9,
}
"""As `STILL_FALLING`, for `widths_more`."""


def widths_more(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Not in the paper: as many more networks that ungrok at two widths (choice C99).

    At the sizes of `widths`; published are those beside the size at which a network is at ½.
    """
    if profile == "quick":
        return []
    count = len(profiles.seed_range(profile, seeds))
    ends = [r for r in widths(profile, 2 * count) if r.labels == "true" and r.seed >= count]
    if profile == "published":
        ends = [r for r in ends if r.seed in BESIDE[r.model.d_model].get(r.dataset_size, ())]
    return profiles.longer(profile, ends, BESIDE_FALLING)


EITHER_FALLING: dict[tuple[Any, ...], int] = {
    **dict.fromkeys(((231, 1.0, 3, 64), (294, 1.0, 2, 64), (420, 1.0, 2, 64, "random")), 3),
    **dict.fromkeys(((547, 1.0, seed, 64, "random") for seed in (0, 1)), 3),
}
"""As `STILL_FALLING`, for `either_width`."""


def either_width(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Not in the paper: the same with either d_mlp or d_model halved, not both (C62, C78).

    Ungrokking at the sizes of `widths`, but the least, with as many seeds; memory around the sizes
    at which it costs what the rule costs, with fewer seeds.
    """
    count = len(profiles.seed_range(profile, seeds))
    p, d_model = (17, 64) if profile == "quick" else (53, 128)
    sizes, runs = np.append(MULTIPLES[1:], profiles.LARGEST), list[Run]()
    for model, of in (
        (ModelConfig(d_model, d_mlp=2 * d_model), MULTIPLES[2:5]),
        (ModelConfig(d_model // 2, d_mlp=4 * d_model), MULTIPLES[2:]),
    ):
        runs += _at_multiples(profile, count, p, sizes, model=model)
        runs += _memory(profile, min(count, 3), p, of, model, 18_000)
    return profiles.longer(profile, runs, EITHER_FALLING)


OF_MIRRORS = {"none": np.array([1.1, 1.4, 1.7, 2.0, 2.6]), "all": np.array([1.7, 2.2, 2.8, 3.4, 4])}
"""Sizes as multiples of p ln p, without mirror images and with all."""


def mirrors(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Not in the paper: ungrokking where no mirror image is trained on, and where all are (C29)."""
    count = len(profiles.seed_range(profile, seeds))
    p = 17 if profile == "quick" else 53
    runs = (_at_multiples(profile, count, p, of, which) for which, of in OF_MIRRORS.items())
    return profiles.longer(profile, [*chain(*runs)], STILL_FALLING)


def narrower_ungrokking(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Not in the paper: ungrokking in the networks of `semi_grokking.sweeps.narrower` (C83)."""
    count = len(profiles.seed_range(profile, seeds))
    moduli = (17,) if profile == "quick" else (31, 47, 59)
    of = np.array([1.4, 2.0, 2.6])
    return [run for p in moduli for run in _at_multiples(profile, count, p, of, model=NARROW)]


def ungrokking_ends(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Not in the paper: networks left in the middle of Fig. 7, by the minimiser (choice C84).

    From their own weights after 20 decay times at four times the usual rate, until at rest.
    """
    count = len(profiles.seed_range(profile, seeds, published=3))
    sizes = (120,) if profile == "quick" else (610, 763)
    usual = [r for r in profiles.ungrokking_at_first(profile, count) if r.dataset_size in sizes]
    return profiles.to_rest(profile, [profiles.at_rate(run, 4, n_logged=80) for run in usual])
