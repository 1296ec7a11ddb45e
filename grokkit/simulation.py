"""The two-circuit simulation of Sec. 3 and App. C: parameters and gradient descent."""

import math
from dataclasses import dataclass, replace
from numbers import Integral, Real

import numpy as np
from jaxtyping import Float, Int

Logged = Float[np.ndarray, " log"]  # a number at each logged step


def is_number(value: object, kind: type = Real) -> bool:
    """Whether it is one, Python's or numpy's, finite, and no bool."""
    return isinstance(value, kind) and not isinstance(value, bool) and math.isfinite(value)  # type: ignore[arg-type]


def check_positive(where: str, **values: float) -> None:
    """Raises ValueError, which names `where` and the value, if one is no number above 0."""
    for name, value in values.items():
        if not is_number(value) or value <= 0:
            raise ValueError(f"{where}: {name} must be a positive number, got {value!r}")


def check_whole(where: str, least: int, **values: int) -> None:
    """The same if one is no whole number of at least `least`."""
    for name, value in values.items():
        if not is_number(value, Integral) or value < least:
            raise ValueError(f"{where}: {name} must be a whole number >= {least}, got {value!r}")


@dataclass(frozen=True)
class Toy:
    """Table 1: parameters of the two-circuit simulation of Sec. 3, by default those of panel a.

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
        check_positive("Toy", P_gen=self.P_gen, P_mem=self.P_mem, kappa=self.kappa, lr=self.lr)
        if self.kappa >= 2:
            raise ValueError(f"Toy: kappa must be in (0, 2), got {self.kappa}")
        if not is_number(self.alpha) or self.alpha < 0:
            raise ValueError(f"Toy: alpha must be 0 or more, got {self.alpha!r}")
        check_whole("Toy", 2, n_labels=self.n_labels)
        for name, pair in (("w_gen", self.w_gen), ("w_mem", self.w_mem)):
            two = isinstance(pair, (tuple, list)) and len(pair) == 2
            if not two or not all(is_number(w) and w >= 0 for w in pair):
                raise ValueError(f"Toy: {name} must be two numbers, each 0 or more, got {pair!r}")


TABLE_1 = {"a": Toy(), "b": replace(Toy(), P_gen=4.0), "c": replace(Toy(), w_gen=(0.0, 1.0))}


# Logits have three entries: of the true label y*, of the one y' that C_mem prefers on a test input,
# and of each of the n_labels - 2 others.


def gen_table() -> Float[np.ndarray, " label"]:
    """Eq. (3): o_gen(y) = 1 if y = y*, else 0, on every input."""
    return np.array([1.0, 0.0, 0.0])


def mem_table(test: bool) -> Float[np.ndarray, " label"]:
    """Eq. (4): o_mem(y) = 1 if y = y* on a train input, if y = y' on a test input, else 0."""
    return np.array([0.0, 1.0, 0.0] if test else [1.0, 0.0, 0.0])


def logits(w_gen: Logged, w_mem: Logged, test: bool) -> Float[np.ndarray, "log label"]:
    """Eq. (5): o = w_gen o_gen + w_mem o_mem."""
    return np.multiply.outer(w_gen, gen_table()) + np.multiply.outer(w_mem, mem_table(test))


@dataclass(frozen=True)
class Trajectory:
    """What `simulate` returns: the curves of Fig. 2. Step n is the state after n updates."""

    toy: Toy
    step: Int[np.ndarray, " log"]
    train_loss: Logged  # nats: `model.cross_entropy` in closed form, and the decay term (App. C)
    test_loss: Logged
    gen_logit: Logged  # w_g1 w_g2
    mem_logit: Logged
    param_norm: Logged  # sqrt(P'_g^2 + P'_m^2)


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
    check_whole("simulate", 1, steps=steps, log_every=log_every)
    (g1, g2), (m1, m2) = toy.w_gen, toy.w_mem
    power, offset, lr = 2 / toy.kappa - 1, math.log(toy.n_labels - 1), toy.lr
    pull_gen = toy.alpha * (2 / toy.kappa) * (toy.P_gen * toy.P_gen)
    pull_mem = toy.alpha * (2 / toy.kappa) * (toy.P_mem * toy.P_mem)
    if math.isinf(pull_gen + pull_mem):  # which times 0 is no number
        raise _diverges(1, toy)
    log = [(0, g1 * g2, m1 * m2)]
    for step in range(1, steps + 1):
        gen, mem = g1 * g2, m1 * m2
        push = 1 / (1 + math.exp(min(gen + mem - offset, 700.0)))
        try:
            to_gen, to_mem = push - pull_gen * gen**power, push - pull_mem * mem**power
        except OverflowError:
            raise _diverges(step, toy) from None
        g1, g2 = max(0.0, g1 + lr * g2 * to_gen), max(0.0, g2 + lr * g1 * to_gen)
        m1, m2 = max(0.0, m1 + lr * m2 * to_mem), max(0.0, m2 + lr * m1 * to_mem)
        if (gen > 0 and g1 == g2 == 0) or (mem > 0 and m1 == m2 == 0):
            raise _diverges(step, toy)
        if step % log_every == 0 or step == steps:
            log.append((step, g1 * g2, m1 * m2))
    return _trajectory(toy, *(np.array(column) for column in zip(*log, strict=True)))


def _diverges(step: int, toy: Toy) -> ValueError:
    return ValueError(
        f"Toy: step {step} overshoots and leaves a circuit at zero for good; lr, alpha or a P must "
        f"be smaller, got lr {toy.lr}, alpha {toy.alpha}, P_gen {toy.P_gen}, P_mem {toy.P_mem}"
    )


def _trajectory(toy: Toy, step: np.ndarray, gen: np.ndarray, mem: np.ndarray) -> Trajectory:
    with np.errstate(over="ignore"):
        norm = np.hypot(toy.P_gen * gen ** (1 / toy.kappa), toy.P_mem * mem ** (1 / toy.kappa))
        decay = toy.alpha * norm**2
    log_rest = math.log(toy.n_labels - 2) if toy.n_labels > 2 else -math.inf

    def loss(test: bool) -> Logged:
        own, rival, other = logits(gen, mem, test).T
        return np.logaddexp(0, np.logaddexp(rival, other + log_rest) - own) + decay

    return Trajectory(toy, step, loss(test=False), loss(test=True), gen, mem, norm)


def simulate_panels(toy: Toy, steps: int = 10_000) -> dict[str, Trajectory]:
    """The three panels of Fig. 2 around `toy`: as it is, C_gen less efficient, equal speeds.

    Each of b and c takes one ingredient away; around `Toy()` they are Table 1, `TABLE_1`.
    """
    panels = {"a": toy, "b": replace(toy, P_gen=2 * toy.P_mem), "c": replace(toy, w_gen=toy.w_mem)}
    return {name: simulate(panel, steps) for name, panel in panels.items()}
