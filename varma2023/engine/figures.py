"""The figures of the engine: what a model-step costs, counted and measured."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from grokkit.engine import cost
from grokkit.runs import Run
from varma2023.engine import timings
from varma2023.plots import dash_of, symbol_of
from varma2023.theme import NORM, figure, ordered, set_alt, template

ROUND = tuple(digit * 10**power for power in range(-1, 5) for digit in (1, 2, 5))  # ms
PATTERNS = ("", "/", "x")


def fig_engine_forms(run: Run, measured: dict[str, Any]) -> go.Figure:
    """FLOP of a gradient against the number of examples, in its three forms; points are timed.

    A point is the time, times the matrix products that the machine does in a second.
    """
    forms = cost.forms(run)
    fig = figure(
        xaxis={"title": "examples D", "type": "log", "dtick": 1},
        yaxis={"title": "FLOP of a gradient", "type": "log", "dtick": 1},
        height=480,
    )
    sizes = np.geomspace(20, run.p**2, 60).round()
    for i, (form, colour) in enumerate(zip(forms, ordered(len(forms)), strict=True)):
        fig.add_scatter(
            x=sizes,
            y=np.array([form.flop(D) for D in sizes], dtype=np.float32),
            name=form.form,
            legendgroup=form.form,
            mode="lines",
            line={"color": colour, "dash": dash_of(i), "width": 2},
            hovertemplate=f"{form.form}, counted<br>D = %{{x:,}}: %{{y:.3s}}FLOP<extra></extra>",
        )
    for trace in _timed_forms(forms, measured):
        fig.add_trace(trace)
    meet = cost.crossover(*forms[1:])
    at = forms[1].flop(meet)
    fig.add_scatter(
        x=[meet, meet],
        y=[at / 4, at * 4],
        name=f"as many FLOP at D = {meet:,.0f}",
        mode="lines",
        line={"color": NORM, "dash": "dashdot", "width": 1.5},
        hoverinfo="skip",
    )
    return set_alt(fig, _forms_in_words(forms, measured, run))


def _timed_forms(forms: Sequence[cost.Cost], measured: dict[str, Any]) -> list[go.Scatter]:
    traces = []
    peak = measured["peak_flops"]
    for i, (form, colour) in enumerate(zip(forms, ordered(len(forms)), strict=True)):
        rows = [row for row in measured["rows"] if row["form"] == form.form]
        ms = np.array([[row[k] for k in ("least", "ms", "most")] for row in rows]).T
        flop = ms / 1e3 * peak
        share = [form.flop(row["dataset_size"]) for row in rows] / flop[1]
        traces.append(
            go.Scatter(
                x=[row["dataset_size"] for row in rows],
                y=flop[1].astype(np.float32),
                error_y={
                    "symmetric": False,
                    "array": flop[2] - flop[1],
                    "arrayminus": flop[1] - flop[0],
                    "thickness": 1,
                    "width": 3,
                },
                customdata=np.stack([*ms, share], 1).round(4),
                name=f"{form.form}, measured",
                legendgroup=form.form,
                showlegend=False,
                mode="markers",
                marker={"color": colour, "symbol": symbol_of(i), "size": 8},
                hovertemplate=f"{form.form}, measured<br>D = %{{x:,}}: %{{customdata[1]:.3g}} ms "
                "(%{customdata[0]:.3g} – %{customdata[2]:.3g})<br>"
                "%{customdata[3]:.0%} of the matmul peak<extra></extra>",
            )
        )
    return traces


def _forms_in_words(forms: Sequence[cost.Cost], measured: dict[str, Any], run: Run) -> str:
    counted = ", ".join(f"{c.form} {c.flop(run.dataset_size) / 1e9:.1f}" for c in forms)
    faster = timings.faster_from(measured, forms[1].form, forms[2].form)
    return (
        f"FLOP of a gradient against examples. At D = {run.dataset_size:,}, in GFLOP: {counted}. "
        f"The tables have the fewest from D = {cost.crossover(*forms[1:]):,.0f}; measured, they "
        f"are the faster form {faster}."
    )


def _styles(cases: Iterable[str]) -> list[tuple[str, str, str]]:
    """Each case with its colour and symbol."""
    names = [*cases]
    colours = zip(names, ordered(len(names)), strict=True)
    return [(case, colour, symbol_of(i)) for i, (case, colour) in enumerate(colours)]


def _add_points(fig: go.Figure, style: tuple[str, str, str], row: int, **trace: Any) -> None:
    """Marks of one case, which is named in the first row's legend; `style`: it, colour, symbol."""
    case, colour, symbol = style
    fig.add_scatter(
        name=case,
        legendgroup=case,
        showlegend=row == 1,
        mode="markers",
        marker={"color": colour, "symbol": symbol, "size": 9},
        hovertemplate=f"{case}<br>%{{y}}: %{{text}}<extra></extra>",
        row=row,
        col=1,
        **trace,
    )


def fig_engine_ladder(measured: dict[str, Any]) -> go.Figure:
    """Every way to train, by case: time of a model-step, factor over textbook, share of peak."""
    titles = ("ms a model-step", "times textbook", "share of the peak")
    fig = make_subplots(rows=3, shared_yaxes=True, vertical_spacing=0.12)
    cases = timings.by_case(measured)
    for ways, style in zip(cases.values(), _styles(cases), strict=True):
        rows = list(ways.values())
        factor = np.array([[t.least, t.factor, t.most] for t in rows]).T
        columns = ([t.ms for t in rows], factor[1], [t.limit_share for t in rows])
        for i, column in enumerate(columns, start=1):
            _add_points(
                fig,
                style,
                i,
                x=column,
                y=[t.way for t in rows],
                error_x={
                    "symmetric": False,
                    "array": factor[2] - factor[1],
                    "arrayminus": factor[1] - factor[0],
                    "thickness": 1,
                    "width": 3,
                    "visible": i == 2,
                },
                text=[f"{t.ms:.3g} ms, × {t.gain}, {t.limit_share:.0%} of the peak" for t in rows],
            )
    for i, title in enumerate(titles, start=1):
        fig.update_xaxes(title=title, row=i)
    fig.update_xaxes(type="log", tickvals=ROUND, ticktext=[f"{v:,}" for v in ROUND], row=1)
    fig.update_xaxes(rangemode="tozero", row=2)
    fig.update_xaxes(rangemode="tozero", tickformat=".0%", row=3)
    order = list(dict.fromkeys(t.way for t in timings.read(measured)))
    longest = max((list(ways) for ways in cases.values()), key=len)
    fig.update_yaxes(categoryorder="array", categoryarray=sorted(order, key=longest.index)[::-1])
    fig.update_layout(template=template(), height=820)
    ends = "; ".join(
        f"{case}: {ways['grokkit'].ms:.3g} ms, {ways['grokkit'].gain} times the textbook's speed, "
        f"{ways['grokkit'].limit_share:.0%} of the matmul peak"
        for case, ways in cases.items()
    )
    return set_alt(fig, f"Time of a model-step by way. The engine, {ends}.")


def fig_engine_gains(measured: dict[str, Any]) -> go.Figure:
    """The factor that each idea gains, by case."""
    fig = figure(
        yaxis={"title": "times the speed without it", "rangemode": "tozero"},
        barmode="group",
        height=420,
    )
    gains = timings.gains(measured)
    cases = list(timings.by_case(measured))
    for i, (case, colour) in enumerate(zip(cases, ordered(len(cases)), strict=True)):
        own = [gain for gain in gains if gain.after.case == case]
        fig.add_bar(
            x=[gain.idea for gain in own],
            y=[gain.factor for gain in own],
            name=case,
            marker={"color": colour, "pattern": {"shape": PATTERNS[i % len(PATTERNS)]}},
            text=[f"{gain.before.way} → {gain.after.way}" for gain in own],
            textposition="none",
            hovertemplate=f"{case}<br>%{{x}}: × %{{y:.2f}}<br>%{{text}}<extra></extra>",
        )
    ideas = [idea for idea, *_ in timings.IDEAS if any(gain.idea == idea for gain in gains)]
    fig.update_xaxes(categoryorder="array", categoryarray=ideas)
    fig.add_hline(y=1, line={"color": NORM, "dash": "dash", "width": 1})
    words = "; ".join(
        f"{idea} " + ", ".join(f"{g.factor:.2f} ({g.after.case})" for g in gains if g.idea == idea)
        for idea in ideas
    )
    return set_alt(fig, f"Factor of speed of each idea: {words}.")


def fig_minimisers(measured: dict[str, Any], residual: float = 1.0) -> go.Figure:
    """Methods by case: evaluations to a residual, and how many times the lowest f they ended at."""
    fig = make_subplots(rows=2, shared_yaxes=True, vertical_spacing=0.14)
    lowest = timings.least_f(measured)
    for case, style in zip(lowest, _styles(lowest), strict=True):
        rows = [row for row in measured["rows"] if row["case"] == case]
        reached = [row["reached"].get(str(residual)) for row in rows]
        above = [round(timings.above_least(row, lowest), 6) for row in rows]
        told = [
            f"residual {residual:g} after {n or 'more than all'} evaluations<br>f {row['f']:.2f}, "
            f"{share:.1%} above the lowest, after {row['evaluations']:,} and {row['seconds']:.0f} s"
            for row, n, share in zip(rows, reached, above, strict=True)
        ]
        for i, column in enumerate((reached, [1 + share for share in above]), start=1):
            _add_points(
                fig,
                style,
                i,
                x=column,
                y=[row["method"] for row in rows],
                text=told,
            )
    fig.update_xaxes(title=f"evaluations to<br>a residual of {residual:g}", type="log", row=1)
    fig.update_xaxes(tickvals=ROUND, ticktext=[f"{v:,}" for v in ROUND], row=1)
    fig.update_xaxes(title="f over the lowest", type="log", exponentformat="power", row=2)
    methods = list(dict.fromkeys(row["method"] for row in measured["rows"]))
    fig.update_yaxes(categoryorder="array", categoryarray=methods[::-1])
    fig.update_layout(template=template(), height=720)
    best = "; ".join(_best(measured, case, residual) for case in lowest)
    return set_alt(fig, f"Minimisers from the same starts. {best}.")


def _best(measured: dict[str, Any], case: str, residual: float) -> str:
    rows = [row for row in measured["rows"] if row["case"] == case]
    end = min(rows, key=lambda row: row["f"])
    there = [row for row in rows if str(residual) in row["reached"]]
    text = f"{case}: the lowest objective, {end['f']:.1f}, by {end['method']}"
    if not there:
        return f"{text}, and none reached a residual of {residual:g}"
    first = min(there, key=lambda row: row["reached"][str(residual)])
    count = f"{first['reached'][str(residual)]:,} evaluations"
    return f"{text}, a residual of {residual:g} first by {first['method']}, in {count}"
