"""What a learning rate changes at equal times: when a network groks, where ungrokking stands."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import nan

import numpy as np

from grokkit.runs import Record, Records, Run
from varma2023 import measures, statistics
from varma2023.measures import Summary
from varma2023.statistics import Interval
from varma2023.tables import table

FASTER = 4  # times the paper's learning rate: what the claim is about
BETWEEN = 2  # times it: what the claim asks further
SAME_SIZE = 1.1  # equivalence margin of the dataset size at half accuracy, as of D_crit
SAME_TIME = 2.0  # of the time to grok (choice C24)
SAME_ACCURACY = 0.1  # of the mean accuracy over seeds at one size
SAME_COST = 1.05  # of memory's norm and correct logit (choice C113)
KEPT = 0.99  # train accuracy at the end below which a network has lost its train set


def grokking(records: Records) -> list[Record]:
    """The records of networks that start from random weights."""
    return [record for record in records if record.run.init is None]


def ungrokking(records: Records) -> list[Record]:
    """The records of networks that start from grokked ones."""
    return [record for record in records if record.run.init is not None]


def times(records: Records) -> dict[int, float]:
    """By seed, η x epochs at which test accuracy passes 0.98; NaN where it never does."""
    found = {record.run: measures.generalises(record) for record in records}
    return {run.seed: at.epoch * run.lr if at else nan for run, at in found.items()}


def sizes(records: Records) -> dict[int, float]:
    """By seed, the D' at which accuracy crosses 1/2 at the end, at rest or not; or NaN."""
    return measures.d_crits(ungrokking(records))


def reference(records: Records) -> float:
    """The learning rate that the others are compared with: the starts', as in the paper."""
    rates = {record.run.init.lr for record in records if record.run.init}
    return rates.pop() if len(rates) == 1 else Run().lr


@dataclass(frozen=True)
class Rate:
    """What one learning rate gives, and how far from the reference."""

    lr: float
    records: list[Record]
    time: Summary  # to grok, by seed
    size: Summary  # D' at half accuracy, by seed
    time_ratio: Interval  # over that at the reference rate: the mean of seeds' own ratios
    size_ratio: Interval  # likewise; NaN, without bounds, if a seed has none
    gap: float  # of mean accuracy at one size

    @property
    def size_text(self) -> str:
        """D' at half accuracy, in words."""
        return self.size.text() if self.size.seen else "none up to the largest"

    @property
    def unlike(self) -> list[str]:
        """What is not where it is at the reference rate, by the margins of choice C24."""
        alike = {
            "time to grok": self.time_ratio.within(1 / SAME_TIME, SAME_TIME),
            "size at accuracy ½": self.size_ratio.within(1 / SAME_SIZE, SAME_SIZE),
            "accuracy": self.gap <= SAME_ACCURACY,
        }
        return [name for name, same in alike.items() if not same]


def rates(records: Records) -> list[Rate]:
    """What every learning rate gives, from the least on; KeyError without the reference rate."""
    groups = measures.group(records, "lr")
    base = groups[reference(records)]
    usual, of_base = measures.curve(ungrokking(base))[1], (times(grokking(base)), sizes(base))
    found = []
    for lr, runs in groups.items():
        own = times(grokking(runs)), sizes(runs)
        time, size = (Summary.of([*each.values()]) for each in own)
        later, larger = map(statistics.mean_ratio, own, of_base)
        gap = float(np.abs(measures.curve(ungrokking(runs))[1] - usual).max())
        found.append(Rate(lr, runs, time, size, later, larger, gap))
    return found


def rates_table(records: Records) -> str:
    """By learning rate: both readings, both against the reference, and the state of the ends."""
    base, rows = reference(records), []
    for row in rates(records):
        ratios = (row.time_ratio.text(), row.size_ratio.text(), f"{row.gap:.2f}")
        against_base = ("1", "1", "") if row.lr == base else ratios
        ends = counts(row.records, measures.rests, lost)
        rows.append([f"{row.lr:g}", row.time.text(".1f"), row.size_text, *against_base, *ends])
    heads = f"η | time to grok, η × epochs | size at accuracy ½ | time / that at η = {base:g}"
    heads += f" | size, likewise | largest gap in accuracy | at rest | train accuracy < {KEPT:g}"
    return table(heads, rows)


def memory_ratios(records: Records, name: str) -> dict[float, Interval]:
    """By rate, a metric at the end over that of the same seed at the paper's (choice C110)."""
    ends = {
        rate: {record.run.seed: record.final(name) for record in own}
        for rate, own in measures.group(records, "lr").items()
    }
    base = ends.pop(reference(records))
    return {rate: statistics.mean_ratio(own, base) for rate, own in ends.items()}


def memory_table(records: Records) -> str:
    """Of random labels, by learning rate: norm and logit; how many spike, rest or forget."""
    groups, cells, names = measures.group(records, "lr"), [], ("param_norm", "correct_logit")
    ratios = [memory_ratios(records, name) for name in names]
    for rate, own in groups.items():
        ends = [Summary.of([record.final(name) for record in own]).text(".1f") for name in names]
        over = [each[rate].text() if rate in each else "1" for each in ratios]
        states = counts(own, measures.spikes, measures.rests, lost)
        cells.append([f"{rate:g}", ends[0], over[0], ends[1], over[1], *states])
    base = reference(records)
    heads = f"η | norm | norm / that at η = {base:g} | correct logit | logit, likewise"
    return table(f"{heads} | spike in memory | at rest | train accuracy < {KEPT:g}", cells)


def unlike_text(records: Records) -> str:
    """By learning rate, what is not where it is at the reference rate, in a sentence."""
    base = reference(records)
    others = (row for row in rates(records) if row.lr != base)
    return "; ".join(f"at η = {row.lr:g}: {', '.join(row.unlike) or 'nothing'}" for row in others)


def in_memory(record: Record) -> np.ndarray:
    """Which evaluations are calm, and of a network that fits, before it generalises (C111)."""
    found = measures.generalises(record)
    before = record["epoch"] < found.epoch if found else True
    calm = measures.over_least(record) <= measures.CALM
    begun = record["epoch"] > 0  # when Adam's moments are no longer 0
    return calm & before & begun & (record["train_accuracy"] == 1)


def lost(record: Record) -> bool:
    """Whether a network has lost part of its train set at the end."""
    return record.final("train_accuracy") < KEPT


def counts(records: Records, *does: Callable[[Record], object]) -> list[str]:
    """ "3 of 5", "0 of 5": how many of the networks do each of these."""
    return [measures.how_many(map(each, records)) for each in does]


def readable(record: Record) -> np.ndarray:
    """Which evaluations `in_memory` have so small a loss that rounding does not hide steepness."""
    return in_memory(record) & (record["train_loss"] < measures.ROUNDED_ABOVE)


def at_edge(record: Record, where: Callable[[Record], np.ndarray] = in_memory) -> bool:
    """Whether a network comes to the edge of what AdamW tolerates before it generalises (C111)."""
    return bool((record["steepness"][where(record)] > measures.edge(record.run)).any())


def steepest_text(records: Records) -> str:
    """ "37 (35 – 38)": the largest steepness at `readable` evaluations, median and range."""
    found = [max(record["steepness"][readable(record)], default=nan) for record in records]
    most = Summary.of(found)
    return most.text(".0f") if most.seen else "hidden by rounding"


@dataclass(frozen=True)
class Pace:
    """Grokking at one learning rate, and whether it changes and comes to the edge (C111)."""

    lr: float
    records: list[Record]
    time_ratio: Interval  # of the time to grok, over that at the reference rate

    @property
    def changes(self) -> bool:
        """Whether grokking is not as at the reference rate."""
        same = self.time_ratio.within(1 / SAME_TIME, SAME_TIME)
        return any(map(lost, self.records)) or not same

    @property
    def reaches(self) -> bool:
        """Whether most networks come to the edge."""
        return 2 * sum(map(at_edge, self.records)) > len(self.records)


def paces(records: Records) -> list[Pace]:
    """Grokking by learning rate, from the least on; KeyError without the reference rate."""
    groups = measures.group(grokking(records), "lr")
    usual = times(groups[base := reference(records)])
    ratios = {lr: statistics.mean_ratio(times(own), usual) for lr, own in groups.items()}
    ratios[base] = Interval(1.0, 1.0, 1.0, len(usual))  # whether or not every network groks
    return [Pace(lr, own, ratios[lr]) for lr, own in groups.items()]


def paces_table(records: Records) -> str:
    """By learning rate: when networks grok, how steep it is until then, what is lost."""
    cells, rows = [], [(f"{pace.lr:g}", pace.records, pace.time_ratio) for pace in paces(records)]
    for lr, own in measures.group(ungrokking(records), "lr").items():
        rows.append((f"{lr:g} after a warm-up, timed from its end", own, Interval(nan)))
    for rate, own, ratio in rows:
        time = Summary.of([*times(own).values()]).text(".1f")
        states = counts(own, at_edge, partial(at_edge, where=readable), measures.spikes, lost)
        cells.append([rate, time, ratio.text(), steepest_text(own), *states])
    heads = "η | time to grok, η × epochs | over that at the paper's rate | largest steepness"
    heads += " | come to the edge | where it can be read"
    return table(f"{heads} | spike | train accuracy < {KEPT:g}", cells)
