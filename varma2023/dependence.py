"""Does D_crit move with a field of the runs (weight decay, epsilon)? By seed, then over seeds.

"The same" is an equivalence: the whole interval over seeds lies within a margin, so a sweep that
could not have seen a shift does not pass. Points of one seed are not independent, so each seed has
one slope.
"""

from collections.abc import Sequence
from math import isfinite, nan

import numpy as np

from grokkit.runs import Record
from varma2023 import statistics
from varma2023.statistics import Interval
from varma2023.transition import Accuracy, at_the_end, curves, d_crit

MAX_D_CRIT_SHIFT = 0.1  # relative; by which D_crit may move and be the same (choice C19)
MAX_ACCURACY_GAP = 0.1  # of an accuracy at one size, likewise


def log_shift(
    records: Sequence[Record],
    field: str = "weight_decay",
    accuracy: Accuracy = at_the_end,
) -> float:
    """How far log D_crit of one seed moves from the least to the largest value of a field.

    By a regression on the field's logarithm. NaN where fewer than two values have a D_crit, or one
    has none.
    """
    found = {
        value: d_crit(runs, accuracy=accuracy)
        for (_, value), runs in curves(records, field).items()
    }
    if len(found) < 2 or any(each.censored for each in found.values()):
        return nan
    x, y = np.log([list(found), [each.value for each in found.values()]])
    return float(np.polyfit(x, y, 1)[0] * np.ptp(x))


def shift_interval(
    records: Sequence[Record],
    field: str = "weight_decay",
    accuracy: Accuracy = at_the_end,
) -> Interval:
    """By which part D_crit moves with a field: the mean over seeds of `log_shift`, as a ratio."""

    shifts = [log_shift(unit, field, accuracy) for unit in statistics.by_seed(records)]
    return statistics.bootstrap(shifts, lambda drawn: float(np.expm1(np.mean(drawn))))


def same_d_crit(
    records: Sequence[Record],
    field: str = "weight_decay",
    accuracy: Accuracy = at_the_end,
) -> bool | None:
    """Whether D_crit is the same for all values of a field (choice C19); None without one."""
    found = shift_interval(records, field, accuracy)
    if not isfinite(found.value):
        return None
    return found.within(-MAX_D_CRIT_SHIFT, MAX_D_CRIT_SHIFT)


def largest_gap(records: Sequence[Record], field: str = "weight_decay") -> float:
    """The largest difference of final accuracy between two values of a field, all else equal.

    All else is what identifies the other runs of a curve: seed, size and the other of weight decay
    and epsilon.
    """
    others = [name for name in ("seed", "dataset_size", "weight_decay", "eps") if name != field]
    groups: dict[tuple, list[float]] = {}
    for record in records:
        key = tuple(getattr(record.run, name) for name in others)
        groups.setdefault(key, []).append(at_the_end(record))
    return max(max(group) - min(group) for group in groups.values())
