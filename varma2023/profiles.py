"""What sweeps share: profiles, changes of a field, and the sweeps of Figs. 1a, 9 and of 1b, 7."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import wraps
from inspect import signature
from itertools import product
from numbers import Integral, Real
from typing import Any

import numpy as np

from grokkit.model import ModelConfig
from grokkit.runs import Run

PROFILES = ("published", "quick", "paper")
QUICK_RUN = Run(p=31, dataset_size=620, lr=4e-3, model=ModelConfig(64, d_mlp=256), n_logged=60)
"""What the quick profile trains: a small network, in a quarter of the epochs (choice C8)."""

NARROW = ModelConfig(d_model=48, d_mlp=96, n_heads=2)  # less than half as wide (choice C83)
PAPERS = Run()
EVERYTHING = PAPERS.p**2
SHARED = ("task", "p", "model")  # changes that also apply to the networks that runs start from
PAPER_SIZES = np.geomspace(300, 10_000, 20)  # of the paper profile, where the paper gives none
QUICK = ((0.5, 1.0), QUICK_RUN)  # weight decays and network of the quick profile

Changes = dict[str, Any]
Sizes = Sequence[int] | None
Sweep = Callable[..., list[Run]]

FROM = {"seed": "seeds", "dataset_size": "sizes", "weight_decay": "weight_decays"}
GIVEN = {"seeds": int | None, "sizes": Sizes, "weight_decays": Sequence[float] | None}
LISTS = {
    "sizes": (Integral, "whole numbers"),
    "weight_decays": (Real, "numbers"),
    "tasks": (str, "names"),
}


@dataclass(frozen=True)
class Grid:
    """How much of a sweep one profile runs."""

    seeds: int
    epochs: int  # of a run: updates of AdamW, or gradients of the minimiser
    sizes: Collection[float | int]  # at `run.p`; another task or modulus takes the same share
    decays: Sequence[float | int] = (0.1, 0.5, 1.0, 1.5, 2.0)  # those of Fig. 4
    run: Run = PAPERS  # its modulus, network and learning rate
    exact: bool = False  # whether sizes are meant as they are, whatever the task

    def sizes_of(self, run: Run) -> list[int]:
        """The dataset sizes for this run's task and modulus."""
        if self.exact:
            return [int(size) for size in self.sizes]
        examples = run.operation.n_examples
        shares = [size / self.run.p**2 for size in self.sizes]
        return [min(examples, max(1, round(share * examples))) for share in shares]


def sets(*own: str, **grids: Grid) -> Callable[[Sweep], Sweep]:
    """A sweep that sets these fields of its runs itself, and so takes no changes of them.

    With a grid for each profile, the function takes the profile and its grid. Who calls it gives
    the profile and, instead of the grid's own, `seeds`, `sizes` and `weight_decays`, those of them
    whose fields the sweep sets; by default one that sets no weight decay has weight decay 1.

    Raises, when the sweep is called:
        ValueError: a change of such a field, or a list that is none; the message names it.
    """

    def decorate(make: Sweep) -> Sweep:
        arguments = signature(make)
        if grids:
            profile, _, *rest = arguments.parameters.values()
            names = [FROM[name] for name in own if name in FROM]
            of_grid = [profile.replace(name=n, default=None, annotation=GIVEN[n]) for n in names]
            first = profile.replace(default=PROFILES[0])
            arguments = arguments.replace(parameters=[first, *of_grid, *rest])

        @wraps(make)
        def checked(*positional: Any, **named: Any) -> list[Run]:
            bound = arguments.bind(*positional, **named)
            given = bound.arguments
            for name, value in not_none(given.get("changes", {})).items():
                if name in own:
                    instead = FROM.get(name)
                    hint = f"; give {instead}" if instead in arguments.parameters else ""
                    raise ValueError(f"{make.__name__} sets {name} itself{hint}, got {value!r}")
            for name in LISTS.keys() & not_none(given).keys():
                (kind, wanted), value = LISTS[name], given[name]
                members = list(value) if isinstance(value, Iterable) else []
                right = [isinstance(v, kind) and not isinstance(v, bool) for v in members]
                if isinstance(value, str) or not right or not all(right):
                    raise ValueError(f"{name} must be a list of {wanted}, got {value!r}")
                given[name] = members  # an iterator has been read
            if not grids:
                return make(*bound.args, **bound.kwargs)
            profile = given.pop("profile", PROFILES[0])
            seeds, sizes, decays = (given.pop(name, None) for name in GIVEN)
            own_seeds = {name: each.seeds for name, each in grids.items()}
            new: Changes = {"seeds": len(seed_range(profile, seeds, **own_seeds))}
            new |= {} if sizes is None else {"sizes": sorted(sizes), "exact": True}
            new |= not_none({"decays": decays if "weight_decay" in own else (1.0,)})
            grid = replace(grids[profile], **new)
            return make(profile, grid, **given.pop("changes", {}), **given)

        del checked.__wrapped__  # Sphinx would take its parameters for those of the signature
        checked.__signature__ = arguments  # type: ignore[attr-defined]
        return checked

    return decorate


def of_width(d_model: int) -> ModelConfig:
    """The paper's network at another width, with as many hidden units for each as there."""
    return ModelConfig(d_model=d_model, d_mlp=4 * d_model)


def one_of(kind: str, name: str, known: Collection[str]) -> str:
    """The name. Raises ValueError, which lists the known ones, unless it is one of them."""
    if name not in known:
        raise ValueError(f"{kind} must be one of {', '.join(known)}; got {name!r}")
    return name


def apply(run: Run, changes: Changes) -> Run:
    """The run with the changes that are not None; a new p or task keeps the share of examples.

    Raises ValueError of a name that is no field of `Run`, or a value that its field does not allow.
    """
    changes = not_none(changes)
    allowed = {item.name for item in fields(Run)} - {"init"}
    for name in changes:
        if name not in allowed:
            raise ValueError(f"unknown field {name!r}: a run has {', '.join(sorted(allowed))}")
    if "dataset_size" not in changes and {"p", "task"} & set(changes):
        task, p = changes.get("task", run.task), changes.get("p", run.p)
        after = Run(task=task, p=p, dataset_size=1).operation.n_examples
        changes["dataset_size"] = max(1, round(run.dataset_size / run.operation.n_examples * after))
    return replace(run, **changes)


def seed_range(
    profile: str, seeds: int | None, published: int = 5, quick: int = 1, paper: int = 10
) -> range:
    """The seeds from 0 on, as many as given, or by default as the profile has.

    Raises ValueError of another profile than those of `PROFILES`, or not a number of seeds.
    """
    default = {"published": published, "quick": quick, "paper": paper}
    own = default[one_of("profile", profile, PROFILES)]
    whole = isinstance(seeds, Integral) and not isinstance(seeds, bool)
    if seeds is not None and not (whole and seeds >= 1):
        raise ValueError(f"seeds must be a whole number of at least 1, got {seeds!r}")
    return range(own if seeds is None else int(seeds))


RESIDUAL = 0.01  # at which the minimiser's runs end; few get there (see the chapter)
PART = 1e-4  # of the norm, over which the steepness of the loss is measured (choice C32)
EARLY = 0.4  # lr x epochs of AdamW before the minimiser takes a network over: it has memorised
LARGEST = 3.4  # times p ln p: on so many examples narrow networks, and those at 31, hold the rule


def minimised(run: Run, gradients: int, init: Run | None, precision: str = "float64") -> Run:
    """The run's train set and weight decay, by the minimiser of Eq. (2), from the end of `init`."""
    own: Changes = {"optimiser": "lbfgs", "precision": precision, "epochs": gradients, "init": init}
    n_logged = min(100 if precision == "float64" else 40, max(2, gradients // 4))
    return replace(run, **own, tolerance=RESIDUAL, n_logged=n_logged, keep_weights=False)


def early(run: Run) -> Run:
    """The same run of AdamW, ended early: where the minimiser of a grokking network starts."""
    return replace(run, epochs=round(EARLY / run.lr), n_logged=20, keep_weights=True)


SLOW_TASKS = {"x/y or x-y": 10_000, "S_n: xyx^-1": 25_000, "S_n: xyx": 10_000}
"""Tasks that 3,000 epochs on every example leave unlearned, and the epochs that they have."""


@sets("seed")
def grokking(profile: str = "published", seeds: int | None = None, **changes: Any) -> list[Run]:
    """Figs. 1a, 9, 11: from scratch on 30% of x + y mod 113, seven seeds, final weights kept.

    The quick profile takes 65% of x + y mod 31 and the first seed, which groks by epoch 600.
    """
    base, count = Run(keep_weights=True), seed_range(profile, seeds, published=7, quick=1, paper=5)
    if profile == "quick":
        base = replace(QUICK_RUN, epochs=1500, n_logged=80, keep_weights=True)
    runs = [apply(base, changes | {"seed": seed}) for seed in count]
    examples = runs[0].operation.n_examples
    if runs[0].dataset_size == examples:
        where = f"{runs[0].task} at p = {runs[0].p}"
        allowed = f"dataset_size 1..{examples - 1}, got {examples}"
        raise ValueError(f"grokking is seen on a test set, which {where} has for {allowed}")
    return runs


UNDER_WAY = [Run(seed=seed, keep_weights=True) for seed in (2, 5)]  # not done at their last epoch


@sets("seed")
def grokking_longer(
    profile: str = "published", seeds: int | None = None, **changes: Any
) -> list[Run]:
    """Figs. 1a, 9, 11: runs of `grokking` that are under way at their end, made twice as long (C9).

    Those of the published runs that by then have not generalised, or whose norm has not settled.
    """
    found = grokking(profile, seeds, **changes)
    return [replace(run, epochs=2 * run.epochs) for run in found if run in UNDER_WAY]


@sets("seed", "dataset_size")
def full_data(profile: str = "published", seeds: int | None = None, **changes: Any) -> list[Run]:
    """The networks from which ungrokking starts (Sec. 5.2): trained on every example.

    By AdamW for 3,000 epochs; on a task of `SLOW_TASKS` for longer.
    """
    count = seed_range(profile, seeds, published=1, quick=2, paper=10)
    epochs = SLOW_TASKS.get(changes.get("task") or Run.task, 3000)
    run, epochs = (QUICK_RUN, 300) if profile == "quick" else (PAPERS, epochs)
    base = replace(run, dataset_size=run.p**2, epochs=epochs, n_logged=60, keep_weights=True)
    return [apply(base, changes | {"seed": seed}) for seed in count]


UNMOVED = 1494  # D' at which published runs hold the rule: there they are shorter (choice C46)
AT_FIRST = 20_000  # epochs that the published runs of `ungrokking` had before choice C46
PAPERS_UNGROKKING = np.geomspace(390, 1494, 7)  # the sizes of Fig. 7


@sets(
    *("seed", "dataset_size"),
    published=Grid(10, 100_000, PAPERS_UNGROKKING),
    quick=Grid(2, 600, (40, 120, 600), run=QUICK_RUN),
    paper=Grid(10, 1_000_000, PAPERS_UNGROKKING),
)
def ungrokking(profile: str, grid: Grid, **changes: Any) -> list[Run]:
    """Figs. 1b, 7: grokked networks trained further on fewer examples, by size and then by seed.

    `sizes` are the reduced dataset sizes D'. A change of task, p or model also applies to the
    networks that the runs start from; another (weight decay, lr, eps, epochs) does not (choice C7).
    The published runs have fewer epochs at the largest size, where none of them changes; not so
    where a field is changed.
    """
    inits = full_data(profile, grid.seeds, **shared(changes))
    start = {name: getattr(inits[0], name) for name in (*SHARED, "lr", "dataset_size")}
    n_logged = {"published": 160, "quick": 60, "paper": 400}[profile]
    base = apply(Run(**start, epochs=grid.epochs, n_logged=n_logged), not_shared(changes))
    wanted = product(grid.sizes_of(inits[0]), inits)
    runs = [replace(base, dataset_size=size, init=init, seed=init.seed) for size, init in wanted]
    if profile != "published" or not_none(changes):
        return runs
    return [replace(r, epochs=AT_FIRST) if r.dataset_size == UNMOVED else r for r in runs]


def ungrokking_at_first(
    profile: str = "published", seeds: int | None = None, **changes: Any
) -> list[Run]:
    """The runs of `ungrokking`, the published ones for `AT_FIRST` epochs only (choice C46)."""
    own = {"epochs": AT_FIRST} if profile == "published" else {}
    return ungrokking(profile, len(seed_range(profile, seeds, quick=2)), **own | not_none(changes))


def at_rate(run: Run, times: float, **changes: Any) -> Run:
    """The run at so many times its learning rate, for the same time lr x epochs."""
    return replace(run, lr=times * run.lr, epochs=round(run.epochs / times), **changes)


def not_none(changes: Changes) -> Changes:
    """The changes that ask for something."""
    return {name: value for name, value in changes.items() if value is not None}


def shared(changes: Changes) -> Changes:
    """The changes that also apply to the networks that runs start from; None where not given."""
    return {name: changes.get(name) for name in SHARED}


def not_shared(changes: Changes) -> Changes:
    """The changes that only apply to the runs themselves."""
    return {name: value for name, value in changes.items() if name not in SHARED}


def to_the_minimum(inits: Sequence[Run], grid: Grid, changes: Changes) -> list[Run]:
    """Every network at the end of `inits` taken to a minimum of Eq. (2), by size and decay."""
    runs = []
    for size, decay, init in product(grid.sizes_of(inits[0]), grid.decays, inits):
        same = replace(init, dataset_size=size, weight_decay=decay)
        runs.append(apply(minimised(same, grid.epochs, init, "mixed"), not_shared(changes)))
    return runs


def to_rest(profile: str, runs: Iterable[Run]) -> list[Run]:
    """From where these end, by the minimiser with the exact loss, until at rest."""
    gradients = 80 if profile == "quick" else 20_000
    starts = [replace(run, keep_weights=True) for run in runs]  # their own records need not
    ends = [minimised(replace(start, loss="exact"), gradients, start, "mixed") for start in starts]
    return [replace(end, until_rest=profile != "quick") for end in ends]


ROUNDED: Changes = {"kink": 0.5, "until_rest": False, "tolerance": 0.0}
"""A minimiser along rounded kinks, from about the size of a pre-activation on (choice C79)."""


def longer(profile: str, runs: list[Run], more: Mapping[tuple, int], **changes: Any) -> list[Run]:
    """The runs, the published ones in `more` with so many times the gradients.

    Unless `changes` say how many. A run is named by its size, weight decay and seed, and by its
    d_model, its choice of mirror images, its labels and its task where these are not the usual.
    """
    if profile != "published" or "epochs" in not_none(changes):
        return runs
    usual, found = (PAPERS.model.d_model, PAPERS.mirrors, PAPERS.labels, PAPERS.task), []
    for run in runs:
        own = (run.model.d_model, run.mirrors, run.labels, run.task)
        other = [value for value, known in zip(own, usual, strict=True) if value != known]
        times = more.get((run.dataset_size, run.weight_decay, run.seed, *other), 1)
        found.append(replace(run, epochs=times * run.epochs))
    return found


def from_random(
    grid: Grid, changes: Changes, begun: Callable[[Run], Run] = early, **fields: Any
) -> list[Run]:
    """Random weights to a minimum of Eq. (2): AdamW until they have memorised, then the minimiser.

    By size, weight decay and seed. `fields` of every run, such as random labels. `begun` makes of a
    run the one by AdamW that the minimiser starts from.
    """
    base, runs = apply(replace(grid.run, **fields), shared(changes)), []
    for size in grid.sizes_of(base):
        each = replace(base, dataset_size=size)
        inits = [begun(replace(each, seed=seed)) for seed in range(grid.seeds)]
        runs += to_the_minimum(inits, replace(grid, sizes=[size], exact=True), changes)
    return runs
