"""The figures of semi-grokking: one run (Figs. 1c and 6), many runs (Fig. 5), and their ends."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.colors import sample_colorscale
from plotly.subplots import make_subplots

from grokkit.runs import Record
from varma2023 import measures
from varma2023.measures import Pair
from varma2023.plots import meta, rest_symbols, shared_meta, size_axis
from varma2023.semi_grokking import analysis
from varma2023.theme import GEN, MEM, NORM, ORDERED, TEST, TRAIN, figure, ordered, set_alt, template

Curve = tuple[str, str, str, str]
LOSSES: tuple[Curve, ...] = (
    ("train_loss", "train loss", TRAIN, "solid"),
    ("test_loss", "test loss", TEST, "dash"),
)
ACCURACIES: tuple[Curve, ...] = (
    ("train_accuracy", "train accuracy", TRAIN, "dashdot"),
    ("test_accuracy", "test accuracy", TEST, "dot"),
)
NORMS: tuple[Curve, ...] = (("param_norm", "parameter norm", NORM, "solid"),)
LOGITS: tuple[Curve, ...] = (
    ("trig_logit", "C<sub>trig</sub> logit", GEN, "solid"),
    ("mem_logit", "C<sub>mem</sub> logit", MEM, "dash"),
)
MARKERS = dict(
    zip(
        measures.OUTCOMES,
        ("x", "triangle-up-open", "diamond", "square-open", "circle"),
        strict=True,
    )
)


def _said(record: Record) -> str:
    run = record.run
    return f"seed {run.seed}, D {run.dataset_size:,}, weight decay {run.weight_decay:g}"


def _one_run(record: Record, panels: Sequence[tuple[str, Sequence[Curve]]]) -> go.Figure:
    """One run against epochs: a panel a row, each with its curves."""
    fig = make_subplots(rows=len(panels), shared_xaxes=True, vertical_spacing=0.05)
    for row, (title, curves) in enumerate(panels, start=1):
        for metric, label, colour, dash in curves:
            fig.add_scatter(
                x=record["epoch"],
                y=record[metric].astype(np.float32),
                name=label,
                legendgroup=label,
                meta=meta(record),
                line={"color": colour, "dash": dash, "width": 2},
                hovertemplate=f"{label} %{{y:.4g}}<br>{_said(record)}<br>"
                "epoch %{x:,}<extra></extra>",
                row=row,
                col=1,
            )
        fig.update_yaxes(title=title, row=row)
        if "loss" in title:
            fig.update_yaxes(type="log", exponentformat="power", dtick=2, row=row)
        if "accuracy" in title:
            fig.update_yaxes(range=[0, 1.03], row=row)
    fig.update_xaxes(title="epoch", tickformat=",d", row=len(panels))
    fig.update_layout(template=template(), height=150 + 190 * len(panels))
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
    fig = _one_run(record, [("loss (nats)", LOSSES), ("accuracy", ACCURACIES)])
    return set_alt(
        fig,
        f"One network trained on {record.run.dataset_size:,} examples for "
        f"{record.run.epochs:,} epochs: {_described(record)}.",
    )


def fig6_transient(record: Record) -> go.Figure:
    """Fig. 6: accuracy, loss, norm and both logits of one run, with its plateau shaded."""
    panels = [("accuracy", ACCURACIES), ("loss (nats)", LOSSES), ("parameter norm", NORMS)]
    if "trig_logit" in record.metrics:
        panels.append(("correct logit", LOGITS))
    fig = _one_run(record, panels)
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
    named = set()
    for record in sorted(records, key=lambda r: r.final("test_accuracy")):
        kind, end = measures.outcome(record), record.final("test_accuracy")
        fig.add_scatter(
            x=record["epoch"],
            y=record["test_accuracy"].astype(np.float32),
            name=kind,
            legendgroup=kind,
            showlegend=kind not in named,
            meta=meta(record),
            line={
                "color": sample_colorscale(ORDERED, [0.9 * end])[0],
                "dash": dashes[kind],
                "width": 2.4 if kind == measures.SEMI else 1.3,
            },
            hovertemplate=f"test accuracy %{{y:.3f}}<br>{_said(record)}<br>{kind}<br>"
            "epoch %{x:,}<extra></extra>",
        )
        named.add(kind)
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
    sizes = sorted({record.run.dataset_size for record in records})
    groups = {D: [r for r in records if r.run.dataset_size == D] for D in sizes}
    patterns = ("", "/", "x", ".", "")
    colours = ordered(len(measures.OUTCOMES))
    for kind, colour, pattern in zip(measures.OUTCOMES, colours, patterns, strict=True):
        n = [analysis.counts(group)[kind] for group in groups.values()]
        fig.add_bar(
            x=[f"{D:,}" for D in sizes],
            y=n,
            name=kind,
            marker={"color": colour, "pattern": {"shape": pattern}},
            hovertemplate=f"{kind}: %{{y}} runs<br>D %{{x}}<extra></extra>",
        )
    full = {
        D: sum(measures.smoothed(r)[-1] > measures.PERFECT for r in group)
        for D, group in groups.items()
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
    seeds = sorted({record.run.seed for record in ends})
    for seed, colour in zip(seeds, ordered(len(seeds)), strict=True):
        mine = sorted((r for r in ends if r.run.seed == seed), key=lambda r: r.run.dataset_size)
        fig.add_scatter(
            x=[r.run.dataset_size for r in mine],
            y=np.array([r.final("test_accuracy") for r in mine], dtype=np.float32),
            mode="lines+markers",
            name=f"seed {seed}",
            legendgroup=f"seed {seed}",
            meta={"seed": seed},
            line={"color": colour, "width": 1},
            marker={
                "color": colour,
                "size": 9,
                "symbol": [rest_symbols([r], MARKERS[measures.end_kind(r)])[0] for r in mine],
            },
            customdata=[[measures.end_kind(r), r.final("residual")] for r in mine],
            hovertemplate="D %{x:,}: %{y:.3f}, %{customdata[0]}<br>residual "
            f"%{{customdata[1]:.2g}}<br>seed {seed}<extra></extra>",
        )
    bounds = {r.run.dataset_size: measures.memory_bound(r.run) for r in ends}
    fig.add_scatter(
        x=sorted(bounds),
        y=[bounds[D] for D in sorted(bounds)],
        name="what memory explains, and 0.1",
        meta=shared_meta(ends),
        line={"color": MEM, "dash": "dash", "width": 1.5},
        hovertemplate="generalises above %{y:.2f}<br>D %{x:,}<extra></extra>",
    )
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
        here = [pair for pair in ways if measures.end_kind(pair.lbfgs) == kind]
        for pair in here:
            fig.add_scatter(
                x=[pair.adamw.final("test_accuracy")],
                y=[1 + analysis.excess(pair)],
                mode="markers",
                name=f"minimiser: {kind}",
                legendgroup=kind,
                showlegend=pair is here[0],
                meta=meta(pair.adamw),
                marker={"color": colour, "symbol": MARKERS[kind], "size": 10},
                hovertemplate=f"%{{x:.3f}} by AdamW ({measures.outcome(pair.adamw)}), "
                f"{pair.lbfgs.final('test_accuracy'):.3f} by the minimiser<br>Eq. (2): %{{y:.3f}} "
                f"times the minimiser's<br>{_said(pair.adamw)}<extra></extra>",
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
