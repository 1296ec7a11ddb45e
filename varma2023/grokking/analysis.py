"""When a network groks: the marks of Figs. 1a and 9, and the observations of App. A.3."""

from typing import NamedTuple

from grokkit.runs import Record, Records
from varma2023 import measures
from varma2023.measures import MARKS, Mark, mark_epochs, value_at
from varma2023.tables import table


def mark_met(records: Records, mark: Mark) -> bool | None:
    """Whether every run has the mark, the median as near the paper's epoch as seeds are (C9).

    By one run it cannot be told how near seeds are.
    """
    if len(records) < 2:
        return None
    summary, factor = mark_epochs(records, mark), measures.seed_factor(records)
    return summary.seen == summary.n and 1 / factor <= summary.median / mark.paper <= factor


def middle(records: Records) -> Record:
    """The run that generalises when half of the others have and half have not, or never."""
    return sorted(records, key=measures.general_epoch)[(len(records) - 1) // 2]


def marks_table(records: Records) -> str:
    """The five marks of Fig. 9: the paper's epoch, ours, and at its setting whether they agree."""
    rows, comparable = [], measures.at_papers_setting(records)
    for mark in MARKS:
        told = {True: "yes", False: "no", None: "–"}[mark_met(records, mark)]
        met = told if comparable else "other setting"
        rows.append([mark.name, f"~{mark.paper:,}", mark_epochs(records, mark).text(), met])
    return table("event | paper, epoch | ours, epoch: median (range) | agrees", rows)


def grokking_criteria(records: Records) -> dict[str, bool]:
    """What makes runs grokking runs at any setting: delayed and, at last, full generalisation."""
    fit, delayed = all(map(measures.train_fits, records)), all(map(measures.groks, records))
    full = all(record.final("test_accuracy") > 0.98 for record in records)
    return {
        "every run fits its train set": fit,
        "every run passes test accuracy 0.98 after twice as many epochs": delayed,
        "every run ends above test accuracy 0.98": full,
    }


class Change(NamedTuple):
    """A metric that App. A.3 sees rise, fall or stay near 0 between two epochs of Fig. 9."""

    name: str
    metric: str
    start: int
    end: int
    rises: bool | None  # None: it stays near 0


CHANGES = (
    Change("trig logit rises", "trig_logit", 200, 1500, True),
    Change("mem logit rises", "mem_logit", 200, 1500, True),
    Change("parameter norm falls", "param_norm", 200, 1500, False),
    Change("trig logit falls", "trig_logit", 4000, 10_000, False),
    Change("mem logit, already near 0, stays", "mem_logit", 4000, 10_000, None),
    Change("test loss falls", "test_loss", 4000, 10_000, False),
)
NEAR_ZERO = 0.1  # of the trig logit at the same epoch: "the mem logit is about 0"


def change_met(record: Record, change: Change) -> bool:
    """Whether the run shows a change, read at its two epochs."""
    epochs = (change.start, change.end)
    before, after = (value_at(record, change.metric, epoch) for epoch in epochs)
    if change.rises is None:
        trig = [NEAR_ZERO * value_at(record, "trig_logit", epoch) for epoch in epochs]
        return abs(before) < trig[0] and abs(after) < trig[1]
    return after > before if change.rises else after < before


def change_seen(records: Records, change: Change) -> bool:
    """Whether more than half of the runs show a change."""
    return 2 * sum(change_met(record, change) for record in records) > len(records)


def changes_table(records: Records) -> str:
    """The observations of App. A.3: values at both epochs over seeds, and in how many runs so."""
    rows = []
    for change in CHANGES:
        cells, form = ["not run"] * 3, ".2g" if change.metric == "test_loss" else ".1f"
        if records[0].run.epochs >= change.end:
            for i, epoch in enumerate((change.start, change.end)):
                cells[i] = measures.values_at(records, change.metric, epoch).text(form)
            cells[2] = measures.how_many(change_met(record, change) for record in records)
        rows.append([change.name, f"{change.start:,} to {change.end:,}", *cells])
    return table("the paper sees | epochs | ours at the first | ours at the last | seen in", rows)
