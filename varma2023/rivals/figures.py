"""Rival accounts (Sec. 6, 7): runs with one thing changed, and when they generalise."""

from collections.abc import Sequence
from math import isfinite

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from grokkit.runs import Record
from varma2023 import measures
from varma2023.plots import dash_of, meta
from varma2023.rivals import analysis
from varma2023.theme import TEST, TRAIN, figure, ordered, set_alt, template

PANELS = (
    ("train loss (nats)", "train_loss"),
    ("test accuracy", "test_accuracy"),
    ("parameter norm", "param_norm"),
)


def fig_ablations(records: Sequence[Record]) -> go.Figure:
    """Sec. 6, 7: train loss, test accuracy and norm of every run, by what was changed in it."""
    fig = make_subplots(rows=len(PANELS), shared_xaxes=True, vertical_spacing=0.05)
    groups = analysis.variants(records)
    styles = zip(groups.items(), ordered(len(groups)), strict=True)
    for i, ((name, group), colour) in enumerate(styles):
        for j, record in enumerate(group):
            for row, (title, metric) in enumerate(PANELS, start=1):
                fig.add_scatter(
                    x=np.maximum(record["epoch"].astype(np.float32), 0.8),
                    y=record[metric].astype(np.float32),
                    name=name,
                    legendgroup=name,
                    showlegend=j == 0 and row == 1,
                    meta={**meta(record), "changed": name},
                    line={"color": colour, "dash": dash_of(i), "width": 1.5},
                    hovertemplate=f"{title} %{{y:.4g}}<br>{name}<br>seed {record.run.seed}, "
                    f"D {record.run.dataset_size:,}<br>epoch %{{x:,.0f}}<extra></extra>",
                    row=row,
                    col=1,
                )
    for row, (title, _) in enumerate(PANELS, start=1):
        fig.update_yaxes(title=title, row=row)
    fig.update_yaxes(type="log", exponentformat="power", dtick=2, row=1)
    fig.update_yaxes(range=[0, 1.03], row=2)
    fig.update_xaxes(type="log", exponentformat="power", dtick=1)
    fig.update_xaxes(title="epoch", row=len(PANELS))
    fig.update_layout(
        template=template(), height=760, margin={"t": 110}, legend={"y": 1.03, "yanchor": "bottom"}
    )
    ends = "; ".join(
        f"{name}: {sum(map(isfinite, analysis.general_epochs(group)))} of {len(group)}"
        for name, group in groups.items()
    )
    epochs = max(record.run.epochs for record in records)
    return set_alt(
        fig,
        f"Train loss, test accuracy and norm of {len(records)} networks with one thing changed "
        f"each. Runs that pass test accuracy 0.98 within {epochs:,} epochs: {ends}.",
    )


def fig_when(records: Sequence[Record]) -> go.Figure:
    """Sec. 6, 7: the epochs at which each run fits its train set and generalises, by what changed.

    A run that has not generalised by its last epoch has an arrow there.
    """
    groups = analysis.variants(records)
    fig = figure(
        xaxis={"title": "epoch", "type": "log", "exponentformat": "power", "dtick": 1},
        yaxis={"categoryorder": "array", "categoryarray": list(groups)[::-1]},
        height=140 + 50 * len(groups),
    )
    seeds = sorted({record.run.seed for record in records})
    for seed in seeds:
        mine = [record for record in records if record.run.seed == seed]
        names = [analysis.variant(record.run) for record in mine]
        fits = [f.epoch if (f := measures.train_fits(record)) else None for record in mine]
        general = analysis.general_epochs(mine)
        last = [int(record["epoch"][-1]) for record in mine]
        for label, colour, x, symbols in (
            ("fits", TRAIN, fits, ["circle-open"] * len(mine)),
            (
                "test accuracy 0.98",
                TEST,
                [e if isfinite(e) else end for e, end in zip(general, last, strict=True)],
                ["diamond" if isfinite(e) else "arrow-right-open" for e in general],
            ),
        ):
            fig.add_scatter(
                x=x,
                y=names,
                mode="markers",
                name=label,
                legendgroup=label,
                showlegend=seed == seeds[0],
                meta={"seed": seed},
                marker={"color": colour, "size": 10, "symbol": symbols},
                customdata=["" if s != "arrow-right-open" else "not by " for s in symbols],
                hovertemplate=f"{label}: %{{customdata}}epoch %{{x:,.0f}}<br>%{{y}}<br>"
                f"seed {seed}<extra></extra>",
            )
    said = []
    for name, group in groups.items():
        middle = analysis.general_median(group)
        said.append(f"{name} {middle:,.0f}" if isfinite(middle) else f"{name} never")
    return set_alt(
        fig,
        f"When {len(records)} networks fit their train set and when they generalise. Median epoch "
        f"of test accuracy 0.98: {'; '.join(said)}.",
    )
