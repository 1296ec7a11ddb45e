"""Claims about rival accounts: what grokking does not need (Sec. 6), and weight decay (Sec. 7)."""

from math import inf, isfinite

from varma2023 import claims, measures
from varma2023.claims import ByExperiment, Claims, Evidence, Met, Result, every, told_without
from varma2023.measures import all_of, epochs_text, general_epoch, grokked, groks, spikes
from varma2023.pages import DISCUSSION, RIVALS
from varma2023.rivals import analysis

LONG = 100_000  # epochs after which a run without weight decay counts as never generalising
MORE = 0.02  # of test accuracy, by which Adam's ε holds networks back at least (choice C43)
CLAIMS = Claims()


@CLAIMS.row(
    "S6",
    "Rival accounts (Sec. 6)",
    "neither loss spikes nor a large norm at the start are needed for grokking",
    (RIVALS, "sec-6-accounts"),
    ("ablations",),
    number="no number",
)
@told_without("C48", "smaller_start")
def not_needed(found: ByExperiment) -> Result:
    """Sec. 6: runs grok without a spike before, and from a norm below the one they end with.

    At the paper's modulus, where such runs are there (choice C48).
    """
    base, small = analysis.usual_and_small(found["ablations"])
    if not (base and small):
        return Result()
    usual = base[0].run.epochs
    late = sum(usual < epoch < inf for epoch in map(general_epoch, small))
    before = f"fails, by epoch {usual:,}, when {late} of the smaller starts had not grokked (C22)"
    if (papers := found.get("smaller_start")) and found.get("grokking"):
        base, small = grokked(found), [*papers]
    parts = analysis.rival_criteria([*base, *small])
    ours, evidence = "; ".join(parts), Evidence.of(base, small)
    return Result(ours, every(parts.values()), {}, evidence, before if late else "")


@CLAIMS.row(
    "S7",
    "Without weight decay (Sec. 7)",
    "grokking is seen without weight decay, too",
    (DISCUSSION, "sec-7-decay"),
    ("ablations",),
    number="seen by others; slower, often much harder to get",
    earlier="fails, while 20,000 epochs counted as enough (C43); open, without the runs on 2,400 "
    "examples (C72); holds, smaller, by narrower intervals (C94)",
)
@told_without("C85, C92", "slingshots", "longer_slingshots", "with_decay")
def without_decay(found: ByExperiment) -> Result:
    """Sec. 7: a run without weight decay can grok, later than those with it (choices C22, C43).

    That none did says something only after `LONG` epochs, of each run: before, the runs cannot
    tell. Those on more examples, those that Adam's ε does not stop, and those with the rounded
    loss can grok as well.
    """
    records, free = found["ablations"], found.get("without_decay", ())
    others = analysis.later(found)
    decays = analysis.by_decay(records)
    without = decays.get(0.0, [])
    if not without or len(decays) < 3:
        return Result()
    medians = {decay: analysis.general_median(group) for decay, group in decays.items()}
    epochs = (f"{median:,.0f}" if isfinite(median) else "never" for median in medians.values())
    said = ", ".join(f"{decay:g}: {epoch}" for decay, epoch in zip(medians, epochs, strict=True))
    most = max(record.run.epochs for record in records)
    long = all(record.run.epochs >= LONG for record in [*without, *others])
    can: Met = any(map(groks, [*without, *others])) or (False if long else None)
    ours = f"median epoch of test accuracy 0.98 by weight decay {said}, within {most:,} epochs"
    ours += f"; without any, {analysis.grok_text([*without, *others])} examples grok"
    if others:
        ours += f", within {epochs_text(others)} epochs"
    evidence = Evidence.of(*filter(None, (*decays.values(), others)))
    further: dict[str, Met] = {**analysis.decay_criteria(records)}
    decayed = found.get("with_decay", ())
    sizes = {record.run.dataset_size for record in decayed}
    bare = [general_epoch(r) for r in others if r.run.dataset_size in sizes]
    if (first := min(bare, default=inf)) < inf:
        last = max(map(general_epoch, decayed))
        name = f"on {max(sizes):,} examples all with it generalise before any without it does, "
        further[f"{name}by either loss ({last:,.0f} against {first:,.0f} epochs)"] = last < first
    if free:
        rises = analysis.gain(free)
        further["without Adam's ε networks end at a higher test accuracy"] = rises.tells(MORE, inf)
    return Result(ours, can, further, evidence)


@CLAIMS.row(
    "B53",
    "Beyond: slingshots without weight decay",
    "without weight decay the rounded float32 loss makes networks spike, the exact loss does not",
    (DISCUSSION, "sec-7-rounding"),
    ("slingshots",),
)
def slingshots(found: ByExperiment) -> Result:
    """B53: whether rounding makes networks without weight decay spike (choice C85)."""
    known = analysis.Slingshots.of(found["slingshots"])
    (rounded, exact), (many, other), say = known.few, known.many, analysis.n_spike
    if not all((*known.few, *known.many)):
        return Result()
    more, gain, both = f"{many[0].run.dataset_size:,} examples", known.gain(), [*rounded, *many]
    ours = f"with the rounded loss {say(rounded)} spike, with the exact one {say(exact)}; on "
    ours += f"{more} {say(many)} and {say(other)}; with the rounded one test accuracy ends "
    ours += f"{gain.text('+.3f')} higher, and {analysis.n_grok(both)} grok"
    further = all_of("every network with the rounded loss spikes", map(spikes, rounded))
    further |= all_of("they spike at the paper's rate, too", map(spikes, known.slow))
    further[f"the claim holds on {more}"] = measures.spike_by_rounding(many, other)
    further["with the rounded loss test accuracy ends higher"] = gain.tells(MORE, inf)
    further["one with the rounded loss groks, on one of the sizes"] = any(map(groks, both))
    core = measures.spike_by_rounding(rounded, exact)
    return Result(ours, core, further, Evidence.of(exact, rounded))


@CLAIMS.row(
    "B54",
    "Beyond: slingshots for longer",
    "of our networks without weight decay and with the rounded float32 loss that had ended near "
    "what mirror images give, more than half end above it by more than 0.1 when trained three "
    "times as long, from the same random weights",
    (DISCUSSION, "sec-7-longer"),
    ("longer_slingshots",),
)
def longer_slingshots(found: ByExperiment) -> Result:
    """B54: whether the late stretch of slingshots comes to every network (choice C88)."""
    records = found["longer_slingshots"]
    if len(records) < claims.ENOUGH_SEEDS:
        return Result()
    above = [*map(analysis.above_mirrors, records)]
    ours = f"{measures.how_many(above)} end above it, and {analysis.n_grok(records)} grok; test "
    ours += f"accuracy ends at {measures.finals(records, 'test_accuracy').text('.2f')}"
    further = all_of("all end above it", above) | {"one of them groks": any(map(groks, records))}
    return Result(ours, 2 * sum(above) > len(above), further, Evidence.of(records))
