"""The figures of grokking: Figs. 1a and 9."""

from collections.abc import Sequence

import plotly.graph_objects as go

from grokkit.runs import Record
from varma2023 import measures
from varma2023.plots import LOSS_AXIS, draw_runs, early_text, losses_and_accuracies
from varma2023.theme import panels, set_alt


def fig1a_grokking(records: Sequence[Record]) -> go.Figure:
    """Fig. 1a: losses on a logarithmic axis and test accuracy, against epochs."""
    fig = losses_and_accuracies(records)
    fig.update_xaxes(title="epoch", tickformat=",d", row=2)
    fits, *_, general = measures.mark_summaries(records)
    last = measures.finals(records, "test_loss")
    return set_alt(
        fig,
        f"Losses and accuracy of {len(records)} networks over {records[0].run.epochs:,} epochs. "
        f"Train accuracy reaches 1 at epoch {fits.text()}; test accuracy passes 0.98 at epoch "
        f"{general.text()}; the test loss ends at {last.text('.2g')}." + early_text(records),
    )


def fig9_circuits(records: Sequence[Record]) -> go.Figure:
    """Fig. 9: losses; correct logits of the two circuits and parameter norm, against epochs."""
    fig = panels({"height": 620}, rows=2, shared_xaxes=True, vertical_spacing=0.07)
    for metric in ("train_loss", "test_loss", "trig_logit", "mem_logit", "param_norm"):
        draw_runs(fig, records, metric, (1 if "loss" in metric else 2, 1))
    fig.update_yaxes(LOSS_AXIS, row=1)
    fig.update_yaxes(title="logit, norm", row=2)
    fig.update_xaxes(title="epoch", tickformat=",d", row=2)
    found = zip(measures.MARKS, measures.mark_summaries(records), strict=True)
    marks = "; ".join(f"{mark.name} at epoch {epochs.text()}" for mark, epochs in found)
    text = f"Losses, logits and norm of {len(records)} grokking networks: {marks}."
    return set_alt(fig, text + early_text(records))
