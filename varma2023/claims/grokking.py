"""Claims about grokking and ungrokking over time (Figs. 1a, 1b, 7, 9, 11; App. A.3; AdamW)."""

from collections.abc import Sequence
from dataclasses import replace

from grokkit.runs import Record
from varma2023 import analysis, convergence
from varma2023.analysis import CHANCE, PERFECT, Summary
from varma2023.claims.judging import BEYOND, Claim, Evidence, Met, Records, Result, every
from varma2023.publish.pages import CIRCUITS, INTRO, TRIGONOMETRIC


def near_papers_epochs(records: Sequence[Record], marks: Sequence[analysis.Mark]) -> dict[str, Met]:
    """Whether these marks come at the paper's epochs; nothing to ask at another setting."""
    if not analysis.at_papers_setting(records):
        return {}
    return {
        f"{mark.name} near epoch {mark.paper:,}": analysis.mark_met(records, mark) for mark in marks
    }


def fig1a(found: Records) -> Result:
    """Fig. 1a: every seed fits first and generalises late, at about the paper's epochs."""
    records = found["grokking"]
    fits, *_, general = analysis.mark_summaries(records)
    return Result(
        f"{fits.text()}; {general.text()}",
        all(analysis.grokking_parts(records).values()),
        near_papers_epochs(records, (analysis.MARKS[0], analysis.MARKS[-1])),
        _evidence(records),
    )


def _evidence(records: Sequence[Record]) -> Evidence:
    """At another weight decay or length than the paper's a claim holds only "smaller"."""
    found = Evidence.of(records)
    return replace(found, smaller=found.smaller or not analysis.at_papers_setting(records))


def fig9(found: Records) -> Result:
    """Fig. 9: C_gen overtakes C_mem, while the norm falls, before the network generalises."""
    records = found["grokking"]
    if "trig_logit" not in records[0].metrics:
        return Result()
    marks = near_papers_epochs(records, analysis.MARKS)
    order = {"the marks come in the paper's order on every seed": all(map(_in_order, records))}
    agree = f"{sum(map(bool, marks.values()))} of {len(analysis.MARKS)} marks agree"
    return Result(
        agree if marks else "another setting than the paper's",
        all(map(_overtakes, records)),
        marks | (order if marks else {}),
        _evidence(records),
    )


def _overtakes(record: Record) -> bool:
    """Whether the trig logit leads before the network generalises, at a norm below its peak."""
    leads, general = analysis.trig_leads(record), analysis.generalises(record)
    if leads is None or general is None or leads.epoch > general.epoch:
        return False
    return bool(analysis.value_at(record, "param_norm", general.epoch) < record["param_norm"].max())


def _in_order(record: Record) -> bool:
    epochs = [None if (at := mark.find(record)) is None else at.epoch for mark in analysis.MARKS]
    known = [epoch for epoch in epochs if epoch is not None]
    return len(known) == len(epochs) and known == sorted(known)


def app_a3(found: Records) -> Result:
    """App. A.3: the changes that it sees early, and those late, each in most of the seeds."""
    records = found["grokking"]
    if "trig_logit" not in records[0].metrics or not analysis.at_papers_setting(records):
        return Result()
    seen = {change: analysis.change_seen(records, change) for change in analysis.CHANGES}
    late = {
        f"{change.name} from epoch {change.start:,} to {change.end:,}": met
        for change, met in seen.items()
        if change.start > 1000
    }
    return Result(
        f"{sum(seen.values())} of {len(seen)} changes, each in most runs",
        all(met for change, met in seen.items() if change.start <= 1000),
        dict(late),
        Evidence.of(records),
    )


def fig11(found: Records) -> Result:
    """Fig. 11: the algorithm rebuilt from a few key frequencies answers as the network does."""
    records = [r for r in found["grokking"] if r.run.task == "x+y" and r.weights_path]
    if not records:
        return Result()
    return fig11_result([analysis.trigonometric(record) for record in records], records)


def fig11_result(reports: Sequence[analysis.Trigonometric], records: Sequence[Record]) -> Result:
    """`fig11` from the reports on these records' networks."""
    parts = [analysis.trigonometric_parts(report) for report in reports]
    core, *further = parts[0]
    return Result(
        f"{Summary.of([len(r.frequencies) for r in reports]).text()} key frequencies; "
        f"rebuilt, the same answer on {min(r.agreement for r in reports):.1%} or more",
        all(part[core] for part in parts),
        {name: all(part[name] for part in parts) for name in further},
        Evidence.of(records),
    )


def equilibrium(found: Records) -> Result:
    """What AdamW minimises: on networks whose norm has settled, Eq. (2) with alpha = eps lambda."""
    records = [r for r in found["grokking"] if r.run.weight_decay > 0 and r.weights_path]
    if not records:
        return Result()
    return equilibrium_result([analysis.equilibrium(record) for record in records], records)


def equilibrium_result(states: Sequence[analysis.Equilibrium], records: Sequence[Record]) -> Result:
    """`equilibrium` from the states of these records' networks."""
    settled = [
        (state, record)
        for state, record in zip(states, records, strict=True)
        if analysis.drift(record) < analysis.SETTLED
    ]
    if not settled:
        return Result("no norm has settled", None, {}, Evidence.of(records))
    ratios = [state.alpha / (r.run.eps * r.run.weight_decay) for state, r in settled]
    cosines = [state.cosine for state, _ in settled]
    residuals = [record.final("residual") for _, record in settled]
    near = all(0.75 < ratio < 1.33 for ratio in ratios) and min(cosines) > 0.95
    return Result(
        f"α / ελ {Summary.of(ratios).text('.2f')}, cosine {Summary.of(cosines).text('.3f')}, "
        f"residual {Summary.of(residuals).text('.2f')}; "
        f"{len(settled)} of {len(records)} norms settled",
        near,
        {},
        Evidence.of([record for _, record in settled]),
    )


def fig1b(found: Records) -> Result:
    """Fig. 1b: on the smallest train set every seed goes from accuracy 1 to near chance."""
    records = analysis.smallest(found["ungrokking"])
    [row] = analysis.ungrokked(records)
    started = all(record["test_accuracy"][0] >= PERFECT for record in records)
    return Result(
        f"{row.test_accuracy.text('.2f')} at D′ = {row.dataset_size:,}",
        started and row.test_accuracy.high <= CHANCE,
        {"train accuracy stays 1": row.train_accuracy == 1},
        Evidence.of(records),
    )


def fig7(found: Records) -> Result:
    """Fig. 7: small train sets end near chance, large ones stay at 1, some rest in between."""
    records = found["ungrokking"]
    rows = analysis.ungrokked(records)
    if len(rows) < 3:
        return Result()
    ends = ", ".join(f"{row.dataset_size:,}: {row.test_accuracy.median:.2f}" for row in rows)
    low, high, fits = analysis.ungrokking_ends(records).values()
    middle = [r for r in records if CHANCE < r.final("test_accuracy") < PERFECT]
    between: Met = any(map(convergence.rests, middle)) or (None if middle else False)
    return Result(
        f"median accuracy at the end by D′: {ends}; {max(r.run.epochs for r in records):,} epochs",
        every([low, high]),
        {
            "train accuracy stays 1": fits,
            "a size in between rests in the middle": between,
            **convergence.resting(records),
        },
        Evidence.of(records),
    )


CLAIMS = (
    Claim(
        "F1a",
        "Fig. 1a, grokking",
        "a network fits its train set first and the test set much later",
        "train accuracy 1 by epoch ~200, generalised by ~6,000",
        INTRO,
        "fig-1a",
        fig1a,
        ("grokking",),
    ),
    Claim(
        "F9",
        "Fig. 9, the two circuits during grokking",
        "C_gen overtakes C_mem, at a falling norm, before the network generalises",
        "five marks, at epochs ~200, 200, 1,500, 3,500 and 6,000",
        CIRCUITS,
        "fig-9",
        fig9,
        ("grokking",),
    ),
    Claim(
        "A.3",
        "App. A.3, logits and norm",
        "both logits rise while the norm falls, long before the network generalises",
        "epochs 200 to 1,500; from 4,000 on the gen logit falls again",
        CIRCUITS,
        "sec-a3-observations",
        app_a3,
        ("grokking",),
    ),
    Claim(
        "F1b",
        "Fig. 1b, ungrokking",
        "a network that has grokked, trained further on fewer examples, loses its test accuracy",
        "from accuracy 1 to near chance; train accuracy stays 1",
        INTRO,
        "fig-1b",
        fig1b,
        ("ungrokking",),
    ),
    Claim(
        "F7",
        "Fig. 7, ungrokking over time",
        "small train sets end near chance, large ones at 1",
        "7 sizes in 390 – 1,494, 10 seeds, 1e6 epochs; some sizes end in between",
        INTRO,
        "fig-7",
        fig7,
        ("ungrokking",),
    ),
    Claim(
        "F11",
        "Fig. 11, the trigonometric algorithm",
        "a grokked network adds by rotations at a few key frequencies",
        "logits are a sum of cos(ω(a + b − c))",
        TRIGONOMETRIC,
        "fig-11",
        fig11,
        ("grokking",),
    ),
    Claim(
        "B4",
        "Beyond: what AdamW minimises",
        "late in training AdamW rests where Eq. (2) with α = ελ is stationary",
        "not in the paper; fitted α / ελ of 1, cosine of 1",
        CIRCUITS,
        "fig-equilibrium",
        equilibrium,
        ("grokking",),
        BEYOND,
    ),
)
