"""The figure of the delay: how long until a network groks, by the size of its dataset."""

from math import isfinite, isinf

import numpy as np
import plotly.graph_objects as go

from grokkit.runs import Records
from varma2023 import measures, plots
from varma2023.delay import analysis
from varma2023.measures import group
from varma2023.plots import Looks, Place, dash_of, draw
from varma2023.theme import GEN, MEM, NORM, TEST, TRAIN, ordered, panels, set_alt


def fig_delay(
    records: Records, crits: dict[int, float], slow: Records, upper: Records, noisy: Records
) -> go.Figure:
    """Decay times to grok against D, with the laws; and against D / D_crit, by modulus and decay.

    Args:
        records: of `sweeps.delay`.
        crits: D_crit of ungrokking by modulus.
        slow: runs of the first modulus at the paper's learning rate.
        upper: ends of `sweeps.upper_branch`; a line stands up to where they end in memory.
        noisy: runs of `sweeps.noisy`, which stand beside those without noise.
    """
    titles = ["by dataset size, one modulus", "by D / D<sub>crit</sub>, all runs"]
    fig = panels({"height": 480}, cols=2, shared_yaxes=True, subplot_titles=titles)
    own = analysis.by_size(records)
    for i, (label, here) in enumerate((("a network", own), ("at the paper's rate", slow))):
        _dots(fig, here, label, (GEN, TRAIN)[i], i, 1.0, (1, 1))
    for i, (noise, here) in enumerate(group(noisy, "noise").items(), start=2):
        _dots(fig, here, f"noise of {noise:g} ε", TEST, i, 1 - ASIDE * (i - 1) / 2, (1, 1))
    p, least = own[0].run.p, min(record.run.dataset_size for record in own)
    sizes = np.geomspace(least, max(record.run.dataset_size for record in own), 80)
    found = analysis.fits(own) if analysis.judged(own) else {}
    for i, (law, fit) in enumerate(found.items()):
        line: Looks = {"mode": "lines", "width": 1.8, "dash": dash_of(i), "colour": NORM}
        hover = f"%{{y:.3g}} at D = %{{x:.0f}}<br>{law}"
        draw(fig, sizes, np.exp(fit.log_time(sizes)), law, hover, place=(1, 1), **line)
    if upper and isfinite(size := measures.d_crit_interval(upper).value):
        waits = analysis.Waits.of(own).log_time
        reach = np.exp([waits.min(), waits.max()])
        line = {"mode": "lines", "width": 1.8, "colour": MEM, "place": (1, 1)}
        label = "up to here in memory, by the minimiser"
        hover = f"fresh networks end in memory up to {size:.0f}"
        draw(fig, [size] * 2, reach, label, hover, **line)
    groups = group(records, "p", "weight_decay")
    for i, ((modulus, decay), here) in enumerate(groups.items()):
        if modulus in crits:
            label, colour = f"p = {modulus}, weight decay {decay:g}", ordered(len(groups))[i]
            unit = crits[modulus] * decay**ASIDE
            _dots(fig, here, label, colour, i, unit, (1, 2))
    if p in crits:
        fig.add_vline(x=1, line={"color": TEST, "dash": "dot"}, row=1, col=2)
    fig.update_xaxes(plots.size_axis([*own, *slow, *upper], "D", TICKS), row=1, col=1)
    parts = [r.run.dataset_size / crits[r.run.p] for r in records if r.run.p in crits]
    shares = plots.log_axis([1.0, *parts], "D / D<sub>crit</sub>", (1, 2, 3, 4, 5), 0.07)
    fig.update_xaxes(shares, row=1, col=2)
    fig.update_yaxes(plots.LOG)
    fig.update_yaxes(title="decay times", row=1, col=1)
    late = sum(isinf(analysis.halfway(record)) for record in records)
    said = f"How long {len(records)} networks take to be half-way to the rule, against the size of "
    said += f"their train set: the less, the longer. {late} have not got there at their end."
    return set_alt(fig, said)


ASIDE = 0.05  # power of the weight decay by which points are moved, so that none hides another
TICKS = (100, 200, 300, 400, 500, 600, 800, 1000, 2000, 3000, 5000)


def _dots(
    fig: go.Figure, records: Records, label: str, colour: str, look: int, unit: float, place: Place
) -> None:
    """A point a network; an open one, at its end, for one that has not got there."""
    ends = [record.run.epochs / record.run.decay_time for record in records]
    times = [min(*both) for both in zip(map(analysis.halfway, records), ends, strict=True)]
    late = [isinf(analysis.halfway(record)) for record in records]
    symbol = [f"{plots.symbol_of(look)}{'-open' * open_}" for open_ in late]
    marker = {"color": colour, "symbol": symbol, "size": 8}
    who = [
        f"{plots.run_name(record)}<br>p = {record.run.p}{', not there yet' * missing}"
        for record, missing in zip(records, late, strict=True)
    ]
    hover = "%{y:.3g} decay times<br>%{customdata}"
    x = [record.run.dataset_size / unit for record in records]
    dots: Looks = {"mode": "markers", "marker": marker, "customdata": who}
    draw(fig, x, times, label, hover, colour=colour, place=place, **dots)
