"""The sweeps behind the paper's predictions, each run taken to a minimum of Eq. (2).

Efficiency (Sec. 5.1), the transition of ungrokking (Sec. 5.2) and what random weights lead to
(App. A.2). Sizes are given for the 12,769 examples of x + y mod 113, and scale with a task's.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from grokkit import tasks
from grokkit.runs import Run
from varma2023.profiles import (
    EVERYTHING,
    QUICK_MODEL,
    SLOW_TASKS,
    _at_quick_p,
    _sizes,
    _to_the_minimum,
    apply,
    check_profile,
    early,
    full_data,
    minimised,
    seed_range,
    sets,
)


def grokked_tasks(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Not in the paper: every task to a minimum of Eq. (2) on 60 % of its examples.

    From random weights; permutations from networks trained on every example as well, since from
    random weights S5 ends in memory. Of these x y x^-1 is not published: on 60 % it does not stay
    generalised (`other_tasks`). Final weights are kept, for their circuits (`characters`).
    """
    check_profile(profile)
    modulus, n = {"published": (53, 5), "quick": (11, 4), "paper": (113, 5)}[profile]
    model = QUICK_MODEL if profile == "quick" else None
    evaluations = {"published": 1000, "quick": 50, "paper": 3000}[profile]
    count = seed_range(seeds, {"published": 1, "quick": 1, "paper": 5}[profile])
    runs = []
    for task in tasks.NAMES:
        p = n if task in tasks.PERMUTATION else modulus
        size = round(0.6 * tasks.task(task, p).n_examples)
        for seed in count:
            base = apply(Run(task=task, p=p, dataset_size=size, seed=seed), {"model": model})
            inits = [early(base)]
            ungroks = task == "S_n: xyx^-1" and profile == "published"
            if task in tasks.PERMUTATION and not ungroks:
                inits += full_data(profile, task=task, p=p, model=model, seeds=1)
            for init in inits:
                run = minimised(base, evaluations, replace(init, seed=seed), "mixed")
                runs.append(replace(run, keep_weights=True))
    return runs


OTHER_TASKS = tuple(name for name in tasks.NAMES if name != "x+y")  # the nine of Fig. 8
MODULAR_P, SYMMETRIC_N = 113, 5


@sets()
def other_tasks(
    profile: str = "published",
    seeds: int | None = None,
    sizes: Sequence[int] | None = None,
    tasks: Sequence[str] | None = None,
    p: int | None = None,
    start_epochs: int | None = None,
) -> list[Run]:
    """Fig. 8: where ungrokking ends on the nine other tasks, by reduced dataset size D'.

    The modular ones at the paper's p = 113, or at `p`; the permutations in S5, whatever `p` is.
    `start_epochs`: of AdamW on every example, by default as in `full_data`. Of the published sizes,
    the three largest are those of `SLOW_TASKS` alone: the others stay generalised before.
    """
    check_profile(profile)
    published = (300 * 20 ** (np.arange(9) / 7)).tolist()
    default: dict[str, list[float]] = {
        "published": published[:7],
        "slow": [*published, 0.95 * EVERYTHING],
        "quick": _at_quick_p(30, 250, 700),
        "paper": np.geomspace(300, 10_000, 20).tolist(),
    }
    modulus, n = (13, 4) if profile == "quick" else (MODULAR_P, SYMMETRIC_N)
    modulus = modulus if p is None else p
    evaluations = {"published": 1000, "quick": 40, "paper": 3000}
    count = len(seed_range(seeds, {"published": 1, "quick": 1, "paper": 10}[profile]))
    runs = []
    for task in OTHER_TASKS if tasks is None else tasks:
        own = n if task.startswith("S_n") else modulus
        model = QUICK_MODEL if profile == "quick" else None
        inits = full_data(profile, count, task=task, p=own, model=model, epochs=start_epochs)
        slow = profile == "published" and task in SLOW_TASKS
        chosen = _sizes(sizes, default["slow" if slow else profile], inits[0])
        # from a start that the minimiser made, of a large norm, it is a long way down
        far = slow and inits[0].optimiser == "lbfgs"
        most = evaluations["paper" if far else profile]
        runs += _to_the_minimum(inits, chosen, [1.0], most, {})
    return runs
