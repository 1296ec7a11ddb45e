"""The figures of efficiency: Fig. 3, and the two ways in which it predicts D_crit."""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

import numpy as np
import plotly.graph_objects as go

from grokkit.runs import Record
from varma2023.efficiency import analysis, critical
from varma2023.efficiency.analysis import Bucket
from varma2023.measures import group
from varma2023.plots import (
    Looks,
    dash_of,
    draw,
    log_axis,
    meta,
    rest_symbols,
    run_name,
    shared_meta,
    symbol_of,
)
from varma2023.statistics import Interval
from varma2023.theme import GEN, MEM, NORM, figure, ordered, pale, panels, set_alt

NAMES = {"mem": "C<sub>mem</sub>", "gen": "C<sub>gen</sub>"}
PLACES = ("bottom", "middle", "top")  # of the names of neighbouring lines
ROUND = (10, 15, 20, 25, 30, 40, 50, 60, 80, 100, 120, 150, 200, 300, 500, 700, 1000, 1500, 2000)
SIZES = (50, 100, 200, 500, 1000, 2000, 4000, 8000)


def _axis(values: Sequence[float | int], title: str, ticks: Sequence[int] = ROUND) -> dict:
    """A logarithmic axis with these ticks, or finer ones where fewer than three would be seen."""
    axis = log_axis(values, title, ticks)
    for step in (10, 5, 2, 1):
        if len(axis["tickvals"]) < 3:
            axis = log_axis(values, title, range(step, int(1.03 * max(values)) + 1, step))
    return axis


def _scatter(fig: go.Figure, records: Sequence[Record], circuit: str, row: int) -> None:
    """Fig. 3a or 3c: a point a run, coloured by D, on a line through its seed's weight decays."""
    sizes = group(sorted(records, key=lambda r: r.run.weight_decay), "dataset_size")
    for i, (colour, (size, here)) in enumerate(
        zip(ordered(len(sizes)), sizes.items(), strict=True)
    ):
        label, place = f"{NAMES[circuit]}, D = {size:,}", (row, 1)
        legend: Looks = {"legend": f"legend{row}", "place": place}
        for curve in group(here, "seed").values():
            norms, logits = ([read(r) for r in curve] for read in (analysis.norm, analysis.logit))
            line: Looks = {"colour": pale(colour_hex(colour)), "width": 1, "mode": "lines"}
            about: Looks = {"meta": shared_meta(curve), "showlegend": False}
            draw(fig, norms, logits, label, **line, **about, **legend)
            for record, norm, logit in zip(curve, norms, logits, strict=True):
                draw(
                    fig,
                    [norm],
                    [logit],
                    label,
                    f"norm {norm:.2f}, correct logit {logit:.1f}<br>{NAMES[circuit]}<br>"
                    f"{run_name(record)}",
                    mode="markers",
                    marker={
                        "color": colour,
                        "size": 8,
                        "symbol": rest_symbols([record], symbol_of(i))[0],
                    },
                    meta=meta(record),
                    **legend,
                )


def colour_hex(colour: str) -> str:
    """ "rgb(1, 2, 3)" as "#010203"; a colour that is hexadecimal already stays."""
    if colour.startswith("#"):
        return colour
    r, g, b = (int(part) for part in colour[4:-1].split(","))
    return f"#{r:02x}{g:02x}{b:02x}"


def _isologit(
    fig: go.Figure, bucket: Bucket, seed: int | None, place: tuple[int, int], **looks: Any
) -> None:
    """One isologit line: the geometric mean norm of a bucket at each D, of one seed or of all."""
    chosen = bucket.records if seed is None else analysis.select(bucket.records, seed=seed)
    sizes = analysis.values(chosen, "dataset_size")
    who = f"{len(chosen)} runs" if seed is None else f"seed {seed}, {len(chosen)} runs"
    if seed is None:
        middle = f" {(bucket.low * bucket.high) ** 0.5:.0f}"
        looks |= {"mode": "lines+markers+text", "text": [*[""] * (len(sizes) - 1), middle]}
        looks |= {"width": 2.5, "opacity": 1, "marker": {"size": 7}}
    else:
        looks |= {"mode": "lines+markers", "width": 1, "opacity": 0.6, "marker": {"size": 4}}
    draw(
        fig,
        sizes,
        [bucket.norm(size, seed) for size in sizes],
        f"correct logit {bucket.low:.0f} – {bucket.high:.0f}",
        "norm %{y:.2f} at D = %{x:,}"
        f"<br>correct logit {bucket.low:.1f} – {bucket.high:.1f}<br>{who}",
        place=place,
        cliponaxis=False,
        meta=shared_meta(chosen),
        showlegend=False,
        **looks,
    )


def fig3_efficiency(mem: Sequence[Record], gen: Sequence[Record]) -> go.Figure:
    """Fig. 3: correct logit against norm (a, c), and isologit lines of norm against D (b, d)."""
    legend = {"x": 0, "xanchor": "left", "font": {"size": 11}, "orientation": "h"}
    fig = panels(
        {
            "height": 860,
            "margin": {"t": 110, "b": 110},
            "legend1": {**legend, "y": 1.05, "yanchor": "bottom"},
            "legend2": {**legend, "y": -0.09, "yanchor": "top"},
        },
        rows=2,
        cols=2,
        horizontal_spacing=0.13,
        vertical_spacing=0.16,
        subplot_titles=[
            f"({letter}) {NAMES[circuit]}{what}"
            for circuit, letters in (("mem", "ab"), ("gen", "cd"))
            for letter, what in zip(letters, ("", ", isologit lines"), strict=True)
        ],
    )
    said = []
    for row, (circuit, records) in enumerate((("mem", mem), ("gen", gen)), start=1):
        _scatter(fig, records, circuit, row)
        found = analysis.buckets(records)
        for i, (bucket, colour) in enumerate(zip(found, ordered(len(found)), strict=True)):
            looks: Looks = {"dash": dash_of(i), "textposition": f"{PLACES[i % 3]} right"}
            fig.add_hline(y=bucket.high, line={"width": 0.6, "dash": "dot"}, row=row, col=1)
            seeds = analysis.values(bucket.records, "seed")
            for seed in [None, *seeds] if len(seeds) > 1 else [None] * bool(seeds):
                _isologit(fig, bucket, seed, (row, 2), colour=colour, **looks)
        norms, logits = ([read(r) for r in records] for read in (analysis.norm, analysis.logit))
        sizes = analysis.values(records, "dataset_size")
        fig.update_xaxes(_axis(norms, "parameter norm"), row=row, col=1)
        fig.update_yaxes(_axis(logits, "correct logit"), row=row, col=1)
        ticks = sizes[:: 1 if len(sizes) <= 4 else 2]  # as many as the panel has room for
        fig.update_xaxes(_axis([*sizes, 1.12 * max(sizes)], "D", ticks), row=row, col=2)
        fig.update_yaxes(_axis(norms, "parameter norm"), row=row, col=2)
        whole = analysis.exponent(records)
        said.append(f"of C_{circuit} goes as D to the power {whole.text('.3f')}")
    return set_alt(
        fig,
        f"Correct logit, norm and D of {len(mem)} networks with C_mem alone and {len(gen)} with "
        f"C_gen alone. At a fixed logit the norm {' and '.join(said)}.",
    )


def _interpolated(
    fig: go.Figure, records: Sequence[Record], level: float, circuit: str, colour: str
) -> None:
    """The norm at the logit, by interpolation, of every (D, seed) that reaches it."""
    for (seed, size), curve in group(records, "seed", "dataset_size").items():
        norm = analysis.norm_at(curve, level)
        if isfinite(norm):
            draw(
                fig,
                [size],
                [norm],
                NAMES[circuit],
                f"norm %{{y:.2f}} at D = %{{x:,}}<br>{NAMES[circuit]}, seed {seed}, interpolated",
                mode="markers",
                marker={"color": colour, "size": 8, "symbol": "circle-open"},
                meta=shared_meta(curve),
            )


def _mark(
    fig: go.Figure, found: Interval, y: float, name: str, symbol: str, hover: str = "", **trace: Any
) -> None:
    """A D_crit with its interval, at a height; nothing where it is not known."""
    if not isfinite(found.value):
        return
    if found.bounded:
        low, high = found.value - found.low, found.high - found.value
        trace["error_x"] = {"array": [high], "arrayminus": [low], "thickness": 1.5, "color": NORM}
    told = f"{name}: D = {found.text(',.0f')}<br>{hover}"
    marker = {"color": NORM, "size": 11, "symbol": symbol}
    draw(fig, [found.value], [y], name, told, mode="markers", marker=marker, **trace)


PREDICTED = ("predicted D<sub>crit</sub>", "x")
MEASURED = ("measured, ungrokking", "diamond-open")


def fig_equal_cost(
    mem: Sequence[Record], gen: Sequence[Record], measured: Interval | None = None
) -> go.Figure:
    """Claim B1: the norm that both circuits need for one correct logit, against D (Sec. 4.1)."""
    level = critical.common_logit(mem, gen)
    predicted = critical.predicted_by_norm(mem, gen)
    height = analysis.fit(gen, flat=True).at(level)
    curve = np.exp(critical.cost_curve(analysis.triples_by_seed(mem), level))
    sizes = analysis.values([*mem, *gen], "dataset_size")
    fig = figure(height=460)
    lines = (
        ("mem", MEM, "solid", curve),
        ("gen", GEN, "dash", [[sizes[0], height], [sizes[-1], height]]),
    )
    for circuit, colour, dash, points in lines:
        x, y = np.array(points, dtype=float).T
        hover = f"norm %{{y:.2f}} at D = %{{x:,.0f}}<br>{NAMES[circuit]}"
        looks: Looks = {"colour": colour, "dash": dash, "width": 2.5, "mode": "lines"}
        draw(fig, x, y, NAMES[circuit], hover, **looks)
    _interpolated(fig, mem, level, "mem", MEM)
    _interpolated(fig, gen, level, "gen", GEN)
    _mark(fig, predicted, height, *PREDICTED)
    if measured is not None:
        _mark(fig, measured, height, *MEASURED)
    seen = [found.value for found in (predicted, measured) if found and isfinite(found.value)]
    fig.update_xaxes(_axis([*sizes, *seen], "D", SIZES))
    fig.update_yaxes(_axis([*curve[:, 1], height], f"norm at a correct logit of {level:.0f}"))
    return set_alt(
        fig,
        f"Norm for a correct logit of {level:.0f} against D. That of C_mem meets that of C_gen, "
        f"{height:.1f}, at D = {predicted.text(',.0f')}"
        + (f"; ungrokking has D_crit {measured.text(',.0f')}." if measured else "."),
    )


def _minima(
    fig: go.Figure, records: Sequence[Record], circuit: str, colour: str, decays: Sequence[float]
) -> None:
    for i, decay in enumerate(decays):
        for seed in analysis.values(records, "seed"):
            curve = analysis.select(records, weight_decay=decay, seed=seed)
            if not curve:
                continue
            log_size, log_least = critical.by_size(critical.minima(curve)).T
            draw(
                fig,
                np.exp(log_size),
                np.exp(log_least),
                NAMES[circuit],
                "f = %{y:.1f} at D = %{x:,.0f}<br>"
                f"{NAMES[circuit]}, weight decay {decay:g}, seed {seed}",
                colour=colour,
                dash=dash_of(i),
                width=1.5,
                mode="lines+markers",
                meta=shared_meta(curve),
                marker={"size": 6, "symbol": rest_symbols(curve, symbol_of(i))},
            )


def fig_first_order(
    mem: Sequence[Record],
    gen: Sequence[Record],
    measured: Mapping[float, Interval] | None = None,
) -> go.Figure:
    """Claim B2: minima of Eq. (2) over alpha of both circuits against D, and where they cross."""
    fig = figure(height=480)
    predicted, measured = critical.predicted_by_minimum(mem, gen), measured or {}
    decays = analysis.values([*mem, *gen], "weight_decay")
    sizes = analysis.values([*mem, *gen], "dataset_size")
    _minima(fig, mem, "mem", MEM, decays)
    _minima(fig, gen, "gen", GEN, decays)
    for decay, found in predicted.items():
        here = critical.minima(analysis.select(gen, weight_decay=decay))[:, 1]
        height, hover = float(np.exp(here.mean())), f"weight decay {decay:g}"
        line: Looks = {"colour": pale(GEN), "width": 1, "dash": "dot", "mode": "lines"}
        about: Looks = {"meta": {"weight_decay": decay}}
        x, y = [sizes[0], sizes[-1]], [height, height]
        draw(fig, x, y, NAMES["gen"], showlegend=False, **line, **about)
        _mark(fig, found, height, *PREDICTED, hover, **about)
        if decay in measured:
            _mark(fig, measured[decay], height, *MEASURED, hover, **about)
    marks = [found.value for found in (*predicted.values(), *measured.values())]
    fig.update_xaxes(_axis([*sizes, *filter(isfinite, marks)], "D", SIZES))
    found_minima = [critical.least(record) for record in [*mem, *gen]]
    fig.update_yaxes(_axis(found_minima, "minimum of Eq. (2) over α"))
    ends = "; ".join(
        f"{x.text(',.0f')} at weight decay {decay:g}" for decay, x in predicted.items()
    )
    return set_alt(
        fig,
        "The least of Eq. (2) over α that each circuit reaches, against D: C_mem's rises, C_gen's "
        f"does not. They cross at D = {ends}.",
    )
