"""Past one machine: the stacks of a sweep as tasks for Dask workers that share the store's folder.

The records, checkpoints and locks are those of `local.train` on one machine. A worker that dies
costs what it did since its last checkpoint: Dask gives its stack to another one.
"""

import multiprocessing
import re
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import torch

from grokkit.engine import cuda, tabulated
from grokkit.engine.trainer import resolve_device, train_stack
from grokkit.runs import Run
from grokkit.store.store import Store
from grokkit.sweeps.plan import Stacks

CONNECT_SECONDS = 10.0  # for which a scheduler may stay silent
REPORT_SECONDS = 0.5  # between a worker's reports of its progress
POLL_SECONDS = 0.1  # between looks at the tasks
STOP_SECONDS = 120.0  # for an epoch and a checkpoint of every worker, when time is up
RETRIES = 2  # of a stack that fails, say by a file server that was away

# workers ignore the Ctrl-C that a terminal also sends to them: they are told to stop instead
PRELOAD = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"

# in a worker: tasks that stop at their next epoch; one stack at a time fills an accelerator
_left: set[str] = set()
_card = threading.Lock()


def _train(
    name: str, store: Path, shipped: Path | None, device: str, number: int, runs: list[Run]
) -> tuple[list[Run], str]:
    """What `train_stack` returns, in a worker, on one thread, as the CPU's stacks."""
    from distributed import get_worker

    worker, done, told = get_worker(), 0, 0.0

    def progress(epochs: int) -> None:
        nonlocal done, told
        done += epochs
        if time.monotonic() - told > REPORT_SECONDS:
            told = time.monotonic()
            worker.log_event(name, [number, done])

    tabulated.begin_thread()
    seen = shipped if shipped and shipped.is_dir() else ""  # by this worker
    where, here = resolve_device(device), Store(store, seen)
    with nullcontext() if where.type == "cpu" else _card:
        trained = train_stack(runs, here, where, 1, progress, lambda: name in _left)
    worker.log_event(name, [number, done])
    return trained


def _leave(name: str) -> None:
    _left.add(name)


def _describe(device: str, probe: Path) -> tuple[str, int, bool]:
    """Kind of the worker's device, its free memory, and whether the worker sees a file."""
    where = resolve_device(device)
    return where.type, cuda.free_bytes(where), probe.exists()


class Cluster:
    """A Dask scheduler and its workers; others may come, go or die while it trains."""

    def __init__(self, client: Any, store: Store, device: str) -> None:
        self._client, self._store, self._device = client, store, device

    def device_and_free_memory(self, halt: Callable[[], bool]) -> tuple[torch.device, int]:
        """The kind of device that all workers have, and the least free memory, in bytes.

        Waits for the first worker. Where kinds differ it is the CPU, whose stacks suit all.

        Raises:
            ValueError: a worker has no such device, or does not see the store.
            TimeoutError: `halt()` before there was a worker.
        """
        while not self._client.nthreads():
            if halt():
                raise TimeoutError("time is up and no worker has come; the same call continues")
            time.sleep(POLL_SECONDS)
        folder = self._store.path / "checkpoints"
        folder.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=folder, suffix=".tmp") as probe:
            found = self._client.run(_describe, self._device, Path(probe.name))
        if blind := ", ".join(address for address, (*_, sees) in found.items() if not sees):
            unseen = f"{self._store.path} is not seen by {blind}"
            raise ValueError(f"the store must be a folder that every worker sees; {unseen}")
        kinds, free, _ = zip(*found.values(), strict=True)
        return torch.device(kinds[0] if len(set(kinds)) == 1 else "cpu"), min(free)

    def train(
        self, stacks: Stacks, progress: Callable[[int], object], halt: Callable[[], bool]
    ) -> list[tuple[list[Run], str]]:
        """What `train_stack` returns of each stack that came to its end.

        They begin in order, as many at a time as the workers have threads. When `halt()`, or
        interrupted, it has the workers stop at a checkpoint. Raises ChildProcessError where several
        workers died over the same stack.
        """
        name = uuid.uuid4().hex
        given = (name, self._store.path, self._store.shipped, self._device)
        counted: Counter[int] = Counter()

        def count(event: tuple[float, Sequence[int]]) -> None:
            number, done = event[1]
            progress(done - counted[number])  # less than none: a worker died and another began
            counted[number] = done

        self._client.subscribe_topic(name, count)
        waiting = list(enumerate(stacks))[::-1]
        running: list[Any] = []
        trained = []
        try:
            while (waiting or running) and not halt():
                free = sum(self._client.nthreads().values()) - len(running)
                for _ in range(min(free, len(waiting))):
                    number, runs = waiting.pop()
                    own = {"key": f"{runs[0].key}-{number}-{name}", "retries": RETRIES}
                    running.append(
                        self._client.submit(_train, *given, number, runs, **own, pure=False)
                    )
                time.sleep(POLL_SECONDS)
                for future in [future for future in running if future.done()]:
                    running.remove(future)
                    trained.append(_result(future))
        finally:
            self._stop(name, running)
            self._client.unsubscribe_topic(name)
        return trained

    def _stop(self, name: str, running: list) -> None:
        """Have the workers leave their stacks, and wait until they have."""
        if not running:
            return
        self._client.run(_leave, name)
        deadline = time.monotonic() + STOP_SECONDS
        while not all(future.done() for future in running) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        try:
            for future in running:
                if future.done():  # it may have found no space for its last checkpoint
                    _result(future)
        finally:
            self._client.cancel(running)


def _result(future: Any) -> tuple[list[Run], str]:
    from distributed import KilledWorker

    try:
        return future.result()
    except KilledWorker as error:
        raise ChildProcessError(
            f"run {future.key.split('-')[0]}: every worker that trained it has died (out of "
            f"memory, out of time?). What it had done is in its checkpoint. {error}"
        ) from None


def check_address(scheduler: str) -> re.Match | None:
    """The match of a `local:N`; None for a `tcp://host:port`. Raises ValueError for neither."""
    workers = re.fullmatch(r"local:([1-9]\d*)", scheduler)
    if not workers and not re.fullmatch(r"\w+://.+:\d+", scheduler):
        raise ValueError(f"scheduler must be tcp://host:port or local:N, got {scheduler!r}")
    return workers


@contextmanager
def connect(scheduler: str, store: Store, device: str = "auto") -> Iterator[Cluster]:
    """The cluster at an address `tcp://host:port`, or `local:N`: N processes of this machine.

    Raises:
        ValueError: neither of these, or nothing answers there.
        ModuleNotFoundError: dask is not installed; the message says how it is.
    """
    workers = check_address(scheduler)
    if workers and multiprocessing.parent_process():
        raise ValueError('scheduler: local:N needs the call under if __name__ == "__main__":')
    try:
        import distributed
    except ModuleNotFoundError as error:
        how = f'scheduler {scheduler!r} needs dask: pip install "grokkit[cluster]"'
        raise ModuleNotFoundError(how, name=error.name) from None
    local: AbstractContextManager = nullcontext(scheduler)
    if workers:
        options = {"threads_per_worker": 1, "memory_limit": 0, "dashboard_address": None}
        local = distributed.LocalCluster(int(workers[1]), preload=PRELOAD, **options)
    with local as address:
        try:
            client = distributed.Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError) as error:
            raise ValueError(f"scheduler: nothing answers at {scheduler}: {error}") from None
        with client:
            yield Cluster(client, store, device)
