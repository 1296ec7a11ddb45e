"""The figures of two ways to converge: AdamW and the minimiser of Eq. (2), side by side."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from grokkit.runs import Records
from varma2023 import measures
from varma2023.convergence import analysis
from varma2023.convergence.analysis import Equilibrium
from varma2023.measures import Pair
from varma2023.plots import LOG, Looks, dash_of, draw, meta, run_name
from varma2023.theme import NORM, TRAIN, coloured, figure, pale, panels, set_alt

DOTS = 400  # parameters drawn in the equilibrium, of about 227,000
KINDS = ("grokking", "ungrokking", "random labels")
ROWS = (
    ("Eq. (2) over α", measures.objective, LOG),
    ("residual", lambda record: record["residual"], LOG | {"dtick": 2}),
    ("test accuracy", lambda record: record["test_accuracy"], {"type": "linear"}),
)


def fig_two_ways(pairs: Sequence[Pair]) -> go.Figure:
    """Objective, residual and test accuracy of every pair, by kind, against gradients spent."""
    kinds = [kind for kind in KINDS if any(pair.kind == kind for pair in pairs)]
    grid: Looks = {"rows": len(ROWS), "vertical_spacing": 0.04, "horizontal_spacing": 0.03}
    fig = panels(720, kinds, cols=len(kinds), shared_xaxes=True, shared_yaxes=True, **grid)
    for pair in pairs:
        col, p = kinds.index(pair.kind) + 1, pair.adamw.run.p
        looks: Looks = {"width": 1.4 if pair.adamw.run.seed else 2.4}
        looks["dash"] = "solid" if p == min(other.adamw.run.p for other in pairs) else "dot"
        for (way, record), colour in coloured([("AdamW", pair.adamw), ("minimiser", pair.lbfgs)]):
            looks |= {"colour": colour, "meta": meta(record)}
            spent = np.maximum(record["epoch"] + analysis.charged(record), 1.0)  # 1 stands for none
            for row, (title, values, _) in enumerate(ROWS, start=1):
                hover = f"{title} %{{y:.4g}}<br>{pair}<br>{way}, gradient %{{x:,.0f}}"
                label, place = f"{way}, p = {p}", (row, col)
                draw(fig, spent, values(record), label, hover, place=place, **looks)
    for row, (title, _, axis) in enumerate(ROWS, start=1):
        fig.update_yaxes(axis, row=row).update_yaxes(title=title, row=row, col=1)
    fig.update_xaxes(LOG | {"dtick": 2}).update_xaxes(title="gradients", row=len(ROWS))
    times = analysis.savings(pairs, measures.RESIDUALS[0])
    more = f"{np.median(times):.1f} times the minimiser's (median)" if times else "not known"
    text = f"{len(pairs)} networks trained by AdamW and by the minimiser. "
    text += f"{analysis.agreeing(pairs)} pairs end alike; to reach a residual of "
    text += f"{measures.RESIDUALS[0]:g} the gradients of AdamW are {more}."
    return set_alt(fig, text)


def fig_strength(records: Records) -> go.Figure:
    """Norm and correct logit against decay times for every (c eps, lambda / c), seed by seed."""
    groups = measures.group(records, "eps")
    fig = panels(560, rows=2, shared_xaxes=True, vertical_spacing=0.06)
    ends = []
    for i, (own, colour) in enumerate(coloured(groups.values())):
        decay = own[0].run.weight_decay
        label = f"c = {analysis.scale(own[0]):g}, λ = {decay:g}"
        ends.append(f"{measures.finals(own, 'param_norm').text('.2f')} for λ {decay:g}")
        for record in own:
            looks: Looks = {"colour": colour, "dash": dash_of(i), "meta": meta(record)}
            times = np.maximum(record["epoch"], 1) / record.run.decay_time
            for row, metric in enumerate(("param_norm", "correct_logit"), start=1):
                hover = f"{metric.replace('_', ' ')} %{{y:.3f}}<br>{record.run}<br>{label}"
                draw(fig, times, record[metric], label, hover, place=(row, 1), **looks)
    fig.update_xaxes(LOG).update_xaxes(title="decay times, ηλ × epochs", row=2)
    fig.update_yaxes(title="parameter norm", row=1).update_yaxes(title="correct logit", row=2)
    text = f"The same α by {len(groups)} pairs of ε and λ. Norm at the end, {'; '.join(ends)}."
    return set_alt(fig, text)


def fig_early_end(records: Records, tolerance: float) -> go.Figure:
    """A row for each run that could have ended early: the share of its epochs to there, and after.

    In the order of these shares; the colour is where it starts.
    """

    def share(end: analysis.EarlyEnd) -> float:
        return end.epoch / int(end.record["epoch"][-1])

    marks = sorted(analysis.early_ends(records, tolerance), key=share)
    fig = figure(height=160 + 16 * len(marks))
    first = dict(coloured((False, True)))
    for row, end in enumerate(marks):
        grokked, part = end.record.run.init is not None, share(end)
        label = "from a grokked network" if grokked else "from random weights"
        colour = first[grokked]
        moved = end.record.final("test_accuracy") - end.accuracy
        told = f"could have ended at {end.epoch:,}<br>test accuracy {end.accuracy:.4f} there, "
        told += f"{moved:+.4f} by its end<br>p = {end.record.run.p}, {run_name(end.record)}"
        looks: Looks = {"mode": "lines", "meta": meta(end.record)}
        draw(fig, [0, part], [row] * 2, label, colour=colour, width=7, **looks)
        after: Looks = {"colour": pale(colour), "width": 7, "showlegend": False}
        draw(fig, [part, 1], [row] * 2, label, **after, **looks)
        dot: Looks = {"mode": "markers", "marker": {"color": NORM, "size": 8, "symbol": "line-ns"}}
        dot["marker"]["line"] = {"color": NORM, "width": 2}
        draw(fig, [part], [row], "could have ended", told, **dot, meta=meta(end.record))
    fig.update_xaxes(title="share of a run's epochs", tickformat=".0%")
    fig.update_yaxes(title="runs", showticklabels=False, ticks="")
    same = sum(end.same for end in marks)
    text = f"{len(marks)} of {len(records)} runs could have ended early at a tolerance of "
    text += f"{tolerance:g}; {same} of these have the same test accuracy at their end."
    return set_alt(fig, text)


def fig_equilibrium(states: Sequence[Equilibrium], records: Records) -> go.Figure:
    """The gradient of each parameter against its value where AdamW rests, a panel a network."""
    titles = [f"seed {r.run.seed}, D {r.run.dataset_size:,}" for r in records]
    fig = panels(440, titles, cols=len(states), horizontal_spacing=0.12)
    parts = []
    for col, (state, record) in enumerate(zip(states, records, strict=True), start=1):
        rng = np.random.default_rng(0)
        some = rng.choice(len(state.gradient), min(DOTS, len(state.gradient)), replace=False)
        reach = float(np.abs(state.expected[some]).max()) * 1.1
        where: Looks = {"place": (1, col), "meta": meta(record)}
        points = state.expected[some], state.gradient[some]
        hover = "expected %{x:.2e}<br>gradient %{y:.2e}"
        marker = {"color": TRAIN, "size": 4, "opacity": 0.6}
        draw(fig, *points, "a parameter", hover, mode="markers", marker=marker, **where)
        line: Looks = {"colour": NORM, "dash": "dash", "width": 1.5, "mode": "lines"}
        draw(fig, [-reach, reach], [-reach, reach], "g = −ελθ/(1 − λ|θ|)", **line, **where)
        fig.update_xaxes(title="−ελθ/(1 − λ|θ|)", exponentformat="power", nticks=4, row=1, col=col)
        fitted = f"fitted α {state.alpha:.3g}, cosine {state.cosine:.3f}"
        parts.append(f"seed {record.run.seed}: {fitted}")
    fig.update_yaxes(exponentformat="power")
    fig.update_yaxes(title="gradient of the train loss", row=1, col=1)
    text = "Gradient of parameters of trained networks against −ελθ/(1 − λ|θ|), where AdamW rests: "
    text += f"{'; '.join(parts)}."
    return set_alt(fig, text)
