"""Sweeps that test rival accounts: a grokking run with one thing changed."""

from dataclasses import replace
from itertools import product
from typing import Any

from grokkit.runs import Run
from varma2023.profiles import PAPERS, QUICK_RUN, apply, grokking, not_none, seed_range, sets

ABLATIONS: tuple[dict[str, Any], ...] = ({}, {"weight_decay": 0.0}, {"weight_decay": 0.3})
ABLATIONS += ({"init_scale": 2.0}, {"init_scale": 0.5}, {"loss": "rounded"})
"""What is changed in a grokking run to test a rival account (Sec. 6, 7); one change each."""

UNDER_WAY = {"init_scale": 0.5}, 2  # change and seed of a run not done at its end (choice C22)
FEWER = ({"init_scale": 2.0}, {"loss": "rounded"})  # of which no verdict asks for five seeds
WAIT = 5  # times the epochs of the others: what a run without weight decay is given (choice C22)


@sets("seed", "weight_decay", "init_scale", "loss")
def ablations(profile: str = "published", seeds: int | None = None, **changes: Any) -> list[Run]:
    """Sec. 6, 7: a grokking run with one thing changed at a time, in the order of `ABLATIONS`.

    The published runs have five seeds of each weight decay and of the smaller start, and two of
    the other changes. Without weight decay for `WAIT` times the epochs, and `UNDER_WAY` for twice
    as many, but for the quick profile and where `epochs` are given.
    """
    count = seed_range(profile, seeds)
    few = seed_range(profile, seeds, published=2)
    base = Run(p=53, dataset_size=1200, epochs=20_000, n_logged=300)
    if profile == "quick":
        base = replace(QUICK_RUN, dataset_size=800, epochs=500)
    if profile == "paper":
        base = Run(epochs=50_000, n_logged=400)
    base = apply(base, changes)
    same = profile == "quick" or bool(not_none(changes))

    def times(change: dict[str, Any], seed: int) -> int:
        under_way = profile == "published" and (change, seed) == UNDER_WAY
        return 1 if same else WAIT if change.get("weight_decay") == 0 else 1 + under_way

    each = ((change, s) for change in ABLATIONS for s in (few if change in FEWER else count))
    return [replace(base, seed=s, epochs=times(c, s) * base.epochs, **c) for c, s in each]


SLOW = 4  # seed of a run of `smaller_start` that has not grokked when the others have


def smaller_start(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Sec. 6: runs of `profiles.grokking` from half of the usual initial weights (choice C48).

    Of the published ones that of `SLOW` is twice as long.
    """
    count = len(seed_range(profile, seeds, paper=5))
    runs = grokking(profile, count, init_scale=0.5, keep_weights=False)
    longer = profile == "published"
    return [replace(r, epochs=2 * r.epochs) if longer and r.seed == SLOW else r for r in runs]


NO_EPS = 1e-150  # an ε of Adam's that stops nothing: float64 holds the squares of such slopes
WITHOUT = {
    "published": (Run(p=53, dataset_size=1200), ((1200, 20_000), (2000, 20_000), (2400, 20_000))),
    "quick": (QUICK_RUN, ((700, 120), (800, 120))),
    "paper": (PAPERS, ((PAPERS.dataset_size, 50_000), (9000, 50_000))),
}
"""By profile a run, and the sizes and epochs of those without weight decay."""


def without_decay(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Without weight decay, on more examples, and without Adam's ε (choices C43, C72).

    By size and seed at four times the paper's learning rate, with `NO_EPS`, in float64; then all
    sizes but the second at that rate with the usual ε, and the second as in `ablations`.
    """
    count = seed_range(profile, seeds)
    first, lengths = WITHOUT[profile]
    base = replace(first, weight_decay=0.0)
    exact = replace(base, lr=4 * PAPERS.lr, eps=NO_EPS, precision="float64")
    each = product(lengths, count)
    free = [replace(exact, dataset_size=D, epochs=epochs, seed=s) for (D, epochs), s in each]
    size, epochs = lengths[1]
    others = [run for run in free if run.dataset_size != size]
    more = [replace(base, dataset_size=size, epochs=epochs, seed=seed) for seed in count]
    return free + [replace(run, eps=PAPERS.eps, precision="float32") for run in others] + more


def with_decay(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Not in the paper: with weight decay, on the largest size of `without_decay` (choice C92)."""
    first, lengths = WITHOUT[profile]
    (size, epochs), count = lengths[-1], seed_range(profile, seeds)
    base = replace(first, dataset_size=size, epochs=epochs // 4, lr=4 * PAPERS.lr)
    return [replace(base, seed=seed) for seed in count]


def slingshots(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Not in the paper: without weight decay, with the loss that rounds and with the exact one.

    Choice C85. The first size of `without_decay` at its larger rate, but for the quick profile for
    as long in lr x epochs as the runs of `ablations`; the first seed with the rounded loss at the
    usual rate, too; then half of the seeds on the last size, as there.
    """
    count = seed_range(profile, seeds, published=10)
    first, lengths = WITHOUT[profile]
    own: dict[str, Any] = {"dataset_size": lengths[0][0], "weight_decay": 0.0, "lr": 4 * PAPERS.lr}
    fast = replace(first, **own)
    length = {"published": 25_000, "quick": 200, "paper": 62_500}[profile]
    few = [replace(fast, epochs=length, seed=seed) for seed in count]
    (size, epochs), half = lengths[-1], few[: (len(few) + 1) // 2]
    many = [replace(run, dataset_size=size, epochs=epochs) for run in half]
    rounded = [replace(run, loss="rounded") for run in [*few, *many]]
    return few + many + rounded + [replace(few[0], lr=PAPERS.lr, epochs=4 * length, loss="rounded")]


def other_slingshots(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Not in the paper: `slingshots`, but Adam's second moment forgets half as fast (C86)."""
    runs = slingshots(profile, seeds)[: len(seed_range(profile, seeds, published=3))]
    return [replace(run, loss="rounded", beta2=(1 + run.beta2) / 2) for run in runs]


NEAR_MIRRORS = (0, 4, 5, 6, 7, 9)  # seeds of `slingshots` that end near what mirror images give


def longer_slingshots(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Not in the paper: networks of `slingshots` that only memorise, three times as long (C88).

    From the same random weights; of the other profiles all.
    """
    first = slingshots(profile, seeds)[0]
    n_logged = first.n_logged * 3 // 2
    longer = replace(first, loss="rounded", epochs=3 * first.epochs, n_logged=n_logged)
    own = NEAR_MIRRORS[:seeds] if profile == "published" else seed_range(profile, seeds)
    return [replace(longer, seed=seed) for seed in own]
