"""Norm and logit of converged networks: isologit curves, fits, and what they say."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import exp, expm1, inf, isfinite, isnan, log, log1p, nan
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from grokkit.runs import Record, Records
from varma2023.measures import Reading, Summary, group, least, rests
from varma2023.statistics import Interval, bootstrap, spearman
from varma2023.tables import span, table

GATE = 0.95  # least trigonometric share of the logit norm of a network that counts as C_gen
FITTED = 0.99  # least train accuracy of a network that counts as C_mem
N_BUCKETS = 6

Logs = Sequence[Float[np.ndarray, "_ 3"]]  # `logs` of each seed


def gated(records: Records, squared: bool = False, need: bool = False) -> list[Record]:
    """The runs that count as C_gen alone (Sec. 5.1): more than 95% of the logit norm is trig.

    `squared` asks it of the squared norm, which is stricter (choice C5). With `need`, raises
    ValueError if there is none.
    """
    found = [r for r in records if r.final("trig_share") ** (2 if squared else 1) > GATE]
    if need and not found:
        where = f"none of {len(records)} networks at p = {records[0].run.p}"
        raise ValueError(f"{where} is C_gen alone (by the 95% of App. B): try another p")
    return found


def gated_at_rest(records: Records) -> list[Record]:
    """Those of the `gated` runs that are at rest."""
    return [record for record in gated(records) if rests(record)]


def memorised(records: Records) -> list[Record]:
    """The runs that count as C_mem alone: random labels that have been learned."""
    return [r for r in records if r.run.labels == "random" and r.final("train_accuracy") >= FITTED]


def logit(record: Record) -> float:
    """The correct logit at the end, the mean over the train set, class-centred."""
    return record.final("correct_logit")


def norm(record: Record) -> float:
    """The parameter norm at the end."""
    return record.final("param_norm")


def margin(record: Record) -> float:
    """The margin that the train loss L at the end stands for: L = log(1 + exp(-margin)).

    Of one example, that of the correct logit over the log-sum-exp of the others.
    """
    return -log(expm1(record.final("train_loss")))


class Bucket(NamedTuple):
    """Runs whose correct logits are about equal: one isologit line of Fig. 3b or 3d."""

    low: float
    high: float
    records: list[Record]


def buckets(records: Records) -> list[Bucket]:
    """Fig. 3: the runs in geometric intervals of the correct logit, from least to largest.

    Raises ValueError without runs.
    """
    if not records:
        raise ValueError("buckets need a run, got none: did a network of C_gen pass the gate?")
    logits = np.array([logit(record) for record in records])
    edges = np.geomspace(logits.min(), logits.max(), N_BUCKETS + 1)
    rows = np.digitize(logits, edges[1:-1])
    return [
        Bucket(low, high, [r for r, row in zip(records, rows, strict=True) if row == i])
        for i, (low, high) in enumerate(pairwise(edges.tolist()))
    ]


def mean_norms(records: Records) -> dict[int, float]:
    """By dataset size, the geometric mean of the norms."""
    sizes = group(records, "dataset_size").items()
    return {size: exp(np.mean([log(norm(record)) for record in here])) for size, here in sizes}


def logs(records: Records, *reads: Reading) -> Float[np.ndarray, "run _"]:
    """log D of every run and the logarithm of each reading: of logit and norm if not told else."""
    reads = reads or (logit, norm)
    return np.log([[r.run.dataset_size, *(read(r) for read in reads)] for r in records])


def logs_by_seed(records: Records, *reads: Reading) -> list[Float[np.ndarray, "run _"]]:
    """The `logs` of every seed: what an interval draws from."""
    return [logs(seed, *reads) for seed in group(records, "seed").values()]


def slope(x: Float[np.ndarray, " run"], y: Float[np.ndarray, " run"]) -> float:
    """The least-squares slope of y over x; NaN where x is constant."""
    from_mean = x - x.mean()
    return float(from_mean @ y / (from_mean @ from_mean)) if np.ptp(x) > 0 else nan


def isologit_slope(records: Records) -> Interval:
    """The slope of log norm over log D in a bucket, over seeds; NaN of fewer than two sizes."""
    return bootstrap(logs_by_seed(records, norm), lambda seeds: slope(*np.concatenate(seeds).T))


SIZE, LOGIT = 1000, 60.0  # at which the norm of a `Fit` is given


@dataclass(frozen=True)
class Fit:
    """log P = log norm + exponent log(D / SIZE) + log(logit / LOGIT) / kappa.

    kappa is that of App. C and D: scaling a circuit's parameters by c scales its logits by c^kappa.
    """

    norm: float  # P at D = SIZE and a correct logit of LOGIT
    exponent: float
    kappa: float

    def at(self, level: float | int, size: float | int = SIZE) -> float:
        """The norm that this correct logit takes on this many examples."""
        return self.norm * (size / SIZE) ** self.exponent * (level / LOGIT) ** (1 / self.kappa)


def per_logit(seeds: Logs) -> float:
    """1 / kappa: the median, over training sets, of the slope of log norm over log logit.

    Within one training set only weight decay differs. NaN where none has two weight decays.
    """
    sets = [each[each[:, 0] == size] for each in seeds for size in np.unique(each[:, 0])]
    found = [slope(one[:, 1], one[:, 2]) for one in sets if np.ptp(one[:, 1]) > 0]
    return float(np.median(found)) if found else nan


def at_logit(
    table: Float[np.ndarray, "_ 3"], slope: float, level: float | int
) -> Float[np.ndarray, "_ 2"]:
    """log D and log norm of every run, the norm moved along the slope to one correct logit."""
    return np.stack([table[:, 0], table[:, 2] + slope * (np.log(level) - table[:, 1])], axis=1)


def fit_logs(seeds: Logs, flat: bool = False, slope: float | None = None) -> Fit:
    """The `Fit` to `logs` in groups of one seed, by medians: a few odd runs do not move it.

    kappa is of `per_logit`. With every norm moved to one logit, the exponent is the median of the
    slopes between any two runs of one seed and two sizes (the estimator of Theil and Sen), and the
    constant the mean over seeds of their medians. `flat` sets the exponent to 0, as Sec. 4.1 has it
    for C_gen, so that a fit to large D can be used at small D. `slope` is 1 / kappa, if known.
    """
    slope, power = per_logit(seeds) if slope is None else slope, 0.0
    tables = [at_logit(table, slope, LOGIT) for table in seeds]
    if not flat:
        gaps = np.concatenate([(t[:, None] - t)[np.triu_indices(len(t), 1)] for t in tables])
        x, y = gaps[gaps[:, 0] != 0].T
        power = float(np.median(y / x))
    constants = [np.median(table[:, 1] - power * (table[:, 0] - log(SIZE))) for table in tables]
    return Fit(exp(float(np.mean(constants))), power, 1 / slope if slope else inf)


def fit(records: Records, flat: bool = False) -> Fit:
    """The `Fit` to all the runs (`fit_logs`)."""
    return fit_logs(logs_by_seed(records), flat)


def fitted(records: Records, name: str, flat: bool = False) -> Interval:
    """A field of the `Fit` to the runs, with its interval over seeds."""
    return bootstrap(logs_by_seed(records), lambda seeds: getattr(fit_logs(seeds, flat), name))


def power_anew(anew: Records, gen: Records, read: Reading = logit) -> Interval:
    """The exponent of D of networks trained anew on each size, with kappa of `gen` (choice C73).

    At an equal `read`. NaN where a seed has one size alone.
    """
    if not of_two_sizes(anew):
        return Interval(nan)
    slope, seeds = per_logit(logs_by_seed(gen, read, norm)), logs_by_seed(anew, read, norm)
    return bootstrap(seeds, lambda drawn: fit_logs(drawn, slope=slope).exponent)


def of_two_sizes(records: Records) -> bool:
    """Whether there are runs, and of each seed at two sizes or more: else there is no exponent."""
    seeds = group(records, "seed").values()
    return bool(seeds) and all(len(group(seed, "dataset_size")) > 1 for seed in seeds)


UNFINISHED = 0.1  # of the norm, from least to largest D: what falling runs can feign (choice C18)
MARGIN = 0.02  # an exponent of C_gen within it counts as 0 (choice C18)
NEAR_NORM = 0.11  # of the measured D_crit: the paper's 800 to 1,000 is as wide (choice C18)
NEAR = 0.25  # the same for predictions by Eq. (2), as first written (choice C18)


def can_be_judged(records: Records) -> bool:
    """Whether runs of one circuit can be judged: x + y, p >= 53, three sizes and weight decays."""
    return all(r.run.task == "x+y" and r.run.p >= 53 for r in records) and all(
        len(group(records, name)) >= 3 for name in ("dataset_size", "weight_decay")
    )


def slopes(records: Records) -> list[Interval]:
    """The isologit slopes of the buckets that hold two sizes or more."""
    found = [isologit_slope(bucket.records) for bucket in buckets(records)]
    return [each for each in found if isfinite(each.value)]


def rises(mem: Records) -> bool:
    """Fig. 3a, b: at a fixed logit C_mem's norm rises by more than falling runs could feign."""
    sizes = [*group(mem, "dataset_size")]
    return fitted(mem, "exponent").within(log1p(UNFINISHED) / log(sizes[-1] / sizes[0]), inf)


def flat(gen: Records) -> bool | None:
    """Fig. 3c, d: the interval of C_gen's exponent of D is within `MARGIN`; None of one size."""
    return fitted(gen, "exponent").within(-MARGIN, MARGIN) if of_two_sizes(gen) else None


def order_criteria(mem: Records, gen: Records) -> dict[str, bool]:
    """What can be asked of runs at any setting: the two circuits differ as Sec. 4.1 says."""
    memory, rule = fit(mem), fit(gen)
    return {
        "C_mem's norm at a fixed logit rises with D": memory.exponent > 0,
        "C_gen's changes less": abs(rule.exponent) < memory.exponent / 3,
    }


def gate_text(records: Records) -> str:
    """ "3 below 95%, which cost 433 (429 – 460); 12 above, 477 (419 – 507)": ends at rest."""
    above = gated(rest := [record for record in records if rests(record)])
    below = [record for record in rest if record not in above]
    costs = [Summary.of([*map(least, own)] or [None]).text(".0f") for own in (below, above)]
    told = f"{len(below)} below {GATE:.0%}, which cost {costs[0]}"
    return f"{told}; {len(above)} above, which cost {costs[1]}"


# --- tables ----------------------------------------------------------------------------------

CIRCUITS = {"mem": "C<sub>mem</sub>", "gen": "C<sub>gen</sub>"}


def slopes_table(mem: Records, gen: Records) -> str:
    """By circuit and bucket of the correct logit: runs, sizes, the slope of log P over log D."""
    rows = []
    for name, records in zip(CIRCUITS.values(), (mem, gen), strict=True):
        for low, high, here in buckets(records):
            sizes = span(group(here, "dataset_size"), ",", none="–")
            slope = isologit_slope(here)
            text = slope.text(".3f") if isfinite(slope.value) else "fewer than two sizes"
            counts = len(here), len(group(here, "seed"))
            rows.append([name, f"{low:.1f} – {high:.1f}", *counts, sizes, text])
    return table("circuit | correct logit | runs | seeds | D | slope of log norm over log D", rows)


def fits_table(mem: Records, gen: Records) -> str:
    """By circuit: the exponent of D, that of the norm, and the norm at the reference."""
    rows = []
    for name, records, flat in zip(CIRCUITS.values(), (mem, gen), (False, True), strict=True):
        parts = ("exponent", ".3f", False), ("kappa", ".1f", flat), ("norm", ".1f", flat)
        texts = [fitted(records, part, fixed).text(form) for part, form, fixed in parts]
        rows.append([name, len(records), len(group(records, "seed")), *texts])
    heads = "circuit | runs | seeds | exponent of D | κ | norm at D = "
    return table(f"{heads}{SIZE:,}, correct logit {LOGIT:g}", rows)


def gate_table(gen: Records) -> str:
    """By seed: the least trigonometric share, and how many runs pass the gate of 95%."""
    rows = []
    for seed, runs in group(gen, "seed").items():
        share = min(record.final("trig_share") for record in runs)
        passed = len(gated(runs)), len(gated(runs, squared=True))
        rows.append([seed, len(runs), f"{share:.3f}", passed[0], f"{share**2:.3f}", passed[1]])
    heads = "seed | runs | least trigonometric share of norm | runs above 0.95"
    return table(f"{heads} | least share of norm² | runs above 0.95", rows)


# --- D_crit predicted, and measured ----------------------------------------------------------

ROUTES: tuple[str, ...] = ("x+y: equal norm", "x+y: equal Eq. (2)", "other tasks: equal Eq. (2)")
ROUTES += ("x+y: equal margin", "other p, width: equal Eq. (2)")


class Prediction(NamedTuple):
    """A D_crit predicted and measured, and whether what both rest on had come to rest.

    While C_mem is still falling the prediction is a lower bound, while the rule is an upper one;
    while an end beside the crossing is, the measured D_crit is a lower bound.
    """

    route: str  # what is equal at the predicted D_crit, and of which tasks: mostly of `ROUTES`
    name: str
    predicted: Interval
    measured: Interval
    near: float  # the part of the measured one within which they agree (choice C18)
    memory_rests: bool
    rule_rests: bool
    ends_rest: bool

    @property
    def ratio(self) -> float:
        """The predicted over the measured one; NaN where one of them is none."""
        return self.predicted.value / self.measured.value

    @property
    def agrees(self) -> bool:
        """Whether the predicted one is near the measured one."""
        return abs(self.ratio - 1) <= self.near


def predictions_table(found: Iterable[Prediction]) -> str:
    """By prediction: D_crit predicted and measured, and their ratio."""
    rows = []
    for each in found:
        both = each.predicted.text(",.0f"), each.measured.text(",.0f")
        rows.append([each.name, *both, "–" if isnan(each.ratio) else f"{each.ratio:.2f}"])
    return table(" | predicted D_crit | measured D_crit | ratio", rows)


def order(found: Iterable[Prediction]) -> float:
    """Spearman's correlation of predicted and measured; NaN where one is none, or of too few."""
    sizes = np.array([[each.predicted.value, each.measured.value] for each in found])
    return spearman(*sizes.T) if sizes.size and np.isfinite(sizes).all() else nan


def range_text(found: Iterable[float], form: str = ",.0f") -> str:
    """ "860 – 880": the least and the largest of those that are finite; "none" without one."""
    return span(filter(isfinite, found), form)
