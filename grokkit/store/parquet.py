"""A record as a row of a parquet file, with a checksum over all of it and the final weights.

In the store a file has one row, among shipped results many. Final weights are a file of their own.
"""

import hashlib
import json
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from grokkit.model import flat, named
from grokkit.runs import Record, Run
from grokkit.store.files import Damaged, checksum, opened, reading

TEXT, NUMBERS = pa.string(), pa.map_(pa.string(), pa.list_(pa.float64()))
ROW = pa.schema(
    dict.fromkeys(("key", "config", "provenance"), TEXT)
    | {"metrics": NUMBERS, "weights_sha256": TEXT, "sha256": TEXT}
)


def read_records(path: Path, weights: Path) -> list[Record]:
    """Every record of a parquet file, with weights in `weights`. Raises what `reading` does."""
    with reading(path):
        return [_record(row, path, weights) for row in _table(path).cast(ROW).to_pylist()]


@cache
def read_keys(path: Path, *state: int) -> list[str]:
    """The keys of the records of a parquet file, read once for each state of it (when, size)."""
    with reading(path):
        return _table(path, ["key"]).column("key").to_pylist()


def _table(path: Path, columns: list[str] | None = None) -> pa.Table:
    with opened(path) as file:  # given a path, pyarrow also reads a directory
        # without pyarrow's own threads: a process that ends while they sleep may abort
        whole = pa.BufferReader(file.read())
        return pq.ParquetFile(whole, pre_buffer=False).read(columns, use_threads=False)


def parquet_bytes(records: list[Record]) -> bytes:
    """The parquet file of `read_records`."""
    table = pa.Table.from_pylist([_row(record) for record in records], schema=ROW)
    return _bytes(table, "metrics.key_value.value.list.element", ("brotli", 10))


def weights_bytes(weights: dict[str, Tensor], how: tuple[str, int] = ("zstd", 19)) -> bytes:
    """The parquet file of `read_weights`: all parameters in one column, in the network's order."""
    return _bytes(pa.table({"weights": flat(weights).detach().cpu().numpy()}), "weights", how)


def _bytes(table: pa.Table, numbers: str, how: tuple[str, int]) -> bytes:
    """The table as a small file. `numbers`: its column of floats, a third less byte by byte."""
    sink = pa.BufferOutputStream()
    small = {"compression": how[0], "compression_level": how[1], "use_dictionary": False}
    pq.write_table(table, sink, column_encoding={numbers: "BYTE_STREAM_SPLIT"}, **small)
    return sink.getvalue().to_pybytes()


def _row(record: Record) -> dict:
    row = {
        "key": record.run.key,
        "config": json.dumps(record.run.config(), sort_keys=True),
        "provenance": json.dumps(record.provenance, sort_keys=True),
        "metrics": [(name, _rounded(name, v)) for name, v in sorted(record.metrics.items())],
        "weights_sha256": record.weights_sha256,
    }
    return row | {"sha256": _row_digest(row)}


def _rounded(name: str, values: np.ndarray) -> np.ndarray:
    """A metric to a part in a million (20 bits), two fifths of the file; epochs whole."""
    mantissa, exponent = np.frexp(np.asarray(values, dtype=np.float64))
    return np.ldexp(mantissa if name == "epoch" else np.rint(mantissa * 2**20) / 2**20, exponent)


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
    if not run.has_key(row["key"]):
        raise Damaged(path, f"row {row['key']} holds the config of run {run.key}")
    metrics = {name: np.array(values, dtype=np.float64) for name, values in row["metrics"]}
    metrics["epoch"] = metrics["epoch"].astype(np.int64)
    of = {"train_accuracy": (n := run.dataset_size), "test_accuracy": run.operation.n_examples - n}
    for name in of.keys() & metrics:  # a count over so many, which 20 bits tell apart
        metrics[name] = np.rint(metrics[name] * of[name]) / (of[name] or np.nan)
    sha = row["weights_sha256"]
    kept = (weights / f"{run.key}.parquet", sha, read_weights) if sha else ()
    return Record(run, metrics, json.loads(row["provenance"]), *kept)


def read_weights(record: Record) -> dict[str, Tensor]:
    """The final weights of a record. Raises Damaged: their file is missing, or not the record's."""
    path, run = record.weights_path, record.run
    assert path is not None
    try:
        with reading(path):
            weights = named(torch.tensor(_table(path)["weights"].to_numpy()), run.shapes)
    except FileNotFoundError as error:
        raise Damaged(path) from error
    if digest(run, weights) != record.weights_sha256:
        raise Damaged(path, "its checksum is not the record's")
    return weights


def digest(run: Run, weights: dict[str, Tensor]) -> str:
    """The checksum by which a record knows its weights."""
    return checksum(weights, json.dumps({"key": run.key}))
