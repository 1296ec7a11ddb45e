"""Results of efficiency: Fig. 3, Prediction 1, and D_crit predicted in two ways (B1, B2)."""

from collections.abc import Mapping, Sequence

from grokkit import efficiency, transition
from grokkit.claims.board import Result
from grokkit.runs import Record
from grokkit.statistics import Interval


def results(records: Mapping[str, Sequence[Record]]) -> dict[str, Result]:
    """What `memorising` and `generalising` decide; with `transition` and `starts`, B1 and B2.

    With `other_tasks`, B9.
    """
    mem = efficiency.memorised(records.get("memorising", ()))
    gen = efficiency.gated(records.get("generalising", ()))
    if not (mem and gen):
        return {}
    found = fig3_results(mem, gen, len(records["generalising"]))
    ends, starts = records.get("transition", ()), records.get("starts", ())
    if ends:
        found |= norm_results(mem, gen, ends)
    if ends and starts:
        found |= minimum_results(mem, efficiency.gated(starts), ends)
    if records.get("other_tasks"):
        found |= across_tasks_results(mem, records["other_tasks"])
    return found


def fig3_results(
    mem: Sequence[Record], gen: Sequence[Record], n_candidates: int
) -> dict[str, Result]:
    """Fig. 3 and Prediction 1, of runs that are one circuit alone."""
    power = {
        name: efficiency.exponent(records).text(".3f")
        for name, records in (("mem", mem), ("gen", gen))
    }
    lines = {name: efficiency.slopes(records) for name, records in (("mem", mem), ("gen", gen))}
    up = sum(line.value > 0 for line in lines["mem"])
    flat = sum(efficiency.is_flat(line, mem) for line in lines["gen"])
    rises = f"{up} of {len(lines['mem'])} lines rise; norm ∝ D to the power {power['mem']}"
    stays = (
        f"{flat} of {len(lines['gen'])} lines flat; norm ∝ D to the power {power['gen']}; "
        f"{len(gen)} of {n_candidates} runs pass the gate"
    )
    both = f"power of D {power['mem']} for C_mem, {power['gen']} for C_gen"
    verdict = efficiency.gen_verdict(gen, mem)
    n = len(mem) + len(gen)
    return {
        "F3a,b": Result(efficiency.mem_verdict(mem), rises, len(mem)),
        "F3c,d": Result(verdict, stays, len(gen)),
        "P1": Result(efficiency.efficiency_verdict(mem, gen), both, n),
    }


def measured(ends: Sequence[Record]) -> dict[float, Interval]:
    """By weight decay, the D_crit of ungrokking, where test accuracy crosses a half."""
    return {
        decay: transition.d_crit_interval(efficiency.select(ends, weight_decay=decay))
        for decay in efficiency.values(ends, "weight_decay")
    }


def norm_pair(
    mem: Sequence[Record], gen: Sequence[Record], ends: Sequence[Record]
) -> dict[str, tuple[Interval, Interval]]:
    """Claim B1: D_crit where the isologit lines meet, and that of ungrokking at all decays."""
    level = efficiency.common_logit(mem, gen)
    name = f"equal norm at a correct logit of {level:.0f}"
    return {name: (efficiency.predicted_by_norm(mem, gen), transition.d_crit_interval(ends))}


def start_pairs(
    mem: Sequence[Record], starts: Sequence[Record], ends: Sequence[Record]
) -> dict[tuple[int, float], tuple[Interval, Interval]]:
    """Claim B2: by seed and weight decay, D_crit where the minima of Eq. (2) meet, and measured.

    `starts` are the networks from which those of `ends` were ungrokked. A pair of single networks
    has no interval.
    """
    predicted = efficiency.predicted_by_start(mem, starts)
    pairs = {}
    for (seed, decay), size in predicted.items():
        own = efficiency.select(ends, seed=seed, weight_decay=decay)
        if own:
            seen = transition.d_crit(own).value
            pairs[seed, decay] = (Interval(size, n=1), Interval(seen, n=1))
    return pairs


def norm_results(
    mem: Sequence[Record], gen: Sequence[Record], ends: Sequence[Record]
) -> dict[str, Result]:
    """B1: D_crit where isologit lines meet, from runs of one circuit each, against ungrokking."""
    n = len(mem) + len(gen) + len(ends)
    [pair] = norm_pair(mem, gen, ends).values()
    ours = f"predicted {pair[0].text(',.0f')}, measured {pair[1].text(',.0f')}"
    return {"B1": Result(efficiency.prediction_verdict([pair], mem), ours, n)}


def minimum_results(
    mem: Sequence[Record], starts: Sequence[Record], ends: Sequence[Record]
) -> dict[str, Result]:
    """B2: D_crit where the minima of Eq. (2) meet, network by network, against ungrokking."""
    pairs, texts = start_pairs(mem, starts, ends), []
    for seed in sorted({seed for seed, _ in pairs}):
        own = [pair for (which, _), pair in pairs.items() if which == seed]
        predicted, seen = (efficiency.range_text(sizes) for sizes in zip(*own, strict=True))
        texts.append(f"seed {seed}: predicted {predicted}, measured {seen}")
    verdict = efficiency.prediction_verdict(list(pairs.values()), mem)
    return {"B2": Result(verdict, "; ".join(texts), len(mem) + len(starts) + len(ends))}


def task_pairs(
    mem: Sequence[Record], ends: Sequence[Record]
) -> dict[str, tuple[Interval, Interval]]:
    """Claim B9: by task that ungroks, D_crit predicted from what its rule costs, and measured.

    It is predicted where C_mem's minimum of Eq. (2) reaches the rule's. The rule's is that of the
    task's own network on its largest D', C_mem's that of random labels: a table of labels costs
    the same whatever rule they come from.
    """
    pairs = {}
    for task, here in transition.by_task(ends).items():
        if transition.task_ungroks(here):
            rule = efficiency.select(here, dataset_size=max(r.run.dataset_size for r in here))
            for predicted in efficiency.predicted_by_minimum(mem, rule).values():
                pairs[task] = predicted, transition.d_crit_interval(here)
    return pairs


def across_tasks_results(mem: Sequence[Record], ends: Sequence[Record]) -> dict[str, Result]:
    """B9: D_crit of other tasks, from what their rule costs."""
    pairs = task_pairs(mem, ends)
    ours = "; ".join(
        f"{task}: predicted {predicted.value:,.0f}, measured {seen.value:,.0f}"
        for task, (predicted, seen) in pairs.items()
    )
    verdict = efficiency.prediction_verdict(list(pairs.values()), mem)
    return {"B9": Result(verdict, ours, len(mem) + len(ends))}
