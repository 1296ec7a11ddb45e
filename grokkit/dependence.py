"""Does D_crit move with a field of the runs (weight decay, epsilon)? A test, and what it could see.

A test that finds nothing says something only with its power, so the shift that it would have found
stands beside every shift that it did not find.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isfinite, nan, sqrt

import numpy as np
from jaxtyping import Float
from scipy import optimize, stats

from grokkit import statistics
from grokkit.runs import Record
from grokkit.statistics import Interval
from grokkit.transition import Accuracy, at_the_end, curves, d_crit

POWER, SIGNIFICANT = 0.8, 0.05
SAME = 0.1  # by which D_crit, or an accuracy at one size, may move and be the same (choice C19)


@dataclass(frozen=True, eq=False)
class Dependence:
    """The regression of log D_crit on the log of a field, with a level of its own for each seed.

    Runs of a seed share their start and their train sets, so the seeds' own D_crit drops out and
    the residual is what is left: interpolation between sizes, and minima that are not quite the
    same.
    """

    x: Float[np.ndarray, " run"]  # log of the field, less its mean over the seed
    y: Float[np.ndarray, " run"]  # log D_crit, likewise
    n_seeds: int
    factor: float  # the largest value of the field over the smallest
    censored: int  # curves without a D_crit, which are left out

    @property
    def degrees(self) -> int:
        """Degrees of freedom of the residual."""
        return len(self.x) - self.n_seeds - 1

    @property
    def slope(self) -> float:
        """d log D_crit / d log field; NaN where fewer than two values were run."""
        spread = float(self.x @ self.x)
        return float(self.x @ self.y) / spread if spread > 0 else nan

    @cached_property
    def error(self) -> float:
        """The standard error of the slope; NaN without degrees of freedom."""
        spread = float(self.x @ self.x)
        if self.degrees < 1 or not spread > 0:
            return nan
        rest = self.y - self.slope * self.x
        return sqrt(float(rest @ rest) / self.degrees / spread)

    @property
    def shift(self) -> float:
        """By which part D_crit moves from the smallest to the largest value of the field."""
        return self.factor**self.slope - 1 if isfinite(self.slope) else nan

    @property
    def p_value(self) -> float:
        """Of the two-sided t test that D_crit does not move; NaN without degrees of freedom."""
        if not self.error > 0:
            return nan
        return float(2 * stats.t.sf(abs(self.slope) / self.error, self.degrees))

    @cached_property
    def detectable(self) -> float:
        """The shift that this test sees with a probability of 80 %; NaN where there is no test."""
        if not self.error > 0:
            return nan
        critical = float(stats.t.ppf(1 - SIGNIFICANT / 2, self.degrees))

        def excess(shift: float) -> float:  # the other tail has no weight at such a power
            return float(stats.nct.sf(critical, self.degrees, shift)) - POWER

        return self.factor ** (self.error * optimize.brentq(excess, 0, 6 * critical)) - 1


def dependence(
    units: Sequence[Sequence[Record]],
    knob: str = "weight_decay",
    accuracy: Accuracy = at_the_end,
) -> Dependence:
    """How D_crit depends on a field of the runs, from one unit of records a seed (`by_seed`)."""
    x: list[np.ndarray] = []
    y: list[np.ndarray] = []
    values: list[float] = []
    seeds = censored = 0
    for unit in units:
        found = {
            value: d_crit(runs, accuracy=accuracy)
            for (_, value), runs in curves(unit, knob).items()
        }
        seen = {value: each.value for value, each in found.items() if not each.censored}
        censored += len(found) - len(seen)
        if seen:
            logs = np.log([list(seen), list(seen.values())])
            centred = logs - logs.mean(1, keepdims=True)
            x, y, values = [*x, centred[0]], [*y, centred[1]], [*values, *seen]
            seeds += 1
    factor = max(values) / min(values) if values else nan
    joined = [np.concatenate(parts) if parts else np.empty(0) for parts in (x, y)]
    return Dependence(joined[0], joined[1], seeds, factor, censored)


def shift_interval(
    records: Sequence[Record], knob: str = "weight_decay", accuracy: Accuracy = at_the_end
) -> Interval:
    """`Dependence.shift` with its interval over seeds."""
    return statistics.bootstrap(
        statistics.by_seed(records), lambda units: dependence(units, knob, accuracy).shift
    )


def largest_gap(records: Sequence[Record], knob: str = "weight_decay") -> float:
    """The largest difference of final accuracy between two values of a field, at any one size."""
    groups: dict[tuple[int, int], list[float]] = {}
    for record in records:
        key = (record.run.seed, record.run.dataset_size)
        groups.setdefault(key, []).append(at_the_end(record))
    return max(max(group) - min(group) for group in groups.values())


def same_parts(records: Sequence[Record], knob: str = "weight_decay") -> dict[str, bool]:
    """What makes D_crit the same for all values of a field, and shows it (choice C19)."""
    found = dependence(statistics.by_seed(records), knob)
    name = knob.replace("_", " ")
    return {
        f"D_crit moves by less than {SAME:.0%} over all values of {name}": abs(found.shift) < SAME,
        f"a shift of {SAME:.0%} would have been seen": found.detectable < SAME,
        "every curve has a D_crit": found.censored == 0,
    }


def gap_parts(records: Sequence[Record], knob: str = "weight_decay") -> dict[str, bool]:
    """Prediction 3: at any one size and seed, the accuracies are the same (choice C19)."""
    name = knob.replace("_", " ")
    return {f"accuracy at one size is the same for every {name}": largest_gap(records, knob) < SAME}
