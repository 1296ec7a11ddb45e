"""A stack: runs in lockstep, one gradient of every run's whole train set at a time.

On an accelerator many runs share each operation (`batched`); on the CPU a stack is one run
(`tabulated`). What a run needs to continue, in this or another stack, is its `Stack.state`.
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from grokkit import tasks
from grokkit.engine import batched, cost, cuda, lbfgs
from grokkit.engine.gradients import batched_loss, shapes, tabulated_loss
from grokkit.engine.metrics import evaluate
from grokkit.model import initialise
from grokkit.optimum import residual
from grokkit.runs import Run
from grokkit.store.store import Store


def _column(values: Sequence[float], like: Tensor) -> Float[Tensor, " run"]:
    return torch.tensor(values, dtype=like.dtype, device=like.device)


class AdamW:
    """Full-batch AdamW on every run of a stack, each with its own weight decay.

    torch's fused Adam takes one lr, betas and eps, which the runs of a stack share; it has one
    weight decay too, so theta <- (1 - lr lambda) theta is a step of its own.
    """

    def __init__(self, runs: Sequence[Run], tensors: dict[str, Tensor], epoch: int) -> None:
        """From the `tensors()` of one that made `epoch` steps; a fresh one needs "point" only."""
        first = runs[0]
        self.point = tensors["point"]  # run parameter
        decay = [1 - run.lr * run.weight_decay for run in runs]
        self.decay = _column(decay, self.point).unsqueeze(1)
        self.adam = torch.optim.Adam(
            [self.point],
            lr=first.lr,
            betas=(first.beta1, first.beta2),
            eps=first.eps,
            fused=True,
            capturable=self.point.is_cuda,
        )
        self.adam.state[self.point] = {
            "step": torch.tensor(float(epoch), device=self.point.device),
            **{
                name: tensors.get(name, torch.zeros_like(self.point))
                for name in ("exp_avg", "exp_avg_sq")
            },
        }

    @torch.no_grad()
    def step(self, train_loss: lbfgs.Objective) -> None:
        """One epoch."""
        self.point.grad = train_loss(self.point)[1]
        self.point.mul_(self.decay)
        self.adam.step()

    def tensors(self) -> dict[str, Tensor]:
        """Parameters and the two moments, each [run, parameter]."""
        moments = self.adam.state[self.point]
        return {"point": self.point, **{k: moments[k] for k in ("exp_avg", "exp_avg_sq")}}


class Stack:
    """Runs in lockstep, of one optimiser, precision and network; AdamW's share lr, betas, eps."""

    def __init__(
        self,
        runs: Sequence[Run],
        states: Sequence[dict[str, Tensor]],
        device: torch.device,
        epoch: int = 0,
        batched: bool | None = None,
        threads: int = 1,
    ) -> None:
        """`states`: `state` of each run; of a fresh one just {"point": its parameters in a row}.

        `batched` computes all gradients at once, by default on every device but the CPU, where
        `threads` share the examples of a run.
        """
        self.runs, self.device, self.threads = list(runs), device, threads
        self.batched = device.type != "cpu" if batched is None else batched
        tensors = {
            name: torch.stack([state[name] for state in states]).to(device) for name in states[0]
        }
        point = tensors["point"]
        # a minimiser that has got to float64 stays there
        final = point.dtype == torch.float64 and len(tensors) > 1
        exact = self.runs[0].precision == "float64" or (self._mixed and final)
        self._begin(tensors, torch.float64 if exact else torch.float32, epoch)

    @property
    def _mixed(self) -> bool:
        return self.runs[0].precision == "mixed"

    def _begin(self, tensors: dict[str, Tensor], dtype: torch.dtype, epoch: int) -> None:
        """Set up the gradients and the optimiser in this dtype."""
        if self.batched or self.runs[0].precision == "bf16":
            self.train_loss = batched_loss(self.runs, dtype, self.device)
        else:
            self.train_loss = tabulated_loss(self.runs, dtype, self.threads)
        self.optimiser: AdamW | lbfgs.LBFGS
        if self.runs[0].optimiser == "adamw":
            # a copy, of which Adam may write every element
            tensors = {name: t.to(dtype, copy=True).contiguous() for name, t in tensors.items()}
            self.optimiser = adamw = AdamW(self.runs, tensors, epoch)
            self.step: Callable[[], None] = lambda: adamw.step(self.train_loss)
            if self.device.type == "cuda":
                self.step = cuda.Graphed(self.step)
            return
        point = tensors["point"].to(dtype)
        fresh = len(tensors) == 1
        self.optimiser = minimiser = lbfgs.LBFGS(point) if fresh else lbfgs.LBFGS.restore(tensors)
        eps = _column([run.eps for run in self.runs], point)
        weight_decay = _column([run.weight_decay for run in self.runs], point)
        objective = lbfgs.total(self.train_loss, eps, weight_decay)
        self.step = lambda: minimiser.step(objective)

    def advance(self) -> None:
        """One gradient of every run's whole train set, and what the optimiser makes of it."""
        self.step()
        if self._in_float32 and self.optimiser.stuck.all():  # type: ignore[union-attr]
            self._begin({"point": self.optimiser.point}, torch.float64, 0)

    @property
    def _in_float32(self) -> bool:
        """Whether this is the first part of a mixed precision."""
        return self._mixed and self.optimiser.point.dtype == torch.float32

    def stuck(self) -> Bool[Tensor, " run"]:
        """Which runs cannot go on, for want of precision; on the CPU."""
        if isinstance(self.optimiser, AdamW) or self._in_float32:
            return torch.zeros(len(self.runs), dtype=torch.bool)
        return self.optimiser.stuck.cpu()

    def finite(self) -> Bool[Tensor, " run"]:
        """Which runs have parameters, and AdamW's moments, that are finite; on the CPU."""
        tensors = self.optimiser.tensors()
        own = [tensors[name] for name in ("point", "exp_avg", "exp_avg_sq") if name in tensors]
        return torch.stack([rows.isfinite().all(1) for rows in own]).all(0).cpu()

    def metrics(self) -> Float[Tensor, "run metric"]:
        """`METRICS` of every run, on the device, without waiting for it."""
        point = self.optimiser.point
        gradient = self.train_loss(point)[1]
        if self.device.type == "mps":  # it has no float64
            point, gradient = point.cpu(), gradient.cpu()
        eps = _column([run.eps for run in self.runs], point.double())
        weight_decay = _column([run.weight_decay for run in self.runs], point.double())
        off = residual(point, gradient, eps, weight_decay)
        return torch.stack(
            [
                evaluate(run, theta, own)
                for run, theta, own in zip(self.runs, self._thetas(point), off, strict=True)
            ]
        )

    def _thetas(self, rows: Float[Tensor, "run parameter"]) -> list[dict[str, Tensor]]:
        named = batched.named(rows, shapes(self.runs[0]))
        return [{name: w[i] for name, w in named.items()} for i in range(len(rows))]

    def theta(self, i: int) -> dict[str, Float[Tensor, "..."]]:
        """A copy of the parameters of the i-th run, on the CPU."""
        own = self.optimiser.point.detach()[i : i + 1].cpu()
        return batched.unstacked(batched.named(own, shapes(self.runs[0])), 0)

    def state(self, i: int) -> dict[str, Tensor]:
        """All that the i-th run needs to continue, in this or another stack; on the CPU."""
        tensors = self.optimiser.tensors()
        return {name: t[i].detach().to("cpu", copy=True) for name, t in tensors.items()}


def check_tensors(
    tensors: dict[str, Tensor], expected: dict[str, tuple[tuple[int, ...], torch.dtype]]
) -> None:
    """Nothing, if the tensors have these names, shapes and types. Raises ValueError."""
    found = {name: (tuple(tensor.shape), tensor.dtype) for name, tensor in tensors.items()}
    for name in sorted(found.keys() | expected.keys()):
        if found.get(name) != expected.get(name):
            raise ValueError(f"{name} must be {expected.get(name)}, got {found.get(name)}")


def check_state(run: Run, state: dict[str, Tensor]) -> None:
    """Nothing, if this could be the `Stack.state` of the run. Raises ValueError."""
    n, history = cost.n_parameters(run), lbfgs.HISTORY
    point = state.get("point", torch.empty(0))
    exact = point.dtype == torch.float64 if run.precision == "mixed" else run.float64
    dtype = torch.float64 if exact else torch.float32
    if run.optimiser == "adamw":
        check_tensors(state, dict.fromkeys(("point", "exp_avg", "exp_avg_sq"), ((n,), dtype)))
        return
    parts: dict[str, tuple[tuple[int, ...], torch.dtype]] = {
        **dict.fromkeys(("point", "gradient", "direction"), ((n,), dtype)),
        **dict.fromkeys(("value", "length", "descent", "lowest"), ((), dtype)),
        **dict.fromkeys(("low", "high"), ((3,), dtype)),
        **dict.fromkeys(("trials", "idle", "iteration", "count"), ((), torch.int64)),
        **dict.fromkeys(("products", "squares"), ((history, history), dtype)),
    }
    pairs = ((2 * history, n), torch.float32)
    check_tensors(state, parts | {"stuck": ((), torch.bool), "pairs": pairs})


def start(run: Run, store: Store) -> dict[str, Tensor]:
    """`Stack.state` of a run at epoch 0: from its seed, or the final weights of its `init`.

    Raises:
        LookupError: the `init` run has no record in the store.
    """
    if run.init is None:
        n_tokens = tasks.task(run.task, run.p).n_tokens
        theta = initialise(run.model, n_tokens, run.seed, run.init_scale)
    else:
        record = store.get(run.init)
        if record is None:
            raise LookupError(f"{run} starts from run {run.init.key} ({run.init}): not in {store}")
        theta = record.weights()
    return {"point": batched.flat({name: w.unsqueeze(0) for name, w in theta.items()})[0]}
