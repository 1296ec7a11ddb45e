"""The sweep that tests rival accounts: a grokking run with something changed."""

from dataclasses import replace
from typing import Any

from grokkit.runs import Run
from varma2023.profiles import QUICK_RUN, apply, seed_range, sets

ABLATIONS: tuple[dict[str, Any], ...] = (
    {},
    {"weight_decay": 0.0},
    {"weight_decay": 0.3},
    {"init_scale": 2.0},
    {"init_scale": 0.5},
    {"loss": "rounded"},
    {"weight_decay": 0.0, "loss": "rounded"},
)
"""What is changed in a grokking run to test a rival account (Sec. 6, 7)."""

WAIT = 5  # times the epochs of the others: what a run without weight decay is given (choice C22)


@sets("seed", "weight_decay", "init_scale", "loss")
def ablations(profile: str = "published", seeds: int | None = None, **changes: Any) -> list[Run]:
    """Sec. 6, 7: a grokking run with something changed, in the order of `ABLATIONS`.

    Without weight decay for `WAIT` times the epochs, but for the quick profile and where `epochs`
    are given.
    """
    count = seed_range(profile, seeds, published=5, quick=1, paper=10)
    base = Run(p=53, dataset_size=1200, epochs=20_000, n_logged=300)
    if profile == "quick":
        base = replace(QUICK_RUN, dataset_size=800, epochs=900, n_logged=80)
    if profile == "paper":
        base = Run(epochs=50_000, n_logged=400)
    base = apply(base, changes)
    same = profile == "quick" or changes.get("epochs") is not None
    without = base if same else replace(base, epochs=WAIT * base.epochs)
    return [
        replace(base if change.get("weight_decay", 1) else without, seed=seed, **change)
        for change in ABLATIONS
        for seed in count
    ]
