"""Norm and logit of converged networks: isologit curves, fits, and what they say."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import exp, inf, isfinite, log, log1p, nan

import numpy as np
from jaxtyping import Float

from grokkit.runs import Record
from varma2023.measures import group
from varma2023.statistics import Interval, bootstrap
from varma2023.tables import span, table

GATE = 0.95  # least trigonometric share of the logit norm of a network that counts as C_gen
FITTED = 0.99  # least train accuracy of a network that counts as C_mem
N_BUCKETS = 6


def gated(records: Sequence[Record], squared: bool = False) -> list[Record]:
    """The runs that count as C_gen alone (Sec. 5.1): more than 95 % of the logit norm is trig.

    `squared` asks it of the squared norm, which is stricter (choice C5).
    """
    return [r for r in records if r.final("trig_share") ** (2 if squared else 1) > GATE]


def memorised(records: Sequence[Record]) -> list[Record]:
    """The runs that count as C_mem alone: random labels that have been learned."""
    return [r for r in records if r.run.labels == "random" and r.final("train_accuracy") >= FITTED]


def logit(record: Record) -> float:
    """The correct logit at the end, the mean over the train set, class-centred."""
    return record.final("correct_logit")


def norm(record: Record) -> float:
    """The parameter norm at the end."""
    return record.final("param_norm")


def values(records: Sequence[Record], field: str) -> list:
    """The values that a field of the runs takes, in order."""
    return sorted({getattr(record.run, field) for record in records})


def select(records: Sequence[Record], **fields: float | int) -> list[Record]:
    """The records whose runs have these values."""
    return [r for r in records if all(getattr(r.run, k) == v for k, v in fields.items())]


@dataclass(frozen=True, eq=False)
class Bucket:
    """Runs whose correct logits are about equal: one isologit line of Fig. 3b or 3d."""

    low: float
    high: float
    records: list[Record]

    @property
    def sizes(self) -> list[int]:
        """The dataset sizes of its runs."""
        return values(self.records, "dataset_size")

    def norm(self, size: int, seed: int | None = None) -> float:
        """The geometric mean of the norms at one size, of all seeds or of one."""
        chosen = {"dataset_size": size} | ({} if seed is None else {"seed": seed})
        found = [log(norm(record)) for record in select(self.records, **chosen)]
        return exp(float(np.mean(found))) if found else nan


def buckets(records: Sequence[Record], n: int = N_BUCKETS) -> list[Bucket]:
    """Fig. 3: the runs in n geometric intervals of the correct logit, from least to largest.

    Raises:
        ValueError: no records.
    """
    if not records:
        raise ValueError("buckets need a run, got none: did a network of C_gen pass the gate?")
    edges = np.geomspace(min(map(logit, records)), max(map(logit, records)), n + 1)
    rows = np.clip(np.searchsorted(edges, [logit(r) for r in records], "right") - 1, 0, n - 1)
    return [
        Bucket(
            float(edges[i]),
            float(edges[i + 1]),
            [r for r, row in zip(records, rows, strict=True) if row == i],
        )
        for i in range(n)
    ]


def triples(records: Sequence[Record]) -> Float[np.ndarray, "run 3"]:
    """log D, log correct logit and log norm of every run."""
    return np.log([[r.run.dataset_size, logit(r), norm(r)] for r in records])


def triples_by_seed(records: Sequence[Record]) -> list[Float[np.ndarray, "_ 3"]]:
    """The `triples` of every seed: what an interval draws from."""
    return [triples(seed) for seed in group(records, "seed").values()]


def slope(seeds: Sequence[Float[np.ndarray, "_ 3"]]) -> float:
    """The least-squares slope of log norm over log D in `triples`; NaN for fewer than two sizes."""
    size, _, log_norm = np.concatenate(seeds).T
    return _slope(size, log_norm) if np.ptp(size) > 0 else nan


def _slope(x: Float[np.ndarray, " run"], y: Float[np.ndarray, " run"]) -> float:
    from_mean = x - x.mean()
    return float(from_mean @ y / (from_mean @ from_mean))


def isologit_slope(bucket: Bucket) -> Interval:
    """The `slope` of a bucket, with its interval over the seeds in it; NaN for an empty one."""
    if not bucket.records:
        return Interval(nan)
    return bootstrap(triples_by_seed(bucket.records), slope)


def norm_at(records: Sequence[Record], level: float | int) -> float:
    """The norm at a correct logit, by interpolation between the runs of one (D, seed).

    NaN where none of their weight decays leads to so small, or so large, a logit.
    """
    points = sorted((log(logit(record)), log(norm(record))) for record in records)
    x, y = np.array(points).T
    return exp(float(np.interp(log(level), x, y, left=nan, right=nan)))


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
        return float(
            self.norm * (size / SIZE) ** self.exponent * (level / LOGIT) ** (1 / self.kappa)
        )


def per_logit(seeds: Sequence[Float[np.ndarray, "_ 3"]]) -> float:
    """1 / kappa: the median, over training sets, of the slope of log norm over log logit.

    Within one training set only weight decay differs. NaN where none has two weight decays.
    """
    found = []
    for each in seeds:
        for size in np.unique(each[:, 0]):
            _, x, y = each[each[:, 0] == size].T
            found += [_slope(x, y)] if np.ptp(x) > 0 else []
    return float(np.median(found)) if found else nan


def at_logit(
    table: Float[np.ndarray, "_ 3"], slope: float, level: float | int
) -> Float[np.ndarray, "_ 2"]:
    """log D and log norm of every run, the norm moved along the slope to one correct logit."""
    return np.stack([table[:, 0], table[:, 2] + slope * (np.log(level) - table[:, 1])], axis=1)


def fit_triples(seeds: Sequence[Float[np.ndarray, "_ 3"]], flat: bool = False) -> Fit:
    """The `Fit` to `triples` in groups of one seed, by medians: a few odd runs do not move it.

    kappa is of `per_logit`. With every norm moved to one logit, the exponent is the median of the
    slopes between any two runs of one seed and two sizes (the estimator of Theil and Sen), and the
    constant the mean over seeds of their medians. `flat` sets the exponent to 0, as Sec. 4.1 has it
    for C_gen, so that a fit to large D can be used at small D.
    """
    slope = per_logit(seeds)
    tables = [at_logit(table, slope, LOGIT) for table in seeds]
    between = [np.array([0.0])] if flat else [_between(table) for table in tables]
    power = float(np.median(np.concatenate(between)))
    constants = [np.median(table[:, 1] - power * (table[:, 0] - log(SIZE))) for table in tables]
    return Fit(exp(float(np.mean(constants))), power, 1 / slope if slope else inf)


def _between(table: Float[np.ndarray, "_ 2"]) -> Float[np.ndarray, " pair"]:
    """The slopes between any two points with different first coordinates."""
    i, j = np.triu_indices(len(table), 1)
    x, y = (table[j] - table[i]).T
    return y[x != 0] / x[x != 0]


def fit(records: Sequence[Record], flat: bool = False) -> Fit:
    """The `Fit` to all the runs (`fit_triples`)."""
    return fit_triples(triples_by_seed(records), flat)


def fitted(records: Sequence[Record], read: Callable[[Fit], float], flat: bool = False) -> Interval:
    """What `read` takes from the fit of the runs, with its interval over seeds."""
    return bootstrap(triples_by_seed(records), lambda seeds: read(fit_triples(seeds, flat)))


def exponent(records: Sequence[Record]) -> Interval:
    """The power of D with which the norm at a fixed logit goes, with its interval over seeds."""
    return fitted(records, lambda found: found.exponent)


def kappa(records: Sequence[Record], flat: bool = False) -> Interval:
    """The power of the norm with which the logit goes at a fixed D, interval over seeds."""
    return fitted(records, lambda found: found.kappa, flat)


UNFINISHED = 0.1  # of the norm: what more gradients may yet take off it (choice C18)
MARGIN = 0.02  # an exponent of C_gen within it counts as 0 (choice C18)
NEAR_NORM = 0.11  # of the measured D_crit: the paper's 800 to 1,000 is as wide (choice C18)
NEAR = 0.25  # the same for predictions by Eq. (2), as first written (choice C18)


def can_be_judged(records: Sequence[Record]) -> bool:
    """Whether runs of one circuit can be judged: x + y, p >= 53, three sizes and weight decays."""
    return (
        bool(records)
        and all(r.run.task == "x+y" and r.run.p >= 53 for r in records)
        and min(len(values(records, name)) for name in ("dataset_size", "weight_decay")) >= 3
    )


def slopes(records: Sequence[Record]) -> list[Interval]:
    """The isologit slopes of the buckets that hold two sizes or more."""
    found = [isologit_slope(bucket) for bucket in buckets(records)]
    return [each for each in found if isfinite(each.value)]


def least_rise(records: Sequence[Record]) -> float:
    """The exponent of D that runs which are still falling could feign: 10 % of the norm."""
    sizes = values(records, "dataset_size")
    return log1p(UNFINISHED) / log(sizes[-1] / sizes[0])


def rises(mem: Sequence[Record]) -> bool:
    """Fig. 3a, b: at a fixed logit C_mem's norm rises with D by more than `least_rise`."""
    return exponent(mem).within(least_rise(mem), inf)


def flat(gen: Sequence[Record]) -> bool | None:
    """Fig. 3c, d: the exponent of D of C_gen is 0 within `MARGIN`; None for fewer than two sizes.

    An equivalence: the whole interval over seeds lies in the margin.
    """
    seeds = group(gen, "seed").values()
    if not seeds or any(len(values(seed, "dataset_size")) < 2 for seed in seeds):
        return None
    return exponent(gen).within(-MARGIN, MARGIN)


def order_criteria(mem: Sequence[Record], gen: Sequence[Record]) -> dict[str, bool]:
    """What can be asked of runs at any setting: the two circuits differ as Sec. 4.1 says."""
    memory, rule = fit(mem), fit(gen)
    return {
        "C_mem's norm at a fixed logit rises with D": memory.exponent > 0,
        "C_gen's changes less": abs(rule.exponent) < memory.exponent / 3,
    }


# --- tables ----------------------------------------------------------------------------------

Pair = tuple[Interval, Interval]  # a D_crit predicted, and the same measured
CIRCUITS = ("C<sub>mem</sub>", "C<sub>gen</sub>")


def seeds_of(records: Sequence[Record]) -> int:
    """How many seeds these runs have."""
    return len(values(records, "seed"))


def slopes_table(mem: Sequence[Record], gen: Sequence[Record]) -> str:
    """By circuit and bucket of the correct logit: runs, sizes, the slope of log P over log D."""
    rows = []
    for name, records in zip(CIRCUITS, (mem, gen), strict=True):
        for bucket in buckets(records):
            logits = f"{bucket.low:.1f} – {bucket.high:.1f}"
            slope, sizes = isologit_slope(bucket), span(bucket.sizes, ",", none="–")
            text = slope.text(".3f") if isfinite(slope.value) else "fewer than two sizes"
            rows.append([name, logits, len(bucket.records), seeds_of(bucket.records), sizes, text])
    return table("circuit | correct logit | runs | seeds | D | slope of log norm over log D", rows)


def fits_table(mem: Sequence[Record], gen: Sequence[Record]) -> str:
    """By circuit: the exponent of D, that of the norm, and the norm at the reference."""
    rows = []
    for name, records, flat in zip(CIRCUITS, (mem, gen), (False, True), strict=True):
        power, at_reference = exponent(records), fitted(records, lambda found: found.norm, flat)
        texts = power.text(".3f"), kappa(records, flat).text(".1f"), at_reference.text(".1f")
        rows.append([name, len(records), seeds_of(records), *texts])
    heads = "circuit | runs | seeds | exponent of D | κ | norm at D = "
    return table(f"{heads}{SIZE:,}, correct logit {LOGIT:g}", rows)


def gate_table(gen: Sequence[Record]) -> str:
    """By seed: the least trigonometric share, and how many runs pass the gate of 95 %."""
    heads = "seed | runs | least share of norm | above 0.95 | least share of norm² | above 0.95"
    rows = []
    for seed, runs in group(gen, "seed").items():
        share, strict = min(r.final("trig_share") for r in runs), gated(runs, squared=True)
        rows.append(
            [seed, len(runs), f"{share:.3f}", len(gated(runs)), f"{share**2:.3f}", len(strict)]
        )
    return table(heads, rows)


def ratio(predicted: Interval, measured: Interval) -> float:
    """A prediction over what was measured; NaN where one of them is none."""
    return predicted.value / measured.value


def ratios_text(pairs: Sequence[Pair]) -> str:
    """ "0.98 – 1.07": the least and the largest `ratio`; "none" without one."""
    return span(filter(isfinite, (ratio(*pair) for pair in pairs)), ".2f")


def range_text(sizes: Sequence[Interval]) -> str:
    """ "860 – 880": the least and the largest of some D_crit; "none" without one."""
    return span(filter(isfinite, (size.value for size in sizes)), ",.0f")


def agrees(predicted: Interval, measured: Interval, near: float = NEAR) -> bool:
    """Whether a predicted D_crit is within this part of the measured one (choice C18)."""
    return abs(ratio(predicted, measured) - 1) <= near


def predictions_table(rows: Mapping[str, Pair]) -> str:
    """By row: D_crit predicted and measured, each with its interval, and their ratio."""
    cells = [
        [name, *(each.text(",.0f") for each in pair), f"{ratio(*pair):.2f}"]
        for name, pair in rows.items()
    ]
    return table(" | predicted D_crit | measured D_crit | ratio", cells)


def starts_table(rows: Mapping[tuple[int, float], Pair]) -> str:
    """By seed and weight decay: D_crit predicted from the network itself, measured, the ratio."""
    cells = [
        [seed, f"{decay:g}", *(f"{each.value:,.0f}" for each in pair), f"{ratio(*pair):.2f}"]
        for (seed, decay), pair in rows.items()
    ]
    return table("seed | weight decay | predicted D_crit | measured D_crit | ratio", cells)


def same_order(rows: Mapping[tuple[int, float], Pair]) -> bool:
    """Whether at each weight decay the seeds stand in the same order, predicted and measured."""
    for decay in {decay for _, decay in rows}:
        pairs = [pair for (_, which), pair in rows.items() if which == decay]
        by_each = [sorted(range(len(pairs)), key=lambda i: pairs[i][k].value) for k in (0, 1)]
        if by_each[0] != by_each[1]:
            return False
    return True
