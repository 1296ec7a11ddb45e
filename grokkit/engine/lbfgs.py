"""L-BFGS for a stack of runs: a minimum of Eq. (2) sought directly, where AdamW would end.

A minimum of `total` is a fixed point of AdamW; `optimum.residual` is its ||gradient|| / ||theta||.
"""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from grokkit.optimum import PerRun, Rows, penalty

Objective = Callable[[Rows], tuple[PerRun, Rows]]
"""Value and gradient of every run at its own point."""

Which = Bool[Tensor, " run"]

HISTORY = 60  # curvature pairs that a run keeps
DECREASE, CURVATURE = 1e-4, 0.9  # constants of the strong Wolfe conditions
TRIALS = 25  # of one line search
PATIENCE = 60  # gradients without a decrease beyond rounding, after which a run is stuck
NOISE = 4  # rounding of a value, in units of its last place


def total(train_loss: Objective, eps: PerRun, weight_decay: PerRun) -> Objective:
    """`optimum.objective` and its gradient, with the `penalty` under which AdamW rests.

    Both must be above 0, as `Run` sees to: else the loss falls for ever as the weights grow.
    """
    scale = 1 / (eps * weight_decay)

    def value_and_gradient(theta: Rows) -> tuple[Tensor, Tensor]:
        loss, gradient = train_loss(theta)
        value, slope = penalty(theta, weight_decay.to(theta))
        per_alpha = scale.to(theta)
        return loss * per_alpha + value, torch.addcmul(slope, gradient, per_alpha.unsqueeze(1))

    return value_and_gradient


class LBFGS:
    """Limited-memory BFGS on every run of a stack, each in its own line search.

    The inverse Hessian is applied in its compact form (Byrd, Nocedal and Schnabel 1994): scalar
    products of the curvature pairs stay in small matrices, so an iteration reads the pairs twice.
    Every tensor below has the leading axis run, and no run's numbers enter another's.
    """

    def __init__(
        self, start: Rows, history: int = HISTORY, pairs: torch.dtype = torch.float32
    ) -> None:
        """At `start`; `pairs` is the type of curvature pairs: float32 costs half, and will do."""
        n_runs, n = start.shape
        self.point = start.detach().clone()
        self.gradient = torch.full_like(start, torch.nan)
        self.direction = torch.zeros_like(start)
        self.value = start.new_full((n_runs,), torch.nan)
        # the lowest value that was below all before by more than rounding
        self.lowest = torch.full_like(self.value, torch.inf)
        # of this line search; pairs taken in since the last restart; gradients since `lowest`
        self.trials, self.count, self.idle = start.new_zeros(3, n_runs, dtype=torch.int64).unbind()
        # of the trial step, in directions; slope along the direction at `point`
        self.length, self.descent = start.new_zeros(2, n_runs).unbind()
        # bracket of the line search, each end as (length, value, slope)
        self.low, self.high = start.new_zeros(2, n_runs, 3).unbind()
        self.iteration = torch.full_like(self.count, -1)  # accepted steps; -1: nothing evaluated
        self.stuck = torch.zeros_like(self.count, dtype=torch.bool)
        # steps s, then changes of gradient y, each a ring of `history` rows; s_i y_j and y_i y_j
        self.pairs = start.new_zeros((n_runs, 2 * history, n), dtype=pairs)
        self.products, self.squares = start.new_zeros(2, n_runs, history, history).unbind()

    def tensors(self) -> dict[str, Tensor]:
        """Everything, by name, each with leading axis run: what `restore` continues from."""
        return dict(vars(self))

    @classmethod
    def restore(cls, tensors: dict[str, Tensor]) -> "LBFGS":
        """The minimiser whose `tensors()` these are, or the same rows of all of them."""
        self = cls.__new__(cls)
        for name, tensor in tensors.items():
            setattr(self, name, tensor.clone(memory_format=torch.contiguous_format))
        return self

    @torch.no_grad()
    def step(self, objective: Objective) -> None:
        """One gradient of the objective: every run at its own trial point.

        A run whose trial meets the strong Wolfe conditions moves there; others try another length.
        """
        trial = torch.addcmul(self.point, self.length.unsqueeze(1), self.direction)
        value, gradient = objective(trial)
        first = self.iteration < 0
        taken = self._search(value, (gradient * self.direction).sum(1)) & ~first & ~self.stuck
        if bool((taken | first).any()):
            self._remember(taken, trial - self.point, gradient - self.gradient)
            moved = taken | first
            self._set(moved, point=trial, gradient=gradient, value=value)
            self.iteration += moved
            self._aim(moved, self._quasi_newton())
        lower = self.value < self.lowest - self._noise()
        self._set(lower, lowest=self.value)
        self.idle = (self.idle + 1).masked_fill(lower, 0)
        self.stuck |= self.idle >= PATIENCE  # it wanders within rounding
        failed = (self.trials >= TRIALS) & ~self.stuck
        if bool(failed.any()):  # along the gradient once more, then no further
            self.stuck |= failed & (self.count == 0)
            self.count = self.count.masked_fill(failed, 0)
            self._aim(failed, -self.gradient)

    def _set(self, which: Which, **values: Tensor) -> None:
        """Give these runs their rows of new values of some tensors."""
        for name, value in values.items():
            rows = which.view(-1, *[1] * (value.dim() - 1))
            setattr(self, name, torch.where(rows, value, getattr(self, name)))

    def _search(self, value: PerRun, slope: PerRun) -> Which:
        """Which runs accept their trial; the others get a narrower bracket and a new length.

        The bracket's low end has sufficient decrease and still falls too steeply; its high end
        is too high or rises too steeply, so lengths that are acceptable lie between them.
        """
        enough = value <= self.value + DECREASE * self.length * self.descent
        # within rounding of the value, its slope tells (approximate Wolfe, Hager and Zhang 2005)
        level = (value <= self.value + self._noise()) & (slope <= -0.8 * self.descent)
        fine = (enough & (value < self.low[:, 1])) | level
        fine &= slope.isfinite()
        steep = fine & (slope < CURVATURE * self.descent)
        accepted = fine & (slope.abs() <= -CURVATURE * self.descent)
        here, before = torch.stack([self.length, value, slope], 1), self.low
        self._set(steep, low=here)
        self._set(~(steep | accepted), high=here)
        self.length = _cubic_minimum(self.low, self.high)
        self._set(self.high[:, 0].isinf(), length=_extrapolated(before, here))
        self.trials += 1
        return accepted

    def _noise(self) -> PerRun:
        return NOISE * torch.finfo(self.value.dtype).eps * self.value.abs()

    def _remember(self, taken: Which, s: Rows, y: Rows) -> None:
        """Take in the curvature pair of the runs that moved."""
        useful = taken & ((s * y).sum(1) > torch.finfo(s.dtype).eps * s.norm(dim=1) * y.norm(dim=1))
        runs = useful.nonzero().squeeze(1)
        history = self.products.shape[1]
        slot = self.count[runs] % history
        self.pairs[runs, slot] = s[runs].to(self.pairs.dtype)
        self.pairs[runs, slot + history] = y[runs].to(self.pairs.dtype)
        self.count[runs] += 1
        # only s_i y_j with s_i no newer than y_j is ever asked for
        dots = self._dots(y)[runs]
        self.products[runs, :, slot] = dots[:, :history]
        self.squares[runs, slot] = dots[:, history:]
        self.squares[runs, :, slot] = dots[:, history:]

    def _dots(self, rows: Rows) -> Float[Tensor, "run pair"]:
        """Products of each run's row with its steps, then with its changes of gradient."""
        dots = _product(rows.unsqueeze(1).to(self.pairs.dtype), self.pairs.mT)
        return dots.squeeze(1).to(rows.dtype)

    def _quasi_newton(self) -> Rows:
        """-H gradient of every run, H the inverse Hessian of its pairs."""
        history = self.products.shape[1]
        ring = torch.arange(history, device=self.count.device)
        oldest_first = (self.count.unsqueeze(1) + ring) % history
        there = ring >= history - self.count.unsqueeze(1)
        runs = torch.arange(len(self.count), device=self.count.device)[:, None, None]
        at = runs, oldest_first.unsqueeze(2), oldest_first.unsqueeze(1)
        both = there.unsqueeze(2) & there.unsqueeze(1)
        sy, yy = self.products[at], self.squares[at].where(both, 0)
        diagonal = sy.diagonal(dim1=1, dim2=2)
        R = torch.where(both, sy.triu(), torch.eye(history, dtype=sy.dtype, device=sy.device))
        scale = torch.where(there[:, -1], diagonal[:, -1] / yy[:, -1, -1], 1.0)
        dots = self._dots(self.gradient)
        p, q = dots.gather(1, oldest_first), dots.gather(1, oldest_first + history)
        p, q = p.where(there, 0).unsqueeze(2), q.where(there, 0).unsqueeze(2)
        u = torch.linalg.solve_triangular(R, p, upper=True)
        gamma = scale[:, None, None]
        inner = diagonal.where(there, 0).unsqueeze(2) * u + gamma * (_product(yy, u) - q)
        of_s = torch.linalg.solve_triangular(R.mT, inner, upper=False)
        weights = torch.zeros_like(dots)
        weights.scatter_(1, oldest_first, of_s.squeeze(2))
        weights.scatter_(1, oldest_first + history, -(gamma * u).squeeze(2))
        mixed = _product(weights.unsqueeze(1).to(self.pairs.dtype), self.pairs).squeeze(1)
        return -torch.addcmul(mixed.to(sy.dtype), scale.unsqueeze(1), self.gradient)

    def _aim(self, which: Which, direction: Rows) -> None:
        """Begin a line search of these runs along their rows of `direction`."""
        descent = (direction * self.gradient).sum(1)
        uphill = ~(descent < 0)  # or not a number: then along the gradient
        square = self.gradient.square().sum(1)
        direction = torch.where(uphill.unsqueeze(1), -self.gradient, direction)
        descent = torch.where(uphill, -square, descent)
        self.count = self.count.masked_fill(which & uphill, 0)
        self.stuck |= which & ~((square > 0) & self.value.isfinite())  # at rest, or not a number
        # without curvature the first trial has length 1 at most
        length = torch.where(self.count == 0, square.rsqrt().clamp(max=1), 1.0)
        start = torch.stack([torch.zeros_like(descent), self.value, descent], 1)
        self._set(which, direction=direction, descent=descent, length=length)
        self._set(which, low=start, high=torch.full_like(start, torch.inf))
        self._set(which, trials=torch.zeros_like(self.trials))


def _product(
    left: Float[Tensor, "run row inner"], right: Float[Tensor, "run inner column"]
) -> Float[Tensor, "run row column"]:
    """Matrix products run by run: on the CPU a batched one rounds by the size of the stack."""
    if left.device.type != "cpu":
        return torch.bmm(left, right)
    return torch.stack([a @ b for a, b in zip(left, right, strict=True)])


def _extrapolated(before: Tensor, here: Tensor) -> PerRun:
    """Where the slope through two (length, value, slope) vanishes: 2 to 10 times the second's."""
    (a, _, slope_a), (b, _, slope_b) = before.unbind(1), here.unbind(1)
    secant = b + (b - a) * slope_b / (slope_a - slope_b)
    return torch.where(slope_b > slope_a, secant, 10 * b).clamp(2 * b, 10 * b)


def _cubic_minimum(low: Tensor, high: Tensor) -> PerRun:
    """The minimum of the cubic through two (length, value, slope), kept off both ends."""
    (a, f_a, slope_a), (b, f_b, slope_b) = low.unbind(1), high.unbind(1)
    width = b - a
    bend = slope_a + slope_b - 3 * (f_b - f_a) / width
    root = (bend.square() - slope_a * slope_b).clamp(min=0).sqrt()
    cubic = b - width * (slope_b + root - bend) / (slope_b - slope_a + 2 * root)
    cubic = torch.where(cubic.isfinite(), cubic, a + width / 2)
    return torch.minimum(torch.maximum(cubic, a + width / 10), b - width / 10)
