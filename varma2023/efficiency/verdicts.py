"""What Fig. 3 and Prediction 1 say, part by part, and the tables that show it."""

from collections.abc import Mapping, Sequence
from math import inf, isfinite, log, log1p

from grokkit.runs import Record
from varma2023.efficiency.fits import LOGIT, SIZE, exponent, fit, fitted, kappa
from varma2023.efficiency.isologit import buckets, gated, isologit_slope, values
from varma2023.statistics import Interval, by_seed
from varma2023.tables import html_table

UNFINISHED = 0.1  # of the norm: what more gradients may yet take off it (choice C18)
MARGIN = 0.02  # an exponent of C_gen within it counts as 0 (choice C18)
NEAR_NORM = 0.11  # of the measured D_crit: the paper's 800 to 1,000 is as wide (choice C18)
NEAR = 0.25  # the same for predictions by Eq. (2), as first written (choice C18)


def can_be_judged(records: Sequence[Record]) -> bool:
    """Whether runs of one circuit can be judged: x + y, p >= 53, three sizes and weight decays."""
    return (
        bool(records)
        and all(r.run.task == "x+y" and r.run.p >= 53 for r in records)
        and min(len(values(records, name)) for name in ("dataset_size", "weight_decay")) >= 3
    )


def slopes(records: Sequence[Record]) -> list[Interval]:
    """The isologit slopes of the buckets that hold two sizes or more."""
    found = [isologit_slope(bucket) for bucket in buckets(records)]
    return [each for each in found if isfinite(each.value)]


def least_rise(records: Sequence[Record]) -> float:
    """The exponent of D that runs which are still falling could feign: 10 % of the norm."""
    sizes = values(records, "dataset_size")
    return log1p(UNFINISHED) / log(sizes[-1] / sizes[0])


def rises(mem: Sequence[Record]) -> bool:
    """Fig. 3a, b: at a fixed logit C_mem's norm rises with D by more than `least_rise`."""
    return exponent(mem).within(least_rise(mem), inf)


def flat(gen: Sequence[Record]) -> bool | None:
    """Fig. 3c, d: the exponent of D of C_gen is 0 within `MARGIN`; None for fewer than two sizes.

    An equivalence: the whole interval over seeds lies in the margin.
    """
    seeds = by_seed(gen)
    if not seeds or any(len(values(seed, "dataset_size")) < 2 for seed in seeds):
        return None
    return exponent(gen).within(-MARGIN, MARGIN)


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


def agrees(predicted: Interval, measured: Interval, near: float = NEAR) -> bool:
    """Whether a predicted D_crit is within this part of the measured one (choice C18)."""
    return abs(ratio(predicted, measured) - 1) <= near


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
