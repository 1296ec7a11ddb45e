"""The figures of semi-grokking: one run (Figs. 1c and 6), many runs (Fig. 5), and their ends."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.colors import sample_colorscale

from grokkit.runs import Record
from varma2023 import measures
from varma2023.measures import Pair, group
from varma2023.plots import (
    LOSS_AXIS,
    Looks,
    draw,
    draw_bars,
    draw_run,
    meta,
    rest_symbols,
    run_name,
    shared_meta,
    size_axis,
)
from varma2023.semi_grokking import analysis
from varma2023.theme import GEN, MEM, NORM, ORDERED, figure, ordered, panels, set_alt

LOSSES = ("loss (nats)", ("train_loss", "test_loss"))
ACCURACIES = ("accuracy", ("train_accuracy", "test_accuracy"))
NORMS = ("parameter norm", ("param_norm",))
LOGITS = ("correct logit", ("trig_logit", "mem_logit"))
MARKERS = dict(
    zip(
        measures.OUTCOMES,
        ("x", "triangle-up-open", "diamond", "square-open", "circle"),
        strict=True,
    )
)


def _one_run(record: Record, rows: Sequence[tuple[str, Sequence[str]]]) -> go.Figure:
    """One run against epochs: by row a title and its metrics."""
    layout: Looks = {"height": 150 + 190 * len(rows)}
    fig = panels(layout, rows=len(rows), shared_xaxes=True, vertical_spacing=0.05)
    for row, (title, metrics) in enumerate(rows, start=1):
        for metric in metrics:
            looks: Looks = {"dash": "solid"} if metric == "param_norm" else {}
            draw_run(fig, record, metric, (row, 1), **looks)
        fig.update_yaxes(title=title, row=row)
        if "loss" in title:
            fig.update_yaxes(LOSS_AXIS, row=row)
        if "accuracy" in title:
            fig.update_yaxes(range=[0, 1.03], row=row)
    fig.update_xaxes(title="epoch", tickformat=",d", row=len(rows))
    return fig


def _described(record: Record) -> str:
    """What became of a run, in words."""
    here = measures.plateau(record)
    longest = f"; it stays longest at {here.text()}" if here else ""
    return (
        f"train accuracy ends at {record.final('train_accuracy'):.3f}, test accuracy at "
        f"{record.final('test_accuracy'):.2f} ({measures.outcome(record)}){longest}"
    )


def fig1c_semi_grokking(record: Record) -> go.Figure:
    """Fig. 1c: losses and accuracies of one run that ends in the middle, against epochs."""
    fig = _one_run(record, [LOSSES, ACCURACIES])
    return set_alt(
        fig,
        f"One network trained on {record.run.dataset_size:,} examples for "
        f"{record.run.epochs:,} epochs: {_described(record)}.",
    )


def fig6_transient(record: Record) -> go.Figure:
    """Fig. 6: accuracy, loss, norm and both logits of one run, with its plateau shaded."""
    logits = [LOGITS] if "trig_logit" in record.metrics else []
    fig = _one_run(record, [ACCURACIES, LOSSES, NORMS, *logits])
    here, drop = measures.plateau(record), analysis.norm_drop(record)
    if here:
        fig.add_vrect(x0=here.start, x1=here.end, fillcolor=NORM, opacity=0.08, line_width=0)
    fell = (
        f"; the norm is {drop.norm_before:.2f} as it ends and {drop.norm_after:.2f} after"
        if drop
        else ""
    )
    return set_alt(
        fig,
        f"Accuracy, loss, norm and logits of one network on {record.run.dataset_size:,} examples: "
        f"{_described(record)}{fell}.",
    )


def fig5_semi_grokking_runs(records: Sequence[Record]) -> go.Figure:
    """Fig. 5: test accuracy of every run, coloured by its value at the end as in the paper."""
    fig = figure(
        xaxis={"title": "epoch", "tickformat": ",d"},
        yaxis={"title": "test accuracy", "range": [0, 1.03]},
        height=480,
    )
    dashes = dict(
        zip(measures.OUTCOMES, ("dot", "dashdot", "solid", "longdash", "dash"), strict=True)
    )
    for record in sorted(records, key=lambda r: r.final("test_accuracy")):
        kind, end = measures.outcome(record), record.final("test_accuracy")
        colour = sample_colorscale(ORDERED, [0.9 * end])[0]
        width = 2.4 if kind == measures.SEMI else 1.3
        looks: Looks = {"label": kind, "colour": colour, "dash": dashes[kind], "width": width}
        draw_run(fig, record, "test_accuracy", **looks)
    return set_alt(
        fig,
        f"Test accuracy of {len(records)} networks near D_crit against epochs. By the end: "
        f"{analysis.outcome_counts(records)}.",
    )


def fig_outcomes(records: Sequence[Record]) -> go.Figure:
    """How many runs have each outcome, by dataset size: a bar a size, Fig. 5 in numbers."""
    fig = figure(
        xaxis={"title": "dataset size D", "type": "category"},
        yaxis={"title": "runs"},
        barmode="stack",
        height=380,
    )
    groups = group(records, "dataset_size")
    colours = ordered(len(measures.OUTCOMES))
    for i, (kind, colour) in enumerate(zip(measures.OUTCOMES, colours, strict=True)):
        n = [analysis.counts(here)[kind] for here in groups.values()]
        hover = f"{kind}: %{{y}} runs<br>D %{{x}}"
        draw_bars(fig, [f"{D:,}" for D in groups], n, kind, hover, colour, i)
    full = {
        D: sum(measures.smoothed(r)[-1] > measures.PERFECT for r in here)
        for D, here in groups.items()
    }
    return set_alt(
        fig,
        f"Outcomes of {len(records)} networks by the size of their train set. Full at the end: "
        + ", ".join(f"{n} of {len(groups[D])} at {D:,}" for D, n in full.items())
        + ".",
    )


def fig_minimised_ends(ends: Sequence[Record]) -> go.Figure:
    """Where the minimiser ends from random weights, over the sizes of Fig. 5: accuracy by D."""
    fig = figure(
        xaxis=size_axis(ends, "dataset size D"),
        yaxis={"title": "test accuracy at the end", "range": [0, 1.03]},
        height=420,
    )
    seeds = group(sorted(ends, key=lambda record: record.run.dataset_size), "seed")
    for (seed, mine), colour in zip(seeds.items(), ordered(len(seeds)), strict=True):
        draw(
            fig,
            [r.run.dataset_size for r in mine],
            np.array([r.final("test_accuracy") for r in mine]),
            f"seed {seed}",
            "D %{x:,}: %{y:.3f}, %{customdata[0]}<br>residual "
            f"%{{customdata[1]:.2g}}<br>seed {seed}",
            colour=colour,
            width=1,
            mode="lines+markers",
            meta={"seed": seed},
            marker={
                "color": colour,
                "size": 9,
                "symbol": [rest_symbols([r], MARKERS[measures.end_kind(r)])[0] for r in mine],
            },
            customdata=[[measures.end_kind(r), r.final("residual")] for r in mine],
        )
    bounds = {r.run.dataset_size: measures.memory_bound(r.run) for r in ends}
    hover = "generalises above %{y:.2f}<br>D %{x:,}"
    line: Looks = {"colour": MEM, "dash": "dash", "width": 1.5, "meta": shared_meta(ends)}
    label = "what memory explains, and 0.1"
    draw(fig, sorted(bounds), [bounds[D] for D in sorted(bounds)], label, hover, **line)
    least, most = analysis.PAPER_SIZES
    if min(bounds) <= most and max(bounds) >= least:
        fig.add_vrect(x0=least, x1=most, fillcolor=NORM, opacity=0.06, line_width=0)
    return set_alt(
        fig,
        f"Test accuracy of {len(ends)} networks taken from random weights to a minimum, by "
        f"the size of their train set, {min(bounds):,} to {max(bounds):,}: "
        f"{analysis.outcome_counts(ends, measures.end_kind)}.",
    )


def fig_both_ways(ways: Sequence[Pair]) -> go.Figure:
    """Not in the paper: Eq. (2) of AdamW's end over the minimiser's, by AdamW's test accuracy.

    Colour and marker give where the minimiser ends from the same random weights.
    """
    fig = figure(
        xaxis={"title": "test accuracy, by AdamW"},
        yaxis={"title": "Eq. (2), AdamW / minimiser"},
        height=420,
    )
    for kind, colour in (
        (measures.NONE, MEM),
        (measures.SEMI, NORM),
        (measures.FULL, GEN),
    ):
        for pair in (pair for pair in ways if measures.end_kind(pair.lbfgs) == kind):
            draw(
                fig,
                [pair.adamw.final("test_accuracy")],
                [1 + analysis.excess(pair)],
                f"minimiser: {kind}",
                f"%{{x:.3f}} by AdamW ({measures.outcome(pair.adamw)}), "
                f"{pair.lbfgs.final('test_accuracy'):.3f} by the minimiser<br>Eq. (2): %{{y:.3f}} "
                f"times the minimiser's<br>{run_name(pair.adamw)}",
                mode="markers",
                meta=meta(pair.adamw),
                marker={"color": colour, "symbol": MARKERS[kind], "size": 10},
            )
    fig.add_hline(y=1, line={"color": NORM, "dash": "dot", "width": 1})
    said = "; ".join(
        f"{kind} by AdamW: {analysis.excess_text(group)}"
        for kind, group in analysis.by_outcome(ways).items()
    )
    return set_alt(
        fig,
        f"{len(ways)} networks in both ways: by which part Eq. (2) is higher where AdamW ends than "
        f"where the minimiser does. {said}.",
    )
