"""What sweeps share: three profiles, changes of a field, and the networks they start from."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, replace
from functools import wraps
from inspect import signature
from numbers import Integral, Real
from typing import Any, ParamSpec

import numpy as np

from grokkit import tasks
from grokkit.model import ModelConfig
from grokkit.runs import Run

PROFILES = ("published", "quick", "paper")
QUICK_P = 31  # of those tried, the smallest where five seeds of five grok and ungrok (choice C8)
QUICK_MODEL = ModelConfig(d_model=32, d_mlp=128)  # of other tasks, which are not judged there

Changes = dict[str, Any]
Given = ParamSpec("Given")

FROM = {"seed": "seeds", "dataset_size": "sizes", "weight_decay": "weight_decays"}
LISTS = {
    "sizes": (Integral, "whole numbers"),
    "weight_decays": (Real, "numbers"),
    "eps": (Real, "numbers"),
    "tasks": (str, "names"),
}


def sets(*own: str) -> Callable[[Callable[Given, list[Run]]], Callable[Given, list[Run]]]:
    """A sweep that sets these fields of its runs itself, and so takes no changes of them.

    Raises, when the sweep is called:
        ValueError: a change of such a field, or a list that is none; the message names it.
    """

    def decorate(make: Callable[Given, list[Run]]) -> Callable[Given, list[Run]]:
        arguments = signature(make)

        @wraps(make)
        def checked(*positional: Given.args, **named: Given.kwargs) -> list[Run]:
            given = arguments.bind(*positional, **named).arguments
            for name, value in given.get("changes", {}).items():
                if name in own and value is not None:
                    instead = FROM.get(name)
                    hint = f"; give {instead}" if instead in arguments.parameters else ""
                    raise ValueError(f"{make.__name__} sets {name} itself{hint}, got {value!r}")
            for name in LISTS.keys() & given.keys():
                _check_list(name, given[name])
            return make(*positional, **named)

        return checked

    return decorate


def _check_list(name: str, given: Any) -> None:
    kind, wanted = LISTS[name]
    if given is None:
        return
    members = [] if isinstance(given, str) or not isinstance(given, Iterable) else list(given)
    if not members or any(isinstance(v, bool) or not isinstance(v, kind) for v in members):
        raise ValueError(f"{name} must be a list of {wanted}, got {given!r}")


def check_profile(profile: str) -> None:
    """Raises ValueError unless the profile is one of `PROFILES`."""
    if profile not in PROFILES:
        raise ValueError(f"profile must be one of {', '.join(PROFILES)}; got {profile!r}")


def apply(run: Run, changes: Changes) -> Run:
    """The run with the changes that are not None; a new p or task keeps the share of examples.

    Raises:
        ValueError: a name that is no field of `Run`, or a value that its field does not allow.
    """
    changes = {name: value for name, value in changes.items() if value is not None}
    allowed = {item.name for item in fields(Run)} - {"init"}
    for name in changes:
        if name not in allowed:
            raise ValueError(f"unknown field {name!r}: a run has {', '.join(sorted(allowed))}")
    if "dataset_size" not in changes and {"p", "task"} & set(changes):
        before = tasks.task(run.task, run.p).n_examples
        after = tasks.task(changes.get("task", run.task), changes.get("p", run.p)).n_examples
        changes["dataset_size"] = max(1, round(run.dataset_size / before * after))
    return replace(run, **changes)


def seed_range(seeds: int | None, default: int) -> range:
    if seeds is not None and (isinstance(seeds, bool) or not isinstance(seeds, int) or seeds < 1):
        raise ValueError(f"seeds must be a whole number of at least 1, got {seeds!r}")
    return range(default if seeds is None else seeds)


RESIDUAL = 0.01  # at which the minimiser's runs end; few get there (see the chapter)
EARLY = 400  # epochs of AdamW before the minimiser takes a network over: it has memorised


def minimised(run: Run, evaluations: int, init: Run | None, precision: str = "float64") -> Run:
    """The run's train set and weight decay, by the minimiser of Eq. (2), from the end of `init`."""
    return replace(
        run,
        optimiser="lbfgs",
        precision=precision,
        epochs=evaluations,
        tolerance=RESIDUAL,
        n_logged=100 if precision == "float64" else 40,
        init=init,
        keep_weights=False,
    )


def early(run: Run, epochs: int = EARLY) -> Run:
    """The same run of AdamW, ended early: where the minimiser of a grokking network starts."""
    return replace(run, epochs=epochs, n_logged=20, keep_weights=True)


SLOW_TASKS = {"x/y or x-y": (10_000, 5000), "S_n: xyx^-1": (25_000, 0), "S_n: xyx": (10_000, 0)}
"""Tasks that 3,000 epochs leave unlearned: their epochs, and gradients of the minimiser after."""


@sets("seed")
def grokking(profile: str = "published", seeds: int | None = None, **changes: Any) -> list[Run]:
    """Figs. 1a, 9, 11: from scratch on 30 % of x + y mod 113, five seeds, final weights kept.

    The quick profile takes 65 % of x + y mod 31, where seeds grok in 900 to 2,000 epochs, and the
    first of them.
    """
    check_profile(profile)
    base = Run(keep_weights=True)
    if profile == "quick":
        base = Run(p=QUICK_P, dataset_size=620, epochs=2500, n_logged=80, keep_weights=True)
    count = seed_range(seeds, 1 if profile == "quick" else 5)
    runs = [apply(base, {**changes, "seed": seed}) for seed in count]
    examples = tasks.task(runs[0].task, runs[0].p).n_examples
    if runs[0].dataset_size == examples:
        raise ValueError(
            f"grokking is seen on a test set, which {runs[0].task} at p = {runs[0].p} has for "
            f"dataset_size 1..{examples - 1}, got {examples}"
        )
    return runs


@sets("seed", "dataset_size")
def full_data(profile: str = "published", seeds: int | None = None, **changes: Any) -> list[Run]:
    """The networks from which ungrokking starts (Sec. 5.2): trained on every example.

    By AdamW for 3,000 epochs; a task of `SLOW_TASKS` for longer, and then maybe by the minimiser.
    """
    check_profile(profile)
    epochs, gradients = SLOW_TASKS.get(changes.get("task") or Run.task, (3000, 0))
    base = Run(dataset_size=12769, epochs=epochs, n_logged=60, keep_weights=True)
    if profile == "quick":
        base = replace(base, p=QUICK_P, dataset_size=QUICK_P**2, epochs=600)
    default = {"published": 2, "quick": 2, "paper": 10}[profile]
    runs = [apply(base, {**changes, "seed": seed}) for seed in seed_range(seeds, default)]
    if not gradients or profile == "quick":
        return runs
    return [replace(minimised(run, gradients, run, "mixed"), keep_weights=True) for run in runs]


@sets("seed", "dataset_size")
def ungrokking(
    profile: str = "published",
    seeds: int | None = None,
    sizes: Sequence[int] | None = None,
    **changes: Any,
) -> list[Run]:
    """Figs. 1b, 7: grokked networks trained further on fewer examples, by size and then by seed.

    `sizes` are the reduced dataset sizes D'. A change of task, p or model also applies to the
    networks that the runs start from; another (weight decay, lr, eps, epochs) does not (choice C7).
    """
    check_profile(profile)
    shared = {name: changes.get(name) for name in ("task", "p", "model")}
    inits = full_data(profile, seeds, **shared)
    base = Run(epochs=20_000, n_logged=160)
    grid = np.geomspace(390, 1494, 7) / 12769
    if profile == "quick":
        base, grid = Run(epochs=2000, n_logged=60), np.array([40, 120, 400]) / QUICK_P**2
    if profile == "paper":
        base = Run(epochs=1_000_000, n_logged=400)
    examples = inits[0].dataset_size
    given = np.rint(grid * examples).astype(int) if sizes is None else sizes
    runs = []
    for size in given:
        for init in inits:
            start = replace(
                base, task=init.task, p=init.p, model=init.model, dataset_size=int(size), init=init
            )
            own = {**changes, **dict.fromkeys(shared), "seed": init.seed}
            runs.append(apply(start, own))
    return runs


WEIGHT_DECAYS = (0.1, 0.5, 1.0, 1.5, 2.0)  # of Fig. 4
QUICK_DECAYS = (0.5, 1.0)
EVERYTHING = 113**2
SHARED = ("task", "p", "model")  # changes that also apply to the networks that runs start from


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
