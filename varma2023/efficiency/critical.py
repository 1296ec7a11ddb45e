"""D_crit, predicted from runs of one circuit each: where both cost the same (Sec. 4.1)."""

from collections.abc import Sequence
from math import exp, log, nan

import numpy as np
from jaxtyping import Float

from grokkit.runs import Record, Records
from varma2023.efficiency import analysis
from varma2023.efficiency.analysis import LOGIT, SIZE, Fit, logit, logs, logs_by_seed, norm
from varma2023.measures import Summary, group, least, trig_part
from varma2023.statistics import Interval, bootstrap_of
from varma2023.tables import span


def equal_cost_size(mem: Fit, gen: Fit, level: float | int) -> float:
    """The D at which C_mem needs as much norm as C_gen for the same correct logit (Sec. 4.1)."""
    if mem.exponent <= 0:
        return nan
    return float(SIZE * (gen.at(level) / mem.at(level)) ** (1 / mem.exponent))


def shift_with_logit(mem: Fit, gen: Fit) -> float:
    """How much larger `equal_cost_size` is at twice the logit: 0 if one kappa serves both."""
    return equal_cost_size(mem, gen, 2 * LOGIT) / equal_cost_size(mem, gen, LOGIT) - 1


def regime(mem: Fit, gen: Fit) -> str:
    """What Theorem D.4 says of a network with both circuits, for the smaller of their kappas."""
    sharp = min(mem.kappa, gen.kappa) >= 2
    return "one of them should take everything" if sharp else "both should keep a part"


def common_logit(mem: Records, gen: Records) -> float:
    """The middle, on a log scale, of the correct logits of both circuits, or of the gap between."""
    low = max(min(map(logit, mem)), min(map(logit, gen)))
    high = min(max(map(logit, mem)), max(map(logit, gen)))
    return float((low * high) ** 0.5)


def by_size(table: Float[np.ndarray, "_ 2"]) -> Float[np.ndarray, "_ 2"]:
    """The mean of the second column at each value of the first, smallest first."""
    sizes = np.unique(table[:, 0])
    return np.array([[size, table[table[:, 0] == size, 1].mean()] for size in sizes])


def crossing(curve: Float[np.ndarray, "_ 2"], level: float) -> float:
    """The first x at which y passes a level, between points; NaN if never, or if y starts above."""
    x, y = curve.T
    above = np.flatnonzero(y > level)
    if not len(above) or above[0] == 0:
        return nan
    beside = slice(above[0] - 1, above[0] + 1)
    return float(np.interp(level, y[beside], x[beside]))


def cost_curve(
    seeds: Sequence[Float[np.ndarray, "_ 3"]], level: float | int
) -> Float[np.ndarray, "_ 2"]:
    """log D and the mean log norm at each D, every norm moved to one correct logit (`at_logit`)."""
    slope = analysis.per_logit(seeds)
    return by_size(np.concatenate([analysis.at_logit(table, slope, level) for table in seeds]))


def end_exponents(mem: Records) -> tuple[float, float]:
    """The power of D with which the norm at a fixed logit goes, at the least and largest sizes."""
    steps = np.diff(cost_curve(logs_by_seed(mem), LOGIT), axis=0)
    slopes = steps[:, 1] / steps[:, 0]
    return float(slopes[0]), float(slopes[-1])


def predicted_by_norm(mem: Records, gen: Records, level: float | int | None = None) -> Interval:
    """D_crit as the crossing of isologit lines (claim B1), with its interval over seeds.

    At the correct logit `level`, by default `common_logit`. C_mem's line is interpolated between
    sizes on log scales (`cost_curve`), C_gen's is that of its flat `fit`.
    """
    at = common_logit(mem, gen) if level is None else level

    def equal(one: Sequence[np.ndarray], other: Sequence[np.ndarray]) -> float:
        return exp(crossing(cost_curve(one, at), log(analysis.fit_logs(other, flat=True).at(at))))

    return bootstrap_of([logs_by_seed(mem), logs_by_seed(gen)], equal)


def loss_part(records: Records) -> Summary:
    """The cross-entropy's part of the minimum of Eq. (2); the rest is the decay term."""
    return Summary.of([1 - norm(r) ** 2 / 2 / least(r) for r in records])


def minima(records: Records) -> Float[np.ndarray, "_ 2"]:
    """By size, smallest first: log D and the mean of the logarithm of the minima of Eq. (2)."""
    return by_size(logs(records, least))


def never_cheaper(mem: Records) -> bool:
    """Whether, by weight decay and seed, the minimum of Eq. (2) rises with every larger D."""
    curves = group(mem, "weight_decay", "seed").values()
    return all(bool((np.diff(minima(curve)[:, 1]) > 0).all()) for curve in curves)


def over_cheaper(mem: Records, gen: Records, ends: Records) -> list[tuple[Record, float]]:
    """Ends, each with its Eq. (2) over that of the circuit that is the cheaper one alone.

    At the size, weight decay and seed of each end: C_mem's minimum interpolated between its sizes,
    the mean over seeds, NaN where it was not run at so small a size, beyond its largest that of the
    largest; C_gen's of the rule of that seed. An end whose seed has no rule is left out.
    """
    found = []
    curves = {decay: minima(here) for decay, here in group(mem, "weight_decay").items()}
    rules = group(gen, "weight_decay", "seed")
    for key, own in group(ends, "weight_decay", "seed").items():
        if key in rules and key[0] in curves:
            (x, y), rule = curves[key[0]].T, float(logs(rules[key], least)[:, 1].mean())
            for end in own:
                memory = float(np.interp(log(end.run.dataset_size), x, y, left=nan))
                found.append((end, least(end) / exp(min(memory, rule))))
    return found


def mixtures_below(mem: Records, gen: Records, ends: Records) -> list[float]:
    """By how much ends lie below the minima of both circuits alone, those by more than 2%."""
    return [1 - over for _, over in over_cheaper(mem, gen, ends) if over < 0.98]


def mixtures_text(found: Sequence[tuple[Record, float]]) -> str:
    """ "0.40 – 0.72 and +7% – +16% at 550; ...": the rule's share, and cost above the cheaper's.

    By size the range over ends, where the costs of both circuits are known.
    """
    known = [(end.run.dataset_size, trig_part(end), over - 1) for end, over in found if over > 0]
    told = []
    for size in sorted({size for size, *_ in known}):
        _, shares, above = zip(*(row for row in known if row[0] == size), strict=True)
        told.append(f"{span(shares, '.2f')} and {span(above, '+z.0%')} at {size:,}")
    return "; ".join(told)
