"""The theorems of App. D as things to compute: optimal weights of rival circuits, and checks."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Float, Int


def _check(**values: float) -> None:
    for name, value in values.items():
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"App. D: {name} must be a positive number, got {value}")


@dataclass(frozen=True)
class EqualCircuits:
    """I circuits with equal logits and different parameter norms: the setting of App. D, Eq. (6).

    L(w) = L_train(sum w_i) + (alpha/q) sum (w_i^(1/kappa) P_i)^q with w_i >= 0, and for L_train the
    cross-entropy of one logit against n_labels - 1 zeros, as in the simulation.
    """

    P: tuple[float, ...]
    kappa: float = 1.2
    q: float = 2.0  # the norm exponent of App. D, not App. C's number of labels
    alpha: float = 0.01  # twice the simulation's: Eq. (6) divides alpha by q
    n_labels: int = 113

    def __post_init__(self) -> None:
        if not self.P:
            raise ValueError("EqualCircuits: P must hold at least one parameter norm, got none")
        for norm in self.P:
            _check(P=norm)
        _check(kappa=self.kappa, q=self.q, alpha=self.alpha)
        if self.n_labels < 2:
            raise ValueError(f"EqualCircuits: n_labels must be 2 or more, got {self.n_labels}")


def effective_loss(circuits: EqualCircuits, w: Float[np.ndarray, "*batch circuit"]) -> np.ndarray:
    """Eq. (6) at weights w; the last axis runs over the circuits."""
    fit = np.logaddexp(0, math.log(circuits.n_labels - 1) - w.sum(-1))
    norms = np.asarray(w) ** (1 / circuits.kappa) * np.array(circuits.P)
    return np.asarray(fit + circuits.alpha / circuits.q * (norms**circuits.q).sum(-1))


def optimal_shares(circuits: EqualCircuits) -> Float[np.ndarray, " circuit"]:
    """The share of the total weight of each circuit at the minimum of Eq. (6): Theorem D.4.

    For kappa < q, P_i^(-q kappa / (q - kappa)) over its sum. For kappa >= q, all of it goes to the
    circuit of least P, to the first of them on a tie (splitting a tie costs more when kappa > q).
    """
    log_P = np.log(circuits.P)
    if circuits.kappa >= circuits.q:
        return np.eye(len(circuits.P))[int(log_P.argmin())]
    power = circuits.q * circuits.kappa / (circuits.q - circuits.kappa)
    share = np.exp(-power * (log_P - log_P.min()))
    return np.asarray(share / share.sum())


def sharing_cost(
    circuits: EqualCircuits, share: Float[np.ndarray, " log"]
) -> Float[np.ndarray, " log"]:
    """The decay term of Eq. (6) at weights (share, 1 - share), over its value at (1, 0)."""
    norms = np.stack([share, 1 - share], -1) ** (1 / circuits.kappa) * np.array(circuits.P)
    cost = (norms**circuits.q).sum(-1)
    return np.asarray(cost / circuits.P[0] ** circuits.q)


def _bisect(sign_of: Callable[[float], float], low: float, high: float) -> float:
    """The point of [low, high] where `sign_of` turns from positive to negative."""
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if sign_of(middle) > 0 else (low, middle)
    return (low + high) / 2


def optimal_weights(circuits: EqualCircuits) -> Float[np.ndarray, " circuit"]:
    """The minimiser of Eq. (6): the shares of Theorem D.4 times the best total weight.

    Along these shares Eq. (6) is l(s) = L_train(s) + c s^r / r with r = q / kappa, so l'(s) = 0 is
    h(s) = log sigmoid(log(n_labels - 1) - s) - (r - 1) log s - log c = 0. For r >= 1, h falls, with
    one zero, the minimum; for r < 1 it is concave, its second zero is a local minimum, and w = 0 is
    another (the decay term has infinite slope there), so the two are compared.
    """
    share, r = optimal_shares(circuits), circuits.q / circuits.kappa
    used = share > 0
    log_unit = circuits.q * np.log(np.array(circuits.P)[used]) + r * np.log(share[used])
    log_c = math.log(circuits.alpha / circuits.kappa) + float(np.logaddexp.reduce(log_unit))
    offset = math.log(circuits.n_labels - 1)

    def h(u: float) -> float:  # u = log s, s <= e^700
        s = math.exp(u)
        return -float(np.logaddexp(0, s - offset)) - (r - 1) * u - log_c

    def slope(u: float) -> float:
        s = math.exp(u)
        return 1 - r - s * math.exp(-float(np.logaddexp(0, offset - s)))

    top = _bisect(slope, -700.0, 20.0) if r < 1 else -700.0
    if h(top) <= 0:
        return np.zeros(len(share))
    best = share * math.exp(_bisect(h, top, 20.0))
    return best if effective_loss(circuits, best) < effective_loss(circuits, 0 * best) else 0 * best


def _lowest(f: Callable[[np.ndarray], np.ndarray], low: float, high: float) -> float:
    """The minimiser of f on [low, high] by a grid, then by finer grids around its best point."""
    points = 1025
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
            pay_i, pay_j = cost[i], cost[j]
            x = _lowest(lambda t: pay_i * t**power + pay_j * (1 - t) ** power, 0.0, 1.0)  # noqa: B023
            share[i], share[j] = x * both, (1 - x) * both
        if np.abs(share - before).max() < 1e-9:
            break
    ceiling = math.log(circuits.n_labels) + 745  # beyond it the cross-entropy is exactly flat
    total = _lowest(lambda s: effective_loss(circuits, s[:, None] * share), 0.0, ceiling)
    return total * share


def scaled_loss(
    logits: Float[np.ndarray, "batch label"], labels: Int[np.ndarray, " batch"], scale: float
) -> float:
    """L_x-ent(scale * h) of Theorem D.1: the mean cross-entropy of the scaled logits."""
    margin = scale * (logits - np.take_along_axis(logits, labels[:, None], 1))
    np.put_along_axis(margin, labels[:, None], -np.inf, 1)
    return float(np.logaddexp(0, np.logaddexp.reduce(margin, 1)).mean())


def lemma_d3_delta(x: float, r: float, c: float) -> float:
    """A delta in (0, x] for Lemma D.3 as corrected (book: choices, C2); x, c > 0 and r >= 1.

    x^r - (x - eps)^r > eps (r x^(r-1) - c) for all 0 < eps < delta. By the mean value theorem the
    left side is at least eps r (x - eps)^(r-1), which is above the right side while
    (x - eps)^(r-1) > x^(r-1) - c/r.
    """
    _check(x=x, c=c, r=r)
    if r < 1:
        raise ValueError(f"Lemma D.3: r must be 1 or more, got {r}")
    floor = x ** (r - 1) - c / r
    return x if r == 1 or floor <= 0 else x - floor ** (1 / (r - 1))


# Checks by random draws: the prose quotes what they return, the tests hold them to it.


def _draws(n: int, seed: int) -> np.random.Generator:
    """The generator of n draws. Raises ValueError for n < 1: no draw is no evidence."""
    if n < 1:
        raise ValueError(f"App. D: n, the number of draws, must be 1 or more, got {n}")
    return np.random.default_rng(seed)


def count_d1_failures(n: int, seed: int) -> int:
    """Theorem D.1: how many of n random perfect classifiers do not gain by a scale in (1, 10]."""
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
    r = 1 - rng.random(n)
    return int(((a + b) ** r > (a**r + b**r) * (1 + 1e-14)).sum())


def count_d3_failures(n: int, seed: int, as_printed: bool) -> int:
    """How many of n random (x, r, c) break Lemma D.3, with delta from `lemma_d3_delta`.

    Each is tried at eps = delta/2 and delta/100. `as_printed` multiplies the right side by delta,
    which no delta could satisfy for all eps where it is positive; else by eps.
    """
    rng, failures = _draws(n, seed), 0
    for _ in range(n):
        x, r, share = 10 ** rng.uniform(-1, 1), rng.uniform(1, 4), rng.uniform(0.05, 0.95)
        slope = r * x ** (r - 1)
        delta = lemma_d3_delta(x, r, c=share * slope)
        eps = delta / np.array([2, 100])
        right = (delta if as_printed else eps) * (1 - share) * slope
        failures += bool((x**r - (x - eps) ** r <= right).any())
    return failures


def largest_d4_gap(n: int, seed: int) -> float:
    """The largest distance between Theorem D.4's weights and searched ones in n random problems.

    Two to four circuits, P in 0.5..4, kappa in 0.2..5, q in 0.5..4, alpha in 1e-4..0.1, and kappa
    at least 2 % away from q. A distance is a part of the total weight, where that exceeds 1.
    """
    rng, gap = _draws(n, seed), 0.0
    for _ in range(n):
        q = float(np.exp(rng.uniform(np.log(0.5), np.log(4))))
        kappa = float(np.exp(rng.uniform(np.log(0.2), np.log(5))))
        kappa = kappa if abs(kappa / q - 1) > 0.02 else 1.02 * q
        P = tuple(float(norm) for norm in rng.uniform(0.5, 4, int(rng.integers(2, 5))))
        found = EqualCircuits(P, kappa, q, alpha=float(10 ** rng.uniform(-4, -1)))
        closed, searched = optimal_weights(found), minimise_weights(found)
        gap = max(gap, float(np.abs(closed - searched).max()) / max(1.0, float(closed.sum())))
    return gap
