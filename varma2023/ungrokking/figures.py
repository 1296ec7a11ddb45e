"""The figures of ungrokking: Figs. 1b, 4 and 7, and D_crit against epsilon."""

from collections.abc import Mapping, Sequence
from math import isfinite

import plotly.graph_objects as go

from grokkit.runs import Record
from varma2023 import measures
from varma2023.measures import group
from varma2023.plots import (
    ACCURACY,
    Looks,
    dash_of,
    draw,
    draw_accuracy,
    draw_run,
    early_text,
    log_epochs,
    losses_and_accuracies,
    size_axis,
)
from varma2023.statistics import Interval
from varma2023.theme import GEN, MEM, NORM, TEST, figure, ordered, pale, panels, set_alt


def fig1b_ungrokking(records: Sequence[Record]) -> go.Figure:
    """Fig. 1b: losses and accuracy at one reduced dataset size, epochs on a logarithmic axis.

    Epoch 0, the network that had grokked, is drawn at epoch 0.8.
    """
    fig = losses_and_accuracies(records)
    log_epochs(fig)
    fig.update_xaxes(title="epoch", row=2)
    end = measures.Summary.of([record.final("test_accuracy") for record in records])
    return set_alt(
        fig,
        f"Grokked networks trained further on {records[0].run.dataset_size:,} examples: test "
        f"accuracy goes from {records[0]['test_accuracy'][0]:.2f} to {end.text('.2f')} in "
        f"{records[0].run.epochs:,} epochs, while train accuracy stays at "
        f"{min(r['train_accuracy'].min() for r in records):.3f} or above." + early_text(records),
    )


def fig7_ungrokking_runs(records: Sequence[Record]) -> go.Figure:
    """Fig. 7: test accuracy of every ungrokking run against epochs, coloured by its size."""
    fig = figure(
        xaxis={"title": "epoch"},
        yaxis={"title": "test accuracy", "range": [0, 1.03]},
        height=460,
    )
    groups = group(records, "dataset_size")
    for i, (colour, (D, runs)) in enumerate(zip(ordered(len(groups)), groups.items(), strict=True)):
        looks: Looks = {"label": f"D′ = {D:,}", "colour": colour, "dash": dash_of(i), "width": 1.8}
        for record in runs:
            draw_run(fig, record, "test_accuracy", **looks)
    log_epochs(fig)
    ends = ", ".join(
        f"{row.test_accuracy.median:.2f} at {row.dataset_size:,}"
        for row in measures.ungrokked(records)
    )
    return set_alt(
        fig,
        f"Test accuracy of {len(records)} grokked networks trained further on fewer examples. "
        f"Median at the end, by number of examples: {ends}." + early_text(records),
    )


PAPER = (800, 1000)  # App. A.2: between these D' the paper's runs end at an accuracy of 0.7
NAMES = {"weight_decay": "weight decay", "eps": "ε"}


def _panel(
    fig: go.Figure,
    records: Sequence[Record],
    field: str,
    values: Sequence[float],
    col: int | None = None,
) -> None:
    """Every seed's curve, thin, and the mean over seeds, by value of a field.

    `values` are those of all panels, so that one has the same look in each.
    """
    groups = group(records, field)
    for i, (value, colour) in enumerate(zip(values, ordered(len(values)), strict=True)):
        if value in groups:
            label = f"{NAMES[field]} {value:g}"
            place = (1, col) if col else None
            draw_accuracy(fig, groups[value], field, label, colour, i, place)


def _prediction(
    fig: go.Figure, name: str, predicted: Interval, colour: str, dash: str, cols: int
) -> None:
    """A predicted D_crit as a vertical line, with its interval as a band, in every panel."""
    looks: Looks = {"colour": colour, "dash": dash, "width": 1.6, "mode": "lines"}
    hover = f"{name}: {predicted.text(',.0f')}"
    for col in range(1, cols + 1):
        if predicted.bounded:
            low, high = predicted.low, predicted.high
            area: Looks = {"fill": "toself", "fillcolor": pale(colour, 0.15), "mode": "none"}
            band = [low, high, high, low], [0, 0, 1, 1]
            draw(fig, *band, name, place=(1, col), showlegend=False, **area)
        draw(fig, [predicted.value] * 2, [0, 1], name, hover, place=(1, col), **looks)


def fig4_ungrokking(
    minimised: Sequence[Record],
    adamw: Sequence[Record] = (),
    predictions: Mapping[str, Interval] | None = None,
) -> go.Figure:
    """Fig. 4: test accuracy where ungrokking ends against D', by weight decay, by both routes.

    `predictions` are values of D_crit from elsewhere, by name.
    """
    routes = [("L-BFGS, at the minimum", minimised), ("AdamW, at its last epoch", adamw)]
    routes = [(title, records) for title, records in routes if records]
    fig = panels(
        {"height": 500, "margin": {"t": 110}, "legend": {"y": 1.12}},
        cols=len(routes),
        shared_yaxes=True,
        horizontal_spacing=0.04,
        subplot_titles=[title for title, _ in routes],
    )
    decays = sorted({record.run.weight_decay for record in [*minimised, *adamw]})
    for col, (_, records) in enumerate(routes, start=1):
        _panel(fig, records, "weight_decay", decays, col)
        fig.update_xaxes(size_axis([*minimised, *adamw]), row=1, col=col)
    for i, (name, predicted) in enumerate((predictions or {}).items()):
        _prediction(fig, name, predicted, (GEN, MEM, NORM)[i % 3], dash_of(i + 1), len(routes))
    first = minimised[0].run
    if (first.task, first.p) == ("x+y", 113):
        looks: Looks = {"colour": TEST, "width": 5, "mode": "lines", "place": (1, len(routes))}
        draw(fig, PAPER, [0.7, 0.7], "the paper: 0.7", "the paper: 0.7 at 800 – 1,000", **looks)
    fig.update_yaxes({**ACCURACY, "title": ""})
    fig.update_yaxes(title="test accuracy", col=1)
    return set_alt(fig, _fig4_alt(minimised, adamw, predictions or {}))


def _crossings(records: Sequence[Record], field: str) -> str:
    """ "864 at weight decay 1, ...": D_crit by value of a field."""
    found = []
    for value, here in group(records, field).items():
        mean = measures.d_crit_interval(here).value
        size = f"{mean:,.0f}" if isfinite(mean) else measures.d_crit_text(here)
        found.append(f"{size} at {NAMES[field]} {value:g}")
    return ", ".join(found)


def _fig4_alt(
    minimised: Sequence[Record], adamw: Sequence[Record], predictions: Mapping[str, Interval]
) -> str:
    (sizes, values), text = measures.curve(minimised), ""
    if adamw:
        text += f" By AdamW: {_crossings(adamw, 'weight_decay')}."
    if predictions:
        each = ", ".join(f"{name} {p.text(',.0f')}" for name, p in predictions.items())
        text += f" Predicted: {each}."
    return (
        f"Test accuracy of {len(minimised)} networks that had grokked, taken to a minimum on fewer "
        f"examples: {values[0]:.2f} at {sizes[0]:,.0f} examples, {values[-1]:.2f} at "
        f"{sizes[-1]:,.0f}. It crosses a half at {_crossings(minimised, 'weight_decay')}.{text}"
    )


def fig_epsilon(records: Sequence[Record]) -> go.Figure:
    """Test accuracy where ungrokking ends against D', by Adam's epsilon; not in the paper."""
    fig = figure(xaxis=size_axis(records), yaxis=ACCURACY, height=440)
    _panel(fig, records, "eps", [*group(records, "eps")])
    return set_alt(
        fig,
        f"Test accuracy of {len(records)} networks that had grokked, taken to a minimum on fewer "
        f"examples. It crosses a half at {_crossings(records, 'eps')}.",
    )
