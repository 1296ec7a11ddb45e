"""The figures of the transition of ungrokking: Figs. 4 and 8, and D_crit against epsilon."""

from collections.abc import Mapping, Sequence
from math import isfinite

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from grokkit.runs import Record
from varma2023 import transition
from varma2023.convergence import rests
from varma2023.figures.styles import dash_of, symbol_of
from varma2023.figures.training import shared_meta
from varma2023.statistics import Interval
from varma2023.theme import GEN, MEM, NORM, TEST, figure, ordered, pale, set_alt, template

TICKS = (20, 50, 100, 200, 300, 500, 1000, 2000, 3000, 5000, 10_000)
FEW_TICKS = (10, 30, 100, 300, 1000, 3000, 10_000)  # of a small panel; every second if
WIDE = 30  # times the smallest size are on it
ACCURACY = {"title": "test accuracy", "range": [-0.02, 1.03]}
PAPER = (800, 1000)  # App. A.2: between these D' the paper's runs end at an accuracy of 0.7
NAMES = {"weight_decay": "weight decay", "eps": "ε"}


def size_axis(records: Sequence[Record], title: str = "D′", ticks: Sequence[int] = TICKS) -> dict:
    """A logarithmic axis for dataset sizes with round ticks."""
    sizes = [record.run.dataset_size for record in records]
    here = [tick for tick in ticks if 0.8 * min(sizes) <= tick <= 1.25 * max(sizes)]
    text = [f"{tick:,}" for tick in here]
    reach = [float(np.log10(size)) for size in (min(sizes) * 0.93, max(sizes) * 1.07)]
    looks = {"tickvals": here, "ticktext": text}
    return {"type": "log", "title": title, "range": reach, **looks}


def rest_symbols(records: Sequence[Record], symbol: str) -> list[str]:
    """The marker of each size, smallest first: open where an end was still falling (C15)."""
    sizes = sorted({record.run.dataset_size for record in records})
    moving = {record.run.dataset_size for record in records if not rests(record)}
    return [f"{symbol}-open" if size in moving else symbol for size in sizes]


def accuracy_traces(
    records: Sequence[Record], knob: str, label: str, colour: str, look: int, legend: bool = True
) -> list[go.Scatter]:
    """Test accuracy at the end against D', a thin curve by seed and value of the field `knob`.

    With several, their mean follows as a strong one. `look` counts through dashes and symbols;
    with `legend` the first curve has an entry. Markers are those of `rest_symbols`.
    """
    units = transition.curves(records, knob)
    lines = [(f"seed {seed}, {label}", runs) for (seed, _), runs in units.items()]
    several = len(lines) > 1
    if several:
        lines.append((f"mean of {len(units)} seeds, {label}", list(records)))
    traces = []
    for i, (hover, runs) in enumerate(lines):
        mean = several and i == len(units)
        sizes, values = transition.curve(runs)
        traces.append(
            go.Scatter(
                x=sizes,
                y=values.astype(np.float32),
                mode="lines" if mean else "lines+markers",
                name=label,
                legendgroup=label,
                showlegend=legend and i == 0,
                meta=shared_meta(runs),
                line={"color": colour, "dash": dash_of(look), "width": 2.4 if mean else 1.4},
                marker={"symbol": rest_symbols(runs, symbol_of(look)), "size": 6},
                opacity=0.55 if several and not mean else 1.0,
                hovertemplate=f"test accuracy %{{y:.3f}} at %{{x:,}}<br>{hover}<extra></extra>",
            )
        )
    return traces


def _panel(
    fig: go.Figure,
    records: Sequence[Record],
    knob: str,
    values: Sequence[float],
    col: int = 1,
    named: set[str] | None = None,
) -> None:
    """Every seed's curve, thin, and the mean over seeds, by value of a field.

    `values` are those of all panels, so that one has the same look in each; `named` collects what
    the legend has.
    """
    named = set() if named is None else named
    for i, (value, colour) in enumerate(zip(values, ordered(len(values)), strict=True)):
        here = [record for record in records if getattr(record.run, knob) == value]
        label = f"{NAMES[knob]} {value:g}"
        for trace in accuracy_traces(here, knob, label, colour, i, label not in named):
            fig.add_trace(trace.update(meta={**trace.meta, knob: value}), row=1, col=col)
            named.add(label)


def _prediction(
    fig: go.Figure, name: str, predicted: Interval, colour: str, dash: str, cols: int
) -> None:
    """A predicted D_crit as a vertical line, with its interval as a band, in every panel."""
    for col in range(1, cols + 1):
        if predicted.bounded:
            low, high = predicted.low, predicted.high
            fig.add_scatter(
                x=[low, high, high, low],
                y=[0, 0, 1, 1],
                fill="toself",
                fillcolor=pale(colour, 0.15),
                mode="none",
                legendgroup=name,
                showlegend=False,
                hoverinfo="skip",
                row=1,
                col=col,
            )
        fig.add_scatter(
            x=[predicted.value] * 2,
            y=[0, 1],
            mode="lines",
            name=name,
            legendgroup=name,
            showlegend=col == 1,
            line={"color": colour, "dash": dash, "width": 1.6},
            hovertemplate=f"{name}: {predicted.text(',.0f')}<extra></extra>",
            row=1,
            col=col,
        )


def fig4_ungrokking(
    minimised: Sequence[Record],
    adamw: Sequence[Record] = (),
    predictions: Mapping[str, Interval] | None = None,
) -> go.Figure:
    """Fig. 4: test accuracy where ungrokking ends against D', by weight decay, by both routes.

    `predictions` are values of D_crit from elsewhere, by name.
    """
    panels = [("L-BFGS, at the minimum", minimised), ("AdamW, at its last epoch", adamw)]
    panels = [(title, records) for title, records in panels if records]
    fig = make_subplots(
        cols=len(panels),
        shared_yaxes=True,
        horizontal_spacing=0.04,
        subplot_titles=[title for title, _ in panels],
    )
    decays = sorted({record.run.weight_decay for record in [*minimised, *adamw]})
    named: set[str] = set()
    for col, (_, records) in enumerate(panels, start=1):
        _panel(fig, records, "weight_decay", decays, col, named)
        fig.update_xaxes(size_axis([*minimised, *adamw]), row=1, col=col)
    for i, (name, predicted) in enumerate((predictions or {}).items()):
        _prediction(fig, name, predicted, (GEN, MEM, NORM)[i % 3], dash_of(i + 1), len(panels))
    first = minimised[0].run
    if (first.task, first.p) == ("x+y", 113):
        fig.add_scatter(
            x=PAPER,
            y=[0.7, 0.7],
            mode="lines",
            name="the paper: 0.7",
            line={"color": TEST, "width": 5},
            hovertemplate="the paper: 0.7 at 800 – 1,000<extra></extra>",
            row=1,
            col=len(panels),
        )
    fig.update_yaxes({**ACCURACY, "title": ""})
    fig.update_yaxes(title="test accuracy", col=1)
    fig.update_layout(template=template(), height=500, margin={"t": 110}, legend={"y": 1.12})
    return set_alt(fig, _fig4_alt(minimised, adamw, predictions or {}))


def _crossings(records: Sequence[Record], knob: str) -> str:
    """ "864 at weight decay 1, ...": D_crit by value of a field."""
    found = []
    for value in sorted({getattr(record.run, knob) for record in records}):
        here = [record for record in records if getattr(record.run, knob) == value]
        mean = transition.d_crit_interval(here).value
        size = f"{mean:,.0f}" if isfinite(mean) else transition.d_crit_text(here)
        found.append(f"{size} at {NAMES[knob]} {value:g}")
    return ", ".join(found)


def _fig4_alt(
    minimised: Sequence[Record], adamw: Sequence[Record], predictions: Mapping[str, Interval]
) -> str:
    (sizes, values), text = transition.curve(minimised), ""
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


def fig8_other_tasks(records: Sequence[Record]) -> go.Figure:
    """Fig. 8: test accuracy where ungrokking ends against D', one panel a task."""
    groups = transition.by_task(records)
    n_rows = -(-len(groups) // 3)
    fig = make_subplots(
        rows=n_rows,
        cols=min(3, len(groups)),
        shared_yaxes=True,
        horizontal_spacing=0.04,
        vertical_spacing=0.3 / n_rows if n_rows > 1 else 0,
        subplot_titles=list(groups),
    )
    sizes = [record.run.dataset_size for record in records]
    ticks = FEW_TICKS[::2] if max(sizes) > WIDE * min(sizes) else FEW_TICKS
    for i, (task, here) in enumerate(groups.items()):
        row, col = i // 3 + 1, i % 3 + 1
        for trace in accuracy_traces(here, "seed", task, TEST, 0, legend=False):
            fig.add_trace(trace, row=row, col=col)
        fig.update_xaxes(size_axis(records, "D′" if row == n_rows else "", ticks), row=row, col=col)
    fig.update_yaxes({**ACCURACY, "title": ""})
    fig.update_yaxes(title="test accuracy", col=1)
    fig.update_layout(template=template(), height=120 + 230 * n_rows, margin={"t": 60})
    each = ", ".join(f"{task}: {transition.d_crit(here)}" for task, here in groups.items())
    done = sum(transition.task_ungroks(here) for here in groups.values())
    return set_alt(
        fig,
        f"Test accuracy of grokked networks taken to a minimum on fewer examples, for "
        f"{len(groups)} tasks; {done} go from near chance to generalised. Accuracy crosses a half "
        f"at, by task: {each}.",
    )


def fig_epsilon(records: Sequence[Record]) -> go.Figure:
    """Test accuracy where ungrokking ends against D', by Adam's epsilon; not in the paper."""
    fig = figure(xaxis=size_axis(records), yaxis=ACCURACY, height=440)
    grid = make_subplots(figure=fig)
    _panel(grid, records, "eps", sorted({record.run.eps for record in records}))
    return set_alt(
        grid,
        f"Test accuracy of {len(records)} networks that had grokked, taken to a minimum on fewer "
        f"examples. It crosses a half at {_crossings(records, 'eps')}.",
    )
