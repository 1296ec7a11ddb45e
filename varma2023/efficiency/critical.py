"""D_crit, predicted from runs of one circuit each: where both cost the same (Sec. 4.1)."""

from collections.abc import Sequence
from itertools import pairwise, product
from math import exp, isfinite, log, nan
from statistics import fmean

import numpy as np
from jaxtyping import Float

from grokkit.runs import Record, Records
from varma2023.efficiency import analysis
from varma2023.efficiency.analysis import LOGIT, SIZE, Fit, fit, logit, logs, logs_by_seed, norm
from varma2023.measures import Summary, group, how_many, least, rests, trig_part
from varma2023.statistics import Interval, bootstrap_of, gathered, geometric_mean
from varma2023.tables import span

LONGEST = 6  # parameters in a product along the longest path through the network: κ on a ray
MIXED = (0.25, 0.75)  # the rule's share of the correct logit in a mixture (choice C68)
SHARED = 0.9  # the part of what both circuits take apart, below which they share parameters


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
    return float((low * min(max(map(logit, mem)), max(map(logit, gen)))) ** 0.5)


def norms_text(mem: Records, gen: Records) -> str:
    """What Fig. 3 says besides: the range of the norms; the cheapest memory; norm gives logit."""
    ranges = [span([norm(r) for r in own], ".0f") for own in (mem, gen)]
    level, size = common_logit(mem, gen), min(record.run.dataset_size for record in mem)
    told = f"{ranges[0]} for memory, {ranges[1]} for the rule; for a logit of {level:.0f} memory "
    told += f"needs {fit(mem).at(level, size):.0f} on {size:,} examples, the rule "
    told += f"{fit(gen, flat=True).at(level):.0f}; with the norm the logit rises in "
    return told + " and ".join(map(_rising, (mem, gen)))


def _rising(records: Records) -> str:
    """ "15 of 15": on how many train sets with several runs more norm always gives more logit."""
    sets = group(records, "seed", "dataset_size").values()
    steps = (pairwise(sorted(own, key=norm)) for own in sets if len(own) > 1)
    return how_many(all(logit(one) < logit(more) for one, more in own) for own in steps)


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


def cost_curve(seeds: analysis.Logs, level: float | int) -> Float[np.ndarray, "_ 2"]:
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


def over_sum(mem: Records, gen: Records, ends: Records) -> list[tuple[Record, float]]:
    """Mixtures at rest, each with its squared norm over the sum that App. D has it be (C68).

    The sum over both circuits of w^(2 / kappa) P^2, kappa being `LONGEST`. Each has the norm P
    alone: `gen` are the rules, one a seed, C_mem is interpolated between its sizes, the mean over
    seeds; mixtures outside these are left out. A circuit's logit sets its w: 0 where the other is
    alone, 1 where it is alone itself.
    """
    found = []
    names = ("trig_logit", "mem_logit", "param_norm")
    sizes = [log(record.run.dataset_size) for record in mem]
    curves = [by_size(np.array([sizes, [r.final(name) for r in mem]]).T).T for name in names]
    for rule, end in product(gen, filter(rests, ends)):
        if end.run.seed == rule.run.seed and MIXED[0] <= trig_part(end) <= MIXED[1]:
            at = log(end.run.dataset_size)
            memory = np.array([np.interp(at, x, y, left=nan, right=nan) for x, y in curves])
            own, both = (np.array([*map(r.final, names)]) for r in (rule, end))
            w_gen = (both[0] - memory[0]) / (own[0] - memory[0])
            w_mem = (both[1] - own[1]) / (memory[1] - own[1])
            weights = np.array([w_gen, w_mem]).clip(0) ** (2 / LONGEST)
            apart = float(weights @ np.array([own[2], memory[2]]) ** 2)
            found.append((end, float(both[2] ** 2) / apart))
    return [(end, part) for end, part in found if isfinite(part)]


def part_of_sum(found: Sequence[tuple[Record, float]]) -> Interval:
    """The geometric mean of `over_sum` over seeds, of which each counts as the mean of its own."""
    own = gathered((end.run.seed, log(part)) for end, part in found)
    return geometric_mean([*map(fmean, own.values())])


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
