"""The headline numbers of the scoreboard, once more: from the parquet files alone.

An independent reader: pyarrow, numpy and scipy, nothing of the package. Run as a script it prints
what it found: `python tests/recompute.py`.
"""

import json
from collections.abc import Callable
from functools import partial
from itertools import pairwise, product
from math import exp, inf, log, nan
from pathlib import Path
from statistics import geometric_mean as gmean
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq
from scipy.stats import spearmanr

RESULTS = Path(__file__).resolve().parents[1] / "results"
SYMMETRIC = ("x+y", "x*y", "x^2+y^2", "x^2+xy+y^2")


class Row(NamedTuple):
    """One run: its config, with what older ones leave out, and its curves."""

    config: dict
    curves: dict[str, np.ndarray]

    def __getattr__(self, name: str):
        return self.config[name]

    @property
    def dimensions(self) -> tuple[int, int]:
        return self.model["d_model"], self.model["d_mlp"]

    @property
    def in_memory(self) -> bool:
        """Whether it is put on a minimum to which a fresh network led, on the same train set."""
        return self.init["init"]["dataset_size"] == self.dataset_size

    def end(self, metric: str) -> float:
        return float(self.curves[metric][-1])


def read(name: str) -> list[Row]:
    """The runs of an experiment."""
    found = []
    for row in pq.read_table(RESULTS / f"{name}.parquet").to_pylist():
        config = {"optimiser": "adamw", "precision": "float32"} | json.loads(row["config"])
        found.append(Row(config, {k: np.array(v, float) for k, v in row["metrics"]}))
    return found


def objective(row: Row) -> np.ndarray:
    """Eq. (2) over alpha."""
    loss, norm = row.curves["train_loss"], row.curves["param_norm"]
    return loss / (row.eps * row.weight_decay) + norm**2 / 2


def rests(row: Row) -> bool:
    """The minimiser: 500 gradients, residual below 0.2, less than 0.2% in the last fifth.

    AdamW: over the last quarter, and at least five decay times, a median residual below 0.3 and a
    test accuracy that moves by 0.002 at most.
    """
    epoch, residual = row.curves["epoch"], row.curves["residual"]
    if row.optimiser == "lbfgs":
        values = objective(row)
        fell = float(np.interp(0.8 * epoch[-1], epoch, values)) / values[-1] - 1
        return bool(epoch[-1] >= 500 and residual[-1] < 0.2 and fell < 0.002)
    since = min(0.75 * epoch[-1], epoch[-1] - 5 / (row.lr * row.weight_decay))
    late = epoch >= since
    moved = np.ptp(row.curves["test_accuracy"][late])
    return bool(since >= 0 and np.median(residual[late]) < 0.3 and not moved > 0.002)


def groups(rows: list[Row], *names: str) -> dict:
    """The runs by a field, or by several as a tuple."""
    found: dict = {}
    for row in rows:
        key = tuple(getattr(row, name) for name in names)
        found.setdefault(key if len(names) > 1 else key[0], []).append(row)
    return dict(sorted(found.items()))


def by(rows: list[Row], *names: str, of: Callable[[list[Row]], Any]) -> dict:
    """What a function gives of the runs, by a field or by several."""
    return {key: of(here) for key, here in groups(rows, *names).items()}


def accuracy(row: Row) -> float:
    return row.end("test_accuracy")


def facts_of(row: Row) -> list[tuple[int, int]]:
    """The two summands of every example, the smaller one first, in the order of the seed."""
    order = np.random.default_rng([row.seed, *b"split"]).permutation(row.p**2).tolist()
    return [tuple(sorted(divmod(example, row.p))) for example in order]


def unseen(row: Row) -> float:
    """Accuracy on test examples that are no mirror images, if it is 1 on those that are."""
    facts = facts_of(row)
    first: dict[tuple, int] = {}
    for place, fact in enumerate(facts):
        first.setdefault(fact, place)
    keys = [(first[fact], first[fact] != place) for place, fact in enumerate(facts)]
    places = sorted(range(len(keys)), key=lambda i: keys[i][:: 1 if row.mirrors == "all" else -1])
    known = {facts[place] for place in places[: row.dataset_size]}
    rest = [facts[place] in known for place in places[row.dataset_size :]]
    return max(accuracy(row) - float(np.mean(rest)), 0.0) / (1 - float(np.mean(rest)))


def d_crit(rows: list[Row], of=accuracy) -> float:
    """Where the accuracy of these runs, the mean by size, crosses a half for the last time.

    NaN if it ends below a half.
    """
    curve = [*by(rows, "dataset_size", of=lambda own: np.mean([*map(of, own)])).items()]
    if curve[-1][1] < 0.5:
        return float("nan")
    for (low, below), (high, above) in reversed(list(pairwise(curve))):
        if below < 0.5 <= above:
            return exp(np.interp(0.5, [below, above], [log(low), log(high)]))
    return float("nan")


def equal_minima(rows: list[Row]) -> list[float]:
    """By seed, the size at which grokked starts and fresh ones end at one value of Eq. (2)."""
    found = []
    for own in groups(rows, "seed").values():
        sizes = groups(own, "dataset_size")
        ends = [sorted(pair, key=lambda r: r.init["dataset_size"]) for pair in sizes.values()]
        above = [log(objective(fresh)[-1] / objective(grokked)[-1]) for fresh, grokked in ends]
        found.append(exp(np.interp(0, above, list(map(log, sizes)))))
    return found


def d_crits(rows: list[Row], of=accuracy) -> list[float]:
    """By seed."""
    return [d_crit(own, of) for own in groups(rows, "seed").values()]


def after_ten(row: Row) -> float:
    """Accuracy after ten decay times 1 / (lr lambda)."""
    then = 10 / (row.lr * row.weight_decay)
    return float(np.interp(then, row.curves["epoch"], row.curves["test_accuracy"]))


def steepness_with_size(rows: list[Row]) -> dict[int, tuple[float, float]]:
    """By modulus, the mean over seeds of d ln steepness / d ln D of memory's minima, the rule's.

    Of those at rest that hold their circuit.
    """
    calm = [row.init for row in rows if row.optimiser == "lbfgs" and rests(row)]
    there = [row for row in rows if row.optimiser == "adamw" and row.init in calm]
    there = [row for row in there if row.in_memory == (row.curves["test_accuracy"][0] < 0.5)]

    def slope(own: list[Row]) -> float:
        points = [(r.dataset_size, r.curves["steepness"][0]) for r in own]
        return float(np.polyfit(*np.log(points).T, 1)[0])

    slopes = by(there, "p", "in_memory", of=lambda own: [*by(own, "seed", of=slope).values()])
    means = {key: float(np.mean(each)) for key, each in slopes.items()}
    return {p: (means[p, True], means[p, False]) for p, new in means if new}


def at_minima(rows: list[Row]) -> tuple[list[float], list[Row]]:
    """By setting, memory's steepness over the rule's at the least rate; all runs from such pairs.

    Of pairs on one train set with a test accuracy below a half in memory, and not with the rule.
    """
    settings: dict[tuple, list[float]] = {}
    runs: list[Row] = []
    for (*setting, _), pair in groups(rows, "p", "weight_decay", "dimensions", "seed").items():
        adamw = sorted((row for row in pair if row.optimiser == "adamw"), key=lambda row: row.lr)
        mem, rule = (next(row for row in adamw if row.in_memory == new) for new in (True, False))
        if mem.curves["test_accuracy"][0] < 0.5 <= rule.curves["test_accuracy"][0]:
            ratio = mem.curves["steepness"][0] / rule.curves["steepness"][0]
            settings.setdefault(tuple(setting), []).append(ratio)
            runs += pair
    return [float(np.exp(np.mean(np.log(each)))) for each in settings.values()], runs


def before_spikes(row: Row) -> list[float]:
    """The steepness at the last evaluation within ten times the least loss, before each spike.

    A spike is at more than a hundred times that, and begins with an accuracy below a half.
    """
    loss, accuracy = row.curves["train_loss"], row.curves["test_accuracy"]
    found, calm, high, least = [], nan, False, inf
    for i, fits in enumerate(np.maximum.accumulate(row.curves["train_accuracy"]) == 1):
        if not fits:
            continue
        least = min(least, loss[i])
        if loss[i] > 100 * least and not high and accuracy[i] < 0.5:
            found.append(float(calm))
        high = loss[i] > 100 * least
        calm = row.curves["steepness"][i] if loss[i] <= 10 * least else calm
    return found


def while_calm(row: Row) -> float:
    """The median steepness in the second half, within ten times the least loss so far."""
    loss, epochs = row.curves["train_loss"], row.curves["epoch"]
    fits = int(np.argmax(row.curves["train_accuracy"] == 1))
    low = loss[fits:] <= 10 * np.minimum.accumulate(loss[fits:])
    return float(np.median(row.curves["steepness"][fits:][low & (2 * epochs[fits:] >= epochs[-1])]))


def shifts(rows: list[Row], of=accuracy) -> list[float]:
    """By seed, D_crit at the largest weight decay over that at the least."""
    found = []
    for here in groups(rows, "seed").values():
        points = [(log(v), log(d_crit(own, of))) for v, own in groups(here, "weight_decay").items()]
        x, y = np.array(points).T
        found.append(exp(np.polyfit(x, y, 1)[0] * np.ptp(x)))
    return found


def clock(rows: list[Row]) -> list[float]:
    """The time to grok and the size at accuracy 1/2, by means over seeds: at 4e-3 over at 1e-3."""
    times: dict[tuple, float] = {}
    halves: dict[tuple, float] = {}
    for key, runs in groups(rows, "lr", "seed").items():
        [fresh] = [row for row in runs if row.init is None]
        times[key] = key[0] * passes(fresh, "test_accuracy", 0.98)
        halves[key] = d_crit([row for row in runs if row.init])
    seeds = sorted({seed for _, seed in times})
    return [gmean([of[4e-3, s] / of[1e-3, s] for s in seeds]) for of in (times, halves)]


def fallen(rows: list[Row]) -> list[str]:
    """Of the networks at the largest rate, those with a lower train accuracy, by their start."""
    last = [row for row in rows if row.lr == max(each.lr for each in rows)]
    starts = ([row for row in last if bool(row.init) == warm] for warm in (False, True))
    return [
        f"{sum(row.end('train_accuracy') < 0.99 for row in own)} of {len(own)}" for own in starts
    ]


def at_slower_rates(rows: list[Row]) -> list[float]:
    """The norm of random labels at a quarter and a half of 1e-3, over that at it, by means."""
    of = {(row.lr, row.seed): row.end("param_norm") for row in rows}
    seeds = {seed for _, seed in of}
    return [gmean([of[rate, s] / of[1e-3, s] for s in seeds]) for rate in (2.5e-4, 5e-4)]


def exponent(rows: list[Row]) -> float:
    """The power of D in log norm = seed + power log D + log logit / kappa, by least squares."""
    seeds = sorted({row.seed for row in rows})
    columns = [[float(row.seed == seed) for seed in seeds] for row in rows]
    known = [[log(row.dataset_size), log(row.end("correct_logit"))] for row in rows]
    y = np.log([row.end("param_norm") for row in rows])
    solved, *_ = np.linalg.lstsq(np.hstack([known, columns]), y, rcond=None)
    return float(solved[0])


def ungroks(rows: list[Row]) -> bool:
    """Whether, of one task, every seed is near chance on the least train set, and holds the rule
    on the largest: more than a table would that knows y before x.
    """
    least, *_, most = sorted(row.dataset_size for row in rows)
    low = max(accuracy(row) for row in rows if row.dataset_size == least)
    high = min(accuracy(row) for row in rows if row.dataset_size == most)
    swapped = most / rows[0].p ** 2 if rows[0].task in SYMMETRIC else 0
    return low <= 0.1 and high >= 0.95 and high > swapped + 0.1


def n_above(rows: list[Row], level: float) -> tuple[int, int]:
    """How many runs end above an accuracy, of how many."""
    return sum(accuracy(row) > level for row in rows), len(rows)


def passes(row: Row, metric: str, level: float) -> float:
    """The first epoch at which a metric is above a level; inf where it never is."""
    return min(row.curves["epoch"][row.curves[metric] > level], default=inf)


def has_spikes(row: Row) -> bool:
    """Whether the train loss, once it is fitted, passes a hundred times its least so far."""
    loss = row.curves["train_loss"][np.argmax(row.curves["train_accuracy"] == 1) :]
    return bool((loss > 100 * np.minimum.accumulate(loss)).any())


def left_memory(rows: list[Row]) -> dict[int, tuple[int, int]]:
    """By size, how many runs of the largest learning rate end above 0.95, of how many."""
    return by(at_the_largest_rate(rows), "dataset_size", of=partial(n_above, level=0.95))


def at_the_largest_rate(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row.lr == max(row.lr for row in rows)]


def meeting(memory: list[Row], rules: list[Row]) -> list[float]:
    """The D at which memory's mean Eq. (2), on log scales, reaches that of each rule."""
    sizes = groups(memory, "dataset_size")
    costs = [np.mean([log(objective(row)[-1]) for row in here]) for here in sizes.values()]
    line = costs, list(map(log, sizes))
    assert all(costs[0] < log(objective(row)[-1]) < costs[-1] for row in rules)
    return [exp(np.interp(log(objective(row)[-1]), *line)) for row in rules]


def together(ends: list[Row], memory: list[Row]) -> str:
    """Squared norm of mixtures over what both circuits take apart, the mean by seed (C68)."""
    sizes, found = groups(memory, "dataset_size"), []
    names = ("trig_logit", "mem_logit", "param_norm")
    means = [[np.mean([r.end(name) for r in here]) for here in sizes.values()] for name in names]
    for rule, row in product(with_the_rule(ends), filter(rests, ends)):
        share = row.end("trig_logit") / row.end("correct_logit")
        within = min(sizes) <= row.dataset_size <= max(sizes)
        if row.seed == rule.seed and within and 1 / 4 <= share <= 3 / 4:
            at, known = log(row.dataset_size), [*map(log, sizes)]
            trig, mem, norm = (np.interp(at, known, y) for y in means)
            gen = (row.end("trig_logit") - trig) / (rule.end("trig_logit") - trig)
            rest = (row.end("mem_logit") - rule.end("mem_logit")) / (mem - rule.end("mem_logit"))
            apart = gen ** (1 / 3) * rule.end("param_norm") ** 2 + rest ** (1 / 3) * norm**2
            found.append((row.seed, log(row.end("param_norm") ** 2 / apart)))
    seeds = {seed: [part for own, part in found if own == seed] for seed, _ in found}
    return f"{exp(np.mean([np.mean(parts) for parts in seeds.values()])):.2f} ("


def come_back(rows: list[Row]) -> dict[int, tuple[int, int]]:
    """By size, of how many ends at rest how many are the same once shaken (choice C37)."""

    def name(config: dict) -> str:
        return json.dumps(config | {"keep_weights": True}, sort_keys=True)

    starts = {name(row.config): row for row in rows if row.noise}
    counts: dict[int, tuple[int, int]] = {}
    for after in (row for row in rows if not row.noise):
        start = starts[name(after.init)]
        if start.curves["residual"][0] < 0.2:
            cost = objective(after)[-1] / objective(start)[0] - 1
            moved = accuracy(after) - start.curves["test_accuracy"][0]
            back, of = counts.get(after.dataset_size, (0, 0))
            counts[after.dataset_size] = back + bool(abs(cost) < 0.03 and abs(moved) < 0.1), of + 1
    return counts


def heights(rows: list[Row]) -> dict[int, dict[int, float]]:
    """By seed and size, how far a pushed network rises to its clearest peak (choice C77)."""
    found: dict[int, dict[int, float]] = {}
    for row in rows:
        step = row.epochs // 20
        known = dict(zip(row.curves["epoch"].astype(int).tolist(), objective(row), strict=True))
        ends = [known[step * i] for i in range(21)]
        peaks = [(top - min(ends[: i + 1]), top - min(ends[i:])) for i, top in enumerate(ends)]
        peak = max(peaks, key=min)
        if min(peak) > 1e-5 * ends[0]:  # else it is rounding
            found.setdefault(row.seed, {})[row.dataset_size] = peak[0]
    return found


def zero_of(by_size: dict[int, float]) -> float:
    """Where the line of least squares through these heights is 0."""
    slope, at_0 = np.polyfit([*by_size], [*by_size.values()], 1)
    return float(-at_0 / slope)


def n_alike(rows: list[Row]) -> tuple[int, int]:
    """Pairs of AdamW and the minimiser that end alike (choice C16), of how many."""
    found = groups(rows, "task", "p", "dataset_size", "labels", "seed", "weight_decay", "eps")
    part, alike, names = np.array([0.02, 0.05, 0.03]), 0, ("param_norm", "correct_logit")
    for both in found.values():
        one, other = (np.array([*map(row.end, names), objective(row)[-1]]) for row in both)
        near = np.abs(one - other) <= part * np.maximum(np.abs(one), np.abs(other))
        alike += near.all() and np.ptp(list(map(accuracy, both))) <= 0.05
    return int(alike), len(found)


def averaged(values: list[float], spec: str = ",.0f", of=lambda value: value) -> str:
    """How the board prints a geometric mean, and goes on with each where there are few seeds."""
    few = ", ".join(format(of(value), spec) for value in values) if len(values) < 5 else ""
    return f"{format(of(gmean(values)), spec)} ({few}"


def shift(rows: list[Row], of=accuracy) -> str:
    """By how much D_crit moves with weight decay."""
    return averaged(shifts(rows, of), "+.1%", lambda factor: factor - 1)


def summary(values: list[float]) -> str:
    return f"{median(values):,.0f} ({min(values):,.0f} – {max(values):,.0f})"


def off(p: int, crits: dict[int, list[float]]) -> float:
    """D_crit at p over what c p ln p says, with c from 53 and 113, less 1."""
    constant = gmean([gmean(crits[q]) / (q * log(q)) for q in (53, 113)])
    return gmean(crits[p]) / (constant * p * log(p)) - 1


def ungrokked(name: str) -> list[Row]:
    """The runs of an experiment that start from another network."""
    return [row for row in read(name) if row.init]


def at_moduli() -> list[Row]:
    """Ungrokking at weight decay 1, the paper's modulus included."""
    return read("moduli") + [row for row in read("transition") if row.weight_decay == 1]


def ungrokked_at_widths() -> list[Row]:
    return [row for row in read("widths") + read("widths_more") if row.labels == "true"]


def at_widths() -> dict[tuple[int, int], tuple[list[Row], list[Row]]]:
    """By d_model and d_mlp, ungrokking and memory of random labels."""
    return {
        dimensions: tuple([r for r in own if r.labels == kind] for kind in ("true", "random"))
        for dimensions, own in groups(read("widths") + read("either_width"), "dimensions").items()
    }


def which_width() -> list[str]:
    """D_crit of the paper's network over that with one dimension halved, and with both."""
    narrow, thin, flat, wide = (d_crits(own) for own, _ in at_widths().values())
    pairs = (zip(wide, own, strict=True) for own in (flat, thin, narrow))
    return [averaged([a / b for a, b in each], ".2f") for each in pairs]


def by_costs_at_widths() -> list[str]:
    """D_crit over where costs meet, one dimension halved, by that of the paper's, then itself."""
    ratios = []
    for ends, memory in [*at_widths().values()][1:]:
        *_, largest = groups(memory, "dataset_size").values()
        dearest = gmean([objective(row)[-1] for row in largest])
        rules = [row for row in with_the_rule(ends) if objective(row)[-1] < dearest]
        crits = dict(zip(groups(ends, "seed"), d_crits(ends), strict=True))
        equal = zip(rules, meeting(memory, rules), strict=True)
        ratios.append({row.seed: crits[row.seed] / size for row, size in equal})
    *halved, papers = ratios
    shifts = [[own[seed] / papers[seed] for seed in own] for own in halved]
    return [averaged(each, ".2f") for each in (*shifts, *(list(own.values()) for own in ratios))]


def near_rest(row: Row) -> float:
    """Epochs until the residual is below 1, times -ln(beta_2)."""
    return -row.curves["epoch"][row.curves["residual"] < 1][0] * log(row.beta2)


def with_another_beta() -> dict[float, str]:
    """By beta_2 of the runs mod 31, these epochs over those of the same network with 0.98."""
    rows = [row for row in read("delay") if row.p == 31 and row.weight_decay == 1]
    usual = {(row.dataset_size, row.seed): near_rest(row) for row in rows}

    def slower(own: list[Row]) -> str:
        return averaged([near_rest(r) / usual[r.dataset_size, r.seed] for r in own], ".2f")

    return by([row for row in read("second_moment") if row.p == 31], "beta2", of=slower)


def with_the_rule(rows: list[Row]) -> list[Row]:
    """Those on the largest train set that hold the rule; who does not has no price."""
    most = max(row.dataset_size for row in rows)
    return [row for row in rows if row.dataset_size == most and accuracy(row) > 0.95]


def resting() -> list[tuple[str, int, int]]:
    """By claim, how many ends rest, of how many; of B33 also how often its limit is right."""
    _, started = at_minima(read("from_minima"))
    kinds = groups(started, "optimiser")
    names = {"F4": "transition", "F8": "other_tasks", "F3a,b": "memorising", "B3": "both_starts"}
    names |= {"B6": "convergence", "B7": "strength", "B8": "epsilon", "B16": "mirrors"}
    found = {claim: read(name) for claim, name in names.items()}
    found |= {"F7": ungrokked("ungrokking"), "B13": at_moduli()}
    found |= {"B15": ungrokked_at_widths(), "B33": kinds["lbfgs"]}
    found["A.4"] = groups(read("starts_at_rest"), "dataset_size")[3000]
    right = sum(has_spikes(r) == (r.curves["steepness"][0] > 38) for r in kinds["adamw"])
    ends = [(claim, sum(map(rests, rows)), len(rows)) for claim, rows in found.items()]
    return [*ends, ("B33", right, len(kinds["adamw"]))]


def stays(rows: list[Row]) -> int:
    """How many end in the middle, those of the minimiser at rest."""
    return sum(accuracy(row) <= 0.95 and (row.optimiser == "adamw" or rests(row)) for row in rows)


def fresh_ones(rows: list[Row]) -> list[Row]:
    """Those that start from random weights."""
    return [row for row in rows if row.init["dataset_size"] == row.dataset_size]


def grokked_ones(rows: list[Row]) -> list[Row]:
    """Those that start from networks trained on more examples."""
    return [row for row in rows if row.init["dataset_size"] > row.dataset_size]


def grokked_lower(rows: list[Row]) -> list[bool]:
    """By seed, whether the train loss is lower where the network was grokked."""
    fresh = {row.seed: row.end("train_loss") for row in fresh_ones(rows)}
    return [row.end("train_loss") < fresh[row.seed] for row in grokked_ones(rows)]


def rows_of_the_board() -> dict[str, list[str]]:
    """By claim, what its row must say of these numbers; `^` is the beginning."""
    half = partial(n_above, level=0.5)
    slow, transition = read("grokking_longer"), read("transition")
    fig_10 = transition + read("finer")
    by_decay = by(read("tasks_by_decay"), "task", of=shift)
    seeds = {row.seed for row in slow}
    first = slow + [row for row in read("grokking") if row.seed not in seeds]
    adamw, starts = ungrokked("transition_adamw"), read("both_starts")
    down, fresh = grokked_ones(starts), fresh_ones(starts)
    at_rest = read("starts_at_rest")
    keeps = [row for row in read("finer") if rests(row) and accuracy(row) > 0.5]
    in_memory = [row for row in fresh_ones(at_rest) if rests(row) and accuracy(row) < 0.5]
    kept = [min(row.dataset_size for row in own) for own in groups(keeps, "seed").values()]
    up = f"at most {averaged(d_crits(fresh))}"
    ends = by(ungrokked("ungrokking"), "dataset_size", of=lambda own: median(map(accuracy, own)))
    led = [row for row in read("carried") if row.curves["test_accuracy"][0] <= 0.95]
    rounded = [row for row in led if row.init.get("loss") == "rounded"]
    middle = [row.init for row in led if stays([row])]
    on = [row for row in read("continued") if row.init in middle]
    by_minimiser = read("narrower_ends") + read("narrower_more")
    narrow = groups([row for row in by_minimiser if row.optimiser == "lbfgs"], "p")
    rest_there = (f"{stays(own)} of {len(own)} at p = {p}" for p, own in narrow.items())
    names = ("trig_logit", "mem_logit", "correct_logit")
    trig, mem_logit, correct = np.array([[row.end(name) for name in names] for row in fig_10]).T
    drawn, sizes = (trig > 0) & (mem_logit > 0), np.array([row.dataset_size for row in fig_10])
    ratio = trig[drawn] / mem_logit[drawn]
    last = np.array(list(map(accuracy, fig_10)))
    longer = [row for row in read("semi_grokking_again") if row.precision == "float32"]
    networks = {(row.dataset_size, row.seed) for row in longer}
    semi = read("semi_grokking")
    left = [row for row in semi if (row.dataset_size, row.seed) in networks]
    stay = [accuracy(row) for row in longer if accuracy(row) <= 0.95]
    tasks = groups(read("other_tasks"), "task").values()
    alike, pairs = n_alike(read("convergence"))
    time, size = clock(read("learning_rates"))
    at_once, warm = fallen(read("steep_rates"))
    crits = by(at_moduli(), "p", of=d_crits)
    new = [p for p in crits if p not in (53, 113)]
    small, large = ([row for row in at_moduli() if row.p == p] for p in (31, 113))
    grown = fresh_ones(read("two_minima"))
    rules = with_the_rule(small)
    priced = gmean(d_crits([r for r in small if r.seed in {rule.seed for rule in rules}]))
    tables = read("memory_at_rest") + read("upper_branch")
    tables = [row for row in tables if accuracy(row) < 0.1]
    equal = by(tables, "labels", of=partial(meeting, rules=rules))
    steeper, _ = at_minima(read("from_minima"))
    slopes = steepness_with_size(read("minima_by_size")).values()
    rates = by([*semi, *read("leaving_memory"), *read("leaving_more")], "lr", of=d_crits)
    rates_53 = by(read("leaving_memory_53"), "lr", of=d_crits)
    clips = groups(read("clipped"), "p")
    cells = by(read("exchanged") + [row for row in clips[31] if not row.clip], "lr", "eps", of=half)
    by_adamw = [*map(gmean, by(adamw, "weight_decay", of=d_crits).values())]
    shots = read("slingshots")
    n_spiky = by(shots, "dataset_size", "loss", "lr", of=lambda own: sum(map(has_spikes, own)))
    longer_shots = read("longer_slingshots")
    above = sum(accuracy(row) > mirror_share(row) + 0.1 for row in longer_shots)
    both = sorted(read("without_decay") + shots + longer_shots, key=lambda row: row.epochs)
    free = groups(both, "dataset_size", "lr", "eps", "loss")
    free = [row for own in free.values() for row in {row.seed: row for row in own}.values()]
    free += [row for row in read("ablations") if (row.weight_decay, row.init_scale) == (0, 1)]
    middle = left_in_the_middle(semi, longer)
    forgetful = groups(ungrokked("forgetting"), "dataset_size")
    forgot, spiky = min(forgetful), [*map(before_spikes, forgetful[min(forgetful)])]
    calm = by(read("remembering"), "dataset_size", of=lambda own: [*map(while_calm, own)])
    noisy = [row for row in read("kicked") if row.p == 113]
    momentum = [*by(read("momentum"), "beta1", of=half).values()]
    both = groups(read("along_rounded_kinks"), "labels")
    of_seeds = groups(read("papers_memory"), "seed").values(), with_the_rule(large)
    by_own = [size for own, rule in zip(*of_seeds, strict=True) for size in meeting(own, [rule])]
    return {
        "F1a": [
            f"^fitted by epoch {summary([passes(r, 'train_accuracy', 0.9999) for r in first])}",
            f"; generalised by {summary([passes(r, 'test_accuracy', 0.98) for r in first])}",
        ],
        "F1b": [f"^{ends[min(ends)]:.2f} ("],
        "F7": [", ".join(f"{size:,}: {accuracy:.2f}" for size, accuracy in ends.items())],
        "F4": [
            f"D_crit {averaged(d_crits(transition))}",
            f"L-BFGS; by AdamW at least {min(by_adamw):,.0f} – {max(by_adamw):,.0f} by",
        ],
        "F4wd": [
            f"^from least to most weight decay D_crit moves by {shift(transition)}",
            f"AdamW {shift(adamw, after_ten)}",
            f"at equal decay times, {shift(adamw)}",
        ],
        "A.2": [
            *(f"^D_crit at least {averaged(d_crits(down))}", up),
            f"above ½ on {summary(kept)} examples",
            f"fresh ones below ½ on {max(row.dataset_size for row in in_memory):,}",
        ],
        "A.4": [
            f"{sum(own)} of {len(own)} on {size:,} examples"
            for size, own in by(at_rest, "dataset_size", of=grokked_lower).items()
            if own
        ],
        "B3": [up],
        "F10a": [
            f"rank correlation {spearmanr(sizes, trig / correct)[0]:.2f} ",
            f"over {np.log10(ratio.max() / ratio.min()):.1f} decades",
        ],
        "F10b": [f"rank correlation {spearmanr(sizes, last)[0]:.2f} "],
        "F1c": [
            f"^when trained for longer, {len(stay)} of {len(longer)} are still on a plateau",
            f"the example is at {stay[0]:.1%}",
        ],
        "F5": [f"{len(left)} semi-grokked"],
        "F8wd": [f"{name}: {moved}" for name, moved in by_decay.items()],
        "F8": [f"in {sum(map(ungroks, tasks))} of {len(tasks)} tasks"],
        "B2": [
            f"seed {seed}: predicted {size:,.0f},"
            for seed, size in enumerate(meeting(read("papers_memory"), with_the_rule(large)))
        ]
        + [f"by that of each seed itself {', '.join(f'{size:,.0f}' for size in by_own)}"],
        "B44": [
            f"^squared norm over the sum, at κ = 6, {together(large, read('papers_memory'))}",
            f"; {together(small, grown)}",
        ],
        "B45": [f"^{stays(rounded)} of {len(rounded)} rest in the middle"],
        "B46": [f"^{stays(on)} of {len(on)} stay"],
        "B52": [f"{', '.join(rest_there)} rest there, at "],
        "B6": [f"^{alike} of {pairs} pairs end alike"],
        "B11": [f"time to grok × {time:.2f} (", f"accuracy ½ × {size:.2f} ("],
        "B56": [f"lost by {at_once} at η = 0.016, after a warm-up by {warm}"],
        "B57": [f"norm × {cost:.2f} (" for cost in at_slower_rates(read("memory_rates"))],
        "B13": [
            *(f"at p = {p}: {averaged(crits[p])}" for p in new),
            "measured against p ln p: " + ", ".join(f"{off(p, crits):+.0%} at {p}" for p in new),
        ],
        "B14": [f"end in memory up to {averaged(d_crits(read('upper_branch')))}"],
        "B15": [*map(averaged, by(ungrokked_at_widths(), "dimensions", of=d_crits).values())],
        "B40": which_width(),
        "B50": by_costs_at_widths(),
        "B51": [f"predicted {averaged(meeting(both['random'], with_the_rule(both['true'])))}"],
        "B41": [f"{beta:g}: × {r}" for beta, r in with_another_beta().items()],
        "B16": [
            averaged(d_crits(own, of=unseen)) for own in groups(read("mirrors"), "mirrors").values()
        ],
        "B18": [
            f"^D_crit {averaged(crits[31])}",
            *map(averaged, equal.values()),
            *(f"predicted {priced / gmean(sizes):.2f} (" for sizes in equal.values()),
        ],
        "B34": [f"ln t differs by {spread_of_waits(read('delay_53')):.2f} ("],
        "B20": [f"at an equal Eq. (2) on {summary(equal_minima(read('two_minima')))} examples"],
        "B21": [averaged(rates[rate]) for rate in (1e-3, 8e-3)],
        "B28": [averaged(rates_53[rate]) for rate in (1e-3, 8e-3)],
        "B38": [
            f"{{}} of {{}} at η = {rate:g}".format(*cells[rate, eps])
            for rate, eps in ((1e-3, 1e-8 / 16), (16e-3, 1e-8))
        ],
        "S7": [
            f"{sum(r.curves['test_accuracy'].max() > 0.98 for r in own)} of {len(own)} on {size:,}"
            for size, own in groups(free, "dataset_size").items()
        ],
        "B53": [
            f"^with the rounded loss {n_spiky[1200, 'rounded', 4e-3]} of 10 spike, with the "
            f"exact one {n_spiky[1200, 'exact', 4e-3]} of 10; on 2,400 examples "
            f"{n_spiky[2400, 'rounded', 4e-3]} of 5 and {n_spiky[2400, 'exact', 4e-3]} of 5"
        ],
        "B54": [f"^{above} of {len(longer_shots)} end above it"],
        "B22": ["{} of {} with".format(*n) for n in momentum[:2]],
        "B23": [f"{k} of {of} at {size}" for size, (k, of) in come_back(read("shaken")).items()],
        "B49": [f"0 at {summary([*map(zero_of, heights(read('pushed')).values())])}"],
        "B24": ["^{} of {} end in the middle, {} of them".format(*middle)],
        "B29": ["^{} of {} end in the middle, {} of them".format(*left_at_113())],
        "B25": [f"^{k} of {of} gen" for k, of in left_memory(read("lowered")).values()],
        "B36": [f"^{k} of {of} gen" for k, of in left_memory(noisy).values()],
        "B35": [
            f"{k} of {of} {f'generalise clipped at {clip:g} ε' if clip else 'unclipped'}"
            for clip, (k, of) in by(clips[113], "clip", of=partial(n_above, level=0.95)).items()
        ],
        "B30": [
            f"^{sum(map(bool, spiky))} of {len(spiky)} spike on {forgot:,} examples; "
            f"steepness before spikes {summary([np.median(each) for each in spiky])},"
        ],
        "B31": [f"{summary(own)} while calm on {size:,} examples" for size, own in calm.items()],
        "B32": ["^{} of {} end above ½".format(*above_a_half(semi, read("slower")))],
        "B33": [f"^steepness × {min(steeper):.2g} – {max(steeper):.2g} by setting"],
        "B37": [
            *(f"memory's ∝ D to the power {memory:.2f} (" for memory, _ in slopes),
            *(f"the rule's {rule:.2f} (" for _, rule in slopes),
        ],
        "B26": [*map(averaged, by(ungrokked("grokfast"), "amplify", of=d_crits).values())],
        "B12": [
            *(
                f"{k} of {of} at D = {D:,}"
                for D, (k, of) in left_memory(read("larger_step")).items()
            ),
            "{} of {} on the".format(*n_above(at_the_largest_rate(read("papers_sizes")), 0.95)),
        ],
    }


def mirror_share(row: Row) -> float:
    """The part of the test examples whose fact is also that of a training example."""
    facts = facts_of(row)
    known = set(facts[: row.dataset_size])
    return float(np.mean([fact in known for fact in facts[row.dataset_size :]]))


def spread_of_waits(rows: list[Row]) -> float:
    """Standard deviation of ln t around each size at which all got there, pooled over sizes.

    The time t is when accuracy is half-way from what mirror images alone give to 1.
    """

    def wait(row: Row) -> float:
        return log(passes(row, "test_accuracy", (1 + mirror_share(row)) / 2))

    by_size = by(rows, "dataset_size", of=lambda own: np.array([*map(wait, own)]))
    found = [times for times in by_size.values() if max(times) < inf]
    squares = sum(float(np.sum((times - times.mean()) ** 2)) for times in found)
    return (squares / sum(len(times) - 1 for times in found)) ** 0.5


def with_grokfast(filtered: list[Row], usual: list[Row]) -> float:
    """The epoch at which fresh networks pass an accuracy of 1/2, over that without the filter."""

    def halves(rows: list[Row]) -> dict[tuple, float]:
        own = {(r.p, r.dataset_size, r.weight_decay, r.seed): r for r in rows}
        times = {key: passes(row, "test_accuracy", 0.5) for key, row in own.items()}
        return {key: time for key, time in times.items() if time < inf}

    fast = halves([row for row in filtered if row.amplify and not row.init])
    slow = halves(usual)
    return float(np.exp(np.mean([log(fast[k] / slow[k]) for k in fast.keys() & slow.keys()])))


def ends(rows: list[Row]) -> dict[tuple[int, int], float]:
    """Test accuracy at the end, by size and seed."""
    return {(row.dataset_size, row.seed): accuracy(row) for row in rows}


def above_a_half(usual: list[Row], slower: list[Row]) -> tuple[int, int, int]:
    """Networks above 1/2 at both rates, at the usual one; at the smaller one alone."""
    known = ends(usual)
    both = [(known[who] > 0.5, end > 0.5) for who, end in ends(slower).items()]
    return both.count((True, True)), sum(one for one, _ in both), both.count((False, True))


def left_in_the_middle(semi: list[Row], again: list[Row]) -> tuple[int, int, int]:
    """Of the networks of C39 and C101: those trained for longer, all, and those that then stay."""
    others = [*read("leaving_memory"), *read("leaving_more"), *read("delay")]
    near = [r for r in others if r.p == 31 and r.dataset_size <= 440 and r.lr <= 8e-3]
    near = [*semi, *(r for r in near if r.weight_decay == 1)]
    longer = [*again, *(r for r in read("middling") if r.optimiser == "adamw")]
    ends = {(r.lr, r.dataset_size, r.seed): accuracy(r) for r in longer}
    stay = sum(0.5 < end <= 0.95 for end in ends.values())
    return len(ends), len({(r.lr, r.dataset_size, r.seed) for r in near}), stay


def left_at_113() -> tuple[int, ...]:
    """Of choice C45: networks in the middle, all, those that stay; pairs on one side, and all.

    Last, how many of those that stay the minimiser leaves below 0.95, and of how many.
    """
    half, large = map(ends, groups(read("papers_sizes"), "lr").values())
    again = groups(read("papers_sizes_again"), "optimiser")
    longer, by_minimiser = ends(again["adamw"]), ends(again["lbfgs"])
    middle = [who for who, end in large.items() if who[0] / 113**2 + 0.1 < end <= 0.95]
    stay = [who for who, end in longer.items() if 0.5 < end <= 0.95]
    same = [(large[who] > 0.5) == (end > 0.5) for who, end in half.items()]
    low = [by_minimiser[who] <= 0.95 for who in stay]
    return len(middle), len(large), len(stay), sum(same), len(same), sum(low), len(low)


if __name__ == "__main__":
    for claim, texts in rows_of_the_board().items():
        print(f"{claim}: {' | '.join(texts)}")
