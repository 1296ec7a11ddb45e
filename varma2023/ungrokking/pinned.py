"""How many examples pin a rule of a few frequencies: what follows from a train set, exactly.

A rule answers by cos(2 pi k (x + y - c) / p). To a network k is unknown: it has a phase for each x,
one for each y and one for each answer, 3p in all, and an example says that the first two add up to
the third. What follows from the examples of a train set by adding and subtracting them is pinned;
of the rest the phases can be anything. At most 3p - 2 examples are independent: turning all x by
one angle, all y by another and the answers by both changes nothing.
"""

from bisect import bisect_left
from functools import cache
from math import isfinite, nan

import numpy as np
from jaxtyping import Float, Int

from grokkit import tasks
from grokkit.runs import Records, Run
from grokkit.tasks import Task
from varma2023 import measures, statistics
from varma2023.measures import group
from varma2023.statistics import Interval, log_slope

COLUMNS = ("D<sub>crit</sub>", "half of all examples follow", "all examples follow")
Sizes = dict[int, Float[np.ndarray, "_ 4"]]
"""By modulus a row a seed: the `COLUMNS`, a size measured and the least from which so much follows;
and which part of all examples follows from as many as D_crit."""
TINY = 1e-9  # an eigenvalue that is 0: those of a matrix of small integers are 0 or far above
SIGNS = np.array([1.0, 1.0, -1.0])


def follows(task: Task, rows: Int[np.ndarray, " _"]) -> float:
    """Which part of all examples follows from those in these rows, themselves among them.

    An example follows if its equation between phases is a combination of theirs: if it says nothing
    about the directions in which they leave the phases free.
    """
    n = task.n_tokens
    x, y = task.inputs.T
    phases = np.column_stack([x, n + y, 2 * n + task.labels])  # example 3
    gram, chosen = np.zeros((3 * n, 3 * n)), phases[rows]
    np.add.at(gram, (chosen[:, :, None], chosen[:, None]), np.outer(SIGNS, SIGNS))
    values, vectors = np.linalg.eigh(gram)
    free = vectors[:, values < TINY]
    left = sum(sign * free[of] for sign, of in zip(SIGNS, phases.T, strict=True))  # example free
    return float((np.abs(left).max(axis=1) < 1e-6).mean())


@cache
def known(p: int, seed: int, size: int) -> float:
    """Which part of x + y follows from so many examples, the first in a seed's own order."""
    return follows(tasks.task("x+y", p), Run(p=p, dataset_size=size, seed=seed).split()[0])


def least(p: int, seed: int, part: float | int = 1) -> int:
    """The least size from which such a part of all examples follows, in a seed's own order."""
    every = range(1, p * p + 1)
    return every[bisect_left(every, part, key=lambda size: known(p, seed, size))]


def sizes(records: Records) -> Sizes:
    """The `Sizes` of these ends of ungrokking; a seed whose D_crit was not seen is left out."""
    found = {}
    for p, here in group(records, "p").items():
        crits = [(s, D) for s, D in measures.d_crits(here).items() if isfinite(D)]
        rows = [[D, least(p, s, 0.5), least(p, s), known(p, s, round(D))] for s, D in crits]
        if rows:
            found[p] = np.array(rows)
    return found


def over_text(found: Sizes, column: int) -> str:
    """ "1.16 (1.05 – 1.29) at p = 31, ...": D_crit over a column, the mean of seeds, by modulus."""
    ratios = {p: np.log(rows[:, 0] / rows[:, column]).tolist() for p, rows in found.items()}
    means = {p: statistics.geometric_mean(logs) for p, logs in ratios.items()}
    return ", ".join(f"{mean.text()} at p = {p}" for p, mean in means.items())


def power(found: Sizes, column: int) -> float:
    """The power of p with which the mean of a column grows; NaN of one modulus."""
    if len(found) < 2:
        return nan
    means = [np.exp(np.log(rows[:, column]).mean()) for rows in found.values()]
    return log_slope([*found], means)


def off_mean(rows: Float[np.ndarray, "_ 4"], column: int) -> Float[np.ndarray, " _"]:
    """The logarithm of a column, less its mean over seeds."""
    logs = np.log(rows[:, column])
    return logs - logs.mean()


def rank(found: Sizes, column: int) -> Interval:
    """Spearman's correlation of D_crit with a column, both `off_mean`, over seeds of all moduli.

    A seed is another train set and another network at each modulus, so each is a unit.
    """
    pairs = [np.stack([off_mean(rows, i) for i in (0, column)], axis=1) for rows in found.values()]
    units = [unit for both in pairs for unit in both]
    return statistics.bootstrap(units, lambda drawn: statistics.spearman(*np.array(drawn).T))
