"""A shipped run trained again from nothing, and how far its record comes out the same."""

import shutil
from dataclasses import dataclass

import numpy as np

from grokkit.runs import Record
from grokkit.store.store import Store
from grokkit.sweeps.local import train

MAX_GAP = 0.02  # of final values on another machine: of accuracies, or relative


@dataclass(frozen=True)
class Comparison:
    """The record that was stored, and the one that training left this time."""

    stored: Record
    again: Record

    def final_values(self) -> dict[str, tuple[float, float]]:
        """Accuracies, norm and correct logit at the end, stored and again."""
        names = ("train_accuracy", "test_accuracy", "param_norm", "correct_logit")
        there = [name for name in names if name in self.stored.metrics]
        return {name: (self.stored.final(name), self.again.final(name)) for name in there}

    @property
    def agrees(self) -> bool:
        """Whether final accuracies are within 0.02, the other final values within 2%."""
        ends = self.final_values().items()
        units = [1.0 if name.endswith("accuracy") else abs(a) for name, (a, _) in ends]
        return all(abs(a - b) <= MAX_GAP * u for (_, (a, b)), u in zip(ends, units, strict=True))

    def __str__(self) -> str:
        a, b = self.stored.metrics, self.again.metrics
        bits = (np.array_equal(a.get(k, ()), b.get(k, ()), equal_nan=True) for k in a | b)
        how = "the same bits" if all(bits) else "agrees" if self.agrees else "differs"
        values = ", ".join(f"{k} {b:.4g} ({a:.4g})" for k, (a, b) in self.final_values().items())
        return f"{self.stored.run.key}  {self.stored.run}  {how}: {values}"


def find(store: Store, key: str) -> Record:
    """The shipped record whose key begins so. Raises ValueError if none does, or several do."""
    rows = {row.run.key: row for row in store.shipped_rows()}
    found = [row for name, row in rows.items() if key and name.startswith(key)]
    if len(found) != 1:
        raise ValueError(
            f"key must begin the key of one shipped run, got {key!r}, which begins {len(found)}; "
            "`varma2023 run NAME` prints the keys of an experiment"
        )
    return found[0]


def retrain(record: Record, store: Store, device: str = "auto") -> Comparison:
    """Train the record's run again, in a store of its own inside `store`, and compare.

    The same call continues one that was stopped; one that ended leaves nothing there. A network
    that it starts from is taken from `store` if that has it, and else trained too. Networks of
    AdamW in float32 part at rounding errors, so another machine, or another torch, may see a
    network grok earlier or later; the final values should agree.
    """
    alone = Store(store.path / "again" / record.run.key, shipped="")
    init = record.run.init and store.get(record.run.init)
    if init:
        alone.put(init, init.weights())
    [again] = train([record.run], alone, device)
    shutil.rmtree(alone.path)
    return Comparison(record, again)
