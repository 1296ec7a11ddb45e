"""The figures of the delay: how long until a network groks, by the size of its dataset."""

from collections.abc import Mapping
from math import inf, isfinite, isinf, log10, nan

import numpy as np
import plotly.graph_objects as go

from grokkit.runs import Record, Records
from varma2023 import measures, plots
from varma2023.delay import analysis
from varma2023.delay.analysis import Found
from varma2023.measures import group
from varma2023.plots import Looks, Place, dash_of, draw
from varma2023.theme import GEN, MEM, NORM, TEST, TRAIN, coloured, panels, set_alt

ASIDE = 0.01  # part by which each kind of points is moved, so that none hides another
TIMES = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200)
TICKS = (100, 200, 300, 400, 600, 1000, 2000, 3000, 5000)


def fig_delay(
    records: Records, crits: dict[int, float], slow: Records, upper: Records, noisy: Records
) -> go.Figure:
    """Decay times to grok against D, with the laws; and of all runs against D / D_crit.

    Args:
        records: of `sweeps.delay`.
        crits: D_crit of ungrokking by modulus.
        slow: runs of the first modulus at the paper's learning rate.
        upper: ends of `sweeps.upper_branch`; a line stands up to where they end in memory.
        noisy: runs of `sweeps.noisy`.
    """
    titles = ["by dataset size, with five laws", "by D / D<sub>crit</sub>, all runs"]
    fig = panels(480, titles, cols=2, shared_yaxes=True)
    own = analysis.comparable(records)
    groups = group(records, "p", "weight_decay")
    (p, decay), names = (own[0].run.p, own[0].run.weight_decay), [*groups]
    colours = dict(coloured(names))
    name = f"p = {p}, weight decay {decay:g}"
    _dots(fig, own, name, colours[p, decay], names.index((p, decay)), 1.0, (1, 1))
    least = 0.8 * min(min(record.run.dataset_size for record in own), crits.get(p, inf))
    _laws(fig, own, least)
    up_to = measures.d_crit_interval(upper).value if upper else nan
    for label, size, colour in ("forget:", crits.get(p, nan), TEST), ("memory:", up_to, MEM):
        if isfinite(size):
            text = {"text": f"{label} {size:.0f}", "textangle": -90}
            place: Looks = {"x": log10(size), "xanchor": "right", "y": 0.02, "yanchor": "bottom"}
            fig.add_vline(x=size, line={"color": colour, "dash": "dot", "width": 1.5}, row=1, col=1)
            fig.add_annotation(**text, **place, yref="y domain", showarrow=False, row=1, col=1)
    more = [(f"p = {m}, weight decay {w:g}", groups[m, w], colours[m, w]) for m, w in names]
    more += [("the paper's rate", [*slow], TRAIN)] if slow else []
    more += [(f"noise of {noise:g} ε", here, GEN) for noise, here in group(noisy, "noise").items()]
    for i, (label, here, colour) in enumerate(more):
        if (modulus := here[0].run.p) in crits:
            _dots(fig, here, label, colour, i, crits[modulus] * (1 + ASIDE * i), (1, 2))
    if p in crits:
        fig.add_vline(x=1, line={"color": TEST, "dash": "dot"}, row=1, col=2)
    sizes = plots.size_axis([*own, *upper], "D", TICKS)
    sizes["range"][0] = log10(least)
    fig.update_xaxes(sizes, row=1, col=1)
    parts = [r.run.dataset_size / crits[r.run.p] for r in records if r.run.p in crits]
    shares = plots.log_axis([1.0, *parts], "D / D<sub>crit</sub>", (1, 2, 3, 4, 5), 0.07)
    fig.update_xaxes(shares, row=1, col=2).update_yaxes(plots.LOG)
    fig.update_yaxes(title="decay times", row=1, col=1)
    late = sum(isinf(analysis.halfway(record)) for record in records)
    said = f"How long {len(records)} networks take to be half-way to the rule, against the size of "
    said += f"their train set: the fewer, the longer. {late} have not got there at their end."
    return set_alt(fig, said)


def fig_wide(*kinds: Records, fewer: Records) -> go.Figure:
    """Decay times to grok against D, a panel a modulus, with the laws carried to smaller sizes.

    `fewer`: of `sweeps.below`, to which no law is fitted.
    """
    own = [analysis.comparable(records) for records in kinds]
    names = [f"p = {here[0].run.p}" for here in own]
    fig, told = panels(440, names, cols=len(own), shared_yaxes=True), []
    for col, ((name, colour), here) in enumerate(zip(coloured(names), own, strict=True), start=1):
        least = 0.8 * min(record.run.dataset_size for record in here)
        _dots(fig, here, "networks", colour, 0, 1.0, (1, col))
        below = [record for record in fewer if record.run.p == here[0].run.p]
        _dots(fig, below, "fewer examples, run later", MEM, 1, 1.0, (1, col))
        _laws(fig, here, least, (1, col))
        sizes = plots.size_axis(here, "D", TICKS)
        sizes["range"][0] = log10(least)
        fig.update_xaxes(sizes, row=1, col=col)
        late = sum(isinf(analysis.halfway(record)) for record in [*here, *below])
        count = len(here) + len(below)
        told.append(f"{name}: {count} networks; not there at their end: {late}")
    fig.update_yaxes({**plots.LOG, "tickvals": TIMES})
    fig.update_yaxes(title="decay times", row=1, col=1)
    said = "How long networks take to be half-way to the rule, against the size of their train set."
    return set_alt(fig, f"{said} {'; '.join(told)}.")


def fig_grokfast(runs: analysis.Grokfast, records: Records) -> go.Figure:
    """Where ungrokking ends, and how long grokking takes: as usual and with Grokfast.

    `records`: of `sweeps.delay`, among them the waits of the same networks as usual.
    """
    ends = {"as usual": (runs.usual, TEST), "with Grokfast": (runs.amplified, GEN)}
    waits = {"as usual": (measures.among(records, runs.waits), TEST)}
    waits["with Grokfast"] = runs.waits, GEN
    waits["with a third of ε"] = runs.weaker, NORM
    late = {name: ratio.text() for name, ratio in runs.times(records).items()}
    return ends_and_waits(ends, waits, "amplify", late)


Kinds = Mapping[str, tuple[Records, str]]
"""Records and their colour, by what they are called."""


def ends_and_waits(ends: Kinds, waits: Kinds, field: str, late: Mapping[str, str]) -> go.Figure:
    """Test accuracy after ungrokking by size, then the time that fresh networks take to grok.

    `field`, of runs, is what was changed; `late` says how that changes the time.
    """
    fig = panels(440, ["after ungrokking", "from random weights"], cols=2, horizontal_spacing=0.12)
    for look, (name, (here, colour)) in enumerate(ends.items()):
        plots.draw_accuracy(fig, here, field, name, colour, look, place=(1, 1))
    for look, (name, (here, colour)) in enumerate(waits.items()):
        _dots(fig, here, name, colour, look, 1 + ASIDE * look, (1, 2))
    every = [[record for here, _ in kinds.values() for record in here] for kinds in (ends, waits)]
    for col, (shown, name) in enumerate(zip(every, ("D′", "D"), strict=True), start=1):
        sizes = tuple(sorted({record.run.dataset_size for record in shown}))
        fig.update_xaxes(plots.size_axis(shown, name, sizes), row=1, col=col)
    fig.update_yaxes(plots.ACCURACY, row=1, col=1)
    fig.update_yaxes({"title": "decay times to grok", **plots.LOG, "tickvals": TIMES}, row=1, col=2)
    told = "; ".join(f"{n} {measures.d_crit_text(here)}" for n, (here, _) in ends.items())
    said = f"Test accuracy after ungrokking crosses a half at: {told} examples. The time to grok "
    said += "over the usual one: "
    return set_alt(fig, f"{said}{'; '.join(f'{name} × {text}' for name, text in late.items())}.")


def fig_collapse(found: Found, crits: dict[int, float]) -> go.Figure:
    """Decay times of all networks against D / D_crit of ungrokking, and over that of fresh ones.

    `crits`: D_crit of ungrokking by modulus.
    """
    units = analysis.units(crits)
    fig, told = panels(480, [*units], cols=2, shared_yaxes=True), []
    _key(fig, found)
    for col, (what, unit) in enumerate(units.items(), start=1):
        parts = [1.0]
        for (p, _), here, colour, look in _looks(found):
            if isfinite(size := unit(here)):
                _dots(fig, here, f"p = {p}", colour, look, size, (1, col))
                parts += [record.run.dataset_size / size for record in here]
        fig.update_xaxes(plots.log_axis(parts, "D / that size", (1, 2, 3, 4), 0.05), row=1, col=col)
        told.append(f"by D over {what}, {analysis.collapse_text(found, unit)}")
    fig.update_yaxes({**plots.LOG, "tickvals": TIMES})
    fig.update_yaxes(title="decay times", row=1, col=1)
    said = f"Decay times until {sum(map(len, found.values()))} networks are half-way to the rule. "
    said += "AIC of one law for all moduli minus that of one law for each: "
    return set_alt(fig, f"{said}{'; '.join(told)}.")


def fig_norms(found: Found) -> go.Figure:
    """The norm half-way over its peak against D; and the time against what decay alone needs."""
    titles = ["norm half-way to the rule", "time until half-way"]
    fig, told, most = panels(480, titles, cols=2, horizontal_spacing=0.14), [], 0.1
    _key(fig, found)
    for (p, rate), every, colour, look in _looks(found):
        name, label = f"p = {p}", f"p = {p}, rate {rate:g}"
        here = [record for record in every if isfinite(analysis.halfway(record))]
        ratios = np.array([*map(analysis.norm_ratio, here)])
        sizes = np.array([record.run.dataset_size for record in here])
        times = np.array([*map(analysis.halfway, here)])
        marker = {"color": colour, "symbol": plots.symbol_of(look), "size": 6}
        who = [f"{plots.run_name(record)}<br>{label}" for record in here]
        dots: Looks = {"mode": "markers", "marker": marker, "customdata": who, "colour": colour}
        x, part = sizes / measures.d_crit(every).value, "%{y:.2f} of the peak<br>%{customdata}"
        late = "%{y:.3g} decay times<br>%{customdata}"
        draw(fig, x, ratios, name, part, place=(1, 1), **dots)
        draw(fig, -np.log(ratios), times, name, late, place=(1, 2), **dots)
        most = max([most, *-np.log(ratios)])
        told.append(f"{label}: {measures.Summary.of(ratios.tolist()).text('.2f')}")
    alone: Looks = {"colour": NORM, "dash": "dash", "place": (1, 2)}
    own = np.linspace(most / 8, most, 50)
    draw(fig, own, own, "weight decay alone", "%{y:.2g} by weight decay alone", **alone)
    fig.update_xaxes(title="D / that of fresh ones at ½", row=1, col=1)
    fig.update_yaxes(title="norm / its peak", range=[0, 1.03], row=1, col=1)
    fig.update_xaxes(title="by weight decay alone", row=1, col=2)
    fig.update_yaxes({"title": "decay times", **plots.LOG, "tickvals": TIMES}, row=1, col=2)
    return set_alt(fig, f"The norm half-way to the rule, over its peak. {'; '.join(told)}.")


def _looks(found: Found) -> list[tuple[analysis.Setting, list[Record], str, int]]:
    """Every setting with its runs, colour (of the modulus) and symbol (of the rate)."""
    colours = dict(coloured(sorted({p for p, _ in found})))
    rates = sorted({lr for _, lr in found})
    return [((p, lr), here, colours[p], rates.index(lr)) for (p, lr), here in found.items()]


def _key(fig: go.Figure, found: Found) -> None:
    """The legend of `_looks`: its colours, then its symbols."""
    looks = _looks(found)
    shown = {f"p = {p}": (colour, 0) for (p, _), _, colour, _ in looks}
    shown |= {f"η = {rate:g}": (NORM, look) for (_, rate), _, _, look in looks}
    for label, (colour, look) in shown.items():
        marker = {"color": colour, "symbol": plots.symbol_of(look), "size": 7}
        draw(fig, [None], [None], label, mode="markers", marker=marker)


def _laws(fig: go.Figure, own: Records, least: float, place: Place = (1, 1)) -> None:
    """The laws fitted to runs of one kind, carried to the least size."""
    if not analysis.judged(own):
        return
    waits = analysis.Waits.of(own)
    sizes = np.geomspace(least, waits.size.max(), 300)
    top = waits.log_time.max() + 1.0
    for i, (law, fit) in enumerate(analysis.fits(own).items()):
        times = fit.log_time(sizes)
        seen = times < top
        line: Looks = {"mode": "lines", "width": 1.8, "dash": dash_of(i), "colour": NORM}
        hover = f"%{{y:.3g}} at D = %{{x:.0f}}<br>{law}"
        if seen.any():
            draw(fig, sizes[seen], np.exp(times[seen]), law, hover, place=place, **line)


def _dots(
    fig: go.Figure, records: Records, label: str, colour: str, look: int, unit: float, place: Place
) -> None:
    """A point a network; an open one, at its end, for one that has not got there."""
    times = [*map(analysis.halfway_or_end, records)]
    late = [isinf(analysis.halfway(record)) for record in records]
    symbol = [f"{plots.symbol_of(look)}{'-open' * open_}" for open_ in late]
    marker = {"color": colour, "symbol": symbol, "size": 7}
    who = [
        f"{plots.run_name(record)}<br>p = {record.run.p}{', not half-way yet' * missing}"
        for record, missing in zip(records, late, strict=True)
    ]
    hover = "%{y:.3g} decay times<br>%{customdata}"
    x = [record.run.dataset_size / unit for record in records]
    dots: Looks = {"mode": "markers", "marker": marker, "customdata": who}
    draw(fig, x, times, label, hover, colour=colour, place=place, **dots)
