"""The figures of semi-grokking: one run (Figs. 1c and 6), many runs (Fig. 5), and their ends."""

from collections.abc import Mapping, Sequence
from math import inf, isfinite, log, log10, nan

import numpy as np
import plotly.graph_objects as go

from grokkit.runs import Record, Records, Run
from varma2023 import measures, plots, theme
from varma2023.measures import OUTCOMES, SEMI, Pair, end_kind, group, how_many, outcome
from varma2023.plots import Looks, draw, draw_bars, draw_ends, draw_paper, draw_run, symbol_of
from varma2023.semi_grokking import analysis, metastable
from varma2023.semi_grokking.analysis import before_spikes, steep_text, while_calm
from varma2023.theme import GEN, MEM, NORM, TEST, coloured, figure, ordered_at, panels, set_alt

ROWS = {  # what a panel of one run shows: its axis, its metrics
    "loss": (plots.LOSS_AXIS, ("train_loss", "test_loss")),
    "accuracy": ({"title": "accuracy", "range": [0, 1.03]}, ("train_accuracy", "test_accuracy")),
    "norm": ({"title": "parameter norm"}, ("param_norm",)),
    "logits": ({"title": "correct logit"}, ("trig_logit", "mem_logit")),
}
MARKERS = dict(zip(OUTCOMES, "x triangle-up-open diamond square-open circle".split(), strict=True))
DASHES = dict(zip(OUTCOMES, "dot dashdot solid longdash dash".split(), strict=True))
_LINES = "no<br>general-<br>isation|under<br>way|semi-<br>grokked|plateau,<br>then full|full"
BROKEN = dict(zip(OUTCOMES, _LINES.split("|"), strict=True))


def _one_run(record: Record, *rows: str) -> go.Figure:
    """One run against epochs, in these `ROWS`."""
    n = len(rows)
    fig = panels(150 + 190 * n, rows=n, shared_xaxes=True, vertical_spacing=0.05)
    for row, name in enumerate(rows, start=1):
        axis, metrics = ROWS[name]
        for metric in metrics:
            looks: Looks = {"dash": "solid", "showlegend": False} if name == "norm" else {}
            if (split := metric.partition("_")[0]) in ("train", "test"):  # of loss and accuracy
                looks = {"label": split, "dash": "solid" if split == "train" else "dash"}
            draw_run(fig, record, metric, (row, 1), **looks)
        fig.update_yaxes(axis, row=row)
    fig.update_xaxes(title="epoch", tickformat=",d", row=n)
    return fig


def _described(record: Record) -> str:
    """What became of a run, in words."""
    here = measures.plateau(record)
    ends = f"train accuracy ends at {record.final('train_accuracy'):.3f}, test accuracy at "
    ends += f"{record.final('test_accuracy'):.2f} ({outcome(record)})"
    return ends + (f"; it stays longest at {here}" if here else "")


def fig1c_semi_grokking(record: Record) -> go.Figure:
    """Fig. 1c: losses and accuracies of one run that ends in the middle, against epochs."""
    run, fig = record.run, _one_run(record, "loss", "accuracy")
    level = analysis.PAPERS_PLATEAU
    draw_paper(fig, f"ends at {level} (p = 113)", y=level, place=(2, 1))
    said = f"One network trained on {run.dataset_size:,} examples for {run.epochs:,} epochs"
    return set_alt(fig, f"{said}: {_described(record)}.")


def fig6_transient(record: Record) -> go.Figure:
    """Fig. 6: accuracy, loss, norm and both logits of one run, with its plateau shaded."""
    logits = ["logits"] if "trig_logit" in record.metrics else []
    fig = _one_run(record, "accuracy", "loss", "norm", *logits)
    draw_paper(fig, "plateau at ~0.55 (p = 113)", y=0.55, place=(1, 1))
    fell = ""
    if here := measures.plateau(record):
        fig.add_vrect(x0=here.start, x1=here.end, fillcolor=NORM, opacity=0.08, line_width=0)
    if drop := analysis.norm_drop(record):
        fell = f"; norm {drop.norm_before:.2f} as the plateau ends, {drop.norm_after:.2f} after"
    said = f"Accuracy, loss, norm and logits of one network on {record.run.dataset_size:,} "
    return set_alt(fig, f"{said}examples: {_described(record)}{fell}.")


def fig5_semi_grokking_runs(records: Records) -> go.Figure:
    """Fig. 5: test accuracy of every run, coloured by its value at the end as in the paper.

    By how far that is from 1, on a log scale: most ends lie near 1 and look alike on a linear one.
    """
    xaxis = {"title": "epoch", "tickformat": ",d"}
    fig = figure(xaxis=xaxis, yaxis=plots.ACCURACY_FROM_0, height=480)
    _draw_by_end(fig, records)
    level = analysis.PAPERS_PLATEAU
    draw_paper(fig, f"Fig. 1c ends at {level} (p = 113)", y=level)
    said = f"Test accuracy of {len(records)} networks near D_crit against epochs. By the end: "
    return set_alt(fig, f"{said}{analysis.outcome_counts(records)}.")


def _draw_by_end(fig: go.Figure, records: Records, place: plots.Place = None) -> None:
    """Test accuracy of every run, as `fig5_semi_grokking_runs` draws it."""
    most, least = 0.5, 0.01  # errors, as parts of the test set, between which the colour changes
    for record in sorted(records, key=lambda r: r.final("test_accuracy")):
        kind, end = outcome(record), record.final("test_accuracy")
        colour = ordered_at(log(min(max(1 - end, least), most) / most) / log(least / most))
        width = 2.8 if kind == SEMI else 1.3
        looks: Looks = {"label": kind, "colour": colour, "dash": DASHES[kind], "width": width}
        draw_run(fig, record, "test_accuracy", place, **looks)


def fig_later(records: Records) -> go.Figure:
    """Not in the paper: networks that ended in the middle, trained for longer, by learning rate."""
    rates = group(records, "lr")
    fig = panels(420, [f"η = {rate:g}" for rate in rates], cols=len(rates), shared_yaxes=True)
    for col, here in enumerate(rates.values(), start=1):
        _draw_by_end(fig, here, (1, col))
    fig.update_xaxes(title="epoch", tickformat="~s").update_yaxes(plots.ACCURACY_FROM_0, col=1)
    said = f"Test accuracy of {len(records)} networks that had ended in the middle, trained for "
    return set_alt(fig, f"{said}longer. By the end: {analysis.outcome_counts(records)}.")


def fig_carried(records: Records) -> go.Figure:
    """Not in the paper: test accuracy where the minimiser ends, against where it set out.

    From networks in the middle; an open marker is an end that was still falling.
    """
    xaxis, yaxis = {"title": "test accuracy by AdamW"}, {"title": "test accuracy by the minimiser"}
    fig = figure(xaxis=xaxis, yaxis=yaxis, height=440)
    told = []
    for i, (loss, colour) in enumerate({"rounded": TEST, "exact": GEN}.items()):
        here = analysis.carried(records, loss)
        for record in here:
            x, y = record["test_accuracy"][[0, -1]].tolist()
            marker = {"symbol": [plots.rest_symbol(record, symbol_of(i))], "size": 9}
            looks: Looks = {"colour": colour, "mode": "markers", "marker": marker}
            hover = f"from %{{x:.3f}} to %{{y:.3f}}<br>{plots.run_name(record)}"
            draw(fig, [x], [y], f"{loss} loss", hover, meta=plots.meta(record), **looks)
        told.append(f"after the {loss} loss {analysis.outcome_counts(here, end_kind)}")
    ends = [0.4, 1]
    draw(fig, ends, ends, "equal", "equal", colour=NORM, dash="dot", width=1.2, mode="lines")
    fig.add_hline(measures.PERFECT, line=plots.DOTTED)
    n = len(analysis.begun_in_the_middle(records))
    said = f"Test accuracy of {n} networks in the middle and where they rest: "
    return set_alt(fig, f"{said}{'; '.join(told)}.")


def fig_ends(records: Records, later: Records, field: str = "lr") -> go.Figure:
    """Not in the paper: test accuracy at the end against D, a panel for each learning rate or p.

    A dotted line leads from a network in the middle to its later end, if there is one, which is
    open if it was still falling.
    """
    name, found = {"lr": "η", "p": "p"}[field], group(records, field).items()
    panes = {f"{name} = {value:g}": own for value, own in sorted(found, reverse=field == "lr")}
    most = max(record.run.seed for record in records)
    fig = panels(460, [*panes], cols=len(panes), shared_yaxes=True)
    after = {analysis.who(record): record for record in later}
    apart = min(np.diff(sorted({record.run.dataset_size for record in records}))) / 2
    for col, here in enumerate(panes.values(), start=1):
        for kind, colour in coloured(OUTCOMES):
            for record in analysis.standing(here, kind):
                end, on = record.final("test_accuracy"), after.get(analysis.who(record))
                x = record.run.dataset_size + apart * (record.run.seed / max(most, 1) - 0.5)
                looks: Looks = {"colour": colour, "dash": "dot", "width": 1, "place": (1, col)}
                looks |= {"mode": "lines+markers", "meta": plots.meta(record)}
                symbols = [MARKERS[kind], *([plots.rest_symbol(on, "circle")] if on else ())]
                looks["marker"] = {"symbol": symbols, "size": [8, 5]}
                path = [end, on.final("test_accuracy")] if on else [end]
                hover = f"%{{y:.3f}}<br>{plots.run_name(record)}"
                draw(fig, [x] * len(path), path, kind, hover, **looks)
        if measures.papers_task(here):
            text = f"ends at {analysis.PAPERS_PLATEAU}, or 0.7"
            draw_paper(fig, text, y=analysis.PAPERS_PLATEAU, place=(1, col))
            draw_paper(fig, text, x=plots.PAPER_UP, y=0.7, place=(1, col))
    fig.update_xaxes(title="dataset size D", tickformat=",d", nticks=4)
    fig.update_yaxes(plots.ACCURACY_FROM_0, col=1)
    told = "; ".join(f"{analysis.outcome_counts(own)} at {at}" for at, own in panes.items())
    said = f"Test accuracy at the end of {len(records)} networks against the size of their train "
    return set_alt(fig, f"{said}set: {told}. For {len(later)} of them a later end is drawn, too.")


def fig_outcomes(records: Records) -> go.Figure:
    """How many runs have each outcome, by dataset size: a bar a size, Fig. 5 in numbers."""
    xaxis = {"title": "dataset size D", "type": "category"}
    yaxis = {"title": "runs", "rangemode": "tozero"}
    fig = figure(xaxis=xaxis, yaxis=yaxis, barmode="stack", height=380)
    groups = group(records, "dataset_size")
    for i, (kind, colour) in enumerate(coloured(OUTCOMES)):
        n = [len(analysis.standing(here, kind)) for here in groups.values()]
        hover = f"{kind}: %{{y}} runs<br>D %{{x}}"
        draw_bars(fig, [f"{D:,}" for D in groups], n, kind, hover, colour, i)
    share = analysis.PAPER_SHARE * len(records) / len(groups)
    draw_paper(fig, "≥ 6 of 200 semi-grokked", x="the paper", y=(0, share))
    full = ", ".join(
        f"{how_many(measures.at_the_end(r) > measures.PERFECT for r in here)} at {D:,}"
        for D, here in groups.items()
    )
    said = f"Outcomes of {len(records)} networks by the size of their train set. Full at the end: "
    return set_alt(fig, f"{said}{full}.")


def _column_title(run: Run, field: str) -> str:
    """What a column of `fig_side_by_side` is of, by one of its runs."""
    if field == "beta1":
        return f"β₁ = {run.beta1:.4g}, η = {run.lr:g}"
    rate = "rounded loss" if run.loss == "rounded" else f"η = {run.lr:g}"
    clip = f"clipped at {run.clip:g} ε" if run.clip else "not clipped"
    noise = f"noise of {run.noise:g} ε" if run.noise else "no noise"
    what = {"lr": rate, "loss": run.loss, "clip": clip, "noise": noise}[field]
    return f"{what}, D = {run.dataset_size:,}"


def fig_side_by_side(
    records: Records, field: str, metrics: Sequence[str] = ("test_accuracy", "train_loss")
) -> go.Figure:
    """Not in the paper: runs near D_crit, a column for each value of a field and D.

    Of more than two sizes the least and the largest are drawn.

    The field is "lr", "loss", "clip", "noise", or "beta1", of which a column has both sizes. A row
    for each metric, over epochs; at several learning rates over η x epochs.
    """
    sizes = [*group(records, "dataset_size")]
    records = [record for record in records if record.run.dataset_size in (sizes[0], sizes[-1])]
    columns = group(records, field, "lr" if field == "beta1" else "dataset_size").values()
    groups = {_column_title(here[0].run, field): here for here in columns}
    timed = len(group(records, "lr")) > 1
    grid: Looks = {"shared_xaxes": True, "shared_yaxes": True, "vertical_spacing": 0.06}
    fig = panels(520, [*groups], rows=2, cols=len(groups), horizontal_spacing=0.05, **grid)
    colours = dict(coloured(sorted({record.run.seed for record in records})))
    for col, here in enumerate(groups.values(), start=1):
        for record in here:
            seed = record.run.seed
            looks: Looks = {"colour": colours[seed], "width": 1.4, "meta": plots.meta(record)}
            for row, metric in enumerate(metrics, start=1):
                hover = f"{metric.replace('_', ' ')} %{{y:.3g}}<br>seed {seed}<br>%{{x:,.3~g}}"
                x, y = record["epoch"] * (record.run.lr if timed else 1), record[metric]
                if metric == "steepness":  # rounding hides it where the loss is large
                    y = np.where((y > 0) & (record["train_loss"] < measures.ROUNDED_ABOVE), y, nan)
                draw(fig, x, y, f"seed {seed}", hover, place=(row, col), **looks)
    fig.update_xaxes(title="η × epochs" if timed else "epoch", row=2, tickformat="~s")
    losses = np.log10(np.concatenate([record["train_loss"] for record in records]))
    axes = {
        "test_accuracy": plots.ACCURACY_FROM_0,
        "train_loss": plots.LOSS_AXIS | {"range": [losses.min() - 0.2, losses.max() + 0.2]},
        "steepness": {"title": "steepness × η", **plots.LOG, "range": [log10(3), log10(300)]},
    }
    for row, metric in enumerate(metrics, start=1):
        fig.update_yaxes(axes[metric], row=row)
    for col in range(2, len(groups) + 1):  # the first column's titles are theirs, too
        fig.update_yaxes(title="", col=col)
    read, told = analysis.in_full, "Generalised"
    if field == "beta1":
        read, told = analysis.above_half, "Above accuracy ½ at the end"
    full = "; ".join(f"{title}: {how_many(map(read, here))}" for title, here in groups.items())
    return set_alt(fig, f"Test accuracy and train loss over time. {told}: {full}.")


def fig_steep(kinds: analysis.Steep) -> go.Figure:
    """Not in the paper: train loss, and how steep it is, along runs that spike or do not.

    Of the rates between, the largest.
    """
    *_, between = kinds.between.values()
    fig, said = _steep_panels([*kinds.larger, *kinds.usual, *kinds.rounded, *between])
    fig.for_each_annotation(lambda title: title.update(text=title.text.partition(",")[0]))  # no D
    said += f"{steep_text(before_spikes, kinds.larger)} at the larger rate, "
    said += f"{steep_text(before_spikes, kinds.rounded)} with the rounded loss. "
    calm = steep_text(while_calm, kinds.usual)
    return set_alt(fig, f"{said}While calm at the usual rate: {calm}.")


def _steep_panels(records: Records) -> tuple[go.Figure, str]:
    """Train loss, steepness and what AdamW tolerates, by learning rate and D; and what to say."""
    fig, run = fig_side_by_side(records, "lr", ("train_loss", "steepness")), records[0].run
    limit = measures.stable_below(run)
    for y, dash in ((limit, "dash"), (measures.edge(run), "dot")):
        fig.add_hline(y=y, line={"color": NORM, "dash": dash, "width": 1.2}, row=2, col="all")
    said = f"Train loss and its steepness over time; AdamW tolerates {limit:.0f}. Before spikes: "
    return fig, said


def fig_by_size(records: Records) -> go.Figure:
    """Not in the paper: the same on few and on many examples; before spikes, and while calm."""
    fig, said = _steep_panels(records)
    fig.for_each_annotation(lambda title: title.update(text=title.text.partition(", ")[2]))
    few, many = group(records, "dataset_size").values()
    told = f"{said}{steep_text(before_spikes, few)} on "
    told += f"{few[0].run.dataset_size:,} examples. While calm on {many[0].run.dataset_size:,}: "
    return set_alt(fig, f"{told}{steep_text(while_calm, many)}.")


def fig_leaving(records: Records) -> go.Figure:
    """Not in the paper: test accuracy of fresh networks at the end, by learning rate, against D."""
    sizes, rates = [*group(records, "dataset_size")], group(records, "lr")
    ticks = sizes[:: -(1 + len(sizes) // 8)]  # the largest among them
    axis = plots.size_axis(records, "dataset size D", ticks)
    fig = figure(xaxis=axis, yaxis=plots.ACCURACY, height=440)
    for look, ((rate, here), colour) in enumerate(coloured(rates.items())):
        plots.draw_accuracy(fig, here, "lr", f"η = {rate:g}", colour, look)
    crits = {rate: measures.d_crit_text(measures.whole(here)) for rate, here in rates.items()}
    crossed = "; ".join(f"{crit} at η = {rate:g}" for rate, crit in crits.items())
    above = "; ".join(map(analysis.share_text, rates.values()))
    said = f"Test accuracy of {len(records)} networks from random weights, after the same time, by "
    said += f"learning rate. It crosses a half at {crossed}. Above a half end {above}."
    return set_alt(fig, said)


def fig_minimised_ends(ends: Records) -> go.Figure:
    """Where the minimiser ends from random weights, over the sizes of Fig. 5: accuracy by D."""
    yaxis = {"title": "test accuracy at the end", "range": [-0.05, 1.05]}  # most ends are at 0
    fig = figure(xaxis=plots.size_axis(ends, "dataset size D"), yaxis=yaxis, height=420)
    seeds = group(sorted(ends, key=lambda record: record.run.dataset_size), "seed")
    told = "D %{x:,}: %{y:.3f}, %{customdata[0]}<br>residual %{customdata[1]:.2g}<br>"
    for (seed, mine), colour in coloured(seeds.items()):
        name = f"seed {seed}"
        symbols = [plots.rest_symbol(r, MARKERS[end_kind(r)]) for r in mine]
        looks: Looks = {"colour": colour, "width": 1, "meta": {"seed": seed}}
        looks["marker"] = {"color": colour, "size": 9, "symbol": symbols}
        looks["customdata"] = [[end_kind(r), r.final("residual")] for r in mine]
        draw_ends(fig, mine, measures.at_the_end, name, told + name, 0, **looks)
    bounds = {r.run.dataset_size: measures.memory_bound(r.run) for r in ends}
    sizes, known = zip(*sorted(bounds.items()), strict=True)
    hover = "generalises above %{y:.2f}<br>D %{x:,}"
    line: Looks = {"colour": MEM, "dash": "dash", "width": 1.5, "meta": plots.shared_meta(ends)}
    draw(fig, sizes, known, "memory bound", hover, **line)
    least, most = analysis.PAPER_SIZES
    if sizes[0] <= most and sizes[-1] >= least:
        draw_paper(fig, f"sizes {least:,} – {most:,}", x=analysis.PAPER_SIZES)
        draw_paper(fig, "a run at 0.7, D ~2,000", x=plots.PAPER_UP, y=0.7)
    said = f"Test accuracy of {len(ends)} networks taken from random weights to a minimum, by the "
    said += f"size of their train set, {sizes[0]:,} to {sizes[-1]:,}: "
    return set_alt(fig, f"{said}{analysis.outcome_counts(ends, end_kind)}.")


def fig_both_ways(ways: Sequence[Pair]) -> go.Figure:
    """Not in the paper: Eq. (2) of AdamW's end over the minimiser's, by AdamW's outcome.

    The networks of one outcome stand side by side, in the order of their test accuracy.
    """
    groups = analysis.by_outcome(ways)
    fig = figure(yaxis={"title": "Eq. (2), AdamW / minimiser"}, height=420)
    colours = dict(coloured((measures.NONE, SEMI, measures.FULL)))
    ticks = [f"{BROKEN[kind]}<br>({len(same)})" for kind, same in groups.items()]
    for column, same in enumerate(groups.values()):
        same = sorted(same, key=lambda pair: pair.adamw.final("test_accuracy"))
        for i, pair in enumerate(same):
            kind, x = end_kind(pair.lbfgs), column + 0.8 * ((i + 0.5) / len(same) - 0.5)
            marker = {"color": colours[kind], "symbol": MARKERS[kind], "size": 10}
            hover = f"{pair.adamw.final('test_accuracy'):.3f} by AdamW ({outcome(pair.adamw)}), "
            hover += f"{pair.lbfgs.final('test_accuracy'):.3f} by the minimiser<br>Eq. (2): "
            hover += f"%{{y:.3f}} times the minimiser's<br>{plots.run_name(pair.adamw)}"
            looks: Looks = {"mode": "markers", "marker": marker, "meta": plots.meta(pair.adamw)}
            draw(fig, [x], [1 + analysis.excess(pair)], f"minimiser: {kind}", hover, **looks)
    fig.add_hline(y=1, line=plots.DOTTED)
    heights = [height for trace in fig.data for height in trace.y]
    room = 0.12 * max(np.ptp([1, *heights]), 0.01)  # for the notes
    fig.update_yaxes(range=[min(1, *heights) - room, max(1, *heights) + room])
    where: Looks = {"xref": "paper", "yref": "paper", "showarrow": False, "font": {"size": 12}}
    fig.add_annotation(text="↑ the minimiser ends lower", x=0.6, y=1, yanchor="top", **where)
    fig.add_annotation(text="↓ AdamW ends lower", x=0.3, y=0, yanchor="bottom", **where)
    places: Looks = {"tickvals": [*range(len(ticks))], "ticktext": ticks, "showgrid": False}
    fig.update_xaxes(title="where AdamW ends", tickangle=0, **places)
    said = "; ".join(f"{k} by AdamW: {analysis.excess_text(same)}" for k, same in groups.items())
    text = f"{len(ways)} networks trained both ways: by how much Eq. (2) where AdamW ends is above "
    return set_alt(fig, f"{text}that where the minimiser ends. {said}.")


# --- how long memory lasts -----------------------------------------------------------------------

ENDS = {"none": "x", "some": "diamond", "all": "circle"}
"""How many networks of one rate and size end above an accuracy of 1/2, and the marker."""


def fig_metastable(records: Records, known: Mapping[int, tuple[float, float]]) -> go.Figure:
    """Not in the paper: learning rate against D, a row a modulus: who ends above accuracy 1/2.

    Args:
        records: fresh networks, each once.
        known: by modulus D_crit of ungrokking, and the size at which both circuits cost the same.
    """
    moduli = group(records, "p")
    titles = [f"p = {p}" for p in moduli]
    fig = panels(130 + 170 * len(moduli), titles, rows=len(moduli), vertical_spacing=0.13)
    colours = dict(coloured(ENDS))
    for row, (p, own) in enumerate(moduli.items(), start=1):
        rates = group(own, "lr")
        for (rate, size), here in group(own, "lr", "dataset_size").items():
            n = sum(map(analysis.above_half, here))
            kind = "all" if n == len(here) else "some" if n else "none"
            marker = {"symbol": ENDS[kind], "size": 10, "color": ordered_at(n / len(here))}
            hover = f"{n} of {len(here)} end above ½<br>D {size:,}, η = {rate:g}"
            looks: Looks = {"mode": "markers", "marker": marker, "place": (row, 1)}
            looks["meta"] = plots.shared_meta(here, "lr")
            draw(fig, [size], [rate], f"{kind} above ½", hover, colour=colours[kind], **looks)
        halves = [measures.d_crit_interval(measures.whole(here)).value for here in rates.values()]
        marker = {"symbol": "line-ns", "size": 26, "line": {"color": NORM, "width": 2.5}}
        tick: Looks = {"mode": "markers", "marker": marker, "place": (row, 1)}
        draw(fig, halves, [*rates], "accuracy ½", "accuracy ½ at D %{x:,.0f}", **tick)
        reach, marks = [min(rates) / 2, max(rates) * 2], known.get(p, (nan, nan))
        looked = ("grokked networks forget below", TEST, "dot"), ("costs meet at", MEM, "dash")
        for (name, colour, dash), mark in zip(looked, marks, strict=True):
            if isfinite(mark):
                line: Looks = {"colour": colour, "dash": dash, "mode": "lines", "place": (row, 1)}
                draw(fig, [mark] * 2, reach, name, f"{name} {mark:,.0f}", **line)
        every = [record.run.dataset_size for record in own] + [m for m in marks if isfinite(m)]
        ticks = (200, 250, 300, 400, 600, 800, 1000, 1500, 2000)
        fig.update_xaxes(plots.log_axis(every, "", ticks), row=row, col=1)
        looks = {"tickvals": [*rates], "ticktext": [f"{rate:g}" for rate in rates]}
        where = [log10(each) for each in reach]
        fig.update_yaxes(title="η", type="log", range=where, **looks, row=row, col=1)
    fig.update_xaxes(title="dataset size D", row=len(moduli))
    told = "; ".join(
        f"p = {p}, η = {rate:g}: {analysis.share_text(here)}, accuracy ½ at "
        f"{measures.d_crit_text(measures.whole(here))}"
        for (p, rate), here in group(records, "p", "lr").items()
    )
    return set_alt(fig, f"Fresh networks that end above accuracy ½ by rate and size. {told}.")


def fig_heights(pairs: Sequence[Pair]) -> go.Figure:
    """Not in the paper: Eq. (2) where AdamW ends in memory over the minimiser's, by rate.

    A line leads to the least in the second half of AdamW's epochs.
    """
    fig = figure(yaxis={"title": "Eq. (2), AdamW / minimiser", **plots.LOG}, height=440)
    kinds = metastable.by_setting(pairs)
    colours = dict(coloured(sorted({pair.adamw.run.dataset_size for pair in pairs})))
    points = [
        (pair.adamw.run.dataset_size, column + 0.7 * ((i + 0.5) / len(own) - 0.5), pair)
        for column, own in enumerate(kinds.values())
        for i, pair in enumerate(sorted(own, key=lambda each: each.adamw.run.dataset_size))
    ]
    for size, x, pair in sorted(points, key=lambda point: point[:2]):
        symbols = [plots.rest_symbol(pair.lbfgs, "circle"), "line-ew-open"]
        marker = {"symbol": symbols, "size": 9, "color": colours[size]}
        hover = f"Eq. (2): %{{y:.3g}} times the minimiser's<br>{plots.run_name(pair.adamw)}"
        path = [1 + analysis.excess(pair), metastable.least_late(pair)]
        looks: Looks = {"mode": "lines+markers", "marker": marker, "width": 1}
        looks |= {"colour": colours[size], "meta": plots.meta(pair.adamw)}
        draw(fig, [x, x], path, f"D = {size:,}", hover, **looks)
    fig.add_hline(y=1, line=plots.DOTTED)
    ticks = [kind.removeprefix("η = ") for kind in kinds]
    fig.update_xaxes(title="η", tickvals=[*range(len(ticks))], ticktext=ticks, tickangle=-90)
    said = f"Eq. (2) where {len(pairs)} networks end in memory by AdamW, over the minimiser's end: "
    return set_alt(fig, f"{said}{metastable.height_text(pairs)}.")


def fig_spike_heights(kinds: Sequence[Records]) -> go.Figure:
    """Not in the paper: time to leave memory against the median height of spikes; then its last.

    A column for each kind, and one for the place of spikes of the first before a network leaves.
    """
    titles, last = [f"p = {own[0].run.p}, η = {own[0].run.lr:g}" for own in kinds], len(kinds) + 1
    fig = panels(440, [*titles, "mean rank of a spike"], cols=last, horizontal_spacing=0.1)
    for col, records in enumerate(kinds, start=1):
        sizes = coloured(group(records, "dataset_size").items())
        for record, colour in ((record, colour) for (_, own), colour in sizes for record in own):
            time, end = metastable.time_left(record), record.run.lr * record.run.epochs
            kind = "leaves memory" if time < inf else "stays, to the end"
            marker = {"symbol": "circle" if time < inf else "line-ns-open", "size": 8}
            hover = f"%{{x:.3g}} times the least loss<br>{kind}: %{{y:.4g}}<br>"
            hover += plots.run_name(record)
            looks: Looks = {"mode": "markers", "marker": marker | {"color": colour}}
            looks |= {"meta": plots.meta(record), "place": (1, col)}
            draw(fig, [metastable.median_height(record)], [min(time, end)], kind, hover, **looks)
        fig.update_xaxes(plots.LOG, title="median height of spikes", col=col)
    before = range(4)
    spans = [metastable.place_of_last(kinds[0], each) for each in before]
    label = f"{titles[0]}, and its interval"
    for each, span in zip(before, spans, strict=True):
        path = [span.low, span.value, span.high] if span.bounded else [span.value]
        symbols = ["line-ew-open", "circle", "line-ew-open"] if span.bounded else ["circle"]
        looks = {"mode": "lines+markers", "marker": {"symbol": symbols, "size": 9}}
        looks |= {"colour": theme.TRAIN, "place": (1, last)}
        draw(fig, [-each] * len(path), path, label, f"%{{y:.2f}}, {each} before the last", **looks)
    fig.add_hline(y=0.5, line=plots.DOTTED, col=last)
    fig.update_yaxes(title="η × epochs to leave memory", col=1)
    fig.update_yaxes(title="mean rank", range=[0, 1], col=last)
    names = ["the last", *(f"{each} before" for each in before[1:])]
    where: Looks = {"tickvals": [-each for each in before], "ticktext": names}
    fig.update_xaxes(where, col=last)
    said = "; ".join(
        f"{title}: rank correlation {metastable.sooner(own).text()}"
        for title, own in zip(titles, kinds, strict=True)
    )
    told = f"The spike at which networks leave has mean rank {spans[0].text()} by height"
    return set_alt(fig, f"Time to leave memory and height of spikes. {said}. {told}.")
