"""A run, which is a frozen config with a key, and the record that it leaves."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields
from errno import ENOTSUP
from math import prod
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from grokkit import tasks
from grokkit.model import ModelConfig

SCHEMA = 1  # of a record; part of every key, so that a change of meaning never reuses old results

PRECISIONS = {
    "adamw": ("float32", "tf32", "bf16", "float64"),  # tf32, bf16: in matrix products alone
    "lbfgs": ("float64", "mixed"),  # mixed: float32 until no step goes down, then float64
}
TEXTS = {"labels": ("true", "random"), "loss": ("exact", "rounded"), "mirrors": tasks.MIRRORS}
TEXTS["optimiser"] = tuple(PRECISIONS)

STAGES = 20  # in which a spring is wound up, or kinks are sharpened, by lbfgs
MOST = {"p": 1000, "seed": 2**63 - 1, "epochs": 10**12, "n_logged": 10**5}


@dataclass(frozen=True)
class Run:
    """One network and how it is trained. Defaults are App. A and the grokking run of Fig. 9.

    Raises ValueError for a field outside what it allows, with its name and value.
    """

    task: str = "x+y"  # the rule of the labels, one of `grokkit.tasks.names()`
    p: int = 113  # the modulus; for permutations, n of S_n
    dataset_size: int = 3830  # examples to train on; as many as 30% at p = 113
    labels: str = "true"  # true, or random (Sec. 5.1)
    seed: int = 0  # draws the initial weights, the split and random labels
    epochs: int = 10_000  # gradients of the whole train set; adamw takes one an epoch
    lr: float = 1e-3  # AdamW's learning rate
    weight_decay: float = 1.0  # AdamW's lambda; times eps it is alpha of Eq. (2)
    beta1: float = 0.9  # factor by which AdamW's mean of gradients decays each epoch
    beta2: float = 0.98  # factor by which its mean of squared gradients decays
    eps: float = 1e-8  # AdamW's epsilon
    init: "Run | None" = None  # start from this run's final weights (ungrokking, Sec. 5.2)
    init_scale: float = 1.0  # multiplies the initial weights (ablation of Sec. 6)
    model: ModelConfig = field(default_factory=ModelConfig)
    n_logged: int = 200  # how many evaluations: half evenly, half geometrically spaced
    keep_weights: bool = False  # keep the final weights in the record
    optimiser: str = "adamw"  # adamw, or lbfgs, which minimises Eq. (2)
    precision: str = "float32"  # adamw: float32, tf32, bf16 or float64; lbfgs: mixed or float64
    tolerance: float = 0.0  # end once the residual is below this (adamw: and stays so); 0: never
    until_rest: bool = False  # lbfgs only: end at the first evaluation at rest (choice C15)
    loss: str = "exact"  # exact, or rounded: torch's own cross_entropy (Sec. 6)
    amplify: float = 0.0  # adamw only: adds this many times an average of gradients (Grokfast)
    muon: float = 0.0  # adamw only: hidden matrices move by Muon, with an RMS of this times lr
    noise: float = 0.0  # adamw only: deviation of noise on each partial derivative, in units of eps
    clip: float = 0.0  # adamw only: the largest norm of a gradient, in units of eps; 0: no limit
    steepness: float = 0.0  # adamw only: measure it with a step of this part of the norm; 0: not
    push: float = 0.0  # lbfgs only: a spring raises `trig_share` to this by the end; 0: none
    kink: float = 0.0  # lbfgs only: rounds ReLUs, over this much at first, a hundredth last; 0: not
    mirrors: str = "any"  # mirror images in the train set: as drawn, all or none (`tasks.split`)

    def __post_init__(self) -> None:
        self._normalise()
        tasks.check_dataset_size(self.operation, self.dataset_size, self.mirrors)
        for what, fine, allowed in self._rules():
            if not fine:
                value = getattr(self, what.split()[0])
                raise ValueError(f"{what} must be {allowed}, got {value!r}")
        if self.init is not None:
            self._check_init(self.init)

    def _normalise(self) -> None:
        """One representation per value (1 and 1.0, 0.0 and -0.0, numpy's numbers), for the key."""
        for item in fields(self):
            value = getattr(self, item.name)
            if value is item.default:
                continue
            kinds, wanted, plain = TYPES["init" if item.name == "init" else item.type]
            if not isinstance(value, kinds) or (isinstance(value, bool) and item.type is not bool):
                raise ValueError(f"{item.name} must be {wanted}, got {value!r}")
            object.__setattr__(self, item.name, plain(value))
        if self.p > MOST["p"]:
            raise ValueError(f"p must be at most {MOST['p']}, got {self.p}")

    def _rules(self) -> Iterator[tuple[str, bool, str]]:
        """Each field (of what), whether its value is fine, and what is allowed."""
        for name, known in TEXTS.items():
            yield name, getattr(self, name) in known, _any(known)
        for name, low in (("seed", 0), ("epochs", 1), ("n_logged", 2)):
            yield name, getattr(self, name) >= low, f"at least {low}"
            yield name, getattr(self, name) <= MOST[name], f"at most {MOST[name]:,}"
        for name in ("lr", "eps", "init_scale"):
            yield name, 0 < getattr(self, name) < np.inf, "positive and finite"
        yield "init_scale of a run with init", self.init is None or self.init_scale == 1, "1"
        decays = f"in [0, 1/lr) = [0, {1 / self.lr:g})"
        yield "weight_decay", 0 <= self.weight_decay < 1 / self.lr, decays
        exact = self.float64 or not 0 < self.lr * self.weight_decay < 9.99e-7  # else 1 - it rounds
        yield "weight_decay in single precision", exact, f"0 or at least {1e-6 / self.lr:g}"
        for name in ("beta1", "beta2"):
            yield name, 0 <= getattr(self, name) < 1, "in [0, 1)"
        allowed, by_adamw = PRECISIONS[self.optimiser], self.optimiser == "adamw"
        yield f"precision of {self.optimiser}", self.precision in allowed, _any(allowed)
        positive = "positive: Eq. (2) has no minimum at 0"
        yield "weight_decay of lbfgs", by_adamw or self.weight_decay > 0, positive
        yield "until_rest of adamw", not (by_adamw and self.until_rest), "False"
        yield "tolerance", 0 <= self.tolerance < np.inf, "at least 0"
        for name in ("noise", "amplify", "muon", "clip", "steepness"):
            yield name, 0 <= getattr(self, name) < np.inf, "at least 0"
            yield f"{name} of {self.optimiser}", by_adamw or not getattr(self, name), "0"
        fixed = not (by_adamw or self.until_rest or self.tolerance)
        how = "by lbfgs without until_rest and tolerance"
        sums = fixed and self.task == "x+y"
        push, kink = sums and 0 < self.push < 1, fixed and 0 < self.kink < 1e6
        yield "push", push or not self.push, f"in [0, 1), and 0 but of x+y {how}"
        yield "kink", kink or not self.kink, f"in [0, 1e6), and 0 but {how}"
        whole = self.epochs % STAGES == 0 or not (self.push or self.kink)
        yield "epochs with push or kink", whole, f"a multiple of {STAGES}"
        yield f"loss of {self.optimiser}", by_adamw or self.loss == "exact", "exact"

    def _check_init(self, init: "Run") -> None:
        if not init.keep_weights:
            raise ValueError("init must be a run with keep_weights=True, or its end is not stored")
        for name in ("p", "model"):
            if (own := getattr(self, name)) != (its := getattr(init, name)):
                raise ValueError(f"init must have the same {name} as the run: {own} against {its}")
        if self.operation.n_tokens != init.operation.n_tokens:
            raise ValueError(f"init ran {init.task!r}, which has other tokens than {self.task!r}")

    def config(self) -> dict:
        """Every field as plain JSON values; `init` whole, as a nested config."""
        return asdict(self)

    @property
    def key(self) -> str:
        """16 hex digits: a hash of the fields not at their default, so new fields keep old keys."""
        text = json.dumps([SCHEMA, _canonical(self)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @classmethod
    def from_config(cls, config: dict) -> "Run":
        """The run of a `config()`. Raises OSError (ENOTSUP) for fields or values unknown here."""
        known = cls.__dataclass_fields__ | ModelConfig.__dataclass_fields__
        if unknown := ({*config, *config["model"]} - known.keys()):
            raise OSError(ENOTSUP, f"fields of another version: {', '.join(sorted(unknown))}")
        init = config["init"] and cls.from_config(config["init"])
        try:
            return cls(**{**config, "init": init, "model": ModelConfig(**config["model"])})
        except ValueError as error:  # such as a task that only another process has
            raise OSError(ENOTSUP, f"a run that is not allowed here: {error}") from error

    def has_key(self, key: str) -> bool:
        """Whether this is its key. Raises OSError (ENOTSUP) if a rule of its own may be why not."""
        if self.key != key and '"rule": [' in json.dumps(_canonical(self)):
            raise OSError(ENOTSUP, f"{self.task} may be another rule here")
        return self.key == key

    @property
    def float64(self) -> bool:
        """Whether it needs float64, at least in the end."""
        return self.precision in ("float64", "mixed")

    @property
    def alpha(self) -> float:
        """The alpha of Eq. (2) at which training ends: eps lambda / (1 + amplify) (`optimum`)."""
        return self.eps * self.weight_decay / (1 + self.amplify)  # at rest all slopes are slow

    @property
    def decay_time(self) -> float:
        """Epochs in which weight decay alone shrinks the weights by e: 1 / (lr lambda)."""
        return 1 / rate if (rate := self.lr * self.weight_decay) else np.inf

    @property
    def operation(self) -> tasks.Task:
        """Its task at its modulus: the table of every example."""
        return tasks.task(self.task, self.p)

    def split(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows of the train and of the test set among the task's examples (`tasks.split`)."""
        return tasks.split(self.operation, self.dataset_size, self.seed, self.mirrors)

    def example_labels(self) -> np.ndarray:
        """The label of every example of the task [example], true or random."""
        true = self.labels == "true"
        return self.operation.labels if true else tasks.random_labels(self.operation, self.seed)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of every parameter of the network, by name."""
        return self.model.shapes(self.operation.n_tokens)

    @property
    def n_parameters(self) -> int:
        """How many parameters the network has."""
        return sum(map(prod, self.shapes.values()))

    def log_epochs(self) -> np.ndarray:
        """Epochs at which metrics are recorded [log]: 0, the last, half even, half geometric."""
        half = self.n_logged // 2
        even = np.linspace(0, self.epochs, max(half, 2))
        log = np.geomspace(1, self.epochs, max(half, 2))
        return np.unique(np.rint(np.concatenate([even, log])).astype(np.int64))

    def __str__(self) -> str:
        said = f"{self.task} p={self.p} D={self.dataset_size} wd={self.weight_decay:g}"
        said += f" seed={self.seed}" + " random labels" * (self.labels == "random")
        said += f" from D={self.init.dataset_size}" if self.init else ""
        more = [(name, value) for name, value in _changed(self) if name in SAID.split()]
        return said + "".join(f" {k}={v:g}" if isinstance(v, float) else f" {v}" for k, v in more)


def _float(value: Real) -> float:
    """Without -0.0; infinite where it is too large."""
    try:
        return float(value) + 0.0
    except OverflowError:
        return np.inf


TYPES: dict[object, tuple[type | tuple[type, ...], str, Callable]] = {
    int: (Integral, "an integer", int),
    float: (Real, "a number", _float),
    bool: ((bool, np.bool_), "True or False", bool),
    str: (str, "a text", str),
    ModelConfig: (ModelConfig, "a ModelConfig", lambda value: value),
    "init": ((Run, type(None)), "a Run or None", lambda value: value),
}


def _any(allowed: Iterable[str]) -> str:
    return " or ".join(f'"{name}"' for name in allowed)


DEFAULT = Run()
SAID = "optimiser lr beta1 beta2 eps clip noise amplify muon init_scale push kink steepness loss "
SAID += "precision model"  # fields that a run is called by, where it changes them


def _changed(run: Run) -> list[tuple[str, Any]]:
    found = ((item.name, getattr(run, item.name)) for item in fields(run))
    return [(name, value) for name, value in found if value != getattr(DEFAULT, name)]


def _canonical(run: Run) -> dict:
    plain: dict[type, Callable] = {Run: _canonical, ModelConfig: asdict, float: float.hex}
    usual = tasks.KNOWN.get(run.task, 0) is tasks.MODULAR.get(run.task)
    rule = {} if usual else {"rule": run.operation.labels.tolist()}
    changed = _changed(run)
    return rule | {name: plain.get(type(value), lambda own: own)(value) for name, value in changed}


@dataclass(frozen=True, eq=False)
class Record:
    """What a finished run leaves: metrics at the logged epochs, provenance, maybe final weights."""

    run: Run
    metrics: dict[str, np.ndarray] = field(repr=False)  # each [log]; "epoch" is the axis
    provenance: dict = field(repr=False)
    weights_path: Path | None = None
    weights_sha256: str = ""
    read_weights: Callable[["Record"], dict[str, Tensor]] | None = None  # the store's
    __iter__ = None  # else Python would ask for self[0]

    def __getitem__(self, metric: str) -> np.ndarray:
        if metric not in self.metrics:
            raise KeyError(f"{self.run} has no {metric}; it has {', '.join(self.metrics)}")
        return self.metrics[metric]

    @property
    def ended(self) -> str:
        """Why the run ended before its epochs were over; "" if it did not."""
        return self.provenance.get("ended", "")

    def final(self, metric: str) -> float:
        """The metric at the last epoch."""
        return float(self[metric][-1])

    def weights(self) -> dict[str, Tensor]:
        """Final parameters of the network, on the CPU.

        Raises ValueError if it keeps none, or the file does not match its checksum or network.
        """
        if self.read_weights is None:
            raise ValueError(f"run {self.run.key} ({self.run}) was not asked to keep its weights")
        return self.read_weights(self)


Records = Sequence[Record]
