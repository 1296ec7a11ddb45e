"""The figure of the simulation of Sec. 3: Fig. 2."""

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from grokkit.simulation import Trajectory
from varma2023.plots import CURVES, Looks, draw
from varma2023.simulation.analysis import marks, said
from varma2023.theme import GEN, MAX_POINTS, MEM, panels, set_alt

LOOKS = CURVES | {
    "gen_logit": ("gen logit", GEN, "solid"),
    "mem_logit": ("mem logit", MEM, "dash"),
}
LOSSES, OTHERS = ("train_loss", "test_loss"), ("gen_logit", "mem_logit", "param_norm")
PANELS = {
    "a": "a  all three ingredients",
    "b": "b  C<sub>gen</sub> less efficient",
    "c": "c  equal speeds",
}


def fig2_simulation(trajectories: Mapping[str, Trajectory]) -> go.Figure:
    """Fig. 2: the three panels, losses on a logarithmic left axis, logits and norm on the right."""
    titles = [PANELS.get(name, name) for name in trajectories]
    n = len(titles)
    fig = panels(
        {"height": 80 + 230 * n, "legend": {"y": 1.05}},
        rows=n,
        shared_xaxes=True,
        vertical_spacing=0.09,
        subplot_titles=titles,
        specs=[[{"secondary_y": True}]] * n,
    )
    for row, t in enumerate(trajectories.values(), start=1):
        some = _thinned(len(t.step))
        for key in (*LOSSES, *OTHERS):
            name, colour, dash = LOOKS[key]
            hover = f"{name} %{{y:.4g}}<br>step %{{x:,}}"
            curve = getattr(t, key)[some]
            looks: Looks = {"colour": colour, "dash": dash, "place": (row, 1)}
            draw(fig, t.step[some], curve, name, hover, **looks, right=key in OTHERS)
    every = list(trajectories.values())
    losses = np.concatenate([curve for t in every for curve in (t.train_loss, t.test_loss)])
    top = max(float(getattr(t, key).max()) for t in every for key in OTHERS)
    fig.update_yaxes(
        type="log",
        range=_log_range(losses),
        title="loss (nats)",
        dtick=1,
        exponentformat="none",
        secondary_y=False,
    )
    fig.update_yaxes(title="logit, norm", range=[0, 1.05 * top], showgrid=False, secondary_y=True)
    fig.update_xaxes(tickformat=",d")
    fig.update_xaxes(title="step", row=n, col=1)
    return set_alt(fig, _fig2_alt(trajectories))


def _thinned(n: int) -> np.ndarray:
    """Indices of at most MAX_POINTS points of n, evenly spread, both ends included."""
    return np.unique(np.linspace(0, n - 1, min(n, MAX_POINTS - 99)).round().astype(int))


def _log_range(values: np.ndarray) -> tuple[float, float]:
    """The exponents of an axis from at most 0.1 to at least 10 that holds all values."""
    floor = max(float(values.min()), 1e-12)
    return min(-1.0, float(np.log10(floor))), max(1.0, float(np.log10(values.max())))


def _fig2_alt(trajectories: Mapping[str, Trajectory]) -> str:
    parts = []
    for name, t in trajectories.items():
        m = marks(t)
        fits = f"train loss below 1: {said(m.train_fits)}, test loss below 1: {said(m.test_fits)}"
        parts.append(f"panel {name}, {fits}, test loss at the end {t.test_loss[-1]:.3g}")
    return f"Loss, logits and norm against the step of the simulation: {'; '.join(parts)}."
