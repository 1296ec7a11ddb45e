"""The figures of Sec. 3 and of Appendices C and D: simulations and theorems, no trained network."""

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from grokkit.simulation import Trajectory
from varma2023.simulation.analysis import marks, said
from varma2023.theme import GEN, MAX_POINTS, MEM, NORM, TEST, TRAIN, set_alt, template

LOSSES = {"train_loss": ("train loss", TRAIN, "solid"), "test_loss": ("test loss", TEST, "dash")}
OTHERS = {
    "gen_logit": ("gen logit", GEN, "solid"),
    "mem_logit": ("mem logit", MEM, "dash"),
    "param_norm": ("parameter norm", NORM, "dot"),
}
PANELS = {
    "a": "a  all three ingredients",
    "b": "b  C<sub>gen</sub> less efficient",
    "c": "c  equal speeds",
}


def fig2_simulation(trajectories: Mapping[str, Trajectory]) -> go.Figure:
    """Fig. 2: the three panels, losses on a logarithmic left axis, logits and norm on the right."""
    titles = [PANELS.get(name, name) for name in trajectories]
    n = len(titles)
    fig = make_subplots(
        rows=n,
        shared_xaxes=True,
        vertical_spacing=0.09,
        subplot_titles=titles,
        specs=[[{"secondary_y": True}]] * n,
    )
    for row, t in enumerate(trajectories.values(), start=1):
        some = _thinned(len(t.step))
        for right, curves in enumerate((LOSSES, OTHERS)):
            for key, (name, colour, dash) in curves.items():
                line = go.Scatter(
                    x=t.step[some],
                    y=getattr(t, key)[some].astype(np.float32),
                    name=name,
                    legendgroup=key,
                    showlegend=row == 1,
                    line={"color": colour, "dash": dash, "width": 2},
                    hovertemplate=f"{name} %{{y:.4g}}<br>step %{{x:,}}<extra></extra>",
                )
                fig.add_trace(line, row=row, col=1, secondary_y=bool(right))
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
    fig.update_layout(template=template(), height=80 + 230 * n, legend={"y": 1.05})
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
