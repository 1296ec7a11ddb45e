"""The store: records, checkpoints and locks on disk, over the results that ship with the package.

`records/` and `weights/` hold what finished runs leave, `checkpoints/` runs part of the way, and
`locks/` a lock a run. All are named by the key of the run.

A lock is a `flock` of the empty file `<key>.lock`. The system drops it when its process ends,
killed or not, so a lock never goes stale; a suspended process keeps what it holds. This needs a
file system whose `flock` reaches every machine that writes: a local one, or NFS with lockd.
"""

import os
import platform
import shutil
import subprocess
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache, cached_property
from itertools import chain
from operator import index
from pathlib import Path

import torch
from filelock import FileLock, Timeout
from torch import Tensor

from grokkit import __version__
from grokkit.runs import Record, Run
from grokkit.store import files, parquet
from grokkit.store.files import Damaged, Unreadable, listed, reading, write_atomically

SHIPPED = Path(__file__).resolve().parents[2] / "results"  # of a clone; a wheel has none
FOLDERS = ("records", "weights", "checkpoints", "locks")
ENDINGS = dict(zip(FOLDERS, ("parquet", "parquet", "safetensors", "lock"), strict=True))
File = tuple[Path, int, int]  # shipped, when changed, and its size: read once if it stays so
SCHEMA = 2  # of a checkpoint; those of schema 1 held whole stacks


@dataclass(frozen=True)
class Checkpoint:
    """One run part of the way through training."""

    run: Run
    epoch: int
    tensors: dict[str, Tensor]  # parameters, the optimiser's state, metrics so far
    provenance: list[dict]  # one entry per process that worked on it


class Store:
    """Records, checkpoints and locks in a directory, over the read-only records of the package.

    Any number of processes may read and write one store: every file appears whole, under its final
    name, or not at all. A damaged file is reported by path, set aside, and its run trained again;
    one that cannot be read is reported and left as it is.
    """

    def __init__(self, path: Path | str | None = None, shipped: Path | str | None = None) -> None:
        """`path`: default $GROKKIT_STORE, else ~/.cache/grokkit. `shipped`: default the package's
        own results, or $GROKKIT_RESULTS (empty: none)."""
        path = Path(path or os.environ.get("GROKKIT_STORE") or "~/.cache/grokkit")
        self.path = path.expanduser().absolute()
        if self.path.exists() and not self.path.is_dir():
            raise ValueError(f"the store must be a folder or not yet there, got {self.path}")
        name = "shipped" if shipped is not None else "GROKKIT_RESULTS"
        if shipped is None:
            shipped = os.environ.get(name, str(SHIPPED) if SHIPPED.is_dir() else "")
        if shipped and not Path(shipped).is_dir():  # else everything would be trained again
            raise ValueError(f"{name} must be a folder or nothing, got {str(shipped)!r}")
        self.shipped = Path(shipped).absolute() if shipped else None

    def __repr__(self) -> str:
        return f"Store({str(self.path)!r}, shipped={str(self.shipped or '')!r})"

    def _path(self, folder: str, run: Run) -> Path:
        return self.path / folder / f"{run.key}.{ENDINGS[folder]}"

    @cached_property
    def _shipped_in(self) -> dict[str, list[File]]:
        """By key, the shipped files that have the record."""
        found: dict[str, list[File]] = {}
        for path in listed(self.shipped, "*.parquet") if self.shipped else []:
            try:
                with reading(path):
                    file = path, (now := path.stat()).st_ctime_ns, now.st_size
                for key in parquet.read_keys(*file):
                    found.setdefault(key, []).append(file)
            except (Damaged, Unreadable, FileNotFoundError) as error:
                warnings.warn(f"{error}; its runs count as missing", stacklevel=3)
        return found

    def shipped_rows(self) -> Iterator[Record]:
        """Every sound row of the shipped files; a run may be in several."""
        for file in dict.fromkeys(chain(*self._shipped_in.values())):
            try:
                yield from _shipped(file).values()
            except (Damaged, Unreadable, FileNotFoundError) as error:
                warnings.warn(f"{error}; its runs count as missing", stacklevel=2)

    def get(self, run: Run) -> Record | None:
        """The record of the run; None if it was never finished here, or its files are damaged.

        Where only the same run with its weights is there, that one's record without them.
        Raises Unreadable if its files are there but cannot be read, and no such record is shipped.
        """
        path, unreadable = self._path("records", run), None
        try:
            records = parquet.read_records(path, self.path / "weights")
            if [record.run for record in records] != [run]:
                raise Damaged(path, f"holds {', '.join(r.run.key for r in records) or 'no run'}")
            return _read_whole(records[0])
        except FileNotFoundError:
            pass
        except Damaged as error:
            _report(error)
        except Unreadable as error:
            unreadable = error
        for file in self._shipped_in.get(run.key, ()):
            try:
                if shipped := _shipped(file).get(run.key):
                    return _read_whole(shipped)
            except (Damaged, Unreadable, FileNotFoundError) as error:
                warnings.warn(f"{error}; the run counts as missing", stacklevel=2)
        if unreadable:
            raise unreadable
        if run.keep_weights or not (twin := self.get(replace(run, keep_weights=True))):
            return None
        return replace(twin, run=run, weights_path=None, weights_sha256="", read_weights=None)

    def has(self, run: Run) -> bool:
        """Whether there is a record to load; one that cannot be read is named, and is none."""
        try:
            return self.get(run) is not None
        except Unreadable as error:
            warnings.warn(f"{error}; the run counts as missing", stacklevel=2)
            return False

    def put(self, record: Record, weights: dict[str, Tensor] | None = None) -> Record:
        """The record of a finished run, now stored, with its weights if the run keeps them."""
        if "epoch" not in record.metrics:
            raise ValueError(f"run {record.run.key} has no metric epoch")
        if record.run.keep_weights:
            if weights is None:
                raise ValueError(f"run {record.run.key} keeps its weights, but none were given")
            if {n: (*w.shape,) for n, w in weights.items()} != record.run.shapes:
                raise ValueError(f"weights of run {record.run.key} must be {record.run.shapes}")
            weights = {name: weights[name] for name in record.run.shapes}
            path, digest = self._path("weights", record.run), parquet.digest(record.run, weights)
            write_atomically(path, parquet.weights_bytes(weights))
            read = parquet.read_weights
            record = replace(record, weights_path=path, weights_sha256=digest, read_weights=read)
        write_atomically(self._path("records", record.run), parquet.parquet_bytes([record]))
        return record

    def save_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Replace the checkpoint of the run, atomically. Raises StoreFull if the disk is full."""
        run, position = checkpoint.run, {"epoch": checkpoint.epoch, "schema": SCHEMA}
        meta = {"run": run.config(), "provenance": checkpoint.provenance, **position}
        data = files.tensor_bytes(checkpoint.tensors, meta)
        write_atomically(self._path("checkpoints", run), data)

    def load_checkpoint(
        self, run: Run, check: Callable[[Run, dict[str, Tensor]], None] = lambda run, tensors: None
    ) -> Checkpoint | None:
        """The checkpoint of the run, or None; a damaged one is reported and set aside.

        So is one whose tensors `check` refuses by a ValueError. Raises Unreadable, as `get` does.
        """
        path = self._path("checkpoints", run)
        try:
            with reading(path):
                tensors, meta = files.read_checked(path)
                check(run, tensors)
                return Checkpoint(run, _position(meta, path)[1], tensors, meta["provenance"])
        except FileNotFoundError:
            return None
        except Damaged as error:
            _report(error)
            return None

    def drop_checkpoint(self, run: Run) -> None:
        """Delete the checkpoint of a run whose record is stored."""
        self._path("checkpoints", run).unlink(missing_ok=True)

    def checkpointed(self) -> dict[Run, int]:
        """Every run with a checkpoint, and its epoch; only the headers of the files are read."""
        epochs = {}
        for path in listed(self.path / "checkpoints", "*.safetensors"):
            try:
                with reading(path):
                    run, epoch = _position(files.read_meta(path), path)
                    epochs[run] = epoch
            except FileNotFoundError:  # another process finished it meanwhile
                continue
            except Damaged as error:
                _report(error)
            except Unreadable as error:
                warnings.warn(f"{error}; it counts as none", stacklevel=2)
        return epochs

    @contextmanager
    def lock(self, runs: Sequence[Run]) -> Iterator[list[Run]]:
        """Hold those of the runs that are neither finished nor held by anybody else.

        Never waits, so it may be none. Raises StoreFull if there is no space for a lock file.
        """
        held: dict[Run, Path] = {}
        with ExitStack() as locks:
            for run in runs:
                path = self._path("locks", run)
                with suppress(Timeout), files.naming_full_disk(path):
                    lock = FileLock(path, 0, thread_local=False, fallback_to_soft=False)
                    locks.enter_context(lock)
                    held[run] = path
            # only now: a holder stores its record before it lets go
            yield [run for run in held if self.get(run) is None]
            for run, path in held.items():  # whoever has just opened the file sees the record, too
                if self._path("records", run).exists():
                    path.unlink(missing_ok=True)

    def collect_garbage(self, damaged: bool = False) -> list[Path]:
        """Delete what no run needs any more; the paths that were deleted.

        That is: checkpoints of runs with a sound record here, temporary files older than an hour,
        and, if asked, what was set aside as *.damaged. All else is safe, also while others train.
        """
        kept = ((run, replace(run, keep_weights=True)) for run in self.checkpointed())
        done = (two[0] for two in kept if any(self._path("records", r).exists() for r in two))
        stray = [self._path("checkpoints", run) for run in done if self.has(run)]
        for folder in FOLDERS[:3]:
            stray += filter(files.abandoned, listed(self.path / folder, "*.tmp"))
            stray += listed(self.path / folder, "*.damaged") if damaged else []
        for path in stray:
            if path.is_dir() and not path.is_symlink():  # it stood in a file's place
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        return stray

    def export(self, name: str, runs: list[Run], target: Path | str | None = None) -> Path:
        """Write the records of the runs as shipped results `<target>/<name>.parquet` and weights.

        Raises ValueError without runs or target, or if a run has no sound record (it says which).
        """
        if not (runs and (target := Path(target) if target else self.shipped)):
            raise ValueError(f"export needs runs and a target, got {len(runs)} runs; {self}")
        found = {run: self.get(run) for run in runs}
        for run, record in found.items():
            if record is None:
                raise ValueError(f"run {run.key} ({run}) is not in {self}")
        records = list(filter(None, found.values()))
        for record in records:
            if record.weights_path and record.weights_path.parent != target / "weights":
                small = parquet.weights_bytes(record.weights(), ("brotli", 11))  # takes seconds
                write_atomically(target / "weights" / record.weights_path.name, small)
        write_atomically(target / f"{name}.parquet", parquet.parquet_bytes(records))
        return target / f"{name}.parquet"


def _position(meta: dict, path: Path) -> tuple[Run, int]:
    """Run and epoch of a checkpoint's meta. Raises Damaged if the file is not that run's."""
    if meta.get("schema") != SCHEMA:
        raise Damaged(path, f"schema {meta.get('schema')}, this version reads {SCHEMA}")
    run = Run.from_config(meta["run"])
    if not run.has_key(path.stem):
        raise Damaged(path, f"holds run {run.key}")
    epoch = index(meta["epoch"])
    if not 0 <= epoch <= run.epochs:
        raise Damaged(path, f"is of epoch {epoch}, of a run with {run.epochs}")
    return run, epoch


def _report(error: Damaged) -> None:
    """Set a damaged file aside, and say so."""
    done = "its record is left as it is" if error.missing else files.set_aside(error.path)
    warnings.warn(f"{error}; {done}; the run counts as missing", stacklevel=4)


@cache
def _shipped(file: File) -> dict[str, Record]:
    records = parquet.read_records(file[0], file[0].parent / "weights")
    return {record.run.key: record for record in records}


def _read_whole(record: Record) -> Record:
    """The record, whose weights, if it has any, have been read and checked."""
    if record.weights_path:
        record.weights()
    return record


def provenance(device: torch.device) -> dict:
    """Where and with what this process computes: versions, commit, device, threads."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor()
    return {
        "grokkit": __version__,
        "commit": _commit(),
        "torch": torch.__version__,
        "device": f"{device.type} {name or platform.machine()}".strip(),
        "threads": torch.get_num_threads(),
    }


@cache
def _commit() -> str:
    """The commit of the working copy this package is imported from, or '' outside one."""
    command = "git --git-dir=.git describe --always --dirty --abbrev=12 --exclude=*".split()
    here = SHIPPED.parent
    with suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(command, cwd=here, capture_output=True, text=True, timeout=10)
        return done.stdout.strip()
    return ""
