"""The figures of efficiency: Fig. 3, and the two ways in which it predicts D_crit."""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

import numpy as np
import plotly.graph_objects as go

from grokkit.runs import Record
from varma2023 import plots
from varma2023.efficiency import analysis, critical
from varma2023.efficiency.analysis import CIRCUITS, Bucket, logit, norm
from varma2023.measures import group, least
from varma2023.plots import Looks, dash_of, draw, shared_meta, symbol_of
from varma2023.statistics import Interval
from varma2023.theme import GEN, MEM, NORM, figure, ordered, pale, panels, set_alt

PLACES = ("bottom", "middle", "top")  # of the names of neighbouring lines
ROUND = (10, 15, 20, 25, 30, 40, 50, 60, 80, 100, 120, 150, 200, 300, 500, 700, 1000, 1500, 2000)
SIZES = (50, 100, 200, 500, 1000, 2000, 4000, 8000)


def _axis(values: Sequence[float | int], title: str, ticks: Sequence[int] = ROUND) -> dict:
    """A logarithmic axis with these ticks, or finer ones where fewer than three would be seen."""
    axis = plots.log_axis(values, title, ticks)
    for step in (10, 5, 2, 1):
        if len(axis["tickvals"]) < 3:
            axis = plots.log_axis(values, title, range(step, int(1.03 * max(values)) + 1, step))
    return axis


def _scatter(fig: go.Figure, records: Sequence[Record], circuit: str, row: int) -> None:
    """Fig. 3a or 3c: a point a run, coloured by D, on a line through its seed's weight decays."""
    sizes = group(sorted(records, key=lambda r: r.run.weight_decay), "dataset_size")
    for i, (size, colour) in enumerate(zip(sizes, ordered(len(sizes)), strict=True)):
        label = f"{CIRCUITS[circuit]}, D = {size:,}"
        here: Looks = {"legend": f"legend{row}", "place": (row, 1)}
        line: Looks = {"colour": pale(colour), "width": 1, "mode": "lines", "showlegend": False}
        for curve in group(sizes[size], "seed").values():
            norms, logits = [*map(norm, curve)], [*map(logit, curve)]
            draw(fig, norms, logits, label, **line, **here, meta=shared_meta(curve))
            for record, x, y in zip(curve, norms, logits, strict=True):
                told = f"norm {x:.2f}, correct logit {y:.1f}<br>{CIRCUITS[circuit]}<br>"
                symbol = plots.rest_symbols([record], symbol_of(i))[0]
                dot: Looks = {"marker": {"color": colour, "size": 8, "symbol": symbol}}
                about: Looks = {"mode": "markers", "meta": plots.meta(record), **dot, **here}
                draw(fig, [x], [y], label, told + plots.run_name(record), **about)


def _isologit(fig: go.Figure, bucket: Bucket, seed: int | None, **looks: Any) -> None:
    """One isologit line: the geometric mean norm of a bucket at each D, of one seed or of all."""
    low, high, chosen = bucket
    if seed is not None:
        chosen = group(chosen, "seed")[seed]
    norms, who = analysis.mean_norms(chosen), f"{len(chosen)} runs"
    if seed is None:
        text = [*[""] * (len(norms) - 1), f" {(low * high) ** 0.5:.0f}"]
        looks |= {"mode": "lines+markers+text", "text": text, "width": 2.5, "opacity": 1}
    else:
        who = f"seed {seed}, {who}"
        looks |= {"mode": "lines+markers", "width": 1, "opacity": 0.6}
    looks |= {"marker": {"size": 7 if seed is None else 4}, "meta": shared_meta(chosen)}
    hover = f"norm %{{y:.2f}} at D = %{{x:,}}<br>correct logit {low:.1f} – {high:.1f}<br>{who}"
    label = f"correct logit {low:.0f} – {high:.0f}"
    draw(fig, list(norms), list(norms.values()), label, hover, showlegend=False, **looks)


def fig3_efficiency(mem: Sequence[Record], gen: Sequence[Record]) -> go.Figure:
    """Fig. 3: correct logit against norm (a, c), and isologit lines of norm against D (b, d)."""
    legend = {"x": 0, "xanchor": "left", "font": {"size": 11}, "orientation": "h"}
    layout = {"height": 860, "margin": {"t": 110, "b": 110}}
    layout["legend1"] = legend | {"y": 1.05, "yanchor": "bottom"}
    layout["legend2"] = legend | {"y": -0.09, "yanchor": "top"}
    whats = ("({}) {}", "({}) {}, isologit lines") * 2
    names = [name for name in CIRCUITS.values() for _ in range(2)]
    titles = [what.format(*of) for what, *of in zip(whats, "abcd", names, strict=True)]
    grid: Looks = {"horizontal_spacing": 0.13, "vertical_spacing": 0.16, "subplot_titles": titles}
    fig = panels(layout, rows=2, cols=2, **grid)
    said = []
    for row, (circuit, records) in enumerate((("mem", mem), ("gen", gen)), start=1):
        _scatter(fig, records, circuit, row)
        found = analysis.buckets(records)
        for i, (bucket, colour) in enumerate(zip(found, ordered(len(found)), strict=True)):
            looks: Looks = {"colour": colour, "dash": dash_of(i), "place": (row, 2)}
            looks |= {"textposition": f"{PLACES[i % 3]} right", "cliponaxis": False}
            fig.add_hline(y=bucket.high, line={"width": 0.6, "dash": "dot"}, row=row, col=1)
            seeds = group(bucket.records, "seed")
            for seed in [None, *seeds] if len(seeds) > 1 else [None] * bool(seeds):
                _isologit(fig, bucket, seed, **looks)
        norms, sizes = [*map(norm, records)], [*group(records, "dataset_size")]
        ticks = sizes[:: 1 if len(sizes) <= 4 else 2]  # as many as the panel has room for
        fig.update_xaxes(_axis(norms, "parameter norm"), row=row, col=1)
        fig.update_yaxes(_axis([*map(logit, records)], "correct logit"), row=row, col=1)
        fig.update_xaxes(_axis([*sizes, 1.12 * max(sizes)], "D", ticks), row=row, col=2)
        fig.update_yaxes(_axis(norms, "parameter norm"), row=row, col=2)
        whole = analysis.fitted(records, "exponent")
        said.append(f"of C_{circuit} goes as D to the power {whole.text('.3f')}")
    return set_alt(
        fig,
        f"Correct logit, norm and D of {len(mem)} networks with C_mem alone and {len(gen)} with "
        f"C_gen alone. At a fixed logit the norm {' and '.join(said)}.",
    )


def _mark(
    fig: go.Figure, found: Interval, y: float, measured: bool, hover: str = "", **trace: Any
) -> None:
    """A D_crit, predicted or measured, with its interval, at a height; nothing if not known."""
    if not isfinite(found.value):
        return
    name = "measured, ungrokking" if measured else "predicted D<sub>crit</sub>"
    if found.bounded:
        low, high = found.value - found.low, found.high - found.value
        trace["error_x"] = {"array": [high], "arrayminus": [low], "thickness": 1.5, "color": NORM}
    told = f"{name}: D = {found.text(',.0f')}<br>{hover}"
    trace["marker"] = {"color": NORM, "size": 11, "symbol": "diamond-open" if measured else "x"}
    draw(fig, [found.value], [y], name, told, mode="markers", **trace)


def fig_equal_cost(mem: Sequence[Record], gen: Sequence[Record], measured: Interval) -> go.Figure:
    """Claim B1: the norm that both circuits need for one correct logit, against D (Sec. 4.1)."""
    level = critical.common_logit(mem, gen)
    predicted = critical.predicted_by_norm(mem, gen)
    height = analysis.fit(gen, flat=True).at(level)
    curve = np.exp(critical.cost_curve(analysis.logs_by_seed(mem), level))
    sizes = [*group([*mem, *gen], "dataset_size")]
    fig = figure(height=460)
    line = np.array([[sizes[0], height], [sizes[-1], height]])
    for circuit, colour, dash, points in (("mem", MEM, "solid", curve), ("gen", GEN, "dash", line)):
        hover = f"norm %{{y:.2f}} at D = %{{x:,.0f}}<br>{CIRCUITS[circuit]}"
        looks: Looks = {"colour": colour, "dash": dash, "width": 2.5, "mode": "lines"}
        draw(fig, points[:, 0], points[:, 1], CIRCUITS[circuit], hover, **looks)
    for circuit, colour, records in (("mem", MEM, mem), ("gen", GEN, gen)):
        dot: Looks = {"marker": {"color": colour, "size": 8, "symbol": "circle-open"}}
        for (seed, size), own in group(records, "seed", "dataset_size").items():
            hover = f"norm %{{y:.2f}} at D = %{{x:,}}<br>{CIRCUITS[circuit]}, seed {seed}, "
            about: Looks = {"mode": "markers", "meta": shared_meta(own), **dot}
            if isfinite(found := analysis.norm_at(own, level)):
                draw(fig, [size], [found], CIRCUITS[circuit], f"{hover}interpolated", **about)
    _mark(fig, predicted, height, False)
    _mark(fig, measured, height, True)
    seen = [found.value for found in (predicted, measured) if isfinite(found.value)]
    fig.update_xaxes(_axis([*sizes, *seen], "D", SIZES))
    fig.update_yaxes(_axis([*curve[:, 1], height], f"norm at a correct logit of {level:.0f}"))
    return set_alt(
        fig,
        f"Norm for a correct logit of {level:.0f} against D. That of C_mem meets that of C_gen, "
        f"{height:.1f}, at D = {predicted.text(',.0f')}; ungrokking has D_crit "
        f"{measured.text(',.0f')}.",
    )


def fig_first_order(
    mem: Sequence[Record],
    gen: Sequence[Record],
    measured: Mapping[float, Interval] | None = None,
) -> go.Figure:
    """Claim B2: minima of Eq. (2) over alpha of both circuits against D, and where they cross."""
    fig = figure(height=480)
    predicted, measured = critical.predicted_by_minimum(mem, gen), measured or {}
    decays = [*group([*mem, *gen], "weight_decay")]
    sizes = [*group([*mem, *gen], "dataset_size")]
    for circuit, colour, records in (("mem", MEM, mem), ("gen", GEN, gen)):
        for (decay, seed), own in group(records, "weight_decay", "seed").items():
            i = decays.index(decay)
            hover = f"f = %{{y:.1f}} at D = %{{x:,.0f}}<br>{CIRCUITS[circuit]}, weight decay "
            looks: Looks = {"colour": colour, "dash": dash_of(i), "width": 1.5}
            told = f"{hover}{decay:g}, seed {seed}"
            plots.draw_ends(fig, own, least, CIRCUITS[circuit], told, i, 6, **looks)
    for decay, found in predicted.items():
        own = group(gen, "weight_decay")[decay]
        height = float(np.exp(analysis.logs(own, least)[:, 1].mean()))
        looks = {"colour": pale(GEN), "width": 1, "dash": "dot", "mode": "lines"}
        about: Looks = {"meta": {"weight_decay": decay}}
        ends = [sizes[0], sizes[-1]]
        draw(fig, ends, [height] * 2, CIRCUITS["gen"], showlegend=False, **looks, **about)
        _mark(fig, found, height, False, f"weight decay {decay:g}", **about)
        if decay in measured:
            _mark(fig, measured[decay], height, True, f"weight decay {decay:g}", **about)
    marks = [found.value for found in (*predicted.values(), *measured.values())]
    fig.update_xaxes(_axis([*sizes, *filter(isfinite, marks)], "D", SIZES))
    fig.update_yaxes(_axis([*map(least, mem), *map(least, gen)], "minimum of Eq. (2) over α"))
    said = [f"{x.text(',.0f')} at weight decay {decay:g}" for decay, x in predicted.items()]
    return set_alt(
        fig,
        "The least of Eq. (2) over α that each circuit reaches, against D: C_mem's rises, C_gen's "
        f"does not. They cross at D = {'; '.join(said)}.",
    )
