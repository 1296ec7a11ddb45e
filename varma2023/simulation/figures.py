"""The figure of the simulation of Sec. 3: Fig. 2."""

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from grokkit.simulation import Trajectory
from varma2023.plots import CURVES, LOSS_AXIS, Looks, draw
from varma2023.simulation.analysis import marks, said
from varma2023.theme import GEN, MAX_POINTS, MEM, panels, set_alt

LOGITS = {"gen_logit": ("gen logit", GEN, "solid"), "mem_logit": ("mem logit", MEM, "dash")}
LOOKS = CURVES | LOGITS
LOSSES, OTHERS = ("train_loss", "test_loss"), ("gen_logit", "mem_logit", "param_norm")
PANELS = {
    "a": "a  all three ingredients",
    "b": "b  C<sub>gen</sub> less efficient",
    "c": "c  equal speeds",
}


def fig2_simulation(trajectories: Mapping[str, Trajectory]) -> go.Figure:
    """Fig. 2: the three panels, losses on a logarithmic left axis, logits and norm on the right."""
    n, said_of = len(trajectories), []
    layout: Looks = {"height": 80 + 230 * n, "legend": {"y": 1.05}}
    grid: Looks = {"rows": n, "specs": [[{"secondary_y": True}]] * n, "vertical_spacing": 0.09}
    titles = [PANELS.get(name, name) for name in trajectories]
    fig = panels(layout, shared_xaxes=True, subplot_titles=titles, **grid)
    for row, (panel, t) in enumerate(trajectories.items(), start=1):
        last = len(t.step) - 1  # at most MAX_POINTS of them, evenly spread, both ends included
        some = np.unique(np.linspace(0, last, min(last + 1, MAX_POINTS - 99)).round().astype(int))
        for key in (*LOSSES, *OTHERS):
            name, colour, dash = LOOKS[key]
            looks: Looks = {"hover": f"{name} %{{y:.4g}}<br>step %{{x:,}}", "right": key in OTHERS}
            looks |= {"colour": colour, "dash": dash, "place": (row, 1)}
            draw(fig, t.step[some], getattr(t, key)[some], name, **looks)
        m, end = marks(t), f"test loss at the end {t.test_loss[-1]:.3g}"
        fits = f"train loss below 1: {said(m.train_fits)}, test loss below 1: {said(m.test_fits)}"
        said_of.append(f"panel {panel}, {fits}, {end}")
    losses, others = (
        np.concatenate([getattr(t, key) for t in trajectories.values() for key in keys])
        for keys in (LOSSES, OTHERS)
    )
    low, high = np.log10([max(losses.min(), 1e-12), losses.max()]).tolist()
    axis = LOSS_AXIS | {"range": (min(-1.0, low), max(1.0, high)), "dtick": 1}
    fig.update_yaxes(axis | {"exponentformat": "none"}, secondary_y=False)
    reach = [0, 1.05 * float(others.max())]
    fig.update_yaxes(title="logit, norm", range=reach, showgrid=False, secondary_y=True)
    fig.update_xaxes(tickformat=",d")
    fig.update_xaxes(title="step", row=n, col=1)
    text = f"Loss, logits and norm against the step of the simulation: {'; '.join(said_of)}."
    return set_alt(fig, text)
