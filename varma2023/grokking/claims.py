"""Claims about grokking over time: Figs. 1a and 9, App. A.3."""

from collections.abc import Sequence
from dataclasses import replace

from grokkit.runs import Record, Records
from varma2023 import measures
from varma2023.claims import ByExperiment, Claims, Evidence, Met, Result, told_without
from varma2023.grokking import analysis
from varma2023.pages import CIRCUITS, INTRO

CLAIMS = Claims()


def near_papers_epochs(records: Records, marks: Sequence[measures.Mark]) -> dict[str, Met]:
    """Whether these marks come at the paper's epochs; nothing to ask at another setting."""
    known = marks if measures.at_papers_setting(records) else ()
    return {f"{m.name} near epoch {m.paper:,}": analysis.mark_met(records, m) for m in known}


@CLAIMS.row(
    "F1a",
    "Fig. 1a, grokking",
    "a network fits its train set first and the test set much later",
    (INTRO, "fig-1a"),
    ("grokking",),
    number="Fig. 9: train accuracy 1 by epoch ~200, generalised by ~6,000",
)
@told_without("C9", "grokking_longer")
def fig1a(found: ByExperiment) -> Result:
    """Fig. 1a: every seed fits first and generalises late, at about the paper's epochs."""
    records = measures.grokked(found)
    fits, *_, general = measures.mark_summaries(records)
    ours = f"fitted by epoch {fits.text()}; generalised by {general.text()}"
    core = all(analysis.grokking_criteria(records).values())
    marks = near_papers_epochs(records, (measures.FITTED, measures.GENERALISED))
    return Result(ours, core, marks, _evidence(records))


def _evidence(records: Records) -> Evidence:
    """At another weight decay or length than the paper's a claim holds only "smaller"."""
    found = Evidence.of(records)
    return replace(found, smaller=found.smaller or not measures.at_papers_setting(records))


@CLAIMS.row(
    "F9",
    "Fig. 9, the two circuits during grokking",
    "C_gen overtakes C_mem before the network generalises, and by then the norm has fallen",
    (CIRCUITS, "fig-9"),
    ("grokking",),
    number="five marks, at epochs ~200, 200, 1,500, 3,500 and 6,000",
)
@told_without("C9", "grokking_longer")
def fig9(found: ByExperiment) -> Result:
    """Fig. 9: C_gen overtakes C_mem, while the norm falls, before the network generalises."""
    records = measures.grokked(found)
    if "trig_logit" not in records[0].metrics:
        return Result()
    marks = near_papers_epochs(records, measures.MARKS)
    order = {"the marks come in the paper's order on every seed": all(map(_in_order, records))}
    ours = f"{sum(map(bool, marks.values()))} of {len(measures.MARKS)} marks agree, within a "
    ours += f"factor of {measures.seed_factor(records):.1f}; with memory's share given back the "
    fair = measures.mark_epochs(records, measures.LED_FAIRLY)
    ours += f"trig logit leads from epoch {fair.text()}"
    if not marks:
        ours, order = "another setting than the paper's", {}
    return Result(ours, all(map(_overtakes, records)), marks | order, _evidence(records))


def _overtakes(record: Record) -> bool:
    """Whether the trig logit leads before the network generalises, at a norm below its peak."""
    leads, general = measures.trig_leads(record), measures.generalises(record)
    if leads is None or general is None or leads.epoch > general.epoch:
        return False
    return bool(measures.value_at(record, "param_norm", general.epoch) < record["param_norm"].max())


def _in_order(record: Record) -> bool:
    epochs = [at.epoch for mark in measures.MARKS if (at := mark.find(record))]
    return len(epochs) == len(measures.MARKS) and epochs == sorted(epochs)


@CLAIMS.row(
    "A.3",
    "App. A.3, logits and norm",
    "both logits rise while the norm falls, long before the network generalises",
    (CIRCUITS, "sec-a3-observations"),
    ("grokking",),
    number="epochs 200 to 1,500; from 4,000 on the gen logit falls again",
)
@told_without("C9", "grokking_longer")
def app_a3(found: ByExperiment) -> Result:
    """App. A.3: the changes that it sees early, and those late, each in most of the seeds."""
    records = measures.grokked(found)
    if "trig_logit" not in records[0].metrics or not measures.at_papers_setting(records):
        return Result()
    seen = {change: analysis.change_seen(records, change) for change in analysis.CHANGES}
    late = {change: met for change, met in seen.items() if change.start > 1000}
    ours = f"{measures.how_many(seen.values())} changes, each in most runs"
    early = all(met for change, met in seen.items() if change not in late)
    further = {f"{c.name} from epoch {c.start:,} to {c.end:,}": met for c, met in late.items()}
    return Result(ours, early, further, Evidence.of(records))
