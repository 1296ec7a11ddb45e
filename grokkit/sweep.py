"""Many runs: which are missing, how they pack into stacks, and the call that trains them.

`train` is the one entrance. Runs that the store has are loaded; the others are claimed, stack by
stack, and trained, with checkpoints. Any number of processes, on machines that share the store's
folder, may be given the same sweep: each takes what nobody holds.
"""

import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch
from tqdm import tqdm

from grokkit import cuda, minimise, tabulated, tasks
from grokkit.runs import Record, Run
from grokkit.store import Store
from grokkit.train import resolve_device, train_stack

MAX_PADDING = 0.1  # share of a stack's rows that may be padding
POLL_SECONDS = 2.0  # between looks at runs that other processes hold

Stacks = list[list[Run]]


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


# --- packing ---------------------------------------------------------------------------------


def stack_bytes(run: Run, rows: int) -> int:
    """Memory of a run in a stack, in bytes: its parameters, optimiser and `rows` activations."""
    n = tasks.task(run.task, run.p).n_tokens
    parameters = sum(torch.Size(shape).numel() for shape in run.model.shapes(n).values())
    states = 2 * minimise.HISTORY + 8 if run.optimiser == "lbfgs" else 8
    # forward keeps z, resid, hidden and the logits' slopes; backward makes as much again
    activations = 2 * rows * (6 * run.model.d_model + 2 * run.model.d_mlp + 3 * n)
    return (4 if run.optimiser == "adamw" and run.precision != "float64" else 8) * (
        states * parameters + activations
    )


def pack(
    runs: Sequence[Run], device: torch.device, epochs: dict[Run, int] | None = None
) -> Stacks:
    """Stacks of runs that can go in lockstep; on the CPU, where each goes by itself, of one.

    Elsewhere a stack's runs agree in network, optimiser and log, and in the epoch from which they
    continue (`epochs`, where not 0); sorted by size, and cut where it would pass half of the free
    memory or `MAX_PADDING` of its rows would be padding.
    """
    if device.type == "cpu":
        return [[run] for run in sorted(runs, key=lambda run: -work(run))]  # the longest first
    room = cuda.free_bytes(device) // 2
    groups: dict[tuple, list[Run]] = {}
    for run in runs:
        alike = (run.epochs, run.n_logged, run.lr, run.beta1, run.beta2, run.eps)
        n_tokens = tasks.task(run.task, run.p).n_tokens
        done = (epochs or {}).get(run, 0)
        kind = (n_tokens, run.model, run.optimiser, run.precision, *alike, done)
        groups.setdefault(kind, []).append(run)
    stacks: Stacks = []
    for group in groups.values():
        current: list[Run] = []
        for run in sorted(group, key=lambda r: (-r.dataset_size, r.key)):
            together = [*current, run]
            used = sum(r.dataset_size for r in together)
            rows = together[0].dataset_size
            full = stack_bytes(run, rows) * len(together) > room
            if current and (full or used < (1 - MAX_PADDING) * rows * len(together)):
                stacks.append(current)
                current = []
            current.append(run)
        stacks.append(current)
    return stacks


def padding(stacks: Stacks) -> float:
    """The share of all stacks' rows that is padding."""
    used = sum(run.dataset_size for runs in stacks for run in runs)
    rows = sum(len(runs) * max(run.dataset_size for run in runs) for runs in stacks)
    return 1 - used / rows if rows else 0.0


def flop(run: Run) -> float:
    """The least arithmetic of one epoch of the run, in FLOP (`tabulated`).

    For each example the products with W_OU, with its entries in A and with B; for all of them the
    tables; each of these forward, for the gradient of one factor, and for that of the other.
    """
    n, d, m = tasks.task(run.task, run.p).n_tokens, run.model.d_model, run.model.d_mlp
    width = m + n
    example = m * n + (2 + 4) * run.model.n_heads * width
    tables = d * d * width + (n + 4) * d * (d + width) + m * d * n
    return 6.0 * (run.dataset_size * example + tables)


def work(run: Run, done: int = 0) -> float:
    """FLOP from epoch `done` to the end; float64 counts twice."""
    exact = 2 if run.precision in ("float64", "mixed") else 1
    return exact * flop(run) * (run.epochs - done)


# --- training --------------------------------------------------------------------------------


class _Sweep:
    """What the stacks of one call share: the store, the clock, the progress bar."""

    def __init__(self, store: Store, device: torch.device, minutes: float, bar: tqdm) -> None:
        self.store, self.device, self.bar = store, device, bar
        self.deadline = time.monotonic() + 60 * minutes
        self.stopped = False  # by the user
        self._lock = threading.Lock()

    def progress(self, epochs: int) -> None:
        with self._lock:
            self.bar.update(epochs)

    def halt(self) -> bool:
        return self.stopped or time.monotonic() > self.deadline

    def stack(self, runs: list[Run], threads: int) -> None:
        """Train those of the stack that nobody else holds."""
        if self.halt():
            return
        with self.store.claim(runs) as claim:
            if claim.runs:
                train_stack(claim, self.store, self.device, threads, self.progress, self.halt)


@contextmanager
def side_by_side(device: torch.device, stacks: int) -> Iterator[tuple[tabulated.Each, int]]:
    """A `map` over stacks, on the CPU as many at a time as there are threads; and each one's share.

    Two runs on one thread each take less time than one after the other on two, and, as tests
    check, end with the same bits. The main thread only waits, so an interrupt breaks no step.
    """
    threads = torch.get_num_threads()
    workers = min(threads, max(stacks, 1)) if device.type == "cpu" else 1
    with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        try:
            yield pool.map, threads // workers
        finally:
            torch.set_num_threads(threads)


def train(
    runs: Sequence[Run],
    store: Store | None = None,
    device: str = "auto",
    progress: bool = True,
    minutes: float = float("inf"),
) -> list[Record]:
    """The records of the runs, in order: loaded where the store has them, trained where not.

    Runs that another process holds are waited for. After `minutes` it stops at a checkpoint; the
    same call continues from there.

    Raises:
        ValueError: an unknown or absent device.
        TimeoutError: `minutes` were over before all runs were trained.
    """
    store, where = store or Store(), resolve_device(device)
    generations = with_inits(runs)
    found: dict[Run, Record] = {}
    missing = [_look_up(generation, store, found) for generation in generations]
    todo = [run for generation in missing for run in generation]
    if todo and progress:
        print(
            f"{len(found)} runs stored, {len(todo)} to train: {sum(r.epochs for r in todo):,} "
            f"epochs. They go to {store.path}; stop at any time, the next call continues.",
            file=sys.stderr,
        )
    total = sum(run.epochs for run in todo)
    with tqdm(total=total, unit="epoch", unit_scale=True, disable=not (progress and todo)) as bar:
        sweep = _Sweep(store, where, minutes, bar)
        for generation in missing:
            _train_all(generation, sweep, found)
    return [found[run] for run in runs]


def _look_up(runs: Sequence[Run], store: Store, found: dict[Run, Record]) -> list[Run]:
    """Add the records that the store has to `found`; returns the runs that it does not have."""
    for run in runs:
        record = store.get(run)
        if record is not None:
            found[run] = record
    return [run for run in runs if run not in found]


def _train_all(missing: list[Run], sweep: _Sweep, found: dict[Run, Record]) -> None:
    """Train until every run has its record, here or in another process."""
    while missing:
        begun = sweep.store.checkpointed()
        stacks = pack(missing, sweep.device, begun)
        with side_by_side(sweep.device, len(stacks)) as (each, threads):
            try:
                list(each(sweep.stack, stacks, [threads] * len(stacks)))
            except BaseException:
                sweep.stopped = True  # the other threads stop at a checkpoint
                raise
        before, missing = missing, _look_up(missing, sweep.store, found)
        if missing and sweep.halt():
            done = f"{sweep.bar.n:,.0f} of {sweep.bar.total:,.0f} epochs trained"
            raise TimeoutError(f"time is up with {done}; the same call continues")
        if missing == before:
            if not sweep.store.held(missing):
                lost = ", ".join(map(str, missing))
                raise RuntimeError(f"trained but not found in {sweep.store}: {lost}")
            time.sleep(POLL_SECONDS)
