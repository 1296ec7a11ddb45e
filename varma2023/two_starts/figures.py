"""The figures of App. A: relative strength (Fig. 10), two starts, and the loop they draw."""

from collections.abc import Callable, Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from grokkit.runs import Record
from varma2023 import measures
from varma2023.measures import objective
from varma2023.plots import (
    ACCURACY,
    accuracy_traces,
    dash_of,
    rest_symbols,
    shared_meta,
    size_axis,
    symbol_of,
)
from varma2023.theme import GEN, MEM, figure, ordered, set_alt, template
from varma2023.two_starts import analysis

Value = Callable[[Record], float]
STARTS = (("from a grokked network", GEN), ("from a fresh network", MEM))


def _means(records: Sequence[Record], value: Value, logarithmic: bool) -> tuple[list, np.ndarray]:
    """Sizes, and at each the mean of a value over records, geometric if asked for."""
    sizes = sorted({record.run.dataset_size for record in records})
    found = []
    for size in sizes:
        here = np.array([value(r) for r in records if r.run.dataset_size == size])
        here = here[here > 0] if logarithmic else here
        if not len(here):
            found.append(np.nan)
        else:
            found.append(np.exp(np.log(here).mean()) if logarithmic else here.mean())
    return sizes, np.array(found, dtype=np.float32)


def fig10_relative_strength(records: Sequence[Record]) -> go.Figure:
    """Fig. 10: the ratio of trig to mem logit (a) and test accuracy (b) against D', by norm."""
    titles = ["(a) trig logit over mem logit", "(b) test accuracy"]
    fig = make_subplots(cols=2, subplot_titles=titles, horizontal_spacing=0.1)
    panels: tuple[tuple[Value, str], ...] = (
        (analysis.ratio, "ratio"),
        (measures.at_the_end, "test accuracy"),
    )
    groups = analysis.by_norm(records)
    for i, ((bounds, here), colour) in enumerate(
        zip(groups.items(), ordered(len(groups)), strict=True)
    ):
        label = f"norm {bounds[0]:.1f} – {bounds[1]:.1f}"
        for col, (value, what) in enumerate(panels, start=1):
            looks = {"name": label, "legendgroup": label}
            sizes, means = _means(here, value, col == 1)
            fig.add_scatter(
                x=sizes,
                y=means,
                mode="lines",
                line={"color": colour, "width": 2.2},
                showlegend=False,
                hovertemplate=f"{what} %{{y:.3g}} at %{{x:,}}<br>mean, {label}<extra></extra>",
                row=1,
                col=col,
                **looks,
            )
            for j, ((seed, decay), runs) in enumerate(measures.curves(here).items()):
                found = np.array([value(record) for record in runs], dtype=np.float32)
                hover = f"seed {seed}, weight decay {decay:g}"
                fig.add_scatter(
                    x=[record.run.dataset_size for record in runs],
                    y=np.where(found > 0, found, np.nan) if col == 1 else found,
                    mode="markers",
                    meta={**shared_meta(runs), "seed": seed, "weight_decay": decay},
                    marker={
                        "color": colour,
                        "size": 7,
                        "symbol": rest_symbols(runs, symbol_of(i)),
                    },
                    showlegend=col == 1 and j == 0,
                    customdata=[record.final("param_norm") for record in runs],
                    hovertemplate=f"{what} %{{y:.3g}} at %{{x:,}}<br>norm %{{customdata:.2f}}"
                    f"<br>{hover}<extra></extra>",
                    row=1,
                    col=col,
                    **looks,
                )
    fig.update_xaxes(size_axis(records))
    fig.update_yaxes(type="log", exponentformat="power", dtick=1, row=1, col=1)
    fig.update_yaxes({**ACCURACY, "title": ""}, row=1, col=2)
    fig.update_layout(template=template(), height=460, margin={"t": 90}, legend={"y": 1.13})
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
    fig = make_subplots(cols=2, subplot_titles=titles, horizontal_spacing=0.1)
    values: tuple[Value, ...] = (
        lambda record: record.final("train_loss"),
        lambda record: float(objective(record)[-1]),
    )
    for i, (label, colour) in enumerate(STARTS):
        ends = [pair.grokked if i == 0 else pair.fresh for pair in pairs]
        for j, ((seed, _), runs) in enumerate(measures.curves(ends, "seed").items()):
            for col, value in enumerate(values, start=1):
                fig.add_scatter(
                    x=[record.run.dataset_size for record in runs],
                    y=[value(record) for record in runs],
                    mode="lines+markers",
                    name=label,
                    legendgroup=label,
                    showlegend=col == 1 and j == 0,
                    meta={**shared_meta(runs), "seed": seed},
                    line={"color": colour, "dash": dash_of(i), "width": 1.8},
                    marker={"symbol": rest_symbols(runs, symbol_of(j)), "size": 7},
                    hovertemplate=f"%{{y:.4g}} at D = %{{x:,}}<br>seed {seed}, {label}"
                    "<extra></extra>",
                    row=1,
                    col=col,
                )
    fig.update_xaxes(size_axis([pair.grokked for pair in pairs], "D"))
    fig.update_yaxes(exponentformat="power")
    fig.update_layout(template=template(), height=420, margin={"t": 90}, legend={"y": 1.13})
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
    for look, ((label, colour), records) in enumerate(
        zip(STARTS, (down, list(fresh)), strict=True)
    ):
        fig.add_traces(accuracy_traces(records, "seed", label, colour, look))
    return set_alt(
        fig,
        f"Test accuracy where {len(down)} grokked and {len(fresh)} fresh networks end, against the "
        f"size of the train set. Down from grokked networks it crosses a half at "
        f"{measures.d_crit_text(down)}, up from fresh ones at {measures.d_crit_text(fresh)}.",
    )
