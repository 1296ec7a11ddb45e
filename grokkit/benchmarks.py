"""What `benchmarks/` measured, as the book shows it: JSON files among the shipped results."""

import json
from pathlib import Path

from grokkit.files import write_atomically
from grokkit.store import SHIPPED

FOLDER = SHIPPED / "benchmarks"


def save(name: str, measured: dict) -> Path:
    """Write a measurement, with its provenance, to the shipped results."""
    path = FOLDER / f"{name}.json"
    write_atomically(path, (json.dumps(measured, indent=1, ensure_ascii=False) + "\n").encode())
    return path


def load(name: str) -> dict:
    """A saved measurement.

    Raises:
        LookupError: there is none of that name; the message says which command makes it.
    """
    path = FOLDER / f"{name}.json"
    if not path.exists():
        script = name.split("-")[0]
        raise LookupError(f"no measurement {name!r}: python benchmarks/{script}.py --save makes it")
    return json.loads(path.read_text(encoding="utf-8"))
