"""The sweeps behind the paper's predictions, each run taken to a minimum of Eq. (2).

Efficiency (Sec. 5.1), the transition of ungrokking (Sec. 5.2) and what random weights lead to
(App. A.2). Sizes are given for the 12,769 examples of x + y mod 113, and scale with a task's.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from grokkit.runs import Run
from varma2023.profiles import (
    EVERYTHING,
    QUICK_P,
    WEIGHT_DECAYS,
    _at_quick_p,
    _base,
    _decays,
    _shared,
    _sizes,
    _to_the_minimum,
    check_profile,
    full_data,
    seed_range,
    sets,
    ungrokking,
)


@sets("seed", "dataset_size", "weight_decay")
def transition(
    profile: str = "published",
    seeds: int | None = None,
    sizes: Sequence[int] | None = None,
    weight_decays: Sequence[float] | None = None,
    **changes: Any,
) -> list[Run]:
    """Figs. 4, 10: where ungrokking ends, by reduced dataset size D' and weight decay.

    From networks trained on every example with weight decay 1 to a minimum of Eq. (2).
    """
    check_profile(profile)
    count = len(seed_range(seeds, {"published": 2, "quick": 1, "paper": 10}[profile]))
    inits = full_data(profile, count, **_shared(changes))
    default: dict[str, list[float]] = {
        "published": [300.0, 450.0, 600.0, 700.0, 800.0, 900.0, 1050.0, 1500.0, 3000.0],
        "quick": _at_quick_p(40, 120, 250, 400),
        "paper": np.geomspace(300, 10_000, 20).tolist(),
    }
    evaluations = {"published": 1500, "quick": 250, "paper": 3000}[profile]
    chosen = _sizes(sizes, default[profile], inits[0])
    return _to_the_minimum(inits, chosen, _decays(profile, weight_decays), evaluations, changes)


@sets("seed", "dataset_size", "weight_decay")
def transition_adamw(
    profile: str = "published",
    seeds: int | None = None,
    sizes: Sequence[int] | None = None,
    weight_decays: Sequence[float] | None = None,
    **changes: Any,
) -> list[Run]:
    """Fig. 4 by the paper's protocol: AdamW from the networks trained on every example.

    The paper has 100,000 epochs for every weight decay. The published runs have twenty times
    1 / (lr lambda) each, so that they can be compared at equal decay times.
    """
    check_profile(profile)
    decays: dict[str, Sequence[float]] = {
        "published": (0.5, 1.0, 2.0),
        "quick": (0.5, 2.0),
        "paper": WEIGHT_DECAYS,
    }
    if profile != "quick":
        default = {
            "published": [300.0, 390.0, 610.0, 763.0, 955.0, 1494.0],
            "paper": np.geomspace(300, 10_000, 20).tolist(),
        }[profile]
        sizes = _sizes(sizes, default, _base(profile, changes))
    count = 1 if seeds is None and profile == "quick" else seeds
    runs = []
    for decay in decays[profile] if weight_decays is None else weight_decays:
        epochs = {"published": round(20_000 / decay), "quick": 800, "paper": 100_000}[profile]
        own = {"epochs": epochs, **changes, "weight_decay": decay}
        runs += ungrokking(profile, count, sizes, **own)
    return runs


@sets()
def epsilon(
    profile: str = "published",
    seeds: int | None = None,
    sizes: Sequence[int] | None = None,
    eps: Sequence[float] = (1e-9, 1e-8, 1e-7),
) -> list[Run]:
    """Not in the paper: whether D_crit moves with Adam's epsilon, half of alpha = eps lambda.

    The published sweep is at p = 53.
    """
    check_profile(profile)
    p = QUICK_P if profile == "quick" else 53
    count = len(seed_range(seeds, {"published": 3, "quick": 1, "paper": 10}[profile]))
    inits = full_data(profile, count, p=p)
    default = [0.04, 0.06, 0.08, 0.1, 0.12, 0.15, 0.2, 0.3]
    shares = [0.04, 0.15, 0.45] if profile == "quick" else default
    evaluations = {"published": 1000, "quick": 60, "paper": 3000}[profile]
    chosen = _sizes(sizes, [share * EVERYTHING for share in shares], inits[0])
    return [
        run
        for value in eps
        for run in _to_the_minimum(inits, chosen, [1.0], evaluations, {"eps": value})
    ]
