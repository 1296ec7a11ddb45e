"""What `benchmarks/` measured, as the book shows it: JSON files among the shipped results."""

import json
import os
from pathlib import Path

from grokkit.store.files import Damaged, checksum, reading, write_atomically
from grokkit.store.store import SHIPPED

FOLDER = Path(os.environ.get("GROKKIT_RESULTS") or SHIPPED) / "benchmarks"


def save(name: str, measured: dict) -> Path:
    """Write a measurement, with its provenance, to the shipped results."""
    path = FOLDER / f"{name}.json"
    whole = measured | {"sha256": _digest(measured)}
    write_atomically(path, (json.dumps(whole, indent=1, ensure_ascii=False) + "\n").encode())
    return path


def read(path: Path) -> dict:
    """The measurement in a file of `save`. Raises Damaged unless it is whole."""
    with reading(path):
        measured = json.loads(path.read_text(encoding="utf-8"))
        if measured.pop("sha256", None) != _digest(measured):
            raise Damaged(path, "its content does not match its checksum")
        return measured


def _digest(measured: dict) -> str:
    return checksum({}, json.dumps(measured, sort_keys=True))


def load(name: str) -> dict:
    """A saved measurement.

    Raises:
        LookupError: there is none of that name; the message says which command makes it.
        Damaged: it is not what was saved.
    """
    path = FOLDER / f"{name}.json"
    if not path.exists():
        script = name.split("-")[0]
        raise LookupError(f"no measurement {name!r}: python benchmarks/{script}.py --save makes it")
    return read(path)
