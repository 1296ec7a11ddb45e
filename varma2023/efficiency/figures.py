"""The figures of efficiency: Fig. 3, and the two ways in which it predicts D_crit."""

from collections.abc import Mapping, Sequence
from math import isfinite

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from grokkit.runs import Record
from varma2023.efficiency import analysis, critical
from varma2023.efficiency.analysis import Bucket
from varma2023.plots import dash_of, meta, rest_symbols, shared_meta, symbol_of
from varma2023.statistics import Interval
from varma2023.theme import GEN, MEM, NORM, figure, ordered, pale, set_alt, template

NAMES = {"mem": "C<sub>mem</sub>", "gen": "C<sub>gen</sub>"}
PLACES = ("bottom", "middle", "top")  # of the names of neighbouring lines
ROUND = (10, 15, 20, 25, 30, 40, 50, 60, 80, 100, 120, 150, 200, 300, 500, 700, 1000, 1500, 2000)
SIZES = (50, 100, 200, 500, 1000, 2000, 4000, 8000)


def _axis(values: Sequence[float | int], title: str, ticks: Sequence[int] = ROUND) -> dict:
    """A logarithmic axis with round ticks over the range of the values."""
    low, high = 0.97 * min(values), 1.03 * max(values)
    here = [tick for tick in ticks if low <= tick <= high]
    for step in (10, 5, 2, 1):  # a narrow range has few round numbers
        if len(here) < 3:
            here = [n for n in range(step, int(high) + 1, step) if low <= n]
    text = [f"{tick:,}" for tick in here]
    return {
        "type": "log",
        "title": title,
        "tickvals": here,
        "ticktext": text,
        "range": [float(np.log10(low)), float(np.log10(high))],
    }


def _hover(record: Record, circuit: str) -> str:
    run = record.run
    return (
        f"norm {analysis.norm(record):.2f}, correct logit {analysis.logit(record):.1f}"
        f"<br>{NAMES[circuit]}<br>D {run.dataset_size:,}, weight decay {run.weight_decay:g}, "
        f"seed {run.seed}<extra></extra>"
    )


def _scatter(fig: go.Figure, records: Sequence[Record], circuit: str, row: int) -> None:
    """Fig. 3a or 3c: a point a run, coloured by D, on a line through its seed's weight decays."""
    sizes = analysis.values(records, "dataset_size")
    for i, (size, colour) in enumerate(zip(sizes, ordered(len(sizes)), strict=True)):
        label, named = f"{NAMES[circuit]}, D = {size:,}", False
        for seed in analysis.values(records, "seed"):
            curve = analysis.select(records, dataset_size=size, seed=seed)
            curve.sort(key=lambda record: record.run.weight_decay)
            look = {"name": label, "legendgroup": label, "legend": f"legend{row}"}
            fig.add_scatter(
                x=[analysis.norm(r) for r in curve],
                y=[analysis.logit(r) for r in curve],
                mode="lines",
                line={"color": pale(colour_hex(colour)), "width": 1},
                meta=shared_meta(curve) if curve else {},
                hoverinfo="skip",
                showlegend=False,
                **look,
                row=row,
                col=1,
            )
            for record in curve:
                fig.add_scatter(
                    x=[analysis.norm(record)],
                    y=[analysis.logit(record)],
                    mode="markers",
                    marker={
                        "color": colour,
                        "size": 8,
                        "symbol": rest_symbols([record], symbol_of(i))[0],
                    },
                    meta=meta(record),
                    hovertemplate=_hover(record, circuit),
                    showlegend=not named,
                    **look,
                    row=row,
                    col=1,
                )
                named = True


def colour_hex(colour: str) -> str:
    """ "rgb(1, 2, 3)" as "#010203"; a colour that is hexadecimal already stays."""
    if colour.startswith("#"):
        return colour
    r, g, b = (int(part) for part in colour[4:-1].split(","))
    return f"#{r:02x}{g:02x}{b:02x}"


def _line(bucket: Bucket, seed: int | None, colour: str, dash: str, at: str) -> go.Scatter:
    """One isologit line: the geometric mean norm of a bucket at each D, of one seed or of all."""
    chosen = bucket.records if seed is None else analysis.select(bucket.records, seed=seed)
    sizes = analysis.values(chosen, "dataset_size")
    middle = f"{(bucket.low * bucket.high) ** 0.5:.0f}"
    who = f"{len(chosen)} runs" if seed is None else f"seed {seed}, {len(chosen)} runs"
    return go.Scatter(
        x=sizes,
        y=[bucket.norm(size, seed) for size in sizes],
        mode="lines+markers" if seed is not None else "lines+markers+text",
        text=None if seed is not None else [*[""] * (len(sizes) - 1), f" {middle}"],
        textposition=f"{at} right",
        cliponaxis=False,
        name=f"correct logit {bucket.low:.0f} – {bucket.high:.0f}",
        meta=shared_meta(chosen),
        line={"color": colour, "dash": dash, "width": 1 if seed is not None else 2.5},
        opacity=0.6 if seed is not None else 1,
        marker={"size": 4 if seed is not None else 7},
        hovertemplate="norm %{y:.2f} at D = %{x:,}"
        f"<br>correct logit {bucket.low:.1f} – {bucket.high:.1f}<br>{who}<extra></extra>",
        showlegend=False,
    )


def fig3_efficiency(mem: Sequence[Record], gen: Sequence[Record]) -> go.Figure:
    """Fig. 3: correct logit against norm (a, c), and isologit lines of norm against D (b, d)."""
    fig = make_subplots(
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
            look = dash_of(i), PLACES[i % 3]
            fig.add_hline(y=bucket.high, line={"width": 0.6, "dash": "dot"}, row=row, col=1)
            seeds = analysis.values(bucket.records, "seed")
            for seed in [None, *seeds] if len(seeds) > 1 else [None] * bool(seeds):
                fig.add_trace(_line(bucket, seed, colour, *look), row=row, col=2)
        norms, logits = ([read(r) for r in records] for read in (analysis.norm, analysis.logit))
        sizes = analysis.values(records, "dataset_size")
        fig.update_xaxes(_axis(norms, "parameter norm"), row=row, col=1)
        fig.update_yaxes(_axis(logits, "correct logit"), row=row, col=1)
        ticks = sizes[:: 1 if len(sizes) <= 4 else 2]  # as many as the panel has room for
        fig.update_xaxes(_axis([*sizes, 1.12 * max(sizes)], "D", ticks), row=row, col=2)
        fig.update_yaxes(_axis(norms, "parameter norm"), row=row, col=2)
        whole = analysis.exponent(records)
        said.append(f"of C_{circuit} goes as D to the power {whole.text('.3f')}")
    legend = {"x": 0, "xanchor": "left", "font": {"size": 11}, "orientation": "h"}
    fig.update_layout(template=template(), height=860, margin={"t": 110, "b": 110})
    fig.update_layout(legend1={**legend, "y": 1.05, "yanchor": "bottom"})
    fig.update_layout(legend2={**legend, "y": -0.09, "yanchor": "top"})
    return set_alt(
        fig,
        f"Correct logit, norm and D of {len(mem)} networks with C_mem alone and {len(gen)} with "
        f"C_gen alone. At a fixed logit the norm {' and '.join(said)}.",
    )


def _interpolated(
    records: Sequence[Record], level: float, circuit: str, colour: str
) -> list[go.Scatter]:
    """The norm at the logit, by interpolation, of every (D, seed) that reaches it."""
    traces = []
    for seed in analysis.values(records, "seed"):
        points = [
            (size, analysis.norm_at(curve, level), shared_meta(curve))
            for size in analysis.values(records, "dataset_size")
            if (curve := analysis.select(records, dataset_size=size, seed=seed))
        ]
        traces += [
            go.Scatter(
                x=[size],
                y=[norm],
                mode="markers",
                marker={"color": colour, "size": 8, "symbol": "circle-open"},
                meta=about,
                showlegend=False,
                legendgroup=circuit,
                hovertemplate="norm %{y:.2f} at D = %{x:,}<br>"
                f"{NAMES[circuit]}, seed {seed}, interpolated<extra></extra>",
            )
            for size, norm, about in points
            if isfinite(norm)
        ]
    return traces


def _mark(found: Interval, y: float, name: str, symbol: str, hover: str = "") -> go.Scatter:
    """A D_crit with its interval, at a height."""
    bar = None
    if found.bounded:
        low, high = found.value - found.low, found.high - found.value
        bar = {"array": [high], "arrayminus": [low], "thickness": 1.5, "color": NORM}
    return go.Scatter(
        x=[found.value],
        y=[y],
        mode="markers",
        name=name,
        legendgroup=name,
        error_x=bar,
        marker={"color": NORM, "size": 11, "symbol": symbol},
        hovertemplate=f"{name}: D = {found.text(',.0f')}<br>{hover}<extra></extra>",
    )


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
        x, y = np.array(points).T
        fig.add_scatter(
            x=x,
            y=y,
            mode="lines",
            name=NAMES[circuit],
            legendgroup=circuit,
            line={"color": colour, "dash": dash, "width": 2.5},
            hovertemplate=f"norm %{{y:.2f}} at D = %{{x:,.0f}}<br>{NAMES[circuit]}<extra></extra>",
        )
    fig.add_traces(_interpolated(mem, level, "mem", MEM) + _interpolated(gen, level, "gen", GEN))
    if isfinite(predicted.value):
        fig.add_trace(_mark(predicted, height, "predicted D<sub>crit</sub>", "x"))
    if measured is not None and isfinite(measured.value):
        fig.add_trace(_mark(measured, height, "measured, ungrokking", "diamond-open"))
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
            fig.add_scatter(
                x=np.exp(log_size),
                y=np.exp(log_least).astype(np.float32),
                mode="lines+markers",
                name=NAMES[circuit],
                legendgroup=circuit,
                showlegend=(decay, seed) == (decays[0], records[0].run.seed),
                meta=shared_meta(curve),
                line={"color": colour, "dash": dash_of(i), "width": 1.5},
                marker={"size": 6, "symbol": rest_symbols(curve, symbol_of(i))},
                hovertemplate="f = %{y:.1f} at D = %{x:,.0f}<br>"
                f"{NAMES[circuit]}, weight decay {decay:g}, seed {seed}<extra></extra>",
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
    for i, (decay, found) in enumerate(predicted.items()):
        here = critical.minima(analysis.select(gen, weight_decay=decay))[:, 1]
        height, hover = float(np.exp(here.mean())), f"weight decay {decay:g}"
        about = {"weight_decay": decay}
        fig.add_scatter(
            x=[sizes[0], sizes[-1]],
            y=[height, height],
            mode="lines",
            line={"color": pale(GEN), "width": 1, "dash": "dot"},
            meta=about,
            showlegend=False,
            hoverinfo="skip",
        )
        if isfinite(found.value):
            mark = _mark(found, height, "predicted D<sub>crit</sub>", "x", hover)
            fig.add_trace(mark.update(meta=about, showlegend=i == 0))
        if isfinite(measured.get(decay, Interval(float("nan"))).value):
            mark = _mark(measured[decay], height, "measured, ungrokking", "diamond-open", hover)
            fig.add_trace(mark.update(meta=about, showlegend=i == 0))
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
