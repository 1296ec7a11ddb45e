"""What Fig. 3 and Prediction 1 say, part by part, and the tables that show it."""

from collections.abc import Mapping, Sequence
from math import isfinite

from grokkit.analysis import IN_PART, NOT_RUN, verdict_of
from grokkit.efficiency.fits import LOGIT, SIZE, exponent, fit, fitted, kappa
from grokkit.efficiency.isologit import buckets, gated, isologit_slope, values
from grokkit.runs import Record
from grokkit.statistics import Interval, by_seed
from grokkit.tables import html_table

FLAT = 0.1  # of C_mem's exponent: an isologit line of C_gen with less is nearly flat (choice C18)
NEAR = 0.25  # of the measured D_crit: a prediction within it agrees (choice C18)


def at_papers_setting(records: Sequence[Record]) -> bool:
    """Whether the runs are of x + y mod 113, with at least three sizes and weight decays."""
    return (
        bool(records)
        and {(r.run.task, r.run.p) for r in records} == {("x+y", 113)}
        and min(len(values(records, name)) for name in ("dataset_size", "weight_decay")) >= 3
    )


def has_interval(found: Interval) -> bool:
    """Whether there were seeds enough for an interval."""
    return isfinite(found.low) and isfinite(found.high)


def slopes(records: Sequence[Record]) -> list[Interval]:
    """The isologit slopes of the buckets that hold two sizes or more."""
    found = [isologit_slope(bucket) for bucket in buckets(records)]
    return [each for each in found if isfinite(each.value)]


def mem_parts(mem: Sequence[Record]) -> dict[str, bool]:
    """What Fig. 3a, b say of C_mem, each part met or not."""
    lines, whole = slopes(mem), exponent(mem)
    rising = [line.low > 0 if has_interval(line) else line.value > 0 for line in lines]
    return {
        "every isologit line rises": bool(rising) and all(rising),
        "over all runs, the norm at a fixed logit rises with D": whole.value > 0,
        "the interval over seeds is above 0": has_interval(whole) and whole.low > 0,
    }


def is_flat(line: Interval, mem: Sequence[Record]) -> bool:
    """Whether the interval of a slope contains 0; of one seed, if it is small beside C_mem's."""
    if has_interval(line):
        return line.holds(0.0)
    return abs(line.value) < FLAT * fit(mem).exponent


def gen_parts(gen: Sequence[Record], mem: Sequence[Record]) -> dict[str, bool]:
    """What Fig. 3c, d say of C_gen, each part met or not; `gen` has passed the gate."""
    lines, whole = slopes(gen), exponent(gen)
    limit = FLAT * fit(mem).exponent
    flat = [is_flat(line, mem) for line in lines]
    return {
        "every isologit line is flat": bool(flat) and all(flat),
        "over all runs, the interval of the slope contains 0": whole.holds(0.0),
        "the slope is less than a tenth of that of C_mem": abs(whole.value) < limit,
    }


def mem_verdict(mem: Sequence[Record]) -> str:
    """Fig. 3a, b: `mem_parts`; "not run" at another setting than the paper's."""
    return verdict_of(list(mem_parts(mem).values())) if at_papers_setting(mem) else NOT_RUN


def gen_verdict(gen: Sequence[Record], mem: Sequence[Record]) -> str:
    """Fig. 3c, d: `gen_parts` of runs that pass the gate; "not run" as `mem_verdict`."""
    there = at_papers_setting(gen) and at_papers_setting(mem)
    return verdict_of(list(gen_parts(gen, mem).values())) if there else NOT_RUN


def efficiency_verdict(mem: Sequence[Record], gen: Sequence[Record]) -> str:
    """Prediction 1: both halves of Fig. 3; "not run" unless both were."""
    both = {mem_verdict(mem), gen_verdict(gen, mem)}
    return NOT_RUN if NOT_RUN in both else both.pop() if len(both) == 1 else IN_PART


def orderly(mem: Sequence[Record], gen: Sequence[Record]) -> dict[str, bool]:
    """What can be asked of runs at any setting: the two circuits differ as Sec. 4.1 says."""
    memory, rule = fit(mem), fit(gen)
    return {
        "C_mem's norm at a fixed logit rises with D": memory.exponent > 0,
        "C_gen's changes less": abs(rule.exponent) < memory.exponent / 3,
    }


# --- tables ----------------------------------------------------------------------------------

CIRCUITS = ("C<sub>mem</sub>", "C<sub>gen</sub>")


def _span(numbers: Sequence[float | int], form: str) -> str:
    low, high = f"{min(numbers):{form}}", f"{max(numbers):{form}}"
    return low if low == high else f"{low} – {high}"


def slopes_table(mem: Sequence[Record], gen: Sequence[Record]) -> str:
    """By circuit and bucket of the correct logit: runs, sizes, the slope of log P over log D."""
    rows = []
    for name, records in zip(CIRCUITS, (mem, gen), strict=True):
        for bucket in buckets(records):
            found = isologit_slope(bucket)
            rows.append(
                [
                    name,
                    f"{bucket.low:.1f} – {bucket.high:.1f}",
                    str(len(bucket.records)),
                    str(len(values(bucket.records, "seed"))),
                    _span(bucket.sizes, ",") if bucket.records else "–",
                    found.text(".3f") if isfinite(found.value) else "fewer than two sizes",
                ]
            )
    head = ["circuit", "correct logit", "runs", "seeds", "D", "slope of log norm over log D"]
    return html_table(head, rows)


def fits_table(mem: Sequence[Record], gen: Sequence[Record]) -> str:
    """By circuit: the exponent of D, that of the norm, and the norm at the reference."""
    rows = []
    for name, records, flat in zip(CIRCUITS, (mem, gen), (False, True), strict=True):
        rows.append(
            [
                name,
                str(len(records)),
                str(len(values(records, "seed"))),
                exponent(records).text(".3f"),
                kappa(records, flat).text(".1f"),
                fitted(records, lambda found: found.norm, flat).text(".1f"),
            ]
        )
    head = ["circuit", "runs", "seeds", "exponent of D", "κ"]
    return html_table([*head, f"norm at D = {SIZE:,}, correct logit {LOGIT:g}"], rows)


def gate_table(gen: Sequence[Record]) -> str:
    """By seed: the least trigonometric share, and how many runs pass the gate of 95 %."""
    rows = []
    for seed in by_seed(gen):
        shares = [record.final("trig_share") for record in seed]
        rows.append(
            [
                str(seed[0].run.seed),
                str(len(seed)),
                f"{min(shares):.3f}",
                str(len(gated(seed))),
                f"{min(shares) ** 2:.3f}",
                str(len(gated(seed, squared=True))),
            ]
        )
    head = ["seed", "runs", "least share of norm", "above 0.95"]
    return html_table([*head, "least share of norm²", "above 0.95"], rows)


def ratio(predicted: Interval, measured: Interval) -> float:
    """A prediction over what was measured; NaN where one of them is none."""
    return predicted.value / measured.value


def ratios_text(pairs: Sequence[tuple[Interval, Interval]]) -> str:
    """ "0.98 – 1.07": the least and the largest `ratio`; "none" without one."""
    known = [found for pair in pairs if isfinite(found := ratio(*pair))]
    return _span(known, ".2f") if known else "none"


def range_text(sizes: Sequence[Interval]) -> str:
    """ "860 – 880": the least and the largest of some D_crit; "none" without one."""
    known = [size.value for size in sizes if isfinite(size.value)]
    return _span(known, ",.0f") if known else "none"


def agrees(predicted: Interval, measured: Interval) -> bool:
    """Whether a predicted D_crit is within `NEAR` of the measured one (choice C18)."""
    return abs(ratio(predicted, measured) - 1) <= NEAR


def predictions_table(
    rows: Mapping[str, tuple[Interval, Interval]],
) -> str:
    """By row: D_crit predicted and measured, each with its interval, and their ratio."""
    cells = [
        [name, one.text(",.0f"), other.text(",.0f"), f"{ratio(one, other):.2f}"]
        for name, (one, other) in rows.items()
    ]
    return html_table(["", "predicted D_crit", "measured D_crit", "ratio"], cells)


def starts_table(rows: Mapping[tuple[int, float], tuple[Interval, Interval]]) -> str:
    """By seed and weight decay: D_crit predicted from the network itself, measured, the ratio."""
    cells = [
        [str(seed), f"{decay:g}", *(f"{x.value:,.0f}" for x in pair), f"{ratio(*pair):.2f}"]
        for (seed, decay), pair in rows.items()
    ]
    head = ["seed", "weight decay", "predicted D_crit", "measured D_crit", "ratio"]
    return html_table(head, cells)


def same_order(rows: Mapping[tuple[int, float], tuple[Interval, Interval]]) -> bool:
    """Whether at each weight decay the seeds stand in the same order, predicted and measured."""
    for decay in {decay for _, decay in rows}:
        pairs = [pair for (_, which), pair in rows.items() if which == decay]
        by_each = [sorted(range(len(pairs)), key=lambda i: pairs[i][k].value) for k in (0, 1)]
        if by_each[0] != by_each[1]:
            return False
    return True


def prediction_verdict(
    pairs: Sequence[tuple[Interval, Interval]], records: Sequence[Record]
) -> str:
    """Claims B1 and B2: every prediction `agrees`.

    "not run" where nothing was measured between the sizes of `records`, the runs of C_mem alone,
    which no prediction can leave, and at another setting than the paper's.
    """
    sizes = values(records, "dataset_size")
    known = [pair for pair in pairs if sizes[0] <= pair[1].value <= sizes[-1]]
    there = at_papers_setting(records)
    return verdict_of([agrees(*pair) for pair in known]) if there else NOT_RUN
