"""Grokking, ungrokking and memory at other learning rates, each for the same time η x epochs."""

from dataclasses import replace
from itertools import product

from grokkit.runs import Run
from varma2023 import profiles
from varma2023.profiles import QUICK_RUN, seed_range

RATES = {
    "published": (1e-3, 4e-3, 8e-3, 1.6e-2),
    "quick": (4e-3, 8e-3),
    "paper": (2.5e-4, 5e-4, 1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2),
}


def learning_rates(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """The runs of Figs. 1a and 7 at every learning rate, for equal times η x epochs.

    Those of Fig. 7 as in `profiles.ungrokking_at_first`. Ungrokking starts from the same networks
    at every rate: those trained at the paper's.
    """
    count = len(seed_range(profile, seeds))
    own = profiles.grokking(profile, count) + profiles.ungrokking_at_first(profile, count)
    other, each = {"n_logged": 80, "keep_weights": False}, product(RATES[profile], own)
    return [r if rate == r.lr else profiles.at_rate(r, rate / r.lr, **other) for rate, r in each]


def memory_rates(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Random labels at every learning rate, on the least size of Fig. 3a (choices C110, C113)."""
    base, size, epochs = (QUICK_RUN, 60, 200) if profile == "quick" else (Run(), 500, 10_000)
    usual = replace(base, dataset_size=size, epochs=epochs, n_logged=20, labels="random")
    rates = {*RATES[profile], *(usual.lr * by for by in (0.25, 0.5, 1, 2))}
    each = product(sorted(rates), seed_range(profile, seeds))
    return [profiles.at_rate(replace(usual, seed=seed), rate / usual.lr) for rate, seed in each]


FACTORS = (0.25, 0.5, 1, 2, 4, 8, 16)  # times the paper's rate
WARM = 300  # epochs at the paper's rate, in which networks memorise, before the rate is raised


def steep_rates(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """The runs of Fig. 1a by learning rate, with how steep the loss is (choices C111, C113, C115).

    Then at the two largest rates after a warm-up: at the paper's rate until the train set is
    memorised. Each for the same time η x epochs.
    """
    own = profiles.grokking(profile, len(seed_range(profile, seeds)))
    own = [replace(run, n_logged=60, keep_weights=False, steepness=profiles.PART) for run in own]
    factors = (1, 4) if profile == "quick" else FACTORS
    found = [profiles.at_rate(run, by) for by in factors for run in own]
    for by, run in product(factors[-2:], own):
        first = replace(run, epochs=WARM, n_logged=20, keep_weights=True, steepness=0.0)
        rest = replace(run, epochs=run.epochs - WARM, init=first)
        found.append(profiles.at_rate(rest, by))
    return found
