"""The transition of ungrokking: final test accuracy against dataset size, and where it happens.

A curve is the runs of one network, or of several seeds, at several dataset sizes. D_crit is where
its test accuracy crosses a half; an interval is over seeds, never over points of a curve.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp, inf, isfinite, log, nan

import numpy as np
from jaxtyping import Float

from grokkit import statistics
from grokkit.runs import Record
from grokkit.statistics import Interval

Accuracy = Callable[[Record], float]


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
    records: Sequence[Record], accuracy: Accuracy = at_the_end
) -> tuple[Float[np.ndarray, " run"], Float[np.ndarray, " run"]]:
    """Dataset sizes in their order, and test accuracy at each: the mean over its records.

    Raises:
        ValueError: no records.
    """
    if not records:
        raise ValueError("a curve needs at least one record, got none")
    found: dict[int, list[float]] = {}
    for record in records:
        found.setdefault(record.run.dataset_size, []).append(accuracy(record))
    sizes = sorted(found)
    return np.array(sizes, dtype=float), np.array([np.mean(found[D]) for D in sizes])


def d_crit(
    records: Sequence[Record], level: float = 0.5, accuracy: Accuracy = at_the_end
) -> Critical:
    """D_crit of one curve: where test accuracy crosses `level`, linearly in log D.

    Of a curve that crosses more than once, the last time: at every larger size that was run it is
    at or above the level. Censored where the smallest size is above it, or the largest below.
    """
    sizes, values = curve(records, accuracy)
    below = np.flatnonzero(values < level)
    if not len(below):
        return Critical(nan, 0.0, float(sizes[0]))
    last = int(below[-1])
    if last == len(sizes) - 1:
        return Critical(nan, float(sizes[-1]), inf)
    low, high = sizes[last : last + 2].tolist()
    start, end = values[last : last + 2].tolist()
    part = (level - start) / (end - start)
    return Critical(exp(log(low) + part * log(high / low)), low, high)


def together(units: Sequence[Sequence[Record]]) -> list[Record]:
    """The records of several units, one after the other."""
    return [record for unit in units for record in unit]


def d_crit_interval(
    records: Sequence[Record], level: float = 0.5, accuracy: Accuracy = at_the_end
) -> Interval:
    """`d_crit` of the mean curve, with its interval over seeds; NaN where it is censored."""
    return statistics.bootstrap(
        statistics.by_seed(records), lambda units: d_crit(together(units), level, accuracy).value
    )
