"""Records of every experiment by hand, with parameters: at rest or falling, D_crit, powers of D.

The sizes are those of p = 113; at another modulus they are the same share of all examples.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, product
from math import exp, log
from typing import Any

import numpy as np
import torch
from handmade import altered, record

from grokkit import tasks
from grokkit.model import ModelConfig
from grokkit.runs import Record, Run
from grokkit.tasks import PERMUTATION
from varma2023 import measures, profiles
from varma2023.convergence.analysis import Equilibrium
from varma2023.decomposition.analysis import Trigonometric
from varma2023.measures import FULL, NONE, OTHER_TASKS, SEMI, TRANSIENT, UNDER_WAY
from varma2023.other_tasks import analysis, groups
from varma2023.other_tasks.analysis import GroupCircuit
from varma2023.rivals import sweeps
from varma2023.rivals.analysis import BASE, ROUNDED, variant

Named = dict[str, list[Record]]  # records, by the name of their experiment
FIVE = range(5)
SIZES = (300, 500, 650, 800, 1000, 1500, 3000)
D_CRIT = 750.0
DECAYS = (0.1, 1.0, 2.0)
CALM, RESTLESS, FALLING = {}, {"residual": 0.5}, {"slope": 0.05}


# --- ends of training ------------------------------------------------------------------------


def end(run: Run, rest=CALM, start: float = 1.0, **finals: float) -> Record:
    """A run with these values throughout, but for test accuracy from its start to its end.

    At rest, or by `rest`: of a residual too large, or with Eq. (2) (its norm) still falling by 2 %
    over the last fifth.
    """
    known = {"train_loss": 1e-7, "param_norm": 24.0, "correct_logit": 60.0}
    known |= {"test_loss": [2e-6, 1.0], "train_accuracy": 1.0, "trig_share": 0.99} | finals
    norm = known.pop("param_norm") * np.array([(1 + rest.get("slope", 0.0)) ** 1.0, 1.0])
    accuracy = [start, known.pop("test_accuracy", 1.0)]
    values = {"residual": rest.get("residual", 0.1), "param_norm": norm, "test_accuracy": accuracy}
    return record(run, [0, run.epochs], **known, **values)


def of_minimum(run: Run, minimum: float, norm: float, rest=CALM, **finals) -> Record:
    """An `end` whose Eq. (2) over alpha is `minimum`."""
    loss = run.eps * run.weight_decay * (minimum - norm**2 / 2)
    return end(run, rest, train_loss=loss, param_norm=norm, **finals)


def lbfgs(**changes) -> Run:
    return Run(optimiser="lbfgs", precision="mixed", **{"epochs": 1500, **changes})


def scaled(size: float, task: str = "x+y", p: int = 113) -> int:
    """The same share of a task's examples as `size` is of x + y mod 113."""
    examples = tasks.task(task, p).n_examples
    return round(size / 113**2 * examples) if task not in PERMUTATION and p != 113 else round(size)


def sweep(
    seeds: Sequence[int] = FIVE,
    d_crit: float = D_CRIT,
    power: float = 0.0,
    field: str = "weight_decay",
    values: Sequence[float] = DECAYS,
    sizes: Sequence[int] = SIZES,
    steep: float = 1.0,
    ratio: float = 7.0,
    norm: float = 0.1,
    depth: float = 1.0,
    loss: float = 1.0,
    rest=CALM,
    adamw: bool = False,
    fresh: bool = False,
    **changes,
) -> list[Record]:
    """Ends of ungrokking, by seed, value of a field and size.

    Accuracy is linear in log D', a half at `d_crit` times the field to a power, `steep` there. The
    ratio of logits goes as D' to the power `ratio`, the norm grows by the part `norm` for each 1 of
    the field. Eq. (2) is D' up to D_crit and D_crit from there, times `depth` in the middle and
    `loss` everywhere.
    """
    made, p, task = [], changes.get("p", 113), changes.get("task", "x+y")
    start = Run(task=task, p=p, dataset_size=tasks.task(task, p).n_examples, keep_weights=True)
    for seed, value, size in product(seeds, values, sizes):
        own = {**changes, field: value, "seed": seed, "dataset_size": scaled(size, task, p)}
        run = (Run if adamw else lbfgs)(**own, init=None if fresh else start)
        if adamw:
            run = replace(run, epochs=round(20 * run.decay_time))
        crit = d_crit * (value if field == "weight_decay" else 1e8 * value) ** power
        accuracy = min(max(0.5 + steep * log(size / crit), 0.0), 1.0)
        minimum = loss * (depth if 0 < accuracy < 1 else 1.0) * min(size, d_crit)
        gen = 60 / (1 + (size / 950) ** -ratio)
        ends = {"test_accuracy": accuracy, "trig_logit": gen, "mem_logit": 60 - gen}
        ends |= {"start": accuracy} if adamw else {}  # so that no epoch is too early
        made.append(of_minimum(run, minimum, 20 * (1 + norm * min(value, 2.0)), rest, **ends))
    return made


def with_rest(records: Sequence[Record], rest: dict, **fields) -> list[Record]:
    """The records, but those whose runs have these values with another residual, or falling."""
    made = []
    for each in records:
        if all(getattr(each.run, name) == value for name, value in fields.items()):
            other = end(each.run, rest, param_norm=each.final("param_norm"))
            each = altered(each, residual=other["residual"], param_norm=other["param_norm"])
        made.append(each)
    return made


def crossing(d_crit: float, sizes=SIZES, seed=0, weight_decay=1.0, **changes) -> list[Record]:
    """One curve of `sweep`."""
    return sweep((seed,), d_crit, values=(weight_decay,), sizes=sizes, **changes)


def by_seed(d_crits: dict[int, float], values: Sequence[float] = DECAYS, **changes) -> list[Record]:
    """A `sweep` in which each seed has its own D_crit."""
    return [r for seed, at in d_crits.items() for r in sweep((seed,), at, values=values, **changes)]


def by_modulus(factor=1.0, known=(53, 113), seeds=FIVE, rest=CALM, far=CALM, more=()) -> Named:
    """Curves at moduli whose D_crit is 1.4 p ln p, at 31 times a factor.

    `more`: triples of another modulus, its factor, and how its ends rest.
    """

    def at(p: int, times=1.0, **changes) -> list[Record]:
        crit = times * 1.4 * p * log(p)
        share = crit * 113**2 / p**2  # `sweep` takes sizes as shares
        sizes = [share * part for part in (0.5, 0.7, 0.9, 1.1, 1.4, 2.0)]
        made = sweep(seeds, share, values=(1.0,), sizes=sizes, p=p, **changes)
        return made if times == 1.0 else with_rest(made, far, dataset_size=round(2 * crit))

    new, (first, last) = at(31, factor * (1 + 1e-9), rest=rest), map(at, known)
    others = [r for p, times, how in more for r in at(p, times * (1 + 1e-9), rest=how)]
    return {"moduli": [*new, *first, *others], "transition": last}


NARROW = ModelConfig(d_model=64, d_mlp=256)


def at_width(
    model: ModelConfig, times: float, loss=1.0, seeds=FIVE, p=113, rest=CALM, mem=CALM
) -> list[Record]:
    """Ends of a network around so many times the D_crit, then memory of random labels.

    A table costs as much in every network, the rule `loss` times what its D_crit says.
    """
    own = {"fresh": model != ModelConfig(), "model": model, "rest": rest, "p": p}
    ends = sweep(seeds, times * D_CRIT, values=(1.0,), loss=loss, **own)
    labelled = memory(seeds, sizes=(300, 1000, 3000), rest=mem, p=p, decays=(1.0,))
    return [*ends, *(replace(each, run=replace(each.run, model=model)) for each in labelled)]


def by_width(narrow=1.4, dearer=1.0, **both) -> Named:
    """A network of half the paper's width, whose rule is so much `dearer`, and the paper's."""
    wide = at_width(ModelConfig(), 1, **both)
    return {"widths": [*at_width(NARROW, narrow, dearer, **both), *wide]}


def by_either_width(narrow=1.44, thin=1.2, flat=1.2, dearer=(1.0, 1.0, 1.0), **each) -> Named:
    """Networks with both, one or none of the paper's dimensions halved.

    The rule is `dearer` with `d_model` halved, with `d_mlp`, and with neither.
    """
    models = NARROW, replace(NARROW, d_mlp=512), replace(NARROW, d_model=128), ModelConfig()
    how = zip(models, (narrow, thin, flat, 1), (1.0, *dearer), strict=True)
    low, thin, flat, papers = (at_width(*own, **each) for own in how)
    return {"widths": [*low, *papers], "either_width": [*thin, *flat]}


def by_costs(dearer=1.0, true=1.0, seeds=FIVE, p=113, mem=CALM, off=CALM, depth=1.0) -> Named:
    """Ungrokking of a rule `dearer` times what D_crit says, and memory of two kinds of labels.

    That of the true labels costs `true` times that of random ones. Ends of memory may be falling:
    those beside D_crit (`mem`), and those at the largest size (`off`).
    """
    own = sweep(seeds, values=(1.0,), p=p, loss=dearer, depth=depth)
    random = memory(seeds, sizes=(300, 650, 800, 3000), p=p, decays=(1.0,))
    for size, how in ((650, mem), (3000, off)):
        random = with_rest(random, how, dataset_size=scaled(size, p=p))
    wrong, known = [altered(each, test_accuracy=0.0) for each in random], []
    for each in wrong:
        loss, norm = each["train_loss"] * true, each["param_norm"] * true**0.5
        right = replace(each, run=replace(each.run, labels="true"))
        known.append(altered(right, train_loss=loss, param_norm=norm))
    far = [r for r in known if r.run.dataset_size == scaled(3000, p=p)]
    near = [r for r in known if r not in far]
    return {"moduli": own, "memory_at_rest": wrong + near, "upper_branch": far}


def by_rounded_costs(lower=1.0, right=1.0, **changes) -> Named:
    """`by_costs`, and the same once more, with memory's cost this part of what it was.

    The rules of the latter have this test accuracy.
    """
    found = by_costs(**changes)
    most = max(record.run.dataset_size for record in found["moduli"])
    rules = [r for r in found["moduli"] if r.run.dataset_size == most]
    again = [altered(rule, test_accuracy=right) for rule in rules]
    for each in found["memory_at_rest"]:
        if each.run.labels == "random":
            loss, norm = each["train_loss"] * lower, each["param_norm"] * lower**0.5
            again.append(altered(each, train_loss=loss, param_norm=norm))
    return found | {"along_rounded_kinks": again}


def two_minima(dearer=1.08, down=D_CRIT, sizes=(600, 700, 900, 1500), p=113, rest=CALM) -> Named:
    """Pairs from both starts, of a rule `dearer` times what D_crit says, and the loop they are in.

    Grokked networks cross at `down`, fresh ones at 1,900.
    """
    same = {"values": (1.0,), "p": p}
    own = {**same, "sizes": sizes, "rest": rest}
    pairs = [*sweep(loss=dearer, **own), *sweep(d_crit=1900, fresh=True, **own)]
    fresh = sweep(d_crit=1900, fresh=True, **same)
    return {"two_minima": pairs, "moduli": sweep(d_crit=down, **same), "upper_branch": fresh}


def mixtures(part=0.63, other=0.63, share=0.5, seeds=FIVE, uneven=0.0) -> Named:
    """Ends with both circuits, whose squared norm is this part of what they take apart.

    Mod 113 and, the other part, mod 31. The part of every second seed is `uneven` more.
    """

    def at(p: int, labels: str, part: float) -> tuple[list[Record], list[Record]]:
        ends, memory = [], []
        for seed in seeds:
            own = {"p": p, "seed": seed}
            sizes = [lbfgs(dataset_size=scaled(size, p=p), **own) for size in (500, 800, 1500)]
            for each in (sizes[0], sizes[-1]):
                own = {"param_norm": 30.0, "trig_logit": 0.0, "mem_logit": 60.0}
                wrong = replace(each, labels=labels)
                memory.append(end(wrong, start=0.0, test_accuracy=0.0, **own))
            # half of either logit: each circuit takes (1/2)^(1/3) of its squared norm
            norm = ((part + uneven * (seed % 2)) * 0.5 ** (1 / 3) * (30**2 + 20**2)) ** 0.5
            own = {"trig_logit": 60 * share, "mem_logit": 60 * (1 - share), "param_norm": norm}
            ends.append(end(sizes[1], start=0.5, test_accuracy=0.5, **own))
            ends.append(end(sizes[2], trig_logit=60.0, mem_logit=0.0, param_norm=20.0))
        return ends, memory

    (ends, memory), (small, known) = at(113, "random", part), at(31, "true", other)
    return {"transition": ends, "papers_memory": memory, "moduli": small, "two_minima": known}


def shaken(back=1.0, lost=0.5, p=113, rest=CALM, sizes=(180, 228)) -> Named:
    """Networks of both starts under noise, and each at rest once more.

    At the larger size Eq. (2) is `back` times what it was. At the smaller one networks that were
    trained on more lose so much of their accuracy.
    """
    before, found = two_minima(sizes=sizes, p=p)["two_minima"], []
    least = min(one.run.dataset_size for one in before)
    for one in before:
        start, small = replace(one.run, keep_weights=True), one.run.dataset_size == least
        changes = {"optimiser": "adamw", "precision": "float32", "epochs": 640, "noise": 1000.0}
        noisy = replace(start, init=start, **changes)
        curves = {name: values[::-1] for name, values in one.metrics.items()}  # first the old end
        curves["epoch"] = np.array([0, noisy.epochs])
        found.append(Record(replace(noisy, keep_weights=False), curves, {}))
        moved = replace(one, run=replace(one.run, init=noisy))
        known = {"test_accuracy": one["test_accuracy"] - (lost if small and one.run.init else 0.0)}
        if not small:
            known["train_loss"] = one["train_loss"] * back
            known["param_norm"] = one["param_norm"] * back**0.5
        found += with_rest([altered(moved, **known)], rest)
    return {"shaken": found}


def pushed(
    heights=(16.0, 9.6, 2.8),
    left=1000.0,
    over=True,
    p=113,
    seeds=FIVE,
    sizes=(600, 760, 930),
    fall=0.0,
    residual=0.1,
) -> Named:
    """Networks that are pushed over these heights, at the largest size or not, and fresh ones.

    The heights lie on a line to 0 at 1,000; fresh networks cross at `left`. In memory Eq. (2) is
    230, and so much more at first.
    """
    found, last = [], max(sizes)
    for (size, height), seed in product(zip(sizes, heights, strict=False), seeds):
        run = lbfgs(dataset_size=scaled(size, p=p), p=p, seed=seed, epochs=4000, push=0.6)
        way = np.array([fall, *[0.0] * 5, *[0.5] * 4, 1.0, *[0.7] * 4, *[-1.0] * 5, -1.2])
        way[1:] *= height
        if size == last and not over:
            way = np.linspace(0, height, 21)  # it only rises
        norm, at = (2 * (230 + np.repeat(way, 2)[1:])) ** 0.5, np.arange(0, 4001, 100)
        share = np.linspace(0.1, 0.6, len(at))
        own = {"trig_share": share, "test_accuracy": 0.05, "residual": residual}
        found.append(record(run, at, train_loss=0.0, param_norm=norm, **own))
    return {"pushed": found, "upper_branch": sweep(seeds, left, values=(1.0,), p=p, fresh=True)}


def by_mirrors(ratio=2.0, **changes) -> Named:
    """Ungrokking without mirror images and with all, by accuracy on examples that are new in both.

    With all of them D_crit is so many times as large.
    """
    same = {"values": (1.0,)} | changes
    found = [*sweep(mirrors="none", **same), *sweep(d_crit=ratio * D_CRIT, mirrors="all", **same)]
    for each in found:
        known, new = measures.mirror_share(each.run), each["test_accuracy"]
        each.metrics["test_accuracy"] = known + (1 - known) * new
    return {"mirrors": found}


def ungrokked(ends: dict[int, float], seeds=FIVE, rest=CALM, **finals) -> list[Record]:
    """Runs of AdamW from networks trained on everything, by size and the accuracy at the end."""
    start, made = Run(dataset_size=12769, keep_weights=True), []
    for (size, accuracy), seed in product(ends.items(), seeds):
        run = Run(dataset_size=size, epochs=20_000, seed=seed, init=start)
        made.append(end(run, rest.get(size, CALM), test_accuracy=accuracy, **finals))
    return made


def other_tasks(seeds=FIVE, d_crits: dict[str, float] | None = None, **changes):
    """The nine tasks of Fig. 8, each with its D_crit."""
    made = []
    for task in OTHER_TASKS:
        own = {"task": task, "p": 5 if task in PERMUTATION else 113, "values": (1.0,), **changes}
        made += sweep(seeds, (d_crits or {}).get(task, D_CRIT), **own)
    return made


# --- one circuit alone: Fig. 3 ---------------------------------------------------------------

ALL_DECAYS = (0.1, 0.5, 1.0, 1.5, 2.0)
MEMORY_SIZES = (500, 1000, 2000, 4000, 8000)


def memory(
    seeds=FIVE,
    power=0.5,
    kappa=4.0,
    sizes=MEMORY_SIZES,
    rest=CALM,
    p=113,
    decays=ALL_DECAYS,
    up=1.0,
    tilt=0.0,
) -> list[Record]:
    """C_mem: norm 30 (D / 1000)^power (logit / 60)^(1 / kappa), Eq. (2) 1000 (D / 1000)^2 power.

    The norm of each seed is `up` times that of the one before; logits go as D to the power `tilt`.
    """
    found = []
    for seed, size, decay in product(seeds, sizes, decays):
        d = size / 1000
        logit = 60 * decay**-0.3 * d**tilt
        norm = 30 * up**seed * d**power * (logit / 60) ** (1 / kappa)
        own = {"p": p, "dataset_size": scaled(size, p=p), "labels": "random"}
        run = lbfgs(weight_decay=decay, seed=seed, **own)
        found.append(of_minimum(run, 1000 * d ** (2 * power), norm, rest, correct_logit=logit))
    return found


def rule(
    seeds=FIVE,
    power=0.0,
    kappa=4.0,
    cost=D_CRIT,
    sizes=(4000, 6000, 8000),
    share=0.99,
    rest=CALM,
    decays=ALL_DECAYS,
    up=1.0,
) -> list[Record]:
    """C_gen: at every logit the norm, and the minimum, that `memory` has at a size of `cost`.

    That of each seed is `up` times that of the one before.
    """
    found = []
    for seed, size, decay in product(seeds, sizes, decays):
        logit, own = 60 * decay**-0.1, cost * up**seed
        norm = 30 * (own / 1000) ** 0.5 * (logit / 60) ** (1 / kappa) * (size / 6000) ** power
        run = lbfgs(dataset_size=size, weight_decay=decay, seed=seed)
        parts = {"correct_logit": logit, "trig_share": share}
        found.append(of_minimum(run, own, norm, rest, **parts))
    return found


# --- semi-grokking ---------------------------------------------------------------------------

LONG = 50_000
PLATEAU_EPOCHS = np.unique(np.concatenate([[0, 100], np.arange(500, LONG + 1, 500)]))


def line(*points: tuple[int, float]) -> np.ndarray:
    """Test accuracy by straight lines between (epoch, accuracy)."""
    return np.interp(PLATEAU_EPOCHS, *zip(*points, strict=True))


SHAPES = {
    NONE: line((0, 0.03), (1000, 0.35), (LONG, 0.4)),
    UNDER_WAY: line((0, 0.03), (1000, 0.35), (40_000, 0.4), (LONG, 0.9)),
    SEMI: line((0, 0.03), (1000, 0.35), (20_000, 0.4), (24_000, 0.797), (LONG, 0.8)),
    TRANSIENT: line((0, 0.03), (8000, 0.4), (9000, 0.7), (18_000, 0.7), (20_000, 1), (LONG, 1)),
    FULL: line((0, 0.03), (8000, 0.4), (9000, 1), (LONG, 1)),
}
SMALL = Run(p=31, dataset_size=380, epochs=LONG)


def plateau(kind: str | np.ndarray, run: Run = SMALL, **changes) -> Record:
    """A run of this outcome, or of this test accuracy."""
    accuracy = SHAPES[kind] if isinstance(kind, str) else kind
    curves = {"train_loss": 1e-7, "test_loss": 1.0, "trig_logit": 20.0, "mem_logit": 5.0}
    curves |= {"param_norm": np.where(accuracy > 0.9, 24.0, 27.0), "test_accuracy": accuracy}
    curves |= {"train_accuracy": np.where(PLATEAU_EPOCHS < 100, 0.5, 1.0), "residual": 0.2}
    return record(run, PLATEAU_EPOCHS, **curves | changes)


PAPERS = Run(dataset_size=1500, epochs=LONG)


def near_d_crit(kinds=tuple(SHAPES), seeds=FIVE, base: Run = PAPERS, **changes) -> list[Record]:
    """A run a seed of each kind, each kind at a size of its own."""
    return [
        plateau(kind, replace(base, dataset_size=base.dataset_size + 10 * i, seed=seed), **changes)
        for i, kind in enumerate(kinds)
        for seed in seeds
    ]


def again(longer: str, precise: str | None, base: Run = PAPERS) -> list[Record]:
    """One run a seed made once more: longer, and in float64, with these outcomes."""
    made = [plateau(longer, replace(base, seed=seed)) for seed in FIVE]
    exact = replace(base, precision="float64")
    return made + [plateau(precise, replace(exact, seed=seed)) for seed in FIVE if precise]


def rounded_again(kinds=(SEMI,) * 5, residual=0.2) -> Named:
    """Longer runs with the rounded loss, a seed each, with these outcomes."""
    runs = (replace(PAPERS, loss="rounded", seed=seed) for seed in range(len(kinds)))
    made = zip(kinds, runs, strict=True)
    return {"rounded_again": [plateau(*each, residual=residual) for each in made]}


def held(exact=(FULL,) * 5, others=(SEMI,) * 5, rest=1.0) -> Named:
    """From the middle with the exact loss, with the rounded one, and by the minimiser, so.

    A seed each.
    """
    made = []
    for seed, kinds in enumerate(zip(exact, others, strict=True)):
        start = replace(PAPERS, loss="rounded", seed=seed, keep_weights=True)
        for loss, kind in zip(("exact", "rounded"), kinds, strict=True):
            accuracy = np.append(0.6, SHAPES[kind][1:])  # from the middle on
            run = replace(start, loss=loss, init=start, keep_weights=False)
            made.append(plateau(accuracy, run))
        made.append(from_the_end(start, rest, start=0.6))
    return {"held": made}


def carried(rounded=(0.6,) * 5, exact=(1.0,) * 5, start=0.6, rest=CALM, base=PAPERS) -> Named:
    """Where the minimiser leads networks from the middle, by the loss they were trained with.

    A seed each.
    """
    made = []
    for loss, ends in (("rounded", rounded), ("exact", exact)):
        for seed, accuracy in enumerate(ends):
            run = replace(base, loss=loss, seed=seed, keep_weights=True)
            made.append(from_the_end(run, accuracy, rest=rest, start=start))
    return {"carried": made}


def continued(stay=(SEMI,) * 5, residual=0.1) -> Named:
    """AdamW's runs on from starts that lead the minimiser to the middle, then from another."""
    ends = carried(exact=(0.6,) * len(stay) + (1.0,), rounded=())["carried"]
    on = [replace(each.run.init, keep_weights=False, init=each.run.init) for each in ends]
    kinds = (*stay, FULL)
    made = [plateau(kind, run, residual=residual) for kind, run in zip(kinds, on, strict=True)]
    return {"continued": made, "carried": ends}


def narrower(
    ends=(0.6, 0.6, 0.6), rest=CALM, on=SEMI, slow=SEMI, seeds=FIVE, moduli=(31, 47, 59)
) -> Named:
    """Narrow networks that all end in the middle, by modulus, and where the minimiser leads them.

    At the first modulus AdamW goes on from there, and networks at a lower rate end so.
    """
    fast, found = [], []
    for p, accuracy in zip(moduli, ends, strict=False):
        base = replace(PAPERS, p=p, dataset_size=400 + p, lr=4e-3)
        runs = near_d_crit([SEMI], seeds, base)
        starts = [replace(each.run, keep_weights=True) for each in runs]
        found += [from_the_end(each, accuracy, rest=rest, start=0.6) for each in starts]
        if p == moduli[0]:
            later = [replace(each, init=each, keep_weights=False) for each in starts]
            found += [plateau(on, run) for run in later]
            usual = near_d_crit([slow], seeds, replace(base, lr=1e-3))
        fast += runs
    return {"narrower": fast + usual, "narrower_ends": found}


def minimised(accuracy: float, rest=CALM) -> list[Record]:
    """The minimiser's ends from random weights, at this accuracy."""
    runs = [lbfgs(dataset_size=1700, seed=seed) for seed in FIVE]
    return [end(run, rest, test_accuracy=accuracy) for run in runs]


def stepping(large=FULL, small=NONE, rates=(8e-3, 1e-3), seeds=FIVE, base=PAPERS) -> list[Record]:
    """Networks near D_crit at a larger rate, and at the usual one."""
    kinds = zip(rates, (large, small), strict=False)
    return [r for lr, kind in kinds for r in near_d_crit([kind], seeds, replace(base, lr=lr))]


def by_step(
    kinds=(FULL,) * 4, odd=None, small=NONE, rates=(8e-3, 1e-3), seeds=FIVE, base=PAPERS
) -> Named:
    """The same, with networks on the paper's sizes at the larger rate, a kind at each size.

    Those of odd seeds may be of kinds of their own. At the usual rate they end otherwise.
    """
    large, usual = replace(base, lr=rates[0]), NONE if FULL in kinds else FULL
    papers = near_d_crit(kinds, seeds[::2], large) + near_d_crit(odd or kinds, seeds[1::2], large)
    papers += near_d_crit([usual] * 9, seeds, base)
    return {"larger_step": stepping(FULL, small, rates, seeds, base), "papers_sizes": papers}


def lowered(kind=NONE, loss=1e-7, seeds=FIVE, base=PAPERS) -> Named:
    """Networks near D_crit at a larger rate, then at a smaller one, with this loss at an epoch."""
    larger, later = stepping(seeds=seeds, base=base), []
    losses = np.where(PLATEAU_EPOCHS == 5000, loss, 1e-7)
    for run in (each.run for each in larger if each.run.lr == 8e-3):
        own = replace(run, lr=2e-3, init=replace(run, epochs=300, keep_weights=True))
        later.append(plateau(kind, own, train_loss=losses, train_accuracy=1.0))
    return {"larger_step": larger, "lowered": later}


def clipped(kinds=(FULL, NONE), loss=1e-2, seeds=FIVE, base=PAPERS) -> Named:
    """Networks that spike, as they are and clipped, with this loss at an epoch; then mod 31."""
    losses, found = np.where(PLATEAU_EPOCHS == 5000, loss, 1e-7), []
    for clip, kind, accuracy in zip((0, 500), kinds, (0.9, 0.1), strict=True):
        same = [Run(p=31, dataset_size=300, clip=clip, seed=seed) for seed in seeds]
        found += [in_memory(run, accuracy, spiky=True) for run in same]
        large = (replace(base, clip=clip, seed=seed) for seed in seeds)
        found += [plateau(kind, run, train_loss=losses, train_accuracy=1.0) for run in large]
    return {"clipped": found}


def kicked(kind=NONE, small=(0.1, 0.9), seeds=FIVE, base=PAPERS) -> Named:
    """Networks at a smaller rate with noise; then mod 31, with noise, and at a larger rate."""
    found, by_rate = lowered(kind, seeds=seeds, base=base), []
    noisy = [replace(r, run=replace(r.run, noise=70.0)) for r in found.pop("lowered")]
    for lr, noise, accuracy in zip((4e-3, 16e-3), (300, 0), small, strict=True):
        run = Run(p=31, dataset_size=300, lr=lr, noise=noise)
        by_rate.append([in_memory(replace(run, seed=n), accuracy, spiky=not noise) for n in seeds])
    return found | {"kicked": noisy + by_rate[0], "leaving_memory": by_rate[1]}


def exchanged(low=5, raised=0, large=5, seeds=FIVE, p=113) -> Named:
    """So many networks with the rule at the end, by rate and ε, at one ελ; spikes with little ε."""
    cells = (1e-3, 1 / 16, low), (1e-3, 1, 0), (16e-3, 1, large), (16e-3, 16, raised)
    runs = [
        (Run(p=p, dataset_size=900, seed=n, lr=lr, eps=1e-8 * eps, weight_decay=1 / eps), i < above)
        for lr, eps, above in cells
        for i, n in enumerate(seeds)
    ]
    return {"exchanged": [in_memory(run, 0.9 * above, run.eps < 1e-8) for run, above in runs]}


def leaving(crits=(600.0,) * 5, rates=(4e-3, 8e-3, 1.6e-2), spiky=True, p=113) -> Named:
    """Fresh networks that cross at `D_CRIT` at the usual rate, at others on `crits`, by seed.

    The latter spike before, or not.
    """
    same = {"adamw": True, "fresh": True, "field": "lr", "p": p}
    larger = by_seed(dict(enumerate(crits)), rates, **same)
    larger = [in_memory(each.run, each.final("test_accuracy"), spiky) for each in larger]
    return {"semi_grokking": sweep(values=(1e-3,), **same), "leaving_memory": larger}


def in_memory(run: Run, accuracy: float, spiky: bool) -> Record:
    """A network that memorises, and then spikes or does not, and ends at this test accuracy."""
    curves = {"train_loss": [1e-7, 1e-4 if spiky else 1e-7, 1e-7], "train_accuracy": 1.0}
    curves |= {"test_accuracy": [0, 0, accuracy], "param_norm": 24.0, "residual": 0.1}
    return record(run, [0, run.epochs // 2, run.epochs], **curves)


def slower(still=0, alone=0, seeds=FIVE) -> Named:
    """Fresh networks on two sizes, which end in memory, and with the rule; and at a quarter of it.

    There so many of the larger size end with the rule, and so many of the smaller.
    """

    def at(lr: float, n: tuple[int, int]) -> list[Record]:
        return [
            in_memory(Run(dataset_size=size, seed=seed, lr=lr), 0.9 * (i < k), spiky=False)
            for size, k in zip((1500, 2000), n, strict=True)
            for i, seed in enumerate(seeds)
        ]

    return {"semi_grokking": at(1e-3, (0, len(seeds))), "slower": at(2.5e-4, (alone, still))}


def spiking(peaks: Sequence[float], leaves: bool, seed=0, size=1700, lr=8e-3) -> Record:
    """A network whose train loss is so many times its least at every second evaluation.

    It ends in memory, or leaves it at the evaluation after the last of these.
    """
    loss = [1e-7 * each for peak in peaks for each in (1, peak)] + [1e-7] * 2
    accuracy = [0.0] * (len(loss) - 2) + [0.9 * leaves] * 2
    run = Run(dataset_size=size, seed=seed, lr=lr, epochs=1000 * (len(loss) - 1))
    curves = {"train_accuracy": 1.0, "param_norm": 24.0, "residual": 0.1}
    epochs = range(0, run.epochs + 1, 1000)
    return record(run, epochs, train_loss=loss, test_accuracy=accuracy, **curves)


def spiking_networks(seeds=range(4)) -> list[Record]:
    """One leaves memory at its first spike, one at its second, one at its third, others stay.

    The spike at which one leaves is the higher, the sooner; all others are lower.
    """
    peaks = ([1e6], [200, 1e5], [200, 300, 1e4], [200, 250, 260])
    return [spiking(peaks[min(seed, 3)], seed < 3, seed) for seed in seeds]


def in_the_middle(records: Sequence[Record]) -> list[Record]:
    """Those that are under way at their end, or semi-grokked."""
    return [record for record in records if measures.outcome(record) in (UNDER_WAY, SEMI)]


def left_in_the_middle(longer=SEMI, ended=0.6, seeds=FIVE, p=113, lost=0) -> Named:
    """Networks of each outcome at two rates, those in the middle made again, but for some lost.

    From there the minimiser ends at this accuracy.
    """
    base, middle = replace(PAPERS, p=p, dataset_size=1500 if p == 113 else 380), []
    usual, larger = (near_d_crit(base=replace(base, lr=lr), seeds=seeds) for lr in (1e-3, 4e-3))
    for records in (usual, larger):
        middle.append([plateau(longer, r.run) for r in in_the_middle(records)[lost:]])
    again, later = middle
    ends = from_their_ends([*again, *later], ended)
    found = {"semi_grokking": usual, "leaving_memory": larger, "delay": larger[:3]}
    return found | {"semi_grokking_again": again, "middling": later + ends}


def papers_sizes(longer=SEMI, other=None, seeds=FIVE, p=113, lost=0) -> Named:
    """Networks of each outcome, at half of the rate with another; else as `left_in_the_middle`."""
    base = replace(PAPERS, p=p, dataset_size=1500 if p == 113 else 380, lr=8e-3)
    large = near_d_crit(base=base, seeds=seeds)
    half = [plateau(other or measures.outcome(r), replace(r.run, lr=4e-3)) for r in large]
    later = [plateau(longer, r.run) for r in in_the_middle(large)[lost:]]
    return {"papers_sizes": large + half, "papers_sizes_again": later + from_their_ends(later, 0.6)}


def from_their_ends(records: list[Record], accuracy: float) -> list[Record]:
    """Where the minimiser ends, at rest, that goes on from these."""
    return [from_the_end(replace(r.run, keep_weights=True), accuracy) for r in records]


def from_the_end(init: Run, accuracy: float, **looks: Any) -> Record:
    """Where the minimiser ends that goes on from this run; `looks` as `end` has them."""
    same = {name: getattr(init, name) for name in ("p", "dataset_size", "seed", "lr")}
    return end(lbfgs(**same, init=init), test_accuracy=accuracy, **looks)


def by_momentum(left=(10, 0, 0), spiky=True, p=113, betas=(0.1, 0.9, 0.99)) -> Named:
    """Fresh networks by momentum, the most at a larger rate, of which so many leave memory.

    Those with the least spike before, or do not.
    """
    made = []
    for beta1, n in zip(betas, left, strict=True):
        for i, (size, seed) in enumerate(product((280, 300), FIVE)):
            lr = 16e-3 if beta1 == betas[-1] else 1e-3
            run = Run(p=p, dataset_size=size, seed=seed, beta1=beta1, lr=lr)
            made.append(in_memory(run, 0.9 * (i < n), spiky and beta1 == betas[0]))
    return {"momentum": made}


def steeps(seeds=FIVE, usual=24.0, rounded=10.0, size=2050, p=113) -> list[Record]:
    """Runs near D_crit that are as steep when calm.

    Their loss spikes once, but at the usual rate and 1.25 times that.
    """
    return [
        steep(*kind, seed=seed)
        for seed in seeds
        for kind in (
            (36.0, 0.1, size, 8e-3),
            (usual, 1e-6, size, 1e-3),
            (rounded, 0.1, 400, 1e-3, p, "rounded"),
            (30.0, 1e-6, size, 1.25e-3),
            (36.0, 0.1, size, 2e-3),
        )
    ]


def steep(calm, high, size, lr=1e-3, p=113, loss="exact", accuracy=(0.1,) * 6, seed=0) -> Record:
    """A network of this steepness while `calm`, whose loss spikes to the height `high`."""
    run = Run("x+y", p, size, seed=seed, epochs=5000, lr=lr, loss=loss, steepness=1e-4)
    losses = np.array([1, 1e-6, 1e-6, 5e-5 if high > 1e-6 else 1e-6, high, 1e-6])
    curves = {"train_accuracy": [0, *[1] * 5], "test_accuracy": accuracy, "residual": 0.5}
    curves |= {"train_loss": losses, "steepness": np.where(losses > 1e-6, 1e5, calm)}
    return record(run, range(0, 5001, 1000), **curves)


def forgetting(seeds=FIVE, few=36.0, spiky=1e-6, p=113) -> list[Record]:
    """Networks that ungrokked on few examples and spike, and that keep the rule, so spiky."""
    lost, kept = (1, 0.6, 0.2, 0.1, 0.1, 0.1), (1,) * 6
    found = [steep(few, 0.1, 300, p=p, accuracy=lost, seed=seed) for seed in seeds]
    return found + [steep(10.0, spiky, 1194, p=p, accuracy=kept, seed=seed) for seed in seeds]


def remembering(seeds=FIVE, many=36.0, spiky=0.1, most=0.1, p=113) -> list[Record]:
    """Fresh networks that stay in memory, so steep, and spike to a height on many examples."""
    left, stays = (0, 0.1, most, 0.1, 0.1, 0.1), (0, *[0.1] * 5)
    found = [steep(36.0, 0.1, 300, p=p, accuracy=stays, seed=seed) for seed in seeds]
    return found + [steep(many, spiky, 1500, p=p, accuracy=left, seed=seed) for seed in seeds]


def from_minima(
    seeds=FIVE, rule=6.0, memory=18.0, apart=0.0, decay=1.0, calm=False, rest=CALM, fresh=0.1, p=113
) -> list[Record]:
    """AdamW put on minima of both circuits: their steepness at the usual rate and weight decay 1.

    Memory's is `apart` larger with each seed, in logarithms. Both go with a power of weight decay.
    AdamW leaves where its step is too long, or never if `calm`. `fresh`: test accuracy in memory.
    """
    made = []
    for weight_decay, of_rule, seed in product((0.5, 1.0, 2.0), (True, False), seeds):
        steep = (rule if of_rule else memory * exp(apart * (seed - 2))) * weight_decay**decay
        own = Run(p=p, dataset_size=1190, weight_decay=weight_decay, seed=seed)
        rates = (1e-3, 4e-3, 1.6e-2)
        made += at_minimum(own, of_rule, 1.0 if of_rule else fresh, steep, rates, rest, calm)
    return made


def at_minimum(own, grokked, accuracy, steep, rates, rest=CALM, calm=False) -> list[Record]:
    """The minimiser once more and AdamW, at a minimum to which a grokked or fresh network led."""
    start = own.p**2 if grokked else own.dataset_size
    first = replace(own, dataset_size=start, weight_decay=1.0, keep_weights=True)
    again = replace(own, optimiser="lbfgs", precision="mixed", epochs=1500)
    there = replace(again, init=first, keep_weights=True)
    made = [end(replace(again, init=there), rest)]
    for lr in rates:
        there_too_steep = steep * lr / 1e-3
        high = 0.1 if there_too_steep > 38 and not calm else 1e-7
        curves = {"train_accuracy": 1, "test_accuracy": accuracy, "steepness": there_too_steep}
        curves["param_norm"] = [24, 24, 24 if high < 0.1 else 27]
        run = replace(own, lr=lr, init=there, steepness=1e-4)
        made.append(record(run, [0, 10, 1000], train_loss=[1e-7, high, 1e-7], **curves))
    return made


def minima_by_size(seeds=FIVE, memory=1.0, rule=0.0, apart=0.0, rest=CALM, p=113) -> list[Record]:
    """AdamW put on minima of memory, then of the rule, with these exponents of D.

    Memory's differs by `apart` from one seed to the next.
    """
    made = []
    for grokked, sizes in ((False, (300, 600, 1200)), (True, (1200, 2400))):
        for size, seed in product(sizes, seeds):
            own = Run(p=p, dataset_size=size, seed=seed)
            steep = 6 * (size / 1200) ** rule
            if not grokked:
                steep = 30 * (size / 600) ** (memory + apart * (seed - 2))
            made += at_minimum(own, grokked, float(grokked), steep, (1e-3,), rest)
    return made


# --- ablations -------------------------------------------------------------------------------


LONGER = Run(epochs=20_000)


def ablation(run: Run, general: int | None = 4000, start=40.0, spiky=(), **changes) -> Record:
    """Fits at epoch 200 and generalises at `general` (None: never); the loss is high at `spiky`."""
    epochs = np.arange(0, run.epochs + 1, 100)
    norm = np.interp(epochs, [0, 200, 10_000, 20_000], [start, 50, 24, 24])
    loss = np.where(np.isin(epochs, spiky), 1e-3, np.where(epochs < 200, 1.0, 1e-7))
    late = epochs < (np.inf if general is None else general)
    curves = {"train_loss": loss, "test_loss": 1.0, "param_norm": norm}
    curves |= {"train_accuracy": np.where(epochs < 200, 0.5, 1.0)}
    curves |= {"test_accuracy": np.where(late, 0.4, 1.0)}
    return record(run, epochs, **curves | changes)


def by_loss(calm=(), dip=0.2, general=4000, seeds=FIVE, base=LONGER) -> Named:
    """Networks near D_crit, with the exact loss and with the rounded one; these spike, and dip."""
    exact = [ablation(replace(base, seed=seed), spiky=calm) for seed in seeds]
    made = [ablation(replace(r.run, loss="rounded"), general, spiky=(1000,)) for r in exact]
    dips = np.where(made[0]["epoch"] == 6000, dip, 0.0)
    rounded = [altered(each, test_accuracy=each["test_accuracy"] - dips) for each in made]
    return {"semi_grokking": exact, "rounded": rounded}


def slingshots(
    spiky=True, calm=False, many=True, higher=0.05, groks=True, seeds=FIVE, p=113
) -> Named:
    """Networks without weight decay on two sizes, with the exact loss and with the rounded one."""
    found = []
    for loss, size, seed in product(("exact", "rounded"), (3830, 9000), seeds):
        few, rounded = size == 3830, loss == "rounded"
        own = {"weight_decay": 0.0, "lr": 4e-3, "epochs": 25_000, "loss": loss, "seed": seed}
        run = Run(p=p, dataset_size=scaled(size, p=p), **own)
        high = (1000,) * ((spiky if few else many) if rounded else calm)
        ends = {"test_accuracy": 0.4 + higher * rounded} if few else {}
        found.append(ablation(run, 4000 if groks and rounded else None, spiky=high, **ends))
    few_rounded = next(record.run for record in found if record.run.loss == "rounded")
    slow = replace(few_rounded, lr=1e-3, epochs=100_000)
    return {"slingshots": [*found, ablation(slow, None, spiky=(1000,))]}


def longer_slingshots(risen=5, groks=True, seeds=FIVE, p=113) -> Named:
    """Networks without weight decay for longer; so many end with more than mirror images give."""
    base = Run(p=p, dataset_size=scaled(3830, p=p), weight_decay=0.0, epochs=45_000, loss="rounded")
    made = []
    for seed in seeds:
        last = 0.3 if seed >= risen else 1.0 if groks else 0.9
        accuracy = np.where(np.arange(0, base.epochs + 1, 100) < 30_000, 0.3, last)
        made.append(ablation(replace(base, seed=seed), None, test_accuracy=accuracy))
    return {"longer_slingshots": made}


def ablations(
    seeds=FIVE, without=15_000, less=9000, small=20.0, spiky=(), base=LONGER
) -> list[Record]:
    """Every ablation; runs generalise at these epochs without weight decay, and with 0.3 of it."""
    when, found = {"no weight decay": without, "weight decay 0.3": less}, []
    for change, seed in product(sweeps.ABLATIONS, seeds):
        run = replace(base, seed=seed, **change)
        start = small if run.init_scale < 1 else 40.0 * run.init_scale
        high = {BASE: spiky, ROUNDED: (1000, 1100, 3000)}.get(variant(run), ())
        general = when.get(variant(run), 4000)
        found.append(ablation(run, general and general + 100 * seed, start, high))
    return found


# --- AdamW against the minimiser -------------------------------------------------------------


def pairs(p: int = 113, differ: Sequence[int] = ()) -> list[Record]:
    """AdamW's run and the minimiser's, seed by seed; the norms of the seeds `differ` do."""
    made = []
    for seed in FIVE:
        run = Run(p=p, dataset_size=scaled(3830, p=p), seed=seed, keep_weights=True)
        other = profiles.minimised(run, 1000, profiles.early(run))
        made += [end(run), end(other, param_norm=30.0 if seed in differ else 24.0)]
    return made


def at_rates(seeds=FIVE, time=1.0, d_crit=1.0, of=4e-3, rates=(1e-3, 2e-3, 4e-3)) -> list[Record]:
    """Networks that grok at time 3, and ungrokking, by learning rate.

    At the rate `of`, so many times later, and around so many times the D_crit.
    """
    made = []
    for lr, seed in product(rates, seeds):
        late, far = (time, d_crit) if lr == of else (1.0, 1.0)
        run = Run(seed=seed, lr=lr, epochs=round(10 / lr))
        curves = {"test_accuracy": [0, 1, 1], "train_accuracy": [0, 1, 1]}
        made.append(record(run, [0, round(3 * late / lr), run.epochs], **curves, residual=0.1))
        made += sweep([seed], far * D_CRIT, values=(1.0,), adamw=True, lr=lr)
    return made


def by_pace(seeds=FIVE, time=0.4, steep=(10, 20, 36), kept=1.0, warm=1.0, p=113) -> list[Record]:
    """Networks that grok, as steep until then, by learning rate; then after a warm-up.

    At the largest rate their time is so much of the others', and they keep so much of their train
    set, and so much after the warm-up.
    """
    rates = [1e-3 * 4**i for i in range(len(steep))]
    made = []
    for (lr, most), seed in product(zip(rates, steep, strict=True), seeds):
        last = lr == rates[-1]
        run = Run("x+y", p, 600, seed=seed, lr=lr, epochs=round(10 / lr), steepness=1e-4)
        at = [0, round(1 / lr), round(3 * (time if last else 1.0) / lr) + 1, run.epochs]
        curves = {"test_accuracy": [0, 0, 1, 1], "steepness": [0, most, 1e4, 1], "residual": 0.5}
        curves |= {"train_loss": 1e-6, "train_accuracy": [0, 1, 1, kept if last else 1]}
        made.append(record(run, at, **curves))
        if last:
            start = replace(run, lr=rates[0], epochs=300, keep_weights=True, steepness=0.0)
            curves["train_accuracy"] = [1, 1, 1, warm]
            made.append(record(replace(run, init=start), at, **curves))
    return made


def by_slower(seeds=FIVE, rates=(0.25, 0.5, 1, 2), dearer=1.0, spread=0.0, p=113) -> list[Record]:
    """Memory of random labels at so many times the paper's rate, of the same cost at all.

    But at the least rate the norm is so many times that, and another one by seed.
    """
    made = []
    for by, seed in product(rates, seeds):
        run = Run("x+y", p, 500, "random", seed=seed, lr=by * 1e-3, epochs=round(100 / by))
        norm = 60.0 * (dearer * np.exp(spread * (seed - 2)) if by == min(rates) else 1.0)
        made.append(record(run, [0, run.epochs], param_norm=norm, correct_logit=40.0))
    return made


def waits(
    seeds=FIVE,
    p: int = 113,
    d_c: float = 1.0,
    law: str = "divergence",
    spread: float = 0.1,
    twice: float = 1.0,
    slower: float = 1.0,
    shift: float = 1.0,
    noisy: float = 1.0,
    n_sizes: int = 8,
    upper: float = 1.0,
    rest=CALM,
) -> Named:
    """Networks that take as long as a law says of D / D_crit, and the ends that give D_crit.

    So many times as long at weight decay 2 (`twice`), at p = 53 (`slower`), with noise on gradients
    (`noisy`), everywhere (`shift`). D_c is `d_c` D_crit, fresh networks end in memory up to `upper`
    D_crit. `below` are on fewer examples.
    """
    crits = {each: 1.4 * each * log(each) for each in (p, 53)}
    shapes = {
        "divergence": lambda x: -2 * log(x - d_c),
        "exponential": lambda x: -2 * x,
        "power": lambda x: -2 * log(x),
        "constant": lambda x: 0.0,
    }

    def one(modulus: int, part: float, seed: int, times=1.0, **own: float) -> Record:
        size = round(part * crits[modulus])
        run = Run(p=modulus, dataset_size=size, seed=seed, epochs=10**7, **own)
        off = spread * ((7 * seed + 3 * size) % 5 - 2) / 2**0.5
        mean = 4 + shapes[law](size / crits[modulus])
        late = round(shift * times * run.decay_time * exp(mean + off))
        curves = {"test_accuracy": [0, 0, 1, 1], "residual": 0.1}
        return record(run, [0, late - 1, late, run.epochs], **curves)

    parts = np.geomspace(1.1, 4, n_sizes)
    found = [one(p, part, seed) for part in parts for seed in seeds]
    found += [one(p, parts[4], seed, times=twice, weight_decay=2.0) for seed in seeds]
    found += [one(53, part, seed, times=slower) for part in parts[::2] for seed in seeds]
    ends = by_modulus()
    crit = upper * crits[p] * 113**2 / p**2  # `sweep` takes sizes as shares
    sizes = [crit * part for part in (0.5, 0.7, 0.9, 1.1, 1.4)]
    fresh = sweep(seeds, crit, values=(1.0,), sizes=sizes, rest=rest, fresh=True, p=p)
    known = {"moduli": [*ends["moduli"], *ends["transition"]], "upper_branch": fresh}
    late = [
        one(p, part, seed, times=times, noise=noise)
        for noise, times in ((1.0, 1.0), (10.0, noisy))
        for part in (parts[0], parts[4])  # there are other weight decays at the latter
        for seed in seeds
    ]
    below = [one(p, 1.085, seed) for seed in seeds]
    return {"delay": found, "noisy": late, "below": below} | known


def grokfast(moved=1.0, faster=1.0, apart=0.0, p=113, rest=CALM, n_sizes=5) -> Named:
    """Ungrokking as usual, and with slow gradients amplified, which moves D_crit so many times.

    And waits so many times as long with these, or as long with a third of epsilon. Both factors
    differ by seed, by the part `apart` for each.
    """
    same = {"adamw": True, "values": (1.0,), "p": p, "sizes": SIZES[:n_sizes], "steep": 0.5}
    off = {seed: 1 + apart * (seed - 2) for seed in FIVE}
    made = sweep(**same)
    crits = {seed: moved * D_CRIT * off[seed] for seed in FIVE}
    made += by_seed(crits, amplify=2.0, rest=rest, **same)
    waiting = waits(p=p, twice=1.4)["delay"]
    [middle] = {r.run.dataset_size for r in waiting if r.run.weight_decay != 1}
    least = waiting[0].run.dataset_size
    own = [r for r in waiting if r.run.dataset_size in (least, middle) and r.run.weight_decay == 1]
    for one, changes in product(own, ({"amplify": 2.0}, {"eps": Run().eps / 3})):
        times = faster * off[one.run.seed] if "amplify" in changes else 1.0
        made.append(_later(one, times, **changes))
    return {"grokfast": made, "delay": waiting}


def _later(one: Record, times: float, **changes) -> Record:
    """A run with these changes that gets everywhere after so many times the epochs."""
    epochs = [0, *(round(times * epoch) for epoch in one["epoch"][1:])]
    return record(replace(one.run, **changes), epochs, test_accuracy=one["test_accuracy"])


def by_muon(
    moved=1.6, shorter=2.0, off=1.0, early=0.8, late=1.0, apart=0.0, p=113, n_sizes=5
) -> Named:
    """Ungrokking by AdamW and by Muon, which moves D_crit so many times, more with a shorter step.

    At half of the rate D_crit is `off` times that. Fresh networks take `early` times as long on the
    larger of two sizes, `late` on the smaller. The first and these factors differ by seed, by the
    part `apart` for each.
    """
    own = {"adamw": True, "values": (1.0,), "p": p, "steep": 0.5}
    apart_by = {seed: 1 + apart * (seed - 2) for seed in FIVE}

    def ends(times: float, **changes) -> list[Record]:
        crits = {seed: times * D_CRIT * apart_by[seed] for seed in FIVE}
        return by_seed(crits, **{**own, "sizes": SIZES[1 : n_sizes + 1], **changes})

    filtered = sweep(**own, sizes=SIZES[:5])
    made = [*ends(moved, muon=0.2, lr=4e-3), *ends(shorter, muon=0.1, lr=4e-3)]
    made += ends(moved * off, muon=0.2, lr=2e-3, sizes=(1000,))
    waiting = waits(p=p)["delay"]
    same = [r for r in waiting if (r.run.p, r.run.weight_decay) == (p, 1)]
    least, *_, most = sorted({r.run.dataset_size for r in same})
    for one in same:
        if one.run.dataset_size in (least, most):
            times = apart_by[one.run.seed] * (late if one.run.dataset_size == least else early)
            made.append(_later(one, times, muon=0.2))
    return {"muon": made, "grokfast": filtered, "delay": waiting}


def second_moments(
    power=1.0, apart=0.0, slower=1.0, faster=1.2, betas=(0.95, 0.99, 0.995), seeds=FIVE, p=113
) -> Named:
    """Networks near rest after epochs that go with a power of 1 / -ln(beta_2), `apart` by seed.

    With another beta_2 they take so many times as long to grok (`slower`); at four times the rate
    and another modulus with a beta_2 that goes with it, too (`faster`).
    """

    def one(run: Run, felt: float, late: int) -> Record:
        curves = {"residual": [900, 900, 0.5, 0.5, 0.5], "test_accuracy": [0, 0, 0, 1, 1]}
        return record(run, [0, round(felt) - 1, round(felt), late, run.epochs], **curves)

    own = [(r.run, int(r["epoch"][2])) for r in waits(seeds, p=p, twice=1.4)["delay"]]
    usual = [(run, late) for run, late in own if run.p == p]
    plain = [pair for pair in usual if pair[0].weight_decay == 1]
    sizes = sorted({run.dataset_size for run, _ in plain})[2:5]
    some = [(run, late) for run, late in plain if run.dataset_size in sizes]
    made = []
    for beta, (run, late) in product(betas, some):
        part = (log(0.98) / log(beta)) ** power * (1 + apart * (run.seed - 2))
        made.append(one(replace(run, beta2=beta), 1250 * part, round(slower * late)))
    for seed, (beta, times) in product(seeds, ((0.98, 1.0), (0.98**4, faster))):
        run = Run(p=127, dataset_size=4000, lr=4e-3, seed=seed, beta2=beta, epochs=10**5)
        made.append(one(run, 1250, round(5000 * times)))
    return {"second_moment": made, "delay": [one(run, 1250, late) for run, late in usual]}


def strengths(seeds=FIVE, optimiser: str = "adamw", **of_ten: float) -> list[Record]:
    """(c eps, lambda / c) of one network a seed; `of_ten` are the metrics of c = 10."""
    base, made = Run(epochs=100_000) if optimiser == "adamw" else lbfgs(), []
    for seed, c in product(seeds, (0.1, 1.0, 10.0)):
        run = replace(base, seed=seed, eps=1e-8 * c, weight_decay=1 / c)
        made.append(end(run, **(of_ten if c == 10 else {})))
    return made


# --- what is read out of networks ------------------------------------------------------------


def rotations(explained: float = 1.0, shared: bool = True) -> Trigonometric:
    """A report of four key frequencies, which are the embedding's strongest or are not."""
    share, ones = 0.97, torch.ones(56, dtype=torch.float64)
    strongest = (torch.arange(56) < 4).double()
    embedding = strongest if shared else strongest.flip(0)
    return Trigonometric(share, ones, embedding, [1, 2, 3, 4], ones[:4], explained)


def key_frequencies(power=0.25, general=1.0, seeds=FIVE) -> Named:
    """Networks of five moduli with 4 (p / 113)^power key frequencies; at p = 31 this accuracy."""

    def at(p: int, accuracy: float) -> list[Record]:
        runs = [Run(p=p, dataset_size=round(0.3 * p**2), seed=seed) for seed in seeds]
        ends = {"test_accuracy": [0, accuracy], "n_key_frequencies": round(4 * (p / 113) ** power)}
        return [record(run, [0, run.epochs], **ends) for run in runs]

    others = [*at(31, general), *chain(*(at(p, 1.0) for p in (53, 73, 97)))]
    return {"grokked_moduli": others, "grokking": at(113, 1.0)}


def state(cosine: float = 1.0) -> Equilibrium:
    """Where AdamW rests, with this cosine of gradient and decay."""
    return Equilibrium(np.ones(2), np.ones(2), 1e-8, cosine)


def group_circuit(
    name: str, p: int = 113, share=0.97, n_key=4, other_key=30, accuracy=1.0, seed=0, rest=CALM
) -> GroupCircuit:
    """A circuit in which n_key characters hold `share` of the norm in equal parts."""

    def part(count: int, held: float) -> analysis.Spectrum:
        group = groups.cyclic(p)
        values = torch.zeros(len(group.characters), dtype=torch.float64)
        values[1 : count + 1] = held**2 / count
        return analysis.Spectrum(group, values, values, 1.0)

    run = lbfgs(task=name, p=p, dataset_size=tasks.task(name, p).n_examples // 2, seed=seed)
    made = end(run, rest, start=accuracy, test_accuracy=accuracy)
    return GroupCircuit(made, (part(n_key, share),), (part(other_key, 0.5),), 1.0)


def group_circuits(seeds=FIVE, tasks=("x-y", "x*y", "x/y"), **changes) -> list[GroupCircuit]:
    """`group_circuit` of several tasks and seeds."""
    return [group_circuit(task, seed=seed, **changes) for task in tasks for seed in seeds]
