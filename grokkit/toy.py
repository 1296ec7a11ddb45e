"""The two-circuit simulation (Sec. 3, App. C) and the theory of circuit weights (App. D)."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from jaxtyping import Bool, Float, Int


def _check(where: str, **values: float) -> None:
    for name, value in values.items():
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"{where}: {name} must be a positive number, got {value}")


@dataclass(frozen=True)
class Toy:
    """The two-circuit simulation of Sec. 3. Defaults are Table 1(a).

    Raises: ValueError for a value outside its range. kappa stays below 2: from there on the
    gradient of the decay term has no limit at w = 0, where the paper starts.
    """

    P_gen: float = 1.0  # parameter norm of C_gen when its weights are one
    P_mem: float = 2.0
    kappa: float = 1.2  # P'_c = (w_c1 w_c2)^(1/kappa) P_c
    alpha: float = 0.005  # scales L_wd as Eq. (2) does; App. C leaves it out (book: choices, C1)
    w_gen: tuple[float, float] = (0.0, 0.005)  # the two subweights at step 0
    w_mem: tuple[float, float] = (0.0, 1.0)
    n_labels: int = 113  # App. C's q
    lr: float = 0.01  # App. C's lambda

    def __post_init__(self) -> None:
        _check("Toy", P_gen=self.P_gen, P_mem=self.P_mem, kappa=self.kappa, lr=self.lr)
        if self.kappa >= 2:
            raise ValueError(f"Toy: kappa must be in (0, 2), got {self.kappa}")
        if not (math.isfinite(self.alpha) and self.alpha >= 0):
            raise ValueError(f"Toy: alpha must be 0 or more, got {self.alpha}")
        if self.n_labels < 2:
            raise ValueError(f"Toy: n_labels must be 2 or more, got {self.n_labels}")
        for name, pair in (("w_gen", self.w_gen), ("w_mem", self.w_mem)):
            if len(pair) != 2 or not all(math.isfinite(w) and w >= 0 for w in pair):
                raise ValueError(f"Toy: {name} must be two numbers, each 0 or more, got {pair}")


TABLE_1 = {"a": Toy(), "b": replace(Toy(), P_gen=4.0), "c": replace(Toy(), w_gen=(0.0, 1.0))}


def panels(toy: Toy) -> dict[str, Toy]:
    """The three panels of Fig. 2 around `toy`: as it is, C_gen less efficient, equal speeds.

    Each of b and c takes one ingredient away; around `Toy()` they are `TABLE_1`.
    """
    slower = replace(toy, P_gen=2 * toy.P_mem)
    return {"a": toy, "b": slower, "c": replace(toy, w_gen=toy.w_mem)}


@dataclass(frozen=True)
class Trajectory:
    """What `simulate` returns: the curves of Fig. 2. Step n is the state after n updates."""

    toy: Toy
    step: Int[np.ndarray, " log"]
    train_loss: Float[np.ndarray, " log"]  # nats, the decay term included, as in App. C
    test_loss: Float[np.ndarray, " log"]
    gen_logit: Float[np.ndarray, " log"]  # w_g1 w_g2
    mem_logit: Float[np.ndarray, " log"]
    param_norm: Float[np.ndarray, " log"]  # sqrt(P'_g^2 + P'_m^2)


def simulate(toy: Toy, steps: int = 10_000, log_every: int = 1) -> Trajectory:
    """The trajectory of gradient descent on the four subweights (App. C), at full precision.

    With s = w_g + w_m and w_c = w_c1 w_c2, dL/dw_c1 = w_c2 dL/dw_c, where
    dL/dw_c = -sigmoid(log(n_labels - 1) - s) + alpha (2/kappa) P_c^2 w_c^(2/kappa - 1).
    At w_c = 0 the second term is 0, because kappa < 2. A subweight that a step would carry below 0,
    where the power has no real value, stops at 0 (App. D also asks for w_i >= 0; choices, C3).
    Steps 0 and `steps` are always logged.

    Raises: ValueError when a step is so long that both subweights of a circuit end at 0, where
    they would stay (a learning rate too large for the decay term).
    """
    if steps < 1 or log_every < 1:
        raise ValueError(f"steps and log_every must be 1 or more, got {steps} and {log_every}")
    (g1, g2), (m1, m2) = toy.w_gen, toy.w_mem
    power, offset, lr = 2 / toy.kappa - 1, math.log(toy.n_labels - 1), toy.lr
    pull_gen = toy.alpha * (2 / toy.kappa) * toy.P_gen**2
    pull_mem = toy.alpha * (2 / toy.kappa) * toy.P_mem**2
    log = [(0, g1 * g2, m1 * m2)]
    for step in range(1, steps + 1):
        gen, mem = g1 * g2, m1 * m2
        push = 1 / (1 + math.exp(min(gen + mem - offset, 700.0)))
        try:
            to_gen, to_mem = push - pull_gen * gen**power, push - pull_mem * mem**power
        except OverflowError:
            raise _diverges(step, lr) from None
        g1, g2 = max(0.0, g1 + lr * g2 * to_gen), max(0.0, g2 + lr * g1 * to_gen)
        m1, m2 = max(0.0, m1 + lr * m2 * to_mem), max(0.0, m2 + lr * m1 * to_mem)
        if (gen > 0 and g1 == g2 == 0) or (mem > 0 and m1 == m2 == 0):
            raise _diverges(step, lr)
        if step % log_every == 0 or step == steps:
            log.append((step, g1 * g2, m1 * m2))
    step_, gen_, mem_ = (np.array(column) for column in zip(*log, strict=True))
    return _trajectory(toy, step_, gen_, mem_)


def _diverges(step: int, lr: float) -> ValueError:
    return ValueError(
        f"Toy: step {step} overshoots and leaves a circuit at zero for good; "
        f"lr (or alpha) must be smaller, got lr {lr}"
    )


def _trajectory(
    toy: Toy,
    step: Int[np.ndarray, " log"],
    gen: Float[np.ndarray, " log"],
    mem: Float[np.ndarray, " log"],
) -> Trajectory:
    with np.errstate(over="ignore"):
        norm = np.hypot(toy.P_gen * gen ** (1 / toy.kappa), toy.P_mem * mem ** (1 / toy.kappa))
        decay = toy.alpha * norm**2
    others = math.log(toy.n_labels - 1)
    rest = math.log(toy.n_labels - 2) if toy.n_labels > 2 else -math.inf
    train = np.logaddexp(0, others - gen - mem) + decay
    test = np.logaddexp(0, np.logaddexp(rest, mem) - gen) + decay
    return Trajectory(toy, step, train, test, gen, mem, norm)


@dataclass(frozen=True)
class Marks:
    """What prose quotes from a trajectory; a step is None when the event does not happen."""

    train_fits: int | None  # first logged step with train loss below 1
    test_fits: int | None  # the same of the test loss: the simulation has generalised
    gen_rises: int | None  # first logged step with gen logit above a tenth
    gen_leads: int | None  # first logged step with gen logit above mem logit
    norm_peak_step: int
    norm_peak: float
    test_peak: float

    @property
    def outcome(self) -> str:
        """The kind of curve: "groks", "together", or "never" when a loss stays at 1 or above.

        It groks when the test loss falls below 1 over ten times later than the train loss does.
        """
        if self.train_fits is None or self.test_fits is None:
            return "never"
        return "groks" if self.test_fits > 10 * self.train_fits else "together"


def _first(step: Int[np.ndarray, " log"], event: Bool[np.ndarray, " log"]) -> int | None:
    return next((int(n) for n, happens in zip(step, event, strict=True) if happens), None)


def marks(trajectory: Trajectory) -> Marks:
    """The marks of one trajectory, at the resolution of its log."""
    t, peak = trajectory, int(trajectory.param_norm.argmax())
    return Marks(
        train_fits=_first(t.step, t.train_loss < 1),
        test_fits=_first(t.step, t.test_loss < 1),
        gen_rises=_first(t.step, t.gen_logit > 0.1),
        gen_leads=_first(t.step, t.gen_logit > t.mem_logit),
        norm_peak_step=int(t.step[peak]),
        norm_peak=float(t.param_norm[peak]),
        test_peak=float(t.test_loss.max()),
    )


@dataclass(frozen=True)
class EqualCircuits:
    """I circuits with equal logits and different parameter norms: the setting of Eq. (6).

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
            _check("EqualCircuits", P=norm)
        _check("EqualCircuits", kappa=self.kappa, q=self.q, alpha=self.alpha)
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
    for _ in range(14):
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
    _check("Lemma D.3", x=x, c=c, r=r)
    if r < 1:
        raise ValueError(f"Lemma D.3: r must be 1 or more, got {r}")
    floor = x ** (r - 1) - c / r
    return x if r == 1 or floor <= 0 else x - floor ** (1 / (r - 1))
