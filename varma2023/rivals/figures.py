"""Rival accounts (Sec. 6, 7): runs with one thing changed, and when they generalise."""

from collections.abc import Mapping
from dataclasses import replace
from math import isfinite

import plotly.graph_objects as go

from grokkit.runs import Records, Run
from varma2023 import measures
from varma2023.plots import DOTTED, LOG, LOSS_AXIS, Looks, dash_of, draw, draw_runs, log_epochs
from varma2023.rivals import analysis
from varma2023.rivals.sweeps import ABLATIONS
from varma2023.theme import TEST, TRAIN, coloured, figure, panels, set_alt


def fig_ablations(records: Records) -> go.Figure:
    """Sec. 6, 7: train loss, test accuracy and norm by what was changed: medians over seeds.

    Every run is behind them, pale. A change has the same look in every figure.
    """
    groups = analysis.variants(records)
    every = [analysis.variant(replace(Run(), **change)) for change in ABLATIONS]
    names = [*every, *(name for name in groups if name not in every)]
    looks = {name: (colour, dash_of(i)) for i, (name, colour) in enumerate(coloured(names))}
    fig = _by_change(groups, looks)
    passed = {k: measures.how_many(map(measures.generalises, own)) for k, own in groups.items()}
    ends = "; ".join(f"{name}: {n}" for name, n in passed.items())
    epochs = max(record.run.epochs for record in records)
    text = f"Train loss, test accuracy and norm of {len(records)} networks with one thing changed "
    text += f"each. Runs that pass test accuracy 0.98 within {epochs:,} epochs: {ends}."
    return set_alt(fig, text)


def fig_without_decay(records: Records, log: bool = True) -> go.Figure:
    """Not in the paper: `fig_ablations` of networks without weight decay, by D and Adam's ε.

    `log`: against epochs on logarithmic axes.
    """
    groups = analysis.without(records)
    ends = (f"{k}: {measures.finals(v, 'test_accuracy').text('.2f')}" for k, v in groups.items())
    text = f"Train loss, test accuracy and norm of {len(records)} networks without weight decay. "
    text += f"Test accuracy at the end: {'; '.join(ends)}."
    looks: dict[str, tuple[str, str]] = {}
    settings = [*measures.group(records, "lr", "eps", "loss")]
    colours = dict(coloured(measures.group(records, "dataset_size")))
    for name, runs in groups.items():
        run = runs[0].run
        dash = dash_of(settings.index((run.lr, run.eps, run.loss)))
        looks[name] = colours[run.dataset_size], dash
    fig = _by_change(groups, looks, log)
    fig.update_yaxes(dtick=None, row=1)  # over a hundred decades
    return set_alt(fig, text)


def fig_slingshots(records: Records) -> go.Figure:
    """Not in the paper: `fig_without_decay` at the larger rate, against epochs as they pass.

    With the exact loss, where all stand still, the first seed alone.
    """
    fast = measures.at_largest(records, "lr")
    few = [record for record in fast if record.run.loss == "rounded" or record.run.seed == 0]
    return fig_without_decay(few, log=False).update_xaxes(tickformat=",")


def fig_longer(records: Records) -> go.Figure:
    """Not in the paper: test accuracy of networks without weight decay, and `analysis.rise_text`.

    With what mirror images give, and the bound above it.
    """
    fig = figure(xaxis={"title": "epoch", "tickformat": ","}, yaxis={"title": "test accuracy"})
    for i, (record, colour) in enumerate(coloured(records)):
        look: Looks = {"colour": colour, "dash": dash_of(i), "width": 1.6, "mode": "lines"}
        name = f"seed {record.run.seed}"
        hover = f"%{{y:.3f}} at epoch %{{x:,}}<br>{name}"
        draw(fig, record["epoch"], record["test_accuracy"], name, hover, **look)
    bound = max(measures.memory_bound(record.run) for record in records)
    for height in (bound - measures.MARGIN, bound):
        fig.add_hline(height, line=DOTTED)
    fig.update_yaxes(range=[0, 1.03])
    text = f"Test accuracy of {len(records)} networks without weight decay, trained for longer. "
    return set_alt(fig, f"{text}It passes the bound {analysis.rise_text(records)}.")


def _by_change(
    groups: Mapping[str, Records], looks: Mapping[str, tuple[str, str]], log: bool = True
) -> go.Figure:
    """Train loss, test accuracy and norm by name, with its colour and dash; some may be missing."""
    fig = panels(760, rows=3, shared_xaxes=True, vertical_spacing=0.05)
    for name, (colour, dash) in looks.items():
        for row, metric in enumerate(("train_loss", "test_accuracy", "param_norm"), start=1):
            look: Looks = {"label": name, "colour": colour, "dash": dash}
            if name in groups:
                draw_runs(fig, groups[name], metric, (row, 1), about={"changed": name}, **look)
    if log:
        log_epochs(fig)
    fig.update_yaxes({**LOSS_AXIS, "title": "train loss (nats)"}, row=1)
    fig.update_yaxes(title="test accuracy", range=[0, 1.03], row=2)
    fig.update_yaxes(title="parameter norm", row=3).update_xaxes(title="epoch", row=3)
    return fig


def fig_when(records: Records) -> go.Figure:
    """Sec. 6, 7: the epochs at which each run fits its train set and generalises, by what changed.

    A run that has not generalised by its last epoch has an arrow there.
    """
    groups = analysis.variants(records)
    yaxis = {"categoryorder": "array", "categoryarray": list(groups)[::-1]}
    fig = figure(xaxis={"title": "epoch", **LOG}, yaxis=yaxis, height=140 + 50 * len(groups))
    for seed, mine in measures.group(records, "seed").items():
        names = [analysis.variant(record.run) for record in mine]
        fits = [f.epoch if (f := measures.train_fits(record)) else None for record in mine]
        epochs = [*map(measures.general_epoch, mine)]
        known = [isfinite(epoch) for epoch in epochs]
        ends = [min(e, int(r["epoch"][-1])) for e, r in zip(epochs, mine, strict=True)]
        arrows = ["diamond" if there else "arrow-right-open" for there in known]
        for label, colour, x, symbols, there in (
            ("fits its train set", TRAIN, fits, ["circle-open"] * len(mine), [True] * len(mine)),
            ("test accuracy 0.98", TEST, ends, arrows, known),
        ):
            hover = f"{label}: %{{customdata}}epoch %{{x:,.0f}}<br>%{{y}}<br>seed {seed}"
            looks: Looks = {"marker": {"color": colour, "size": 10, "symbol": symbols}}
            looks["customdata"] = ["" if yes else "not by " for yes in there]
            draw(fig, x, names, label, hover, mode="markers", meta={"seed": seed}, **looks)
    medians = {name: analysis.general_median(group) for name, group in groups.items()}
    times = [f"{k} {v:,.0f}" if isfinite(v) else f"{k} never" for k, v in medians.items()]
    text = f"When {len(records)} networks fit their train set and when they generalise. Median "
    text += f"epoch of test accuracy 0.98: {'; '.join(times)}."
    return set_alt(fig, text)
