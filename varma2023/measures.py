"""Readings of records that several folders share: marks, rest, D_crit, outcomes."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain, compress
from math import exp, inf, isfinite, isnan, log, nan
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor

from grokkit import optimum
from grokkit.engine import metrics
from grokkit.engine.metrics import at_minimum, at_rest
from grokkit.runs import Record, Records, Run
from grokkit.tasks import PERMUTATION
from varma2023 import statistics
from varma2023.statistics import Interval
from varma2023.tables import span

Reading = Callable[[Record], float]


def require(criteria: Mapping[str, bool], when: bool = True) -> None:
    """Raises AssertionError, with their names, where criteria are not met and `when` is true."""
    missed = [name for name, met in criteria.items() if not met]
    if when and missed:
        raise AssertionError(f"expected of these runs, but not so: {'; '.join(missed)}")


def how_many(met: Iterable[object]) -> str:
    """ "3 of 5": how many are true, or not empty."""
    each = [*map(bool, met)]
    return f"{sum(each)} of {len(each)}"


def all_of(says: str, met: Iterable[object]) -> dict[str, bool | None]:
    """The criterion that all are true, which says how many are; of none it cannot be told."""
    each = [*met]
    return {f"{says} ({how_many(each)})": all(each) if each else None}


def none_of(says: str, met: Iterable[object]) -> dict[str, bool | None]:
    """The criterion that none is true, which says how many are; of none it cannot be told."""
    each = [*met]
    return {f"{says} ({how_many(each)})": not any(each) if each else None}


def counted_span(values: Sequence[int | float], form: str = "g") -> str:
    """ "300 – 3,000 (9 values)"; one value alone."""
    n = len(set(values))
    return span(values, form) + (f" ({n} values)" if n > 1 else "")


def run_facts(runs: Sequence[Run]) -> list[str]:
    """ "x+y", "p = 113", "D = 3,830", "weight decay 1", "5 seeds", "10,000 epochs": their span."""
    names = sorted({run.task for run in runs})
    settings = sorted({(run.task in PERMUTATION, run.p) for run in runs})
    seeds = len({run.seed for run in runs})
    facts = [
        ", ".join(names) if len(names) < 3 else f"{len(names)} tasks",
        " and ".join(f"S{p}" if permuted else f"p = {p}" for permuted, p in settings),
        f"D = {counted_span([run.dataset_size for run in runs], ',')}",
        f"weight decay {counted_span([run.weight_decay for run in runs])}",
        f"{seeds} seed{'s' * (seeds > 1)}",
    ]
    for optimiser, unit in (("adamw", "epochs"), ("lbfgs", "gradients")):
        if epochs := [run.epochs for run in runs if run.optimiser == optimiser]:
            facts.append(f"{span(epochs, ',')} {unit}")
    return facts


def described(records: Records) -> str:
    """ "5 runs of x+y, p = 113, ...": `run_facts` with their number, for a sentence."""
    facts = ", ".join(run_facts([record.run for record in records]))
    return f"{len(records)} run{'s' * (len(records) > 1)} of {facts}"


def group(records: Records, *fields: str) -> dict[Any, list[Record]]:
    """The records by one field of their runs, or a tuple of several; numbers sorted, names not."""
    keyed = ((tuple(getattr(r.run, field) for field in fields), r) for r in records)
    found = statistics.gathered(keyed)
    keys = sorted(found, key=lambda key: [part for part in key if not isinstance(part, str)])
    return {key if len(fields) > 1 else key[0]: found[key] for key in keys}


def by_rate_text(
    records: Records, told: Callable[[Records], str], field: str = "lr", name: str = "η"
) -> str:
    """ "3 of 5 at η = 0.004, ...": what is told of the runs at each rate, or by another field."""
    values = group(records, field).items()
    return ", ".join(f"{told(own)} at {name} = {value:g}" for value, own in values)


def network(record: Record) -> tuple[int, int, float, int]:
    """Modulus, size, weight decay and seed: the same at another rate, or with noise."""
    run = record.run
    return run.p, run.dataset_size, run.weight_decay, run.seed


def among(records: Records, others: Records) -> list[Record]:
    """Those whose network and examples are those of one of the others."""
    known = {*map(network, others)}
    return [record for record in records if network(record) in known]


def once(records: Records) -> list[Record]:
    """Each network once at each learning rate, as it comes first."""
    runs = statistics.gathered(((record.run.lr, network(record)), record) for record in records)
    return [own[0] for own in runs.values()]


def late(record: Record) -> Bool[np.ndarray, " log"]:
    """Which evaluations lie in the second half of the epochs."""
    return record["epoch"] >= record["epoch"][-1] / 2


class Crossing(NamedTuple):
    """An event between two evaluations: not yet at epoch `after`, but at epoch `epoch`."""

    after: int
    epoch: int


def first(record: Record, event: Bool[np.ndarray, " log"], start: int = 0) -> Crossing | None:
    """The first logged epoch from index `start` at which `event` is true, or None."""
    rows = start + np.flatnonzero(event[start:])
    if not len(rows):
        return None
    epoch = record["epoch"]
    return Crossing(int(epoch[max(rows[0] - 1, 0)]), int(epoch[rows[0]]))


def for_good(record: Record, event: Bool[np.ndarray, " log"]) -> Crossing | None:
    """The first logged epoch from which on `event` is true up to the end, or None."""
    return first(record, event, 1 + int(np.flatnonzero(~event).max(initial=-1)))


@dataclass(frozen=True)
class Summary:
    """Median and range over seeds; `seen` of `n` runs had a value."""

    median: float
    low: float
    high: float
    seen: int
    n: int

    @classmethod
    def of(cls, values: Sequence[int | float | None]) -> "Summary":
        """Of one value per run, None or NaN where a run had none."""
        known = [float(value) for value in values if value is not None and not isnan(value)]
        if not known:
            return cls(nan, nan, nan, 0, len(values))
        return cls(float(np.median(known)), min(known), max(known), len(known), len(values))

    def text(self, form: str = ",.0f") -> str:
        """ "median (low – high)", or the one value of all; and of how many, if not of all."""
        if not self.seen:
            return f"never (0 of {self.n} runs)"
        span, ends = f"{self.median:{form}}", [f"{end:{form}}" for end in (self.low, self.high)]
        if ends[0] != ends[1]:
            span += f" ({ends[0]} – {ends[1]})"
        return span if self.seen == self.n else f"{span}, in {self.seen} of {self.n} runs"


def finals(records: Records, metric: str) -> Summary:
    """A metric at the end of every run."""
    return Summary.of([record.final(metric) for record in records])


def at_peak(records: Records, metric: str, of: str = "") -> Summary:
    """The largest value of a metric over each run, or its value where `of` is largest."""
    return Summary.of([float(record[metric][record[of or metric].argmax()]) for record in records])


def value_at(record: Record, metric: str, epoch: int | float) -> float:
    """A metric at an epoch, by linear interpolation between evaluations; NaN after the last."""
    return float(np.interp(epoch, record["epoch"], record[metric], right=nan))


def values_at(records: Records, metric: str, epoch: float, whole: str = "") -> Summary:
    """A metric of every run at an epoch, or as a part of another metric there."""
    values = np.array([value_at(record, metric, epoch) for record in records])
    wholes = [value_at(record, whole, epoch) if whole else 1.0 for record in records]
    return Summary.of((values / wholes).tolist())


def median_curve(records: Records, metric: str) -> tuple[metrics.Epochs, metrics.Logged]:
    """The median of a metric over runs, at the epochs of the longest.

    A run that ended early stays where it ended.
    """
    epochs = max((record["epoch"] for record in records), key=lambda epoch: int(epoch[-1]))
    each = [np.interp(epochs, record["epoch"], record[metric]) for record in records]
    return epochs, np.median(each, axis=0)


def train_fits(record: Record) -> Crossing | None:
    """Train accuracy reaches 1."""
    return first(record, record["train_accuracy"] == 1)


def norm_peaks(record: Record) -> Crossing | None:
    """The parameter norm is at its largest after the start."""
    return first(record, record["param_norm"] == record["param_norm"][1:].max(), 1)


def test_falls(record: Record) -> Crossing | None:
    """The test loss has lost a tenth of its largest value, for good."""
    return for_good(record, record["test_loss"] <= 0.9 * record["test_loss"].max())


def generalises(record: Record) -> Crossing | None:
    """Test accuracy passes 0.98."""
    return first(record, record["test_accuracy"] > 0.98)


def general_epoch(record: Record) -> float:
    """The epoch at which test accuracy passes 0.98; infinite where it never does."""
    found = generalises(record)
    return float(found.epoch) if found else inf


SPIKE = 100  # times its running minimum, above which the train loss spikes (choice C22)


def over_least(record: Record) -> metrics.Logged:
    """The train loss over the least so far since the train set is fitted; NaN before."""
    fits = train_fits(record)
    since = record["epoch"] >= (fits.epoch if fits else inf)
    loss = record["train_loss"][since]
    found = np.full(len(since), nan)
    found[since] = loss / np.minimum.accumulate(loss)
    return found


def spike_starts(record: Record) -> list[int]:
    """The rows at which a spike of the train loss starts.

    A spike is a stretch of evaluations, after the train set is fitted, at more than `SPIKE` times
    the least loss so far.
    """
    high = over_least(record) > SPIKE
    return np.flatnonzero(high & np.diff(high, prepend=False)).tolist()


def spikes(record: Record, before: bool = False) -> int:
    """How many spikes of the train loss the evaluations show: a lower bound.

    `before`: only those that start before test accuracy passes 0.98.
    """
    general = generalises(record)
    last = general.after if before and general else inf
    return int(sum(record["epoch"][row] <= last for row in spike_starts(record)))


def epochs_text(records: Records) -> str:
    """ "20,000 – 100,000": how long these are trained."""
    return span([record.run.epochs for record in records], ",")


def spike_by_rounding(rounded: Records, exact: Records) -> bool:
    """Whether most spike with the rounded loss, and none with the exact one (C30, C85)."""
    return 2 * sum(map(bool, map(spikes, rounded))) > len(rounded) and not any(map(spikes, exact))


def stable_below(run: Run) -> float:
    """lr / eps times a curvature: what AdamW's late steps stand in a parabola, 38 by default.

    As for gradient descent with averaged gradients, 2 (1 + beta1) / (1 - beta1). Where gradients
    are not far below eps, that goes for the curvature in `AdamW.scale` (Cohen et al. 2022).
    """
    return 2 * (1 + run.beta1) / (1 - run.beta1)


CALM = 10  # times the least train loss so far, up to which an evaluation is calm
BELOW = 1.25  # a network is at the edge above AdamW's limit over this
ROUNDED_ABOVE = 1e-4  # a training loss at which rounding hides the steepness


def edge(run: Run) -> float:
    """The steepness above which a network is at the edge of what AdamW tolerates."""
    return stable_below(run) / BELOW


def trig_leads(record: Record, times: float = 1.0) -> Crossing | None:
    """The trigonometric part of the correct logit leads, for good (App. B); None without one.

    By so many times the other part.
    """
    if "trig_logit" not in record.metrics:
        return None
    return for_good(record, record["trig_logit"] > times * record["mem_logit"])


def trig_leads_fairly(record: Record) -> Crossing | None:
    """As `trig_leads`, had memory back its share of the trigonometric part (Sec. B).

    Of a pure memory a part D / p^2 of the correct logit counts as trigonometric.
    """
    part = record.run.dataset_size / record.run.p**2
    return trig_leads(record, (1 + part) / (1 - part))  # what memory lacks is in the other


class Mark(NamedTuple):
    """An event of a grokking run, with the epoch at which the paper sees it (Fig. 9, App. A.3)."""

    name: str
    paper: int
    find: Callable[[Record], Crossing | None]


MARKS = (
    Mark("train accuracy reaches 1", 200, train_fits),
    Mark("parameter norm peaks", 200, norm_peaks),
    Mark("trig logit overtakes mem logit", 1500, trig_leads),
    Mark("test loss starts to fall", 3500, test_falls),
    Mark("generalised (test accuracy > 0.98)", 6000, generalises),
)
FITTED, PEAKED, LED, FELL, GENERALISED = MARKS
LED_FAIRLY = LED._replace(find=trig_leads_fairly)


def mark_epochs(records: Records, mark: Mark) -> Summary:
    """The epoch of a mark over runs: the upper end of each run's interval."""
    found = [mark.find(record) for record in records]
    return Summary.of([None if crossing is None else crossing.epoch for crossing in found])


def mark_summaries(records: Records) -> list[Summary]:
    """The epochs of all `MARKS`, in their order."""
    return [mark_epochs(records, mark) for mark in MARKS]


def seed_factor(records: Records) -> float:
    """The factor between the latest and the earliest seed in the epoch of generalisation."""
    epochs = mark_epochs(records, GENERALISED)
    return epochs.high / epochs.low


def at_papers_setting(records: Records) -> bool:
    """Whether every run is the paper's of Figs. 1a and 9 but for its seed, or a longer one."""
    paper, runs = Run(), [record.run for record in records]
    free = {name: getattr(paper, name) for name in ("seed", "epochs", "n_logged", "keep_weights")}
    same = all(replace(run, **free) == paper and run.epochs >= paper.epochs for run in runs)
    return bool(runs) and same


def papers_task(records: Records) -> bool:
    """Whether every run is of the paper's own task and modulus."""
    return {(record.run.task, record.run.p) for record in records} == {("x+y", 113)}


LATER = 2  # times as late as it has fitted its train set: then a network groks (choice C9)


def groks(record: Record) -> bool:
    """Whether test accuracy passes 0.98 at least `LATER` times as late as the train set fits."""
    fits, general = train_fits(record), generalises(record)
    return fits is not None and general is not None and general.after >= LATER * fits.epoch


def all_logits(record: Record) -> Float[Tensor, "batch label"]:
    """The trained network's logits on every example, in float64."""
    theta = {name: weight.double() for name, weight in record.weights().items()}
    return metrics.all_logits(theta, record.run.operation)


RESIDUALS = (1.0, 0.3, 0.1)  # to which the cost of both ways is counted


@dataclass(frozen=True, eq=False)
class Pair:
    """One train set taken to convergence in both ways."""

    adamw: Record
    lbfgs: Record

    @property
    def kind(self) -> str:
        """What the network does on the way: "grokking", "ungrokking" or "random labels"."""
        run = self.adamw.run
        if run.labels == "random":
            return "random labels"
        return "ungrokking" if run.init else "grokking"

    def __str__(self) -> str:
        run = self.adamw.run
        return f"{self.kind}, p = {run.p}, D = {run.dataset_size:,}, seed {run.seed}"


def pairs(records: Records) -> list[Pair]:
    """The records of `convergence.sweeps.convergence`, two by two: AdamW's, then the minimiser's.

    Raises ValueError where neighbours are not, or are not of one train set.
    """
    found = [Pair(*both) for both in zip(records[::2], records[1::2], strict=True)]
    for pair in found:
        one, other = pair.adamw.run, pair.lbfgs.run
        for name in ("task", "p", "dataset_size", "labels", "seed", "weight_decay", "eps"):
            if getattr(one, name) != getattr(other, name):
                raise ValueError(f"{one} and {other} differ in {name}: they are no pair")
        if (one.optimiser, other.optimiser) != ("adamw", "lbfgs"):
            raise ValueError(f"a pair is a run of adamw and one of lbfgs, got {one} and {other}")
    return found


def objective(record: Record) -> Float[np.ndarray, " log"]:
    """`optimum.objective`, Eq. (2) over alpha = eps lambda, at every evaluation."""
    return optimum.objective(record["train_loss"], record["param_norm"], record.run.alpha)


def least(record: Record) -> float:
    """Where a run ended, Eq. (2) over alpha: of the minimiser, the minimum that it found."""
    return float(objective(record)[-1])


def trig_part(record: Record) -> float:
    """The trigonometric part of the correct logit at the end over all of it: the rule's share."""
    return record.final("trig_logit") / record.final("correct_logit")


ADAMW_RESIDUAL = 0.3  # below which AdamW hovers at a grokked end (choice C15)


def rests(record: Record) -> bool:
    """Whether a run ended at rest (choice C15); what does not is still falling."""
    if "residual" not in record.metrics:  # without weight decay there is no Eq. (2)
        return False
    epochs, residual, run = record["epoch"], record["residual"], record.run
    if run.optimiser == "lbfgs":
        return at_minimum(epochs, objective(record), float(residual[-1]))
    accuracy = record.metrics.get("test_accuracy", np.zeros(len(epochs)))
    return at_rest(epochs, residual, accuracy, ADAMW_RESIDUAL, run.decay_time)


def resting(records: Records, who: str = "every end is at rest") -> dict[str, bool | None]:
    """The criterion that all of these runs ended at rest."""
    return true_or_open(who, map(rests, records))


def true_or_open(says: str, met: Iterable[object]) -> dict[str, bool | None]:
    """As `all_of`, of what could yet come true, as rest can: unless all are, it cannot be told."""
    return {text: so or None for text, so in all_of(says, met).items()}


# --- D_crit and the shape of a transition: Figs. 4, 8 ----------------------------------------

SHARP = 1494 / 390  # within the sizes of the paper's Fig. 7 (choice C19)
JUDGED_P = 53  # a claim about the transition is not judged at a smaller modulus (choice C19)
SAME_EQ_2 = 0.03  # the most, relative, by which one end may differ in Eq. (2) (choice C16)
CHANCE, PERFECT = 0.1, 0.95  # below and above: "near chance" and "stays at 1" (choice C10)


def at_the_end(record: Record) -> float:
    """Test accuracy at the last evaluation."""
    return record.final("test_accuracy")


@dataclass(frozen=True)
class Critical:
    """A dataset size at which a curve crosses a level, between two sizes that were run.

    Without a crossing `value` is NaN, and one of the bounds is 0 or infinite.
    """

    value: float
    low: float  # the largest size that is still below the level
    high: float  # the next larger size

    @property
    def censored(self) -> bool:
        """Whether the crossing lies outside the sizes that were run."""
        return not isfinite(self.value)

    def __str__(self) -> str:
        if self.low == 0:
            return f"below {self.high:,.0f}"
        return f"above {self.low:,.0f}" if self.high == inf else f"{self.value:,.0f}"


def curve(
    records: Records, read: Reading = at_the_end
) -> tuple[Float[np.ndarray, " run"], Float[np.ndarray, " run"]]:
    """Dataset sizes in order, and mean test accuracy at each; raises ValueError of no records."""
    if not records:
        raise ValueError("a curve needs at least one record, got none")
    found = group(records, "dataset_size")
    means = [np.mean([read(record) for record in here]) for here in found.values()]
    return np.array([*found], dtype=float), np.array(means)


def d_crit(records: Records, level: float = 0.5, read: Reading = at_the_end) -> Critical:
    """D_crit of one curve: where test accuracy crosses `level`, linearly in log D.

    Of a curve that crosses more than once, the last time: at every larger size that was run it is
    at or above the level. Censored where the smallest size is above it, or the largest below.
    """
    sizes, values = curve(records, read)
    last = int(np.flatnonzero(values < level).max(initial=-1))
    low, high = [0.0, *sizes.tolist(), inf][last + 1 : last + 3]
    if low == 0 or high == inf:
        return Critical(nan, low, high)
    start, end = values[last : last + 2].tolist()
    return Critical(exp(log(low) + (level - start) / (end - start) * log(high / low)), low, high)


def d_crits(records: Records, level: float = 0.5, read: Reading = at_the_end) -> dict[int, float]:
    """By seed, `d_crit` of its mean curve; NaN of one that is censored."""
    return {seed: d_crit(unit, level, read).value for seed, unit in group(records, "seed").items()}


def whole(records: Records) -> list[Record]:
    """The runs of those seeds that have both the least and the largest size.

    Where none has, of those with the most sizes.
    """
    seeds = [*group(records, "seed").values()]
    known = [{record.run.dataset_size for record in own} for own in seeds]
    every, most = set.union(*known), max(map(len, known))
    over_all = [{min(every), max(every)} <= sizes for sizes in known]
    kept = over_all if any(over_all) else [len(sizes) == most for sizes in known]
    return [*chain(*compress(seeds, kept))]


def d_crit_interval(records: Records, level: float = 0.5, read: Reading = at_the_end) -> Interval:
    """The geometric mean over seeds of `d_crit`, of their mean curves; NaN if one is censored."""
    return statistics.geometric_mean([*map(log, d_crits(records, level, read).values())])


def d_crit_by_modulus(records: Records) -> dict[int, float]:
    """`d_crit_interval` by modulus, without its interval."""
    return {p: d_crit_interval(runs).value for p, runs in group(records, "p").items()}


def d_crit_text(records: Records, level: float = 0.5, read: Reading = at_the_end) -> str:
    """`d_crit_interval`; where a seed's D_crit is censored, that of every seed."""
    whole = d_crit_interval(records, level, read)
    if isfinite(whole.value):
        return whole.text(",.0f")
    texts = [str(d_crit(unit, level, read)) for unit in group(records, "seed").values()]
    alike = len(texts) > 1 and len(set(texts)) == 1
    return f"{texts[0]} (each of {len(texts)} seeds)" if alike else ", ".join(texts)


def d_crit_bound(records: Records, bound: str = "at least") -> str:
    """`d_crit_text`, said to be this bound where an end beside a crossing still falls."""
    return f"{'' if crossings_rest(records) else f'{bound} '}{d_crit_text(records)}"


def crossings_rest(records: Records, read: Reading = at_the_end, level: float = 0.5) -> bool:
    """Whether D_crit can be told: every curve crosses, between two ends at rest (choice C15)."""
    for runs in group(records, "task", "seed", "weight_decay", "eps").values():
        found = d_crit(runs, level, read)
        beside = [run for run in runs if run.run.dataset_size in (found.low, found.high)]
        if found.censored or not all(map(rests, beside)):
            return False
    return bool(records)


def judged(records: Records) -> bool:
    """Whether claims about a transition can be judged by these runs: by their modulus and sizes."""
    runs = [record.run for record in records]
    large = all(run.p >= 5 if run.task in PERMUTATION else run.p >= JUDGED_P for run in runs)
    return large and len({run.dataset_size for run in runs}) >= 5


def widths(records: Records, field: str = "weight_decay") -> Summary:
    """The factor in D from accuracy 0.1 to 0.9 of every curve, by seed and value of a field."""
    curves = group(records, "seed", field).values()
    return Summary.of([d_crit(runs, 0.9).value / d_crit(runs, 0.1).value for runs in curves])


def transition_criteria(records: Records) -> dict[str, bool]:
    """What makes a transition, on every curve: both ends, and a short way between (choice C19)."""
    ends = [curve(runs)[1] for runs in group(records, "seed", "weight_decay").values()]
    found, short = widths(records), f"accuracy rises from 0.1 to 0.9 within a factor of {SHARP:.1f}"
    return {
        "the smallest train set ends near chance": all(end[0] <= CHANCE for end in ends),
        "the largest train set stays generalised": all(end[-1] >= PERFECT for end in ends),
        f"{short} in D": found.seen == found.n and found.high <= SHARP,
    }


OTHER_TASKS = ("x-y", "x*y", "x/y", "x/y or x-y", "x^2+y^2", "x^2+xy+y^2", *PERMUTATION)
"""The nine of Fig. 8, whatever tasks there are besides."""


def smallest(records: Records) -> list[Record]:
    """The records with the smallest train sets: the clearest ungrokking."""
    return next(iter(group(records, "dataset_size").values()))


def at_largest(records: Records, field: str = "dataset_size") -> list[Record]:
    """The records on the largest train set, or with the largest value of another field."""
    return [*group(records, field).values()][-1]


def longest(records: Records) -> list[Record]:
    """Of runs that differ in their epochs only, the longest: later evidence counts."""
    found = {}
    for each in sorted(records, key=lambda record: record.run.epochs):
        found[replace(each.run, epochs=1, n_logged=2)] = each
    return [*found.values()]


def grokked(found: Mapping[str, Records]) -> list[Record]:
    """The runs of `grokking`, those made again in their longer version (choice C9)."""
    return longest([*found["grokking"], *found.get("grokking_longer", ())])


def near_chance(records: Records) -> bool | None:
    """Whether every run ends near chance (choice C10); None where one above still falls."""
    above = [record for record in records if at_the_end(record) > CHANCE]
    return not above or (False if any(map(rests, above)) else None)


def task_ungroks(records: Records) -> bool:
    """Fig. 8, one task: every curve from near chance to generalised (choice C10)."""
    low, high, _ = transition_criteria(records).values()
    return low and high


def holds_rule(records: Records) -> bool:
    """Fig. 8, one task: every network on its largest train set is generalised (choice C10).

    And knows more there than memory with mirror images would (choice C50).
    """
    largest = at_largest(records)
    return min(map(at_the_end, largest)) >= PERFECT and all(end_kind(r) != NONE for r in largest)


# --- plateaus and outcomes: Figs. 1c, 5, 6 ---------------------------------------------------

OUTCOMES = ("no generalisation", "under way", "semi-grokked", "plateau, then full", "full")
NONE, UNDER_WAY, SEMI, TRANSIENT, FULL = OUTCOMES
MARGIN = 0.1  # of test accuracy above what mirror images explain; this and all below: choice C17
BAND = 0.1  # within which test accuracy stays on a plateau
DECAY_TIMES, SHARE = 5, 0.1  # a plateau lasts so many 1 / (lr lambda), and such a part of the run
SMOOTH = 5  # evaluations, of which the median is taken: a plateau may have spikes
DELAY = 2  # a plateau is delayed if it starts after so many times the epochs to fit


@cache
def mirror_share(run: Run) -> float:
    """The share of the test set whose mirror image, y before x, is in the train set and right.

    What memory and commutativity alone get: about D / p^2 for x + y; 0 without a test set.
    """
    task, (train, test) = run.operation, run.split()
    (x, y), labels = task.inputs.T, run.example_labels()
    known = np.full((task.n_tokens, task.n_tokens), -1)
    known[x[train], y[train]] = labels[train]
    return float((known[y[test], x[test]] == labels[test]).sum() / max(len(test), 1))


def memory_bound(run: Run) -> float:
    """The test accuracy above which a network has begun to generalise."""
    return mirror_share(run) + MARGIN


def smoothed(record: Record) -> Float[np.ndarray, " log"]:
    """Test accuracy, the median of `SMOOTH` around each evaluation but the first and the last."""
    padded = np.pad(record["test_accuracy"], SMOOTH // 2, mode="edge")
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, SMOOTH), axis=-1)


@dataclass(frozen=True)
class Plateau:
    """A stretch of epochs over which test accuracy stays in the middle, within `BAND`."""

    start: int
    end: int
    low: float  # the least test accuracy on it, and the most
    high: float
    lasting: bool  # long enough, and late enough, to count

    @property
    def epochs(self) -> int:
        """How long it lasts."""
        return self.end - self.start

    def __str__(self) -> str:
        return f"{self.low:.2f} – {self.high:.2f} from epoch {self.start:,} to {self.end:,}"


def plateau(record: Record, at_end: bool = False) -> Plateau | None:
    """The longest plateau of a run, or the one that it ends on; None if it has none at all."""
    values, run, fits, epoch = smoothed(record), record.run, train_fits(record), record["epoch"]
    earliest = DELAY * fits.epoch if fits else inf
    shortest = max(DECAY_TIMES * run.decay_time, SHARE * run.epochs)
    found, first_row, bottom = [], 0, memory_bound(run)
    for row, value in enumerate(values):
        if not bottom < value <= PERFECT:
            first_row = row + 1
            continue
        while np.ptp(values[first_row : row + 1]) > BAND:
            first_row += 1
        if not at_end or row == len(values) - 1:
            start, end = int(epoch[first_row]), int(epoch[row])
            here = values[first_row : row + 1]
            lasting = start >= earliest and end - start >= shortest
            found.append(Plateau(start, end, float(here.min()), float(here.max()), lasting))
    return max(found, key=lambda each: (each.lasting, each.epochs), default=None)


def outcome(record: Record) -> str:
    """Which of `OUTCOMES` a run has, by its test accuracy (choice C17).

    At the end above 0.95: full, after a lasting plateau or without. At the end in the middle:
    semi-grokked on a lasting plateau, else under way. Otherwise no generalisation.
    """
    end = at_the_end(record)
    if end <= memory_bound(record.run):
        return NONE
    here = plateau(record, at_end=end <= PERFECT)
    waits = here is not None and here.lasting
    middle, late = (SEMI, TRANSIENT) if waits else (UNDER_WAY, FULL)
    return middle if end <= PERFECT else late


def end_kind(record: Record) -> str:
    """Where a minimiser ends, by test accuracy alone: no generalisation, semi-grokked, or full."""
    end = record.final("test_accuracy")
    return NONE if end <= memory_bound(record.run) else SEMI if end <= PERFECT else FULL


@dataclass(frozen=True)
class Ungrokked:
    """The ends of the runs at one reduced dataset size."""

    dataset_size: int
    test_accuracy: Summary
    train_accuracy: float  # the lowest over runs and epochs, after the first tenth of the epochs
    residual: float  # the largest at the end: 0 at convergence


def ungrokked(records: Records) -> list[Ungrokked]:
    """The ends of ungrokking runs, by reduced dataset size, smallest first."""
    rows = []
    for size, here in group(records, "dataset_size").items():
        late = [r["train_accuracy"][r["epoch"] >= r["epoch"][-1] / 10].min() for r in here]
        residual = finals(here, "residual").high
        rows.append(Ungrokked(size, finals(here, "test_accuracy"), float(min(late)), residual))
    return rows
