"""The picture of the landing page: the three phenomena of Fig. 1, side by side."""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from grokkit.runs import Record
from varma2023 import measures
from varma2023.plots import Looks, draw_runs, early_text, log_epochs
from varma2023.semi_grokking import analysis
from varma2023.theme import panels, set_alt


def near_d_crit(every: Mapping[str, Sequence[Record]]) -> Sequence[Record]:
    """The runs for the third panel: those that stay in the middle when trained longer, or all."""
    again, _ = analysis.by_precision(every.get("semi_grokking_again", []))
    return analysis.standing(again) or every.get("semi_grokking", [])


def fig1_overview(
    grokked: Sequence[Record], ungrokked: Sequence[Record], near: Sequence[Record] = ()
) -> go.Figure:
    """Fig. 1 in one picture: accuracy while networks grok and ungrok, epochs on a log axis.

    Epoch 0 is drawn at 0.8. The third panel has the run of `near` that is clearest semi-grokking
    (Fig. 1c); without runs near D_crit, or where none of them ends so, it is empty and says why.
    """
    titles = ["grokking", "ungrokking", "semi-grokking"]
    layout: Looks = {"height": 420, "margin": {"t": 70}, "legend": {"y": 1.1}}
    fig = panels(layout, cols=3, shared_yaxes=True, subplot_titles=titles, horizontal_spacing=0.05)
    columns = [grokked, ungrokked]
    shown = analysis.example(near) if near else None
    if shown is not None and measures.outcome(shown) == measures.SEMI:
        columns.append([shown])
    for col, records in enumerate(columns, start=1):
        draw_runs(fig, records, "train_accuracy", (1, col), "solid")
        draw_runs(fig, records, "test_accuracy", (1, col), "dash")
        fig.update_xaxes(title=f"epoch, D = {records[0].run.dataset_size:,}", col=col)
    log_epochs(fig)
    if len(columns) < 3:
        fig.update_xaxes(type="linear", col=3)
        fig.add_scatter(x=[None], y=[None], showlegend=False, row=1, col=3)  # no trace, no axes
        fig.update_xaxes(range=[0, 1], showticklabels=False, title="epoch", col=3)
        why = f"none of {len(near)} runs" if near else "not run yet"
        fig.add_annotation(x=0.5, y=0.5, text=why, showarrow=False, row=1, col=3)
    fig.update_yaxes(range=[0, 1.03])
    fig.update_yaxes(title="accuracy", col=1)
    said = f"{_alt(grokked, ungrokked)} Semi-grokking: {analysis.summary_sentence(near)}."
    return set_alt(fig, said)


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
