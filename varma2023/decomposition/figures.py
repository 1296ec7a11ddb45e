"""The figures of what is inside a trained network: Fig. 11 and the equilibrium of AdamW."""

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from varma2023.decomposition.analysis import Trigonometric
from varma2023.theme import GEN, NORM, set_alt, template


def fig11_trigonometric(report: Trigonometric) -> go.Figure:
    """Fig. 11 on a trained network: the norm at each frequency, of the embedding and the logits."""
    k = np.arange(1, len(report.logit_norms) + 1)
    fig = make_subplots(rows=2, shared_xaxes=True, vertical_spacing=0.07)
    key = [int(f) in report.frequencies for f in k]
    for row, (label, norms) in enumerate(
        (("embedding", report.embedding_norms), ("logits", report.logit_norms)), start=1
    ):
        for chosen, name, colour, pattern in (
            (True, "key frequency", GEN, ""),
            (False, "other frequency", NORM, "/"),
        ):
            some = np.array(key) == chosen
            fig.add_bar(
                x=k[some],
                y=norms.numpy()[some].astype(np.float32),
                name=name,
                width=0.8,
                legendgroup=name,
                showlegend=row == 1,
                marker={"color": colour, "pattern": {"shape": pattern}},
                hovertemplate=f"k = %{{x}}: {label} norm %{{y:.3g}}<br>{name}<extra></extra>",
                row=row,
                col=1,
            )
        fig.update_yaxes(title=f"norm in the {label}", row=row)
    fig.update_xaxes(title="frequency k", row=2)
    fig.update_layout(template=template(), height=520, barmode="overlay")
    listed = ", ".join(str(f) for f in report.frequencies)
    return set_alt(
        fig,
        f"Norm of embedding and logits at each of {len(k)} frequencies: {len(report.frequencies)} "
        f"key frequencies, {listed}, hold the trigonometric logits. The algorithm rebuilt from "
        f"them gives the network's answer on {report.agreement:.1%} of all inputs.",
    )
