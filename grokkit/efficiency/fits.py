"""One fit of norm against correct logit and D to all runs of a circuit."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp, inf

import numpy as np
from jaxtyping import Float

from grokkit.efficiency.isologit import triples
from grokkit.runs import Record
from grokkit.statistics import Interval, bootstrap, by_seed

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


def fit_triples(seeds: Sequence[Float[np.ndarray, "_ 3"]], flat: bool = False) -> Fit:
    """The least-squares `Fit` to `triples` in groups of one seed, each with a constant of its own.

    The constant of the fit is their mean; `flat` sets the exponent to 0, as Sec. 4.1 has it for
    C_gen, so that a fit to large D can be used at small D.
    """
    means = np.array([table.mean(0) for table in seeds])
    inner = np.concatenate([table - mean for table, mean in zip(seeds, means, strict=True)])
    features = inner[:, :2] * [not flat, True]
    (exponent, per_logit), *_ = np.linalg.lstsq(features, inner[:, 2])
    at_reference = means - np.log([SIZE, LOGIT, 1])
    constant = float((at_reference @ [-exponent, -per_logit, 1]).mean())
    kappa = 1 / per_logit if per_logit else inf
    return Fit(exp(constant), float(exponent), float(kappa))


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
