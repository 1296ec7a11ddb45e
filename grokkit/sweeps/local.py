"""The call that trains many runs, on this machine or, through it, on a cluster.

`train` is the one entrance. Runs that the store has are loaded; the others are locked, stack by
stack, and trained, with checkpoints. Any number of processes, on machines that share the store's
folder, may be given the same sweep: each takes what nobody holds. Or one of them gives the stacks
to the workers of a Dask cluster (`dask`).
"""

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext

import torch
from tqdm import tqdm

from grokkit.engine import cuda, tabulated
from grokkit.engine.trainer import resolve_device, train_stack
from grokkit.runs import Record, Run
from grokkit.store.store import Store
from grokkit.sweeps import dask
from grokkit.sweeps.plan import Stacks, pack, padding, with_inits

POLL_SECONDS = 2.0  # between looks at runs that other processes hold


class LocalExecutor:
    """This process, on one device."""

    def __init__(self, store: Store, device: torch.device) -> None:
        self.store, self.device = store, device

    def device_and_free_memory(self, halt: Callable[[], bool]) -> tuple[torch.device, int]:
        """The device, and its free memory in bytes."""
        return self.device, cuda.free_bytes(self.device)

    def train(
        self, stacks: Stacks, progress: Callable[[int], object], halt: Callable[[], bool]
    ) -> list[Run]:
        """Train those runs of the stacks that nobody else holds, until `halt()`; returns them.

        Raises:
            FloatingPointError: runs left the finite numbers; the others were trained.
        """
        interrupted = threading.Event()
        trained: list[Run] = []
        diverged: list[str] = []
        failed: list[Exception] = []

        def stopping() -> bool:
            return interrupted.is_set() or halt()

        def one(runs: list[Run]) -> None:
            if stopping():
                return
            try:
                with self.store.lock(runs) as held:
                    trained.extend(held)
                    if held:
                        train_stack(held, self.store, self.device, threads, progress, stopping)
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
        return trained


class _Sweep:
    """What the generations of one call share: the store, what trains, the clock, the bar."""

    def __init__(
        self, store: Store, executor: LocalExecutor | dask.Cluster, deadline: float, bar: tqdm
    ) -> None:
        self.store, self.executor, self.deadline, self.bar = store, executor, deadline, bar
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

    def train(self, missing: list[Run], stored: Callable[[Run], bool]) -> None:
        """Train until all are `stored`, by this call or by another process."""
        while missing:
            device, free = self.executor.device_and_free_memory(self.halt)
            stacks = pack(missing, device, self.store.checkpointed(), free)
            if device.type != "cpu" and not self.bar.disable:
                text = f"{len(stacks)} stacks, {padding(stacks):.1%} of their rows are padding"
                self.bar.write(text, file=sys.stderr)
            trained = self.executor.train(stacks, self.progress, self.halt)
            missing = [run for run in missing if not stored(run)]
            if missing and self.halt():
                done = f"{self.done:,} of {self.bar.total:,} epochs trained"
                raise TimeoutError(f"time is up with {done}; the same call continues")
            if lost := [run for run in missing if run in trained]:
                raise RuntimeError(
                    f"trained but not found in {self.store}: {', '.join(map(str, lost))}"
                )
            if missing and not trained:  # others hold them
                time.sleep(POLL_SECONDS)


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
        where = resolve_device(device)
    else:
        dask.check_address(scheduler)
    store, deadline = store or Store(), time.monotonic() + 60 * minutes
    found: dict[Run, Record] = {}

    def stored(run: Run) -> bool:
        record = store.get(run)
        if record is not None:
            found[run] = record
        return record is not None

    generations = with_inits(runs, stored)
    missing = [run for generation in generations for run in generation]
    if not missing:
        return [found[run] for run in runs]
    total = sum(run.epochs for run in missing)
    if progress:
        print(
            f"{len(found)} runs stored, {len(missing)} to train: {total:,} epochs. "
            f"They go to {store.path}; stop at any time, the next call continues.",
            file=sys.stderr,
        )
    executor_or_cluster = (
        nullcontext(LocalExecutor(store, where))
        if scheduler is None
        else dask.connect(scheduler, store, device)
    )
    with (
        executor_or_cluster as executor,
        tqdm(total=total, unit="epoch", unit_scale=True, disable=not progress) as bar,
    ):
        sweep = _Sweep(store, executor, deadline, bar)
        for generation in generations:
            sweep.train(generation, stored)
    return [found[run] for run in runs]
