"""Verdicts on semi-grokking, from AdamW's runs near D_crit and the minimiser's ends."""

from collections.abc import Sequence

import numpy as np

from grokkit.analysis import FAILS, HOLDS, NOT_RUN, verdict_of
from grokkit.convergence import Pair
from grokkit.runs import Record
from grokkit.semi_grokking.ends import end_kind, in_papers_range, middle, surpassed
from grokkit.semi_grokking.outcomes import (
    OUTCOMES,
    SEMI,
    TRANSIENT,
    counts,
    low,
    norm_drops,
)
from grokkit.tables import html_table

ENOUGH = 20  # runs, at three sizes or more, by which a sweep can be judged
PAPER_SHARE = 6 / 200  # of runs that end semi-grokked (Fig. 5)


# --- verdicts ---------------------------------------------------------------------------------


def judged(records: Sequence[Record]) -> bool:
    """Whether a sweep is large enough for verdicts: 20 runs, at three sizes or more."""
    return len(records) >= ENOUGH and len({record.run.dataset_size for record in records}) >= 3


def fig5_parts(records: Sequence[Record]) -> dict[str, bool]:
    """The two parts of Fig. 5, each met or not."""
    found = counts(records)
    return {
        "at least 3 % of runs (the paper's 6 of 200) end semi-grokked": found[SEMI]
        >= PAPER_SHARE * len(records),
        "some runs wait on a plateau and then generalise in full": found[TRANSIENT] > 0,
    }


def fig6_parts(records: Sequence[Record]) -> dict[str, bool]:
    """The two parts of Fig. 6: there is a transient plateau; in most, the norm drops at its end."""
    drops = norm_drops(records)
    return {
        "a run waits on a plateau and then generalises in full": bool(drops),
        "in most such runs the norm drops as the plateau ends": sum(d.at_once for d in drops)
        > len(drops) / 2,
    }


def semi_grokking_parts(
    records: Sequence[Record], ends: Sequence[Record] = (), ways: Sequence[Pair] = ()
) -> dict[str, bool]:
    """Prediction 4 by both routes: AdamW's runs, and the minimiser's ends at the paper's sizes.

    `ways` has AdamW's runs with the minimiser's from the same random weights.
    """
    parts = {"AdamW ends some runs on a plateau": counts(records)[SEMI] > 0}
    if ways:
        parts["the minimiser ends some of the same networks in the middle"] = bool(middle(ways))
        name = "no semi-grokked run has a lower minimum, with full accuracy, from the same start"
        parts[name] = not surpassed(ways)
    there = in_papers_range(ends)
    if len(there) >= 5:
        some = any(end_kind(record) == SEMI for record in there)
        parts["the minimiser ends some at middling accuracy, at the paper's sizes"] = some
    return parts


def verdicts(
    records: Sequence[Record], ends: Sequence[Record] = (), ways: Sequence[Pair] = ()
) -> dict[str, str]:
    """The verdicts on Figs. 1c, 5 and 6 and on Prediction 4 (Sec. 5.3), by the id of the claim.

    "not run" of a sweep that is too small to be judged: a few runs need not hit D_crit.
    """
    if not judged(records):
        return dict.fromkeys(("F1c", "F5", "F6", "P4"), NOT_RUN)
    return {
        "F1c": HOLDS if counts(records)[SEMI] else FAILS,
        "F5": verdict_of(list(fig5_parts(records).values())),
        "F6": verdict_of(list(fig6_parts(records).values())),
        "P4": verdict_of(list(semi_grokking_parts(records, ends, ways).values())),
    }


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
