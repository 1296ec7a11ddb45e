"""When a network groks: the marks of Figs. 1a and 9, and the observations of App. A.3."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from grokkit.runs import Record, Run
from varma2023.analysis.summaries import (
    Crossing,
    Summary,
    first,
    value_at,
    values_at,
)
from varma2023.tables import html_table


def train_fits(record: Record) -> Crossing | None:
    """Train accuracy reaches 1."""
    return first(record, record["train_accuracy"] == 1)


def norm_peaks(record: Record) -> Crossing | None:
    """The parameter norm is at its largest after the start."""
    peak = record["param_norm"][1:].max()
    return first(record, record["param_norm"] == peak, 1)


def test_falls(record: Record) -> Crossing | None:
    """The test loss has lost a tenth of its largest value, for good."""
    loss = record["test_loss"]
    top = int(loss.argmax())
    above = np.flatnonzero(loss > 0.9 * loss[top])
    start = int(above[-1]) + 1
    return first(record, loss <= 0.9 * loss[top], start) if start < len(loss) else None


def generalises(record: Record) -> Crossing | None:
    """Test accuracy passes 0.98."""
    return first(record, record["test_accuracy"] > 0.98)


def trig_leads(record: Record) -> Crossing | None:
    """The trigonometric part of the correct logit overtakes the rest, for good (App. B).

    None also where a task's logits have no such part.
    """
    if "trig_logit" not in record.metrics:
        return None
    behind = np.flatnonzero(record["trig_logit"] <= record["mem_logit"])
    start = int(behind[-1]) + 1 if len(behind) else 0
    return first(record, record["trig_logit"] > record["mem_logit"], start)


@dataclass(frozen=True)
class Mark:
    """An event of a grokking run, with the epoch at which the paper sees it (Fig. 9, App. A.3)."""

    name: str
    paper: int
    find: Callable[[Record], Crossing | None]


MARKS = (
    Mark("train accuracy reaches 1", 200, train_fits),
    Mark("parameter norm peaks", 200, norm_peaks),
    Mark("trig logit overtakes mem logit", 1500, trig_leads),
    Mark("test loss starts to fall", 3500, test_falls),
    Mark("generalised (test accuracy > 0.98)", 6000, generalises),
)


def mark_epochs(records: Sequence[Record], mark: Mark) -> Summary:
    """The epoch of a mark over runs: the upper end of each run's interval."""
    found = [mark.find(record) for record in records]
    return Summary.of([None if crossing is None else crossing.epoch for crossing in found])


def mark_summaries(records: Sequence[Record]) -> list[Summary]:
    """The epochs of all `MARKS`, in their order."""
    return [mark_epochs(records, mark) for mark in MARKS]


def tolerance(records: Sequence[Record]) -> float:
    """The factor between the latest and the earliest seed in the epoch of generalisation."""
    epochs = mark_epochs(records, MARKS[-1])
    return epochs.high / epochs.low


def mark_met(records: Sequence[Record], mark: Mark) -> bool:
    """Whether every run has the mark, the median as near the paper's epoch as seeds are (C9)."""
    summary, factor = mark_epochs(records, mark), tolerance(records)
    near = 1 / factor <= summary.median / mark.paper <= factor
    return summary.seen == summary.n and near


def at_papers_setting(records: Sequence[Record]) -> bool:
    """Whether every run is the paper's of Figs. 1a and 9 but for its seed, or a longer one."""

    def same(run: Run) -> bool:
        free = Run(seed=run.seed, n_logged=run.n_logged, keep_weights=run.keep_weights)
        return replace(run, epochs=free.epochs) == free and run.epochs >= free.epochs

    return bool(records) and all(same(record.run) for record in records)


def marks_table(records: Sequence[Record]) -> str:
    """The five marks of Fig. 9: the paper's epoch, ours over seeds, whether they agree.

    At another setting than the paper's there is nothing to agree with.
    """
    rows, comparable = [], at_papers_setting(records)
    for mark in MARKS:
        met = ("yes" if mark_met(records, mark) else "no") if comparable else "other setting"
        ours = mark_epochs(records, mark).text()
        rows.append([mark.name, f"~{mark.paper:,}", ours, met])
    return html_table(["event", "paper, epoch", "ours, epoch: median (range)", "agrees"], rows)


def groks(record: Record) -> bool:
    """Whether train accuracy is 1 well before test accuracy passes 0.98: delayed generalisation.

    "Well before" is a factor of two in epochs.
    """
    fits, general = train_fits(record), generalises(record)
    return fits is not None and general is not None and general.after >= 2 * fits.epoch


def grokking_parts(records: Sequence[Record]) -> dict[str, bool]:
    """What makes runs grokking runs at any setting: delayed, and in the end full, generalisation.

    The epochs of Fig. 9 are another matter: `mark_met`.
    """
    return {
        "every run fits its train set": all(train_fits(r) is not None for r in records),
        "every run passes test accuracy 0.98 after twice as many epochs": all(map(groks, records)),
        "every run ends above test accuracy 0.98": all(
            record.final("test_accuracy") > 0.98 for record in records
        ),
    }


@dataclass(frozen=True)
class Change:
    """A metric that App. A.3 sees rise or fall between two epochs of Fig. 9."""

    name: str
    metric: str
    start: int
    end: int
    rises: bool


CHANGES = (
    Change("trig logit rises", "trig_logit", 200, 1500, True),
    Change("mem logit rises", "mem_logit", 200, 1500, True),
    Change("parameter norm falls", "param_norm", 200, 1500, False),
    Change("trig logit falls", "trig_logit", 4000, 10_000, False),
    Change("mem logit, already near 0, stays", "mem_logit", 4000, 10_000, False),
    Change("test loss falls", "test_loss", 4000, 10_000, False),
)
NEAR_ZERO = 0.1  # of the trig logit at the same epoch: "the mem logit is about 0"


def change_met(record: Record, change: Change) -> bool:
    """Whether the run shows a change; for the mem logit "stays", that it is near 0 at both ends."""
    before, after = (value_at(record, change.metric, e) for e in (change.start, change.end))
    if change.metric == "mem_logit" and not change.rises:
        trig = [value_at(record, "trig_logit", e) for e in (change.start, change.end)]
        return abs(before) < NEAR_ZERO * trig[0] and abs(after) < NEAR_ZERO * trig[1]
    return after > before if change.rises else after < before


def change_seen(records: Sequence[Record], change: Change) -> bool:
    """Whether more than half of the runs show a change."""
    return 2 * _count(records, change) > len(records)


def _count(records: Sequence[Record], change: Change) -> int:
    return sum(change_met(record, change) for record in records)


def changes_table(records: Sequence[Record]) -> str:
    """The observations of App. A.3: values at both epochs over seeds, and in how many runs so."""
    rows = []
    for change in CHANGES:
        ends = [values_at(records, change.metric, e) for e in (change.start, change.end)]
        form = ".2g" if change.metric == "test_loss" else ".1f"
        there = records[0].run.epochs >= change.end
        row = [summary.text(form) if there else "not run" for summary in ends]
        count = f"{_count(records, change)} of {len(records)}" if there else "not run"
        rows.append([change.name, f"{change.start:,} to {change.end:,}", *row, count])
    return html_table(["the paper sees", "epochs", "ours, before", "ours, after", "runs"], rows)
