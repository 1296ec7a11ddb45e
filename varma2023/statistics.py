"""Intervals, most by bootstrap over runs, and the one test of ranks that the book uses.

Runs that share a seed share their first network, so what is drawn again is a whole seed. Of fewer
than `FEW` seeds nothing is drawn, and there is no interval. Of few seeds a percentile interval is
too narrow; it is made nearly as wide as Student's t would have it (choice C94).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations_with_replacement, product
from math import comb, exp, factorial, inf, isfinite, log, nan, prod, sqrt
from typing import Any

import numpy as np
import scipy  # a part of it is loaded when it is first used: some take a second
from jaxtyping import Float
from numpy.typing import ArrayLike

LEVEL, N_RESAMPLES = 0.95, 2000
FEW = 5  # units: of fewer there is no interval, and their own values are printed


@dataclass(frozen=True)
class Interval:
    """An estimate, with the interval that holds `LEVEL` of its bootstrap distribution.

    Of fewer than `FEW` seeds there is no interval, and `each` has the value of every one.
    """

    value: float
    low: float = nan
    high: float = nan
    n: int = 0  # units that were drawn from: seeds
    each: tuple[float, ...] = ()

    @property
    def bounded(self) -> bool:
        """Whether there were seeds enough for an interval."""
        return isfinite(self.low) and isfinite(self.high)

    def within(self, low: float | int, high: float | int) -> bool:
        """Whether the whole interval, or of few seeds every value, lies between two bounds.

        An equivalence test, where the bounds are a margin; False where nothing is known.
        """
        return all(low <= value <= high for value in self.each or (self.low, self.high))

    def tells(self, low: float | int, high: float | int) -> bool | None:
        """Whether it is `within` two bounds; None if a bound is in it, or it is not known."""
        if self.within(low, high):
            return True
        return False if self.within(-inf, low) or self.within(high, inf) else None

    def near(self, value: float, factor: float) -> bool | None:
        """Whether it `tells` that it is within a factor of a value."""
        return self.tells(value / factor, value * factor)

    def text(self, form: str = ".2f") -> str:
        """ "value (low – high)"; of few seeds "value (first, second; 2 seeds)", if known."""
        if not isfinite(self.value):
            return "none"
        if len(self.each) > 1:
            known = [f"{value:{form}}" for value in self.each if isfinite(value)]
            values = f"{', '.join(known)}; " if known else ""
            return f"{self.value:{form}} ({values}{self.n} seeds)"
        if not self.bounded:
            return f"{self.value:{form}}" + (f" ({self.n} seed)" if self.n == 1 else "")
        return f"{self.value:{form}} ({self.low:{form}} – {self.high:{form}})"


def bootstrap(units: Sequence[Any], statistic: Callable[[Sequence[Any]], float]) -> Interval:
    """The statistic of the units, with its expanded percentile interval over resampled units.

    The statistic may not depend on the order of the units. Resamples for which it is not finite are
    left out. Fewer than `FEW` units give no interval but the statistic of each; none, NaN.
    """
    found = bootstrap_of([units], statistic)
    if len(units) >= FEW:
        return found
    return replace(found, each=tuple(float(statistic([unit])) for unit in units))


def proportion(k: int, n: int) -> Interval:
    """The share k / n of runs that count each by itself, with its interval by Clopper, Pearson."""
    low, high = scipy.stats.binomtest(k, n).proportion_ci(LEVEL)
    return Interval(k / n, float(low), float(high), n)


def gathered(pairs: Iterable[tuple[Any, Any]]) -> dict[Any, list[Any]]:
    """By key, its values: the lists of what `bootstrap` draws from, by seed."""
    found: dict[Any, list[Any]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return found


def log_slope(x: ArrayLike, y: ArrayLike) -> float:
    """The power of x as which y goes: the slope of their logarithms, by least squares."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def geometric_mean(logs: Sequence[float]) -> Interval:
    """The geometric mean of numbers, one a seed, from their logarithms; NaN if one is not known."""
    if not np.isfinite(logs).all():
        return Interval(nan, n=len(logs))
    return bootstrap(logs, lambda drawn: exp(np.mean(drawn)))


def mean_ratio(above: Mapping[int, float], below: Mapping[int, float]) -> Interval:
    """The geometric mean of one value of a seed over another, over the seeds that have both."""
    seeds = above.keys() & below.keys()
    return geometric_mean([log(above[seed]) - log(below[seed]) for seed in seeds])


def bootstrap_of(samples: Sequence[Sequence[Any]], statistic: Callable[..., float]) -> Interval:
    """As `bootstrap`, of several samples, each drawn from by itself; `n` is the least size."""
    if not all(samples):
        return Interval(nan)
    found = Interval(float(statistic(*samples)), n=min(map(len, samples)))
    if found.n < FEW or not isfinite(found.value):
        return found
    values, weights = [], []
    for chosen, times in _draws(*map(len, samples)):
        drawn = ([units[i] for i in rows] for units, rows in zip(samples, chosen, strict=True))
        if isfinite(value := float(statistic(*drawn))):
            values.append(value)
            weights.append(times)
    if not values:
        return found
    ends = [tail := tail_of(found.n), 1 - tail]
    low, high = np.quantile(values, ends, weights=weights, method="inverted_cdf")
    return replace(found, low=float(low), high=float(high))


@cache
def _draws(*sizes: int) -> list[tuple[tuple[tuple[int, ...], ...], int]]:
    """Which units are drawn from samples of these sizes, in any order, and how many times.

    All that there are, where they are few; else a random `N_RESAMPLES`.
    """
    if prod(comb(2 * n - 1, n) for n in sizes) > N_RESAMPLES:
        rng = np.random.default_rng(0)
        draws = (np.sort(rng.integers(n, size=(N_RESAMPLES, n))).tolist() for n in sizes)
        return [*Counter(zip(*(map(tuple, rows) for rows in draws), strict=True)).items()]

    def orders(rows: tuple[int, ...]) -> int:
        return factorial(len(rows)) // prod(map(factorial, Counter(rows).values()))

    every = product(*(combinations_with_replacement(range(n), n) for n in sizes))
    return [(chosen, prod(map(orders, chosen))) for chosen in every]


def tail_of(n: int) -> float:
    """The part of resamples of n units below an interval, and above, after Hesterberg (2015).

    With it the interval of a mean is nearly as wide as by Student's t.
    """
    by_student = scipy.special.stdtrit(n - 1, (1 + LEVEL) / 2)
    return float(scipy.special.ndtr(-sqrt(n / (n - 1)) * by_student))


def spearman(x: Float[np.ndarray, " log"], y: Float[np.ndarray, " log"]) -> float:
    """Spearman's rank correlation; NaN for fewer than three points or where one is constant."""
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return nan
    return float(np.corrcoef(scipy.stats.rankdata([x, y], axis=1))[0, 1])
