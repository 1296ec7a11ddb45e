"""The parameters of the chapters: what each means, what it may be, and the check of values."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np

from grokkit import tasks
from varma2023.profiles import PROFILES
from varma2023.tables import table


@dataclass(frozen=True)
class Parameter:
    """What a parameter means and which values it takes; both bounds are allowed."""

    meaning: str
    kind: type = float  # or int; str has `choices` instead of bounds
    low: int | float = 0
    high: int | float = 0
    choices: tuple[str, ...] = ()
    lengths: tuple[int, int] | None = None  # of a list of such values, least and greatest
    of_profile: bool = False  # None stands for the profile's value, in a chapter that has runs

    @property
    def allowed(self) -> str:
        """The values it takes, in words."""
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        what = "whole number" if self.kind is int else "number"
        bounds = f"from {self.low:,.10g} to {self.high:,.10g}"
        if self.lengths is None:
            return f"a {what} {bounds}"
        least, most = self.lengths
        count = f"{least}" if least == most else f"{least} to {most} different"
        return f"a list of {count} {what}s, each {bounds}"

    def allows(self, value: Any) -> bool:
        """Whether it takes the value."""
        if self.lengths is None:
            return self._allows_one(value)
        if not isinstance(value, list | tuple) or not all(map(self._allows_one, value)):
            return False
        least, most = self.lengths
        return least <= len(value) <= most and (least == most or len(set(value)) == len(value))

    def converted(self, value: Any) -> Any:
        """A value it allows, or None, as the library takes it: 1 as 1.0, a list as a tuple."""
        if value is None:
            return None
        return self.kind(value) if self.lengths is None else tuple(map(self.kind, value))

    def _allows_one(self, value: Any) -> bool:
        if self.choices:
            return isinstance(value, str) and value in self.choices
        kind = Integral if self.kind is int else Real
        a_number = isinstance(value, kind) and not isinstance(value, bool)
        return a_number and bool(self.low <= value <= self.high)  # false of NaN


MOST_P = 199  # the logits of all examples, p³ numbers, fit in memory many times over
MOST = MOST_P**2 - 1  # so that a test set is left
_NORM = Parameter("App. D: norm of a circuit whose weights are one", float, 0.01, 100)

PARAMETERS = {
    "profile": Parameter("which sizes are run", str, choices=PROFILES),
    "task": Parameter("rule of the labels", str, choices=tasks.names(), of_profile=True),
    "p": Parameter("modulus, or n of Sₙ", int, 4, MOST_P, of_profile=True),
    "weight_decay": Parameter("weight decay λ of AdamW", float, 0.01, 10, of_profile=True),
    "dataset_size": Parameter("examples to train on", int, 1, MOST, of_profile=True),
    "sizes": Parameter("dataset sizes of the runs", int, 1, MOST, lengths=(1, 50), of_profile=True),
    "epochs": Parameter("full-batch updates of a run", int, 10, 10**9, of_profile=True),
    "seeds": Parameter("how many seeds are run", int, 1, 100, of_profile=True),
    "seed": Parameter("seed of the draws", int, 0, 2**32 - 1),
    "tolerance": Parameter("residual below which a run may end early", float, 0.01, 10),
    "margin": Parameter("by how much the right logit is above all others", float, 0, 100),
    "P_gen": Parameter("Sec. 3: norm of C<sub>gen</sub> whose weights are one", float, 0.1, 10),
    "P_mem": Parameter("Sec. 3: norm of C<sub>mem</sub> whose weights are one", float, 0.1, 10),
    "kappa": Parameter("κ: logits grow as norm^κ; below 2 in Sec. 3", float, 0.1, 10),
    "alpha": Parameter("Sec. 3: weight of the decay term", float, 1e-6, 1),
    "w_gen": Parameter("Sec. 3: C<sub>gen</sub> at step 0", float, 0, 10, lengths=(2, 2)),
    "w_mem": Parameter("Sec. 3: C<sub>mem</sub> at step 0", float, 0, 10, lengths=(2, 2)),
    "n_labels": Parameter("App. C: number of labels q", int, 2, 10**6),
    "lr": Parameter("App. C: learning rate of the simulation", float, 1e-4, 1),
    "steps": Parameter("updates of the simulation", int, 1, 100_000),
    "q": Parameter("App. D: exponent of the norm", float, 0.1, 10),
    "P_1": _NORM,
    "P_2": _NORM,
    "P_3": _NORM,
    "n_draws": Parameter("App. D: random cases tried of each statement", int, 1, 10_000),
    "gpu_tflops": Parameter("10¹² FLOP a second that a GPU is assumed to do", float, 0.001, 10**6),
    "gpu_step_ms": Parameter("assumed least ms of a step on that GPU", float, 0, 10**6),
    "cluster_cores": Parameter("cores of a cluster", int, 1, 10**7),
}
"""Every parameter of every chapter: one name has one meaning and one range in the whole book."""


def check(first_use: Callable[..., Any] | None = None, **values: Any) -> None:
    """Check that each value is one that its parameter takes, and that they fit together.

    `first_use` is what the chapter makes of them, an experiment or `Toy`: it is called with those
    that it takes, so that it refuses at once what it cannot use. None, the profile's own value, is
    for the parameters of an experiment.

    Raises:
        ValueError: a name without a declaration, or a value that is not allowed, with what is.
    """
    takes = inspect.signature(first_use).parameters if first_use else {}
    for name, value in values.items():
        if name not in PARAMETERS:
            raise ValueError(f"unknown parameter {name!r}: there are {', '.join(PARAMETERS)}")
        declared = PARAMETERS[name]
        the_profiles = value is None and declared.of_profile and "profile" in takes
        if not (the_profiles or declared.allows(value)):
            listed = isinstance(value, str) and value.startswith("[")  # papermill's -p makes a text
            hint = f"; with papermill: -y '{name}: {value}'" if listed else ""
            raise ValueError(f"{name} must be {declared.allowed}; got {value!r}{hint}")
    task, p = values.get("task") or "x+y", values.get("p")
    if p is not None and p < 5 and task not in tasks.PERMUTATION:
        raise ValueError(f"p must be 5 or more for {task}, so that small train sets exist; got {p}")
    if first_use is None:
        return
    sizes = {name: values[name] for name in ("dataset_size", "sizes") if values.get(name)}
    known = {
        name: PARAMETERS[name].converted(value)
        for name, value in values.items()
        if name not in sizes and (name in takes or "changes" in takes)
    }
    made = first_use(**known | ({"seeds": 1} if "seeds" in takes else {}))  # all seeds are alike
    for name, given in sizes.items():
        examples = made[0].operation.n_examples
        if np.max(given) >= examples:
            why = f"so that {made[0].task} at p = {made[0].p} has a test set"
            raise ValueError(f"{name} must be 1..{examples - 1}, {why}; got {given!r}")


def parameter_table() -> str:
    """Every parameter with its meaning and what it may be, as an HTML table."""
    rows = [(f"<code>{name}</code>", p.meaning, p.allowed) for name, p in PARAMETERS.items()]
    return table("parameter | what it is | what it may be", rows)
