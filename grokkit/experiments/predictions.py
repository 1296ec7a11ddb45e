"""The sweeps behind the paper's predictions, each run taken to a minimum of Eq. (2).

Efficiency (Sec. 5.1), the transition of ungrokking (Sec. 5.2) and what random weights lead to
(App. A.2). Sizes are given for the 12,769 examples of x + y mod 113, and scale with a task's.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from grokkit import tasks
from grokkit.experiments.base import (
    QUICK_MODEL,
    QUICK_P,
    apply,
    check_profile,
    early,
    minimised,
    seed_range,
    sets,
)
from grokkit.experiments.phenomena import SLOW_TASKS, full_data, grokking, ungrokking
from grokkit.runs import Run

WEIGHT_DECAYS = (0.1, 0.5, 1.0, 1.5, 2.0)  # of Fig. 4
QUICK_DECAYS = (0.5, 1.0)
EVERYTHING = 113**2
SHARED = ("task", "p", "model")  # changes that also apply to the networks that runs start from
OTHER_TASKS = tuple(name for name in tasks.NAMES if name != "x+y")  # the nine of Fig. 8
MODULAR_P, SYMMETRIC_N = 113, 5


def _at_quick_p(*sizes: int) -> list[float]:
    return [size / QUICK_P**2 * EVERYTHING for size in sizes]


def _sizes(given: Sequence[int] | None, default: Sequence[float], run: Run) -> list[int]:
    """The sizes asked for, or the default ones as the same share of the task's examples."""
    if given is not None:
        return [int(size) for size in given]
    examples = tasks.task(run.task, run.p).n_examples
    return [min(examples, max(1, round(size / EVERYTHING * examples))) for size in default]


def _decays(profile: str, given: Sequence[float] | None) -> Sequence[float]:
    default = QUICK_DECAYS if profile == "quick" else WEIGHT_DECAYS
    return default if given is None else given


def _shared(changes: dict[str, Any]) -> dict[str, Any]:
    return {name: changes.get(name) for name in SHARED}


def _base(profile: str, changes: dict[str, Any], labels: str = "true") -> Run:
    """A run from random weights, at the profile's modulus if no other is asked for."""
    small = {"p": QUICK_P} if profile == "quick" else {}
    asked = {name: value for name, value in _shared(changes).items() if value is not None}
    return apply(Run(labels=labels), small | asked)


def _own(changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in changes.items() if name not in SHARED}


def _to_the_minimum(
    inits: Sequence[Run],
    sizes: Sequence[int],
    decays: Sequence[float],
    evaluations: int,
    changes: dict[str, Any],
) -> list[Run]:
    """Every network at the end of `inits` taken to a minimum of Eq. (2), by size and decay."""
    runs = []
    for size in sizes:
        for decay in decays:
            for init in inits:
                base = replace(init, dataset_size=size, weight_decay=decay)
                runs.append(apply(minimised(base, evaluations, init, "mixed"), _own(changes)))
    return runs


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
