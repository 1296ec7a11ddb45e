"""What the lists of runs share: three profiles, changes of a field, the minimiser's settings."""

from collections.abc import Callable, Iterable
from dataclasses import fields, replace
from functools import wraps
from inspect import signature
from numbers import Integral, Real
from typing import Any, ParamSpec

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
