"""Claims about ungrokking: Figs. 1b, 4 and 7 (Predictions 2, 3), and Adam's epsilon."""

from math import inf

from grokkit.runs import Records, Run
from varma2023 import claims, measures
from varma2023.claims import ByExperiment, Claims, Evidence, Met, Result
from varma2023.measures import CHANCE, PERFECT, Reading, at_the_end
from varma2023.pages import CRITICAL, INTRO, MORE, UNGROKKING
from varma2023.ungrokking import analysis
from varma2023.ungrokking.analysis import same_d_crit

CLAIMS = Claims()


@CLAIMS.row(
    "F1b",
    "Fig. 1b, ungrokking",
    "a network that has grokked, trained further on fewer examples, loses its test accuracy",
    (INTRO, "fig-1b"),
    ("ungrokking",),
    number="from accuracy 1 to near chance (Sec. 4.2); train accuracy stays 1 (Fig. 7)",
    earlier="holds, with the first seven networks (C46); open, after 20,000 epochs, with accuracy "
    "0.08 (0.06 – 0.12) (C10)",
)
def fig1b(found: ByExperiment) -> Result:
    """Fig. 1b: on the smallest train set every seed goes from accuracy 1 to near chance."""
    records = measures.smallest(found["ungrokking"])
    [row] = measures.ungrokked(records)
    started = all(record["test_accuracy"][0] >= PERFECT for record in records)
    ours = f"{row.test_accuracy.text('.2f')} at D′ = {row.dataset_size:,}; "
    ours += f"{measures.epochs_text(records)} epochs"
    core = claims.every([started, measures.near_chance(records)])
    fits = {f"train accuracy stays 1 (least: {row.train_accuracy:.4f})": row.train_accuracy == 1}
    return Result(ours, core, fits, Evidence.of(records))


@CLAIMS.row(
    "F7",
    "Fig. 7, ungrokking over time",
    "networks end near chance on small train sets, and at 1 on large ones",
    (INTRO, "fig-7"),
    ("ungrokking",),
    number="7 sizes from 390 to 1,494, 10 seeds, a million epochs; on some the end is in between",
    earlier="open, after 20,000 epochs, with accuracy 0.08 (0.06 – 0.12) at D′ = 390 (C10)",
)
def fig7(found: ByExperiment) -> Result:
    """Fig. 7: small train sets end near chance, large ones stay at 1, some rest in between."""
    records = found["ungrokking"]
    rows = measures.ungrokked(records)
    if len(rows) < 3:
        return Result()
    ends = ", ".join(f"{row.dataset_size:,}: {row.test_accuracy.median:.2f}" for row in rows)
    _, high, fits = analysis.ungrokking_criteria(records).values()
    middle = [r for r in records if CHANCE < r.final("test_accuracy") < PERFECT]
    between: Met = any(map(measures.rests, middle)) or (None if middle else False)
    ours = f"median accuracy at the end by D′: {ends}; {measures.epochs_text(records)} epochs"
    core = claims.every([measures.near_chance(measures.smallest(records)), high])
    name = f"one or more that end in the middle are at rest ({sum(map(measures.rests, middle))} of "
    further = {"train accuracy stays 1": fits, f"{name}{len(middle)})": between}
    further |= measures.resting(records)
    return Result(ours, core, further, Evidence.of(records))


PLANNED = 390  # the least D' of AdamW's sweep as first planned: the paper's in Fig. 7


@CLAIMS.row(
    "F4",
    "Fig. 4, the transition of ungrokking",
    "final test accuracy against D′ has a sharp transition",
    (UNGROKKING, "fig-4"),
    ("transition",),
    number="weight decay 0.1, 0.5, 1, 1.5, 2, at convergence",
    heading=claims.TWO,
)
def fig4(found: ByExperiment) -> Result:
    """Fig. 4, Prediction 2: every curve goes from near chance to 1, within a narrow range of D'."""
    ends, adamw = found["transition"], found.get("transition_adamw", ())
    if not measures.judged(ends):
        return Result()
    ours, further = f"D_crit {measures.d_crit_bound(ends)} by L-BFGS", measures.resting(ends)
    if adamw:
        crits = analysis.by_decay_text(adamw)
        ours += f"; by AdamW {'at least ' * (not all(map(measures.rests, adamw)))}{crits}"
        planned = [r for r in adamw if r.run.dataset_size >= PLANNED]
        decays, known = ({r.run.weight_decay for r in records} for records in (ends, adamw))
        whole, part = (all(measures.transition_criteria(r).values()) for r in (adamw, planned))
        further |= {
            "the claim holds by AdamW": whole,
            f"it holds by AdamW if only sizes from {PLANNED} on count, as first planned": part,
            f"AdamW was run at every weight decay ({len(known)} of {len(decays)})": decays <= known,
            **measures.resting(adamw, "every end by AdamW is at rest"),
        }
    ours += f"; accuracy goes from 0.1 to 0.9 within a factor of {measures.widths(ends).high:.1f} "
    ours += "in D′ at most"
    core = all(measures.transition_criteria(ends).values())
    return Result(ours, core, further, Evidence.of(*filter(None, (ends, adamw))))


@CLAIMS.row(
    "F4wd",
    "Fig. 4, every weight decay",
    "D_crit is the same for every weight decay",
    (UNGROKKING, "sec-5-2-weight-decay"),
    ("transition",),
    number="lines for 0.1 to 2 overlap almost perfectly, at convergence",
    heading=claims.THREE,
    earlier="open, by the first runs, of fewer seeds and gradients (C19)",
)
def every_decay(found: ByExperiment) -> Result:
    """Fig. 4, Prediction 3: D_crit is the same for every weight decay, on ends at rest."""
    ends, adamw = found["transition"], found.get("transition_adamw", ())
    if not measures.judged(ends) or len({r.run.weight_decay for r in ends}) < 2:
        return Result()
    gap = analysis.largest_gap([record for record in ends if measures.rests(record)])
    alike = "Prediction 3 itself: accuracy at one size is the same for every weight decay"
    same = gap < analysis.MAX_ACCURACY_GAP and (all(map(measures.rests, ends)) or None)
    further: dict[str, Met] = {alike: same}
    ours = f"from least to most weight decay D_crit moves by {shift_text(ends)}"
    if adamw:
        times, epochs = analysis.equal_decay_times(adamw), analysis.equal_epochs(adamw)
        ours += f"; by AdamW {shift_text(adamw, read=times)} at equal decay times, "
        ours += f"{shift_text(adamw, read=epochs)} at equal epochs"
        at_rest = same_d_crit(adamw, read=times)
        further["it is the same by AdamW at equal decay times, at rest"] = at_rest
        after = same_d_crit(adamw, read=epochs, falling=True)
        further["it is the same by AdamW at equal epochs, at rest or not"] = after
    ours += f"; accuracy at one size differs by at most {analysis.gap_text(ends)}"
    return Result(ours, same_d_crit(ends), further, Evidence.of(*filter(None, (ends, adamw))))


@CLAIMS.row(
    "F8wd",
    "Fig. 8, every weight decay",
    "in most tasks D_crit is the same for every weight decay",
    (UNGROKKING, "sec-5-2-tasks"),
    ("tasks_by_decay",),
    number="lines overlap almost perfectly for most of nine tasks",
    heading=claims.THREE,
    earlier="in part, while most of the tasks that were run were enough; open, before one run was "
    "made longer (both C75)",
    few="two for each task, as for Fig. 8 (C75)",
)
def tasks_by_decay(found: ByExperiment) -> Result:
    """Fig. 8: whether D_crit is the same for every weight decay, task by task (choice C75)."""
    ends = found["tasks_by_decay"]
    tasks = measures.group(ends, "task")
    if not measures.judged(ends) or len(measures.group(ends, "weight_decay")) < 2:
        return Result()
    same = [same_d_crit(runs) for runs in tasks.values()]
    n, of = len(tasks), len(measures.OTHER_TASKS)
    moves = "; ".join(f"{task}: {shift_text(runs)}" for task, runs in tasks.items())
    most = same.count(True) > of / 2 or (None if of - same.count(False) > of / 2 else False)
    further = {f"all nine tasks were run ({n} of {of})": n == of or None} | measures.resting(ends)
    ours = f"from least to most weight decay D_crit moves by {moves}"
    return Result(ours, most, further, Evidence.of(*tasks.values()))


def shift_text(records: Records, field: str = "weight_decay", read: Reading = at_the_end) -> str:
    """How far D_crit moves with a field, over seeds."""
    return analysis.shift_interval(records, field, read).text("+.1%")


@CLAIMS.row(
    "B8",
    "Beyond: D_crit and Adam's ε",
    "ε is one factor of α = ελ, so D_crit depends on it no more than on weight decay",
    (MORE, "fig-epsilon"),
    ("epsilon",),
    earlier="open, by L-BFGS alone (C19)",
)
def adams_epsilon(found: ByExperiment) -> Result:
    """B8: whether AdamW's D_crit is the same for every epsilon (choice C19).

    The minimiser cannot tell: to it epsilon is a part of alpha = epsilon lambda and nothing else.
    """
    records = found["epsilon"]
    if not measures.judged(records):
        return Result()
    after = f"after {analysis.decay_times(records):.0f} decay times"
    ours = f"{after} accuracy is ½ at D′ = {measures.d_crit_text(records)}, and this size moves by "
    ours += f"{shift_text(records, 'eps')} from least to most ε"
    further: dict[str, Met] = {**measures.resting(records)}
    further[f"it holds {after}, at rest or not"] = same_d_crit(records, "eps", falling=True)
    return Result(ours, same_d_crit(records, "eps"), further, Evidence.of(records))


@CLAIMS.row(
    "B13",
    "Beyond: D_crit and the modulus",
    "D_crit at p = 31 is what p ln p predicts from p = 53 and 113, to within 20%",
    (CRITICAL, "fig-moduli"),
    ("moduli", "transition"),
    earlier="open, with ends at p = 53 and 113 that were still falling (C26); fails, by five seeds "
    "at p = 31 (C40)",
)
def by_modulus(found: ByExperiment) -> Result:
    """B13: D_crit at p = 31 is what p ln p predicts from 53 and 113 (choice C26)."""
    papers = [r for r in found["transition"] if r.run.weight_decay == Run.weight_decay]
    records = [*found["moduli"], *papers]
    known, new = analysis.known_and_new(records)
    if {record.run.p for record in known} != {*analysis.KNOWN} or not new:
        return Result()
    moduli, off = measures.group(records, "p"), analysis.off_by(known, new)
    least, *later = off["p ln p"]
    crits = (f"at p = {p}: {measures.d_crit_bound(moduli[p])}" for p in (least, *later))
    ours = f"D_crit {'; '.join(crits)}; measured against {analysis.off_text(known, new)}"
    rest = {p: measures.crossings_rest(runs) for p, runs in moduli.items()}
    can_tell = all(rest[p] for p in analysis.KNOWN)

    def near(law: str, p: int) -> Met:
        return abs(off[law][p]) < analysis.MAX_OFF if can_tell and rest[p] else None

    beside = near("p to the 5/3", least)
    further: dict[str, Met] = {
        "p to the 5/3 is off by more than 20% there": None if beside is None else not beside,
        **{f"p ln p is within 20% at p = {p}, too": near("p ln p", p) for p in later},
    }
    crit = measures.d_crit_interval(moduli[least])
    told, margin = crit.value / (1 + off["p ln p"][least]), analysis.MAX_OFF
    bounds = told * (1 - margin), told * (1 + margin)
    whole = crit.tells(*bounds) if can_tell and rest[least] else None
    further[f"the whole interval over seeds is within 20% at p = {least}"] = whole
    further |= measures.resting(records)
    return Result(ours, near("p ln p", least), further, Evidence.across(*moduli.values()))


@CLAIMS.row(
    "B16",
    "Beyond: examples, or facts",
    "a network pays for facts: with all mirror images in the train set, D_crit in examples is "
    "nearer to twice than to once what it is with none",
    (CRITICAL, "sec-mirrors"),
    ("mirrors",),
    earlier="in part: from an older start of one seed one end did not rest (C29)",
)
def by_facts(found: ByExperiment) -> Result:
    """B16: with all mirror images D_crit is nearer to twice than to once that with none (C29)."""
    records = found["mirrors"]
    kinds = measures.group(records, "mirrors")
    if not measures.judged(records) or {*kinds} != {"all", "none"}:
        return Result()
    ratio = analysis.mirrors_ratio(records)
    crits = (f"{measures.d_crit_text(r, read=analysis.unseen)} with {k}" for k, r in kinds.items())
    rest = all(measures.crossings_rest(runs, analysis.unseen) for runs in kinds.values())
    twice = f"D_crit is twice as large, within a factor of {analysis.FACTOR}"
    ours = f"D_crit {', '.join(crits)} of the mirror images: × {ratio.text()}"
    core = ratio.tells(analysis.BETWEEN, inf) if rest else None
    further = {twice: ratio.within(2 / analysis.FACTOR, 2 * analysis.FACTOR) if rest else None}
    return Result(ours, core, further | measures.resting(records), Evidence.of(*kinds.values()))
