"""One stack of runs, from the start or their checkpoints to the end: full-batch AdamW or L-BFGS.

Killed at any moment, a run continues from its checkpoint, on one machine's CPU to the same bits.
"""

import time
import warnings
from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from grokkit.engine import cuda
from grokkit.engine.metrics import METRICS, at_minimum, at_rest
from grokkit.engine.stack import Stack, begun, start
from grokkit.engine.tabulated import keep_freed_memory
from grokkit.optimum import objective
from grokkit.runs import Record, Run
from grokkit.store.files import StoreFull
from grokkit.store.store import Checkpoint, Store, provenance

FINITE = [METRICS.index(name) for name in ("train_loss", "param_norm", "correct_logit_raw")]

CHECKPOINT_SECONDS = 30.0  # between checkpoints, and more
CHECKPOINT_SHARE = 0.03  # where writing them would take more than this of the time


def resolve_device(name: str = "auto") -> torch.device:
    """The torch device of a name; "auto" is CUDA where there is one, else the CPU.

    Raises ValueError for a name torch does not know, or a device this machine does not have.
    """
    cards = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return torch.device("cuda" if cards else "cpu")
    available = ["auto", "cpu", *["cuda"][:cards], *(f"cuda:{i}" for i in range(cards))]
    if (name := str(name)) not in available:
        raise ValueError(f"device must be one of {', '.join(available)} here, got {name!r}")
    return torch.device(name)


def train_stack(
    runs: Sequence[Run],
    store: Store,
    device: torch.device,
    threads: int = 1,
    progress: Callable[[int], object] = lambda epochs: None,
    halt: Callable[[], bool] = lambda: False,
) -> tuple[list[Run], str]:
    """Train those runs of a stack (`plan.pack`) that nobody else holds, and store their records.

    Returns these runs, and what is to be said of those that left the finite numbers. On the CPU
    `threads` share the stack, and `tabulated.keep_freed_memory` holds. `progress` is told of epochs
    trained, times runs. If `halt()` comes first, checkpoints hold everything. Raises StoreFull if
    there is no space for a record, or for the checkpoints after `halt()`.
    """
    if device.type == "cpu":
        keep_freed_memory()
    diverged: list[str] = []
    with store.lock(runs) as held, cuda.matmul_precision(runs[0].precision, device):
        alike: dict[tuple[int, str], dict[Run, Checkpoint | None]] = {}  # epoch, dtype
        for run in held:
            saved = store.load_checkpoint(run, check_checkpoint)
            at = (saved.epoch, str(saved.tensors["point"].dtype)) if saved else (0, "")
            alike.setdefault(at, {})[run] = saved
        for (epoch, _), group in sorted(alike.items()):
            training = Training(group, store, device, threads)
            group.clear()  # the stack has copies
            progress(epoch * len(training.runs))
            while training.runs:
                progress(training.advance())
                if halt() and training.runs:
                    training.save(stopping=True)
                    return held, "\n".join(diverged + training.diverged)
                if training.due():
                    training.save()
            diverged += training.diverged
    return held, "\n".join(diverged)


class Training:
    """A stack part of the way: its position, the metrics so far and who worked on it."""

    def __init__(
        self, saved: dict[Run, Checkpoint | None], store: Store, device: torch.device, threads: int
    ) -> None:
        """The runs go on from their checkpoints, all of one epoch, or from their start."""
        runs, self.store = list(saved), store
        [epoch] = {each.epoch if each else 0 for each in saved.values()}
        self.logged = {int(epoch): row for row, epoch in enumerate(runs[0].log_epochs())}
        states = [dict(s.tensors) if s else start(run, store) for run, s in saved.items()]
        unknown = torch.full((len(self.logged), len(METRICS)), torch.nan, dtype=torch.float64)
        self.metrics = torch.stack([state.pop("metrics", unknown) for state in states], 1)
        self.runs, self.stack = runs, Stack(runs, states, device, epoch, threads=threads)
        self.started_at = self.last_saved = time.monotonic()
        self.save_seconds = 0.0
        how = {"threads": threads, "stack": len(runs), "precision": runs[0].precision}
        self.this_process: dict = provenance(device) | how | {"from_epoch": epoch}
        before = [each.provenance if each else [] for each in saved.values()]
        self.processes = [[*processes, self.this_process] for processes in before]
        self.diverged: list[str] = []  # what to say of the runs that left the finite numbers

    def advance(self) -> int:
        """Log, if it is time to, store and drop the runs that end here, then train one epoch.

        Returns the epochs that this was, times runs; a run that ends is through with all of them.
        """
        before, left = len(self.runs), self.runs[0].epochs - self.stack.epoch
        row = self.logged.get(self.stack.epoch)
        if row is not None:
            self.metrics[row] = self.stack.metrics().cpu()
            self.this_process["wall_seconds"] = time.monotonic() - self.started_at
            self._drop_diverged(row)
            self._store_finished(row)
        if self.runs:
            self.stack.advance()
        return left * (before - len(self.runs)) + len(self.runs)

    def _drop_diverged(self, row: int | None = None) -> None:
        """Drop the runs that left the finite numbers; they keep the checkpoints they have."""
        finite = self.stack.finite()
        if row is not None:
            finite &= self.metrics[row][:, FINITE].isfinite().all(1)
        for i in (~finite).nonzero().flatten().tolist():
            loss = "" if row is None else f", with a train_loss of {self.metrics[row, i, 0]:g}"
            run, at = self.runs[i], f"by epoch {self.stack.epoch:,}{loss}"
            left = "it has no record, and its last checkpoint, if it has one, is as it was"
            self.diverged.append(f"run {run.key} ({run}) has left the finite numbers {at}: {left}")
        self._keep(finite.tolist())

    def _store_finished(self, row: int) -> None:
        """Store the records of the runs that end at this row of the log, and drop them."""
        metrics, stuck = self.metrics[: row + 1], self.stack.stuck().tolist()
        at_last_epoch = row == len(self.logged) - 1
        reasons = [
            "" if at_last_epoch else stop_reason(run, metrics[:, i], stuck[i])
            for i, run in enumerate(self.runs)
        ]
        if at_last_epoch and len(self.runs) > 1:
            self.save()  # so that a crash between two of the records loses none
        ends = [at_last_epoch or bool(reason) for reason in reasons]
        for i in np.flatnonzero(ends).tolist():
            run = self.runs[i]
            columns = zip(METRICS, metrics[:, i].numpy().T, strict=True)
            curves = {name: column for name, column in columns if not np.isnan(column).all()}
            ended = {"ended": reasons[i]} if reasons[i] else {}
            origin = {"processes": self.processes[i], **ended}
            record = Record(run, {"epoch": run.log_epochs()[: row + 1]} | curves, origin)
            self.store.put(record, self.stack.theta(i) if run.keep_weights else None)
            self.store.drop_checkpoint(run)
        self._keep([not end for end in ends])

    def _keep(self, which: list[bool]) -> None:
        """Go on with these runs of the stack only."""
        if all(which):
            return
        kept = np.flatnonzero(which).tolist()
        self.metrics = self.metrics[:, kept]
        self.processes = [self.processes[i] for i in kept]
        self.runs = [self.runs[i] for i in kept]
        if self.runs:
            states, old = [self.stack.state(i) for i in kept], self.stack
            self.stack = Stack(self.runs, states, old.device, old.epoch, threads=old.threads)

    def due(self) -> bool:
        """Whether it is time for a checkpoint."""
        pause = max(CHECKPOINT_SECONDS, self.save_seconds / CHECKPOINT_SHARE)
        return time.monotonic() - self.last_saved > pause

    def save(self, stopping: bool = False) -> None:
        """A checkpoint of every run. If the disk is full that is said, and training goes on.

        Raises StoreFull instead if `stopping`; checkpoints not replaced are as they were.
        """
        self._drop_diverged()
        began, full, epoch = time.monotonic(), None, self.stack.epoch
        self.this_process["wall_seconds"] = began - self.started_at
        for i, run in enumerate(self.runs):
            tensors = self.stack.state(i) | {"metrics": self.metrics[:, i]}
            try:
                self.store.save_checkpoint(Checkpoint(run, epoch, tensors, self.processes[i]))
            except StoreFull as error:
                full = error
        self.last_saved = time.monotonic()
        self.save_seconds = self.last_saved - began
        if full and stopping:
            lost = "what was trained since the last checkpoint is lost; the next call starts there"
            raise StoreFull(full.errno, f"{full.strerror}; {lost}") from full
        if full:
            warnings.warn(f"{full}; training goes on without this checkpoint", stacklevel=2)


def stop_reason(run: Run, metrics: Float[Tensor, "log metric"], stuck: bool) -> str:
    """Why the run ends at the last row of these metrics, before its last epoch; "": it goes on."""
    if stuck:
        return "no step lowers the objective at this precision"
    residual, accuracy, loss, norm = (
        metrics[:, METRICS.index(name)].numpy()
        for name in ("residual", "test_accuracy", "train_loss", "param_norm")
    )
    epochs, last = run.log_epochs()[: len(residual)], float(residual[-1])
    if run.until_rest and at_minimum(epochs, objective(loss, norm, run.alpha), last):
        return f"at rest: residual {last:.2g}"
    if run.optimiser == "lbfgs":
        converged = last < run.tolerance
    else:
        converged = at_rest(epochs, residual, accuracy, run.tolerance, run.decay_time)
    return f"converged: residual {last:.2g} below {run.tolerance:g}" if converged else ""


def check_checkpoint(run: Run, tensors: dict[str, Tensor]) -> None:
    """Raises ValueError if these tensors have not the names, shapes, types of its checkpoints."""
    found = {name: (tensor.shape, tensor.dtype) for name, tensor in tensors.items()}
    final = run.precision == "mixed" and torch.float64 in found.get("point", ())
    double = run.precision == "float64" or final
    point = torch.zeros(1, run.n_parameters)
    fresh = begun([run], {"point": point}, torch.float64 if double else torch.float32).tensors()
    expected = {name: (tensor.shape[1:], tensor.dtype) for name, tensor in fresh.items()}
    expected["metrics"] = (torch.Size((len(run.log_epochs()), len(METRICS))), torch.float64)
    for name in sorted(found.keys() | expected.keys()):
        if found.get(name) != expected.get(name):
            raise ValueError(f"{name} must be {expected.get(name)}, got {found.get(name)}")
