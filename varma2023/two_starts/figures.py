"""The figures of App. A: relative strength (Fig. 10), two starts, and the loop they draw."""

from collections.abc import Callable, Sequence

import numpy as np
import plotly.graph_objects as go

from grokkit.runs import Record
from varma2023 import measures
from varma2023.measures import group, objective
from varma2023.plots import (
    ACCURACY,
    LOG,
    Looks,
    dash_of,
    draw,
    draw_accuracy,
    rest_symbols,
    shared_meta,
    size_axis,
    symbol_of,
)
from varma2023.theme import GEN, MEM, figure, ordered, panels, set_alt
from varma2023.two_starts import analysis

Value = Callable[[Record], float]
STARTS = (("from a grokked network", GEN), ("from a fresh network", MEM))


def _means(records: Sequence[Record], value: Value, logarithmic: bool) -> tuple[list, np.ndarray]:
    """Sizes, and at each the mean of a value over records, geometric if asked for."""
    groups, found = group(records, "dataset_size"), []
    for runs in groups.values():
        here = np.array([value(record) for record in runs])
        here = here[here > 0] if logarithmic else here
        if not len(here):
            found.append(np.nan)
        else:
            found.append(np.exp(np.log(here).mean()) if logarithmic else here.mean())
    return list(groups), np.array(found)


def fig10_relative_strength(records: Sequence[Record]) -> go.Figure:
    """Fig. 10: the ratio of trig to mem logit (a) and test accuracy (b) against D', by norm."""
    titles = ["(a) trig logit over mem logit", "(b) test accuracy"]
    layout: Looks = {"height": 460, "margin": {"t": 90}, "legend": {"y": 1.13}}
    fig = panels(layout, cols=2, subplot_titles=titles, horizontal_spacing=0.1)
    readings: tuple[tuple[Value, str], ...] = (
        (analysis.ratio, "ratio"),
        (measures.at_the_end, "test accuracy"),
    )
    groups = analysis.by_norm(records)
    colours = ordered(len(groups))
    for i, ((bounds, here), colour) in enumerate(zip(groups.items(), colours, strict=True)):
        label = f"norm {bounds[0]:.1f} – {bounds[1]:.1f}"
        for col, (value, what) in enumerate(readings, start=1):
            told, place = f"{what} %{{y:.3g}} at %{{x:,}}<br>", (1, col)
            line: Looks = {"colour": colour, "width": 2.2, "mode": "lines", "showlegend": False}
            means = _means(here, value, col == 1)
            draw(fig, *means, label, f"{told}mean, {label}", place=place, **line)
            for (seed, decay), runs in group(here, "seed", "weight_decay").items():
                found = np.array([value(record) for record in runs])
                draw(
                    fig,
                    [record.run.dataset_size for record in runs],
                    np.where(found > 0, found, np.nan) if col == 1 else found,
                    label,
                    f"{told}norm %{{customdata:.2f}}<br>seed {seed}, weight decay {decay:g}",
                    place=place,
                    mode="markers",
                    meta=shared_meta(runs),
                    marker={
                        "color": colour,
                        "size": 7,
                        "symbol": rest_symbols(runs, symbol_of(i)),
                    },
                    customdata=[record.final("param_norm") for record in runs],
                )
    fig.update_xaxes(size_axis(records))
    fig.update_yaxes(LOG, row=1, col=1)
    fig.update_yaxes({**ACCURACY, "title": ""}, row=1, col=2)
    return set_alt(
        fig,
        f"Ratio of trig to mem logit, and test accuracy, of {len(records)} networks where "
        f"ungrokking ended, against the size of the train set. The ratio goes over "
        f"{analysis.decades(records):.1f} powers of ten; its rank correlation with the size is "
        f"{analysis.rank_correlation(records).text()}.",
    )


def fig_two_starts(grokked: Sequence[Record], fresh: Sequence[Record]) -> go.Figure:
    """App. A.2: train loss and Eq. (2) over alpha at the end, from both starts, against D."""
    pairs = analysis.two_starts(grokked, fresh)
    titles = ["train loss (nats)", "Eq. (2) over α"]
    layout: Looks = {"height": 420, "margin": {"t": 90}, "legend": {"y": 1.13}}
    fig = panels(layout, cols=2, subplot_titles=titles, horizontal_spacing=0.1)
    values: tuple[Value, ...] = (
        lambda record: record.final("train_loss"),
        lambda record: float(objective(record)[-1]),
    )
    for i, (label, colour) in enumerate(STARTS):
        ends = [pair.grokked if i == 0 else pair.fresh for pair in pairs]
        for j, (seed, runs) in enumerate(group(ends, "seed").items()):
            for col, value in enumerate(values, start=1):
                draw(
                    fig,
                    [record.run.dataset_size for record in runs],
                    [value(record) for record in runs],
                    label,
                    f"%{{y:.4g}} at D = %{{x:,}}<br>seed {seed}, {label}",
                    colour=colour,
                    dash=dash_of(i),
                    width=1.8,
                    place=(1, col),
                    mode="lines+markers",
                    meta=shared_meta(runs),
                    marker={"symbol": rest_symbols(runs, symbol_of(j)), "size": 7},
                )
    fig.update_xaxes(size_axis([pair.grokked for pair in pairs], "D"))
    fig.update_yaxes(exponentformat="power")
    lower = [sum(pair.lower[what] for pair in pairs) for what in ("train loss", "objective")]
    return set_alt(
        fig,
        f"{len(pairs)} train sets taken to a minimum from a grokked and from a fresh network. The "
        f"grokked start has the lower train loss on {lower[0]}, and the lower Eq. (2) on "
        f"{lower[1]} of them.",
    )


def fig_hysteresis(grokked: Sequence[Record], fresh: Sequence[Record]) -> go.Figure:
    """Test accuracy at the end against D: up from fresh networks, down from grokked ones."""
    down = analysis.at_one_decay(grokked, fresh)
    fig = figure(xaxis=size_axis([*down, *fresh], "D"), yaxis=ACCURACY, height=460)
    for look, ((label, colour), ends) in enumerate(zip(STARTS, (down, fresh), strict=True)):
        draw_accuracy(fig, ends, "seed", label, colour, look)
    return set_alt(
        fig,
        f"Test accuracy where {len(down)} grokked and {len(fresh)} fresh networks end, against the "
        f"size of the train set. Down from grokked networks it crosses a half at "
        f"{measures.d_crit_text(down)}, up from fresh ones at {measures.d_crit_text(fresh)}.",
    )
