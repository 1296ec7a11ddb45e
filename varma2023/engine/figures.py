"""The figures of the engine: what a model-step costs, counted and measured."""

from typing import Any

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from grokkit.runs import Run
from varma2023.engine import timings
from varma2023.engine.forms import Cost, all_forms
from varma2023.plots import Looks, dash_of, draw, draw_bars, symbol_of
from varma2023.theme import NORM, coloured, figure, panels, set_alt

Array = Float[np.ndarray, " run"]
ROUND = tuple(digit * 10**power for power in range(-1, 5) for digit in (1, 2, 5))  # ms
TIMES = {"type": "log", "tickvals": ROUND, "ticktext": [f"{value:,}" for value in ROUND]}


def fig_engine_forms(run: Run, measured: dict[str, Any]) -> go.Figure:
    """FLOP of a gradient against the number of examples, in its three forms; points are timed.

    A point is the time, times the matrix products that the machine does in a second.
    """
    forms = all_forms(run)
    log: Looks = {"type": "log", "dtick": 1}
    xaxis, yaxis = {"title": "examples D", **log}, {"title": "FLOP of a gradient", **log}
    fig = figure(xaxis=xaxis, yaxis=yaxis, height=480)
    sizes = np.geomspace(20, run.p**2, 60).round()
    for i, (form, colour) in enumerate(coloured(forms)):
        flop = np.array([form.flop(D) for D in sizes])
        hover = f"{form.form}, counted<br>D = %{{x:,}}: %{{y:.3s}}FLOP"
        draw(fig, sizes, flop, form.form, hover, colour=colour, dash=dash_of(i), mode="lines")
    for form, marker in zip(forms, _markers(len(forms)), strict=True):
        _draw_timed(fig, form, measured, marker | {"size": 8})
    meet = timings.crossover(*forms[1:])
    at, label = forms[1].flop(meet), f"equal FLOP at D = {meet:,.0f}"
    line: Looks = {"colour": NORM, "dash": "dashdot", "width": 1.5, "mode": "lines"}
    draw(fig, [meet, meet], [at / 4, at * 4], label, **line)
    counted = ", ".join(f"{c.form} {c.flop(run.dataset_size) / 1e9:.1f}" for c in forms)
    text = f"FLOP of a gradient against examples. At D = {run.dataset_size:,}, in GFLOP: "
    text += f"{counted}. The tables have the fewest from D = {meet:,.0f}; measured, they are the "
    text += f"faster form {timings.faster_from(measured, forms[1].form, forms[2].form)}."
    return set_alt(fig, text)


def _bars(least: Array, middle: Array, most: Array) -> dict[str, Any]:
    """Error bars from the least to the most, around the middle."""
    looks: Looks = {"symmetric": False, "thickness": 1, "width": 3}
    return {"array": most - middle, "arrayminus": middle - least, **looks}


def _draw_timed(fig: go.Figure, form: Cost, found: dict[str, Any], marker: dict[str, Any]) -> None:
    """The times of one form, as the FLOP that the machine's matrix products do meanwhile."""
    rows = [row for row in found["rows"] if row["form"] == form.form]
    ms = np.array([[row[k] for k in ("least", "ms", "most")] for row in rows]).T
    flop, sizes = ms / 1e3 * found["peak_flops"], [row["dataset_size"] for row in rows]
    share = [form.flop(size) for size in sizes] / flop[1]
    hover = f"{form.form}, measured<br>D = %{{x:,}}: %{{customdata[1]:.3g}} ms "
    hover += "(%{customdata[0]:.3g} – %{customdata[2]:.3g})<br>"
    hover += "%{customdata[3]:.0%} of the matmul peak"
    looks: Looks = {"error_y": _bars(*flop), "customdata": np.stack([*ms, share], 1).round(4)}
    draw(fig, sizes, flop[1], form.form, hover, mode="markers", marker=marker, **looks)


def _markers(n: int) -> list[dict[str, Any]]:
    """The marker of each of n cases."""
    return [{"color": hue, "symbol": symbol_of(i), "size": 9} for i, hue in coloured(range(n))]


def fig_engine_ladder(measured: dict[str, Any]) -> go.Figure:
    """Every way to train, by case: time of a model-step, factor over textbook, share of peak."""
    fig = panels(820, rows=3, shared_yaxes=True, vertical_spacing=0.12)
    cases = timings.by_case(measured)
    for (case, ways), marker in zip(cases.items(), _markers(len(cases)), strict=True):
        rows = list(ways.values())
        factor = np.array([[t.least, t.factor, t.most] for t in rows]).T
        columns = ([t.ms for t in rows], factor[1], [t.limit_share for t in rows])
        told = [f"{t.ms:.3g} ms, × {t.gain}, {t.limit_share:.0%} of the peak" for t in rows]
        hover = f"{case}<br>%{{y}}: %{{text}}"
        looks: Looks = {"mode": "markers", "marker": marker, "text": told}
        for i, column in enumerate(columns, start=1):
            bars: Looks = {"error_x": _bars(*factor)} if i == 2 else {}
            draw(fig, column, list(ways), case, hover, place=(i, 1), **bars, **looks)
    fig.update_xaxes({"title": "ms a model-step", **TIMES}, row=1)
    fig.update_xaxes(title="times textbook", rangemode="tozero", row=2)
    fig.update_xaxes(title="share of the peak", rangemode="tozero", tickformat=".0%", row=3)
    longest = max(map(list, cases.values()), key=len)
    fig.update_yaxes(categoryorder="array", categoryarray=longest[::-1])
    ends = "; ".join(
        f"{case}: {ways['grokkit'].ms:.3g} ms, {ways['grokkit'].gain} times the textbook's speed, "
        f"{ways['grokkit'].limit_share:.0%} of the matmul peak"
        for case, ways in cases.items()
    )
    return set_alt(fig, f"Time of a model-step by way. The engine, {ends}.")


def fig_engine_gains(measured: dict[str, Any]) -> go.Figure:
    """The factor that each idea gains, by case."""
    yaxis = {"title": "times the speed without it", "rangemode": "tozero"}
    fig, gains = figure(yaxis=yaxis, barmode="group", height=420), timings.gains(measured)
    for i, (case, colour) in enumerate(coloured(timings.by_case(measured))):
        own = {idea: by_case[case] for idea, by_case in gains.items() if case in by_case}
        factors = [factor for factor, _ in own.values()]
        hover = f"{case}<br>%{{x}}: × %{{y:.2f}}<br>%{{text}}"
        text: Looks = {"text": [ways for _, ways in own.values()], "textposition": "none"}
        draw_bars(fig, [*own], factors, case, hover, colour, i, **text)
    fig.update_xaxes(categoryorder="array", categoryarray=list(gains))
    fig.add_hline(y=1, line={"color": NORM, "dash": "dash", "width": 1})
    words = "; ".join(
        f"{idea} " + ", ".join(f"{factor:.2f} ({case})" for case, (factor, _) in by_case.items())
        for idea, by_case in gains.items()
    )
    return set_alt(fig, f"Factor of speed of each idea: {words}.")


FAR = 3.0  # times the lowest f, where one that ends farther is drawn


def fig_minimisers(measured: dict[str, Any]) -> go.Figure:
    """Methods by case: seconds to a residual of 1, and the f at the end over the lowest one."""
    fig = panels(720, rows=2, shared_yaxes=True, vertical_spacing=0.14)
    cases, best = dict.fromkeys(row["case"] for row in measured["rows"]), []
    for case, marker in zip(cases, _markers(len(cases)), strict=True):
        rows = [row for row in measured["rows"] if row["case"] == case]
        lowest = min(rows, key=lambda row: row["f"])
        reached = [row["reached"].get("1.0") for row in rows]
        above = [round(row["f"] / lowest["f"] - 1, 6) for row in rows]
        when = ["not reached" if s is None else f"after {s:.1f} s" for s in reached]
        told = [
            f"residual 1 {s}<br>f {row['f']:.2f}, {share:.1%} above the lowest, "
            f"after {row['gradients']:,} gradients"
            for row, s, share in zip(rows, when, above, strict=True)
        ]
        names, hover = [row["method"] for row in rows], f"{case}<br>%{{y}}: %{{text}}"
        looks: Looks = {"mode": "markers", "marker": marker, "text": told}
        for i, column in enumerate((reached, [min(1 + share, FAR) for share in above]), start=1):
            draw(fig, column, names, case, hover, place=(i, 1), **looks)
        waits = sorted((s, name) for name, s in zip(names, reached, strict=True) if s is not None)
        first = "by {1}, after {0:.1f} s".format(*waits[0]) if waits else "by none"
        objective = f"the lowest objective, {lowest['f']:.1f}, by {lowest['method']}"
        best.append(f"{case}: {objective}, first at a residual of 1: {first}")
    fig.update_xaxes({**TIMES, "title": "seconds to<br>a residual of 1"}, row=1)
    fig.update_xaxes(title="f over the lowest", range=[0.95, 1.02 * FAR], row=2)
    methods = list(dict.fromkeys(row["method"] for row in measured["rows"]))
    fig.update_yaxes(categoryorder="array", categoryarray=methods[::-1])
    return set_alt(fig, f"Minimisers from the same starts. {'; '.join(best)}.")
