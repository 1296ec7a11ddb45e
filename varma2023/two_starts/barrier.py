"""How much higher Eq. (2) is on a way out of memory, and where networks that took it rest."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from math import inf, nan
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from grokkit.engine.metrics import MINIMUM_FALL, MINIMUM_RESIDUAL
from grokkit.runs import STAGES, Record, Records
from varma2023 import measures, statistics
from varma2023.measures import Summary
from varma2023.statistics import Interval
from varma2023.tables import table

Steps = Float[np.ndarray, " step"]
ROUNDING = 1e-5  # of Eq. (2): what stands out less is no peak


class Push:
    """A network in memory that is pushed: where it is at the end of each step (choice C77)."""

    def __init__(self, record: Record) -> None:
        ends = record["epoch"] * STAGES % record.run.epochs == 0
        self.record = record
        self.shares: Steps = record["trig_share"][ends]  # of the trigonometric logits
        self.costs: Steps = measures.objective(record)[ends]  # Eq. (2) over alpha, no spring

    @property
    def at(self) -> tuple[int, int]:
        """Its seed and the size of its train set."""
        return self.record.run.seed, self.record.run.dataset_size

    @property
    def gradients(self) -> int:
        """Those of one step."""
        return self.record.run.epochs // STAGES

    @cached_property
    def top(self) -> int:
        """The step of the peak that stands out most, on both sides; without one, of the highest."""
        fall = self.costs - np.minimum.accumulate(self.costs[::-1])[::-1]
        stands_out = np.minimum(self.costs - np.minimum.accumulate(self.costs), fall)
        known = (stands_out > ROUNDING * self.costs).any()
        return int((stands_out if known else self.costs).argmax())

    @property
    def peak(self) -> float:
        """Eq. (2) over alpha at the top."""
        return float(self.costs[self.top])

    @property
    def base(self) -> float:
        """The lowest Eq. (2) up to the top: memory's, or that of a place on the way (C81)."""
        return float(self.costs[: self.top + 1].min())

    @property
    def height(self) -> float | None:
        """The top over the base, in units of Eq. (2) over alpha; None if it does not come down."""
        return self.peak - self.base if self.costs[self.top :].min() < self.peak else None

    @property
    def above(self) -> Steps:
        """How much higher Eq. (2) is than the base."""
        return self.costs - self.base

    @property
    def rested(self) -> bool:
        """Whether it was at rest in memory, by its residual, and Eq. (2) hardly falls any more."""
        falls = self.costs[0] / self.base - 1
        return bool(self.record["residual"][0] < MINIMUM_RESIDUAL and falls < MINIMUM_FALL)


Pushes = Sequence[Push]


def by_seed(pushes: Pushes) -> dict[int, list[Push]]:
    """Those of each seed, smallest train set first."""
    ordered = sorted(pushes, key=lambda push: push.record.run.dataset_size)
    return statistics.gathered((push.record.run.seed, push) for push in ordered)


def by_size(pushes: Pushes) -> dict[int, list[Push]]:
    """Those on each size of the train set."""
    return statistics.gathered((push.record.run.dataset_size, push) for push in pushes)


def by_speed(pushes: Pushes) -> dict[int, list[Push]]:
    """By gradients a step, fastest first: pushes of networks that were pushed at every speed."""
    ordered = sorted(pushes, key=lambda push: push.gradients)
    every = len({push.gradients for push in pushes})
    at = statistics.gathered((push.at, push) for push in pushes)
    return statistics.gathered((p.gradients, p) for p in ordered if len(at[p.at]) == every)


def speeds_text(pushes: Pushes) -> str:
    """ "200 gradients a step: 6.3 (3.3 – 7.3); ...": the known heights by speed."""
    heights = {n: [push.height for push in own] for n, own in by_speed(pushes).items()}
    own = (f"{n:,} gradients a step: {Summary.of(h).text('.1f')}" for n, h in heights.items())
    return "; ".join(own)


def over_usual(pushes: Pushes, usual: Pushes) -> Interval:
    """Their heights over those of the same seeds at the usual speed, where both are above 0."""
    above, below = ({p.at[0]: p.height for p in own if p.height} for own in (pushes, usual))
    return statistics.mean_ratio(above, below)


def lower_tops(pushes: Pushes, usual: Pushes) -> str:
    """ "4 of 5 seeds, on 1 below its start": how many tops lie below that at the usual speed."""
    peaks = {push.at: push.peak for push in usual}
    own = [push for push in pushes if push.at in peaks]
    lower = measures.how_many(push.peak < peaks[push.at] for push in own)
    return f"{lower} seeds, on {sum(push.peak < push.costs[0] for push in own)} below its start"


def falls(pushes: Pushes, rested: bool = False) -> list[bool | None]:
    """By seed and size, whether the height is lower on the next larger one; None: not known.

    With `rested`, a height counts as known only if the network was at rest before the push.
    """
    steps = [step for own in by_seed(pushes).values() for step in pairwise(own)]
    heights = [[p.height if p.rested or not rested else None for p in step] for step in steps]
    return [None if a is None or b is None else b < a for a, b in heights]


def vanishing_sizes(pushes: Pushes) -> dict[int, float]:
    """By seed, the size at which a straight line through its heights reaches 0; NaN if none."""
    found = {}
    for seed, own in by_seed(pushes).items():
        known = [(p.record.run.dataset_size, p.height) for p in own if p.height is not None]
        found[seed] = nan
        if len(known) > 1:
            sizes, heights = np.array(known).T
            slope, start = np.polyfit(sizes, heights, 1)
            found[seed] = float(-start / slope) if slope < 0 else nan
    return found


def over_fresh(pushes: Pushes, fresh: Records) -> Interval:
    """`vanishing_sizes` over D_crit of the fresh networks of the same seeds."""
    return statistics.mean_ratio(vanishing_sizes(pushes), measures.d_crits(fresh))


def heights_text(pushes: Pushes) -> str:
    """ "17.0 (15.1 – 18.2) at 180; ...": the known heights by size, median and range."""
    return _by_size_text(pushes, lambda push: push.height or 0.0, ".1f")


def parts_text(pushes: Pushes) -> str:
    """ "4.1% (3.9% – 4.4%) at 228; ...": the same as parts of Eq. (2) in memory's minimum."""
    return _by_size_text(pushes, lambda push: (push.height or 0.0) / push.base, ".1%")


def _by_size_text(pushes: Pushes, read: Callable[[Push], float], form: str) -> str:
    over = by_size([push for push in pushes if push.height is not None])
    texts = [f"{Summary.of([*map(read, own)]).text(form)} at {D:,}" for D, own in over.items()]
    return "; ".join(texts) or "not known"


def heights_table(pushes: Pushes) -> str:
    """Each push: memory's minimum, the top, the share there, and where the push ends."""
    rows = []
    for push in pushes:
        height = "still rising" if push.height is None else f"{push.height:.1f}"
        ends = f"{push.peak:.1f} | {height} | {push.shares[push.top]:.2f}"
        last = f"{push.costs[-1]:.1f} | {measures.at_the_end(push.record):.2f}"
        (seed, size), rested = push.at, "yes" if push.rested else "no"
        rows.append(f"{size:,} | {seed} | {push.base:.1f} | {rested} | {ends} | {last}")
    heads = "D | seed | Eq. (2) over α in memory | at rest there | Eq. (2) over α at top | height"
    return table(f"{heads} | share at top | Eq. (2) over α at end | test accuracy at end", rows)


Memories = Mapping[tuple[int, int], float]


def lowest(pushes: Pushes, fresh: Records) -> dict[tuple[int, int], float]:
    """The lowest Eq. (2) in memory that is known, of the pushed network and of a fresh one's end.

    By seed and size.
    """
    found = {(r.run.seed, r.run.dataset_size): measures.least(r) for r in fresh}
    return found | {push.at: min(push.base, found.get(push.at, inf)) for push in pushes}


def lower_text(pushes: Pushes, memories: Memories) -> str:
    """ "16 of 20": on how many train sets a lower end in memory is known than before the push."""
    return measures.how_many(memories[push.at] < push.base for push in pushes)


def over_lowest_text(pushes: Pushes, memories: Memories) -> str:
    """As `heights_text`, of the tops over the lowest Eq. (2) in memory that is known."""
    return _by_size_text(pushes, lambda p: p.peak - memories[p.at], ".1f")


class Released(NamedTuple):
    """A pushed network once let go, and what a grokked one has on its train set."""

    push: Push
    end: Record
    grokked: Record
    memory: float  # the lowest Eq. (2) in memory that is known

    @property
    def below_grokked(self) -> bool:
        """Whether its Eq. (2) is lower than the grokked network's."""
        return measures.least(self.end) < measures.least(self.grokked)


def released(ends: Records, pushes: Pushes, grokked: Records, memories: Memories) -> list[Released]:
    """The ends of `sweeps.released`, with what is known of the same seed and size."""
    fields = "seed", "dataset_size"
    rule, own = measures.group(grokked, *fields), {push.at: push for push in pushes}
    found = measures.group(ends, *fields).items()
    return [Released(own[at], end[0], rule[at][0], memories[at]) for at, end in found if at in rule]


def counts_text(found: Sequence[Released], read: Callable[[Released], bool]) -> str:
    """ "5 of 5 at 228, 4 of 5 at 280": of how many this is so, by size."""
    sizes = statistics.gathered((each.end.run.dataset_size, read(each)) for each in found)
    return ", ".join(f"{measures.how_many(own)} at {D:,}" for D, own in sizes.items()) or "none"


def ends_text(found: Sequence[Released], metric: str, form: str) -> str:
    """ "0.51 (0.12 – 0.83) at 228; ...": a metric of the ends by size, median and range."""
    sizes = statistics.gathered((each.end.run.dataset_size, each.end) for each in found)
    texts = [f"{measures.finals(own, metric).text(form)} at {D:,}" for D, own in sizes.items()]
    return "; ".join(texts) or "not known"


def kinks_text(rows: Sequence[Mapping[str, Any]], *names: str, form: str = ".2f") -> str:
    """ "0.19 (0.17 – 0.21)": these of `benchmarks/kinks.py`, median and range over networks."""
    return ", ".join(Summary.of([row[name] for row in rows]).text(form) for name in names)


def released_table(found: Sequence[Released]) -> str:
    """What a network costs in memory and once let go, and what a grokked one does."""
    rows = []
    for push, end, grokked, _ in found:
        (cost, right), rule = (
            (f"{measures.least(r):.1f}", f"{measures.at_the_end(r):.2f}") for r in (end, grokked)
        )
        rested, n_key = "yes" if measures.rests(end) else "no", end.final("n_key_frequencies")
        start = f"{end.run.dataset_size:,} | {end.run.seed} | {push.base:.1f}"
        rows.append(f"{start} | {cost} | {right} | {n_key:.0f} | {rested} | {' | '.join(rule)}")
    heads = "D | seed | Eq. (2) over α in memory | let go: Eq. (2) over α | test accuracy"
    heads += " | key frequencies | at rest | grokked: Eq. (2) over α | test accuracy"
    return table(heads, rows)


# --- how stiff its minimum is --------------------------------------------------------------------


class Stiff(NamedTuple):
    """A network in memory, as `benchmarks/stiffness.py` has it (choice C112)."""

    dataset_size: int
    seed: int
    stiffness: float  # of the least Eq. (2) over alpha, in the share of the trigonometric logits
    share: float

    @property
    def relative(self) -> float:
        """The stiffness in the logarithm of the share."""
        return self.stiffness * self.share**2


UNSOLVED = 0.1  # residual of its linear equation from which a stiffness is not known


def solved(row: Mapping[str, Any]) -> bool:
    """Whether a measured stiffness is known: of a saddle it is not."""
    return row["stiffness"] > 0 and row["unsolved"] < UNSOLVED


def stiff(rows: Sequence[Mapping[str, Any]]) -> list[Stiff]:
    """Of the measured networks those in memory whose stiffness is known, by seed and size."""
    known = [row for row in rows if row["accuracy"] <= IN_MEMORY and solved(row)]
    found = [Stiff(*(row[name] for name in Stiff._fields)) for row in known]
    return sorted(found, key=lambda each: (each.seed, each.dataset_size))


def stiff_text(known: Sequence[Stiff], name: str, form: str = ",.0f") -> str:
    """ "8,300 (1,200 – 22,000) at 149; ...": by size, median and range over networks."""
    sizes = statistics.gathered((each.dataset_size, getattr(each, name)) for each in known)
    texts = (f"{Summary.of(own).text(form)} at {D:,}" for D, own in sorted(sizes.items()))
    return "; ".join(texts)


def softened(known: Sequence[Stiff], name: str) -> list[bool]:
    """Of the steps of a seed from a size to the next larger, which lower the stiffness."""
    return [
        getattr(after, name) < getattr(before, name)
        for before, after in pairwise(known)
        if before.seed == after.seed
    ]


def softens_at(known: Sequence[Stiff]) -> Summary:
    """Over seeds, the size at which a straight line through the stiffness reaches 0."""
    seeds = statistics.gathered((each.seed, (each.dataset_size, each.stiffness)) for each in known)
    each = (np.array(own).T for own in seeds.values() if len(own) > 1)
    lines = (np.polyfit(x, y, 1) for x, y in each)
    return Summary.of([-level / slope if slope < 0 else nan for slope, level in lines])


def over_least(known: Sequence[Stiff], name: str) -> Interval:
    """The stiffness on the largest size over that on the smallest, by seed."""
    sizes = statistics.gathered((each.dataset_size, each) for each in known)
    last, first = (
        {each.seed: getattr(each, name) for each in sizes[of(sizes)]} for of in (max, min)
    )
    return statistics.mean_ratio(last, first)


# --- the lowest path that is known ---------------------------------------------------------------

IN_MEMORY = 0.5  # test accuracy up to which a path begins there (choice C89)
DENSE = 8  # points of each straight piece of a path at which it is read


class Pass(NamedTuple):
    """A path that `benchmarks/paths.py` found from memory to the grokked network (choice C89)."""

    dataset_size: int
    seed: int
    at: list[float]  # the part of its length at each point
    costs: list[float]  # Eq. (2) over alpha there
    tops: list[float]  # the highest on the straight line, and after each stage
    accuracies: list[float]  # of the networks of the string, the ends included
    at_rest: list[bool]  # whether either end is

    @property
    def rise(self) -> float:
        """The highest point above memory's end."""
        return max(self.costs) - self.costs[0]

    @property
    def climb(self) -> float:
        """The highest that it is above its own lowest point before."""
        return float((np.array(self.costs) - np.minimum.accumulate(self.costs)).max())

    @property
    def last_fall(self) -> float:
        """How much the last stage still lowered the highest point."""
        return self.tops[-2] - self.tops[-1]


def passes(rows: Sequence[Mapping[str, Any]]) -> list[Pass]:
    """Of measured paths those that begin in memory, by size and seed."""
    known = (Pass(**row) for row in rows if row["accuracies"][0] <= IN_MEMORY)
    return sorted(known, key=lambda path: (path.dataset_size, path.seed))


def left_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """ "0 of 5 at 212, 2 of 5 at 340": how many networks from random weights left memory."""
    sizes = statistics.gathered((row["dataset_size"], row["accuracies"][0]) for row in rows)
    counts = ((D, measures.how_many(at > IN_MEMORY for at in own)) for D, own in sizes.items())
    return ", ".join(f"{count} at {D:,}" for D, count in counts)


def passes_text(known: Sequence[Pass], read: Callable[[Pass], float], form: str) -> str:
    """ "16.3 (9.1 – 20.4) at 212; 0.0, 0.0, 1.9 at 340": what is read of each path, by size.

    Median and range, or of fewer than five paths the values.
    """

    def told(own: list[float]) -> str:
        values = ", ".join(f"{value:{form}}" for value in sorted(own))
        return values if len(own) < statistics.FEW else Summary.of(own).text(form)

    sizes = statistics.gathered((path.dataset_size, read(path)) for path in known)
    return "; ".join(f"{told(own)} at {D:,}" for D, own in sizes.items())


def passes_table(known: Sequence[Pass]) -> str:
    """Each path: both ends, its highest point, and how much the last stage lowered that."""
    rows = []
    for path in known:
        rests = ["yes" if rest else "no" for rest in path.at_rest]
        ends = (f"{path.costs[i]:.1f} | {rests[i]} | {path.accuracies[i]:.2f}" for i in (0, -1))
        told = f"{path.tops[-1]:.1f} | {path.rise:.1f} | {path.climb:.1f} | {path.last_fall:.1f}"
        rows.append(f"{path.dataset_size:,} | {path.seed} | {' | '.join(ends)} | {told}")
    end = "Eq. (2) over α {} | at rest | test accuracy"
    heads = f"{end.format('in memory')} | {end.format('once grokked')} | top | rise | largest climb"
    return table(f"D | seed | {heads} | last fall of the top", rows)
