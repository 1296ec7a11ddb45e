"""How long until a network groks, and by which law that goes with the size of the dataset.

Times are in decay times, 1 / (lr lambda). A run that has not grokked at its end counts in the
likelihood as one that takes longer.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, product
from math import exp, inf, isfinite, isinf, log, nan, pi, sqrt
from statistics import fmean
from typing import Any, NamedTuple

import numpy as np
import scipy
from jaxtyping import Bool, Float

from grokkit.runs import Record, Records
from varma2023 import measures, statistics
from varma2023.measures import Reading, Summary, group, network
from varma2023.statistics import FEW, Interval
from varma2023.tables import table

ESCAPE = pi / sqrt(6)  # the standard deviation of ln t, if the wait is that of a random escape
MAX_SPREAD = ESCAPE / 2  # choice C27, as what follows
NEAR_REST = 1.0  # of the residual (choice C65)
SAME_DECAY = 1.5  # factor between times at two weight decays, or with noise and without
SAME_MODULUS = 2.0  # and between times at two moduli, at equal D / D_crit
SAME_SIZE = 1.2  # and between two dataset sizes
MIN_SIZES = 6  # of which the ones in between are held out in turn
SAME_WITH_GROKFAST = 1.1  # factor between two dataset sizes (choice C42), and
SOONER = 2.0  # that by which a network must grok sooner

Vector = Float[np.ndarray, " run"]
LAWS: dict[str, Callable[[Vector, float, float], Vector]] = {
    "divergence": lambda size, d_c, nu: -nu * np.log(size - d_c),
    "nucleation": lambda size, d_c, b: b / (size - d_c),
    "power": lambda size, _, nu: -nu * np.log(size),
    "exponential": lambda size, _, rate: -rate * size,
    "levelling power": lambda size, bend, nu: np.logaddexp(-nu * np.log(size / bend), 0),
}
"""ln t by dataset size D, up to a constant, as `FORMULAS` has t."""
FORMULAS = {
    "divergence": "(D − D_c)<sup>−ν</sup>",
    "nucleation": "exp(b / (D − D_c))",
    "power": "D<sup>−ν</sup>",
    "exponential": "exp(−D / d)",
    "levelling power": "1 + (D / D_b)<sup>−ν</sup>",
}
"""t up to a factor. The first two have a size at which no network groks in any time; the last has a
least time, towards which it bends at D_b (choice C95)."""
WITH_D_C = ("divergence", "nucleation")
WITH_D_B = ("levelling power",)
PLACES = (-1.0, 1.0, 3.0)  # logits of D_c, as a part of the least size, from which fits start
BOUNDS = [(-9, 25), (-15, 15), (-5, 5), (-6, 8)]  # mean ln t, ln rate, ln spread, place
RULED_OUT = -5.0  # the least log-likelihood of a run that counts, where a law was not fitted to it


def halfway(record: Record) -> float:
    """Decay times until test accuracy is half-way from what mirror images give to 1; or infinity.

    `measures.mirror_share` is what they give.
    """
    level = (1 + measures.mirror_share(record.run)) / 2
    found = measures.first(record, record["test_accuracy"] > level)
    return inf if found is None else found.epoch / record.run.decay_time


def there_text(records: Records, size: int) -> str:
    """ "9 of 10": how many networks on so many examples get `halfway`."""
    return measures.how_many(halfway(r) < inf for r in records if r.run.dataset_size == size)


def near_rest(record: Record) -> float:
    """The epoch at which the residual is first below `NEAR_REST`; infinite if it never is."""
    found = measures.first(record, record["residual"] < NEAR_REST)
    return inf if found is None else found.epoch


def halfway_or_end(record: Record) -> float:
    """Decay times until `halfway`, or those that a run has had which never gets there."""
    return min(halfway(record), record.run.epochs / record.run.decay_time)


def generalised(record: Record) -> float:
    """Decay times until test accuracy passes 0.98; or infinity."""
    return measures.general_epoch(record) / record.run.decay_time


def comparable(records: Records) -> list[Record]:
    """The records at the modulus of the first and weight decay 1, by which the laws are judged."""
    first = records[0].run.p
    return [r for r in records if r.run.p == first and r.run.weight_decay == 1]


class Waits(NamedTuple):
    """How long some networks took: one value a run."""

    size: Vector  # of the dataset
    log_time: Vector  # of the moment, or of the end of a run that has not got there
    censored: Bool[np.ndarray, " run"]  # whether it has not

    @classmethod
    def of(cls, records: Records, moment: Reading = halfway) -> "Waits":
        """Of these records, up to a moment in decay times."""
        times = np.array([moment(record) for record in records])
        ends = [record.run.epochs / record.run.decay_time for record in records]
        sizes = np.array([record.run.dataset_size for record in records], float)
        return cls(sizes, np.log(np.minimum(times, ends)), np.isinf(times))


@dataclass(frozen=True)
class Fit:
    """A law with its constants."""

    law: str
    constant: float
    size: float  # D_c or D_b; NaN of a law without one
    rate: float  # nu, b, or 1 / d of `LAWS`
    spread: float  # standard deviation of ln t

    @property
    def d_c(self) -> float:
        """The size at which no network groks in any time; NaN of a law without one."""
        return self.size if self.law in WITH_D_C else nan

    def log_time(self, size: Vector) -> Vector:
        """The mean of ln t at dataset sizes; infinite where no network groks."""
        with np.errstate(invalid="ignore", divide="ignore"):
            found = self.constant + LAWS[self.law](size, self.size, self.rate)
        return np.where(size <= self.d_c, inf, found)

    def log_likelihood(self, waits: Waits) -> Vector:
        """The logarithm of the likelihood of every run."""
        off = (waits.log_time - self.log_time(waits.size)) / self.spread
        seen = -(off**2) / 2 - log(self.spread * sqrt(2 * pi))
        return np.where(waits.censored, scipy.special.log_ndtr(-off), seen)


def fit(law: str, waits: Waits) -> Fit:
    """The constants of a law that make these waits the most likely.

    D_c lies between 0 and the smallest size at which a network grokked, D_b above that. Raises
    ValueError where none did.
    """
    if waits.censored.all():
        raise ValueError("a law needs networks that grok, got none")
    seen = ~waits.censored
    size, level = waits.size[seen], float(waits.log_time[seen].mean())
    least = float(size.min())

    def size_at(place: float) -> float:
        part = 1 + exp(-place)
        return least / part if law in WITH_D_C else least * part if law in WITH_D_B else nan

    def made(free: Vector) -> Fit:
        middle, rate, spread = float(free[0]), exp(free[1]), exp(free[2])
        own = size_at(free[3])
        return Fit(law, middle - float(LAWS[law](size, own, rate).mean()), own, rate, spread)

    def cost(free: Vector) -> float:
        return -float(made(free).log_likelihood(waits).sum())

    found = []
    for place in PLACES if law in WITH_D_C + WITH_D_B else PLACES[:1]:
        width = float(np.ptp(LAWS[law](size, size_at(place), 1.0))) or 1.0
        start = [level, -log(width), 0.0, place]  # ln t falls by 1 over the sizes
        found.append(scipy.optimize.minimize(cost, start, method="L-BFGS-B", bounds=BOUNDS))
    return made(min(found, key=lambda end: end.fun).x)


def judged(records: Records) -> bool:
    """Whether the sweep is large enough for a verdict: five seeds, six sizes of one modulus."""
    here = comparable(records)
    seeds, sizes = ({getattr(r.run, name) for r in here} for name in ("seed", "dataset_size"))
    return len(seeds) >= FEW and len(sizes) >= MIN_SIZES


def fits(records: Records) -> dict[str, Fit]:
    """By law, its constants by all records of `comparable`."""
    waits = Waits.of(comparable(records))
    return {law: fit(law, waits) for law in LAWS}


def aic(found: Fit, waits: Waits) -> float:
    """Akaike's criterion of a fitted law: the less the better, and each constant costs 2."""
    return 2 * (3 + isfinite(found.size) - float(found.log_likelihood(waits).sum()))


Scores = dict[str, dict[int, Vector]]
"""By law and seed, the log-likelihood of runs that the law was not fitted to."""


def scores(parts: Iterable[tuple[Records, Records]], moment: Reading = halfway) -> Scores:
    """Each part: runs that the laws are fitted to, and those whose likelihood counts.

    A run that a law has almost ruled out counts as `RULED_OUT`.
    """
    found: dict[str, dict[int, list[float]]] = {law: {} for law in LAWS}
    for known, out in parts:
        seen, unseen = Waits.of(known, moment), Waits.of(out, moment)
        for law, by_seed in found.items():
            likely = np.maximum(fit(law, seen).log_likelihood(unseen), RULED_OUT)
            for record, score in zip(out, likely, strict=True):
                by_seed.setdefault(record.run.seed, []).append(float(score))
    return {law: {s: np.array(each) for s, each in of.items()} for law, of in found.items()}


def held_out(records: Records, moment: Reading = halfway) -> Scores:
    """The scores of every size between the smallest and the largest, each held out in turn."""
    sizes = [*group(comparable(records), "dataset_size").values()]
    parts = (([*chain(*sizes[:i], *sizes[i + 1 :])], sizes[i]) for i in range(1, len(sizes) - 1))
    return scores(parts, moment)


def gain(scores: Scores, law: str) -> Interval:
    """By how much the divergence's log-likelihood of a run is larger than a law's."""
    units = [own - scores[law][seed] for seed, own in scores["divergence"].items()]
    return statistics.bootstrap(units, lambda drawn: float(np.mean(np.concatenate(drawn))))


def gains(scores: Scores) -> dict[str, Interval]:
    """By law without a critical size, what the divergence gains over it on a run."""
    return {law: gain(scores, law) for law in LAWS if law not in WITH_D_C}


def gains_text(gains: Mapping[str, Interval]) -> str:
    """ "+0.091 (+0.026 – +0.150) over the power, ..."."""
    each = (f"{gained.text('+.3f')} over the {law}" for law, gained in gains.items())
    return ", ".join(each) or "none"


def critical(records: Records, law: str = "divergence", moment: Reading = halfway) -> Interval:
    """D_c of a law, with two standard errors by the jackknife over seeds.

    NaN where the sweep is too small (`judged`).
    """
    if not judged(records):
        return Interval(nan)
    seeds = list(group(comparable(records), "seed").values())

    def d_c(units: Sequence[Records]) -> float:
        return fit(law, Waits.of([r for unit in units for r in unit], moment)).d_c

    value, n = d_c(seeds), len(seeds)
    left = [d_c([unit for unit in seeds if unit is not out]) for out in seeds]
    margin = 2 * sqrt((n - 1) * float(np.var(left)))
    return Interval(value, value - margin, value + margin, n)


def spread(records: Records) -> Interval:
    """The standard deviation of ln t over seeds at one size, by sizes where every network grokked.

    NaN if there is none.
    """
    sizes = [(here, Waits.of(here)) for here in group(comparable(records), "dataset_size").values()]
    off = statistics.gathered(
        (record.run.seed, float(log_time - waits.log_time.mean()))
        for here, waits in sizes
        if not waits.censored.any()
        for record, log_time in zip(here, waits.log_time, strict=True)
    )
    freedom = 1 - 1 / max(len(off), 2)  # of the squares: each size has a mean of its own

    def deviation(drawn: Sequence[list[float]]) -> float:
        return sqrt(float(np.mean(np.concatenate(drawn) ** 2)) / freedom)

    return statistics.bootstrap([*off.values()], deviation)


def spread_at(records: Records) -> float:
    """The standard deviation of ln t at one size, where a network that is not there comes later.

    NaN of fewer than five networks, or if none is there.
    """
    waits, n = Waits.of(records), len(records)
    if n < FEW or waits.censored.all():
        return nan
    return fit("power", waits).spread * sqrt(n / (n - 1))


def by_decay(records: Records) -> dict[int, dict[float, Interval]]:
    """By size and weight decay, the time to grok over that at 1: the mean of seeds' own ratios.

    NaN where one of these networks did not grok.
    """
    found = {}
    here = [record for record in records if record.run.p == records[0].run.p]
    for size, own in group(here, "dataset_size").items():
        decays = group(own, "weight_decay").items()
        times = {decay: {r.run.seed: halfway(r) for r in runs} for decay, runs in decays}
        usual = times.pop(1.0, {})
        if times:
            found[size] = {d: statistics.mean_ratio(each, usual) for d, each in times.items()}
    return found


def at_rate(
    records: Records, others: Records, read: Reading = halfway, usual: Reading = halfway
) -> Interval:
    """The time over that of other runs of the same network and examples, where both are known.

    `read` is the time of the first, `usual` that of the others; infinite where it is not known.
    """
    known = {network(record): usual(record) for record in others}
    ratios = [(r.run.seed, read(r) / known.get(network(r), nan)) for r in comparable(records)]
    by_seed = statistics.gathered((s, log(ratio)) for s, ratio in ratios if 0 < ratio < inf)
    return statistics.geometric_mean([fmean(logs) for logs in by_seed.values()])


def by_field(
    records: Records, others: Records, field: str, read: Reading = halfway, usual: Reading = halfway
) -> dict[Any, Interval]:
    """By value of a field of the first, `at_rate`."""
    return {v: at_rate(own, others, read, usual) for v, own in group(records, field).items()}


@dataclass(frozen=True)
class Grokfast:
    """Runs of `sweeps.grokfast`: ungrokking as usual and with slow gradients amplified; waits."""

    usual: list[Record]
    amplified: list[Record]
    weaker: list[Record]  # fresh networks with a smaller epsilon
    waits: list[Record]  # and with slow gradients amplified

    @classmethod
    def of(cls, records: Records) -> "Grokfast":
        """The runs by whether they ungrok, and by what was changed."""
        kinds = statistics.gathered(((r.run.init is None, r.run.amplify > 0), r) for r in records)
        return cls(*(kinds.get(kind, []) for kind in product((False, True), (False, True))))

    @property
    def size_ratio(self) -> Interval:
        """The size at accuracy 1/2 at the end of ungrokking, with over without, by seed."""
        return statistics.mean_ratio(*map(measures.d_crits, (self.amplified, self.usual)))

    def times(self, records: Records) -> dict[str, Interval]:
        """The time to grok over that of the runs of `sweeps.delay`: amplified, then weaker.

        A bound from below, where some are not there at their end.
        """
        found = {"Grokfast": self.waits, "a third of ε": self.weaker}
        return {name: at_rate(own, records, halfway_or_end) for name, own in found.items()}


def noise_text(found: dict[float, Interval]) -> str:
    """ "× 0.97 (0.91 – 1.04) with a noise of 1 ε": factors by noise, for a sentence."""
    each = (f"× {ratio.text()} with a noise of {noise:g} ε" for noise, ratio in found.items())
    return "; ".join(each)


def by_modulus(records: Records, crits: dict[int, float]) -> dict[int, Interval]:
    """By other modulus, the time to grok over that of the divergence at equal D / D_crit.

    Args:
        records: the sweep.
        crits: D_crit of ungrokking by modulus.
    """
    law, first = fit("divergence", Waits.of(comparable(records))), records[0].run.p
    found: dict[int, Interval] = {}
    for p, here in group(records, "p").items():
        if p == first or not {p, first} <= crits.keys():
            continue
        by_seed = []
        for unit in group(here, "seed").values():
            waits = Waits.of(unit)
            off = waits.log_time - law.log_time(waits.size * crits[first] / crits[p])
            by_seed.append(nan if waits.censored.any() else float(np.mean(off)))
        found[p] = statistics.geometric_mean(by_seed)
    return found


def growth_text(records: Records) -> str:
    """ "4.1 times as long; by the power law 1.5": medians at the smallest size over the next."""
    if not judged(records):
        return "Too few runs to say"
    (small, own), (large, more) = sorted(group(comparable(records), "dataset_size").items())[:2]
    times = [float(np.median([*map(halfway, here)])) for here in (own, more)]
    power = (large / small) ** fits(records)["power"].rate
    return f"{times[0] / times[1]:.1f} times as long (medians); by the power law {power:.1f}"


def laws_table(records: Records) -> str:
    """By law: its constants, the spread around it, and its held-out log-likelihood of a run.

    Empty where the sweep is too small (`judged`).
    """
    if not judged(records):
        return ""
    known, rows = held_out(records), []
    for law, found in fits(records).items():
        size = f"{found.size:,.0f}" if isfinite(found.size) else ""
        score = float(np.mean(np.concatenate([*known[law].values()])))
        less = "" if law == "divergence" else gain(known, law).text("+.3f")
        numbers = (f"{found.rate:,.4g}", f"{found.spread:.2f}", f"{score:.3f}", less)
        rows.append([f"{law}, {FORMULAS[law]}", size, *numbers])
    heads = "law | D_c or D_b | ν, b or 1 / d | standard deviation of ln t around the law"
    return table(f"{heads} | log-likelihood of a held-out run | gain of divergence over it", rows)


def times_table(records: Records) -> str:
    """By modulus, weight decay and dataset size: how many got there, the time it took, and how many
    were half-way before their residual was below 1."""
    rows = []
    for (p, decay, size), here in group(records, "p", "weight_decay", "dataset_size").items():
        times = [nan if isinf(time) else time for time in map(halfway, here)]
        mirror = fmean(measures.mirror_share(record.run) for record in here)
        moving = (halfway(record) < near_rest(record) / record.run.decay_time for record in here)
        cells = [f"{mirror:.2f}", Summary.of(times).text(".1f"), measures.how_many(moving)]
        rows.append([p, f"{decay:g}", f"{size:,}", *cells])
    heads = "p | weight decay | D | accuracy by mirror images | decay times: median (range)"
    return table(f"{heads} | half-way before the residual is below 1", rows)


# --- looked at afterwards: other moduli, other rates, another moment; the norm ------------------

Setting = tuple[int, float]  # modulus and learning rate
Found = dict[Setting, list[Record]]


def settings(*sweeps: Records) -> Found:
    """By modulus and learning rate, runs from random weights at weight decay 1.

    Of a network that several sweeps have, the first run.
    """
    usual = [record for record in chain(*sweeps) if record.run.weight_decay == 1]
    return group(measures.once(usual), "p", "lr")


@dataclass(frozen=True)
class Comparison:
    """The laws, fitted to the runs of one setting."""

    records: list[Record]
    aic: dict[str, float]  # by law
    gains: dict[str, Interval]  # of the divergence, held out, over the laws without D_c
    d_c: dict[str, Interval]  # of the others

    @classmethod
    def of(cls, records: Records, moment: Reading = halfway) -> "Comparison":
        """The laws for the time up to a moment, by runs of which `judged` is true."""
        waits = Waits.of(records, moment)
        found = {law: aic(fit(law, waits), waits) for law in LAWS}
        d_c = {law: critical(records, law, moment) for law in WITH_D_C}
        return cls([*records], found, gains(held_out(records, moment)), d_c)

    def d_c_text(self, law: str) -> str:
        """D_c with its errors; "0" where it is at the least that `fit` allows."""
        found = self.d_c.get(law, Interval(nan))
        none = any(found.value < record.run.dataset_size / 100 for record in self.records)
        return "0" if none else found.text(",.0f")

    def aic_text(self) -> str:
        """ "50.7 (divergence), ...": the criterion by law."""
        return ", ".join(f"{value:.1f} ({law})" for law, value in self.aic.items()) or "none"


UNKNOWN = Comparison([], {}, {}, {})


def compared(found: Found) -> dict[Setting, Comparison]:
    """The laws in every setting of which `judged` is true."""
    return {key: Comparison.of(here) for key, here in found.items() if judged(here)}


def units(crits: dict[int, float]) -> dict[str, Callable[[Records], float]]:
    """Two sizes to count D in, of the runs of a setting; `crits`: D_crit of ungrokking."""
    return {
        "where grokked ones forget": lambda here: crits.get(here[0].run.p, nan),
        "where fresh ones end at ½": lambda here: measures.d_crit(here).value,
    }


def collapse(found: Found, unit: Callable[[Records], float]) -> dict[float, float]:
    """By learning rate, how much worse one divergence in D over a unit is than one a modulus.

    That is a difference of `aic`. Rates at which fewer than two moduli have a unit are left out.
    """
    each = ((lr, Waits.of(here), unit(here)) for (_, lr), here in found.items())
    parts = statistics.gathered(
        (lr, waits._replace(size=waits.size / size))
        for lr, waits, size in each
        if size > 0 and not waits.censored.all()
    )

    def cost(waits: Waits) -> float:
        return aic(fit("divergence", waits), waits)

    def whole(own: Sequence[Waits]) -> Waits:
        return Waits(*map(np.concatenate, zip(*own, strict=True)))

    return {lr: cost(whole(w)) - sum(map(cost, w)) for lr, w in parts.items() if len(w) > 1}


def collapse_text(found: Found, unit: Callable[[Records], float]) -> str:
    """ "+67 at a rate of 0.001, ...": every difference of `collapse`."""
    each = (f"{more:+.0f} at a rate of {lr:g}" for lr, more in collapse(found, unit).items())
    return ", ".join(each) or "not told"


def norm_ratio(record: Record) -> float:
    """The norm `halfway`, as a part of its largest so far; NaN of a run that has not got there.

    Weight decay alone would take the logarithm of its inverse, in decay times, to bring it there.
    """
    epoch = halfway(record) * record.run.decay_time
    past = record["param_norm"][record["epoch"] <= epoch]
    return measures.value_at(record, "param_norm", epoch) / float(past.max())


def compared_table(known: dict[Setting, Comparison], crits: dict[int, float]) -> str:
    """By setting: the laws, D_c, and D_crit of ungrokking (`crits`) and of fresh networks."""
    rows = []
    for (p, lr), each in known.items():
        there = measures.how_many(isfinite(halfway(record)) for record in each.records)
        best = min(each.aic.values())
        laws = [f"{value - best:.1f}" for value in each.aic.values()]
        gains = [gain.text("+.3f") for gain in each.gains.values()]
        numbers = ["; ".join(told) for told in (laws, gains, map(each.d_c_text, each.d_c))]
        sizes = [f"{crits.get(p, nan):,.0f}", f"{measures.d_crit(each.records).value:,.0f}"]
        rows.append([p, f"{lr:g}", there, *numbers, *sizes])
    rivals = "; ".join(law for law in LAWS if law not in WITH_D_C)
    heads = f"p | η | half-way | AIC above the least: {'; '.join(LAWS)} | held out, over: {rivals}"
    return table(f"{heads} | D_c: {'; '.join(WITH_D_C)} | forget below | fresh end at ½", rows)
