"""The figures of App. D: the theorems."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import cycle

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from grokkit.theorems import EqualCircuits, optimal_shares, scaled_loss
from varma2023.plots import dash_of
from varma2023.theme import NORM, figure, set_alt
from varma2023.theorems.analysis import sharing_cost

# Circuits of App. D are neither gen nor mem; these four colours mean nothing elsewhere.
COLOURS = ("#B58900", "#7B68D9", "#8A8A8A", "#A0573A")
CIRCUITS = [{"color": colour, "dash": dash_of(i)} for i, colour in enumerate(COLOURS)]


def fig_d1_scale(logits: Float[np.ndarray, "batch label"]) -> go.Figure:
    """The loss of Theorem D.1 against the scale of the logits, with all and all but one right."""
    scales = np.linspace(0.1, 10, 200)
    right, wrong = logits.argmax(1), logits.argmax(1)
    wrong[-1] = logits[-1].argmin()
    losses = [[scaled_loss(logits, labels, float(c)) for c in scales] for labels in (right, wrong)]
    perfect, one_wrong = np.array(losses)
    yaxis = {"type": "log", "title": "loss of c·h (nats)", "tickvals": [0.1, 0.2, 0.5, 1, 2, 5]}
    fig = figure(xaxis={"title": "scale c of the logits"}, yaxis=yaxis)
    fig.add_scatter(x=scales, y=perfect, name="every example right", line=CIRCUITS[0])
    fig.add_scatter(x=scales, y=one_wrong, name="one example wrong", line=CIRCUITS[1])
    best = scales[one_wrong.argmin()]
    text = f"Scaled from {scales[0]:g} to {scales[-1]:g}, a perfect classifier's loss falls from "
    text += f"{perfect[0]:.3g} to {perfect[-1]:.2g}; with one example of {len(logits)} wrong the "
    text += f"loss is lowest at scale {best:.2g} and ends at {one_wrong[-1]:.2g}."
    return set_alt(fig, text)


def fig_d4_shares(circuits: EqualCircuits) -> go.Figure:
    """The optimal shares of Theorem D.4 against kappa, with the switch at q."""
    q = circuits.q
    kappas = np.sort(np.append(np.linspace(0.02, 2, 397) * q, [q * (1 - 1e-9), q]))
    shares = np.stack([optimal_shares(replace(circuits, kappa=float(k))) for k in kappas])
    fig = figure(xaxis={"title": "κ"}, yaxis={"title": "share of the weight", "range": [0, 1.02]})
    for P, share, line in zip(circuits.P, shares.T, cycle(CIRCUITS), strict=False):
        fig.add_scatter(x=kappas, y=share, name=f"P = {P:g}", line=line | {"width": 2})
    fig.add_vline(x=q, line={"dash": "dash", "width": 1, "color": NORM})
    fig.add_annotation(x=q, y=0.5, text="κ = q", showarrow=False, xanchor="left")
    least = int(np.argmin(circuits.P))
    text = f"Optimal share of {len(circuits.P)} circuits against kappa, q = {q:g}: the most "
    text += f"efficient (P = {circuits.P[least]:g}) rises from {shares[0, least]:.0%} near "
    text += "kappa = 0 to all of it at kappa = q, and stays there."
    return set_alt(fig, text)


def fig_d4_exchange(circuits: EqualCircuits, kappas: Sequence[float]) -> go.Figure:
    """Why D.4 switches: the decay term while one unit of weight moves between two circuits.

    Each line is relative to its value with everything in the first, more efficient, circuit.
    """
    P = sorted(circuits.P)[:2]
    share = np.linspace(0, 1, 201)
    xaxis = {"title": f"share of the circuit with P = {P[0]:g}", "range": [0, 1.01]}
    fig = figure(xaxis=xaxis, yaxis={"title": "decay term over that at 1", "rangemode": "tozero"})
    lowest = []
    for kappa, line in zip(kappas, cycle(CIRCUITS), strict=False):
        cost = sharing_cost(replace(circuits, P=tuple(P), kappa=kappa), share)
        name, best = f"κ = {kappa:g}", int(cost.argmin())
        fig.add_scatter(x=share, y=cost, name=name, line=line | {"width": 2}, legendgroup=name)
        marker = {"color": line["color"], "size": 9}
        looks = {"mode": "markers", "marker": marker, "legendgroup": name, "showlegend": False}
        fig.add_scatter(x=share[[best]], y=cost[[best]], name=f"lowest, {name}", **looks)
        lowest.append(f"{share[best]:.2f} for kappa = {kappa:g}")
    text = "Share of the more efficient circuit at which the decay term is lowest: "
    return set_alt(fig, f"{text}{', '.join(lowest)}.")
