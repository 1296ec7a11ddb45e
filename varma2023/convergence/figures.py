"""The figures of two ways to converge: AdamW and the minimiser of Eq. (2), side by side."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from grokkit.runs import Record
from varma2023 import measures
from varma2023.convergence import analysis
from varma2023.convergence.analysis import Equilibrium
from varma2023.measures import Pair
from varma2023.plots import DOTS, dash_of, meta
from varma2023.theme import NORM, TEST, TRAIN, ordered, set_alt, template

KINDS = ("grokking", "ungrokking", "random labels")
ROWS = (
    ("Eq. (2) over α", lambda record: measures.objective(record), "log"),
    ("residual", lambda record: record["residual"], "log"),
    ("test accuracy", lambda record: record["test_accuracy"], "linear"),
)
WIDTHS = (2.4, 1.4, 2.4, 1.4)


def _gradients(record: Record) -> np.ndarray:
    """Gradients spent so far, those of the run it starts from included; 1 stands for none."""
    return np.maximum(record["epoch"] + analysis.charged(record), 1).astype(np.float64)


def fig_two_ways(pairs: Sequence[Pair]) -> go.Figure:
    """Objective, residual and test accuracy of every pair, by kind, against gradients spent."""
    kinds = [kind for kind in KINDS if any(pair.kind == kind for pair in pairs)]
    fig = make_subplots(
        rows=len(ROWS),
        cols=len(kinds),
        shared_xaxes=True,
        shared_yaxes=True,
        vertical_spacing=0.04,
        horizontal_spacing=0.03,
        subplot_titles=kinds,
    )
    named = set()
    for pair in pairs:
        col = kinds.index(pair.kind) + 1
        same = [other for other in pairs if other.kind == pair.kind]
        width = WIDTHS[same.index(pair) % len(WIDTHS)]
        dash = "solid" if pair.adamw.run.p == min(p.adamw.run.p for p in pairs) else "dot"
        for way, colour, record in (("AdamW", TRAIN, pair.adamw), ("L-BFGS", TEST, pair.lbfgs)):
            for row, (title, values, _) in enumerate(ROWS, start=1):
                label = f"{way}, p = {pair.adamw.run.p}"
                fig.add_scatter(
                    x=_gradients(record),
                    y=values(record).astype(np.float32),
                    name=label,
                    legendgroup=label,
                    showlegend=label not in named,
                    meta=meta(record),
                    line={"color": colour, "dash": dash, "width": width},
                    hovertemplate=f"{title} %{{y:.4g}}<br>{pair}<br>{way}, gradient "
                    "%{x:,.0f}<extra></extra>",
                    row=row,
                    col=col,
                )
                named.add(label)
    for row, (title, _, kind) in enumerate(ROWS, start=1):
        fig.update_yaxes(type=kind, row=row)
        fig.update_yaxes(title=title, row=row, col=1)
    fig.update_yaxes(exponentformat="power", dtick=1, row=1)
    fig.update_yaxes(exponentformat="power", dtick=2, row=2)
    fig.update_xaxes(type="log", exponentformat="power", dtick=1)
    fig.update_xaxes(title="gradients of the train set", row=len(ROWS), col=(len(kinds) + 1) // 2)
    fig.update_layout(template=template(), height=760, margin={"t": 90}, legend={"y": 1.13})
    times = analysis.savings(pairs, measures.RESIDUALS[0])
    fewer = f"{np.median(times):.0f} times fewer (median)" if times else "never fewer"
    return set_alt(
        fig,
        f"{len(pairs)} networks taken to convergence by AdamW and by L-BFGS. "
        f"{analysis.agreeing(pairs)} pairs end alike; to a residual of "
        f"{measures.RESIDUALS[0]:g} L-BFGS needs {fewer} gradients.",
    )


def fig_strength(groups: Sequence[Sequence[Record]]) -> go.Figure:
    """Norm and correct logit against evaluations for every (c eps, lambda / c), by network."""
    titles = [f"{group[0].run.labels} labels" for group in groups]
    fig = make_subplots(
        rows=2, cols=len(groups), shared_xaxes=True, vertical_spacing=0.06, subplot_titles=titles
    )
    for col, group in enumerate(groups, start=1):
        for i, (record, colour) in enumerate(zip(group, ordered(len(group)), strict=True)):
            run = record.run
            label = f"ε {run.eps:g}, λ {run.weight_decay:g}"
            for row, metric in enumerate(("param_norm", "correct_logit"), start=1):
                fig.add_scatter(
                    x=_gradients(record),
                    y=record[metric].astype(np.float32),
                    name=label,
                    legendgroup=label,
                    showlegend=(row, col) == (1, 1),
                    meta=meta(record),
                    line={"color": colour, "dash": dash_of(i), "width": 2},
                    hovertemplate=f"{metric.replace('_', ' ')} %{{y:.3f}}<br>{run}<br>{label}"
                    "<extra></extra>",
                    row=row,
                    col=col,
                )
    fig.update_xaxes(type="log", exponentformat="power", dtick=1)
    fig.update_xaxes(title="gradients of the train set", row=2)
    fig.update_yaxes(title="parameter norm", row=1, col=1)
    fig.update_yaxes(title="correct logit", row=2, col=1)
    fig.update_layout(template=template(), height=560, margin={"t": 80}, legend={"y": 1.14})
    ends = "; ".join(
        f"{title}: "
        + ", ".join(f"{r.final('param_norm'):.2f} for λ {r.run.weight_decay:g}" for r in group)
        for title, group in zip(titles, groups, strict=True)
    )
    return set_alt(fig, f"The same α by three pairs of ε and λ. Norm at the end, {ends}.")


def fig_early_end(records: Sequence[Record], tolerance: float) -> go.Figure:
    """Test accuracy of each run against epochs, with a mark where it could have ended."""
    fig = go.Figure(layout={"template": template(), "height": 420})
    ends = {id(end.record): end for end in analysis.early_ends(records, tolerance)}
    for record, colour in zip(records, ordered(len(records)), strict=True):
        fig.add_scatter(
            x=np.maximum(record["epoch"], 0.8).astype(np.float64),
            y=record["test_accuracy"].astype(np.float32),
            line={"color": colour, "width": 1.4},
            showlegend=False,
            meta=meta(record),
            hovertemplate=f"test accuracy %{{y:.4f}}<br>{record.run}<extra></extra>",
        )
    marks = [ends[id(record)] for record in records if id(record) in ends]
    fig.add_scatter(
        x=[end.epoch for end in marks],
        y=[end.accuracy for end in marks],
        mode="markers",
        name="could have ended",
        marker={"color": NORM, "size": 9, "symbol": "x"},
        hovertemplate="epoch %{x:,}<br>test accuracy %{y:.4f}<br>could have ended<extra></extra>",
    )
    fig.update_xaxes(type="log", exponentformat="power", dtick=1, title="epoch")
    fig.update_yaxes(title="test accuracy", range=[0, 1.03])
    same = sum(end.same for end in marks)
    return set_alt(
        fig,
        f"Test accuracy of {len(records)} runs. {len(marks)} could have ended early at a tolerance "
        f"of {tolerance:g}; {same} of these have the same accuracy at their end.",
    )


def fig_equilibrium(states: Sequence[Equilibrium], records: Sequence[Record]) -> go.Figure:
    """The gradient of each parameter against its value where AdamW rests, a panel a network."""
    fig = make_subplots(
        rows=1,
        cols=len(states),
        subplot_titles=[f"seed {r.run.seed}, D {r.run.dataset_size:,}" for r in records],
        horizontal_spacing=0.12,
    )
    parts = []
    for col, (state, record) in enumerate(zip(states, records, strict=True), start=1):
        rng = np.random.default_rng(0)
        some = rng.choice(len(state.gradient), min(DOTS, len(state.gradient)), replace=False)
        reach = float(np.abs(state.expected[some]).max()) * 1.1
        fig.add_scatter(
            x=state.expected[some].astype(np.float32),
            y=state.gradient[some].astype(np.float32),
            mode="markers",
            name="a parameter",
            legendgroup="a parameter",
            meta=meta(record),
            showlegend=col == 1,
            marker={"color": TRAIN, "size": 4, "opacity": 0.6},
            hovertemplate="expected %{x:.2e}<br>gradient %{y:.2e}<extra></extra>",
            row=1,
            col=col,
        )
        fig.add_scatter(
            x=[-reach, reach],
            y=[-reach, reach],
            mode="lines",
            name="g = −ελθ/(1 − λ|θ|)",
            legendgroup="rest",
            meta=meta(record),
            showlegend=col == 1,
            line={"color": NORM, "dash": "dash", "width": 1.5},
            hoverinfo="skip",
            row=1,
            col=col,
        )
        fig.update_xaxes(title="−ελθ/(1 − λ|θ|)", exponentformat="power", nticks=4, row=1, col=col)
        parts.append(
            f"seed {record.run.seed}: fitted α {state.alpha:.3g}, cosine {state.cosine:.3f}"
        )
    fig.update_yaxes(exponentformat="power")
    fig.update_yaxes(title="gradient of the train loss", row=1, col=1)
    fig.update_layout(template=template(), height=440, margin={"t": 70}, legend={"y": 1.1})
    return set_alt(
        fig, f"Gradient of parameters of trained networks against ε λ θ: {'; '.join(parts)}."
    )
