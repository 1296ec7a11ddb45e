"""Claims about the transition of ungrokking: Figs. 4, 8, 10 (Predictions 2, 3), App. A.2."""

from collections.abc import Sequence

from grokkit.runs import Record
from varma2023 import convergence, dependence, tradeoffs, transition
from varma2023.analysis import PERFECT
from varma2023.claims.judging import BEYOND, Claim, Evidence, Met, Records, Result
from varma2023.publish.pages import MORE, UNGROKKING
from varma2023.semi_grokking import NONE, end_kind

TWO, THREE = "Prediction 2, phase transition", "Prediction 3, weight decay"
PLANNED = 390  # the least D' of AdamW's sweep as first planned: the paper's in Fig. 7
PAPER_DECADES = 6  # over which the ratio of Fig. 10a goes in the paper
NORM_SPREAD = 0.1  # by which the norm at one D' must differ for "at a fixed norm" to say something


def fig4(found: Records) -> Result:
    """Fig. 4, Prediction 2: every curve goes from near chance to 1, within a narrow range of D'."""
    ends, adamw = found["transition"], found.get("transition_adamw", ())
    if not transition.judged(ends):
        return Result()
    ours = f"D_crit {transition.d_crit_text(ends)} by L-BFGS"
    further: dict[str, Met] = dict(convergence.resting(ends))
    groups = [ends]
    if adamw:
        ours += f", {transition.d_crit_text(adamw)} by AdamW"
        planned = [r for r in adamw if r.run.dataset_size >= PLANNED]
        decays = {record.run.weight_decay for record in ends}
        known = {record.run.weight_decay for record in adamw}
        further |= {
            "by AdamW, too": all(transition.transition_parts(adamw).values()),
            f"by AdamW from D′ = {PLANNED} on, as first planned": all(
                transition.transition_parts(planned).values()
            ),
            f"by AdamW at every weight decay ({len(known)} of {len(decays)})": decays <= known,
            **convergence.resting(adamw, "every end by AdamW is at rest"),
        }
        groups.append(adamw)
    widths = [transition.width(runs) for runs in transition.curves(ends).values()]
    return Result(
        f"{ours}; from accuracy 0.1 to 0.9 by a factor of {max(widths):.1f} at most",
        all(transition.transition_parts(ends).values()),
        further,
        Evidence.of(*groups),
    )


def every_decay(found: Records) -> Result:
    """Fig. 4, Prediction 3: D_crit is the same for every weight decay, on ends at rest."""
    ends, adamw = found["transition"], found.get("transition_adamw", ())
    if not transition.judged(ends) or len({r.run.weight_decay for r in ends}) < 2:
        return Result()
    gap = dependence.largest_gap(ends)
    further: dict[str, Met] = {
        "accuracy at one size is the same for every weight decay": gap < dependence.MAX_ACCURACY_GAP
    }
    ours = f"from least to most weight decay D_crit moves by {shift_text(ends)}"
    groups = [ends]
    if adamw:
        times = transition.equal_decay_times(adamw)
        epochs = transition.equal_epochs(adamw)
        ours += (
            f"; by AdamW {shift_text(adamw, accuracy=times)} at equal decay times, "
            f"{shift_text(adamw, accuracy=epochs)} at equal epochs"
        )
        same = dependence.same_d_crit(adamw, accuracy=times)
        further["by AdamW at equal decay times, at rest"] = (
            same if transition.crossings_rest(adamw) else None
        )
        groups.append(adamw)
    return Result(
        f"{ours}; accuracy at one size differs by {gap:.2f} at most",
        dependence.same_d_crit(ends) if transition.crossings_rest(ends) else None,
        further,
        Evidence.of(*groups),
    )


def shift_text(
    records: Sequence[Record],
    field: str = "weight_decay",
    accuracy: transition.Accuracy = transition.at_the_end,
) -> str:
    """How far D_crit moves with a field, over seeds."""
    return dependence.shift_interval(records, field, accuracy).text("+.1%")


def fig8(found: Records) -> Result:
    """Fig. 8: every task whose network holds the rule goes from near chance to generalised."""
    groups = transition.by_task(found["other_tasks"])
    if not transition.judged(found["other_tasks"]):
        return Result()
    held = {task: here for task, here in groups.items() if _holds_the_rule(here)}
    met = [transition.task_ungroks(here) for here in held.values()]
    known = sum(map(_beyond_memory, groups.values()))
    return Result(
        f"from near chance to generalised in {sum(met)} of {len(groups)} tasks; {len(held)} of "
        f"them hold the rule at the largest D′, {known} more than memory with mirror images",
        all(met) if met else None,
        {
            f"all nine tasks were trained until they held the rule ({len(held)} of "
            f"{transition.N_OTHER_TASKS})": len(held) == transition.N_OTHER_TASKS,
            **convergence.resting(found["other_tasks"]),
        },
        Evidence.of(*groups.values()),
    )


def _holds_the_rule(records: Sequence[Record]) -> bool:
    """Whether every seed's network, on its largest train set, is generalised (choice C10)."""
    return all(
        record.final("test_accuracy") >= PERFECT for record in transition.at_largest(records)
    )


def _beyond_memory(records: Sequence[Record]) -> bool:
    """Whether every seed's network, on its largest train set, answers more than memory would."""
    return all(end_kind(record) != NONE for record in transition.at_largest(records))


def fig10a(found: Records) -> Result:
    """Fig. 10a: the ratio of trig to mem logit rises with D', in each bucket of the norm."""
    ends = found["transition"]
    if not transition.judged(ends):
        return Result()
    decades, spread = tradeoffs.decades(ends), tradeoffs.norm_spread(ends)
    return Result(
        f"rank correlation {tradeoffs.rank_correlation(ends).text()}, over {decades:.1f} decades; "
        f"at one D′ the norm differs by {spread:.1%}",
        all(tradeoffs.ratio_parts(ends).values()),
        {
            f"over {PAPER_DECADES} decades": decades >= PAPER_DECADES,
            "weight decay moves the norm, so that “at a fixed norm” is tested": spread
            >= NORM_SPREAD,
            **convergence.resting(ends),
        },
        Evidence.of(ends),
    )


def fig10b(found: Records) -> Result:
    """Fig. 10b: test accuracy after ungrokking depends smoothly on D'."""
    ends = found["transition"]
    if not transition.judged(ends):
        return Result()
    return Result(
        f"rank correlation {tradeoffs.rank_correlation(ends, 'accuracy').text()}",
        all(tradeoffs.smooth_parts(ends).values()),
        dict(convergence.resting(ends)),
        Evidence.of(ends),
    )


def two_starts(found: Records) -> Result:
    """App. A.2: ungrokked networks end at a lower train loss than fresh ones, size by size."""
    ends, fresh = found["transition"], found["from_scratch"]
    pairs, down = tradeoffs.two_starts(ends, fresh), tradeoffs.at_one_decay(ends, fresh)
    if not pairs or not transition.judged(fresh):
        return Result()
    lower = sum(pair.lower["train loss"] for pair in pairs)
    rested = transition.crossings_rest(down) and transition.crossings_rest(fresh)
    half = tradeoffs.half_the_size(ends, fresh)
    return Result(
        f"lower train loss in {lower} of {len(pairs)} pairs; D_crit "
        f"{transition.d_crit_text(down)} down, at most {transition.d_crit_text(fresh)} up",
        lower == len(pairs),
        {
            "a lower Eq. (2), too": all(pair.lower["objective"] for pair in pairs),
            "its D_crit, at rest, is less than half of the fresh start's": half if rested else None,
            **convergence.resting([*down, *fresh]),
        },
        Evidence.of(down, fresh),
    )


def hysteresis(found: Records) -> Result:
    """B3: at equal effort accuracy against D is one curve up and another down."""
    ends, fresh = found["transition"], found["from_scratch"]
    down = tradeoffs.at_one_decay(ends, fresh)
    if not down or not transition.judged(fresh):
        return Result()
    return Result(
        f"D_crit {transition.d_crit_text(down)} down, at most {transition.d_crit_text(fresh)} up",
        all(tradeoffs.loop_parts(ends, fresh).values()),
        dict(convergence.resting([*down, *fresh])),
        Evidence.of(down, fresh),
    )


def adams_epsilon(found: Records) -> Result:
    """B8: whether AdamW's D_crit is the same for every epsilon.

    The minimiser cannot tell: to it epsilon is a part of alpha = epsilon lambda and nothing else.
    """
    records = found["epsilon"]
    if not transition.judged(records):
        return Result()
    adamw = [record for record in records if record.run.optimiser == "adamw"]
    known = bool(adamw) and transition.crossings_rest(adamw)
    return Result(
        f"D_crit {transition.d_crit_text(records)}; from least to most ε it moves by "
        f"{shift_text(records, 'eps')}",
        dependence.same_d_crit(adamw, "eps") if known else None,
        dict(convergence.resting(records)),
        Evidence.of(records),
    )


CLAIMS = (
    Claim(
        "F4",
        "Fig. 4, the transition of ungrokking",
        "final test accuracy against D′ has a sharp transition",
        "weight decay 0.1, 0.5, 1, 1.5, 2; 100,000 steps",
        UNGROKKING,
        "fig-4",
        fig4,
        ("transition",),
        heading=TWO,
    ),
    Claim(
        "F4wd",
        "Fig. 4, every weight decay",
        "D_crit is the same for every weight decay",
        "0.1 to 2; 100,000 steps",
        UNGROKKING,
        "sec-5-2-weight-decay",
        every_decay,
        ("transition",),
        heading=THREE,
    ),
    Claim(
        "F8",
        "Fig. 8, nine other tasks",
        "each task whose network holds its rule ungroks",
        "a transition in each of nine",
        UNGROKKING,
        "fig-8",
        fig8,
        ("other_tasks",),
        heading=TWO,
    ),
    Claim(
        "F10a",
        "Fig. 10a, relative strength",
        "the ratio of trig to mem logit rises with D at a fixed norm",
        "monotone, over 6 decades",
        MORE,
        "fig-10",
        fig10a,
        ("transition",),
    ),
    Claim(
        "F10b",
        "Fig. 10b, accuracy and D",
        "test accuracy after ungrokking depends smoothly on D",
        "a smooth curve at each norm",
        MORE,
        "fig-10",
        fig10b,
        ("transition",),
    ),
    Claim(
        "A.2",
        "App. A.2, which start finds the better minimum",
        "ungrokked networks reach a lower train loss than fresh ones",
        "with less than half the D: D_crit 800 – 1,000 against ~2,000",
        MORE,
        "fig-two-starts",
        two_starts,
        ("transition", "from_scratch"),
    ),
    Claim(
        "B3",
        "Beyond: hysteresis",
        "at equal effort, accuracy against D is one curve from fresh networks, another from "
        "grokked ones",
        "not in the paper",
        MORE,
        "fig-hysteresis",
        hysteresis,
        ("transition", "from_scratch"),
        BEYOND,
    ),
    Claim(
        "B8",
        "Beyond: D_crit and Adam's ε",
        "ε is half of α = ελ, so D_crit depends on it no more than on weight decay",
        "not in the paper",
        MORE,
        "fig-epsilon",
        adams_epsilon,
        ("epsilon",),
        BEYOND,
    ),
)
