"""One stack of runs, from the start or their checkpoints to the end: full-batch AdamW or L-BFGS.

`sweep` trains as many stacks at a time as there are threads. Killed at any moment, a run continues
from its checkpoint, and on one machine ends with the same bits as an unbroken one.
"""

import time
import warnings
from collections.abc import Callable, Sequence
from itertools import groupby

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
from grokkit.store.locks import Claim
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
        self.began = self.last_saved = time.monotonic()
        self.save_seconds = 0.0
        self.here = provenance(device) | {
            "threads": threads,
            "from_epoch": self.epoch,
            "stack": len(runs),
            "precision": runs[0].precision,
            "wall_seconds": 0.0,
        }
        self.before = [checkpoint.provenance if checkpoint else [] for checkpoint in saved]
        self.diverged: list[str] = []  # what to say of the runs that left the finite numbers

    def advance(self) -> None:
        """Log, if it is time to, store and drop the runs that end here, then train one epoch."""
        row = self.logged.get(self.epoch)
        if row is not None:
            self.metrics[row] = self.stack.metrics().cpu()
        self.here["wall_seconds"] = time.monotonic() - self.began
        if row is not None:
            self._part_from_diverged(row)
            self._end(row)
        if self.runs:
            self.stack.advance()
            self.epoch += 1

    def _part_from_diverged(self, row: int | None = None) -> None:
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
        self.keep([i for i in range(len(self.runs)) if finite[i]])

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
            self.save_or_warn()  # so that a crash between two of the records loses none
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
            self.stack = Stack(self.runs, states, before.device, self.epoch, threads=before.threads)

    def due(self) -> bool:
        """Whether it is time for a checkpoint."""
        pause = max(CHECKPOINT_SECONDS, self.save_seconds / CHECKPOINT_SHARE)
        return time.monotonic() - self.last_saved > pause

    def save(self) -> None:
        """A checkpoint of every run.

        Raises:
            StoreFull: the disk is full; those that could not be replaced are as they were.
        """
        self._part_from_diverged()
        began, full = time.monotonic(), None
        for i, run in enumerate(self.runs):
            tensors = self.stack.state(i) | {"metrics": self.metrics[:, i]}
            checkpoint = Checkpoint(run, self.epoch, tensors, [*self.before[i], self.here])
            try:
                self.store.save_checkpoint(checkpoint)
            except StoreFull as error:
                full = error
        self.last_saved = time.monotonic()
        self.save_seconds = self.last_saved - began
        if full:
            raise full

    def save_or_warn(self) -> None:
        """A checkpoint of every run. If the disk is full that is said, and training goes on."""
        try:
            self.save()
        except StoreFull as error:
            warnings.warn(f"{error}; training goes on without this checkpoint", stacklevel=2)


def _ended(run: Run, metrics: Float[Tensor, "log metric"], stuck: bool) -> str:
    """Why the run ends at the last row of these metrics, before its epochs are over; or ""."""
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
    claim: Claim,
    store: Store,
    device: torch.device,
    threads: int = 1,
    progress: Callable[[int], object] = lambda epochs: None,
    halt: Callable[[], bool] = lambda: False,
) -> bool:
    """Train the claimed runs, which `sweep.pack` found to fit one stack, and store the records.

    On the CPU `threads` share it, and the process keeps the memory that it frees from then on
    (`gradients.keep_freed_memory`). `progress` is told of epochs trained, times runs. Returns False
    if `halt()` came first; then checkpoints hold everything.

    Raises:
        StoreFull: no space for a record, or for the checkpoints after `halt()`.
        FloatingPointError: runs left the finite numbers; the others were trained.
    """
    if device.type == "cpu":
        keep_freed_memory()
    saved = {run: store.load_checkpoint(run, check_checkpoint) for run in claim.runs}
    diverged: list[str] = []

    def epoch(run: Run) -> int:
        checkpoint = saved[run]
        return checkpoint.epoch if checkpoint else 0

    with cuda.matmul_precision(claim.runs[0].precision if claim.runs else "float32", device):
        for _, members in groupby(sorted(claim.runs, key=epoch), epoch):
            runs = list(members)
            checkpoints = [saved.pop(run) for run in runs]
            training = Training(runs, checkpoints, store, device, threads)
            ended = _to_the_end(training, claim, progress, halt)
            diverged += training.diverged
            if not ended:
                break
        else:
            ended = True
    if diverged:
        raise FloatingPointError("\n".join(diverged))
    return ended


def _save_last(training: Training) -> None:
    try:
        training.save()
    except StoreFull as error:
        lost = "what was trained since the last checkpoint is lost; the next call continues there"
        raise StoreFull(error.errno, f"{error.strerror}; {lost}") from error


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
            if not ends:
                training.save_or_warn()
        if ends and training.runs:
            _save_last(training)
            return False
    return True
