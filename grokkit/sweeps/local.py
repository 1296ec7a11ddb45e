"""Many runs: which are missing, how they pack into stacks, and the call that trains them.

`train` is the one entrance. Runs that the store has are loaded; the others are claimed, stack by
stack, and trained, with checkpoints. Any number of processes, on machines that share the store's
folder, may be given the same sweep: each takes what nobody holds. Or one of them gives the stacks
to the workers of a Dask cluster (`cluster`).
"""

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from tqdm import tqdm

from grokkit import tasks
from grokkit.engine import cost, cuda, lbfgs, tabulated
from grokkit.engine.trainer import resolve_device, train_stack
from grokkit.runs import Record, Run
from grokkit.store.store import Store
from grokkit.sweeps import dask

MAX_PADDING = 0.1  # share of a stack's rows that may be padding
POLL_SECONDS = 2.0  # between looks at runs that other processes hold
PATIENCE = 3  # looks without a reason to wait

Stacks = list[list[Run]]


def with_inits(
    runs: Sequence[Run], stored: Callable[[Run], bool] = lambda run: False
) -> list[list[Run]]:
    """The runs and all that they start from, without repeats, in generations: inits first.

    Those that are `stored` are left out, and so is what only they start from.
    """
    depth: dict[Run, int] = {}

    def visit(run: Run) -> int:
        if run not in depth:
            depth[run] = -1 if stored(run) else 0 if run.init is None else visit(run.init) + 1
        return depth[run]

    for run in runs:
        visit(run)
    return [[r for r in depth if depth[r] == d] for d in range(max(depth.values(), default=-1) + 1)]


# --- packing ---------------------------------------------------------------------------------


def stack_bytes(run: Run, rows: int) -> int:
    """Memory of a run in a stack, in bytes: its parameters, optimiser and `rows` activations."""
    n = tasks.task(run.task, run.p).n_tokens
    states = 2 * lbfgs.HISTORY + 8 if run.optimiser == "lbfgs" else 8
    # forward keeps z, resid, hidden and the logits' slopes; backward makes as much again
    activations = 2 * rows * (6 * run.model.d_model + 2 * run.model.d_mlp + 3 * n)
    return (8 if run.float64 else 4) * (states * cost.n_parameters(run) + activations)


def pack(
    runs: Sequence[Run],
    device: torch.device,
    epochs: dict[Run, int] | None = None,
    free: int | None = None,
) -> Stacks:
    """Stacks of runs that can go in lockstep; on the CPU, where each goes by itself, of one.

    Elsewhere a stack's runs agree in network, optimiser and log, and in the epoch from which they
    continue (`epochs`, where not 0); sorted by size, and cut where it would pass half of the free
    memory, by default the device's, in bytes, or `MAX_PADDING` of its rows would be padding.
    """
    if device.type == "cpu":
        return [[run] for run in sorted(runs, key=lambda run: -work(run))]  # the longest first
    room = (cuda.free_bytes(device) if free is None else free) // 2
    groups: dict[tuple, list[Run]] = {}
    for run in runs:
        alike = (run.epochs, run.n_logged, run.lr, run.beta1, run.beta2, run.eps)
        n_tokens = tasks.task(run.task, run.p).n_tokens
        done = (epochs or {}).get(run, 0)
        kind = (n_tokens, run.model, run.optimiser, run.precision, run.loss, *alike, done)
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
    """The arithmetic of one epoch of the run, in FLOP, as `tabulated` does it."""
    return cost.tabulated(run).flop(run.dataset_size)


def work(run: Run, done: int = 0) -> float:
    """FLOP from epoch `done` to the end; float64 counts twice."""
    return (2 if run.float64 else 1) * flop(run) * (run.epochs - done)


# --- training --------------------------------------------------------------------------------


class _Here:
    """This process, on one device."""

    def __init__(self, store: Store, device: torch.device) -> None:
        self.store, self.device = store, device

    def survey(self, halt: Callable[[], bool]) -> tuple[torch.device, int]:
        """The device and its free memory, in bytes."""
        return self.device, cuda.free_bytes(self.device)

    def train(
        self, stacks: Stacks, progress: Callable[[int], object], halt: Callable[[], bool]
    ) -> None:
        """Train those runs of the stacks that nobody else holds.

        Raises:
            FloatingPointError: runs left the finite numbers; the others were trained.
        """
        interrupted = threading.Event()
        diverged: list[str] = []
        failed: list[Exception] = []

        def ends() -> bool:
            return interrupted.is_set() or halt()

        def one(runs: list[Run]) -> None:
            if ends():
                return
            try:
                with self.store.claim(runs) as claim:
                    if claim.runs:
                        train_stack(claim, self.store, self.device, threads, progress, ends)
            except FloatingPointError as error:
                diverged.append(str(error))
            except Exception as error:
                failed.append(error)
                raise

        try:
            with side_by_side(self.device, len(stacks)) as (each, threads):
                try:
                    list(each(one, stacks))
                except BaseException:
                    interrupted.set()  # the other threads stop at a checkpoint
                    raise
        except KeyboardInterrupt:
            if failed:  # to write a checkpoint, perhaps
                raise failed[0] from None
            raise
        if diverged:
            raise FloatingPointError("\n".join(diverged))


class _Sweep:
    """What the rounds of one call share: the store, where it trains, the clock, the bar."""

    def __init__(
        self, store: Store, place: "_Here | dask.Cluster", deadline: float, bar: tqdm
    ) -> None:
        self.store, self.place, self.deadline, self.bar = store, place, deadline, bar
        self.done = 0  # epochs; a bar that is not drawn counts none
        self._lock = threading.Lock()

    def progress(self, epochs: int) -> None:
        with self._lock:
            self.done += epochs
            try:
                self.bar.update(epochs)
            except OSError:  # nobody reads it any more; tqdm has kept its lock, which would hang us
                self.bar.disable = True
                self.bar.get_lock().release()

    def halt(self) -> bool:
        return time.monotonic() > self.deadline

    def say(self, text: str) -> None:
        if not self.bar.disable:
            self.bar.write(text, file=sys.stderr)


@contextmanager
def side_by_side(device: torch.device, stacks: int) -> Iterator[tuple[tabulated.Each, int]]:
    """A `map` over stacks, on the CPU as many at a time as there are threads; and each one's share.

    Two runs on one thread each take less time than one after the other on two, and, as tests
    check, end with the same bits. The main thread only waits, so an interrupt breaks no step.
    """
    threads = torch.get_num_threads()
    workers = min(threads, max(stacks, 1)) if device.type == "cpu" else 1
    with ThreadPoolExecutor(workers, initializer=tabulated.begin_thread) as pool:
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
    scheduler: str | None = None,
) -> list[Record]:
    """The records of the runs, in order: loaded where the store has them, trained where not.

    They are trained here, or by the workers of a Dask `scheduler`: its address, or "local:N" for
    N processes of this machine. Runs that another process holds are waited for. After `minutes`
    it stops at a checkpoint; the same call continues from there. On the CPU the process keeps, from
    then on, the memory that it frees (`gradients.keep_freed_memory`).

    Raises:
        ValueError: an unknown or absent device, or no such scheduler.
        TimeoutError: `minutes` were over before all runs were trained.
        StoreFull: no space for a record, or for the last checkpoints before a stop.
        FloatingPointError: runs left the finite numbers; the message names them.
    """
    if scheduler is None:
        resolve_device(device)
    else:
        dask.check_address(scheduler)
    store, deadline = store or Store(), time.monotonic() + 60 * minutes
    found: dict[Run, Record] = {}
    missing = with_inits(runs, lambda run: not _look_up([run], store, found))
    todo = [run for generation in missing for run in generation]
    if not todo:
        return [found[run] for run in runs]
    total = sum(run.epochs for run in todo)
    if progress:
        print(
            f"{len(found)} runs stored, {len(todo)} to train: {total:,} epochs. "
            f"They go to {store.path}; stop at any time, the next call continues.",
            file=sys.stderr,
        )
    with (
        _place(store, device, scheduler) as place,
        tqdm(total=total, unit="epoch", unit_scale=True, disable=not progress) as bar,
    ):
        sweep = _Sweep(store, place, deadline, bar)
        for generation in missing:
            _train_all(generation, sweep, found)
    return [found[run] for run in runs]


def _place(
    store: Store, device: str, scheduler: str | None
) -> AbstractContextManager["_Here | dask.Cluster"]:
    if scheduler is None:
        return nullcontext(_Here(store, resolve_device(device)))
    return dask.connect(scheduler, store, device)


def _look_up(runs: Sequence[Run], store: Store, found: dict[Run, Record]) -> list[Run]:
    """Add the records that the store has to `found`; returns the runs that it does not have."""
    for run in runs:
        record = store.get(run)
        if record is not None:
            found[run] = record
    return [run for run in runs if run not in found]


def _train_all(missing: list[Run], sweep: _Sweep, found: dict[Run, Record]) -> None:
    """Train until every run has its record, here or in another process."""
    idle = 0  # rounds in which no run ended, though nobody else held any
    while missing:
        device, free = sweep.place.survey(sweep.halt)
        stacks = pack(missing, device, sweep.store.checkpointed(), free)
        if device.type != "cpu":
            sweep.say(f"{len(stacks)} stacks, {padding(stacks):.1%} of their rows are padding")
        sweep.place.train(stacks, sweep.progress, sweep.halt)
        before, missing = missing, _look_up(missing, sweep.store, found)
        if missing and sweep.halt():
            done = f"{sweep.done:,} of {sweep.bar.total:,} epochs trained"
            raise TimeoutError(f"time is up with {done}; the same call continues")
        if missing != before:
            continue
        # a claim may just have gone stale, or its run have ended between two looks
        idle = 0 if sweep.store.held(missing) else idle + 1
        if idle == PATIENCE:
            lost = ", ".join(map(str, missing))
            raise RuntimeError(f"trained but not found in {sweep.store}: {lost}")
        time.sleep(POLL_SECONDS)
