"""Where the minimiser of Eq. (2) ends: at the paper's sizes, and from the starts of AdamW."""

from collections.abc import Sequence

from grokkit.runs import Record
from varma2023.analysis import PERFECT, Summary
from varma2023.convergence import Pair, objective, pairs, rests
from varma2023.semi_grokking.outcomes import FULL, NONE, OUTCOMES, SEMI, counts_text, low, outcome
from varma2023.tables import html_table

PAPER_P, PAPER_SIZES = 113, (1500, 2050)


def in_papers_range(records: Sequence[Record]) -> tuple[list[Record], list[Record]]:
    """The records at the modulus and between the sizes of Fig. 5; and those of them at rest."""
    least, most = PAPER_SIZES
    there = [
        record
        for record in records
        if record.run.p == PAPER_P and least <= record.run.dataset_size <= most
    ]
    return there, [record for record in there if rests(record)]


def end_kind(record: Record) -> str:
    """Where a minimiser ends, by test accuracy alone: no generalisation, semi-grokked, or full."""
    end = record.final("test_accuracy")
    return NONE if end <= low(record.run) else SEMI if end <= PERFECT else FULL


# --- the same random weights, in both ways ----------------------------------------------------


def both_ways(records: Sequence[Record], ends: Sequence[Record]) -> list[Pair]:
    """Runs of AdamW, each with the minimiser's from the same random weights and train set.

    Raises:
        ValueError: `ends` are not those of `experiments.semi_grokking_ends`, in its order.
    """
    return pairs([record for both in zip(records, ends, strict=True) for record in both])


def by_outcome(found: Sequence[Pair]) -> dict[str, list[Pair]]:
    """The pairs by what became of the network with AdamW, in the order of `OUTCOMES`."""
    groups = {kind: [p for p in found if outcome(p.adamw) == kind] for kind in OUTCOMES}
    return {kind: group for kind, group in groups.items() if group}


def excess(pair: Pair) -> float:
    """By which part of it Eq. (2) is higher where AdamW ends than where the minimiser does."""
    return float(objective(pair.adamw)[-1] / objective(pair.lbfgs)[-1]) - 1


def surpassed(found: Sequence[Pair]) -> list[Pair]:
    """The semi-grokked runs of AdamW of which the minimiser has a lower end, in full."""
    semi = by_outcome(found).get(SEMI, [])
    return [pair for pair in semi if excess(pair) > 0 and end_kind(pair.lbfgs) == FULL]


def surpassed_text(found: Sequence[Pair]) -> str:
    """How many of the semi-grokked are `surpassed`, and by how much AdamW's ends lie higher."""
    semi = by_outcome(found).get(SEMI, [])
    higher = f" (AdamW's lie higher by {excess_text(semi)}, median and range)" if semi else ""
    return f"{len(surpassed(found))} of {len(semi)}{higher}"


def middle(found: Sequence[Pair]) -> list[Pair]:
    """The networks that the minimiser leaves in the middle."""
    return [pair for pair in found if end_kind(pair.lbfgs) == SEMI]


def middle_text(found: Sequence[Pair]) -> str:
    """How many are in the `middle`, and how AdamW ends from their random weights."""
    semi = middle(found)
    each = "; ".join(
        f"{pair.lbfgs.final('test_accuracy'):.2f} at D = {pair.lbfgs.run.dataset_size:,}, AdamW "
        f"{pair.adamw.final('test_accuracy'):.2f} with {excess(pair):+.1%} of Eq. (2)"
        for pair in semi
    )
    return f"{len(semi)} of {len(found)}" + (f" ({each})" if semi else "")


def excess_text(found: Sequence[Pair]) -> str:
    """`excess` of some pairs, as median and range; "none" of no pairs."""
    return Summary.of([excess(pair) for pair in found]).text("+.1%") if found else "none"


def both_ways_table(found: Sequence[Pair]) -> str:
    """By AdamW's outcome: the minimiser's ends, by how much they are lower, and both residuals."""
    rows = []
    for kind, group in by_outcome(found).items():
        ends = [pair.lbfgs for pair in group]
        residuals = [[r.final("residual") for r in way] for way in ([p.adamw for p in group], ends)]
        rows.append(
            [
                kind,
                str(len(group)),
                counts_text(ends, end_kind),
                excess_text(group),
                *(Summary.of(each).text(".2g") for each in residuals),
            ]
        )
    head = ["by AdamW", "networks", "by the minimiser", "Eq. (2) by AdamW above the minimiser's"]
    return html_table([*head, "residual, AdamW", "residual, minimiser"], rows)
