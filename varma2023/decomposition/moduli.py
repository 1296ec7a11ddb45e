"""How many key frequencies grokked networks have, by modulus."""

from collections.abc import Callable
from math import exp, log

import numpy as np
import plotly.graph_objects as go

from grokkit.runs import Record, Records
from varma2023 import plots
from varma2023.decomposition.analysis import trigonometric
from varma2023.measures import Summary, generalises, group
from varma2023.plots import Looks, draw
from varma2023.statistics import Interval, bootstrap, log_slope
from varma2023.tables import table
from varma2023.theme import GEN, NORM, figure, set_alt


def n_key(record: Record) -> int:
    """How many key frequencies (App. B) a network has at its end."""
    if "n_key_frequencies" in record.metrics:
        return int(record.final("n_key_frequencies"))
    return len(trigonometric(record).frequencies)  # an older record


def growth(records: Records) -> Interval:
    """The exponent of p in the number of key frequencies of grokked networks, over seeds.

    Of each seed that has every modulus the slope of the logarithms, by least squares.
    """
    moduli, slopes = {r.run.p for r in records}, []
    for own in group([*filter(generalises, records)], "seed").values():
        if len(moduli) > 1 and {r.run.p for r in own} == moduli:
            slopes.append(log_slope([r.run.p for r in own], [n_key(r) for r in own]))
    return bootstrap(slopes, np.mean)


def of_log(records: Records) -> float:
    """The exponent that ln p would have over these moduli."""
    moduli = [*group(records, "p")]
    return log_slope(moduli, [*map(log, moduli)])


def moduli_table(records: Records) -> str:
    """By modulus: examples, how many networks have grokked, and their key frequencies."""
    rows = []
    for p, here in group(records, "p").items():
        done = [*filter(generalises, here)]
        counts = Summary.of([n_key(record) for record in done] or [None])
        share = counts.median / log(p) if done else np.nan
        size, grokked = f"{here[0].run.dataset_size:,}", f"{len(done)} of {len(here)}"
        rows.append([p, size, grokked, counts.text(), f"{share:.2f}"])
    return table("p | D | grokked | key frequencies | over ln p", rows)


def fig_moduli(records: Records) -> go.Figure:
    """The number of key frequencies of each grokked network against p, with three laws."""
    done, moduli = [*filter(generalises, records)], [*group(records, "p")]
    yaxis = plots.log_axis([1, 8], "key frequencies", range(1, 9), 0.1)
    fig = figure(xaxis=plots.log_axis(moduli, "modulus p", moduli, 0.1), yaxis=yaxis, height=420)
    counts = {p: [n_key(record) for record in own] for p, own in group(done, "p").items()}
    means = {p: exp(np.mean(np.log(own))) for p, own in counts.items()}
    laws: dict[str, Callable] = {"ln p": np.log, "√p": np.sqrt, "p": np.array}
    last = max(means, default=moduli[-1])  # through whose mean the laws go
    for (name, law), dash in zip(laws.items(), ("dash", "dot", "longdash"), strict=True):
        line: Looks = {"colour": NORM, "dash": dash, "width": 1.6, "mode": "lines"}
        draw(fig, moduli, law(moduli) / law(last) * means.get(last, np.nan), f"as {name}", **line)
    for record in done:
        p, count = record.run.p, n_key(record)
        aside = p * 1.012 ** (record.run.seed - 3)  # or networks of one number hide each other
        looks: Looks = {"mode": "markers", "marker": {"color": GEN, "size": 8, "opacity": 0.6}}
        hover = f"{count} key frequencies<br>{plots.run_name(record)}"
        draw(fig, [aside], [count], "a network", hover, meta=plots.meta(record), **looks)
    looks = {"mode": "lines+markers", "marker": {"size": 9, "symbol": "diamond"}, "colour": GEN}
    draw(fig, [*means], [*means.values()], "geometric mean", "%{y:.2f} at p = %{x}", **looks)
    each = ", ".join(f"{mean:.1f} at p = {p}" for p, mean in means.items())
    text = f"Key frequencies of {len(done)} grokked networks by modulus, in the mean {each}: as p "
    return set_alt(fig, f"{text}to the power {growth(records).text()}.")
