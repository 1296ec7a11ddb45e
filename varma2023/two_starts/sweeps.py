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
    _sizes,
    _to_the_minimum,
    check_profile,
    early,
    seed_range,
    sets,
)


@sets("seed", "dataset_size")
def from_scratch(
    profile: str = "published",
    seeds: int | None = None,
    sizes: Sequence[int] | None = None,
    **changes: Any,
) -> list[Run]:
    """App. A.2, and the ends of Fig. 5: random weights, taken to a minimum of Eq. (2), by size.

    AdamW for a few hundred epochs, until the train set is memorised, and then the minimiser. The
    published and the paper's sizes hold the twenty of Fig. 5.
    """
    check_profile(profile)
    count = seed_range(seeds, {"published": 2, "quick": 1, "paper": 10}[profile])
    base = _base(profile, changes)
    fig5 = np.linspace(1500, 2050, 20).tolist()
    default: dict[str, list[float]] = {
        "published": [700.0, 1050.0, *fig5, 3000.0, 3568.0, 4243.0, 6000.0, 8485.0],
        "quick": _at_quick_p(120, 250, 400, 620),
        "paper": sorted([*np.geomspace(300, 10_000, 20).tolist(), *fig5]),
    }
    evaluations = {"published": 1500, "quick": 80, "paper": 3000}[profile]
    runs = []
    for size in _sizes(sizes, default[profile], base):
        starts = [early(replace(base, dataset_size=size, seed=seed)) for seed in count]
        runs += _to_the_minimum(starts, [size], [1.0], evaluations, changes)
    return runs
