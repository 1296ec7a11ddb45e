"""The call that trains many runs, on this machine or, through it, on a cluster.

Any number of processes, on machines that share the store's folder, may be given the same sweep:
each locks and trains, stack by stack, what nobody holds.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_EXCEPTION, Executor, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from tqdm import tqdm

from grokkit.engine import cuda, tabulated
from grokkit.engine.trainer import resolve_device, train_stack
from grokkit.runs import Record, Run
from grokkit.store.store import Store
from grokkit.sweeps import dask
from grokkit.sweeps.plan import Stacks, pack, with_inits

POLL_SECONDS = 2.0  # between looks at runs that other processes hold


def train(
    runs: Iterable[Run] | Run,
    store: Store | Path | str | None = None,
    device: str = "auto",
    progress: bool = True,
    minutes: float = float("inf"),
    scheduler: str | None = None,
) -> list[Record]:
    """The records of the runs, in order: loaded where the store has them, trained where not.

    They are trained here, or by the workers of a Dask `scheduler`: its address, or "local:N" for
    N processes here. Runs that another process holds are waited for. After `minutes` it stops at a
    checkpoint; the same call continues. A CPU keeps freed memory (`tabulated.keep_freed_memory`).

    Raises:
        ValueError: what is no run, an unknown or absent device, minutes below 0, no scheduler.
        TimeoutError: `minutes` were over before all runs were trained.
        StoreFull: no space for a record, or for the last checkpoints before a stop.
        FloatingPointError: runs left the finite numbers; the message names them. All are trained
            but these and what starts from them.
    """
    runs = [runs] if isinstance(runs, Run) else list(runs)
    if other := [run for run in runs if not isinstance(run, Run)]:
        raise ValueError(f"runs must be of grokkit.Run, got {other[0]!r}")
    if not minutes >= 0:
        raise ValueError(f"minutes must be at least 0, got {minutes!r}")
    store = store if isinstance(store, Store) else Store(store)
    deadline = time.monotonic() + 60 * minutes
    executor: AbstractContextManager[LocalExecutor | dask.Cluster]
    if scheduler is None:
        executor = nullcontext(LocalExecutor(store, resolve_device(device)))
    else:
        dask.check_address(scheduler)
        executor = dask.connect(scheduler, store, device)
    found: dict[Run, Record] = {}

    def stored(run: Run) -> bool:
        if (record := store.get(run)) is not None:
            found[run] = record
        return record is not None

    generations = with_inits(runs, stored)
    missing = [run for generation in generations for run in generation]
    if not missing:
        return [found[run] for run in runs]
    total = sum(run.epochs for run in missing)
    if progress:
        told = f"{len(found)} runs stored, {len(missing)} to train: {total:,} epochs. They go to "
        print(f"{told}{store.path}; stop at any time, the next call continues.", file=sys.stderr)
    bar = tqdm(total=total, unit="epoch", unit_scale=True, disable=not progress)
    diverged: list[str] = []
    with executor as trainer, closing(_Watch(bar, deadline)) as watch:
        for generation in generations:
            ready = [run for run in generation if run.init is None or run.init in found]
            diverged += _train_all(ready, stored, store, trainer, watch)
    if diverged:
        raise FloatingPointError("\n".join(diverged))
    for run in {*runs} - found.keys():
        stored(run)  # as the same run that kept its weights
    return [found[run] for run in runs]


def _train_all(
    missing: list[Run],
    stored: Callable[[Run], bool],
    store: Store,
    trainer: "LocalExecutor | dask.Cluster",
    watch: "_Watch",
) -> list[str]:
    """Train until all are `stored` or diverged, here or elsewhere; what is said of the latter."""
    diverged: list[str] = []
    while missing:
        device, free = trainer.device_and_free_memory(watch.halt)
        stacks = pack(missing, device, store.checkpointed(), free)
        results = trainer.train(stacks, watch.progress, watch.halt)
        diverged += [text for _, text in results if text]
        failed = {run for held, text in results for run in held if run.key in text}
        trained = [run for held, _ in results for run in held]
        missing = [run for run in missing if not stored(run) and run not in failed]
        if missing and watch.halt():
            done = f"{watch.done:,} of {watch.bar.total:,} epochs trained"
            raise TimeoutError(f"time is up with {done}; the same call continues")
        if lost := [run for run in missing if run in trained]:
            raise RuntimeError(f"trained but not found in {store}: {', '.join(map(str, lost))}")
        if missing and not trained:  # others hold them
            time.sleep(POLL_SECONDS)
    return diverged


class _Watch:
    """The clock and the bar of one call."""

    def __init__(self, bar: tqdm, deadline: float) -> None:
        self.bar, self.deadline = bar, deadline
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

    def close(self) -> None:
        with suppress(OSError):
            self.bar.close()


@dataclass(frozen=True)
class LocalExecutor:
    """This process, on one device."""

    store: Store
    device: torch.device

    def device_and_free_memory(self, halt: Callable[[], bool]) -> tuple[torch.device, int]:
        """The device, and its free memory in bytes."""
        return self.device, cuda.free_bytes(self.device)

    def train(
        self, stacks: Stacks, progress: Callable[[int], object], halt: Callable[[], bool]
    ) -> list[tuple[list[Run], str]]:
        """What `train_stack` returns of each stack; those not begun before `halt()` are left out.

        Interrupted, or if one fails, the others stop at a checkpoint.
        """
        begin, stop = threading.Event(), threading.Event()

        def one(runs: list[Run]) -> tuple[list[Run], str]:
            begin.wait()  # until an interrupt would find all of them
            if stopping():
                return [], ""
            return train_stack(runs, self.store, self.device, threads, progress, stopping)

        def stopping() -> bool:
            return stop.is_set() or halt()

        with side_by_side(self.device, len(stacks)) as (pool, threads):
            trained = []
            try:
                trained = [pool.submit(one, runs) for runs in stacks]
                begin.set()
                while (ends := wait(trained, 0.2, FIRST_EXCEPTION)).not_done:  # signals may miss it
                    for each in ends.done:
                        each.result()
            except BaseException:
                stop.set()
                begin.set()
                while wait(trained, 0).not_done:
                    with suppress(KeyboardInterrupt):  # a second one waits for checkpoints, too
                        wait(trained)
                for each in trained:
                    each.result()  # it may have found no space for its last checkpoint
                raise
            return [each.result() for each in trained]


@contextmanager
def side_by_side(device: torch.device, stacks: int) -> Iterator[tuple[Executor, int]]:
    """Threads for stacks, on the CPU as many as torch has, and how many each has for itself.

    Two runs on one thread each take less time than one after the other on two, and, as tests
    check, end with the same bits. The main thread only waits, so an interrupt breaks no step.
    """
    threads = torch.get_num_threads()
    workers = min(threads, max(stacks, 1)) if device.type == "cpu" else 1
    with ThreadPoolExecutor(workers, initializer=tabulated.begin_thread) as pool:
        try:
            yield pool, threads // workers
        finally:
            torch.set_num_threads(threads)
