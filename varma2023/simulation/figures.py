"""The figure of the simulation of Sec. 3: Fig. 2."""

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from grokkit.simulation import Toy, Trajectory
from varma2023.plots import CURVES, LOSS_AXIS, Looks, draw, draw_paper
from varma2023.simulation.analysis import marks, when
from varma2023.theme import GEN, MAX_POINTS, MEM, panels, set_alt

LOGITS = {"gen_logit": ("gen logit", GEN, "solid"), "mem_logit": ("mem logit", MEM, "dash")}
LOOKS = CURVES | LOGITS
LOSSES, OTHERS = ("train_loss", "test_loss"), ("gen_logit", "mem_logit", "param_norm")
PANELS = {
    "a": "a  all three ingredients",
    "b": "b  C<sub>gen</sub> less efficient",
    "c": "c  equal speeds",
}
PAPER_RISE, PAPER_PEAK = 2500, 10  # step, and norm (read off) of the paper's Fig. 2a
PAPER = "step 2,500, norm below 10"


def fig2_simulation(trajectories: Mapping[str, Trajectory]) -> go.Figure:
    """Fig. 2: a row for each simulation, losses on a logarithmic axis, beside them logits and norm.

    Beside panel a, of the paper's parameters, stands what can be read off the paper's own.
    """
    n, said_of = len(trajectories), []
    titles = [t for name in trajectories for t in (PANELS.get(name, name), "")]
    grid: Looks = {"rows": n, "cols": 2, "vertical_spacing": 0.09, "horizontal_spacing": 0.11}
    fig = panels(90 + 220 * n, titles, shared_xaxes="all", shared_yaxes="columns", **grid)
    fig.update_layout(legend_y=1.06)
    for row, (panel, t) in enumerate(trajectories.items(), start=1):
        last = len(t.step) - 1  # at most 401 of them, evenly spread, both ends included
        some = np.unique(np.linspace(0, last, min(last + 1, MAX_POINTS - 99)).round().astype(int))
        for key in (*LOSSES, *OTHERS):
            name, colour, dash = LOOKS[key]
            looks: Looks = {"hover": f"{name} %{{y:.4g}}<br>step %{{x:,}}"}
            looks |= {"colour": colour, "dash": dash, "place": (row, 1 + (key in OTHERS))}
            draw(fig, t.step[some], getattr(t, key)[some], name, **looks)
        if t.toy == Toy():
            draw_paper(fig, PAPER, x=PAPER_RISE, place=(row, 2))
            draw_paper(fig, PAPER, y=PAPER_PEAK, place=(row, 2))
        m, end = marks(t), f"test loss at the end {t.test_loss[-1]:.3g}"
        fits = f"train loss below 1: {when(m.train_fits)}, test loss below 1: {when(m.test_fits)}"
        said_of.append(f"panel {panel}, {fits}, {end}")
    losses, others = (
        np.concatenate([getattr(t, key) for t in trajectories.values() for key in keys])
        for keys in (LOSSES, OTHERS)
    )
    low, high = np.log10([max(losses.min(), 1e-12), losses.max()]).tolist()
    axis = LOSS_AXIS | {"range": (min(-1.0, low), max(1.0, high)), "dtick": 1}
    fig.update_yaxes(axis | {"exponentformat": "none"}, col=1)
    fig.update_yaxes(title="logit, norm", range=[0, 1.1 * float(others.max())], col=2)
    fig.update_xaxes(tickformat=",d").update_xaxes(title="step", row=n)
    text = f"Loss, logits and norm against the step of the simulation: {'; '.join(said_of)}."
    return set_alt(fig, text)
