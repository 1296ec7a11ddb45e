"""The figures of what is inside a trained network: Fig. 11 and the equilibrium of AdamW."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from grokkit.runs import Record
from varma2023.analysis import Equilibrium, Trigonometric
from varma2023.figures.training import meta
from varma2023.theme import GEN, NORM, TRAIN, set_alt, template

DOTS = 400  # parameters drawn in the equilibrium, of about 227,000


def fig11_trigonometric(report: Trigonometric) -> go.Figure:
    """Fig. 11 on a trained network: the norm at each frequency, of the embedding and the logits."""
    k = np.arange(1, len(report.logit_norms) + 1)
    fig = make_subplots(rows=2, shared_xaxes=True, vertical_spacing=0.07)
    key = [int(f) in report.frequencies for f in k]
    for row, (label, norms) in enumerate(
        (("embedding", report.embedding_norms), ("logits", report.logit_norms)), start=1
    ):
        for chosen, name, colour, pattern in (
            (True, "key frequency", GEN, ""),
            (False, "other frequency", NORM, "/"),
        ):
            some = np.array(key) == chosen
            fig.add_bar(
                x=k[some],
                y=norms.numpy()[some].astype(np.float32),
                name=name,
                width=0.8,
                legendgroup=name,
                showlegend=row == 1,
                marker={"color": colour, "pattern": {"shape": pattern}},
                hovertemplate=f"k = %{{x}}: {label} norm %{{y:.3g}}<br>{name}<extra></extra>",
                row=row,
                col=1,
            )
        fig.update_yaxes(title=f"norm in the {label}", row=row)
    fig.update_xaxes(title="frequency k", row=2)
    fig.update_layout(template=template(), height=520, barmode="overlay")
    listed = ", ".join(str(f) for f in report.frequencies)
    return set_alt(
        fig,
        f"Norm of embedding and logits at each of {len(k)} frequencies: {len(report.frequencies)} "
        f"key frequencies, {listed}, hold the trigonometric logits. The algorithm rebuilt from "
        f"them gives the network's answer on {report.agreement:.1%} of all inputs.",
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
