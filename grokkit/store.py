"""The store: records and checkpoints on disk, over the results that ship with the package.

A record is one row of a parquet file: config, metrics as list columns, provenance, and a checksum
over all of it and the final weights. Shipped records are rows of the same form, many to a file.
"""

import hashlib
import json
import os
import platform
import subprocess
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from filelock import FileLock
from torch import Tensor

from grokkit.files import (
    Damaged,
    checksum,
    read_checked,
    read_meta,
    tensor_bytes,
    write_atomically,
)
from grokkit.runs import Record, Run

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


def _checkpoint_runs(meta: dict) -> list[Run]:
    return [Run.from_config(config) for config in meta["runs"]]


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
            digest = checksum(weights, json.dumps(meta, sort_keys=True))
            write_atomically(path, tensor_bytes(weights, meta))
            record = replace(record, weights_path=path, weights_sha256=digest)
        path = self.path / "records" / f"{record.run.key}.parquet"
        write_atomically(path, _parquet_bytes([record]))
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
        write_atomically(path, tensor_bytes(checkpoint.tensors, meta))

    def checkpointed(self) -> list[list[Run]]:
        """The runs of every stack with a checkpoint; only the headers of the files are read."""
        stacks = []
        for path in sorted((self.path / "checkpoints").glob("*.safetensors")):
            try:
                stacks.append(_checkpoint_runs(read_meta(path)))
            except FileNotFoundError:  # another process finished it meanwhile
                continue
            except (ValueError, KeyError, TypeError) as error:
                self._set_aside(path, error)
        return stacks

    def load_checkpoint(self, runs: list[Run]) -> Checkpoint | None:
        """The checkpoint of this stack, or None; a damaged one is reported and set aside."""
        path = self._checkpoint_path(runs)
        try:
            tensors, meta, _ = read_checked(path)
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
                    write_atomically(path, record.weights_path.read_bytes())
        write_atomically(target / f"{name}.parquet", _parquet_bytes(records))
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
