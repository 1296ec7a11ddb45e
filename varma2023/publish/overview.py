"""The picture of the landing page: the three phenomena of Fig. 1, side by side."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from grokkit.runs import Record
from varma2023 import measures
from varma2023.plots import early_text, meta, shared_meta, together
from varma2023.semi_grokking import analysis
from varma2023.theme import TEST, TRAIN, pale, set_alt, template

CURVES = (("train_accuracy", "train", TRAIN, "solid"), ("test_accuracy", "test", TEST, "dash"))


def fig1_overview(
    grokked: Sequence[Record], ungrokked: Sequence[Record], near: Sequence[Record] = ()
) -> go.Figure:
    """Fig. 1 in one picture: accuracy while networks grok and ungrok, epochs on a log axis.

    Epoch 0 is drawn at 0.8. The third panel has the run of `near` that is clearest semi-grokking
    (Fig. 1c); without runs near D_crit, or where none of them ends so, it is empty and says why.
    """
    titles = ["grokking", "ungrokking", "semi-grokking"]
    fig = make_subplots(cols=3, shared_yaxes=True, subplot_titles=titles, horizontal_spacing=0.05)
    panels = [list(grokked), list(ungrokked)]
    shown = analysis.example(near) if near else None
    if shown is not None and measures.outcome(shown) == measures.SEMI:
        panels.append([shown])
    for col, records in enumerate(panels, start=1):
        for curve in CURVES:
            _add(fig, records, curve, col)
        label = f"epoch, D = {records[0].run.dataset_size:,}"
        fig.update_xaxes(type="log", exponentformat="power", dtick=1, title=label, col=col)
    if len(panels) < 3:
        fig.add_scatter(x=[None], y=[None], showlegend=False, row=1, col=3)  # no trace, no axes
        fig.update_xaxes(range=[0, 1], showticklabels=False, title="epoch", col=3)
        why = f"none of {len(near)} runs" if near else "not run yet"
        fig.add_annotation(x=0.5, y=0.5, text=why, showarrow=False, row=1, col=3)
    fig.update_yaxes(range=[0, 1.03])
    fig.update_yaxes(title="accuracy", col=1)
    fig.update_layout(template=template(), height=420, margin={"t": 70}, legend={"y": 1.1})
    said = f"{_alt(grokked, ungrokked)} Semi-grokking: {analysis.summary_sentence(near)}."
    return set_alt(fig, said)


def _add(
    fig: go.Figure, records: Sequence[Record], curve: tuple[str, str, str, str], col: int
) -> None:
    metric, label, colour, dash = curve
    epochs, every = together(records, metric)
    names = [f"seed {record.run.seed}" for record in records]
    lines = [
        (record["epoch"], record[metric], pale(colour), 1.2, name, meta(record))
        for name, record in zip(names, records, strict=True)
    ]
    middle = np.median(every, axis=0)
    strong = f"median of {len(records)} seeds" if len(records) > 1 else names[0]
    lines.append((epochs, middle, colour, 2.5, strong, shared_meta(records)))
    for i, (x, y, shade, width, name, belongs) in enumerate(lines):
        fig.add_scatter(
            x=np.maximum(x.astype(np.float64), 0.8),
            y=y.astype(np.float32),
            name=f"{label} accuracy",
            legendgroup=label,
            showlegend=col == 1 and i == len(records),
            meta=belongs,
            line={"color": shade, "dash": dash, "width": width},
            hovertemplate=f"{label} %{{y:.3f}}<br>{name}<br>epoch %{{x:,.0f}}<extra></extra>",
            row=1,
            col=col,
        )


def _alt(grokked: Sequence[Record], ungrokked: Sequence[Record]) -> str:
    fits = measures.mark_epochs(grokked, measures.MARKS[0]).text()
    general = measures.mark_epochs(grokked, measures.MARKS[-1]).text()
    start = measures.Summary.of([record["test_accuracy"][0] for record in ungrokked])
    end = measures.Summary.of([record.final("test_accuracy") for record in ungrokked])
    return (
        f"Accuracy against epochs. Grokking, {len(grokked)} networks trained on "
        f"{grokked[0].run.dataset_size:,} examples: train accuracy reaches 1 at epoch {fits}, test "
        f"accuracy passes 0.98 at epoch {general}. Ungrokking, {len(ungrokked)} trained networks "
        f"continued on {ungrokked[0].run.dataset_size:,} examples: test accuracy goes from "
        f"{start.text('.2f')} to {end.text('.2f')}." + early_text([*grokked, *ungrokked])
    )
