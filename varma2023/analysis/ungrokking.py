"""Whether a network ungroks over time: the ends of the runs of Figs. 1b and 7."""

from collections.abc import Sequence
from dataclasses import dataclass

from grokkit.runs import Record
from varma2023.analysis.summaries import Summary
from varma2023.tables import html_table

CHANCE, PERFECT = 0.1, 0.95  # below and above: "near chance" and "stays at 1" (choice C10)


@dataclass(frozen=True)
class Ungrokked:
    """The ends of the runs at one reduced dataset size."""

    dataset_size: int
    test_accuracy: Summary
    train_accuracy: float  # the lowest over runs and epochs, after the first tenth of the epochs
    residual: float  # the largest at the end: 0 at convergence


def ungrokked(records: Sequence[Record]) -> list[Ungrokked]:
    """The ends of ungrokking runs, by reduced dataset size, smallest first."""
    rows = []
    for size in sorted({record.run.dataset_size for record in records}):
        here = [record for record in records if record.run.dataset_size == size]
        late = [r["train_accuracy"][r["epoch"] >= r.run.epochs / 10].min() for r in here]
        rows.append(
            Ungrokked(
                size,
                Summary.of([record.final("test_accuracy") for record in here]),
                float(min(late)),
                max(record.final("residual") for record in here),
            )
        )
    return rows


def smallest(records: Sequence[Record]) -> list[Record]:
    """The records with the smallest train sets: the clearest ungrokking."""
    least = min(record.run.dataset_size for record in records)
    return [record for record in records if record.run.dataset_size == least]


def ungrokking_ends(records: Sequence[Record]) -> dict[str, bool]:
    """What makes runs ungrokking runs at any setting, on every seed: both ends of Fig. 7."""
    rows = ungrokked(records)
    return {
        "the smallest train set ends near chance": rows[0].test_accuracy.high <= CHANCE,
        "the largest train set stays generalised": rows[-1].test_accuracy.low >= PERFECT,
        "train accuracy stays 1": min(row.train_accuracy for row in rows) == 1,
    }


def ungrokking_table(records: Sequence[Record]) -> str:
    """Test accuracy at the end by reduced dataset size, with train accuracy and convergence."""
    rows = [
        [
            f"{row.dataset_size:,}",
            row.test_accuracy.text(".2f"),
            f"{row.train_accuracy:.3f}",
            f"{row.residual:.2f}",
            str(row.test_accuracy.n),
        ]
        for row in ungrokked(records)
    ]
    head = ["D′", "test accuracy at the end: median (range)", "least train accuracy"]
    return html_table([*head, "largest residual", "runs"], rows)
