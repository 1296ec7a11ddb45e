"""Networks near D_crit: semi-grokking (Sec. 5.3), and what holds them or leads them on."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain, product
from typing import Any

import numpy as np

from grokkit.runs import Run
from varma2023 import profiles
from varma2023.measures import stable_below
from varma2023.profiles import QUICK_RUN, Grid, Sizes, apply, early, minimised, seed_range, sets

Networks = Collection[tuple[int, int]] | None
"""Dataset size and seed of some networks of a sweep; None: all."""

# what `minimised` sets
BY_THE_MINIMISER = ("epochs", "optimiser", "precision", "tolerance", "n_logged", "keep_weights")
LONGER = 4  # times the epochs, to see whether a network stays where it ended
AGAIN = ((360, 2), (360, 3), (400, 2), (420, 0))  # D and seed of the semi-grokked published runs


def _chosen(runs: Iterable[Run], wanted: Networks) -> list[Run]:
    """The runs of the wanted networks."""
    return [run for run in runs if wanted is None or (run.dataset_size, run.seed) in wanted]


def _left(profile: str, runs: Iterable[Run], published: Networks) -> list[Run]:
    """The published runs of these networks; in the quick profile one, of the paper's grid all."""
    return _chosen(runs, {"published": published, "quick": ((300, 0),)}.get(profile))


def _at_rate(runs: Iterable[Run], times: float, **changes: Any) -> list[Run]:
    """The runs at so many times their learning rate, each for the same time lr x epochs."""
    return [profiles.at_rate(run, times, **changes) for run in runs]


def _on(start: Run, times: int, **changes: Any) -> Run:
    """The run that goes on from where this one ends, for so many times as long."""
    epochs, init = times * start.epochs, replace(start, keep_weights=True)
    return replace(start, epochs=epochs, init=init, keep_weights=False, **changes)


@sets(
    *("seed", "dataset_size"),
    published=Grid(5, 50_000, range(300, 441, 20), run=Run(p=31, dataset_size=1, n_logged=300)),
    quick=Grid(1, 300, (300, 440, 800), run=QUICK_RUN),
    paper=Grid(10, 30_000_000, np.linspace(1500, 2050, 20), run=Run(n_logged=500)),
)
def semi_grokking(profile: str, grid: Grid, **changes: Any) -> list[Run]:
    """Figs. 1c, 5, 6: AdamW from random weights near D_crit, for as long as can be paid.

    The paper's is 20 sizes x 10 seeds x 3e7 epochs at p = 113. The published sweep, at p = 31, is
    8 sizes x 5 seeds x 50,000 epochs.
    """
    first = apply(replace(grid.run, dataset_size=1, epochs=grid.epochs), changes)
    wanted = product(grid.sizes_of(first), range(grid.seeds))
    return [replace(first, dataset_size=size, seed=seed) for size, seed in wanted]


@sets("seed", "dataset_size", *BY_THE_MINIMISER)
def semi_grokking_ends(
    profile: str = "published", seeds: int | None = None, sizes: Sizes = None, **changes: Any
) -> list[Run]:
    """Not in the paper: the networks of `semi_grokking`, taken to a minimum of Eq. (2) instead.

    From the same random weights: AdamW until the train set is memorised, then the minimiser. In
    the order of `semi_grokking`.
    """
    gradients = {"published": 1500, "quick": 80, "paper": 3000}
    runs = semi_grokking(profile, seeds, sizes, **changes)
    return [minimised(run, gradients[profile], early(run), "mixed") for run in runs]


def semi_grokking_again(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Not in the paper: semi-grokked runs once more, from the same random weights.

    All of them four times as long (twice in the quick profile), to see whether they stay; then all
    in float64, to see whether rounding decides. Published are those that end semi-grokked; of the
    paper's grid, all runs.
    """
    chosen = _left(profile, semi_grokking(profile, seeds), AGAIN)
    times = 2 if profile == "quick" else LONGER
    longer = [replace(run, epochs=times * run.epochs) for run in chosen]
    return longer + [replace(run, precision="float64") for run in chosen]


def rounded(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Not in the paper: `semi_grokking` with the loss that rounds in float32 (choice C30).

    The paper's grid has all sizes of it, the others some, in the published one those that were
    finished (choice C64).
    """
    sizes = {"published": (360, 380, 400), "quick": (300, 440), "paper": None}[profile]
    return [replace(run, loss="rounded") for run in semi_grokking(profile, seeds, sizes)]


ROUNDED_AGAIN = (  # D and seed, in the order of choice C66
    *((360, 3), (380, 2), (400, 3), (360, 0), (360, 4), (380, 3), (400, 2), (380, 0)),
)


def rounded_again(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Not in the paper: runs of `rounded` that end semi-grokked, four times as long (choice C66).

    From the same random weights; in the quick profile twice as long, of the paper's grid all.
    """
    times = 2 if profile == "quick" else LONGER
    runs = _left(profile, rounded(profile, seeds), ROUNDED_AGAIN)
    return [replace(run, epochs=times * run.epochs) for run in runs]


def held(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Not in the paper: what holds networks of `rounded_again` in the middle (choice C67).

    From where they end in `rounded`, for twice as long: with the exact loss, then with the rounded
    one. Then from there by the minimiser.
    """
    left = _left(profile, rounded(profile, seeds), ROUNDED_AGAIN)
    on = [_on(start, 2, loss=loss) for loss, start in product(("exact", "rounded"), left)]
    return on + profiles.to_rest(profile, left)


STEP = 8  # times the usual learning rate


def larger_step(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Not in the paper: its p and sizes near D_crit at eight times its learning rate (choice C25).

    By seed and size, then controls: the largest size at the usual learning rate, for the same time
    η x epochs.
    """
    quick = profile == "quick"
    count = seed_range(profile, seeds)
    base = replace(QUICK_RUN, lr=1e-3, epochs=120) if quick else Run(epochs=16_000, n_logged=300)
    sizes = (300, 440, 620) if quick else (1700, 2050)
    usual = [replace(base, dataset_size=size, seed=seed) for size, seed in product(sizes, count)]
    controls = [run for run in usual if run.dataset_size == sizes[-1]]
    larger = [replace(run, lr=STEP * run.lr) for run in usual]
    return larger + [replace(run, epochs=STEP * run.epochs) for run in controls]


def nearest(step: Sequence[Run]) -> list[Run]:
    """Of the runs of `larger_step` those on its largest size, at the larger rate."""
    most, rate = step[-1].dataset_size, step[0].lr
    return [run for run in step if (run.dataset_size, run.lr) == (most, rate)]


LOWERED = 4  # times lower is the rate once a network has memorised
CALM_UNTIL = 300  # the epoch from which it is: all have memorised, and none has spiked yet


def lowered(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Not in the paper: the largest size of `larger_step`, its larger rate lowered (choice C41).

    It is from an early epoch on, in which the networks have memorised; for the same time in all.
    """
    large = nearest(larger_step(profile, seeds))
    return _at_rate([_once_memorised(run) for run in large], 1 / LOWERED)


def _once_memorised(run: Run, **changes: Any) -> Run:
    """The run in two parts, of which this is the second, with the changes (`CALM_UNTIL`)."""
    early = min(CALM_UNTIL, run.epochs // 2)
    begun = replace(run, epochs=early, n_logged=20, keep_weights=True)
    return replace(run, epochs=run.epochs - early, init=begun, **changes)


TRAINED_TOO = ((1645, 3), (1645, 4), (1789, 3), (1905, 3))  # size and seed, on a processor


def papers_sizes(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Not in the paper: its 200 networks near D_crit, at `STEP` times its rate (choice C45).

    Then five of the 20 sizes with three seeds, and `TRAINED_TOO`, at half of that rate; each for
    the same time lr x epochs.
    """
    own = {"published": {"epochs": 128_000, "n_logged": 140}, "quick": {"epochs": 800}}
    grid = "paper" if profile == "published" else profile
    usual = semi_grokking(grid, seeds, **own.get(profile, {}))
    sizes = sorted({run.dataset_size for run in usual})
    few = {sizes[round(part * (len(sizes) - 1))] for part in (0, 0.25, 0.5, 0.75, 1)}
    fewer = _chosen(usual, {*product(few, range(3)), *TRAINED_TOO})
    return _at_rate(usual, STEP) + _at_rate(fewer, STEP / 2)


RATES = (4, STEP, 16)  # times the usual learning rate


def leaving_memory(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Not in the paper: `semi_grokking` at larger learning rates, for the same time (choice C34).

    By rate, size and seed, each with lr x epochs as there. Published are smaller sizes than there,
    up to where all networks generalise; of the paper's, all sizes.
    """
    sizes = {"published": range(220, 361, 20), "quick": (300, 440), "paper": None}[profile]
    usual = semi_grokking(profile, seeds, sizes)
    return [run for times in RATES for run in _at_rate(usual, times)]


LATER: dict[int, Networks] = {
    1: (
        *((320, 5), (320, 6), (320, 8), (340, 5), (340, 6), (340, 8), (340, 9)),
        *((360, 5), (360, 6), (360, 7), (360, 8), (360, 9), (380, 5), (380, 7)),
    ),
    STEP: ((280, 5), (280, 8), *product((300, 320, 340, 360), range(5, 10)), (380, 9)),
}
"""By times the usual learning rate size and seed of published networks of `leaving_more`."""


def leaving_more(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Not in the paper: as many more networks that leave memory, at two rates (choice C99).

    At the rate of `semi_grokking` and at `STEP` times that, each for the same time lr x epochs.
    Published are those on the sizes around which each network goes over.
    """
    if profile == "quick":
        return []
    count, published = len(seed_range(profile, seeds)), profile == "published"
    sizes = range(280, 381, 20) if published else None
    usual = [run for run in semi_grokking(profile, 2 * count, sizes) if run.seed >= count]
    wanted = LATER if published else dict.fromkeys(LATER)
    return [run for times, own in wanted.items() for run in _at_rate(_chosen(usual, own), times)]


def leaving_memory_53(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Not in the paper: `semi_grokking` at p = 53, also at larger rates (C44, C61, C116).

    At the usual rate, then at `RATES` times that, each for the same time lr x epochs; at the
    largest of them on smaller sizes, too.
    """
    sizes, epochs = {"quick": ((150, 200, 350), 240)}.get(profile, (range(560, 1041, 60), 24_000))
    every = semi_grokking(profile, seeds, sizes, p=23 if profile == "quick" else 53, epochs=epochs)
    usual = [run for run in every if run.dataset_size >= 680 or profile == "quick"]
    *lower, most = RATES
    larger = [run for times in lower for run in _at_rate(usual, times)]
    return usual + larger + _at_rate(every, most)


MIDDLE_53 = ((8e-3, 800, 4), *((16e-3, *own) for own in ((740, 1), (740, 3), (800, 3), (860, 1))))
"""Learning rate, size and seed of published networks of `leaving_memory_53` in the middle."""


def carried_53(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Not in the paper: those of `MIDDLE_53`, on by the minimiser until at rest (choice C103).

    None in the quick profile.
    """
    every = leaving_memory_53(profile, seeds)
    middle = [run for run in every if (run.lr, run.dataset_size, run.seed) in MIDDLE_53]
    return profiles.to_rest(profile, middle)


SLOWER = 4  # times lower than the usual learning rate
LED_OUT = ((320, 0), (340, 0), (340, 3), *((360, seed) for seed in range(5)))
"""Size and seed of the published networks of `slower` that end above 1/2 at the usual rate."""


def slower(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Not in the paper: `semi_grokking` at a quarter of its rate, as long in lr x epochs (C51).

    Published are those of `LED_OUT`, at the sizes around which networks change from memory to the
    rule; of the paper's, all.
    """
    sizes = {"published": (320, 340, 360), "quick": (300, 440), "paper": None}[profile]
    usual = semi_grokking(profile, seeds, sizes)
    return _at_rate(_chosen(usual, LED_OUT if profile == "published" else None), 1 / SLOWER)


MIDDLE = {
    1: ((340, 6), (420, 0)),
    4: ((320, 0), (340, 4), (360, 0), (360, 8), (380, 6), (380, 9), (400, 0)),
    STEP: ((300, 5), (300, 8), (320, 4), (340, 9), (360, 3), (380, 9)),
}
"""By times the usual learning rate size and seed of published networks left in the middle."""


def middling(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Not in the paper: networks in the middle, at up to `STEP` times the rate (choice C39).

    For four times as long; then each from where it ends, by the minimiser, until at rest. Published
    are those of `leaving_memory`, of `leaving_more` (choice C101) and of `delay.sweeps.delay` that
    end so, and of `semi_grokking_again` the one that stays; of the paper's, all.
    """
    longer = [replace(r, epochs=LONGER * r.epochs) for r in _in_the_middle(profile, seeds, MIDDLE)]
    return longer + profiles.to_rest(profile, longer)


LASTING = {STEP: ((300, 5), (300, 8))}
"""As `MIDDLE`, of those below 0.9 that are on a plateau in the longer run, too."""


def lasting(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Not in the paper: longer runs of `middling` that stay, on from there by AdamW (choice C104).

    In float64 and in float32, for half as long; then at the usual rate, for a quarter of the time.
    None in the quick profile; of the paper's all, at `STEP`.
    """
    own = [] if profile == "quick" else _in_the_middle(profile, seeds, LASTING)
    on = [_on(replace(run, epochs=LONGER * run.epochs), 1) for run in own]
    half = [replace(run, epochs=run.epochs // 2) for run in on]
    alike = [replace(run, precision=each) for each in ("float64", "float32") for run in half]
    return alike + _at_rate((replace(r, epochs=r.epochs // LONGER) for r in on), 1 / STEP)


def _in_the_middle(profile: str, seeds: int | None, published: Mapping[int, Any]) -> list[Run]:
    """Runs of `semi_grokking` at larger rates; the published by times the usual rate, as `MIDDLE`.

    Of the paper's profile all, at these rates.
    """
    usual = semi_grokking(profile, 10 if profile == "published" and seeds is None else seeds)
    some: dict[str, Mapping[int, Any]] = {"published": published, "quick": {4: ((300, 0),)}}
    wanted = some.get(profile, dict.fromkeys(published))
    return [run for times, own in wanted.items() for run in _at_rate(_chosen(usual, own), times)]


_SEEDS = {360: range(5), 380: (0, 2, 3, 4), 400: (2, 3)}
ROUNDED_MIDDLE = tuple((size, seed) for size, seeds in _SEEDS.items() for seed in seeds)
"""Size and seed of the published networks of `rounded` that end in the middle."""


def carried(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Not in the paper: from where networks end in the middle, by the minimiser (choice C69).

    Those of `rounded`, then those of `middling` and of `semi_grokking_again`, before they were
    trained for longer. Of the paper's profile all, also of those that do not end so.
    """
    runs = _left(profile, rounded(profile, seeds), ROUNDED_MIDDLE)
    runs += _in_the_middle(profile, seeds, {**MIDDLE, 1: (*AGAIN, *MIDDLE[1])})
    return profiles.to_rest(profile, runs)


LED = {
    4: ((320, 0), (340, 4), (360, 0), (360, 8), (380, 9)),
    STEP: ((300, 8), (320, 4), (340, 9), (360, 3)),
}
"""As `MIDDLE`, of those that are in the middle again."""


def continued(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Not in the paper: networks of `carried`, on by AdamW from the same weights (choice C70).

    Of those with the exact loss and a larger rate that were in the middle; three times as long.
    """
    return [_on(run, LONGER - 1) for run in _in_the_middle(profile, seeds, LED)]


LEFT = (
    *((1529, 4), (1529, 6), (1558, 4), (1587, 5), (1645, 7), (1732, 9), (1761, 2), (1789, 1)),
    *((1789, 4), (1818, 3), (1818, 6), (1847, 5), (1876, 4), (1905, 7), (1905, 9), (1963, 9)),
)
"""Size and seed of the published networks of `papers_sizes` left in the middle at `STEP`."""
STILL = ((1818, 3), (1905, 7))  # of these, the ones that are there in the longer run, too


def papers_sizes_again(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Not in the paper: networks of `papers_sizes` that are left in the middle (choice C45).

    At the larger rate, for four times as long; then those that are there still, from where they
    end, by the minimiser. Of the paper's profile all, of both.
    """
    runs = papers_sizes(profile, seeds)
    large = _left(profile, (run for run in runs if run.lr == runs[0].lr), LEFT)
    longer = [replace(run, epochs=4 * run.epochs) for run in large]
    return longer + profiles.to_rest(profile, _left(profile, longer, STILL))


NARROW_SIZES = {31: range(300, 461, 40), 47: range(600, 841, 60), 59: range(940, 1101, 40)}
SLOW_SIZES = (340, 380)  # of the first of these moduli, at the usual rate, too


def narrower(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Not in the paper: fresh networks less than half as wide, at three moduli (choice C83).

    Near where they change from memory to the rule, at four times the usual rate, and at the first
    modulus by more seeds; then some of those at the usual rate. Each for the same time lr x epochs.
    """
    first, quick = min(NARROW_SIZES), profile == "quick"
    runs = []
    for p, sizes in {first: (300, 440)}.items() if quick else NARROW_SIZES.items():
        count = len(seed_range(profile, seeds, published=10 if p == first else 5))
        runs += semi_grokking(profile, count, sizes, p=p, model=profiles.NARROW, n_logged=100)
    slow = [run for run in runs if run.p == first and run.seed < 5]
    return _at_rate(runs, RATES[0]) + [r for r in slow if quick or r.dataset_size in SLOW_SIZES]


NARROW_MIDDLE = {
    31: (
        *((340, 1), (340, 5), *((380, seed) for seed in (0, 1, 2, 4, 5, 8))),
        *(*((420, seed) for seed in (1, 3, 4, 8, 9)), *((460, seed) for seed in (2, 5, 7))),
    ),
    47: ((780, 1), (840, 1), (840, 2)),
    59: ((1020, 0), (1020, 3)),
}
"""By modulus size and seed of published networks of `narrower` that end in the middle."""
FOLLOWED = 12  # of these at the first modulus, on by AdamW


def narrower_ends(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Not in the paper: networks of `narrower` in the middle, on from there (choice C83).

    By the minimiser until at rest; then the first of them by AdamW, for three times as long.
    """
    every, some = narrower(profile, seeds), profile == "published"
    fast = [run for run in every if run.lr == every[0].lr]
    middle = [r for r in fast if not some or (r.dataset_size, r.seed) in NARROW_MIDDLE[r.p]]
    first = [run for run in middle if run.p == min(NARROW_SIZES)]
    on = [_on(start, LONGER - 1) for start in first[: FOLLOWED if some else None]]
    return profiles.to_rest(profile, middle) + on


MORE_MIDDLE = ((940, 9), (1060, 6), (980, 17), (1020, 17), (1020, 23))
"""Size and seed of published networks of `narrower_more` that end in the middle."""
MORE_FALLING = {(1020, 1.0, 17, 48): 3}
"""Of these, ends with so many times the gradients: see `profiles.longer`."""


def narrower_more(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Not in the paper: `narrower` at its last modulus, with further seeds (choice C87).

    Then those that end in the middle, on from there by the minimiser until at rest. In the quick
    profile at the first modulus.
    """
    count, quick = len(seed_range(profile, seeds)), profile == "quick"
    p = (min if quick else max)(NARROW_SIZES)
    sizes = (440,) if quick else NARROW_SIZES[p]
    last = count * (3 if quick else 5)
    runs = semi_grokking(profile, last, sizes, p=p, model=profiles.NARROW, n_logged=100)
    fresh = _at_rate((run for run in runs if run.seed >= count), RATES[0])
    middle = _chosen(fresh, MORE_MIDDLE if profile == "published" else None)
    return fresh + profiles.longer(profile, profiles.to_rest(profile, middle), MORE_FALLING)


EDGE = 16  # times the usual learning rate, at which nearly all networks spike at p = 31


def momentum(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Not in the paper: the curvature that AdamW tolerates, moved by momentum alone (choice C36).

    Two sizes at which networks of `semi_grokking` stay in memory: with so little momentum that
    AdamW tolerates no more than at `EDGE` times the rate; as they are; and at that rate with so
    much that it tolerates what it does at the usual one. Each for the same time lr x epochs.
    """
    sizes = {"published": (280, 300), "quick": (300,), "paper": (1500, 1600)}[profile]
    usual = semi_grokking(profile, seeds, sizes)
    limit = stable_below(usual[0])
    less, more = ((each - 2) / (each + 2) for each in (limit / EDGE, limit * EDGE))
    beta2 = 1 - (1 - usual[0].beta2) / EDGE  # its average goes on for as long in lr x epochs
    fast = _at_rate(usual, EDGE, beta1=more, beta2=beta2)
    return [*(replace(run, beta1=less) for run in usual), *usual, *fast]


IN_MEMORY = {"published": (260, 280, 300), "quick": (300,), "paper": (1500, 1587)}
"""Sizes of `semi_grokking` on which networks stay in memory at the usual rate."""


def clipped(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Not in the paper: networks that spike in memory, with long gradients clipped (choice C54).

    From where they have memorised, as they are and clipped: the largest size of `larger_step` at
    its larger rate, then sizes of `semi_grokking` at `EDGE` times the usual rate.
    """
    small = _at_rate(semi_grokking(profile, seeds, IN_MEMORY[profile]), EDGE)
    kinds = (nearest(larger_step(profile, seeds)), (0, 500)), (small, (0, 250, 2500))
    return [_once_memorised(r, clip=clip) for runs, clips in kinds for clip in clips for r in runs]


NOISE = {"lowered": 70, "small": 300}  # ε: the usual slope in memory at a larger rate (choice C55)


def kicked(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Not in the paper: noise on every slope, as large as those of a large rate (choice C55).

    The networks of `lowered`; then some of `leaving_memory` at the least of its rates; then the
    same without noise, with the epsilon that this noise amounts to.
    """
    small = _at_rate(semi_grokking(profile, seeds, IN_MEMORY[profile]), RATES[0])
    noisy = [replace(run, noise=NOISE["lowered"]) for run in lowered(profile, seeds)]
    noisy += [replace(run, noise=NOISE["small"]) for run in small]
    return noisy + [replace(run, eps=(1 + NOISE["small"]) * run.eps) for run in small]


def exchanged(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Not in the paper: the step over epsilon, by either, at the same epsilon x decay (choice C59).

    From where they have memorised, some of `leaving_memory` at the largest of its rates: as they
    are; with lr and epsilon smaller by the same factor; with `EDGE` times their epsilon; with the
    usual rate. Each for the same time lr x weight decay x epochs.
    """
    small = _at_rate(semi_grokking(profile, seeds, IN_MEMORY[profile]), EDGE)
    large = [_once_memorised(run) for run in small]
    alike = [(1 / times, 1 / times) for times in (1, 2, 4, EDGE)]
    cells = *alike, (1, EDGE), (1 / EDGE, 1)  # times the rate and epsilon

    def made(run: Run, lr: float, eps: float) -> Run:
        other = replace(run, lr=lr * run.lr, epochs=round(run.epochs * eps / lr))
        return replace(other, eps=eps * run.eps, weight_decay=run.weight_decay / eps)

    return [made(run, *cell) for cell in cells for run in large]


BETWEEN = (1.25, 2)  # times the usual learning rate


def steep(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Not in the paper: how steep the loss is along runs near D_crit (choice C32).

    The largest size of `larger_step` at the larger learning rate, at the usual one, that of
    `rounded`, then at two rates between; for fewer epochs. Seeds from 1 on: by seed 0 the rule was
    made.
    """
    count = len(seed_range(profile, seeds)) + 1
    step, rounding = larger_step(profile, count), rounded(profile, count)
    usual, large = step[-1].lr, nearest(step)
    lengths, n = (5500, 6000, 6000, 4000, 4000), 150
    if profile == "quick":
        lengths, n = (100,) * 5, 25
    rounding = [run for run in rounding if run.dataset_size == rounding[-1].dataset_size]
    slow, *between = ([replace(run, lr=times * usual) for run in large] for times in (1, *BETWEEN))
    kinds = zip((large, slow, rounding, *between), lengths, strict=True)
    runs = [replace(run, epochs=epochs) for kind, epochs in kinds for run in kind if run.seed]
    return [replace(run, n_logged=n, steepness=profiles.PART) for run in runs]


def forgetting(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Not in the paper: how steep the loss is while networks ungrok (choice C47).

    By AdamW at the paper's rate: for long on few examples, then on so many that the rule stays.
    """
    lengths = {"quick": {40: 300, 400: 150}}.get(profile, {300: 80_000, 1194: 20_000})
    count = len(seed_range(profile, seeds, quick=2))
    runs = (profiles.ungrokking(profile, count, [size], epochs=n) for size, n in lengths.items())
    return _followed(profile, runs)


def remembering(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Not in the paper: how steep the loss is while fresh networks stay in memory (choice C49).

    By AdamW at the paper's rate and modulus: on few examples, then on the least size of its Fig. 5.
    """
    lengths = {"quick": {40: 300, 300: 150}}.get(profile, {300: 80_000, 1500: 100_000})
    p = None if profile == "quick" else profiles.PAPERS.p
    runs = (semi_grokking(profile, seeds, [size], p=p, epochs=n) for size, n in lengths.items())
    return _followed(profile, runs)


def _followed(profile: str, by_size: Iterable[list[Run]]) -> list[Run]:
    """All of these runs, with the steepness at each of many evaluations."""
    n, runs = 40 if profile == "quick" else 500, chain.from_iterable(by_size)
    return [replace(run, n_logged=n, steepness=profiles.PART) for run in runs]
