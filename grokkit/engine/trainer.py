"""One stack of runs, from the start or their checkpoints to the end: full-batch AdamW or L-BFGS.

Killed at any moment, a run continues from its checkpoint, and on one machine ends with the same
bits as an unbroken one.
"""

import time
import warnings
from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from grokkit.engine import cuda
from grokkit.engine.gradients import keep_freed_memory
from grokkit.engine.metrics import METRICS, at_minimum, at_rest
from grokkit.engine.stack import Stack, check_state, check_tensors, start
from grokkit.optimum import objective
from grokkit.runs import Record, Run
from grokkit.store.files import StoreFull
from grokkit.store.store import Checkpoint, Store, provenance

FINITE = [METRICS.index(name) for name in ("train_loss", "param_norm", "correct_logit_raw")]

CHECKPOINT_SECONDS = 30.0  # between checkpoints, and more
CHECKPOINT_SHARE = 0.03  # where writing them would take more than this of the time


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
        self.started_at = self.last_saved = time.monotonic()
        self.save_seconds = 0.0
        self.this_process = provenance(device) | {
            "threads": threads,
            "from_epoch": self.epoch,
            "stack": len(runs),
            "precision": runs[0].precision,
            "wall_seconds": 0.0,
        }
        self.earlier_processes = [each.provenance if each else [] for each in saved]
        self.diverged: list[str] = []  # what to say of the runs that left the finite numbers

    def run(self, progress: Callable[[int], object], halt: Callable[[], bool]) -> bool:
        """Train to the end; False if `halt()` came first, and checkpoints hold everything."""
        epochs = self.runs[0].epochs
        progress(self.epoch * len(self.runs))
        while self.runs:
            before, epoch = len(self.runs), self.epoch
            self.advance()
            ended = before - len(self.runs)  # through with all their epochs, also if early
            progress((epochs - epoch) * ended + (self.epoch - epoch) * len(self.runs))
            if halt() and self.runs:
                self.save(stopping=True)
                return False
            if self.due():
                self.save()
        return True

    def advance(self) -> None:
        """Log, if it is time to, store and drop the runs that end here, then train one epoch."""
        row = self.logged.get(self.epoch)
        if row is not None:
            self.metrics[row] = self.stack.metrics().cpu()
            self.this_process["wall_seconds"] = time.monotonic() - self.started_at
            self._drop_diverged(row)
            self._store_finished(row)
        if self.runs:
            self.stack.advance()
            self.epoch += 1

    def _drop_diverged(self, row: int | None = None) -> None:
        """Drop the runs that left the finite numbers; they keep the checkpoints they have."""
        finite = self.stack.finite()
        if row is not None:
            finite &= self.metrics[row][:, FINITE].isfinite().all(1)
        for i in range(len(self.runs)):
            if not finite[i]:
                loss = "" if row is None else f", with a train_loss of {self.metrics[row, i, 0]:g}"
                self.diverged.append(
                    f"run {self.runs[i].key} ({self.runs[i]}) has left the finite numbers by epoch "
                    f"{self.epoch:,}{loss}: it has no record, and its last checkpoint, if it has "
                    "one, is as it was"
                )
        self._keep([i for i in range(len(self.runs)) if finite[i]])

    def _store_finished(self, row: int) -> None:
        """Store the records of the runs that end at this row of the log, and drop them."""
        at_last_epoch, stuck = row == len(self.logged) - 1, self.stack.stuck()
        reasons = [
            "" if at_last_epoch else stop_reason(run, self.metrics[: row + 1, i], bool(stuck[i]))
            for i, run in enumerate(self.runs)
        ]
        if at_last_epoch and len(self.runs) > 1:
            self.save()  # so that a crash between two of the records loses none
        for i, (run, reason) in enumerate(zip(self.runs, reasons, strict=True)):
            if at_last_epoch or reason:
                self.store.put(*self._record(i, row + 1, reason))
                self.store.drop_checkpoint(run)
        self._keep([i for i, reason in enumerate(reasons) if not (at_last_epoch or reason)])

    def _record(self, i: int, rows: int, reason: str) -> tuple[Record, dict[str, Tensor] | None]:
        """The record of the i-th run, and its weights if it keeps them."""
        run, columns = self.runs[i], self.metrics[:rows, i].numpy().T
        metrics = {
            name: c for name, c in zip(METRICS, columns, strict=True) if not np.isnan(c).all()
        }
        origin = {"processes": self._processes(i)} | ({"ended": reason} if reason else {})
        record = Record(run, {"epoch": run.log_epochs()[:rows]} | metrics, origin)
        return record, self.stack.theta(i) if run.keep_weights else None

    def _processes(self, i: int) -> list[dict]:
        """Who worked on the i-th run."""
        return [*self.earlier_processes[i], self.this_process]

    def _keep(self, which: list[int]) -> None:
        """Go on with these runs of the stack only."""
        if len(which) == len(self.runs):
            return
        self.metrics = self.metrics[:, which]
        self.earlier_processes = [self.earlier_processes[i] for i in which]
        self.runs = [self.runs[i] for i in which]
        if self.runs:
            states, old = [self.stack.state(i) for i in which], self.stack
            self.stack = Stack(self.runs, states, old.device, self.epoch, threads=old.threads)

    def due(self) -> bool:
        """Whether it is time for a checkpoint."""
        pause = max(CHECKPOINT_SECONDS, self.save_seconds / CHECKPOINT_SHARE)
        return time.monotonic() - self.last_saved > pause

    def save(self, stopping: bool = False) -> None:
        """A checkpoint of every run. If the disk is full that is said, and training goes on.

        Raises:
            StoreFull: `stopping`, and the disk is full; checkpoints not replaced are as they were.
        """
        self._drop_diverged()
        began, full = time.monotonic(), None
        self.this_process["wall_seconds"] = began - self.started_at
        for i, run in enumerate(self.runs):
            tensors = self.stack.state(i) | {"metrics": self.metrics[:, i]}
            try:
                self.store.save_checkpoint(Checkpoint(run, self.epoch, tensors, self._processes(i)))
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
    epochs = run.log_epochs()[: len(residual)]
    if run.optimiser == "lbfgs":
        level = objective(loss, norm, run.alpha) if run.until_rest else None
        if level is not None and at_minimum(epochs, level, float(residual[-1])):
            return f"at rest: residual {residual[-1]:.2g}"
        if not residual[-1] < run.tolerance:
            return ""
    elif not at_rest(epochs, residual, accuracy, run.tolerance, run.decay_time):
        return ""
    return f"converged: residual {residual[-1]:.2g} below {run.tolerance:g}"


def check_checkpoint(run: Run, tensors: dict[str, Tensor]) -> None:
    """Nothing, if these are the tensors of a checkpoint of the run.

    Raises:
        ValueError: they have other names, shapes or types.
    """
    state = dict(tensors)
    check_tensors(
        {"metrics": state.pop("metrics", torch.empty(0))},
        {"metrics": ((len(run.log_epochs()), len(METRICS)), torch.float64)},
    )
    check_state(run, state)


def train_stack(
    runs: Sequence[Run],
    store: Store,
    device: torch.device,
    threads: int = 1,
    progress: Callable[[int], object] = lambda epochs: None,
    halt: Callable[[], bool] = lambda: False,
) -> None:
    """Train runs that fit one stack (`plan.pack`) and that the caller has locked; store records.

    On the CPU `threads` share it, and the process keeps the memory that it frees from then on
    (`gradients.keep_freed_memory`). `progress` is told of epochs trained, times runs. If `halt()`
    comes first, checkpoints hold everything.

    Raises:
        StoreFull: no space for a record, or for the checkpoints after `halt()`.
        FloatingPointError: runs left the finite numbers; the others were trained.
    """
    if device.type == "cpu":
        keep_freed_memory()
    by_epoch: dict[int, dict[Run, Checkpoint | None]] = {}
    for run in runs:
        saved = store.load_checkpoint(run, check_checkpoint)
        by_epoch.setdefault(saved.epoch if saved else 0, {})[run] = saved
    diverged: list[str] = []
    with cuda.matmul_precision(runs[0].precision, device):
        for _, group in sorted(by_epoch.items()):
            training = Training(list(group), list(group.values()), store, device, threads)
            group.clear()  # the stack has copies
            to_the_end = training.run(progress, halt)
            diverged += training.diverged
            if not to_the_end:
                break
    if diverged:
        raise FloatingPointError("\n".join(diverged))
