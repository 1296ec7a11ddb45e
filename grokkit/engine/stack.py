"""A stack: runs in lockstep, one gradient of every run's whole train set at a time.

On an accelerator many runs share each operation (`batched`); on the CPU a stack is one run
(`tabulated`). What a run needs to continue, in this or another stack, is its `Stack.state`.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from functools import partial

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from grokkit import decomposition
from grokkit.engine import batched, cuda, lbfgs, tabulated
from grokkit.engine.adamw import AdamW
from grokkit.engine.lbfgs import LBFGS, Objective
from grokkit.engine.metrics import METRICS, all_logits, evaluate
from grokkit.engine.steepness import second_difference
from grokkit.model import Weights, flat, initialise, named
from grokkit.optimum import Rows, residual
from grokkit.runs import STAGES, Run
from grokkit.store.store import Store

STIFFNESS = 20_000.0  # of the spring of `pushed`
ROUNDED = 100.0  # times as wide as in the last stage is a kink in the first


class Stack:
    """Runs in lockstep, alike in what `plan.pack` asks; the rest is each run's own."""

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

        `batched` computes all gradients at once, by default on every device but the CPU.
        """
        self.runs, self.device, self.threads, self.epoch = list(runs), device, threads, epoch
        self._in_stages = runs[0].push > 0 or runs[0].kink > 0
        self.batched = device.type != "cpu" if batched is None else batched
        tensors = {
            name: torch.stack([state[name] for state in states]).to(device) for name in states[0]
        }
        # a minimiser that has got to float64 stays there
        final = tensors["point"].dtype == torch.float64 and len(tensors) > 1
        double = runs[0].precision == "float64" or final
        self._begin(tensors, torch.float64 if double else torch.float32)

    def _begin(self, tensors: dict[str, Tensor], dtype: torch.dtype) -> None:
        """Set up the gradients and the optimiser in this dtype."""
        if self.batched or self.runs[0].precision == "bf16":
            loss_of = partial(batched_loss, dtype=dtype, device=self.device)
        else:
            loss_of = partial(tabulated_loss, dtype=dtype, threads=self.threads)
        stage = min(self.epoch * STAGES // self.runs[0].epochs, STAGES - 1)  # with its own history
        sharp = ROUNDED ** (-stage / (STAGES - 1))
        self.train_loss = loss_of([replace(r, kink=sharp * r.kink) for r in self.runs])
        self.exact_loss, precise = self.train_loss, [replace(r, loss="exact") for r in self.runs]
        if precise != self.runs and any(run.steepness for run in self.runs):
            self.exact_loss = loss_of(precise)  # over a short way rounding would be steep
        optimiser = self.optimiser = begun(self.runs, tensors, dtype, self.epoch)
        objective = self.train_loss
        if isinstance(optimiser, LBFGS):
            objective = lbfgs.total(objective, *self._eps_and_decay(optimiser.point))
            if self.runs[0].push:
                objective = pushed(objective, self.runs, (1 + stage) / STAGES)
        self.step: Callable[[], None] = lambda: optimiser.step(objective)
        # not each step is the same; Muon's are, but were never recorded on a card
        no_graph = any(r.noise or r.amplify or r.muon for r in self.runs)
        if self.device.type == "cuda" and isinstance(optimiser, AdamW) and not no_graph:
            self.step = cuda.Graphed(self.step, self.device)

    def _eps_and_decay(self, point: Tensor) -> Float[Tensor, "2 run"]:
        """eps at rest and weight decay of every run, in the type and on the device of the point."""
        return point.new_tensor([(r.eps / (1 + r.amplify), r.weight_decay) for r in self.runs]).T

    def advance(self) -> None:
        """One gradient of every run's whole train set, and what the optimiser makes of it."""
        self.step()
        self.epoch += 1
        point = self.optimiser.point
        if self._in_float32 and self.optimiser.stuck.all():
            self._begin({"point": point}, torch.float64)
        elif self._in_stages and self.epoch * STAGES % self.runs[0].epochs == 0:
            self._begin({"point": point}, point.dtype)

    @property
    def _in_float32(self) -> bool:
        """Whether this is the first part of a mixed precision."""
        return self.runs[0].precision == "mixed" and self.optimiser.point.dtype == torch.float32

    def stuck(self) -> Bool[Tensor, " run"]:
        """Which runs cannot go on, for want of precision; on the CPU."""
        return self.optimiser.stuck.cpu() & (not self._in_float32 and not self._in_stages)

    def finite(self) -> Bool[Tensor, " run"]:
        """Which runs have parameters, and AdamW's moments, that are finite; on the CPU."""
        tensors = self.optimiser.tensors()
        own = [tensors[name] for name in ("point", "exp_avg", "exp_avg_sq") if name in tensors]
        return torch.stack([rows.isfinite().all(1) for rows in own]).all(0).cpu()

    def metrics(self) -> Float[Tensor, "run metric"]:
        """`METRICS` of every run, on the device, without waiting for it."""
        point = self.optimiser.point
        off = residual(point, self.train_loss(point)[1], *self._eps_and_decay(point.double()))
        thetas = [named(row, self.runs[0].shapes) for row in point]
        found = torch.stack([evaluate(*each) for each in zip(self.runs, thetas, off, strict=True)])
        if isinstance(self.optimiser, AdamW) and any(run.steepness for run in self.runs):
            part, unit = point.new_tensor([[r.steepness, r.lr / r.eps] for r in self.runs]).T
            steep = second_difference(self.exact_loss, point, part, self.optimiser.scale())
            found[:, METRICS.index("steepness")] = (steep * unit).to(found)
        return found

    def theta(self, i: int) -> Weights:
        """A copy of the parameters of the i-th run, on the CPU."""
        return named(self.optimiser.point[i].detach().to("cpu", copy=True), self.runs[0].shapes)

    def state(self, i: int) -> dict[str, Tensor]:
        """All that the i-th run needs to continue, in this or another stack; on the CPU."""
        tensors = self.optimiser.tensors()
        return {name: t[i].detach().to("cpu", copy=True) for name, t in tensors.items()}


def begun(
    runs: Sequence[Run], tensors: dict[str, Tensor], dtype: torch.dtype, epoch: int = 0
) -> AdamW | LBFGS:
    """The runs' optimiser, from its `tensors()` or, with only "point" among them, at its start."""
    if runs[0].optimiser == "adamw":
        # a copy, of which Adam may write every element
        own = {name: t.to(dtype, copy=True).contiguous() for name, t in tensors.items()}
        return AdamW(runs, own, epoch)
    return LBFGS(tensors["point"].to(dtype)) if len(tensors) == 1 else LBFGS.restore(tensors)


def start(run: Run, store: Store) -> dict[str, Tensor]:
    """`Stack.state` of a run at epoch 0: from its seed, or the final weights of its `init`.

    Raises LookupError if the `init` run has no record in the store.
    """
    if run.init is None:
        theta = initialise(run.model, run.operation.n_tokens, run.seed, run.init_scale)
    else:
        if (record := store.get(run.init)) is None:
            raise LookupError(f"{run} starts from run {run.init.key} ({run.init}): not in {store}")
        theta = record.weights()
    return {"point": flat(theta)}


def tabulated_loss(runs: Sequence[Run], dtype: torch.dtype, threads: int = 1) -> Objective:
    """L_x-ent of every run and its gradient, run by run through `tabulated`; for the CPU.

    `threads` of its own share a run's examples. torch should use one thread itself: how many it
    uses in a product of matrices changes the last bits.
    """
    each: tabulated.Each = map
    if threads > 1:
        each = ThreadPoolExecutor(threads, initializer=tabulated.begin_thread).map
    examples = []
    for run in runs:
        n = run.operation.n_tokens
        examples.append(tabulated.chunks(*_train_set(run), n, run.model.n_heads, dtype))

    def value_and_gradient(rows: Rows) -> tuple[Tensor, Tensor]:
        found = [
            tabulated.gradient(named(row, run.shapes), own, each, run.loss == "exact", run.kink)
            for run, row, own in zip(runs, rows, examples, strict=True)
        ]
        losses, gradients = zip(*found, strict=True)
        return torch.stack(losses), torch.stack([*map(flat, gradients)])

    return value_and_gradient


def batched_loss(runs: Sequence[Run], dtype: torch.dtype, device: torch.device) -> Objective:
    """L_x-ent of every run and its gradient, all at once through `batched`; for accelerators."""
    batch = batched.Batch.of([_train_set(run) for run in runs], dtype, device)
    shapes, half, exact = runs[0].shapes, runs[0].precision == "bf16", runs[0].loss == "exact"

    def value_and_gradient(rows: Rows) -> tuple[Tensor, Tensor]:
        rows = rows.detach().requires_grad_()
        with torch.enable_grad():
            with torch.autocast(device.type, torch.bfloat16) if half else nullcontext():
                loss = batched.train_loss(named(rows, shapes), batch, exact, runs[0].kink)
            [gradient] = torch.autograd.grad(loss.sum(), rows)
        return loss.detach(), gradient

    return value_and_gradient


def pushed(objective: Objective, runs: Sequence[Run], part: float) -> Objective:
    """The objective, and a spring while a run's `trig_share` is below this part of its `push`.

    It adds STIFFNESS (part push - share)^2 / 2, in the units of `lbfgs.total`.
    """

    def spring(run: Run, row: Tensor) -> Tensor:
        Z = all_logits(named(row, run.shapes), run.operation).view(3 * [run.p])
        missing = (part * run.push - decomposition.trig_share(Z)).relu()
        return (STIFFNESS / 2 * missing.square()).to(row)

    def value_and_gradient(rows: Rows) -> tuple[Tensor, Tensor]:
        value, gradient = objective(rows)
        rows = rows.detach().requires_grad_()
        with torch.enable_grad():
            springs = torch.stack([spring(*each) for each in zip(runs, rows, strict=True)])
            [pull] = torch.autograd.grad(springs.sum(), rows)
        return value + springs.detach(), gradient + pull

    return value_and_gradient


def _train_set(run: Run) -> tuple[Tensor, Tensor]:
    """Operand pairs [batch, 2] and labels [batch] of the train set."""
    rows, pairs = run.split()[0], run.operation.inputs
    return torch.from_numpy(pairs[rows]), torch.from_numpy(run.example_labels()[rows])
