"""Results of efficiency: Fig. 3, Prediction 1, and D_crit predicted in two ways (B1, B2)."""

from collections.abc import Mapping, Sequence

from grokkit import efficiency, transition
from grokkit.claims.board import Result
from grokkit.runs import Record
from grokkit.statistics import Interval


def results(records: Mapping[str, Sequence[Record]]) -> dict[str, Result]:
    """What `memorising` and `generalising` decide, and with `transition` beside them, B1 and B2."""
    mem = efficiency.memorised(records.get("memorising", ()))
    gen = efficiency.gated(records.get("generalising", ()))
    if not (mem and gen):
        return {}
    found = fig3_results(mem, gen, len(records["generalising"]))
    ends = records.get("transition", ())
    return found | prediction_results(mem, gen, ends) if ends else found


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


def minimum_pairs(
    mem: Sequence[Record], gen: Sequence[Record], ends: Sequence[Record]
) -> dict[str, tuple[Interval, Interval]]:
    """Claim B2: by weight decay, D_crit where the minima of Eq. (2) meet, and ungrokking's."""
    seen = measured(ends)
    predicted = efficiency.predicted_by_minimum(mem, gen)
    return {
        f"equal minima, weight decay {decay:g}": (found, seen[decay])
        for decay, found in predicted.items()
        if decay in seen
    }


def pairs_text(pairs: Mapping[str, tuple[Interval, Interval]]) -> str:
    """ "904 (870 – 940) against 840 (830 – 850)", for each pair."""
    return "; ".join(
        f"{one.text(',.0f')} against {other.text(',.0f')}" for one, other in pairs.values()
    )


def prediction_results(
    mem: Sequence[Record], gen: Sequence[Record], ends: Sequence[Record]
) -> dict[str, Result]:
    """B1 and B2: D_crit from runs of one circuit each, against ungrokking."""
    n = len(mem) + len(gen) + len(ends)
    found = {}
    for claim, pairs in (
        ("B1", norm_pair(mem, gen, ends)),
        ("B2", minimum_pairs(mem, gen, ends)),
    ):
        verdict = efficiency.prediction_verdict(list(pairs.values()), mem)
        found[claim] = Result(verdict, f"predicted {pairs_text(pairs)} measured", n)
    return found
