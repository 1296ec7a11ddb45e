"""Grokking and ungrokking at other learning rates, each for the same time η x epochs."""

from dataclasses import replace

from grokkit.runs import Run
from varma2023 import profiles
from varma2023.delay.sweeps import delay
from varma2023.profiles import seed_range

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
    count = len(seed_range(profile, seeds, published=5, quick=1, paper=10))
    own = profiles.grokking(profile, count) + profiles.ungrokking_at_first(profile, count)
    return [at_rate(run, rate) for rate in RATES[profile] for run in own]


def at_rate(run: Run, rate: float) -> Run:
    """The run at another learning rate, for the same time; without its final weights."""
    if rate == run.lr:
        return run
    at = replace(run, lr=rate, n_logged=80, keep_weights=False)
    return replace(at, epochs=round(run.epochs * run.lr / rate))


BETAS = {"published": (0.95, 0.99, 0.995), "quick": (0.9, 0.95), "paper": (0.95, 0.99, 0.995)}
SIZES = {"published": (360, 400, 520), "quick": (440, 620), "paper": (1900, 2600, 4200)}


def second_moment(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Not in the paper: how long Adam remembers its first gradients, by beta_2 (choice C65).

    Runs of `delay`, half of the seeds, at each beta_2. Then the networks of Fig. 1a at four times
    the learning rate, with a beta_2 that forgets four times as fast.
    """
    count = len(seed_range(profile, seeds, published=5, quick=1, paper=10))
    usual = [
        run
        for run in delay(profile, seeds=2 * count)
        if run.dataset_size in SIZES[profile] and run.weight_decay == 1 and run.seed < count
    ]
    faster = [at_rate(run, 4 * run.lr) for run in profiles.grokking(profile, count)]
    return [
        *(replace(run, beta2=beta) for beta in BETAS[profile] for run in usual),
        *(replace(run, beta2=run.beta2**4) for run in faster),
    ]
