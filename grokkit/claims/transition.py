"""Results of ungrokking's transition: Figs. 4, 8, 10, Predictions 2 and 3, App. A.2 and beyond."""

from collections.abc import Mapping, Sequence
from math import isfinite

from grokkit import dependence, statistics, tradeoffs, transition
from grokkit.analysis import NOT_RUN, verdict_of
from grokkit.claims.board import Result
from grokkit.runs import Record
from grokkit.semi_grokking import NONE, end_kind


def results(records: Mapping[str, Sequence[Record]]) -> dict[str, Result]:
    """What `transition`, `transition_adamw`, `from_scratch`, `epsilon` and other tasks decide."""
    found: dict[str, Result] = {}
    ends, adamw = (records.get(name, ()) for name in ("transition", "transition_adamw"))
    if ends:
        found |= transition_results(ends, adamw) | strength_results(ends)
    if ends and records.get("from_scratch"):
        found |= start_results(ends, records["from_scratch"])
    if records.get("other_tasks"):
        found |= task_results(records["other_tasks"])
    if records.get("epsilon"):
        found |= epsilon_results(records["epsilon"])
    return found


def _verdict(parts: Mapping[str, bool], records: Sequence[Record]) -> str:
    """The verdict of the parts, or "not run" where the runs cannot judge them (choice C19)."""
    return verdict_of(list(parts.values())) if transition.judged(records) else NOT_RUN


def adamw_parts(adamw: Sequence[Record]) -> dict[str, bool]:
    """What the paper's own protocol adds to Fig. 4, at equal decay times (choice C19)."""
    if not adamw:
        return {}
    way = transition.equal_decay_times(adamw)
    found = {f"by AdamW, {name}": met for name, met in transition.transition_parts(adamw).items()}
    if len({record.run.weight_decay for record in adamw}) > 1:
        shift = dependence.dependence(statistics.by_seed(adamw), accuracy=way).shift
        found["by AdamW, D_crit is the same for every weight decay"] = abs(shift) < dependence.SAME
    return found


def shift_text(
    records: Sequence[Record],
    knob: str = "weight_decay",
    accuracy: transition.Accuracy = transition.at_the_end,
) -> str:
    """How far D_crit moves with a field, the p value, and what the test could have seen."""
    units = statistics.by_seed(records)
    found = dependence.dependence(units, knob, accuracy)
    moved = dependence.shift_interval(records, knob, accuracy).text("+.1%")
    if not isfinite(found.p_value):
        return f"{moved}, from too few curves for a test"
    return f"{moved}, p = {found.p_value:.2g}, could have seen {found.detectable:.1%}"


def transition_results(ends: Sequence[Record], adamw: Sequence[Record] = ()) -> dict[str, Result]:
    """Fig. 4 and Predictions 2 and 3, by the minimiser and, where it was run, by AdamW."""
    n = len(ends) + len(adamw)
    sharp, same = transition.transition_parts(ends), dependence.same_parts(ends)
    own = adamw_parts(adamw)
    crossing = f"D_crit {transition.d_crit_text(ends)} by L-BFGS"
    if adamw:
        crossing += f", {transition.d_crit_text(adamw)} by AdamW"
    widths = [transition.width(runs) for runs in transition.curves(ends).values()]
    moved = f"from least to most weight decay D_crit moves by {shift_text(ends)}"
    gap = dependence.largest_gap(ends)
    steady = {name: met for name, met in own.items() if "same" in name}
    steep = {name: met for name, met in own.items() if "same" not in name}
    return {
        "F4": Result(_verdict({**sharp, **same, **own}, ends), f"{crossing}; {moved}", n),
        "P2": Result(
            _verdict({**sharp, **steep}, ends),
            f"{crossing}; from accuracy 0.1 to 0.9 by a factor of {max(widths):.1f} at most",
            n,
        ),
        "P3": Result(
            _verdict({**same, **dependence.gap_parts(ends), **steady}, ends),
            f"{moved}; accuracy at one size differs by {gap:.2f} at most",
            n,
        ),
    }


def strength_results(ends: Sequence[Record]) -> dict[str, Result]:
    """Fig. 10, from the same runs."""
    n, ratio, smooth = len(ends), tradeoffs.ratio_parts(ends), tradeoffs.smooth_parts(ends)
    return {
        "F10a": Result(
            _verdict(ratio, ends),
            f"rank correlation {tradeoffs.rank_correlation(ends).text()}, over "
            f"{tradeoffs.decades(ends):.1f} decades",
            n,
        ),
        "F10b": Result(
            _verdict(smooth, ends),
            f"rank correlation {tradeoffs.rank_correlation(ends, 'accuracy').text()}",
            n,
        ),
    }


def start_results(ends: Sequence[Record], fresh: Sequence[Record]) -> dict[str, Result]:
    """App. A.2 and the loop, from networks that had grokked and from fresh ones."""
    pairs, down = tradeoffs.two_starts(ends, fresh), tradeoffs.at_one_decay(ends, fresh)
    if not pairs:
        return {}
    crossings = f"D_crit {transition.d_crit_text(down)} down, {transition.d_crit_text(fresh)} up"
    loss, level = (sum(p.lower[what] for p in pairs) for what in ("train loss", "objective"))
    lower = f"lower train loss in {loss}, lower Eq. (2) in {level} of {len(pairs)} pairs"
    n, parts = len(down) + len(fresh), tradeoffs.start_parts(ends, fresh)
    return {
        "A.2": Result(_verdict(parts, fresh), f"{crossings}; {lower}", n),
        "B3": Result(_verdict(tradeoffs.loop_parts(ends, fresh), fresh), crossings, n),
    }


def _holds_a_rule(records: Sequence[Record]) -> bool:
    """Whether every seed's network, on its largest train set, answers more than memory would."""
    largest = max(record.run.dataset_size for record in records)
    here = [record for record in records if record.run.dataset_size == largest]
    return all(end_kind(record) != NONE for record in here)


def task_results(records: Sequence[Record]) -> dict[str, Result]:
    """Fig. 8: a transition in each of the nine other tasks; part of it where some were not run."""
    groups = transition.by_task(records)
    met = [transition.task_ungroks(here) for here in groups.values()]
    wanted = [*met, *[False] * (transition.N_OTHER_TASKS - len(met))]
    verdict = verdict_of(wanted) if transition.judged(records) else NOT_RUN
    known = sum(_holds_a_rule(here) for here in groups.values())
    ours = f"from near chance to generalised in {sum(met)} of {len(met)} tasks; "
    ours += f"at the largest D′ more than memory with mirror images in {known}"
    return {"F8": Result(verdict, ours, len(records))}


def epsilon_results(records: Sequence[Record]) -> dict[str, Result]:
    """Whether D_crit is the same for every epsilon of Adam."""
    parts = dependence.same_parts(records, "eps")
    ours = f"D_crit {transition.d_crit_text(records)}; from least to most ε it moves by "
    ours += shift_text(records, "eps")
    return {"B8": Result(_verdict(parts, records), ours, len(records))}
