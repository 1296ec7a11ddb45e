"""A sweep near D_crit as a whole: whether it can be judged, and its outcomes by size."""

from collections.abc import Sequence

import numpy as np

from grokkit.runs import Record
from varma2023.semi_grokking.outcomes import OUTCOMES, counts, low
from varma2023.tables import html_table

ENOUGH = 20  # runs, at three sizes or more, by which a sweep can be judged
PAPER_SHARE = 6 / 200  # of runs that end semi-grokked (Fig. 5)


def judged(records: Sequence[Record]) -> bool:
    """Whether a sweep is large enough for verdicts on Sec. 5.3: 20 runs, at three sizes or more."""
    return len(records) >= ENOUGH and len({record.run.dataset_size for record in records}) >= 3


def outcomes_table(records: Sequence[Record]) -> str:
    """By dataset size: the bound above memory, how many runs have each outcome, and their ends."""
    rows = []
    for size in sorted({record.run.dataset_size for record in records}):
        here = [record for record in records if record.run.dataset_size == size]
        ends = sorted(record.final("test_accuracy") for record in here)
        bound = np.mean([low(record.run) for record in here])
        cells = [str(n) if n else "" for n in counts(here).values()]
        rows.append([f"{size:,}", f"{bound:.2f}", *cells, ", ".join(f"{e:.2f}" for e in ends)])
    head = ["D", "generalises above", *OUTCOMES, "test accuracy at the end, by run"]
    return html_table(head, rows)
