"""Grokking by dataset size, modulus and weight decay; and where fresh networks end by L-BFGS."""

from collections.abc import Collection
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np

from grokkit.runs import Run
from varma2023 import profiles
from varma2023.profiles import QUICK_RUN, Changes, Grid, from_random, longer, sets

SIZES: dict[str, dict[int, tuple[int, ...]]] = {
    "published": {31: (340, 360, 380, 400, 440, 520, 640, 800, 865), 53: (570, 700, 1010)},
    "quick": {31: (440, 520, 620, 800)},
    "paper": {113: (1900, 2200, 2600, 3000, 3500, 4200, 5200, 6500), 53: (570, 700, 1010)},
}
FIRST = {
    "published": Run(p=31, dataset_size=340, lr=4e-3, epochs=12_000, n_logged=150),
    "quick": replace(QUICK_RUN, dataset_size=440, epochs=250),
    "paper": Run(dataset_size=1900, epochs=1_000_000, n_logged=300),
}
DECAYS = (0.5, 2.0)  # besides 1, at the middle size of the first modulus
AT_OTHERS = {"published": (380, 640)}  # sizes of the first modulus that have these decays, too
MORE = {"published": (380, 9)}  # one of these sizes, and up to how many seeds it has (C114)
FEWER = 2  # times: the seeds at other weight decays and moduli


def delay(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Not in the paper: how long until a network groks (choice C27).

    Every size of the first modulus; its middle size, and those of `AT_OTHERS`, at the other weight
    decays, for as many decay times; and the sizes of the second modulus. The last two have half of
    the seeds, or more (`MORE`). A larger size has fewer epochs, by the square of its ratio to the
    smallest.
    """
    count = profiles.seed_range(profile, seeds, published=10)
    fewer = count[: -(-len(count) // FEWER)]
    first, sizes = FIRST[profile], SIZES[profile]
    middle = sizes[first.p][len(sizes[first.p]) // 2]
    size, up_to = MORE.get(profile, (0, 0))
    wanted = [
        *product([first.p], sizes[first.p], [1.0], count),
        *product([first.p], [middle, *AT_OTHERS.get(profile, ())], DECAYS, fewer),
        *product([first.p], [size], DECAYS, count[len(fewer) : up_to]),
    ]
    for p in sizes.keys() - {first.p}:
        wanted += product([p], sizes[p], [1.0], fewer)
    runs = [replace(first, p=p, dataset_size=d, weight_decay=w, seed=s) for p, d, w, s in wanted]
    part = {run: (sizes[run.p][0] / run.dataset_size) ** 2 / run.weight_decay for run in runs}
    return [replace(run, epochs=round(first.epochs * times)) for run, times in part.items()]


AT_53 = Run(p=53, dataset_size=760, lr=4e-3, n_logged=150)
WIDE = (760, 850, 950, 1100, 1350, 1750, 2528)


@sets(
    *("seed", "dataset_size"),
    published=Grid(15, 30_000, WIDE, run=AT_53),
    quick=Grid(1, 300, (440, 520, 800), run=QUICK_RUN),
    paper=Grid(10, 1_000_000, WIDE, run=replace(AT_53, lr=1e-3)),
)
def delay_53(profile: str, grid: Grid) -> list[Run]:
    """Not in the paper: the same at p = 53, up to nine tenths of all examples (choice C53)."""
    sizes = [int(size) for size in grid.sizes]
    epochs = {size: round(grid.epochs * (sizes[0] / size) ** 2) for size in sizes}
    wanted = product(sizes, range(grid.seeds))
    return [replace(grid.run, dataset_size=d, seed=s, epochs=epochs[d]) for d, s in wanted]


FEWER_EXAMPLES: dict[str, dict[int, tuple[int, ...]]] = {
    "published": {31: (280, 300), 53: (700,)},
    "quick": {31: (400,)},
    "paper": {53: (700,), 113: (1600,)},
}
LONG = 160  # decay times: in as many all but a few networks get there, by a levelling power


def below(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Not in the paper: fewer examples than in `delay` and `delay_53`, for longer (choice C98)."""
    first, count = FIRST[profile], profiles.seed_range(profile, seeds, published=10)
    if profile != "quick":
        first = replace(first, epochs=round(LONG * first.decay_time))
    sizes = [(p, size) for p, own in FEWER_EXAMPLES[profile].items() for size in own]
    return [replace(first, p=p, dataset_size=d, seed=s) for (p, d), s in product(sizes, count)]


NOISES = (1.0, 10.0)  # standard deviation of what is added to every slope, in units of epsilon


def noisy(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Not in the paper: two sizes of `delay` with noise on the gradient (choice C27).

    The smallest size of the first modulus and that in the middle, with half of the seeds.
    """
    same = _two_sizes(delay(profile, seeds))
    return [replace(run, noise=noise) for noise in NOISES for run in same]


def _two_sizes(runs: list[Run]) -> list[Run]:
    """Of `delay` the smallest size of the first modulus and that in the middle, with few seeds."""
    middle = [r for r in runs if r.weight_decay != 1]  # has half of the seeds
    size = middle[0].dataset_size
    some = {run.seed for run in middle if run.dataset_size == size}
    return _at(runs, {runs[0].dataset_size, size}, some)


def _of_delay(profile: str, count: int, sizes: tuple[int, ...]) -> list[Run]:
    """The runs of `delay` on these sizes at weight decay 1, with so many seeds."""
    return _at(delay(profile, FEWER * count), sizes, range(count))


def _at(runs: list[Run], sizes: Collection[int], seeds: Collection[int]) -> list[Run]:
    """Those on these sizes at weight decay 1, of these seeds."""
    own = [r for r in runs if r.weight_decay == 1 and r.dataset_size in sizes]
    return [run for run in own if run.seed in seeds]


GAIN = 2.0  # Grokfast's, of its authors' command for modular arithmetic
AROUND = np.array([1.1, 1.4, 1.7, 2.0, 2.6])  # times p ln p: sizes on both sides of D_crit


def grokfast(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Not in the paper: whether Grokfast moves where networks forget, and when they grok (C42).

    Ungrokking at the first modulus for 20 decay times, without it and with; then the runs of
    `noisy` with it in place of the noise, and with epsilon over the gain that it has at rest.
    """
    fresh = _two_sizes(delay(profile, seeds))
    usual = _forgetting(profile, fresh, AROUND)
    amplified = [replace(run, amplify=GAIN) for run in (*usual, *fresh)]
    return [*usual, *amplified, *[replace(run, eps=run.eps / (1 + GAIN)) for run in fresh]]


def _forgetting(profile: str, fresh: list[Run], around: np.ndarray) -> list[Run]:
    """Grokked networks of the same seeds for 20 decay times on these sizes, in p ln p examples."""
    p, lr, n = fresh[0].p, fresh[0].lr, len({run.seed for run in fresh})
    inits, times = profiles.full_data(profile, n, p=p), 1 if profile == "quick" else 20
    own: Changes = {"lr": lr, "epochs": round(times / lr), "n_logged": 60, "keep_weights": False}
    few = slice(None, None, 2) if profile == "quick" else slice(None)
    wanted = product(around[few] * p * np.log(p), inits)
    return [replace(init, dataset_size=int(size), init=init, **own) for size, init in wanted]


WIDER = np.array([1.4, 2.0, 2.6, 3.4, 4.4])  # times p ln p: sizes for Muon
STEPS = (0.2, 0.1)  # Muon's, over the learning rate; the first is that of Liu et al. 2025
BY_MUON = {"published": (360, 640), "quick": (440, 800), "paper": (1900, 5200)}


def muon(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Not in the paper: whether Muon moves where networks forget, and when they grok (C71).

    Ungrokking as `grokfast` has it, by Muon at two lengths of its step; once more at half of the
    learning rate, on the size in the middle; and fresh networks of `delay`.
    """
    fresh = _of_delay(profile, len(profiles.seed_range(profile, seeds)), BY_MUON[profile])
    ends = _forgetting(profile, fresh, WIDER)
    middle = sorted(ends, key=lambda run: run.dataset_size)[len(ends) // 2].dataset_size
    half: Changes = {"lr": ends[0].lr / 2, "epochs": 2 * ends[0].epochs, "muon": STEPS[0]}
    return [
        *(replace(run, muon=step) for step in STEPS for run in ends),
        *[replace(run, **half) for run in ends if run.dataset_size == middle],
        *(replace(run, muon=STEPS[0]) for run in fresh),
    ]


def muon_more(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Not in the paper: as many more networks that forget, by AdamW and by Muon (choice C99).

    And as many that grok by Muon, on the smaller size (choice C108).
    """
    if profile == "quick":
        return []
    count = len(profiles.seed_range(profile, seeds))
    fresh = _of_delay(profile, 2 * count, BY_MUON[profile])
    usual, ends = (_forgetting(profile, fresh, around) for around in (AROUND, WIDER))
    near = [run for run in fresh if run.dataset_size == BY_MUON[profile][0]]
    stepped = [(STEPS[0], near), *((step, ends) for step in STEPS)]
    both = [*usual, *(replace(run, muon=step) for step, runs in stepped for run in runs)]
    return [run for run in both if run.seed >= count]


STILL_FALLING = {
    **dict.fromkeys(((280, 1.0, 4), (320, 1.0, 3), (320, 1.0, 4)), 3),
    (280, 1.0, 0): 9,  # choice C105
}
"""Ends beside a crossing, by size, weight decay and seed, with so many times the gradients."""


@sets(
    *("seed", "dataset_size"),
    published=Grid(5, 6000, (240, 280, 320, 360, 400), run=Run(p=31, dataset_size=1)),
    quick=Grid(1, 80, (250, 400, 620), run=QUICK_RUN),
    paper=Grid(10, 20_000, (1500, 1800, 2050, 2400, 3000, 4000)),
)
def upper_branch(profile: str, grid: Grid, **changes: Any) -> list[Run]:
    """Not in the paper: random weights, by the minimiser, at the first modulus (choice C27).

    Until at rest, or for so many gradients; up to which size do they end in memory?
    """
    runs = from_random(grid, {"until_rest": profile != "quick", **changes})
    return longer(profile, runs, STILL_FALLING, **changes)


BETAS = {"published": (0.95, 0.99, 0.995), "quick": (0.9, 0.95), "paper": (0.95, 0.99, 0.995)}
FORGETTING = {"published": (360, 400, 520), "quick": (440, 620), "paper": (1900, 2600, 4200)}
FASTER = 4  # times the paper's learning rate


def second_moment(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Not in the paper: how long Adam remembers its first gradients, by beta_2 (choice C65).

    Runs of `delay`, half of the seeds, at each beta_2; of published ones all on the size in the
    middle (choice C107). Then the networks of Fig. 1a at four times the learning rate, with the
    usual beta_2 and with one that forgets four times as fast.
    """
    count = len(profiles.seed_range(profile, seeds))
    usual = _of_delay(profile, count, sizes := FORGETTING[profile])
    if profile == "published":
        more = _of_delay(profile, FEWER * count, sizes[1:2])
        usual = [*usual, *(run for run in more if run not in usual)]
    first, own = profiles.grokking(profile, count), {"n_logged": 80, "keep_weights": False}
    grok = [profiles.at_rate(run, FASTER, **own) for run in first]
    return [
        *(replace(run, beta2=beta) for beta in BETAS[profile] for run in usual),
        *grok,
        *(replace(run, beta2=run.beta2**FASTER) for run in grok),
    ]
