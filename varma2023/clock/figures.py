"""The figure of the clock: grokking and ungrokking by learning rate, at equal times."""

import plotly.graph_objects as go

from grokkit.runs import Records, Run
from varma2023 import measures, plots
from varma2023.clock import analysis
from varma2023.plots import Looks, draw, draw_accuracy
from varma2023.theme import NORM, coloured, figure, panels, set_alt


def fig_clock(records: Records) -> go.Figure:
    """Test accuracy of grokking against η x epochs, and of ungrokking at the end against D'."""
    titles = ["grokking, over time", "ungrokking, at the end"]
    fig = panels(460, titles, cols=2, shared_yaxes=True, horizontal_spacing=0.06)
    groups = measures.group(records, "lr")
    looked = [*enumerate(coloured(groups.items()))]
    for i, ((lr, runs), colour) in reversed(looked):  # the largest rate, which zigzags, is behind
        label = f"η = {lr:g}"
        for record in analysis.grokking(runs):
            looks: Looks = {"colour": colour, "dash": plots.dash_of(i), "width": 1.6}
            looks |= {"meta": plots.meta(record), "place": (1, 1), "showlegend": False}
            who = f"seed {record.run.seed}, {label}"
            hover = f"test accuracy %{{y:.3f}}<br>{who}<br>time %{{x:.3g}}"
            points = record["epoch"] * lr, record["test_accuracy"]
            draw(fig, *points, label, hover, opacity=0.4 if i == len(looked) - 1 else 1, **looks)
    for i, ((lr, runs), colour) in looked:
        draw_accuracy(fig, analysis.ungrokking(runs), "lr", f"η = {lr:g}", colour, i, place=(1, 2))
    general, base = measures.GENERALISED.paper, Run().lr
    if measures.at_papers_setting(analysis.grokking(groups.get(base, []))):
        note = f"generalised at η × epochs ~{general * base:g}"
        plots.draw_paper(fig, note, x=general * base, place=(1, 1))
        plots.draw_paper_size(fig, analysis.ungrokking(records), (1, 2))
    fig.update_xaxes(title="η × epochs", row=1, col=1)
    sizes = plots.size_axis(analysis.ungrokking(records), "D′", (400, 600, 800, 1000, 1500))
    fig.update_xaxes(sizes, row=1, col=2).update_yaxes(plots.ACCURACY_FROM_0, col=1)
    rates = "; ".join(
        f"at η = {row.lr:g} time to grok {row.time.text('.1f')}, size at accuracy ½ {row.size_text}"
        for row in analysis.rates(records)
    )
    return set_alt(fig, f"Grokking and ungrokking at {len(groups)} learning rates: {rates}.")


def fig_first(records: Records) -> go.Figure:
    """How steep the loss is until a network generalises, against η x epochs, by learning rate."""
    own = analysis.grokking(records)
    axis = {"title": "steepness × η", "rangemode": "tozero"}
    fig = figure(xaxis={"title": "η × epochs"}, yaxis=axis)
    groups = measures.group(own, "lr")
    for i, ((lr, runs), colour) in enumerate(coloured(groups.items())):
        for record in runs:
            rows = analysis.readable(record)
            if not rows.any():
                continue
            looks: Looks = {"colour": colour, "dash": plots.dash_of(i), "meta": plots.meta(record)}
            hover = f"steepness %{{y:.3g}}<br>seed {record.run.seed}, η = {lr:g}<br>time %{{x:.3g}}"
            points = record["epoch"][rows] * lr, record["steepness"][rows]
            draw(fig, *points, f"η = {lr:g}", hover, width=1.4, **looks)
    limits = measures.stable_below(own[0].run), measures.edge(own[0].run)
    for y, dash in zip(limits, ("dash", "dot"), strict=True):
        fig.add_hline(y=y, line={"color": NORM, "dash": dash, "width": 1.2})
    counts = (
        f"{measures.how_many(analysis.at_edge(r, analysis.readable) for r in own)} at η = {lr:g}"
        for lr, own in groups.items()
    )
    said = "Steepness of the train loss until networks generalise; AdamW tolerates "
    said += f"{limits[0]:.0f}. So many come to the edge: {', '.join(counts)}."
    return set_alt(fig, said)
