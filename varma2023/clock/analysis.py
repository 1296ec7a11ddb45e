"""What a learning rate changes at equal times: when a network groks, where ungrokking stands."""

from collections.abc import Callable
from dataclasses import dataclass
from math import nan

import numpy as np

from grokkit.runs import Record, Records, Run
from varma2023 import measures, statistics
from varma2023.measures import Summary
from varma2023.semi_grokking.analysis import CALM, edge
from varma2023.statistics import Interval
from varma2023.tables import table

FASTER = 4  # times the paper's learning rate: what the claim is about
BETWEEN = 2  # times it: what the claim asks further
SAME_SIZE = 1.1  # equivalence margin of the dataset size at half accuracy, as of D_crit
SAME_TIME = 2.0  # of the time to grok (choice C24)
SAME_ACCURACY = 0.1  # of the mean accuracy over seeds at one size
KEPT = 0.99  # train accuracy at the end below which a network has lost its train set


def grokking(records: Records) -> list[Record]:
    """The records of networks that start from random weights."""
    return [record for record in records if record.run.init is None]


def ungrokking(records: Records) -> list[Record]:
    """The records of networks that start from grokked ones."""
    return [record for record in records if record.run.init is not None]


def times(records: Records) -> dict[int, float]:
    """By seed, η x epochs at which test accuracy passes 0.98; NaN where it never does."""
    found = {record.run: measures.generalises(record) for record in grokking(records)}
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
    usual = measures.curve(ungrokking(base))[1]
    found = []
    for lr, runs in groups.items():
        time, size = (Summary.of([*read(runs).values()]) for read in (times, sizes))
        later, larger = (statistics.mean_ratio(read(runs), read(base)) for read in (times, sizes))
        gap = float(np.abs(measures.curve(ungrokking(runs))[1] - usual).max())
        found.append(Rate(lr, runs, time, size, later, larger, gap))
    return found


def rates_table(records: Records) -> str:
    """By learning rate: both readings, both against the reference, and the state of the ends."""
    base, rows = reference(records), []
    for row in rates(records):
        ratios = (row.time_ratio.text(), row.size_ratio.text(), f"{row.gap:.2f}")
        lost = (record.final("train_accuracy") < KEPT for record in row.records)
        ends = [measures.how_many(each) for each in (map(measures.rests, row.records), lost)]
        against_base = ("1", "1", "") if row.lr == base else ratios
        rows.append([f"{row.lr:g}", row.time.text(".1f"), row.size_text, *against_base, *ends])
    heads = f"η | time to grok, η × epochs | size at accuracy ½ | time / that at η = {base:g}"
    heads += f" | size, likewise | largest gap in accuracy | at rest | train accuracy < {KEPT:g}"
    return table(heads, rows)


def memory_ratios(records: Records, name: str) -> dict[float, Interval]:
    """By rate, a metric at the end over that of the same seed at the least rate (choice C110)."""
    ends = {
        rate: {record.run.seed: record.final(name) for record in own}
        for rate, own in measures.group(records, "lr").items()
    }
    usual, *others = ends
    return {rate: statistics.mean_ratio(ends[rate], ends[usual]) for rate in others}


def memory_text(records: Records, name: str) -> str:
    """ "× 1.08 (1.01 – 1.18) at η = 0.002; ...": `memory_ratios`."""
    found = memory_ratios(records, name).items()
    return "; ".join(f"× {ratio.text()} at η = {rate:g}" for rate, ratio in found)


def memory_table(records: Records) -> str:
    """Of random labels, by learning rate: norm and correct logit, and how many spike or forget."""
    groups, cells, names = measures.group(records, "lr"), [], ("param_norm", "correct_logit")
    ratios = [memory_ratios(records, name) for name in names]
    for rate, own in groups.items():
        ends = [Summary.of([record.final(name) for record in own]).text(".1f") for name in names]
        over = [each[rate].text() if rate in each else "1" for each in ratios]
        spiky = measures.how_many(map(measures.spikes, own))
        lost = measures.how_many(record.final("train_accuracy") < KEPT for record in own)
        cells.append([f"{rate:g}", ends[0], over[0], ends[1], over[1], spiky, lost])
    heads = f"η | norm | norm / that at η = {min(groups):g} | correct logit | logit, likewise"
    return table(f"{heads} | spike in memory | train accuracy < {KEPT:g}", cells)


def unlike_text(records: Records) -> str:
    """By learning rate, what is not where it is at the reference rate, in a sentence."""
    base = reference(records)
    others = (row for row in rates(records) if row.lr != base)
    return "; ".join(f"at η = {row.lr:g}: {', '.join(row.unlike) or 'nothing'}" for row in others)


def in_memory(record: Record) -> np.ndarray:
    """The steepness at calm evaluations at which a network fits, before it generalises (C111)."""
    found = measures.generalises(record)
    before = record["epoch"] < found.epoch if found else True
    calm = measures.over_least(record) <= CALM
    return record["steepness"][calm & before & (record["train_accuracy"] == 1)]


@dataclass(frozen=True)
class Pace:
    """Grokking at one learning rate, and whether it changes and comes to the edge (C111)."""

    lr: float
    records: list[Record]
    time_ratio: Interval  # of the time to grok, over that at the reference rate

    @property
    def lost(self) -> int:
        """How many networks lose part of their train set by the end."""
        return sum(record.final("train_accuracy") < KEPT for record in self.records)

    @property
    def changes(self) -> bool:
        """Whether grokking is not as at the reference rate."""
        return self.lost > 0 or not self.time_ratio.within(1 / SAME_TIME, SAME_TIME)

    @property
    def at_edge(self) -> list[bool]:
        """Which networks come to the edge of what AdamW tolerates."""
        return [bool((in_memory(own) > edge(own.run)).any()) for own in self.records]

    @property
    def reaches(self) -> bool:
        """Whether most of them do."""
        return 2 * sum(self.at_edge) > len(self.at_edge)


def paces(records: Records) -> list[Pace]:
    """Grokking by learning rate, from the least on; KeyError without the reference rate."""
    groups = measures.group(grokking(records), "lr")
    usual = times(groups[reference(records)])
    found = ((lr, own, statistics.mean_ratio(times(own), usual)) for lr, own in groups.items())
    return [Pace(*each) for each in found]


def least(found: list[Pace], which: Callable[[Pace], bool]) -> float | None:
    """The least learning rate that is one of these, if there is any."""
    return min((pace.lr for pace in found if which(pace)), default=None)


def warmed_up(records: Records) -> list[Record]:
    """The records of the largest rate of those that begin at the paper's."""
    return measures.group(ungrokking(records), "lr").popitem()[1]


def paces_table(records: Records) -> str:
    """By learning rate: when networks grok, how steep it is until then, what is lost."""
    rows = [[f"{pace.lr:g}", pace.records, pace.time_ratio.text()] for pace in paces(records)]
    later = measures.group(ungrokking(records), "lr").items()
    rows += [[f"{lr:g}, after a warm-up", own, ""] for lr, own in later]
    cells = []
    for rate, own, ratio in rows:
        steep = [*map(in_memory, own)]
        usual = Summary.of([float(np.median(each)) if len(each) else nan for each in steep])
        edges = measures.how_many(Pace(0, [each], Interval(nan)).reaches for each in own)
        time = Summary.of([at.epoch * r.run.lr if (at := measures.generalises(r)) else nan for r in own])
        spiky = measures.how_many(map(measures.spikes, own))
        lost = measures.how_many(each.final("train_accuracy") < KEPT for each in own)
        cells.append([rate, time.text(".1f"), ratio, usual.text(".0f"), edges, spiky, lost])
    heads = "η | time to grok, η × epochs | over that at the paper's rate | steepness until then"
    return table(f"{heads} | come to the edge | spike | train accuracy < {KEPT:g}", cells)
