"""The figure of the algorithm inside a trained network: Fig. 11."""

import numpy as np
import plotly.graph_objects as go

from varma2023.decomposition.analysis import Trigonometric
from varma2023.plots import draw_bars
from varma2023.theme import GEN, NORM, panels, set_alt


def fig11_trigonometric(report: Trigonometric) -> go.Figure:
    """Fig. 11 on a trained network: the norm at each frequency, of the embedding and the logits."""
    k = np.arange(1, len(report.logit_norms) + 1)
    fig = panels(520, rows=2, shared_xaxes=True, vertical_spacing=0.07)
    fig.update_layout(barmode="overlay")
    key = np.isin(k, report.frequencies)
    rows = (("embedding", report.embedding_norms), ("logits", report.logit_norms))
    cases = ((key, "key frequency", GEN), (~key, "other frequency", NORM))
    for row, (label, norms) in enumerate(rows, start=1):
        for i, (some, name, colour) in enumerate(cases):
            hover = f"k = %{{x}}: {label} norm %{{y:.3g}}<br>{name}"
            draw_bars(fig, k[some], norms.numpy()[some], name, hover, colour, i, place=(row, 1))
        fig.update_yaxes(title=f"norm in the {label}", row=row)
    fig.update_traces(width=0.8).update_xaxes(title="frequency k", row=2)
    listed = ", ".join(str(f) for f in report.frequencies)
    text = f"Norm of embedding and logits at each of {len(k)} frequencies: "
    text += f"{len(report.frequencies)} key frequencies, {listed}, hold the trigonometric logits. "
    text += f"They explain {report.explained:.3f} of the squared norm of all logits."
    return set_alt(fig, text)
