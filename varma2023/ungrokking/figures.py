"""The figures of ungrokking: Figs. 1b, 4 and 7, and what D_crit depends on."""

from collections.abc import Mapping
from math import isfinite
from statistics import fmean

import numpy as np
import plotly.graph_objects as go

from grokkit.runs import Records
from varma2023 import measures, plots
from varma2023.measures import at_the_end, group
from varma2023.plots import Looks, dash_of, draw, draw_accuracy, draw_ends, early_text, one_of_three
from varma2023.statistics import Interval
from varma2023.tables import capitalised
from varma2023.theme import MEM, NORM, TEST, coloured, figure, ordered_at, pale, panels, set_alt
from varma2023.ungrokking import analysis, pinned


def fig1b_ungrokking(records: Records) -> go.Figure:
    """Fig. 1b: losses and accuracy at one reduced dataset size, against epochs (`log_epochs`)."""
    fig = plots.losses_and_accuracies(records)
    plots.log_epochs(fig)
    fig.update_xaxes(title="epoch", row=2)
    text = f"Grokked networks trained further on {records[0].run.dataset_size:,} examples: test "
    text += f"accuracy goes from {records[0]['test_accuracy'][0]:.2f} to "
    text += f"{measures.finals(records, 'test_accuracy').text('.2f')} in "
    text += f"{records[0].run.epochs:,} epochs, while train accuracy never falls below "
    text += f"{min(r['train_accuracy'].min() for r in records):.3f}." + early_text(records)
    return set_alt(fig, text)


def fig7_ungrokking_runs(records: Records) -> go.Figure:
    """Fig. 7: test accuracy of every ungrokking run against epochs, and at its end against D'.

    The colours are those of the sizes, which the second panel has on its axis.
    """
    grid: Looks = {"horizontal_spacing": 0.06, "column_widths": [0.55, 0.45]}
    titles = ["over time, coloured by D′", "at the end, same colours"]
    fig = panels(460, titles, cols=2, shared_yaxes=True, **grid)
    groups = group(records, "dataset_size")
    for i, ((D, runs), colour) in enumerate(coloured(groups.items())):
        name, hidden = f"D′ = {D:,}", Looks(showlegend=False)
        looks: Looks = {"label": name, "colour": colour, "dash": dash_of(i), "width": 1.8}
        for record in runs:
            plots.draw_run(fig, record, "test_accuracy", (1, 1), **looks, **hidden)
            told = f"test accuracy %{{y:.3f}} at the end<br>{plots.run_name(record)}"
            dot: Looks = {"mode": "markers", "marker": {"color": colour}, "place": (1, 2)}
            draw_ends(fig, [record], at_the_end, name, told, i, **dot, **hidden)
    plots.log_epochs(fig)
    rows = measures.ungrokked(records)
    sizes, middles = [*groups], [row.test_accuracy.median for row in rows]
    line: Looks = {"colour": TEST, "width": 2, "mode": "lines", "place": (1, 2)}
    count = len(group(records, "seed"))
    label = f"median of {count} seed{'s' * (count > 1)}"
    draw(fig, sizes, middles, label, "%{y:.3f} at %{x:,}", **line)
    plots.draw_paper_size(fig, records, (1, 2))
    fig.update_xaxes(title="epoch", row=1, col=1)
    fig.update_xaxes(plots.size_axis(records, ticks=sizes[:: 1 + len(sizes) // 5]), row=1, col=2)
    fig.update_yaxes(plots.ACCURACY, col=1)
    ends = ", ".join(f"{row.test_accuracy.median:.2f} at {row.dataset_size:,}" for row in rows)
    text = f"Test accuracy of {len(records)} grokked networks trained further on fewer examples. "
    text += f"Median at the end, by number of examples: {ends}." + early_text(records)
    return set_alt(fig, text)


def fig4_ungrokking(
    minimised: Records = (),
    adamw: Records = (),
    predictions: Mapping[str, Interval] | None = None,
    field: str = "weight_decay",
) -> go.Figure:
    """Fig. 4: test accuracy where ungrokking ends against D', by weight decay, by both routes.

    Or by Adam's epsilon ("eps"), which is not in the paper. The legend has the first value, the
    middle and the last: the colours of the others lie between. `predictions` are values of D_crit
    from elsewhere, by name: vertical lines in every panel, with their intervals as bands.
    """
    every = {"the minimiser, at its last gradient": minimised, "AdamW, at its last epoch": adamw}
    routes = {title: records for title, records in every.items() if records}
    fig = panels(500, [*routes], cols=len(routes), shared_yaxes=True, horizontal_spacing=0.04)
    both = [*minimised, *adamw]
    own = [*group(both, "dataset_size")]
    ticks = plots.TICKS if len(own) > 5 else own  # few: between round numbers
    values = [*group(both, field)]
    for col, records in enumerate(routes.values(), start=1):
        groups = group(records, field)
        for i, (value, colour) in enumerate(coloured(values)):  # the same in each panel
            if value in groups:
                label, looks = f"{analysis.NAMES[field]} {value:g}", one_of_three(i, len(values))
                draw_accuracy(fig, groups[value], field, label, colour, i, (1, col), **looks)
        fig.update_xaxes(plots.size_axis(both, ticks=ticks), row=1, col=col)
    for i, (name, predicted) in enumerate((predictions or {}).items()):
        text = f"{name}: {predicted.text(',.0f')}"
        line: Looks = {"colour": NORM, "dash": dash_of(i + 1), "width": 1.6, "mode": "lines"}
        area: Looks = {"fill": "toself", "fillcolor": pale(NORM, 0.15), "mode": "none"}
        band = [predicted.low, predicted.high, predicted.high, predicted.low]
        for col in range(1, len(routes) + 1):
            if predicted.bounded:
                draw(fig, band, [0, 0, 1, 1], name, place=(1, col), showlegend=False, **area)
            draw(fig, [predicted.value] * 2, [0, 1], name, text, place=(1, col), **line)
    for col in range(1, len(routes) + 1):
        plots.draw_paper_size(fig, both, (1, col))
    fig.update_yaxes(plots.ACCURACY, col=1)
    text = "Test accuracy of networks that had grokked, trained further on fewer examples."
    for title, records in routes.items():
        sizes, ends = measures.curve(records)
        text += f" {capitalised(title)}, of {len(records)}: {ends[0]:.2f} at {sizes[0]:,.0f} "
        text += f"examples, {ends[-1]:.2f} at {sizes[-1]:,.0f}; it crosses a half at "
        text += f"{_crossings(records, field)}."
    if predictions:
        each = ", ".join(f"{name} {p.text(',.0f')}" for name, p in predictions.items())
        text += f" {capitalised(each)}."
    return set_alt(fig, text)


def _crossings(records: Records, field: str) -> str:
    """ "864 at weight decay 1, ...": D_crit by value of a field."""
    found = []
    for value, here in group(records, field).items():
        mean = measures.d_crit_interval(here).value
        size = f"{mean:,.0f}" if isfinite(mean) else measures.d_crit_text(here)
        found.append(f"{size} at {analysis.NAMES[field]} {value:g}")
    return ", ".join(found)


def fig_over_time(adamw: Records, minimised: Records) -> go.Figure:
    """D_crit by AdamW as time goes on, by weight decay, and the minimiser's; not in the paper.

    Time is in units of 1 / (lr lambda), in which weight decay alone shrinks the weights by e.
    """
    end, said = measures.d_crit_interval(minimised), measures.d_crit_text(minimised)
    every = {d: analysis.d_crit_over_time(r) for d, r in group(adamw, "weight_decay").items()}
    curves = {decay: curve for decay, curve in every.items() if curve}
    known = [point for curve in curves.values() for point in curve]
    times, sizes = zip(*known, strict=True) if known else ([1.0], [1.0])
    near = [*sizes, *filter(isfinite, (end.value, end.low, end.high))]
    xaxis = plots.log_axis(times, "decay times 1 / (ηλ)", (1, 2, 5, 10, 20, 50, 100, 200), 0.05)
    yaxis = plots.log_axis(near, "D<sub>crit</sub>", range(100, 2000, 100), 0.05)
    fig = figure(xaxis=xaxis, yaxis=yaxis, height=440)
    looks: Looks = {"label": "the minimiser", "hover": f"the minimiser: {said}"}
    whole = [min(times), max(times)]
    if end.bounded:
        area: Looks = {"fill": "toself", "fillcolor": pale(NORM, 0.15), "mode": "none"}
        band = [end.low, end.low, end.high, end.high]
        draw(fig, [*whole, *whole[::-1]], band, **looks, showlegend=False, **area)
    if isfinite(end.value):
        line: Looks = {"colour": NORM, "dash": "dot", "width": 1.8, "mode": "lines"}
        draw(fig, whole, [end.value] * 2, **looks, **line)
    for i, ((decay, curve), colour) in enumerate(coloured(curves.items())):
        label = f"{analysis.NAMES['weight_decay']} {decay:g}"
        hover = f"%{{y:,.0f}} after %{{x:.1f}} decay times<br>{label}"
        x, y = zip(*curve, strict=True)
        draw(fig, x, y, label, hover, colour=colour, dash=dash_of(i), mode="lines")
    last = ((decay, *curve[-1]) for decay, curve in curves.items())
    ends = "; ".join(f"weight decay {w:g}: {D:,.0f} after {t:g} decay times" for w, t, D in last)
    text = f"D_crit of ungrokking by AdamW as time goes on. {ends or 'It is not known'}. "
    return set_alt(fig, f"{text}By the minimiser: {said}.")


def fig_moduli(known: Records, new: Records) -> go.Figure:
    """D_crit against the modulus, with the laws that the known ones predict; not in the paper.

    A seed whose D_crit is a lower bound, since an end beside it was still falling, is open.
    """
    every = group([*known, *new], "p")
    crits = {p: [*group(runs, "seed").values()] for p, runs in every.items()}
    values = [measures.d_crit(unit).value for units in crits.values() for unit in units]
    lines = analysis.constants(known)
    values += [lines[name] * law(min(every)) for name, law in analysis.LAWS.items()]
    values = [*filter(isfinite, values)] or [1.0]
    xaxis = plots.log_axis([*every], "modulus p", [*every], 0.1)
    yaxis = plots.log_axis(values, "D<sub>crit</sub>", plots.TICKS, 0.1)
    fig = figure(xaxis=xaxis, yaxis=yaxis, height=440)
    p = np.geomspace(min(every), max(every), 30)
    for i, (name, constant) in enumerate(lines.items()):
        line: Looks = {"colour": NORM, "dash": dash_of(i), "mode": "lines", "width": 1.6}
        curve = [constant * analysis.LAWS[name](each) for each in p]
        draw(fig, p, curve, f"{constant:.2f} {name}", "%{y:,.0f} at p = %{x:.0f}", **line)
    kinds = ("to fit the laws", MEM, "square", known), ("to test the laws", TEST, "circle", new)
    for label, colour, symbol, here in kinds:
        for units in (crits[modulus] for modulus in group(here, "p")):
            told = [f"seed {unit[0].run.seed}" for unit in units]
            rest = [f"{symbol}{'-open' * (not measures.crossings_rest(u))}" for u in units]
            marker = {"color": colour, "symbol": rest, "size": 9}
            x, y = [units[0][0].run.p] * len(units), [measures.d_crit(unit).value for unit in units]
            hover = "D<sub>crit</sub> %{y:,.0f} at p = %{x}<br>%{customdata}"
            draw(fig, x, y, label, hover, mode="markers", marker=marker, customdata=told)
    said = "; ".join(f"{p}: {measures.d_crit_text(runs)}" for p, runs in every.items())
    off = f"Off the prediction of {analysis.off_text(known, new)}."
    return set_alt(fig, f"D_crit of ungrokking by modulus: {said}. {off}")


def fig_pinned(found: pinned.Sizes) -> go.Figure:
    """D_crit and the sizes that pin the rule (`pinned.sizes`), by modulus; and seed by seed.

    Not in the paper. In the second panel both are over their mean at that modulus; three are named.
    """
    fig = panels(460, ["by modulus", "seed by seed"], cols=2, horizontal_spacing=0.12)
    looks = zip((TEST, NORM, NORM), ("circle", "diamond", "square"), strict=True)
    for column, (name, (colour, symbol)) in enumerate(zip(pinned.COLUMNS, looks, strict=True)):
        means = [float(np.exp(np.log(rows[:, column]).mean())) for rows in found.values()]
        same: Looks = {"hover": f"%{{y:,.0f}} at p = %{{x:.0f}}<br>{name}", "place": (1, 1)}
        line: Looks = {"colour": colour, "dash": dash_of(column), "mode": "lines", **same}
        draw(fig, [*found], means, name, **line)
        marker = {"color": colour, "symbol": symbol, "size": 7}
        dots: Looks = {"mode": "markers", "marker": marker, "showlegend": False, **same}
        for p, rows in found.items():
            aside = [p * (0.97, 1.0, 1.03)[column]] * len(rows)  # none on another
            draw(fig, aside, rows[:, column].tolist(), name, **dots)
    for i, ((p, rows), colour) in enumerate(coloured(found.items())):
        y, x = (np.exp(pinned.off_mean(rows, column)).tolist() for column in (0, 2))
        marker = {"color": colour, "symbol": plots.symbol_of(i), "size": 8}
        dots = {"mode": "markers", "marker": marker, **one_of_three(i, len(found))}
        draw(fig, x, y, f"p = {p}", f"%{{y:.2f}} at %{{x:.2f}}<br>p = {p}", place=(1, 2), **dots)
    every = [float(size) for rows in found.values() for size in rows[:, :3].ravel()]
    fig.update_xaxes(plots.log_axis([*found] or [1], "modulus p", [*found], 0.1), row=1, col=1)
    fig.update_yaxes(plots.log_axis(every or [1.0], "examples", plots.TICKS, 0.1), row=1, col=1)
    fig.update_xaxes(title="all follow, over its mean", row=1, col=2)
    fig.update_yaxes(title="D<sub>crit</sub> over its mean", row=1, col=2)
    halves, wholes = (pinned.over_text(found, i) or "not known" for i in (1, 2))
    said = f"D_crit over the size from which half of all examples follow: {halves}; over that from "
    said += f"which all do: {wholes}. Rank correlation over seeds with the latter: "
    return set_alt(fig, f"{said}{pinned.rank(found, 2).text()}.")


KINDS = {"none": "no mirror images", "any": "as drawn", "all": "all mirror images"}


def fig_mirrors(records: Records) -> go.Figure:
    """Accuracy where ungrokking ends, by mirror images in the train set; not in the paper.

    Against the number of examples, and again against that of facts (`analysis.n_facts`).
    """
    fig = panels(440, ["by examples", "by facts"], cols=2, horizontal_spacing=0.08)
    kinds, facts, said = group(records, "mirrors"), list[float](), []
    for i, (which, label) in enumerate((k, name) for k, name in KINDS.items() if k in kinds):
        here, read = kinds[which], analysis.unseen
        sizes = group(here, "dataset_size").items()
        own = {D: fmean(analysis.n_facts(record.run) for record in runs) for D, runs in sizes}
        colour = ordered_at(i / (len(KINDS) - 1))
        draw_accuracy(fig, here, "mirrors", label, colour, i, (1, 1), read)
        drawn = len(fig.data)
        draw_accuracy(fig, here, "mirrors", label, colour, i, (1, 2), read, showlegend=False)
        for trace in fig.data[drawn:]:
            trace.x = [own[int(size)] for size in trace.x]
        facts += own.values()
        said.append(f"{label}: {measures.d_crit_text(here, read=analysis.unseen)}")
    for trace in fig.data:
        told = trace.hovertemplate.replace("test accuracy", "accuracy on unseen facts")
        trace.hovertemplate = told.replace("%{x:,}", "%{x:,.0f}")
    fig.update_xaxes(plots.size_axis(records, "examples, D′"), col=1)
    fig.update_xaxes(plots.log_axis(facts, "facts", plots.TICKS, 0.07), col=2)
    fig.update_yaxes({**plots.ACCURACY, "title": ""})
    fig.update_yaxes(title="accuracy on unseen facts", col=1)
    return set_alt(fig, f"Ungrokking by mirror images in the train set. D_crit {'; '.join(said)}.")
