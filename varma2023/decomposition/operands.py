"""How a network for x + y mod p treats its operands: the two measures of Zhong et al. (2023)."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import plotly.graph_objects as go
import torch

from grokkit import decomposition, model
from grokkit.runs import Record, Records
from varma2023 import plots, statistics
from varma2023.measures import Summary, all_logits, how_many, least
from varma2023.plots import Looks, draw
from varma2023.statistics import Interval, spearman
from varma2023.theme import NORM, TEST, figure, panels, set_alt

DRAWS = 1000  # of two operands and a label, each uniform


@cache
def distance_irrelevance(record: Record) -> float:
    """How little the correct logit depends on y - x: its standard deviation over the pairs of one
    distance, the mean over distances, by that over all pairs.

    0 where the distance decides alone, as in a pizza; 1 where it does not matter, as in a clock.
    """
    p, n = record.run.p, torch.arange(record.run.p)
    x, y = n[:, None], (n[:, None] + n) % p  # a column holds the pairs of one distance
    correct = decomposition.centred(all_logits(record)).view(p, p, p)[x, y, (x + y) % p]
    return float(correct.std(0, correction=0).mean() / correct.std(correction=0))


@cache
def gradient_symmetry(record: Record, uniform: bool = False) -> float:
    """The mean cosine between the gradients of a logit to the embeddings of x and of y.

    Over random x, y and labels. 1 if the network is a function of their sum, as a pizza is, whose
    attention is uniform; less in a clock. `uniform`: with the attention made so, by W_Q = 0.
    """
    theta, p = {name: weight.double() for name, weight in record.weights().items()}, record.run.p
    if uniform:
        theta["W_Q"] = torch.zeros_like(theta["W_Q"])
    x, y, label = torch.from_numpy(np.random.default_rng(0).integers(p, size=(3, DRAWS)))
    # each draw has rows of its own in the table of embeddings
    first, i = len(theta["W_E"]), torch.arange(DRAWS)
    W_E = torch.cat([theta["W_E"], theta["W_E"][x], theta["W_E"][y]]).requires_grad_()
    tokens = model.tokens(torch.stack([first + i, first + DRAWS + i], 1), p)
    logits = model.forward(theta | {"W_E": W_E}, tokens)[:, -1]
    (slopes,) = torch.autograd.grad(logits.gather(1, label[:, None]).sum(), W_E)
    return float(torch.cosine_similarity(*slopes[first:].split(DRAWS)).mean())


def operands_text(records: Records) -> dict[str, str]:
    """Both measures over these networks, as median and range; with uniform attention, too.

    And how many networks are nearer to a clock than to a pizza.
    """
    reads: dict[str, Callable[[Record], float]] = {
        "irrelevance": distance_irrelevance,
        "symmetry": gradient_symmetry,
        "uniform": lambda record: gradient_symmetry(record, uniform=True),
    }
    texts = {name: Summary.of([*map(read, records)]).text(".2f") for name, read in reads.items()}
    clocks = (distance_irrelevance(r) > gradient_symmetry(r) for r in records)
    told = "{irrelevance}, gradient symmetry {symmetry} (medians over networks, and ranges); with "
    told += "the attention made uniform by hand the symmetry is {uniform}"
    return texts | {"clocks": how_many(clocks), "told": told.format(**texts)}


def dearer_text(records: Records) -> str:
    """ "0.71 (7 networks)": of Eq. (2) where these end with the symmetry of their gradients."""
    symmetric = np.array([*map(gradient_symmetry, records)])
    costs = np.array([least(record) for record in records])
    return f"{spearman(symmetric, costs):.2f} ({len(records)} networks)"


def fig_operands(records: Records) -> go.Figure:
    """Both measures of every network; a clock is on the upper left, a pizza on the lower right."""
    xaxis = {"title": "gradient symmetry", "range": [-0.05, 1.05]}
    yaxis = {"title": "distance irrelevance", "range": [-0.05, 1.05]}
    fig = figure(xaxis=xaxis, yaxis=yaxis, height=420)
    for record in records:
        x, y = gradient_symmetry(record), distance_irrelevance(record)
        hover = f"symmetry %{{x:.2f}}, irrelevance %{{y:.2f}}<br>{plots.run_name(record)}"
        looks: Looks = {"mode": "markers", "marker": {"color": TEST, "size": 10}}
        draw(fig, [x], [y], "a network", hover, meta=plots.meta(record), **looks)
    for name, x, y, side in (("clock", 0.0, 1.0, "right"), ("pizza", 1.0, 0.0, "left")):
        word: Looks = {"mode": "text", "text": [name], "textfont": {"color": NORM, "size": 15}}
        word["textposition"] = f"middle {side}"
        draw(fig, [x], [y], name, showlegend=False, **word)
    both = operands_text(records)
    text = f"{len(records)} networks by how they treat their operands: distance irrelevance "
    return set_alt(fig, f"{text}{both['irrelevance']}, gradient symmetry {both['symmetry']}.")


# --- where networks ungrok, by the symmetry of their gradients (choice C100) ---------------------

Rows = Sequence[Mapping[str, Any]]
"""A network each, of `benchmarks/operands.py`."""
RESTS = {"d_crit": "crossing_rests", "cost": "cost_rests"}
"""What is read of ends, and the field that says whether these rest."""


def resting(rows: Rows, *names: str) -> list[tuple[float, ...]]:
    """These fields of the networks whose ends rest."""
    flags = [RESTS[name] for name in names if name in RESTS]
    return [tuple(row[name] for name in names) for row in rows if all(row[flag] for flag in flags)]


def correlation(rows: Rows, name: str, by: str = "symmetry") -> Interval:
    """Spearman's correlation of two fields, over networks."""
    units = resting(rows, by, name)
    return statistics.bootstrap(units, lambda drawn: spearman(*np.array(drawn).T))


def correlation_text(rows: Rows, name: str, by: str = "symmetry") -> str:
    """ "+0.31 (-0.10 – +0.64; 19 of 20 networks)"."""
    told = correlation(rows, name, by).text("+.2f").removesuffix(")")
    return f"{told}; {len(resting(rows, by, name))} of {len(rows)} networks)"


def fig_symmetric(rows: Rows) -> go.Figure:
    """D_crit, and what the rule costs, against gradient symmetry; a marker is a network."""
    titles = {"d_crit": "D<sub>crit</sub>, by ungrokking", "cost": "Eq. (2) over α of the rule"}
    fig = panels(400, [*titles.values()], cols=2, horizontal_spacing=0.14)
    looks: Looks = {"mode": "markers", "marker": {"color": TEST, "size": 9}}
    for col, name in enumerate(titles, 1):
        x, y = zip(*resting(rows, "symmetry", name), strict=True)
        hover = "symmetry %{x:.2f}, %{y:.0f}"
        draw(fig, x, y, "a network", hover, showlegend=False, place=(1, col), **looks)
        fig.update_xaxes(title="gradient symmetry", row=1, col=col)
    told = (f"{name} {correlation_text(rows, name)}" for name in RESTS)
    return set_alt(fig, f"Rank correlation with gradient symmetry: {', '.join(told)}.")
