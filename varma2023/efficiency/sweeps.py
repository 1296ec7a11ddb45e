"""The sweeps behind the paper's predictions, each run taken to a minimum of Eq. (2).

Efficiency (Sec. 5.1), the transition of ungrokking (Sec. 5.2) and what random weights lead to
(App. A.2). Sizes are given for the 12,769 examples of x + y mod 113, and scale with a task's.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from grokkit.runs import Run
from varma2023.profiles import (
    _at_quick_p,
    _base,
    _decays,
    _shared,
    _sizes,
    _to_the_minimum,
    check_profile,
    early,
    full_data,
    grokking,
    seed_range,
    sets,
)


@sets("seed", "dataset_size", "weight_decay", "labels")
def memorising(
    profile: str = "published",
    seeds: int | None = None,
    sizes: Sequence[int] | None = None,
    weight_decays: Sequence[float] | None = None,
    **changes: Any,
) -> list[Run]:
    """Fig. 3a, b: networks that can only memorise, on random labels, by size and weight decay.

    From AdamW's weights after a few hundred epochs to a minimum of Eq. (2).
    """
    check_profile(profile)
    count = seed_range(seeds, {"published": 2, "quick": 1, "paper": 10}[profile])
    base = _base(profile, changes, labels="random")
    default: dict[str, list[float]] = {
        "published": np.geomspace(500, 8000, 7).tolist(),
        "quick": _at_quick_p(60, 120, 240, 480),
        "paper": np.geomspace(500, 8000, 9).tolist(),
    }
    evaluations = {"published": 1000, "quick": 80, "paper": 3000}[profile]
    decays, runs = _decays(profile, weight_decays), []
    for size in _sizes(sizes, default[profile], base):
        starts = [early(replace(base, dataset_size=size, seed=seed)) for seed in count]
        runs += _to_the_minimum(starts, [size], decays, evaluations, changes)
    return runs


@sets("seed", "dataset_size", "weight_decay")
def generalising(
    profile: str = "published",
    seeds: int | None = None,
    sizes: Sequence[int] | None = None,
    weight_decays: Sequence[float] | None = None,
    **changes: Any,
) -> list[Run]:
    """Fig. 3c, d: networks that generalise, on large train sets, by size and weight decay.

    From the networks of `grokking` to a minimum of Eq. (2).
    """
    check_profile(profile)
    count = len(seed_range(seeds, {"published": 2, "quick": 1, "paper": 10}[profile]))
    inits = grokking(profile, count, **_shared(changes))
    default: dict[str, list[float]] = {
        "published": np.geomspace(4000, 8000, 3).tolist(),
        "quick": _at_quick_p(640, 900),
        "paper": np.linspace(4000, 8000, 9).tolist(),
    }
    evaluations = {"published": 500, "quick": 60, "paper": 3000}[profile]
    chosen = _sizes(sizes, default[profile], inits[0])
    return _to_the_minimum(inits, chosen, _decays(profile, weight_decays), evaluations, changes)


@sets("seed", "dataset_size", "weight_decay")
def starts(
    profile: str = "published",
    seeds: int | None = None,
    sizes: Sequence[int] | None = None,
    weight_decays: Sequence[float] | None = None,
    **changes: Any,
) -> list[Run]:
    """Not in the paper: the C_gen of the very networks that `transition` starts from.

    From networks trained on every example to a minimum of Eq. (2), on so many examples that nothing
    ungroks: what D_crit is predicted from, seed by seed.
    """
    check_profile(profile)
    count = len(seed_range(seeds, {"published": 2, "quick": 1, "paper": 10}[profile]))
    inits = full_data(profile, count, **_shared(changes))
    default = _at_quick_p(800) if profile == "quick" else [5657.0]
    evaluations = {"published": 500, "quick": 250, "paper": 3000}[profile]
    chosen = _sizes(sizes, default, inits[0])
    return _to_the_minimum(inits, chosen, _decays(profile, weight_decays), evaluations, changes)
