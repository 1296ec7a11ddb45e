"""Results of semi-grokking: Figs. 1c, 5 and 6, and Prediction 4."""

from collections.abc import Mapping, Sequence

from grokkit import semi_grokking
from grokkit.claims.board import Result
from grokkit.convergence import Pair
from grokkit.runs import Record


def results(records: Mapping[str, Sequence[Record]]) -> dict[str, Result]:
    """What `semi_grokking` decides, with `from_scratch` and `semi_grokking_ends` if stored."""
    runs = records.get("semi_grokking", ())
    same = records.get("semi_grokking_ends", ())
    ways = semi_grokking.both_ways(runs, same) if runs and same else []
    return semi_grokking_results(runs, records.get("from_scratch", ()), ways) if runs else {}


def semi_grokking_results(
    records: Sequence[Record], ends: Sequence[Record] = (), ways: Sequence[Pair] = ()
) -> dict[str, Result]:
    """Sec. 5.3, from runs of AdamW near D_crit and the minimiser's ends at the paper's sizes.

    `ways` has AdamW's runs with the minimiser's from the same random weights.
    """
    found, n = semi_grokking.verdicts(records, ends, ways), len(records)
    one = semi_grokking.example(records)
    share = semi_grokking.share_of(records, semi_grokking.SEMI)
    counts = semi_grokking.counts(records)
    drops = semi_grokking.norm_drops(records)
    there = semi_grokking.in_papers_range(ends)
    minimised = semi_grokking.counts_text(there, semi_grokking.end_kind)
    ours = {
        "F1c": f"p = {one.run.p}, D = {one.run.dataset_size:,}: "
        f"{one.final('test_accuracy'):.0%} after {one.run.epochs:,} epochs",
        "F5": f"{counts[semi_grokking.SEMI]} of {n} at p = {one.run.p} "
        f"(share {share.text('.0%')}); {semi_grokking.counts_text(records)}",
        "F6": f"{len(drops)} of {n} wait and then generalise; the norm drops at that moment in "
        f"{sum(drop.at_once for drop in drops)}",
        "P4": f"AdamW: {counts[semi_grokking.SEMI]} of {n}; minimiser at the paper's sizes: "
        f"{minimised} of {len(there)} at rest",
    }
    if ways:
        lower, middle = len(semi_grokking.surpassed(ways)), semi_grokking.middle(ways)
        ours["P4"] += (
            f"; from AdamW's random weights, {len(middle)} of {len(ways)} in the middle, and an "
            f"end that is lower, in full, for {lower} of the {counts[semi_grokking.SEMI]}"
        )
    n_runs = {"F1c": 1, "P4": n + len(there) + len(ways)}
    return {key: Result(found[key], text, n_runs.get(key, n)) for key, text in ours.items()}
