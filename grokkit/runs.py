"""A run, the record it leaves, and the store that keeps records and checkpoints on disk.

Only this module touches files. A record is one row of a parquet file: config, metrics as list
columns, provenance, and a checksum over all of it and the final weights. Records that ship with
the package are rows of the same form, many to a file, read-only, beneath the local store.
"""

import errno
import hashlib
import json
import os
import platform
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from operator import index
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from filelock import FileLock
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from grokkit import tasks
from grokkit.model import ModelConfig

SCHEMA = 1  # of a record; part of every key, so that a change of meaning never reuses old results


@dataclass(frozen=True)
class Run:
    """One network and how it is trained. Defaults are App. A and the grokking run of Fig. 9.

    Raises:
        ValueError: a field outside what it allows, with its name and value.
    """

    task: str = "x+y"
    p: int = 113  # the modulus, or n of S_n
    dataset_size: int = 3830
    labels: str = "true"  # or "random" (Sec. 5.1)
    seed: int = 0  # of the initialisation, the split and the random labels
    epochs: int = 10_000
    lr: float = 1e-3
    weight_decay: float = 1.0
    beta1: float = 0.9
    beta2: float = 0.98
    eps: float = 1e-8
    init: "Run | None" = None  # start from this run's final weights (ungrokking, Sec. 5.2)
    init_scale: float = 1.0  # multiplies the initial weights (ablation of Sec. 6)
    model: ModelConfig = field(default_factory=ModelConfig)
    n_logged: int = 200  # evaluations, half of them evenly, half geometrically spaced
    keep_weights: bool = False  # whether the record keeps the final weights

    def __post_init__(self) -> None:
        for item in fields(self):
            self._normalise(item.name, item.type)
        tasks.check_dataset_size(tasks.task(self.task, self.p), self.dataset_size)
        if self.labels not in ("true", "random"):
            raise ValueError(f'labels must be "true" or "random", got {self.labels!r}')
        for name, low in (("seed", 0), ("epochs", 1), ("n_logged", 2)):
            if getattr(self, name) < low:
                raise ValueError(f"{name} must be at least {low}, got {getattr(self, name)}")
        for name in ("lr", "eps", "init_scale"):
            if not 0 < getattr(self, name) < np.inf:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)!r}")
        if not 0 <= self.weight_decay < 1 / self.lr:
            allowed = f"[0, 1/lr) = [0, {1 / self.lr:g})"
            raise ValueError(f"weight_decay must be in {allowed}, got {self.weight_decay!r}")
        for name in ("beta1", "beta2"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be in [0, 1), got {getattr(self, name)!r}")
        self._check_init()

    def _normalise(self, name: str, kind: object) -> None:
        """One representation per value (1 and 1.0, numpy's and Python's integers), for the key."""
        value = getattr(self, name)
        if kind not in (int, float):
            return
        try:
            if isinstance(value, bool):
                raise TypeError
            plain = index(value) if kind is int else float(value)
        except (TypeError, ValueError):
            wanted = "an integer" if kind is int else "a number"
            raise ValueError(f"{name} must be {wanted}, got {value!r}") from None
        object.__setattr__(self, name, plain)

    def _check_init(self) -> None:
        if self.init is None:
            return
        if not self.init.keep_weights:
            raise ValueError("init must be a run with keep_weights=True, or its end is not stored")
        for name in ("p", "model"):
            if getattr(self, name) != getattr(self.init, name):
                raise ValueError(
                    f"init must have the same {name} as the run: {getattr(self, name)} "
                    f"against {getattr(self.init, name)}"
                )
        if tasks.task(self.task, self.p).n_tokens != tasks.task(self.init.task, self.p).n_tokens:
            raise ValueError(
                f"init ran {self.init.task!r}, which has other tokens than {self.task!r}"
            )

    def config(self) -> dict:
        """Every field as plain JSON values; `init` whole, as a nested config."""
        return asdict(self)

    @cached_property
    def key(self) -> str:
        """16 hex digits that name the run: a hash of the fields that differ from the defaults.

        Fields at their default are left out, so adding a field keeps old keys.
        """
        text = json.dumps([SCHEMA, _canonical(self)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @classmethod
    def from_config(cls, config: dict) -> "Run":
        """The run of a `config()`."""
        init = config["init"] and cls.from_config(config["init"])
        return cls(**{**config, "init": init, "model": ModelConfig(**config["model"])})

    def split(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows of the train and of the test set among the task's examples (`tasks.split`)."""
        return tasks.split(tasks.task(self.task, self.p), self.dataset_size, self.seed)

    def example_labels(self) -> np.ndarray:
        """The label of every example of the task [example], true or random."""
        task = tasks.task(self.task, self.p)
        return task.labels if self.labels == "true" else tasks.random_labels(task, self.seed)

    def log_epochs(self) -> np.ndarray:
        """Epochs at which metrics are recorded [log]: 0, the last, half even, half geometric."""
        half = self.n_logged // 2
        even = np.linspace(0, self.epochs, max(half, 2))
        log = np.geomspace(1, self.epochs, max(half, 2))
        return np.unique(np.rint(np.concatenate([even, log])).astype(np.int64))

    def __str__(self) -> str:
        parts = [self.task, f"p={self.p}", f"D={self.dataset_size}", f"wd={self.weight_decay:g}"]
        return " ".join([*parts, f"seed={self.seed}", *(["ungrokking"] if self.init else [])])


def _canonical(run: Run) -> dict:
    default = Run()
    changed: dict = {}
    for item in fields(run):
        value = getattr(run, item.name)
        if value == getattr(default, item.name):
            continue
        if isinstance(value, Run):
            value = _canonical(value)
        elif isinstance(value, ModelConfig):
            value = asdict(value)
        elif isinstance(value, float):
            value = float(value).hex()
        changed[item.name] = value
    return changed


@dataclass(frozen=True, eq=False)
class Record:
    """What a finished run leaves: metrics at the logged epochs, provenance, maybe final weights."""

    run: Run
    metrics: dict[str, np.ndarray]  # each [log]; "epoch" is the axis
    provenance: dict
    weights_path: Path | None = None
    weights_sha256: str = ""

    def __getitem__(self, metric: str) -> np.ndarray:
        return self.metrics[metric]

    def final(self, metric: str) -> float:
        """The metric at the last epoch."""
        return float(self.metrics[metric][-1])

    def weights(self) -> dict[str, Tensor]:
        """Final parameters of the network, on the CPU.

        Raises:
            ValueError: the record keeps none, or the file does not match its checksum.
        """
        if self.weights_path is None:
            raise ValueError(f"run {self.run.key} ({self.run}) was not asked to keep its weights")
        tensors, digest = _read_tensors(self.weights_path)
        if digest != self.weights_sha256:
            raise Damaged(self.weights_path, "its checksum is not the record's")
        names = self.run.model.shapes(tasks.task(self.run.task, self.run.p).n_tokens)
        return {name: tensors[name] for name in names}


class Damaged(ValueError):
    """A stored file is not what was written. Carries the path; the run is to be trained again."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path}: damaged ({why})")
        self.path = path


class StoreFull(OSError):
    """The disk is full; what was complete before is still in the store."""


# --- bytes on disk ---------------------------------------------------------------------------


def _write_atomically(path: Path, data: bytes) -> None:
    """All of the bytes under the final name, or nothing: temporary file, fsync, rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StoreFull(error.errno, f"no space left to write {path}") from error
        raise


def _tensor_bytes(tensors: dict[str, Tensor], meta: dict) -> bytes:
    """safetensors bytes whose header holds `meta` and a checksum over meta and tensors."""
    text = json.dumps(meta, sort_keys=True)
    return save(
        {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()},
        {"meta": text, "sha256": _digest(tensors, text)},
    )


def _digest(tensors: dict[str, Tensor], text: str) -> str:
    sha = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        array = tensors[name].detach().cpu().contiguous().numpy()
        sha.update(f"{name} {array.dtype} {array.shape}".encode())
        sha.update(array.tobytes())
    return sha.hexdigest()


def _read_checked(path: Path) -> tuple[dict[str, Tensor], dict, str]:
    """Tensors, meta and checksum of a `_tensor_bytes` file. Raises Damaged unless it is whole."""
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
        meta = json.loads(header["meta"])
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise Damaged(path, f"{type(error).__name__}: {error}") from error
    digest = _digest(tensors, header["meta"])
    if digest != header.get("sha256"):
        raise Damaged(path, "its content does not match its checksum")
    return tensors, meta, digest


def _read_meta(path: Path) -> dict:
    """The meta of a file of `_tensor_bytes`, unchecked. Raises Damaged if it cannot be read."""
    try:
        with safe_open(path, framework="pt") as file:
            return json.loads(file.metadata()["meta"])
    except FileNotFoundError:
        raise
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise Damaged(path, f"{type(error).__name__}: {error}") from error


def _checkpoint_runs(meta: dict) -> list[Run]:
    return [Run.from_config(config) for config in meta["runs"]]


def _read_tensors(path: Path) -> tuple[dict[str, Tensor], str]:
    try:
        tensors, _, digest = _read_checked(path)
    except FileNotFoundError as error:
        raise Damaged(path, "missing") from error
    return tensors, digest


ROW = pa.schema(
    [
        ("key", pa.string()),
        ("config", pa.string()),
        ("provenance", pa.string()),
        ("metrics", pa.map_(pa.string(), pa.list_(pa.float64()))),
        ("weights_sha256", pa.string()),
        ("sha256", pa.string()),
    ]
)


def _row(record: Record) -> dict:
    metrics = {name: np.asarray(v, dtype=np.float64) for name, v in sorted(record.metrics.items())}
    row = {
        "key": record.run.key,
        "config": json.dumps(record.run.config(), sort_keys=True),
        "provenance": json.dumps(record.provenance, sort_keys=True),
        "metrics": list(metrics.items()),
        "weights_sha256": record.weights_sha256,
    }
    return row | {"sha256": _row_digest(row)}


def _row_digest(row: dict) -> str:
    sha = hashlib.sha256()
    for name in ("key", "config", "provenance", "weights_sha256"):
        sha.update(row[name].encode() + b"\0")
    for name, values in row["metrics"]:
        sha.update(name.encode() + b"\0" + np.asarray(values, dtype=np.float64).tobytes())
    return sha.hexdigest()


def _record(row: dict, path: Path, weights: Path) -> Record:
    if row["sha256"] != _row_digest(row):
        raise Damaged(path, f"row {row['key']} does not match its checksum")
    run = Run.from_config(json.loads(row["config"]))
    if run.key != row["key"]:
        raise Damaged(path, f"row {row['key']} holds the config of run {run.key}")
    metrics = {name: np.array(values, dtype=np.float64) for name, values in row["metrics"]}
    sha = row["weights_sha256"]
    return Record(
        run,
        metrics | {"epoch": metrics["epoch"].astype(np.int64)},
        json.loads(row["provenance"]),
        weights / f"{run.key}.safetensors" if sha else None,
        sha,
    )


def _read_rows(path: Path, weights: Path) -> list[Record]:
    """Every record of a parquet file. Raises Damaged unless all of it is whole."""
    try:
        table = pq.read_table(path, schema=ROW)
        return [_record(row, path, weights) for row in table.to_pylist()]
    except (Damaged, FileNotFoundError):
        raise
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        raise Damaged(path, f"{type(error).__name__}: {error}") from error


def _parquet_bytes(records: list[Record]) -> bytes:
    table = pa.Table.from_pylist([_row(record) for record in records], schema=ROW)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", compression_level=9)
    return sink.getvalue().to_pybytes()


# --- the store -------------------------------------------------------------------------------

SHIPPED = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Checkpoint:
    """A stack of runs part of the way through training."""

    runs: list[Run]
    epoch: int
    tensors: dict[str, Tensor]  # parameters, both moments, and metrics so far
    provenance: list[dict]  # one entry per process that worked on it


class Store:
    """Records and checkpoints in a directory, over the read-only records that ship with grokkit.

    Any number of processes may read and write one store: every file appears whole, under its final
    name, or not at all. A damaged file is reported by path, set aside, and its run trained again.
    """

    def __init__(self, path: Path | str | None = None, shipped: Path | str | None = None) -> None:
        """`path`: default $GROKKIT_STORE, else ~/.cache/grokkit. `shipped`: default the package's
        own results, or $GROKKIT_RESULTS (empty: none)."""
        self.path = Path(path or os.environ.get("GROKKIT_STORE") or "~/.cache/grokkit").expanduser()
        if shipped is None:
            shipped = os.environ.get("GROKKIT_RESULTS", str(SHIPPED))
        self.shipped = Path(shipped) if shipped else None

    def __repr__(self) -> str:
        return f"Store({str(self.path)!r}, shipped={str(self.shipped)!r})"

    @cached_property
    def _shipped_records(self) -> dict[str, Record]:
        records: dict[str, Record] = {}
        for path in sorted(self.shipped.glob("*.parquet")) if self.shipped else []:
            try:
                rows = _read_rows(path, path.parent / "weights")
            except Damaged as error:
                warnings.warn(f"{error}; its runs count as missing", stacklevel=3)
                continue
            records |= {record.run.key: record for record in rows}
        return records

    def shipped_records(self) -> list[Record]:
        """Every sound record that ships with the package."""
        return list(self._shipped_records.values())

    def get(self, run: Run) -> Record | None:
        """The record of the run; None if it was never finished here, or its files are damaged."""
        path = self.path / "records" / f"{run.key}.parquet"
        try:
            [record] = _read_rows(path, self.path / "weights")
            if record.run != run:
                raise Damaged(path, f"holds run {record.run.key}")
            if record.weights_path:
                record.weights()
            return record
        except FileNotFoundError:
            pass
        except (Damaged, ValueError) as error:
            self._set_aside(path, error)
        shipped = self._shipped_records.get(run.key)
        if shipped is None or not _sound(shipped):
            return None
        return shipped

    def put(self, record: Record, weights: dict[str, Tensor] | None = None) -> Record:
        """The stored record of a finished run, with its weights if the run keeps them."""
        if record.run.keep_weights:
            if weights is None:
                raise ValueError(f"run {record.run.key} keeps its weights, but none were given")
            meta = {"key": record.run.key}
            path = self.path / "weights" / f"{record.run.key}.safetensors"
            digest = _digest(weights, json.dumps(meta, sort_keys=True))
            _write_atomically(path, _tensor_bytes(weights, meta))
            record = replace(record, weights_path=path, weights_sha256=digest)
        path = self.path / "records" / f"{record.run.key}.parquet"
        _write_atomically(path, _parquet_bytes([record]))
        return record

    def _set_aside(self, path: Path, error: Exception) -> None:
        """Move a damaged file out of the way, keeping it for inspection, and say so."""
        damaged = error.path if isinstance(error, Damaged) else path
        for file in {path, damaged}:
            if file.exists():
                file.replace(file.with_name(f"{file.name}.damaged"))
        warnings.warn(
            f"{error}; set aside as *.damaged, the run will be trained again", stacklevel=3
        )

    # checkpoints

    def _checkpoint_path(self, runs: list[Run]) -> Path:
        name = hashlib.sha256(" ".join(run.key for run in runs).encode()).hexdigest()[:16]
        return self.path / "checkpoints" / f"{name}.safetensors"

    def save_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Replace the checkpoint of this stack, atomically."""
        meta = {
            "runs": [run.config() for run in checkpoint.runs],
            "epoch": checkpoint.epoch,
            "provenance": checkpoint.provenance,
        }
        path = self._checkpoint_path(checkpoint.runs)
        _write_atomically(path, _tensor_bytes(checkpoint.tensors, meta))

    def checkpointed(self) -> list[list[Run]]:
        """The runs of every stack with a checkpoint; only the headers of the files are read."""
        stacks = []
        for path in sorted((self.path / "checkpoints").glob("*.safetensors")):
            try:
                stacks.append(_checkpoint_runs(_read_meta(path)))
            except FileNotFoundError:  # another process finished it meanwhile
                continue
            except (ValueError, KeyError, TypeError) as error:
                self._set_aside(path, error)
        return stacks

    def load_checkpoint(self, runs: list[Run]) -> Checkpoint | None:
        """The checkpoint of this stack, or None; a damaged one is reported and set aside."""
        path = self._checkpoint_path(runs)
        try:
            tensors, meta, _ = _read_checked(path)
            return Checkpoint(_checkpoint_runs(meta), meta["epoch"], tensors, meta["provenance"])
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            self._set_aside(path, error)
            return None

    def drop_checkpoint(self, runs: list[Run]) -> None:
        """Delete the checkpoint of a stack whose records are all stored."""
        self._checkpoint_path(runs).unlink(missing_ok=True)

    @contextmanager
    def claim(self, runs: list[Run]) -> Iterator[None]:
        """Hold a stack, so that no other process trains it meanwhile (waits while another does).

        The lock goes with its process, however that ends.
        """
        path = self._checkpoint_path(runs).with_suffix(".lock")
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path):
            yield

    def export(self, name: str, runs: list[Run], target: Path | None = None) -> Path:
        """Write the records of the runs as shipped results `<target>/<name>.parquet` and weights.

        Raises:
            ValueError: a run has no sound record; the message says which.
        """
        target = target or SHIPPED
        records = []
        for run in runs:
            record = self.get(run)
            if record is None:
                raise ValueError(f"run {run.key} ({run}) is not in {self}")
            records.append(record)
        for record in records:
            if record.weights_path:
                path = target / "weights" / record.weights_path.name
                if record.weights_path != path:
                    _write_atomically(path, record.weights_path.read_bytes())
        _write_atomically(target / f"{name}.parquet", _parquet_bytes(records))
        return target / f"{name}.parquet"


def _sound(record: Record) -> bool:
    """Whether the weights of a shipped record, if it has any, are whole; warns if not."""
    if record.weights_path is None:
        return True
    try:
        record.weights()
    except Damaged as error:
        warnings.warn(f"{error}; the run counts as missing", stacklevel=3)
        return False
    return True


def provenance(device: torch.device) -> dict:
    """Where and with what this process computes: versions, commit, device, dtype, threads."""
    from grokkit import __version__

    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor()
    return {
        "grokkit": __version__,
        "commit": _commit(),
        "torch": torch.__version__,
        "device": f"{device.type} {name or platform.machine()}".strip(),
        "threads": torch.get_num_threads(),
        "dtype": "float32",
    }


def _commit() -> str:
    """The commit of the working copy this package is imported from, or '' outside one."""
    import subprocess

    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
