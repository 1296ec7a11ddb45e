"""One stack of runs, from the start or their checkpoints to the end: full-batch AdamW or L-BFGS.

A stack advances in lockstep, one gradient of every run's whole train set at a time. On an
accelerator many runs share each operation (`stack`); on the CPU a stack is one run (`tabulated`),
and `sweep` trains as many stacks at a time as there are threads. Killed at any moment, a run
continues from its checkpoint, and on one machine ends with the same bits as an unbroken one.
"""

import ctypes
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from functools import cache
from itertools import groupby

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from grokkit import cuda, minimise, stack, tabulated, tasks
from grokkit.claiming import Claim
from grokkit.files import StoreFull
from grokkit.metrics import METRICS, at_rest, evaluate, stationarity
from grokkit.model import initialise
from grokkit.runs import Record, Run
from grokkit.store import Checkpoint, Store, provenance

CHECKPOINT_SECONDS = 30.0  # between checkpoints, and more
CHECKPOINT_SHARE = 0.03  # where writing them would take more than this of the time

Objective = minimise.Objective


def resolve_device(name: str = "auto") -> torch.device:
    """The torch device of a name; "auto" is CUDA where there is one, else the CPU.

    Raises:
        ValueError: a name torch does not know, or a device this machine does not have.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    available = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    kind = name.split(":")[0]
    if not available.get(kind, False):
        allowed = ["auto", *(key for key, there in available.items() if there)]
        raise ValueError(f"device must be one of {', '.join(allowed)} here, got {name!r}")
    return torch.device(name)


# --- gradients -------------------------------------------------------------------------------


def tabulated_loss(runs: Sequence[Run], dtype: torch.dtype, threads: int = 1) -> Objective:
    """L_x-ent of every run and its gradient, run by run through `tabulated`; for the CPU.

    `threads` of its own share a run's examples. torch should use one thread itself: how many it
    uses in a product of matrices changes the last bits.
    """
    keep_freed_memory()
    each: tabulated.Each = map
    if threads > 1:
        each = ThreadPoolExecutor(
            threads, initializer=torch.set_num_threads, initargs=(1,)
        ).map
    shapes = _shapes(runs[0])
    examples = []
    for run in runs:
        pairs, labels = map(torch.from_numpy, _train_set(run))
        n = tasks.task(run.task, run.p).n_tokens
        examples.append(tabulated.chunks(pairs, labels, n, run.model.n_heads, dtype))

    def value_and_gradient(
        rows: Float[Tensor, "run parameter"],
    ) -> tuple[Float[Tensor, " run"], Float[Tensor, "run parameter"]]:
        losses, slopes = [], []
        for row, own in zip(rows.split(1), examples, strict=True):
            theta = {name: weight[0] for name, weight in stack.named(row, shapes).items()}
            loss, gradient = tabulated.gradient(theta, own, each)
            losses.append(loss)
            slopes.append(torch.cat([slope.flatten() for slope in gradient.values()]))
        return torch.stack(losses), torch.stack(slopes)

    return value_and_gradient


def batched_loss(runs: Sequence[Run], dtype: torch.dtype, device: torch.device) -> Objective:
    """L_x-ent of every run and its gradient, all runs at once through `stack`; for accelerators."""
    shapes = _shapes(runs[0])
    pairs, labels = zip(*map(_train_set, runs), strict=True)
    batch = stack.Batch.of(list(pairs), list(labels), dtype, device)
    half = runs[0].precision == "bf16"

    def value_and_gradient(
        rows: Float[Tensor, "run parameter"],
    ) -> tuple[Float[Tensor, " run"], Float[Tensor, "run parameter"]]:
        rows = rows.detach().requires_grad_()
        with torch.enable_grad():
            with torch.autocast(device.type, torch.bfloat16) if half else nullcontext():
                loss = stack.train_loss(stack.named(rows, shapes), batch)
            [gradient] = torch.autograd.grad(loss.sum(), rows)
        return loss.detach(), gradient

    return value_and_gradient


def _shapes(run: Run) -> dict[str, tuple[int, ...]]:
    return run.model.shapes(tasks.task(run.task, run.p).n_tokens)


def _train_set(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """Operand pairs [batch, 2] and labels [batch] of the train set."""
    rows = run.split()[0]
    return tasks.task(run.task, run.p).inputs[rows], run.example_labels()[rows]


@cache
def keep_freed_memory() -> None:
    """Have glibc reuse the megabytes that a step frees: else a tenth is page faults."""
    M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
    with suppress(AttributeError, OSError, TypeError):  # another C library
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, 1 << 30)
        libc.mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)


# --- a stack ---------------------------------------------------------------------------------


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
    def step(self, train_loss: Objective) -> None:
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
        self.optimiser: AdamW | minimise.LBFGS
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
        self.optimiser = lbfgs = (
            minimise.LBFGS(point) if fresh else minimise.LBFGS.restore(tensors)
        )
        eps = _column([run.eps for run in self.runs], point)
        weight_decay = _column([run.weight_decay for run in self.runs], point)
        objective = minimise.total(self.train_loss, eps, weight_decay)
        self.step = lambda: lbfgs.step(objective)

    def advance(self) -> None:
        """One gradient of every run's whole train set, and what the optimiser makes of it."""
        self.step()
        if self._mixed and self.optimiser.point.dtype == torch.float32 and self.stuck().all():
            self._begin({"point": self.optimiser.point}, torch.float64, 0)

    def stuck(self) -> torch.Tensor:
        """Which runs cannot go on, for want of precision [run]."""
        if isinstance(self.optimiser, AdamW):
            return torch.zeros(len(self.runs), dtype=torch.bool)
        return self.optimiser.stuck.cpu()

    def metrics(self) -> Float[Tensor, "run metric"]:
        """`METRICS` of every run, on the device, without waiting for it."""
        point = self.optimiser.point
        gradient = self.train_loss(point)[1]
        if self.device.type == "mps":  # it has no float64
            point, gradient = point.cpu(), gradient.cpu()
        eps = _column([run.eps for run in self.runs], point.double())
        weight_decay = _column([run.weight_decay for run in self.runs], point.double())
        residual = stationarity(point, gradient, eps, weight_decay)
        return torch.stack(
            [
                evaluate(run, theta, own)
                for run, theta, own in zip(self.runs, self._thetas(point), residual, strict=True)
            ]
        )

    def _thetas(self, rows: Float[Tensor, "run parameter"]) -> list[dict[str, Tensor]]:
        named = stack.named(rows, _shapes(self.runs[0]))
        return [{name: w[i] for name, w in named.items()} for i in range(len(rows))]

    def theta(self, i: int) -> dict[str, Float[Tensor, "..."]]:
        """A copy of the parameters of the i-th run, on the CPU."""
        own = self.optimiser.point.detach()[i : i + 1].cpu()
        return stack.unstacked(stack.named(own, _shapes(self.runs[0])), 0)

    def state(self, i: int) -> dict[str, Tensor]:
        """All that the i-th run needs to continue, in this or another stack; on the CPU."""
        tensors = self.optimiser.tensors()
        return {name: t[i].detach().to("cpu", copy=True) for name, t in tensors.items()}


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
    return {"point": stack.flat({name: w.unsqueeze(0) for name, w in theta.items()})[0]}


# --- from start or checkpoint to the end -----------------------------------------------------


class Training:
    """A stack part of the way: its position, the metrics so far and who worked on it."""

    def __init__(
        self,
        runs: Sequence[Run],
        saved: Sequence[Checkpoint | None],
        store: Store,
        device: torch.device,
        threads: int,
    ) -> None:
        """The runs go on from their checkpoints, all of one epoch, or from their start."""
        self.runs, self.store = list(runs), store
        self.epoch = saved[0].epoch if saved[0] else 0
        self.logged = {int(epoch): row for row, epoch in enumerate(runs[0].log_epochs())}
        self.metrics = torch.full(
            (len(self.logged), len(runs), len(METRICS)), torch.nan, dtype=torch.float64
        )
        states = []
        for i, (run, checkpoint) in enumerate(zip(runs, saved, strict=True)):
            states.append(dict(checkpoint.tensors) if checkpoint else start(run, store))
            if checkpoint:
                self.metrics[:, i] = states[-1].pop("metrics")
        self.stack = Stack(runs, states, device, self.epoch, threads=threads)
        self.began = self.last_saved = time.monotonic()
        self.save_seconds = 0.0
        self.here = provenance(device) | {
            "from_epoch": self.epoch,
            "stack": len(runs),
            "precision": runs[0].precision,
            "wall_seconds": 0.0,
        }
        self.before = [checkpoint.provenance if checkpoint else [] for checkpoint in saved]

    def advance(self) -> None:
        """Log, if it is time to, store and drop the runs that end here, then train one epoch."""
        row = self.logged.get(self.epoch)
        if row is not None:
            self.metrics[row] = self.stack.metrics().cpu()
        self.here["wall_seconds"] = time.monotonic() - self.began
        if row is not None:
            self._end(row)
        if self.runs:
            self.stack.advance()
            self.epoch += 1

    def _end(self, row: int) -> None:
        """Store the records of the runs that end at this row of the log, and drop them."""
        over = row == len(self.logged) - 1
        stuck = self.stack.stuck()
        why = [
            "" if over else _ended(run, self.metrics[: row + 1, i], bool(stuck[i]))
            for i, run in enumerate(self.runs)
        ]
        if not over and not any(why):
            return
        if over and len(self.runs) > 1:
            self.save()  # so that a crash between two of the records loses none
        for i, run in enumerate(self.runs):
            if over or why[i]:
                self._finish(i, run, row + 1, why[i])
        self.keep([i for i in range(len(why)) if not (over or why[i])])

    def _finish(self, i: int, run: Run, rows: int, why: str) -> None:
        columns = self.metrics[:rows, i].numpy().T
        metrics = {
            name: c for name, c in zip(METRICS, columns, strict=True) if not np.isnan(c).all()
        }
        origin = {"processes": [*self.before[i], self.here]} | ({"ended": why} if why else {})
        theta = self.stack.theta(i) if run.keep_weights else None
        epochs = run.log_epochs()[:rows]
        self.store.put(Record(run, {"epoch": epochs} | metrics, origin), theta)
        self.store.drop_checkpoint(run)

    def keep(self, which: list[int]) -> None:
        """Go on with these runs of the stack only."""
        if len(which) == len(self.runs):
            return
        self.metrics = self.metrics[:, which]
        self.before = [self.before[i] for i in which]
        self.runs = [self.runs[i] for i in which]
        if self.runs:
            states = [self.stack.state(i) for i in which]
            before = self.stack
            self.stack = Stack(
                self.runs, states, before.device, self.epoch, threads=before.threads
            )

    def due(self) -> bool:
        """Whether it is time for a checkpoint."""
        pause = max(CHECKPOINT_SECONDS, self.save_seconds / CHECKPOINT_SHARE)
        return time.monotonic() - self.last_saved > pause

    def save(self) -> None:
        """A checkpoint of every run. If the disk is full that is said, and training goes on."""
        began = time.monotonic()
        for i, run in enumerate(self.runs):
            tensors = self.stack.state(i) | {"metrics": self.metrics[:, i]}
            checkpoint = Checkpoint(run, self.epoch, tensors, [*self.before[i], self.here])
            try:
                self.store.save_checkpoint(checkpoint)
            except StoreFull as error:
                warnings.warn(f"{error}; training goes on without this checkpoint", stacklevel=2)
        self.last_saved = time.monotonic()
        self.save_seconds = self.last_saved - began


def _ended(run: Run, metrics: Float[Tensor, "log metric"], stuck: bool) -> str:
    """Why the run ends at the last row of these metrics, before its epochs are over; or ""."""
    if stuck:
        return "no step lowers the objective at this precision"
    residual, accuracy = (
        metrics[:, METRICS.index(name)].numpy() for name in ("residual", "test_accuracy")
    )
    epochs = run.log_epochs()[: len(residual)]
    if run.optimiser == "lbfgs":
        if not residual[-1] < run.tolerance:
            return ""
    elif not at_rest(epochs, residual, accuracy, run.tolerance, run.decay_time):
        return ""
    return f"converged: residual {residual[-1]:.2g} below {run.tolerance:g}"


def train_stack(
    claim: Claim,
    store: Store,
    device: torch.device,
    threads: int = 1,
    progress: Callable[[int], object] = lambda epochs: None,
    halt: Callable[[], bool] = lambda: False,
) -> bool:
    """Train the claimed runs, which `sweep.pack` found to fit one stack, and store the records.

    On the CPU `threads` share it. `progress` is told of epochs trained, times runs. Returns False
    if `halt()` came first; then checkpoints hold everything.
    """
    saved = {run: store.load_checkpoint(run) for run in claim.runs}

    def epoch(run: Run) -> int:
        checkpoint = saved[run]
        return checkpoint.epoch if checkpoint else 0

    with cuda.matmul_precision(claim.runs[0].precision if claim.runs else "float32", device):
        for _, members in groupby(sorted(claim.runs, key=epoch), epoch):
            runs = list(members)
            checkpoints = [saved.pop(run) for run in runs]
            training = Training(runs, checkpoints, store, device, threads)
            if not _to_the_end(training, claim, progress, halt):
                return False
    return True


def _to_the_end(
    training: Training,
    claim: Claim,
    progress: Callable[[int], object],
    halt: Callable[[], bool],
) -> bool:
    total = training.runs[0].epochs
    progress(training.epoch * len(training.runs))
    while training.runs:
        held, epoch = len(training.runs), training.epoch
        training.advance()
        # a run that ended early is through with all its epochs
        gone = held - len(training.runs)
        progress((total - epoch) * gone + (training.epoch - epoch) * len(training.runs))
        ends = halt()
        if ends or training.due():
            lost = set(claim.lost())  # to a process that took this one for dead
            training.keep([i for i, run in enumerate(training.runs) if run not in lost])
            training.save()
        if ends and training.runs:
            return False
    return True
