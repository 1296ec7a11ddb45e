"""Results of rival accounts: what grokking does not need (Sec. 6), and weight decay (Sec. 7)."""

from collections.abc import Mapping, Sequence
from math import isfinite

from grokkit import analysis, rivals
from grokkit.claims.board import Result
from grokkit.runs import Record


def results(records: Mapping[str, Sequence[Record]]) -> dict[str, Result]:
    """What the records of `ablations` decide."""
    runs = records.get("ablations", ())
    return rival_results(runs) if runs else {}


def rival_results(records: Sequence[Record]) -> dict[str, Result]:
    """Sec. 6 and 7, from grokking runs with one thing changed at a time."""
    parts = analysis.listed(rivals.rival_parts(records))
    decays = rivals.by_decay(records)
    medians = {decay: rivals.general_median(group) for decay, group in decays.items()}
    said = ", ".join(
        f"{decay:g}: {median:,.0f}" if isfinite(median) else f"{decay:g}: never"
        for decay, median in medians.items()
    )
    last = max(record.run.epochs for record in records)
    without = rivals.general_epochs(decays.get(0.0, []))
    n = sum(map(len, decays.values()))
    ours = (
        f"median epoch of test accuracy 0.98 by weight decay {said}, within {last:,} epochs; "
        f"without, {sum(map(isfinite, without))} of {len(without)} runs"
    )
    return {
        "S6": Result(rivals.rivals_verdict(records), parts, len(records)),
        "S7": Result(rivals.decay_verdict(records), ours, n),
    }
