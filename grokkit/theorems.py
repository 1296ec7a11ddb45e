"""The theorems of App. D as things to compute: loss and optimal weights of rival circuits."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int

from grokkit.model import cross_entropy
from grokkit.simulation import Logged, check_positive, check_whole


@dataclass(frozen=True)
class EqualCircuits:
    """I circuits with equal logits and different parameter norms: the setting of App. D, Eq. (6).

    L_train is `model.cross_entropy` of one logit and n_labels - 1 zeros, in closed form, and the
    weights w_i of the circuits are 0 or more.
    """

    P: tuple[float, ...]
    kappa: float = 1.2
    q: float = 2.0  # the norm exponent of App. D, not App. C's number of labels
    alpha: float = 0.01  # twice the simulation's: Eq. (6) divides alpha by q
    n_labels: int = 113

    def __post_init__(self) -> None:
        if not isinstance(self.P, (tuple, list)) or not self.P:
            raise ValueError(f"EqualCircuits: P must be a tuple of parameter norms, got {self.P!r}")
        for norm in self.P:
            check_positive("App. D", P=norm)
        check_positive("App. D", kappa=self.kappa, q=self.q, alpha=self.alpha)
        check_whole("EqualCircuits", 2, n_labels=self.n_labels)


def effective_loss(circuits: EqualCircuits, w: Float[np.ndarray, "*batch circuit"]) -> np.ndarray:
    """Eq. (6): L = L_train(sum w_i) + (alpha/q) sum (w_i^(1/kappa) P_i)^q, last axis i."""
    fit = np.logaddexp(0, math.log(circuits.n_labels - 1) - w.sum(-1))
    norms = np.asarray(w) ** (1 / circuits.kappa) * np.array(circuits.P)
    return np.asarray(fit + circuits.alpha / circuits.q * (norms**circuits.q).sum(-1))


def optimal_shares(circuits: EqualCircuits) -> Float[np.ndarray, " circuit"]:
    """Theorem D.4: the share of each circuit in the total weight at the minimum of Eq. (6).

    For kappa < q, P_i^(-q kappa / (q - kappa)) over its sum. For kappa >= q, all of it goes to the
    circuit of least P, to the first of them on a tie (splitting a tie costs more when kappa > q).
    """
    log_P = np.log(circuits.P)
    if circuits.kappa >= circuits.q:
        return np.eye(len(circuits.P))[int(log_P.argmin())]
    power = circuits.q * circuits.kappa / (circuits.q - circuits.kappa)
    share = np.exp(-power * (log_P - log_P.min()))
    return np.asarray(share / share.sum())


def optimal_weights(circuits: EqualCircuits) -> Float[np.ndarray, " circuit"]:
    """The minimiser of Eq. (6): the shares of Theorem D.4 times the best total weight.

    Along these shares Eq. (6) is l(s) = L_train(s) + c s^r / r with r = q / kappa, so l'(s) = 0 is
    h(s) = log sigmoid(log(n_labels - 1) - s) - (r - 1) log s - log c = 0. For r >= 1, h falls, with
    one zero, the minimum; for r < 1 it is concave, its second zero is a local minimum, and w = 0 is
    another (the decay term has infinite slope there), so the two are compared.
    """
    from scipy.optimize import brentq, minimize_scalar  # here, for few need what it takes to load

    share, r = optimal_shares(circuits), circuits.q / circuits.kappa
    used = share > 0
    log_unit = circuits.q * np.log(np.array(circuits.P)[used]) + r * np.log(share[used])
    log_c = math.log(circuits.alpha / circuits.kappa) + float(np.logaddexp.reduce(log_unit))
    offset = math.log(circuits.n_labels - 1)

    def h(u: float) -> float:  # u = log s, s <= e^700
        return -float(np.logaddexp(0, math.exp(u) - offset)) - (r - 1) * u - log_c

    top = minimize_scalar(lambda u: -h(u), bounds=(-700.0, 20.0)).x if r < 1 else -700.0
    if h(top) <= 0:
        return np.zeros(len(share))
    best = share * math.exp(brentq(h, top, 20.0, xtol=1e-15))
    return best if effective_loss(circuits, best) < effective_loss(circuits, 0 * best) else 0 * best


def scaled_loss(
    logits: Float[np.ndarray, "batch label"], labels: Int[np.ndarray, " batch"], scale: float
) -> float:
    """Theorem D.1: L_x-ent(c h) < L_x-ent(h) for c > 1 if h is right on every example.

    Its left side: the mean cross-entropy of the logits h times `scale`, in nats.
    """
    return float(cross_entropy(torch.from_numpy(scale * logits), torch.from_numpy(labels)).mean())


def lemma_d2_gap(a: Logged, b: Logged, r: Logged) -> Logged:
    """Lemma D.2: (a + b)^r <= a^r + b^r if 0 < r <= 1; the right side over the left, less 1."""
    return (a**r + b**r) / (a + b) ** r - 1


def lemma_d3_delta(x: float, r: float, c: float) -> float:
    """Lemma D.3: x^r - (x - eps)^r > eps (r x^(r-1) - c) for all 0 < eps < delta; a delta.

    It is at most x. As corrected (book: choices, C2), for x, c > 0 and r >= 1. By the mean value
    theorem the left side is at least eps r (x - eps)^(r-1), which is above the right side while
    (x - eps)^(r-1) > x^(r-1) - c/r.
    """
    check_positive("App. D", x=x, c=c, r=r)
    if r < 1:
        raise ValueError(f"Lemma D.3: r must be 1 or more, got {r}")
    part = c / (r * x ** (r - 1))
    return x if r == 1 or part >= 1 else -x * math.expm1(math.log1p(-part) / (r - 1))
