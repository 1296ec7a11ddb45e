"""The pictures of the first page: the idea, and the three phenomena of Fig. 1 side by side."""

from collections.abc import Mapping
from math import ceil, exp, floor, isfinite, log10
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from grokkit.runs import Record, Records
from varma2023 import measures
from varma2023.efficiency import critical
from varma2023.efficiency.analysis import logs
from varma2023.efficiency.costs import at_papers_modulus
from varma2023.plots import TICKS, Looks, draw_paper, draw_runs, early_text
from varma2023.publish.sparks import Axis, Box, Curve, svg
from varma2023.semi_grokking import analysis
from varma2023.statistics import Interval
from varma2023.theme import panels, set_alt

PAPERS_RISE = measures.GENERALISED.paper  # Fig. 9: the epoch by which test accuracy is near 1
SEVEN, PAPERS_SEVEN = 0.7, (800, 1000)  # App. A.2: a test accuracy, and the D' that end there
SETTLED = 0.05  # of the test accuracy at the end: a panel shows twice the time this takes


def near_d_crit(every: Mapping[str, Records]) -> Records:
    """The runs for the third panel: those that stay in the middle when trained longer, or all."""
    runs = every.get("semi_grokking", [])
    longer, _ = analysis.made_again(runs, every.get("semi_grokking_again", []))
    return analysis.standing(longer) or runs


def round_epochs(records: Records) -> int:
    """A round number of epochs in which every test accuracy comes to its end and rests as long.

    At most those that were trained.
    """

    def settles(record: Record) -> int:
        gap = np.abs(record["test_accuracy"] - record.final("test_accuracy"))
        found = measures.for_good(record, gap <= SETTLED)
        return found.epoch if found else record.run.epochs

    wanted = 2 * max(1, *map(settles, records))
    step = 10 ** floor(log10(wanted))
    return min(ceil(wanted / step) * step, max(record.run.epochs for record in records))


def fig1_overview(grokked: Records, ungrokked: Records, near: Records = ()) -> go.Figure:
    """Fig. 1 in one picture: accuracy while networks grok and ungrok, on linear epochs.

    The third panel has the run of `near` that is clearest semi-grokking (Fig. 1c); without runs
    near D_crit, or where none of them ends so, it is empty and says why.
    """
    titles = ["grokking", "ungrokking", "semi-grokking"]
    fig = panels(360, titles, cols=3, shared_yaxes=True, horizontal_spacing=0.05)
    fig.update_layout(margin_t=60, legend_y=1.1)
    columns = [grokked, ungrokked]
    shown = analysis.example(near) if near else None
    if shown is not None and measures.outcome(shown) == measures.SEMI:
        columns.append([shown])
    for col, records in enumerate(columns, start=1):
        draw_runs(fig, records, "train_accuracy", (1, col), "solid")
        draw_runs(fig, records, "test_accuracy", (1, col), "dash")
        looks: Looks = {"range": [0, round_epochs(records)], "nticks": 4, "tickformat": "~s"}
        fig.update_xaxes(title=f"epoch, D = {records[0].run.dataset_size:,}", col=col, **looks)
    if measures.at_papers_setting(grokked):
        draw_paper(fig, f"epoch {PAPERS_RISE:,}", x=PAPERS_RISE, place=(1, 1))
    if len(columns) < 3:
        fig.add_scatter(x=[None], y=[None], showlegend=False, row=1, col=3)  # no trace, no axes
        fig.update_xaxes(range=[0, 1], showticklabels=False, title="epoch", col=3)
        why = f"none of {len(near)} runs" if near else "not run yet"
        fig.add_annotation(x=0.5, y=0.5, text=why, showarrow=False, row=1, col=3)
    else:
        draw_paper(fig, f"{analysis.PAPERS_PLATEAU}", y=analysis.PAPERS_PLATEAU, place=(1, 3))
    fig.update_yaxes(title="accuracy", range=[0, 1.03], col=1)
    said = "not run yet"
    if shown is not None:
        said = f"{measures.described([shown])}, ends at test accuracy "
        said += f"{shown.final('test_accuracy'):.2f} ({measures.outcome(shown)})"
    return set_alt(fig, f"{_alt(grokked, ungrokked)} Semi-grokking: {said}.")


def _alt(grokked: Records, ungrokked: Records) -> str:
    fits, *_, general = (mark.text() for mark in measures.mark_summaries(grokked))
    start = measures.Summary.of([record["test_accuracy"][0] for record in ungrokked])
    end = measures.finals(ungrokked, "test_accuracy")
    return (
        f"Accuracy against epochs. Grokking, {len(grokked)} networks trained on "
        f"{grokked[0].run.dataset_size:,} examples: train accuracy reaches 1 at epoch {fits}, test "
        f"accuracy passes 0.98 at epoch {general}. Ungrokking, {len(ungrokked)} trained networks "
        f"continued on {ungrokked[0].run.dataset_size:,} examples: test accuracy goes from "
        f"{start.text('.2f')} to {end.text('.2f')}." + early_text([*grokked, *ungrokked])
    )


class Costs(NamedTuple):
    """What each circuit costs: the least of Eq. (2) over alpha, at one weight decay (claim B2)."""

    sizes: Float[np.ndarray, " log"]
    memory: Float[np.ndarray, " log"]  # of C_mem at each of the sizes, the mean over seeds
    rule: float  # of C_gen, the mean over the networks that are ungrokked
    meet: float  # the D at which both are the same; NaN if they never are
    forget: Interval  # the D' at which ungrokking ends at `SEVEN`
    half: str  # the same at ½, with examples and where the costs cross
    text: str  # what was measured, for the caption


def costs(every: Mapping[str, Records]) -> Costs | None:
    """The costs of both circuits; None where runs are missing, or no network holds the rule."""
    kind = at_papers_modulus(every.get("transition", []), every.get("papers_memory", []))
    if not kind.predicted:
        return None
    sizes, memory = np.exp(critical.minima(kind.memory)).T
    rule = exp(float(logs(kind.rules, measures.least)[:, 1].mean()))
    rest = sum(map(measures.rests, kind.memory))
    text = f"weight decay {kind.ends[0].run.weight_decay:g}; the rule's cost is that on "
    text += f"{kind.rules[0].run.dataset_size:,} examples; {rest} of {len(kind.memory)} networks "
    text += "that memorise are at rest"
    meet, forget = kind.told.value, measures.d_crit_interval(kind.ends, SEVEN)
    half = f"{measures.d_crit_text(kind.ends)} examples; the costs cross at {meet:,.0f}"
    return Costs(sizes, memory, rule, meet, forget, half, text)


def idea(found: Costs | None) -> str:
    """The idea in one picture: memory costs more with every example, the rule does not (SVG).

    C_gen's cost was measured on many examples and is drawn as the same for all (Sec. 4.1). Below:
    where networks that have grokked forget, ours and the paper's. "" where the costs do not cross.
    """
    if found is None or not isfinite(found.meet + found.forget.value):
        return ""
    sizes, memory, forget = found.sizes, found.memory, found.forget
    ours = (forget.low, forget.high) if forget.bounded else forget.each or (forget.value,)
    top, low = float(memory.max()), float(sizes[0])
    high = max(float(sizes[-1]), 2 * max(ours))  # so that there is room for what is written
    box = Box(Axis(low, high, log=True), Axis(0, 1.1 * top), 350, 210)
    drawn = [
        box.line(Curve([low, high], [0, 0], "reference")),
        box.line(Curve(sizes, memory, "mem")),
        box.line(Curve(sizes, memory, "mem", dots=True)),
        box.line(Curve([low, high], [found.rule] * 2, "gen", dash="9 4")),
        box.line(Curve([found.meet] * 2, [0, found.rule], "norm", dash="2 3")),
        box.line(Curve([found.meet], [found.rule], "norm", dots=True)),
        box.line(Curve([min(ours), max(ours)], [0.25 * top] * 2, "test", width=6)),
        box.line(Curve(PAPERS_SEVEN, [0.1 * top] * 2, "reference", width=6)),
        box.text(1.05 * float(sizes[-1]), 0.97 * top, "memorising", "mem"),
        box.text(high, 1.06 * found.rule, "the rule", "norm", "end"),
        box.text(1.05 * max(ours), 0.23 * top, "ungrokked to 0.7, ours", "norm"),
        box.text(1.05 * PAPERS_SEVEN[1], 0.08 * top, "to 0.7 in the paper", "reference"),
        box.text(low, 1.04 * top, "cost", "reference"),
        box.below(low, f"{low:,.0f}", "start"),
        *(box.below(size, f"{size:,}") for size in TICKS if 1.2 * low < size < high / 1.2),
        box.below(high, f"{high:,.0f} examples", "end"),
    ]
    alt = (
        f"What each circuit costs against the number of examples. Memorising costs {memory[0]:.0f} "
        f"at {low:,.0f} examples and {top:.0f} at {sizes[-1]:,.0f}; the rule costs "
        f"{found.rule:.0f}. They cross at {found.meet:,.0f}; networks that have grokked forget "
        f"down to a test accuracy of {SEVEN} at {found.forget.text(',.0f')}, in the paper at "
        f"{PAPERS_SEVEN[0]} to {PAPERS_SEVEN[1]:,}."
    )
    return svg("".join(drawn), alt, box.width, box.height + 24, "gk-idea")
