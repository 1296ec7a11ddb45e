"""The statements of App. D put to the test: random draws, and a search that knows no theorem."""

import math
from collections.abc import Callable
from itertools import combinations

import numpy as np
from jaxtyping import Float

from grokkit import theorems
from grokkit.simulation import Logged
from grokkit.theorems import EqualCircuits, scaled_loss


def _lowest(f: Callable[[np.ndarray], np.ndarray], high: float) -> float:
    """The minimiser of f on [0, high] by a grid, then by finer grids around its best point."""
    low, points = 0.0, 1025
    for _ in range(9):
        grid = np.linspace(low, high, points)
        best = int(f(grid).argmin())
        low, high = grid[max(best - 1, 0)], grid[min(best + 1, points - 1)]
        points = 33
    return float(grid[best])


def minimise_weights(circuits: EqualCircuits) -> Float[np.ndarray, " circuit"]:
    """The minimiser of Eq. (6) found by search alone, to about 1e-7: a check of `optimal_weights`.

    Two circuits at a time share out what both have, over a grid with both ends; this repeats until
    nothing moves. The decay term is homogeneous, so the shares do not depend on the total weight,
    which is sought last. Nothing here knows Theorem D.4.
    """
    power = circuits.q / circuits.kappa
    cost = (np.array(circuits.P) / min(circuits.P)) ** circuits.q
    share = np.full(len(cost), 1 / len(cost))
    for _ in range(500):
        before = share.copy()
        for i, j in combinations(range(len(cost)), 2):
            both = share[i] + share[j]
            x = _lowest(lambda t: cost[i] * t**power + cost[j] * (1 - t) ** power, 1.0)  # noqa: B023
            share[i], share[j] = x * both, (1 - x) * both
        if np.abs(share - before).max() < 1e-9:
            break
    ceiling = math.log(circuits.n_labels) + 745  # beyond it the cross-entropy is exactly flat
    return _lowest(lambda s: theorems.effective_loss(circuits, s[:, None] * share), ceiling) * share


def sharing_cost(circuits: EqualCircuits, share: Logged) -> Logged:
    """The decay term of Eq. (6) at weights (share, 1 - share), over its value at (1, 0)."""
    norms = np.stack([share, 1 - share], -1) ** (1 / circuits.kappa) * np.array(circuits.P)
    return np.asarray((norms**circuits.q).sum(-1) / circuits.P[0] ** circuits.q)


# Checks by random draws: the prose quotes what they return, the tests hold them to it.


def _draws(n: int, seed: int) -> np.random.Generator:
    """The generator of n draws. Raises ValueError for n < 1: no draw is no evidence."""
    if n < 1:
        raise ValueError(f"App. D: n, the number of draws, must be 1 or more, got {n}")
    return np.random.default_rng(seed)


def count_d1_failures(n: int, seed: int) -> int:
    """How many of n random perfect classifiers do not gain by a scale in (1, 10]: Theorem D.1."""
    rng, failures = _draws(n, seed), 0
    for _ in range(n):
        logits = rng.normal(size=(20, 7))
        labels = logits.argmax(1)  # so that every example is right
        c = 10 - 9 * rng.random()
        failures += scaled_loss(logits, labels, c) >= scaled_loss(logits, labels, 1.0)
    return failures


def count_d2_failures(n: int, seed: int) -> int:
    """How many of n random (a, b, r) break Lemma D.2 by more than rounding."""
    rng = _draws(n, seed)
    a, b = 10 ** rng.uniform(-6, 6, (2, n))
    return int((theorems.lemma_d2_gap(a, b, 1 - rng.random(n)) < -1e-14).sum())


def count_d3_failures(n: int, seed: int, as_printed: bool) -> int:
    """How many of n random (x, r, c) break Lemma D.3, with delta from `lemma_d3_delta`.

    Each is tried at eps = delta/2 and delta/100. `as_printed` multiplies the right side by delta,
    which no delta could satisfy for all eps where it is positive; else by eps.
    """
    rng, failures = _draws(n, seed), 0
    for _ in range(n):
        x, r, share = 10 ** rng.uniform(-1, 1), rng.uniform(1, 4), rng.uniform(0.05, 0.95)
        slope = r * x ** (r - 1)
        delta = theorems.lemma_d3_delta(x, r, c=share * slope)
        eps = delta / np.array([2, 100])
        right = (delta if as_printed else eps) * (1 - share) * slope
        failures += bool((x**r - (x - eps) ** r <= right).any())
    return failures


def largest_d4_gap(n: int, seed: int) -> float:
    """The largest distance between Theorem D.4's weights and searched ones in n random problems.

    Two to four circuits, P in 0.5..4, kappa in 0.2..5, q in 0.5..4, alpha in 1e-4..0.1, and kappa
    at least 2% away from q. A distance is a part of the total weight, where that exceeds 1.
    """
    rng, gap = _draws(n, seed), 0.0
    for _ in range(n):
        q = float(np.exp(rng.uniform(np.log(0.5), np.log(4))))
        kappa = float(np.exp(rng.uniform(np.log(0.2), np.log(5))))
        kappa = kappa if abs(kappa / q - 1) > 0.02 else 1.02 * q
        P = tuple(float(norm) for norm in rng.uniform(0.5, 4, int(rng.integers(2, 5))))
        found = EqualCircuits(P, kappa, q, alpha=float(10 ** rng.uniform(-4, -1)))
        closed, searched = theorems.optimal_weights(found), minimise_weights(found)
        gap = max(gap, float(np.abs(closed - searched).max()) / max(1.0, float(closed.sum())))
    return gap
