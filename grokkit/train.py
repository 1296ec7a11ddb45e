"""Full-batch AdamW on a stack of runs, from the start or a checkpoint to the end.

`train` is the one entrance: runs that the store has are loaded, the others are packed into stacks
and trained, with a checkpoint every half minute. Killed at any moment it continues where it was,
and on one machine (same thread count) ends with the same bits as an unbroken run.
"""

import ctypes
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from grokkit import stack, tasks
from grokkit.metrics import METRICS, evaluate
from grokkit.model import initialise
from grokkit.runs import Record, Run
from grokkit.store import Checkpoint, Store, provenance

CHECKPOINT_SECONDS = 30.0
MAX_EXAMPLES = {"cpu": 20_000, "cuda": 400_000, "mps": 100_000}  # of a stack
MAX_PADDING = 0.1  # share of a stack's rows


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


Gradient = dict[str, Float[Tensor, "..."]]  # of one run, by parameter
Each = Callable[..., Iterable]  # `map`, or one that works on several runs at a time


class Group:
    """Runs of a stack that go through one batched step: parameters, train sets, AdamW.

    Every run has its own parameter group, on views of the stacked tensors, and so its own lr,
    weight decay, eps and betas.
    """

    def __init__(self, runs: list[Run], theta: stack.Theta) -> None:
        """`theta` is trained in place."""
        self.runs = runs
        self.theta = {name: weight.requires_grad_() for name, weight in theta.items()}
        rows = [run.split()[0] for run in runs]
        inputs = [tasks.task(run.task, run.p).inputs for run in runs]
        self.batch = stack.Batch.of(
            [pairs[row] for pairs, row in zip(inputs, rows, strict=True)],
            [run.example_labels()[row] for run, row in zip(runs, rows, strict=True)],
            theta["W_E"].dtype,
            theta["W_E"].device,
        )
        self.views = [
            {name: weight.detach()[i].requires_grad_() for name, weight in theta.items()}
            for i in range(len(runs))
        ]
        self.adamw = torch.optim.AdamW(
            [
                {
                    "params": list(views.values()),
                    "lr": run.lr,
                    "betas": (run.beta1, run.beta2),
                    "eps": run.eps,
                    "weight_decay": run.weight_decay,
                }
                for run, views in zip(runs, self.views, strict=True)
            ],
            fused=True,
        )

    def gradient(self) -> list[Gradient]:
        """Gradient of each run's train loss with respect to its own parameters."""
        loss = stack.train_loss(self.theta, self.batch).sum()
        slopes = torch.autograd.grad(loss, list(self.theta.values()))
        # torch's fused AdamW on the CPU reads a gradient in memory order, whatever its strides
        whole = {name: slope.contiguous() for name, slope in zip(self.theta, slopes, strict=True)}
        return [{name: slope[i] for name, slope in whole.items()} for i in range(len(self.runs))]

    def update(self, gradients: list[Gradient]) -> None:
        """One epoch: AdamW with decoupled weight decay on every parameter."""
        for views, gradient in zip(self.views, gradients, strict=True):
            for name, view in views.items():
                view.grad = gradient[name]
        self.adamw.step()

    def advance(self, log: bool, train: bool) -> Float[Tensor, "run metric"] | None:
        """The metrics before the epoch, if `log`; then the epoch, if `train`."""
        gradients = self.gradient()
        values = None
        if log:
            thetas = [{name: v.detach() for name, v in views.items()} for views in self.views]
            values = torch.stack(list(map(evaluate, self.runs, thetas, gradients)))
        if train:
            self.update(gradients)
        return values


class Stack:
    """A stack of runs in training.

    On an accelerator all of them go through one batched step. On the CPU each goes by itself, as
    many at a time as there are threads: that is faster (a step of one run fits the cache), needs
    no padding, and makes a run's bits independent of its neighbours.
    """

    def __init__(
        self,
        runs: Sequence[Run],
        theta: stack.Theta,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.runs, self.device = list(runs), device
        self.theta = {k: v.detach().to(device, dtype).contiguous() for k, v in theta.items()}
        size = 1 if device.type == "cpu" else len(runs)
        self.groups = [
            Group(self.runs[i : i + size], {k: v[i : i + size] for k, v in self.theta.items()})
            for i in range(0, len(runs), size)
        ]

    def advance(
        self, log: bool = False, train: bool = True, each: Each = map
    ) -> Float[Tensor, "run metric"] | None:
        """The metrics of every run, if `log`; then one epoch, if `train`."""
        n = len(self.groups)
        values = list(each(Group.advance, self.groups, [log] * n, [train] * n))
        return torch.cat(values) if log else None

    def moments(self) -> dict[str, Tensor]:
        """Parameters and AdamW's two moments of every run, by name."""
        saved = dict(self.theta)
        for moment in ("exp_avg", "exp_avg_sq"):
            for name in self.theta:
                states = [g.adamw.state[views[name]] for g in self.groups for views in g.views]
                saved[f"{moment}.{name}"] = torch.stack([state[moment] for state in states])
        return saved

    def restore(self, saved: dict[str, Tensor], epoch: int) -> None:
        """Continue from the moments of `moments()` after `epoch` updates."""
        members = [(group, views) for group in self.groups for views in group.views]
        for i, (group, views) in enumerate(members):
            for name, view in views.items():
                group.adamw.state[view] = {
                    "step": torch.tensor(float(epoch), device=view.device),
                    "exp_avg": saved[f"exp_avg.{name}"][i].to(view).clone(),
                    "exp_avg_sq": saved[f"exp_avg_sq.{name}"][i].to(view).clone(),
                }


def fresh(runs: Sequence[Run], store: Store, device: torch.device) -> Stack:
    """A stack at epoch 0: from each run's seed, or from the final weights of its `init`.

    Raises:
        LookupError: an `init` run has no record in the store.
    """
    thetas = []
    for run in runs:
        if run.init is None:
            n_tokens = tasks.task(run.task, run.p).n_tokens
            thetas.append(initialise(run.model, n_tokens, run.seed, run.init_scale))
            continue
        record = store.get(run.init)
        if record is None:
            raise LookupError(f"{run} starts from run {run.init.key} ({run.init}): not in {store}")
        thetas.append(record.weights())
    return Stack(runs, stack.stacked(thetas), device)


@cache
def _keep_freed_memory() -> None:
    """Have glibc reuse the megabytes that a step frees: else a tenth is page faults."""
    M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
    with suppress(AttributeError, OSError, TypeError):  # another C library
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, 1 << 30)
        libc.mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)


@contextmanager
def several_at_a_time(stack_: Stack) -> Iterator[Each]:
    """A `map` over the runs of a stack; on the CPU with as many workers as there are threads.

    Two runs on one thread each take less time than one after the other on two, and, as tests
    check, end with the same bits.
    """
    _keep_freed_memory()
    threads = torch.get_num_threads()
    if stack_.device.type != "cpu" or threads == 1 or len(stack_.runs) == 1:
        yield map
        return
    with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        try:
            yield pool.map
        finally:
            torch.set_num_threads(threads)


# --- one stack -------------------------------------------------------------------------------


@dataclass
class _Progress:
    """A training stack's position, in memory: what a checkpoint holds."""

    stack: Stack
    epoch: int
    metrics: Float[Tensor, "log run metric"]
    processes: list[dict]

    def advance(self, row: int | None, each: Each = map) -> bool:
        """Log into `row` of the metrics, unless None, and train one epoch; False at the end."""
        more = self.epoch < self.stack.runs[0].epochs
        values = self.stack.advance(row is not None, more, each)
        if row is not None and values is not None:
            self.metrics[row] = values
        if not more:
            return False
        self.epoch += 1
        return True

    def save(self, store: Store) -> None:
        saved = {"metrics": self.metrics, **self.stack.moments()}
        store.save_checkpoint(Checkpoint(self.stack.runs, self.epoch, saved, self.processes))


def _resume(
    runs: list[Run], store: Store, device: torch.device, saved: Checkpoint | None
) -> _Progress:
    here = provenance(device) | {"from_epoch": saved.epoch if saved else 0, "wall_seconds": 0.0}
    if saved is None:
        shape = (len(runs[0].log_epochs()), len(runs), len(METRICS))
        metrics = torch.full(shape, float("nan"), dtype=torch.float64)
        return _Progress(fresh(runs, store, device), 0, metrics, [here])
    names = runs[0].model.shapes(tasks.task(runs[0].task, runs[0].p).n_tokens)
    theta = {name: saved.tensors[name] for name in names}  # a file keeps no order; sums need one
    resumed = Stack(runs, theta, device)
    resumed.restore(saved.tensors, saved.epoch)
    return _Progress(resumed, saved.epoch, saved.tensors["metrics"], [*saved.provenance, here])


def train_stack(
    runs: list[Run],
    store: Store,
    device: torch.device,
    bar: tqdm,
    saved: Checkpoint | None = None,
    deadline: float = float("inf"),
) -> bool:
    """Train one stack of runs (equal epochs and shapes) to its end and store the records.

    Returns False if `deadline` (in time.monotonic seconds) came first; a checkpoint then holds all.
    """
    state = _resume(runs, store, device, saved)
    here = state.processes[-1]
    logged = {int(epoch): row for row, epoch in enumerate(runs[0].log_epochs())}
    began = last_saved = time.monotonic()
    bar.update(state.epoch * len(runs))
    try:
        with several_at_a_time(state.stack) as each:
            while state.advance(logged.get(state.epoch), each):
                bar.update(len(runs))
                now = time.monotonic()
                here["wall_seconds"] = now - began
                if now - last_saved > CHECKPOINT_SECONDS or now > deadline:
                    state.save(store)
                    last_saved = now
                if now > deadline:
                    return False
    except KeyboardInterrupt:
        if state.epoch > here["from_epoch"]:
            state.save(store)
        raise
    here["wall_seconds"] = time.monotonic() - began
    _finish(state, store)
    return True


def _finish(state: _Progress, store: Store) -> None:
    """Store the records of a finished stack. The checkpoint stays until all of them are there."""
    runs = state.stack.runs
    state.save(store)
    for i, run in enumerate(runs):
        columns = state.metrics[:, i].numpy().T
        metrics = {
            name: c for name, c in zip(METRICS, columns, strict=True) if not np.isnan(c).all()
        }
        origin = {"stack": len(runs), "processes": state.processes}
        theta = stack.unstacked(state.stack.theta, i) if run.keep_weights else None
        store.put(Record(run, {"epoch": run.log_epochs()} | metrics, origin), theta)
    store.drop_checkpoint(runs)


# --- many runs -------------------------------------------------------------------------------


def pack(runs: Sequence[Run], device: torch.device) -> list[list[Run]]:
    """Stacks of runs that can train together: equal shapes, epochs and log, similar train sets.

    Sorted by size, and cut where a stack would pass `MAX_EXAMPLES` rows, or its padding
    `MAX_PADDING` of them; the CPU, where each run goes by itself, needs no padding.
    """
    padded = device.type != "cpu"
    groups: dict[tuple, list[Run]] = {}
    for run in runs:
        n_tokens = tasks.task(run.task, run.p).n_tokens
        groups.setdefault((n_tokens, run.model, run.epochs, run.n_logged), []).append(run)
    stacks: list[list[Run]] = []
    for group in groups.values():
        current: list[Run] = []
        for run in sorted(group, key=lambda r: (-r.dataset_size, r.key)):
            used = sum(r.dataset_size for r in current) + run.dataset_size
            rows = current[0].dataset_size * (len(current) + 1) if current and padded else used
            if current and (rows > MAX_EXAMPLES[device.type] or used < (1 - MAX_PADDING) * rows):
                stacks.append(current)
                current = []
            current.append(run)
        stacks.append(current)
    return stacks


def with_inits(runs: Sequence[Run]) -> list[list[Run]]:
    """The runs and all that they start from, without repeats, in generations: inits first."""
    depth: dict[Run, int] = {}

    def visit(run: Run) -> int:
        if run not in depth:
            depth[run] = 0 if run.init is None else visit(run.init) + 1
        return depth[run]

    for run in runs:
        visit(run)
    return [[r for r in depth if depth[r] == d] for d in range(max(depth.values(), default=-1) + 1)]


def train(
    runs: Sequence[Run],
    store: Store | None = None,
    device: str = "auto",
    progress: bool = True,
    minutes: float = float("inf"),
) -> list[Record]:
    """The records of the runs, in order: loaded where the store has them, trained where not.

    Stops at a checkpoint after `minutes`; the same call continues from there.

    Raises:
        ValueError: an unknown or absent device.
        TimeoutError: `minutes` were over before all runs were trained.
    """
    store, where = store or Store(), resolve_device(device)
    deadline = time.monotonic() + 60 * minutes
    for generation in with_inits(runs):
        missing = [run for run in generation if store.get(run) is None]
        if missing:
            _train_missing(missing, store, where, progress, deadline)
    records = [store.get(run) for run in runs]
    lost = [str(run) for run, record in zip(runs, records, strict=True) if record is None]
    if lost:
        raise RuntimeError(f"trained but not found in {store}: {', '.join(lost)}")
    return [record for record in records if record is not None]


def _train_missing(
    missing: list[Run], store: Store, device: torch.device, progress: bool, deadline: float
) -> None:
    """Resume the checkpointed stacks that hold missing runs, then pack and train the rest."""
    wanted = set(missing)
    begun = [runs for runs in store.checkpointed() if wanted & set(runs)]
    resumed = {run for runs in begun for run in runs}
    stacks = begun + pack([run for run in missing if run not in resumed], device)
    total = sum(len(runs) * runs[0].epochs for runs in stacks)
    with tqdm(total=total, unit="epoch", unit_scale=True, disable=not progress) as bar:
        for runs in stacks:
            bar.set_description(f"{len(runs)} × {runs[0].task} D={runs[0].dataset_size}")
            with store.claim(runs):
                if all(store.get(run) is not None for run in runs):  # another process was faster
                    store.drop_checkpoint(runs)
                    continue
                saved = store.load_checkpoint(runs)
                if not train_stack(runs, store, device, bar, saved, deadline):
                    raise TimeoutError(
                        f"time is up with {bar.n:,.0f} of {bar.total:,.0f} epochs trained; "
                        "the same call continues from the checkpoint"
                    )
