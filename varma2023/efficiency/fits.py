"""One fit of norm against correct logit and D to all runs of a circuit, by medians."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp, inf, log, nan

import numpy as np
from jaxtyping import Float

from grokkit.runs import Record
from varma2023.efficiency.isologit import triples
from varma2023.statistics import Interval, bootstrap, by_seed

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
    for table in seeds:
        for size in np.unique(table[:, 0]):
            _, x, y = table[table[:, 0] == size].T
            x = x - x.mean()
            found += [float(x @ y / (x @ x))] if x.any() else []
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
    return fit_triples([triples(seed) for seed in by_seed(records)], flat)


def fitted(records: Sequence[Record], read: Callable[[Fit], float], flat: bool = False) -> Interval:
    """What `read` takes from the fit of the runs, with its interval over seeds."""
    units = [triples(seed) for seed in by_seed(records)]
    return bootstrap(units, lambda seeds: read(fit_triples(seeds, flat)))


def exponent(records: Sequence[Record]) -> Interval:
    """The power of D with which the norm at a fixed logit goes, with its interval over seeds."""
    return fitted(records, lambda found: found.exponent)


def kappa(records: Sequence[Record], flat: bool = False) -> Interval:
    """The power of the norm with which the logit goes at a fixed D, interval over seeds."""
    return fitted(records, lambda found: found.kappa, flat)
