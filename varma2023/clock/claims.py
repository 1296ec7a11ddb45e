"""The claim that AdamW's clock runs with its learning rate."""

from varma2023 import measures
from varma2023.claims import ByExperiment, Claims, Evidence, Result
from varma2023.clock import analysis
from varma2023.pages import CLOCK

CLAIMS = Claims()


@CLAIMS.row(
    "B11",
    "Beyond: a faster clock",
    "at four times the paper's learning rate networks grok and ungrok as they do at the paper's "
    "rate, in a quarter of the epochs",
    (CLOCK, "fig-clock"),
    ("learning_rates",),
)
def faster_clock(found: ByExperiment) -> Result:
    """B11: whether at four times the paper's learning rate all is where it was at equal times."""
    records = found["learning_rates"]
    base, rates = analysis.reference(records), {row.lr: row for row in analysis.rates(records)}
    fast = rates.get(analysis.FASTER * base)
    if fast is None or not measures.judged(analysis.ungrokking(records)):
        return Result()
    between = analysis.BETWEEN * base
    starts = analysis.grokking, analysis.ungrokking
    seeds = [of(rate.records) for rate in (rates[base], fast) for of in starts]
    ours = f"at η = {fast.lr:g}, against {base:g}: time to grok × {fast.time_ratio.text()}, size "
    ours += f"at accuracy ½ × {fast.size_ratio.text()}, accuracies differ by {fast.gap:.2f} at most"
    too = {f"at η = {between:g}, too": not rates[between].unlike if between in rates else None}
    return Result(ours, not fast.unlike, too, Evidence.of(*seeds))
