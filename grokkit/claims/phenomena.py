"""Results of the theory, of grokking and ungrokking over time, and of where AdamW ends."""

from collections.abc import Mapping, Sequence

from grokkit import analysis, convergence, theorems, toy
from grokkit.analysis import FAILS, HOLDS, IN_PART, Summary
from grokkit.claims.board import Result
from grokkit.runs import Record


def results(records: Mapping[str, Sequence[Record]]) -> dict[str, Result]:
    """What the records of `grokking`, `ungrokking`, `convergence` and `strength` decide."""
    parts = {
        "grokking": grokking_results,
        "ungrokking": ungrokking_results,
        "convergence": convergence_results,
        "strength": strength_results,
    }
    found: dict[str, Result] = {}
    for name, make in parts.items():
        if records.get(name):
            found |= make(records[name])
    return found


def grokking_results(records: Sequence[Record]) -> dict[str, Result]:
    """Figs. 1a, 9 and 11, App. A.3, and AdamW's equilibrium, from networks that grokked."""
    n, verdict = len(records), analysis.grokking_verdict(records)
    fits, *_, general = analysis.mark_summaries(records)
    agree = [mark.name for mark in analysis.MARKS if analysis.mark_met(records, mark)]
    changes = [c.name for c in analysis.CHANGES if analysis.change_seen(records, c)]
    reports = [analysis.trigonometric(record) for record in records]
    decayed = [record for record in records if record.run.weight_decay > 0]
    states = [analysis.equilibrium(record) for record in decayed]
    return {
        "F1a": Result(verdict, f"{fits.text()}; {general.text()}", n),
        "F9": Result(verdict, f"{len(agree)} of {len(analysis.MARKS)} marks agree", n),
        "A.3": Result(
            analysis.changes_verdict(records),
            f"{len(changes)} of {len(analysis.CHANGES)} changes, each in most runs",
            n,
        ),
        "F11": Result(
            analysis.trigonometric_verdict(reports),
            f"{Summary.of([len(r.frequencies) for r in reports]).text()} key frequencies; "
            f"rebuilt, the same answer on {min(r.agreement for r in reports):.1%} or more",
            n,
        ),
        "B4": _equilibrium(states, decayed) if decayed else Result(),
    }


def _equilibrium(states: Sequence[analysis.Equilibrium], records: Sequence[Record]) -> Result:
    ratios = [
        state.alpha / (r.run.eps * r.run.weight_decay)
        for state, r in zip(states, records, strict=True)
    ]
    ours = (
        f"α / ελ {Summary.of(ratios).text('.2f')}, "
        f"cosine {Summary.of([state.cosine for state in states]).text('.3f')}, "
        f"residual {Summary.of([r.final('residual') for r in records]).text('.2f')}"
    )
    settled = sum(analysis.drift(record) < analysis.SETTLED for record in records)
    verdict = analysis.equilibrium_verdict(states, records)
    return Result(verdict, f"{ours}; {settled} of {len(records)} norms settled", len(records))


def ungrokking_results(records: Sequence[Record]) -> dict[str, Result]:
    """Figs. 1b and 7, from networks trained further on fewer examples."""
    verdict, rows = analysis.ungrokking_verdict(records), analysis.ungrokked(records)
    ends = ", ".join(f"{row.dataset_size:,}: {row.test_accuracy.median:.2f}" for row in rows)
    least = f"{rows[0].test_accuracy.text('.2f')} at D′ = {rows[0].dataset_size:,}"
    return {
        "F1b": Result(verdict, least, rows[0].test_accuracy.n),
        "F7": Result(verdict, f"median accuracy at the end by D′: {ends}", len(records)),
    }


def convergence_results(records: Sequence[Record]) -> dict[str, Result]:
    """Whether AdamW and the minimiser of Eq. (2) have the same end."""
    pairs = convergence.pairs(records)
    alike = f"{convergence.agreeing(pairs)} of {len(pairs)} pairs end alike"
    times = convergence.savings_text(pairs, 1.0)
    ours = f"{alike}; gradients to a residual of 1, times fewer: {times}"
    return {"B6": Result(convergence.convergence_verdict(pairs), ours, len(records))}


def strength_results(records: Sequence[Record]) -> dict[str, Result]:
    """Whether (c eps, lambda / c) leads to the same strength."""
    groups = convergence.by_alpha(records)
    less, more = (convergence.shift_text(groups, c, "param_norm") for c in (10.0, 0.1))
    ours = f"norm against c = 1, by network: {less} for λ / 10, {more} for 10 λ"
    return {"B7": Result(convergence.strength_verdict(groups), ours, len(records))}


def theory_results(n_draws: int, seed: int) -> dict[str, Result]:
    """Fig. 2 and App. D: simulations and random draws, without any network."""
    panels = {name: toy.simulate(panel) for name, panel in toy.TABLE_1.items()}
    outcomes = ", ".join(f"({name}) {toy.marks(t).outcome}" for name, t in panels.items())
    d1, d2 = theorems.count_d1_failures(n_draws, seed), theorems.count_d2_failures(n_draws, seed)
    printed, corrected = (
        theorems.count_d3_failures(n_draws, seed, as_printed=way) for way in (True, False)
    )
    d3 = FAILS if corrected else IN_PART if printed else HOLDS
    gap = theorems.largest_d4_gap(n_draws, seed)
    draws = f"of {n_draws:,} random draws"
    return {
        "F2a-c": Result(toy.verdict(panels), outcomes, len(panels)),
        "T-D.1": Result(FAILS if d1 else HOLDS, f"{d1} failures {draws}"),
        "L-D.2": Result(FAILS if d2 else HOLDS, f"{d2} failures {draws}"),
        "L-D.3": Result(
            d3, f"as printed {printed}, corrected {corrected} failures {draws}", n_draws
        ),
        "T-D.4": Result(HOLDS if gap < 1e-6 else FAILS, f"largest distance {gap:.0e} {draws}"),
    }
