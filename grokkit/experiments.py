"""The paper's experiments as lists of runs, in three sizes, and the call that gets their records.

`published` is what this book shows, from stored results; `quick` trains everything anew at a small
modulus in minutes; `paper` is the paper's own grid, for those with the hours. Any field of `Run`
can be changed: `grokking(p=53, weight_decay=0.5)`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from grokkit import tasks
from grokkit.runs import Record, Run
from grokkit.store import Store
from grokkit.sweep import train, with_inits

PROFILES = ("published", "quick", "paper")
QUICK_P = 31  # of those tried, the smallest where five seeds of five grok and ungrok (choice C8)

Changes = dict[str, Any]


def check_profile(profile: str) -> None:
    """Raises ValueError unless the profile is one of `PROFILES`."""
    if profile not in PROFILES:
        raise ValueError(f"profile must be one of {', '.join(PROFILES)}; got {profile!r}")


def _apply(run: Run, changes: Changes) -> Run:
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


def _seeds(seeds: int | None, default: int) -> range:
    if seeds is not None and (isinstance(seeds, bool) or not isinstance(seeds, int) or seeds < 1):
        raise ValueError(f"seeds must be a whole number of at least 1, got {seeds!r}")
    return range(default if seeds is None else seeds)


def grokking(profile: str = "published", seeds: int | None = None, **changes: Any) -> list[Run]:
    """Figs. 1a, 9, 11: from scratch on 30 % of x + y mod 113, five seeds, final weights kept.

    The quick profile takes 65 % of x + y mod 31, where every seed groks in about a thousand epochs.
    """
    check_profile(profile)
    base = Run(keep_weights=True)
    if profile == "quick":
        base = Run(p=QUICK_P, dataset_size=620, epochs=2500, n_logged=80, keep_weights=True)
    runs = [_apply(base, {**changes, "seed": seed}) for seed in _seeds(seeds, 5)]
    examples = tasks.task(runs[0].task, runs[0].p).n_examples
    if runs[0].dataset_size == examples:
        raise ValueError(
            f"grokking is seen on a test set, which {runs[0].task} at p = {runs[0].p} has for "
            f"dataset_size 1..{examples - 1}, got {examples}"
        )
    return runs


def full_data(profile: str = "published", seeds: int | None = None, **changes: Any) -> list[Run]:
    """The networks from which ungrokking starts (Sec. 5.2): trained on every example."""
    check_profile(profile)
    base = Run(dataset_size=12769, epochs=3000, n_logged=60, keep_weights=True)
    if profile == "quick":
        base = replace(base, p=QUICK_P, dataset_size=QUICK_P**2, epochs=600)
    default = {"published": 2, "quick": 5, "paper": 10}[profile]
    return [_apply(base, {**changes, "seed": seed}) for seed in _seeds(seeds, default)]


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
            runs.append(_apply(start, own))
    return runs


RESIDUAL = 0.01  # at which the minimiser's runs end; few get there (see the chapter)
EARLY = 400  # epochs of AdamW before the minimiser takes a network over: it has memorised


def minimised(run: Run, evaluations: int, init: Run | None) -> Run:
    """The run's train set and weight decay, by the minimiser of Eq. (2), from the end of `init`."""
    return replace(
        run,
        optimiser="lbfgs",
        precision="float64",
        epochs=evaluations,
        tolerance=RESIDUAL,
        n_logged=100,
        init=init,
        keep_weights=False,
    )


def early(run: Run, epochs: int = EARLY) -> Run:
    """The same run of AdamW, ended early: where the minimiser of a grokking network starts."""
    return replace(run, epochs=epochs, n_logged=20, keep_weights=True)



def convergence(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Networks taken to convergence in two ways: AdamW's run, then the minimiser's, pair by pair.

    Grokking (the minimiser starts from AdamW's 400th epoch), ungrokking (both from the network
    trained on everything) and random labels (both from random weights), at two moduli.
    """
    check_profile(profile)
    small = profile == "quick"
    base = Run(keep_weights=True)
    p = QUICK_P if small else 53
    p53 = replace(base, p=p, dataset_size=p**2, n_logged=80 if small else 200)
    grok, full = (400, 600) if small else (EARLY, 3000)
    everything = replace(p53, epochs=full, n_logged=60)
    grokked = replace(p53, dataset_size=620 if small else 1200, epochs=2500 if small else 30_000)
    ungrok = replace(
        p53,
        dataset_size=40 if small else 150,
        epochs=2000 if small else 40_000,
        init=everything,
    )
    random = replace(
        p53,
        dataset_size=100 if small else 300,
        epochs=2000 if small else 100_000,
        labels="random",
    )
    two = _seeds(seeds, 1 if small else 2)
    adamw = [replace(grokked, seed=seed) for seed in two] + [ungrok, random]
    if not small:
        adamw += grokking("published")[: len(two)]
        adamw += [
            replace(base, dataset_size=400, epochs=20_000, init=full_data("published")[0]),
            replace(base, dataset_size=500, epochs=20_000, labels="random"),
        ]
    evaluations = 250 if small else 1500
    pairs = []
    for run in adamw:
        groks = run.init is None and run.labels == "true"
        start = early(run, grok) if groks else run.init
        pairs += [run, minimised(run, evaluations, start)]
    return pairs


def strength(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """(c eps, lambda / c) for c of 0.1, 1 and 10: the same alpha, so the same strength at the end.

    By the minimiser, for a grokking network and one with random labels of `convergence`.
    """
    pairs = convergence(profile, seeds)
    lbfgs = pairs[1::2]
    chosen = [lbfgs[0], next(run for run in lbfgs if run.labels == "random")]
    return [
        replace(run, eps=run.eps * c, weight_decay=run.weight_decay / c)
        for run in chosen
        for c in (0.1, 1.0, 10.0)
    ]


def long_runs(profile: str = "published", seeds: int | None = None) -> list[Run]:
    """Runs that go on long after they are at rest: grokking, and ungrokking that stays grokked.

    At the small modulus of the quick profile; by them one sees whether ending early is safe.
    """
    check_profile(profile)
    epochs = 6000 if profile == "quick" else 10_000
    runs = grokking("quick", seeds or (1 if profile == "quick" else 5), epochs=epochs)
    stays = ungrokking("quick", seeds=len(runs), sizes=[400], epochs=epochs)
    return [replace(run, keep_weights=False, n_logged=200) for run in runs + stays]


@dataclass(frozen=True)
class Experiment:
    """A named sweep: which figures it draws and how its runs are made."""

    name: str
    figures: str
    runs: Callable[..., list[Run]]


EXPERIMENTS = {
    e.name: e
    for e in (
        Experiment("grokking", "Figs. 1a, 9, 11; the equilibrium of AdamW", grokking),
        Experiment("full_data", "the start of Figs. 1b and 7", full_data),
        Experiment("ungrokking", "Figs. 1b, 7", ungrokking),
        Experiment("convergence", "AdamW and the minimiser of Eq. 2, to the same end", convergence),
        Experiment("long_runs", "when a run may end early", long_runs),
        Experiment("strength", "(c ε, λ / c): the same end", strength),
    )
}


def experiment(name: str) -> Experiment:
    """The experiment of that name.

    Raises:
        ValueError: there is none; the message lists those there are.
    """
    if name not in EXPERIMENTS:
        raise ValueError(f"experiment must be one of {', '.join(EXPERIMENTS)}; got {name!r}")
    return EXPERIMENTS[name]


@dataclass(frozen=True)
class Inventory:
    """How much of a sweep a store holds, the runs that missing ones start from included."""

    stored: int
    left: dict[Run, int]  # the runs without a record, and the epochs that their checkpoints hold

    @property
    def missing(self) -> int:
        """How many runs have no record."""
        return len(self.left)

    @property
    def missing_epochs(self) -> int:
        """Epochs to train, of all missing runs together."""
        return sum(run.epochs - done for run, done in self.left.items())

    @property
    def begun(self) -> float:
        """The share of the missing runs' epochs that checkpoints hold; 0 if none is missing."""
        done = sum(self.left.values())
        return done / (done + self.missing_epochs) if done else 0.0


def inventory(runs: Sequence[Run], store: Store | None = None) -> Inventory:
    """What `records` would load and what it would have to train."""
    store = store or Store()
    begun, found = store.checkpointed(), []

    def stored(run: Run) -> bool:
        there = store.get(run) is not None
        if there:
            found.append(run)
        return there

    missing = [run for generation in with_inits(runs, stored) for run in generation]
    return Inventory(len(found), {run: begun.get(run, 0) for run in missing})


def records(
    runs: Sequence[Run],
    store: Store | None = None,
    device: str = "auto",
    progress: bool = True,
    minutes: float = float("inf"),
    scheduler: str | None = None,
) -> list[Record]:
    """The records of the runs, in order: stored ones are loaded, missing ones trained.

    The same as `sweep.train`, whose errors it raises.
    """
    return train(runs, store, device, progress, minutes, scheduler)
