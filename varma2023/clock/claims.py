"""The claim that AdamW's clock runs with its learning rate."""

from varma2023 import measures
from varma2023.claims import ByExperiment, Claims, Evidence, Result, every
from varma2023.clock import analysis
from varma2023.measures import how_many
from varma2023.pages import CLOCK

CLAIMS = Claims()
ENOUGH_RATES = 3  # of which one must change grokking, or come to the edge, first


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


@CLAIMS.row(
    "B56",
    "Beyond: the first rate that matters, and the edge",
    "the least learning rate at which grokking changes is the least at which the loss is as steep "
    "as AdamW's step allows",
    (CLOCK, "sec-clock-first"),
    ("steep_rates",),
)
def first_at_the_edge(found: ByExperiment) -> Result:
    """B56: whether grokking changes first at the first rate at the edge (choice C111)."""
    records = found["steep_rates"]
    fresh, later = analysis.grokking(records), analysis.ungrokking(records)
    base = analysis.reference(records)
    if not later or len({r.run.lr for r in fresh if r.run.lr >= base}) < ENOUGH_RATES:
        return Result()
    paces = [pace for pace in analysis.paces(records) if pace.lr >= base]
    changed = min((pace.lr for pace in paces if pace.changes), default=None)
    reached = min((pace.lr for pace in paces if pace.reaches), default=None)
    first = [
        "at no rate" if rate is None else f"from η = {rate:g} on" for rate in (changed, reached)
    ]
    at_once, warm = paces[-1].records, measures.group(later, "lr").popitem()[1]
    fell, later_fell = ([*map(analysis.lost, own)] for own in (at_once, warm))
    ours = f"grokking changes {first[0]}, the edge is reached {first[1]}; train accuracy is lost "
    ours += f"by {how_many(fell)} at η = {warm[0].run.lr:g}, after a warm-up by "
    ours += how_many(later_fell)
    says = "after a warm-up as many networks or more lose train accuracy"
    too = {says: sum(later_fell) >= sum(fell)}
    core = None if changed is reached is None else changed == reached
    return Result(ours, core, too, Evidence.of(*(pace.records for pace in paces), warm))


@CLAIMS.row(
    "B57",
    "Beyond: a slower clock",
    "after equal times at a half and a quarter of the paper's learning rate memory costs what it "
    "costs at the paper's",
    (CLOCK, "sec-clock-memory"),
    ("memory_rates",),
)
def slow_enough(found: ByExperiment) -> Result:
    """B57: whether the paper's rate is small enough for memory's cost (choice C113)."""
    records, base = found["memory_rates"], analysis.reference(found["memory_rates"])
    slower = [record for record in records if record.run.lr <= base]
    by_rate = measures.group(slower, "lr")
    if len(by_rate) < ENOUGH_RATES:
        return Result()
    names = {"norm": "param_norm", "correct logit": "correct_logit"}
    ratios = [
        (f"{said} × {ratio.text()} at η = {rate:g}", ratio.near(1, analysis.SAME_COST))
        for said, name in names.items()
        for rate, ratio in analysis.memory_ratios(slower, name).items()
    ]
    told, near = zip(*ratios, strict=True)
    return Result(", ".join(told), every(near), evidence=Evidence.of(*by_rate.values()))
