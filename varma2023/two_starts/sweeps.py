"""What random weights lead to (App. A.2), taken to a minimum of Eq. (2)."""

from typing import Any

import numpy as np

from grokkit.runs import Run
from varma2023.profiles import QUICK_RUN, Grid, from_random, sets

FIG_5 = np.linspace(1500, 2050, 20)


@sets(
    *("seed", "dataset_size"),
    published=Grid(2, 1500, (700, 1050, *FIG_5, 3000, 3568, 4243, 6000, 8485)),
    quick=Grid(1, 80, (120, 250, 400, 620), run=QUICK_RUN),
    paper=Grid(10, 3000, sorted([*np.geomspace(300, 10_000, 20), *FIG_5])),
)
def from_scratch(profile: str, grid: Grid, **changes: Any) -> list[Run]:
    """App. A.2, and the ends of Fig. 5: random weights, taken to a minimum of Eq. (2), by size.

    AdamW for a few hundred epochs, until the train set is memorised, and then the minimiser. The
    published and the paper's sizes hold the twenty of Fig. 5.
    """
    return from_random(grid, changes)
