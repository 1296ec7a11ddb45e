"""Claims about semi-grokking (Prediction 4): Figs. 1c, 5 and 6. Later evidence is read, too."""

from grokkit.runs import Record
from varma2023 import measures
from varma2023.claims import Claim, Evidence, Met, Records, Result
from varma2023.measures import SEMI, rests
from varma2023.pages import SEMI_GROKKING
from varma2023.semi_grokking import analysis

FOUR = "Prediction 4, semi-grokking"


def _again(found: Records) -> tuple[list[Record], list[Record]]:
    """The semi-grokked runs made once more: longer, and in float64."""
    return analysis.by_precision(found.get("semi_grokking_again", ()))


def _stands(found: Records) -> Met:
    """Whether a run that ends semi-grokked stays so in a longer one; None where none was made."""
    longer, _ = _again(found)
    if not analysis.counts(found["semi_grokking"])[SEMI]:
        return False
    return bool(analysis.standing(longer)) if longer else None


def fig1c(found: Records) -> Result:
    """Fig. 1c: a run ends on a middling plateau, and is still there when trained for longer."""
    records = found["semi_grokking"]
    if not analysis.judged(records):
        return Result()
    longer, precise = _again(found)
    standing = analysis.standing(longer)
    one = analysis.example(standing or records)
    return Result(
        f"{len(standing)} of {len(longer)} stay when trained for longer; the example is at "
        f"{one.final('test_accuracy'):.1%} after {one.run.epochs:,} epochs (D = "
        f"{one.run.dataset_size:,})",
        _stands(found),
        {"one stays in float64, too": bool(analysis.standing(precise)) if precise else None},
        Evidence.of(records),
    )


def fig5(found: Records) -> Result:
    """Fig. 5: some of many runs near D_crit end on a plateau; of those, the ones that stay."""
    records = found["semi_grokking"]
    if not analysis.judged(records):
        return Result()
    longer, _ = _again(found)
    n, standing = len(records), analysis.standing(longer)
    counts = analysis.counts(records)
    further: dict[str, Met] = {
        f"at least {analysis.PAPER_SHARE:.0%} of runs end so and stay": len(standing)
        >= analysis.PAPER_SHARE * n
        if longer
        else None,
        "some runs wait on a plateau and then generalise in full": counts[measures.TRANSIENT] > 0,
    }
    if ends := found.get("semi_grokking_ends"):
        middle = [end for end in ends if measures.end_kind(end) == SEMI]
        name = f"the minimiser, too, rests in the middle ({len(middle)} of {len(ends)} end there)"
        further[name] = any(map(rests, middle)) or (None if middle else False)
    return Result(
        f"{counts[SEMI]} of {n}, of which {len(standing)} stay when trained for longer; "
        f"{analysis.outcome_counts(records)}",
        _stands(found),
        further,
        Evidence.of(records),
    )


def fig6(found: Records) -> Result:
    """Fig. 6: a run waits on a plateau and then generalises; as it does, its norm drops."""
    records = found["semi_grokking"]
    if not analysis.judged(records):
        return Result()
    longer, _ = _again(found)
    drops = analysis.norm_drops([*records, *longer])
    at_once = sum(drop.at_once for drop in drops)
    return Result(
        f"{len(drops)} of {len(records)} networks wait and then generalise; the norm drops at that "
        f"moment in {at_once}",
        bool(drops),
        {f"the norm drops as the plateau ends ({at_once} of {len(drops)})": at_once == len(drops)},
        Evidence.of(records),
    )


CLAIMS = (
    Claim(
        "F1c",
        "Fig. 1c, semi-grokking",
        "near D_crit a run ends on a middling plateau of test accuracy, and stays there",
        "the example ends at 83 %",
        SEMI_GROKKING,
        "fig-1c",
        fig1c,
        ("semi_grokking",),
        heading=FOUR,
    ),
    Claim(
        "F5",
        "Fig. 5, many semi-grokking runs",
        "some of many runs near D_crit end on a plateau",
        "at least 6 of 200 (20 sizes in 1,500 – 2,050, 10 seeds)",
        SEMI_GROKKING,
        "fig-5",
        fig5,
        ("semi_grokking",),
        heading=FOUR,
    ),
    Claim(
        "F6",
        "Fig. 6, one transient plateau",
        "a run waits at middling accuracy, then generalises",
        "D = 1,532; 0.55 from 0.8e7 to 1.8e7 epochs, then 1; the norm drops at that moment",
        SEMI_GROKKING,
        "fig-6",
        fig6,
        ("semi_grokking",),
        heading=FOUR,
    ),
)
